/* SPDX-License-Identifier: Apache-2.0 */
/* gate.c: the ladder: recipes from the cheapest to the most expensive until one holds; then, if asked for, fewer bits; a budget to fit. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/search.h"

static bool done(const it_search *s, bool stop) { return stop && s->out->holds; }
static const it_trial *best(const it_search *s) { return &s->trials[s->out->best]; }
static bool last_is_best(const it_search *s) { return s->out->best + 1 == s->out->steps_len; }

/* ---- the ladder ---- */

static intact_status first_steps(it_search *s, intact_error *err)
{
    it_trial t = {0};
    char method[IT_SEARCH_METHOD];
    size_t tried;
    if (s->given && !s->missing) {
        it_search_name(&t, "as it came", "scales and codes that the network came with");
        return it_search_try(s, &t, err);
    }
    if (s->o->quantize.method || s->o->quantize.recipe) {
        it_search_name(&t, "as given", "the options' recipe");
        return it_search_try(s, &t, err);
    }
    it_search_name(&t, "max", "activations.method: max");
    snprintf(t.method, sizeof t.method, "max");
    IT_TRY(it_search_try(s, &t, err));
    IT_TRY(it_search_calibrator(s, &t, method, &tried, err)); /* costs the program nothing: asked even when the gate holds */
    if (strcmp(method, "max") == 0)
        return INTACT_OK;
    snprintf(t.method, sizeof t.method, "%s", method);
    it_search_name(&t, "calibrator", "");
    snprintf(t.change, sizeof t.change, "activations.method: %s (the best of %zu on calibration samples)", method, tried);
    return it_search_try(s, &t, err);
}

static intact_status partial_steps(it_search *s, bool stop, intact_error *err)
{
    static const double integer[] = {0.1, 0.25, 0.5, 1}, real[] = {0.05, 0.1, 0.25, 0.5};
    const double *shares = s->o->fallback_float ? real : integer;
    const it_trial from = s->trials[it_search_base(s)]; /* AdaRound is run again at each of these steps only where it was of use */
    size_t before = 0, len;
    IT_TRY(it_search_sense(s, &from, err));
    for (size_t i = 0; i < IT_LEN(integer) && !done(s, stop); i++) {
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
    IT_TRY(first_steps(s, err));
    if (done(s, stop) || s->given)
        return INTACT_OK;
    it_trial t = *best(s);
    t.equalize = t.bias = true;
    it_search_name(&t, "equalize and bias", "methods: equalize, bias");
    IT_TRY(it_search_try(s, &t, err));
    if (done(s, stop))
        return INTACT_OK;
    t = *best(s);
    t.adaround = true;
    it_search_name(&t, "adaround", last_is_best(s) ? "weights.round: adaround, with equalize and bias" : "weights.round: adaround, without equalize and bias");
    IT_TRY(it_search_try(s, &t, err));
    return done(s, stop) ? INTACT_OK : partial_steps(s, stop, err);
}

/* ---- fewer bits ---- */

static const intact_search_step *last_step(const it_search *s) { return &s->out->steps[s->out->steps_len - 1]; }

static intact_status fewer_bits(it_search *s, intact_error *err)
{
    static const double shares[] = {0.875, 0.75, 0.625, 0.5, 0.4375, 0.375, 0.3125, 0.25};
    const it_trial from = *best(s);
    uint64_t most, least;
    IT_TRY(it_search_sense(s, &from, err));
    it_search_span(s, IT_BUDGET_SIZE, &most, &least);
    for (size_t i = 0; i < IT_LEN(shares); i++) {
        it_trial t;
        uint64_t bytes = (uint64_t)((double)most * shares[i]);
        IT_TRY(it_search_mixed(s, &from, IT_BUDGET_SIZE, bytes > least ? bytes : least, &t, err));
        IT_TRY(it_search_try(s, &t, err));
        if (last_step(s)->holds)
            continue;
        if (t.adaround)
            break;
        t.adaround = true; /* what rounding to nearest cannot hold */
        snprintf(t.name + strlen(t.name), sizeof t.name - strlen(t.name), ", adaround");
        IT_TRY(it_search_try(s, &t, err));
        if (!last_step(s)->holds)
            break;
    }
    return INTACT_OK;
}

/* ---- a budget ---- */

#define FITTING_MAX 8 /* trials; then the least of all */

static double allowed(const it_search *s)
{
    double limit = s->budget == IT_BUDGET_LATENCY ? 1e6 * s->limit : s->limit;
    return limit > 1 ? limit : 1;
}

/* In what the knapsack counts: nanoseconds of time. */
static double counts(const it_search *s, const intact_search_step *t) { return it_search_cost(s, t) * (s->budget == IT_BUDGET_LATENCY ? 1e6 : 1); }

static intact_status too_small(const it_search *s, double smallest, intact_error *err)
{
    if (s->budget == IT_BUDGET_LATENCY)
        return it_fail(err, INTACT_E_ARG, s->model_path, "%.3f ms were asked for; the fastest program that other bits make of it takes %.3f ms on one thread of this machine", s->limit,
                       smallest / 1e6);
    if (s->budget == IT_BUDGET_MACS)
        return it_fail(err, INTACT_E_ARG, s->model_path, "%.0f multiply-accumulates (weighted by bits) were asked for; the fewest that fewer bits make of it are %.0f", s->limit, smallest);
    return it_fail(err, INTACT_E_ARG, s->model_path, "%.0f bytes were asked for; the smallest program that fewer bits make of it has %.0f", s->limit, smallest);
}

static bool same_rules(const it_trial *a, const it_trial *b)
{
    bool same = a->rules_len == b->rules_len;
    for (size_t i = 0; same && i < a->rules_len; i++)
        same = strcmp(a->rules[i].name, b->rules[i].name) == 0 && strcmp(a->rules[i].field, b->rules[i].field) == 0 && strcmp(a->rules[i].value, b->rules[i].value) == 0;
    return same;
}

/* The budget is kept, the loss is too large: what costs no byte and no time of a run. */
static intact_status hold_within(it_search *s, const it_trial *from, intact_error *err)
{
    it_trial t = *from;
    t.equalize = t.bias = true;
    snprintf(t.name, sizeof t.name, "%.20s, equalize and bias", from->name);
    IT_TRY(it_search_try(s, &t, err));
    if (s->out->holds)
        return INTACT_OK;
    t = *best(s);
    t.adaround = true;
    snprintf(t.name, sizeof t.name, "%.20s, adaround", from->name);
    return it_search_try(s, &t, err);
}

/* What is no layer's stays: the rest of the budget is theirs. What is measured of the whole has the last word. */
static intact_status fit_budget(it_search *s, intact_error *err)
{
    const it_trial from = *best(s);
    const double budget = allowed(s);
    uint64_t most, least;
    if (last_step(s)->failed)
        return INTACT_OK;
    if (it_search_fits(s, last_step(s)))
        return last_step(s)->holds || s->given ? INTACT_OK : hold_within(s, &from, err);
    if (s->given)
        return it_fail(err, INTACT_E_ARG, s->model_path, "came quantized, and keeps the bits that it has: %s is %.6g, its program has %.6g", it_search_budget_name(s), s->limit,
                       it_search_cost(s, last_step(s)));
    IT_TRY(it_search_sense(s, &from, err));
    if (s->budget == IT_BUDGET_LATENCY)
        IT_TRY(it_search_table(s, &from, err));
    it_search_span(s, s->budget, &most, &least);
    double rest = fmax(counts(s, last_step(s)) - (double)most, 0), smallest = rest + (double)least, room = fmax(budget - rest, (double)least);
    for (int i = 0; i <= FITTING_MAX; i++) {
        it_trial t;
        room = i < FITTING_MAX ? room : (double)least;
        IT_TRY(it_search_mixed(s, &from, s->budget, (uint64_t)room, &t, err));
        if (i == 0 || !same_rules(&t, &s->trials[s->out->steps_len - 1]))
            IT_TRY(it_search_try(s, &t, err));
        const intact_search_step *step = last_step(s);
        if (step->failed)
            return INTACT_OK;
        if (it_search_fits(s, step))
            return step->holds ? INTACT_OK : hold_within(s, &t, err);
        smallest = counts(s, step);
        if (room <= (double)least)
            break;
        room = fmax(room - fmax((1 + 0.5 * i) * (smallest - budget), (double)most / 256), (double)least); /* tables of few bits take room too */
    }
    return too_small(s, smallest, err);
}

/* ---- the verb ---- */

static intact_status make_paths(it_search *s, intact_error *err)
{
    const char *out = s->o->quantize.output, *end = it_search_ending(s);
    if (!out)
        return it_fail(err, INTACT_E_ARG, "search", "no output file was given");
    size_t len = strlen(out), tail = strlen(end), stem = len > tail && strcmp(out + len - tail, end) == 0 ? len - tail : len;
    s->try_path = it_arena_printf(&s->arena, "%.*s.try%s", (int)stem, out, end);
    s->best_path = it_arena_printf(&s->arena, "%.*s.best%s", (int)stem, out, end);
    s->best_log = it_arena_printf(&s->arena, "%.*s.best.json", (int)stem, out);
    return s->try_path && s->best_path && s->best_log ? INTACT_OK : it_fail_nomem(err, "search", len);
}

static intact_status check_files(const it_search *s, intact_error *err)
{
    const intact_quantize_options *o = &s->o->quantize;
    const it_api_file outs[] = {{"what is written", o->output}, {"the report", o->report}, {"the report's JSON", o->report_json}, {"the log", s->o->log},
                                {"the program that is tried", s->try_path}, {"the best program below the goal", s->best_path},
                                {"its figures", s->best_log}};
    const it_api_file ins[] = {{"the float network", s->model_path}, {"the calibration data", o->calib.path}, {"the data to judge by", s->o->eval.path}, {"the labels", s->o->eval.labels},
                               {"the recipe", o->recipe}, {"the ranges file", o->ranges}};
    return it_api_files_apart(outs, IT_LEN(outs), ins, IT_LEN(ins), err);
}

static json_t *log_json(it_search *s, const char *recipe)
{
    json_t *steps = json_deep_copy(s->steps);
    json_t *top1 = s->out->float_top1 >= 0 ? json_real(s->out->float_top1) : json_null(), *most = s->o->max_drop >= 0 ? json_real(s->o->max_drop) : json_null();
    json_t *j = json_pack("{s:o, s:o, s:b, s:s, s:o, s:o}", "float_top1", top1, "max_drop", most, "holds", s->out->holds, "program", s->out->path, "recipe",
                          json_loads(recipe, 0, NULL), "steps", steps);
    bool ok = j != NULL;
    for (uint32_t i = 0; ok && i < s->out->steps_len; i++)
        ok = json_object_set_new(json_array_get(steps, i), "seconds", json_real(s->out->steps[i].seconds)) == 0;
    if (ok && s->budget != IT_BUDGET_NONE)
        ok = json_object_set_new(j, it_search_budget_name(s), json_real(s->limit)) == 0;
    if (ok)
        return j;
    json_decref(j);
    return NULL;
}

intact_status it_search_log(it_search *s, const char *path, intact_error *err)
{
    char *recipe = NULL;
    if (!path)
        return INTACT_OK;
    IT_TRY(it_search_recipe(s, best(s), &recipe, err));
    json_t *j = log_json(s, recipe);
    free(recipe);
    return it_search_write_json(path, j, err);
}

static void drop_best(const it_search *s)
{
    unlink(s->best_path);
    unlink(s->best_log);
}

static intact_status search(it_search *s, intact_error *err)
{
    IT_TRY(make_paths(s, err));
    IT_TRY(check_files(s, err));
    if (s->budget != IT_BUDGET_NONE) {
        it_trial t = {0};
        it_search_name(&t, "8 bits", "the options' recipe");
        IT_TRY(it_search_try(s, &t, err));
        IT_TRY(fit_budget(s, err));
    } else {
        IT_TRY(it_search_ladder(s, true, err));
        if (s->o->prefer_size && s->out->holds && !s->given)
            IT_TRY(fewer_bits(s, err));
    }
    if (s->out->holds)
        drop_best(s);
    IT_TRY(it_search_tell_equal(s, err));
    IT_TRY(it_search_log(s, s->out->holds ? NULL : s->best_log, err));
    IT_TRY(it_search_log(s, s->o->log, err));
    return it_search_report(s, s->o->quantize.report, s->o->quantize.report_json, s->out->path, err);
}

intact_status intact_search(intact_ctx *c, const char *model_path, const intact_search_options *o, intact_search_result *out, intact_error *err)
{
    it_search s;
    intact_status st = it_search_open(&s, c, model_path, o, out, err);
    if (st == INTACT_OK && o->max_drop < 0 && s.budget == IT_BUDGET_NONE)
        st = it_fail(err, INTACT_E_ARG, "search", "a goal is needed: a loss of accuracy (max_drop) or a budget of size, multiply-accumulates or time");
    if (st == INTACT_OK)
        st = search(&s, err);
    if (st == INTACT_E_CANCELLED && s.best_path && strcmp(out->path, s.best_path) == 0)
        it_log(c, INTACT_LOG_INFO, "the best until then is %s", s.best_path);
    else if (st != INTACT_OK && s.best_path && strcmp(out->path, s.best_path) == 0) /* this search's, no older one's */
        drop_best(&s);
    it_search_close(&s);
    if (st != INTACT_OK)
        intact_search_result_release(c, out);
    return st;
}
