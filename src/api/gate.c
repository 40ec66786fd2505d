/* SPDX-License-Identifier: Apache-2.0 */
/* gate.c: the ladder: recipes from the cheapest to the most expensive until one holds; then, if asked for, fewer bits; a size to fit. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/search.h"
#include "base/file.h"

static void name_trial(it_trial *t, const char *name, const char *change)
{
    snprintf(t->name, sizeof t->name, "%s", name);
    snprintf(t->change, sizeof t->change, "%s", change);
}

static bool done(const it_search *s, bool stop) { return stop && s->out->holds; }
static const it_trial *best(const it_search *s) { return &s->trials[s->out->best]; }
static bool last_is_best(const it_search *s) { return s->out->best + 1 == s->out->steps_len; }

/* ---- the ladder ---- */

static intact_status first_steps(it_search *s, bool stop, intact_error *err)
{
    it_trial t = {0};
    char method[32];
    if (s->o->quantize.method || s->o->quantize.recipe) {
        name_trial(&t, "as given", "the options' recipe");
        return it_search_try(s, &t, err);
    }
    name_trial(&t, "max", "activations.method: max");
    snprintf(t.method, sizeof t.method, "max");
    IT_TRY(it_search_try(s, &t, err));
    if (done(s, stop))
        return INTACT_OK;
    IT_TRY(it_search_calibrator(s, &t, method, err));
    if (strcmp(method, "max") == 0)
        return INTACT_OK;
    snprintf(t.method, sizeof t.method, "%s", method);
    name_trial(&t, "calibrator", "");
    snprintf(t.change, sizeof t.change, "activations.method: %s (the best of seven on calibration samples)", method);
    return it_search_try(s, &t, err);
}

static intact_status partial_steps(it_search *s, bool stop, intact_error *err)
{
    static const double shares[] = {0.1, 0.25, 0.5, 1};
    const it_trial from = s->trials[it_search_base(s)]; /* AdaRound is run again at each of these steps only where it was of use */
    size_t before = 0, len;
    IT_TRY(it_search_sense(s, &from, err));
    for (size_t i = 0; i < IT_LEN(shares) && !done(s, stop); i++) {
        it_trial t;
        IT_TRY(it_search_partial(s, &from, shares[i], &t, &len, err));
        if (len == before)
            continue;
        before = len;
        IT_TRY(it_search_try(s, &t, err));
    }
    return INTACT_OK;
}

intact_status it_search_ladder(it_search *s, bool stop, intact_error *err)
{
    IT_TRY(first_steps(s, stop, err));
    if (done(s, stop))
        return INTACT_OK;
    it_trial t = *best(s);
    t.equalize = t.bias = true;
    name_trial(&t, "equalize and bias", "methods: equalize, bias");
    IT_TRY(it_search_try(s, &t, err));
    if (done(s, stop))
        return INTACT_OK;
    t = *best(s);
    t.adaround = true;
    name_trial(&t, "adaround", last_is_best(s) ? "weights.round: adaround, with equalize and bias" : "weights.round: adaround, without equalize and bias");
    IT_TRY(it_search_try(s, &t, err));
    return done(s, stop) ? INTACT_OK : partial_steps(s, stop, err);
}

/* ---- fewer bits ---- */

static intact_status fewer_bits(it_search *s, intact_error *err)
{
    static const double shares[] = {0.875, 0.75, 0.625, 0.5, 0.4375, 0.375, 0.3125, 0.25};
    const it_trial from = *best(s);
    uint64_t most, least;
    IT_TRY(it_search_sense(s, &from, err));
    it_search_weights(s, &most, &least);
    for (size_t i = 0; i < IT_LEN(shares) && s->out->steps[s->out->steps_len - 1].holds; i++) {
        it_trial t;
        uint64_t bytes = (uint64_t)((double)most * shares[i]);
        IT_TRY(it_search_mixed(s, &from, bytes > least ? bytes : least, &t, err));
        IT_TRY(it_search_try(s, &t, err));
    }
    return INTACT_OK;
}

/* What is no weight stays: the rest of the budget is theirs. The file's own size has the last word. */
static intact_status fit_budget(it_search *s, intact_error *err)
{
    const it_trial from = *best(s);
    const intact_search_step *step = &s->out->steps[s->out->steps_len - 1];
    uint64_t budget = s->o->budget_bytes > IT_SEARCH_ROOM ? s->o->budget_bytes - IT_SEARCH_ROOM : 1, most, least;
    if (step->file_bytes <= budget)
        return INTACT_OK;
    IT_TRY(it_search_sense(s, &from, err));
    it_search_weights(s, &most, &least);
    uint64_t rest = step->file_bytes > most ? step->file_bytes - most : 0, smallest = rest + least;
    int64_t room = budget > smallest ? (int64_t)(budget - rest) : (int64_t)least;
    for (int i = 0; i < 6; i++) {
        it_trial t;
        IT_TRY(it_search_mixed(s, &from, (uint64_t)room, &t, err));
        IT_TRY(it_search_try(s, &t, err));
        step = &s->out->steps[s->out->steps_len - 1];
        if (step->failed || step->file_bytes <= budget)
            return INTACT_OK;
        bool bottom = (uint64_t)room == least;
        room -= (int64_t)(step->file_bytes - budget);
        if (bottom)
            break;
        if (room < (int64_t)least)
            room = (int64_t)least;
    }
    smallest = step->failed ? smallest : step->file_bytes;
    return it_fail(err, INTACT_E_ARG, s->model_path, "%llu bytes were asked for; the smallest program that fewer bits make of it has %llu", (unsigned long long)s->o->budget_bytes,
                   (unsigned long long)(smallest + IT_SEARCH_ROOM));
}

/* ---- the verb ---- */

static intact_status make_paths(it_search *s, intact_error *err)
{
    const char *out = s->o->quantize.output;
    if (!out)
        return it_fail(err, INTACT_E_ARG, "search", "no output file was given");
    size_t len = strlen(out), stem = len > 4 && strcmp(out + len - 4, ".itm") == 0 ? len - 4 : len;
    s->try_path = it_arena_printf(&s->arena, "%.*s.try.itm", (int)stem, out);
    s->best_path = it_arena_printf(&s->arena, "%.*s.best.itm", (int)stem, out);
    return s->try_path && s->best_path ? INTACT_OK : it_fail_nomem(err, "search", len);
}

static intact_status write_log(const it_search *s, intact_error *err)
{
    if (!s->o->log)
        return INTACT_OK;
    json_t *j = json_pack("{s:o, s:o, s:b, s:s, s:O}", "float_top1", s->out->float_top1 >= 0 ? json_real(s->out->float_top1) : json_null(), "max_drop",
                          s->o->max_drop >= 0 ? json_real(s->o->max_drop) : json_null(), "holds", s->out->holds, "program", s->out->path, "steps", s->steps);
    for (uint32_t i = 0; j && i < s->out->steps_len; i++)
        json_object_set_new(json_array_get(s->steps, i), "seconds", json_real(s->out->steps[i].seconds));
    char *text = j ? json_dumps(j, JSON_INDENT(1) | JSON_SORT_KEYS | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(j);
    if (!text)
        return it_fail_nomem(err, s->o->log, 0);
    it_part parts[] = {{text, strlen(text)}, {"\n", 1}};
    intact_status st = it_file_replace(s->o->log, parts, 2, err);
    free(text);
    return st;
}

static intact_status search(it_search *s, intact_error *err)
{
    IT_TRY(make_paths(s, err));
    if (s->o->budget_bytes) {
        it_trial t = {0};
        name_trial(&t, "8 bits", "the options' recipe");
        IT_TRY(it_search_try(s, &t, err));
        IT_TRY(fit_budget(s, err));
    } else {
        IT_TRY(it_search_ladder(s, true, err));
        if (s->o->prefer_size && s->out->holds)
            IT_TRY(fewer_bits(s, err));
    }
    if (s->out->holds)
        unlink(s->best_path);
    return write_log(s, err);
}

intact_status intact_search(intact_ctx *c, const char *model_path, const intact_search_options *o, intact_search_result *out, intact_error *err)
{
    it_search s;
    intact_status st = it_search_open(&s, c, model_path, o, out, err);
    if (st == INTACT_OK && o->max_drop < 0 && !o->budget_bytes)
        st = it_fail(err, INTACT_E_ARG, "search", "a goal is needed: a loss of accuracy (max_drop) or a size (budget)");
    if (st == INTACT_OK)
        st = search(&s, err);
    if (st != INTACT_OK && s.best_path)
        unlink(s.best_path);
    it_search_close(&s);
    if (st != INTACT_OK)
        intact_search_result_release(c, out);
    return st;
}
