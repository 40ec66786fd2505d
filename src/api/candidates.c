/* SPDX-License-Identifier: Apache-2.0 */
/* candidates.c: recipes worth a trial, out of what was measured: the best calibrator, more bits for the sensitive parts, bits by layer. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/search.h"
#include "base/pattern.h"

const int it_search_bits[IT_SEARCH_BITS] = {8, 4, 3, 2};

size_t it_search_base(const it_search *s)
{
    size_t base = 0;
    bool found = false, base_cheap = false;
    for (size_t i = 0; i < s->out->steps_len; i++) {
        const intact_search_step *t = &s->out->steps[i];
        bool cheap = !s->trials[i].adaround && s->trials[i].rules_len == 0;
        if (t->failed || !it_search_as_good(s, t) || (found && (!cheap || (base_cheap && t->sqnr_db <= s->out->steps[base].sqnr_db))))
            continue;
        base = i;
        found = true;
        base_cheap = cheap;
    }
    return base;
}

intact_status it_search_calibrator(it_search *s, const it_trial *from, char method[IT_SEARCH_METHOD], size_t *tried, intact_error *err)
{
    double best_same = -1, best_ratio = -INFINITY, parameter;
    const it_calib *c;
    *tried = 0;
    for (size_t i = 0; it_calib_try(i, &c, &parameter); i++, ++*tried) {
        it_trial t = *from;
        double same, ratio;
        it_calib_print(c, parameter, t.method);
        snprintf(t.name, sizeof t.name, "probe %s", t.method);
        IT_TRY(it_search_probe(s, &t, &same, &ratio, err));
        bool there = strcmp(t.method, from->method) == 0; /* of equal ones that which there is already */
        bool equal = ratio == best_ratio && (same > best_same || (same == best_same && there)); /* agreement counts few samples: it breaks ties */
        if (!(ratio > best_ratio || equal))
            continue;
        best_same = same;
        best_ratio = ratio;
        snprintf(method, IT_SEARCH_METHOD, "%s", t.method);
    }
    return INTACT_OK;
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

static bool add_rule(it_search *s, it_trial *t, const char *name, bool of_value, const char *field, const char *value)
{
    it_trial_rule *r = &t->rules[t->rules_len];
    *r = (it_trial_rule){.name = it_arena_plain_pattern(&s->arena, name), .of_value = of_value, .field = field};
    snprintf(r->value, sizeof r->value, "%s", value);
    t->rules_len += r->name != NULL;
    return r->name != NULL;
}

static bool add_bits(it_search *s, it_trial *t, const char *name, bool of_value, int bits)
{
    char text[8];
    snprintf(text, sizeof text, "%d", bits);
    return add_rule(s, t, name, of_value, of_value ? "activations.bits" : "weights.bits", text);
}

/* ---- more bits, or float, for what costs most ---- */

typedef struct part { const char *layer, *value; double noise; size_t order; } part; /* what changes together; NULL: not that */

static int by_noise(const void *a, const void *b)
{
    const part *x = a, *y = b;
    if (x->noise != y->noise)
        return x->noise > y->noise ? -1 : 1;
    return x->order < y->order ? -1 : 1;
}

static double noise_of(const json_t *row, const char *what) { return it_search_number(json_object_get(json_object_get(row, "only"), what), "noise", 0); }

/* Values to 16 bits, and weights of fewer than 8 to 8: the most that the runtime has. */
static size_t list_integer(const json_t *row, size_t order, part *to)
{
    const char *value = json_string_value(json_object_get(row, "value")), *layer = json_string_value(json_object_get(row, "name"));
    size_t len = 0;
    if (value && json_is_true(json_object_get(row, "takes_16_bits")) && noise_of(row, "activations") > 0)
        to[len++] = (part){.value = value, .noise = noise_of(row, "activations"), .order = 2 * order};
    if (json_is_true(json_object_get(row, "layer")) && it_search_number(row, "weight_bits", 8) < 8 && noise_of(row, "weights") > 0)
        to[len++] = (part){.layer = layer, .noise = noise_of(row, "weights"), .order = 2 * order + 1};
    return len;
}

/* A whole layer with what it computes, or a value that no layer computes. */
static size_t list_float(const json_t *row, size_t order, part *to)
{
    const char *value = json_string_value(json_object_get(row, "value")), *layer = json_string_value(json_object_get(row, "name"));
    bool is_layer = json_is_true(json_object_get(row, "layer"));
    double noise = fmax(noise_of(row, "both"), fmax(noise_of(row, "weights"), noise_of(row, "activations")));
    *to = (part){.layer = is_layer ? layer : NULL, .value = value, .noise = noise, .order = order};
    return noise > 0;
}

static size_t list_parts(const it_search *s, part *to)
{
    size_t len = 0, kept = 0, i;
    const json_t *row;
    json_array_foreach(json_object_get(s->sense, "rows"), i, row)
        len += s->o->fallback_float ? list_float(row, i, to + len) : list_integer(row, i, to + len);
    for (i = 0; i < len; i++) { /* values that are one by a view come twice */
        bool twice = false;
        for (size_t k = 0; k < kept && to[i].value; k++)
            twice = twice || (to[k].value && strcmp(to[k].value, to[i].value) == 0);
        if (!twice)
            to[kept++] = to[i];
    }
    qsort(to, kept, sizeof *to, by_noise);
    return kept;
}

static void describe_partial(const it_search *s, const part *list, size_t want, size_t all, double share, it_trial *out)
{
    const char *first = want ? list[0].layer ? list[0].layer : list[0].value : "";
    snprintf(out->name, sizeof out->name, "partial %.0f %%", 100 * share);
    snprintf(out->change, sizeof out->change, s->o->fallback_float ? "float for the %zu most sensitive of %zu layers and values%s%.100s"
                                                                    : "more bits (16 values, 8 weights) for the %zu most sensitive of %zu that can have them%s%.90s",
             want, all, want ? "; first: " : "", first);
}

intact_status it_search_partial(it_search *s, const it_trial *from, double share, it_trial *out, size_t *len, intact_error *err)
{
    size_t room = 2 * json_array_size(json_object_get(s->sense, "rows")) + 1;
    part *list = it_alloc_new(s->c->alloc, room * sizeof *list);
    if (!list)
        return it_fail_nomem(err, "search", room * sizeof *list);
    size_t all = list_parts(s, list), want = (size_t)ceil(share * (double)all);
    bool ok = copy_rules(s, from, 2 * want, out);
    for (size_t i = 0; ok && i < want; i++) {
        if (list[i].layer)
            ok = add_bits(s, out, list[i].layer, false, s->o->fallback_float ? IT_FLOAT_BITS : 8);
        if (ok && list[i].layer && !s->o->fallback_float) /* of 8 bits nearest rounding is as good, and takes no time */
            ok = add_rule(s, out, list[i].layer, false, "weights.round", "nearest");
        if (ok && list[i].value)
            ok = add_bits(s, out, list[i].value, true, s->o->fallback_float ? IT_FLOAT_BITS : 16);
    }
    if (ok)
        describe_partial(s, list, want, all, share, out);
    *len = want;
    it_alloc_free(s->c->alloc, list, room * sizeof *list);
    return ok ? INTACT_OK : it_fail_nomem(err, "search", want * sizeof *out->rules);
}

/* ---- bits by layer ---- */

/* What the layer counts at choice b of bits. */
static uint64_t counted(const it_search *s, const json_t *row, it_budget budget, int b)
{
    if (budget == IT_BUDGET_MACS)
        return (uint64_t)(it_search_number(row, "macs", 0) * it_search_bits[b] * it_search_number(row, "input_bits", 8) / 64);
    if (budget == IT_BUDGET_LATENCY) {
        char name[sizeof((intact_bench_layer *)0)->name]; /* as long as bench has them */
        snprintf(name, sizeof name, "%s", json_string_value(json_object_get(row, "name")));
        return (uint64_t)it_search_number(json_array_get(s->latency, (size_t)b), name, 0);
    }
    return ((uint64_t)it_search_number(row, "weights", 0) * (uint64_t)it_search_bits[b] + 7) / 8;
}

static size_t list_layers(const it_search *s, it_budget budget, it_knapsack_item *items, const char **names)
{
    size_t len = 0, i;
    const json_t *row;
    json_array_foreach(json_object_get(s->sense, "rows"), i, row)
    {
        if (!json_is_true(json_object_get(row, "layer")))
            continue;
        items[len] = (it_knapsack_item){.len = IT_SEARCH_BITS};
        for (int b = 0; b < IT_SEARCH_BITS; b++) {
            const json_t *cost = json_array_get(json_object_get(row, "cost_by_bits"), (size_t)b);
            items[len].size[b] = counted(s, row, budget, b);
            items[len].cost[b] = json_is_number(cost) ? json_number_value(cost) : INFINITY;
        }
        names[len++] = json_string_value(json_object_get(row, "name"));
    }
    return len;
}

void it_search_span(const it_search *s, it_budget budget, uint64_t *most, uint64_t *least)
{
    size_t i;
    const json_t *row;
    *most = *least = 0;
    json_array_foreach(json_object_get(s->sense, "rows"), i, row)
    {
        uint64_t fewest = UINT64_MAX;
        if (!json_is_true(json_object_get(row, "layer")))
            continue;
        *most += counted(s, row, budget, 0);
        for (int b = 0; b < IT_SEARCH_BITS; b++) /* time need not fall with the bits */
            fewest = counted(s, row, budget, b) < fewest ? counted(s, row, budget, b) : fewest;
        *least += fewest;
    }
}

static intact_status give_bits(it_search *s, const uint8_t *pick, const char *const *names, size_t len, it_trial *out, intact_error *err)
{
    size_t count[IT_SEARCH_BITS] = {0};
    for (size_t i = 0; i < len; i++) {
        count[pick[i]]++;
        if (!add_bits(s, out, names[i], false, it_search_bits[pick[i]]))
            return it_fail_nomem(err, "search", strlen(names[i]));
    }
    snprintf(out->change, sizeof out->change, "weights of %zu layers at 8 bits, %zu at 4, %zu at 3, %zu at 2", count[0], count[1], count[2], count[3]);
    return INTACT_OK;
}

/* choice below 0: by the knapsack. */
static intact_status layers_at(it_search *s, const it_trial *from, it_budget budget, uint64_t limit, int choice, it_trial *out, intact_error *err)
{
    size_t rows = json_array_size(json_object_get(s->sense, "rows")) + 1, room = rows * (sizeof(it_knapsack_item) + sizeof(char *) + 1);
    it_knapsack_item *items = it_alloc_zero(s->c->alloc, room);
    if (!items)
        return it_fail_nomem(err, "search", room);
    const char **names = (const char **)(void *)(items + rows);
    uint8_t *pick = (uint8_t *)(names + rows);
    size_t len = list_layers(s, budget, items, names);
    intact_status st = INTACT_OK;
    if (choice < 0)
        st = it_knapsack(items, len, limit, s->c->alloc, pick, err);
    else
        memset(pick, choice, len);
    if (st == INTACT_OK && !copy_rules(s, from, len, out))
        st = it_fail_nomem(err, "search", len * sizeof *out->rules);
    if (st == INTACT_OK)
        st = give_bits(s, pick, names, len, out, err);
    it_alloc_free(s->c->alloc, items, room);
    return st;
}

intact_status it_search_mixed(it_search *s, const it_trial *from, it_budget budget, uint64_t limit, it_trial *out, intact_error *err)
{
    IT_TRY(layers_at(s, from, budget, limit, -1, out, err));
    if (budget == IT_BUDGET_MACS)
        snprintf(out->name, sizeof out->name, "mixed %.4g M", (double)limit / 1e6);
    else if (budget == IT_BUDGET_LATENCY)
        snprintf(out->name, sizeof out->name, "mixed %.4g ms", (double)limit / 1e6);
    else
        snprintf(out->name, sizeof out->name, "mixed %llu B", (unsigned long long)limit);
    return INTACT_OK;
}

intact_status it_search_flat(it_search *s, const it_trial *from, int bits, it_trial *out, intact_error *err)
{
    int b = 0;
    while (b + 1 < IT_SEARCH_BITS && it_search_bits[b] != bits)
        b++;
    IT_TRY(layers_at(s, from, IT_BUDGET_SIZE, 0, b, out, err));
    snprintf(out->name, sizeof out->name, "%d bits", bits);
    return INTACT_OK;
}
