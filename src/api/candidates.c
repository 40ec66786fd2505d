/* SPDX-License-Identifier: Apache-2.0 */
/* candidates.c: recipes worth a trial, out of what was measured: the best calibrator, wide values, bits by layer. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/search.h"

const int it_search_bits[IT_SEARCH_BITS] = {8, 4, 3, 2};

size_t it_search_base(const it_search *s)
{
    size_t base = 0;
    for (size_t i = 1; i < s->out->steps_len; i++) {
        const intact_search_step *t = &s->out->steps[i], *b = &s->out->steps[base];
        bool labelled = t->top1 >= 0 && b->top1 >= 0;
        if (!t->failed && (labelled ? t->drop < b->drop : !s->trials[i].adaround && t->sqnr_db > b->sqnr_db))
            base = i;
    }
    return base;
}

intact_status it_search_calibrator(it_search *s, const it_trial *from, char method[32], intact_error *err)
{
    static const char *const methods[] = {"max", "mse", "percentile:99.9999", "percentile:99.999", "percentile:99.99", "percentile:99.9", "entropy"};
    double best_same = -1, best_ratio = -INFINITY;
    for (size_t i = 0; i < IT_LEN(methods); i++) {
        it_trial t = *from;
        double same, ratio;
        snprintf(t.name, sizeof t.name, "probe %s", methods[i]);
        snprintf(t.method, sizeof t.method, "%s", methods[i]);
        IT_TRY(it_search_probe(s, &t, &same, &ratio, err));
        if (same < best_same || (same == best_same && !(ratio > best_ratio)))
            continue;
        best_same = same;
        best_ratio = ratio;
        snprintf(method, 32, "%s", methods[i]);
    }
    return INTACT_OK;
}

/* ---- wide values ---- */

typedef struct wide { const char *name; double noise; size_t order; } wide;

static int by_noise(const void *a, const void *b)
{
    const wide *x = a, *y = b;
    if (x->noise != y->noise)
        return x->noise > y->noise ? -1 : 1;
    return x->order < y->order ? -1 : 1;
}

static size_t list_wide(const it_search *s, wide *to)
{
    size_t len = 0, i;
    const json_t *row;
    json_array_foreach(json_object_get(s->sense, "rows"), i, row)
    {
        const json_t *noise = json_object_get(json_object_get(json_object_get(row, "only"), "activations"), "noise");
        const char *name = json_string_value(json_object_get(row, "value"));
        bool twice = false;
        for (size_t k = 0; name && k < len; k++)
            twice = twice || strcmp(to[k].name, name) == 0;
        if (name && !twice && json_is_true(json_object_get(row, "takes_16_bits")) && json_number_value(noise) > 0)
            to[len++] = (wide){name, json_number_value(noise), i};
    }
    qsort(to, len, sizeof *to, by_noise);
    return len;
}

/* rules of from with room for more at the end. */
static bool copy_rules(it_search *s, const it_trial *from, size_t more, it_trial *out)
{
    *out = *from;
    out->rules = it_arena_new(&s->arena, (from->rules_len + more + 1) * sizeof *out->rules);
    if (out->rules && from->rules_len)
        memcpy(out->rules, from->rules, from->rules_len * sizeof *out->rules);
    return out->rules != NULL;
}

intact_status it_search_partial(it_search *s, const it_trial *from, double share, it_trial *out, size_t *len, intact_error *err)
{
    size_t rows = json_array_size(json_object_get(s->sense, "rows"));
    wide *list = it_alloc_new(s->c->alloc, (rows + 1) * sizeof *list);
    if (!list)
        return it_fail_nomem(err, "search", rows * sizeof *list);
    size_t all = list_wide(s, list), want = (size_t)ceil(share * (double)all);
    bool ok = copy_rules(s, from, want, out);
    for (size_t i = 0; ok && i < want; i++) {
        char *name = it_arena_text(&s->arena, list[i].name);
        ok = name != NULL;
        if (ok)
            out->rules[out->rules_len++] = (it_trial_rule){name, true, "activations.bits", "16"};
    }
    if (ok) {
        snprintf(out->name, sizeof out->name, "partial %.0f %%", 100 * share);
        snprintf(out->change, sizeof out->change, "16 bits for the %zu most sensitive of %zu values that can have them%s%.100s", want, all, want ? "; first: " : "", want ? list[0].name : "");
    }
    *len = want;
    it_alloc_free(s->c->alloc, list, (rows + 1) * sizeof *list);
    return ok ? INTACT_OK : it_fail_nomem(err, "search", want * sizeof *out->rules);
}

/* ---- bits by layer ---- */

static uint64_t bytes_at(uint64_t weights, int bits) { return (weights * (uint64_t)bits + 7) / 8; }

static size_t list_layers(const it_search *s, it_knapsack_item *items, const char **names)
{
    size_t len = 0, i;
    const json_t *row;
    json_array_foreach(json_object_get(s->sense, "rows"), i, row)
    {
        if (!json_is_true(json_object_get(row, "layer")))
            continue;
        uint64_t weights = (uint64_t)json_integer_value(json_object_get(row, "weights"));
        items[len] = (it_knapsack_item){.len = IT_SEARCH_BITS};
        for (size_t b = 0; b < IT_SEARCH_BITS; b++) {
            const json_t *cost = json_array_get(json_object_get(row, "cost_by_bits"), b);
            items[len].bytes[b] = bytes_at(weights, it_search_bits[b]);
            items[len].cost[b] = json_is_number(cost) ? json_number_value(cost) : INFINITY;
        }
        names[len++] = json_string_value(json_object_get(row, "name"));
    }
    return len;
}

void it_search_weights(const it_search *s, uint64_t *most, uint64_t *least)
{
    size_t i;
    const json_t *row;
    *most = *least = 0;
    json_array_foreach(json_object_get(s->sense, "rows"), i, row)
    {
        uint64_t weights = (uint64_t)json_integer_value(json_object_get(row, "weights"));
        *most += bytes_at(weights, it_search_bits[0]);
        *least += bytes_at(weights, it_search_bits[IT_SEARCH_BITS - 1]);
    }
}

static intact_status give_bits(it_search *s, const uint8_t *pick, const char *const *names, size_t len, it_trial *out, intact_error *err)
{
    size_t count[IT_SEARCH_BITS] = {0};
    for (size_t i = 0; i < len; i++) {
        char *name = it_arena_text(&s->arena, names[i]);
        if (!name)
            return it_fail_nomem(err, "search", strlen(names[i]));
        count[pick[i]]++;
        out->rules[out->rules_len] = (it_trial_rule){name, false, "weights.bits", ""};
        snprintf(out->rules[out->rules_len++].value, sizeof out->rules->value, "%d", it_search_bits[pick[i]]);
    }
    snprintf(out->change, sizeof out->change, "weights of %zu layers at 8 bits, %zu at 4, %zu at 3, %zu at 2", count[0], count[1], count[2], count[3]);
    return INTACT_OK;
}

intact_status it_search_mixed(it_search *s, const it_trial *from, uint64_t bytes, it_trial *out, intact_error *err)
{
    size_t rows = json_array_size(json_object_get(s->sense, "rows")) + 1, room = rows * (sizeof(it_knapsack_item) + sizeof(char *) + 1);
    it_knapsack_item *items = it_alloc_zero(s->c->alloc, room);
    if (!items)
        return it_fail_nomem(err, "search", room);
    const char **names = (const char **)(void *)(items + rows);
    uint8_t *pick = (uint8_t *)(names + rows);
    size_t len = list_layers(s, items, names);
    intact_status st = it_knapsack(items, len, bytes, s->c->alloc, pick, err);
    if (st == INTACT_OK && !copy_rules(s, from, len, out))
        st = it_fail_nomem(err, "search", len * sizeof *out->rules);
    if (st == INTACT_OK)
        st = give_bits(s, pick, names, len, out, err);
    if (st == INTACT_OK)
        snprintf(out->name, sizeof out->name, "mixed %llu KiB", (unsigned long long)(bytes / 1024));
    it_alloc_free(s->c->alloc, items, room);
    return st;
}
