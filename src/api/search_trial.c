/* SPDX-License-Identifier: Apache-2.0 */
/* search_trial.c: one trial: a recipe changed, the program measured, the figures kept. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/search.h"
#include "ptq/method.h"

#define PROBE_SAMPLES 128

/* ---- a recipe changed ---- */

static intact_status add_method(it_recipe *r, const char *name, bool wanted, intact_error *err)
{
    for (size_t i = 0; r->methods[i]; i++)
        if (strcmp(r->methods[i]->name, name) == 0)
            return INTACT_OK;
    return wanted ? it_recipe_method(r, name, err) : INTACT_OK;
}

/* Groups and zero points do not go together below 8 bits (ptq/weights.c): where the recipe has both, layers that get few bits have a scale per channel. */
static bool has_groups_and_zeros(const it_recipe *r)
{
    bool group = r->plans.weights.grain == IT_PER_GROUP, affine = r->plans.weights.affine;
    for (size_t i = 0; i < r->rules.len; i++) {
        group = group || r->rules.items[i].plans.weights.grain == IT_PER_GROUP;
        affine = affine || r->rules.items[i].plans.weights.affine;
    }
    return group && affine;
}

static intact_status edit_few_bits(it_recipe *r, it_recipe_rule *rule, bool ungrouped, intact_error *err)
{
    if (ungrouped)
        IT_TRY(it_recipe_set(r, rule, "weights.per", "channel", err));
    return it_recipe_set(r, rule, "weights.range", "mse", err);
}

intact_status it_search_edit(void *user, it_recipe *r, intact_error *err)
{
    const it_search *s = user;
    const it_trial *t = s->now;
    const bool ungrouped = has_groups_and_zeros(r);
    if (t->method[0])
        IT_TRY(it_recipe_set(r, NULL, "activations.method", t->method, err));
    IT_TRY(add_method(r, "equalize", t->equalize, err));
    IT_TRY(add_method(r, "bias", t->bias, err));
    if (t->adaround)
        IT_TRY(it_recipe_set(r, NULL, "weights.round", "adaround", err));
    for (size_t i = 0; i < t->rules_len; i++) {
        it_recipe_rule *rule = it_recipe_add(r, t->rules[i].name, t->rules[i].of_value);
        if (!rule)
            return it_fail_nomem(err, t->rules[i].name, sizeof *rule);
        IT_TRY(it_recipe_set(r, rule, t->rules[i].field, t->rules[i].value, err));
        if (strcmp(t->rules[i].field, "weights.bits") == 0 && t->rules[i].value[0] < '8')
            IT_TRY(edit_few_bits(r, rule, ungrouped, err));
    }
    return INTACT_OK;
}

/* Reports are not of trials. */
intact_quantize_options it_search_plain(const it_search *s)
{
    intact_quantize_options q = s->o->quantize;
    q.output = s->try_path;
    q.report = q.report_json = NULL;
    return q;
}

/* ---- figures ---- */

static bool taken(const intact_search_result *out, const char *name)
{
    for (uint32_t i = 0; i < out->steps_len; i++)
        if (strcmp(out->steps[i].name, name) == 0)
            return true;
    return false;
}

static intact_status keep_step(it_search *s, const it_trial *t, const json_t *r, intact_error *err)
{
    intact_search_result *out = s->out;
    size_t len = out->steps_len;
    intact_search_step *grown = it_alloc_grow(s->c->alloc, out->steps, len * sizeof *grown, (len + 1) * sizeof *grown);
    if (!grown)
        return it_fail_nomem(err, "search", (len + 1) * sizeof *grown);
    out->steps = grown;
    if (!it_vec_room(s->c->alloc, (void **)&s->trials, len, &s->trials_cap, sizeof *s->trials))
        return it_fail_nomem(err, "search", (len + 1) * sizeof *t);
    s->trials[len] = *t;
    intact_search_step *step = &out->steps[len];
    *step = (intact_search_step){.top1 = it_search_number(r, "top1", -1), .agreement = it_search_number(r, "agreement", 0), .sqnr_db = it_search_number(r, "sqnr_db", INFINITY),
                                 .file_bytes = (uint64_t)it_search_number(r, "file_bytes", 0), .seconds = it_search_number(r, "seconds", 0), .weighted_macs = (uint64_t)it_search_number(r, "weighted_macs", 0), .ms = it_search_number(r, "ms", 0),
                                 .failed = json_is_string(json_object_get(r, "failed"))};
    memcpy(step->name, t->name, sizeof step->name);
    for (int again = 2; taken(out, step->name); again++) /* reports refer to steps by name */
        snprintf(step->name, sizeof step->name, "%.30s (%d)", t->name, again);
    memcpy(step->change, t->change, sizeof step->change);
    if (step->failed)
        snprintf(step->change, sizeof step->change, "%s", json_string_value(json_object_get(r, "failed")));
    else
        out->float_top1 = it_search_number(r, "float_top1", -1);
    step->drop = step->top1 >= 0 ? 100 * (out->float_top1 - step->top1) : 0;
    step->drop_error = step->top1 >= 0 ? 100 * it_search_number(r, "loss_standard_error", 0) : 0;
    step->holds = it_search_holds(s, step);
    out->steps_len++;
    if (len == 0 || it_search_better(s, step, &out->steps[out->best]))
        out->best = (uint32_t)len;
    out->holds = out->steps[out->best].holds;
    out->bounded = s->o->max_drop >= 0 || s->budget != IT_BUDGET_NONE;
    json_t *j = json_pack("{s:s, s:s, s:o, s:f, s:f, s:o, s:o, s:I, s:I, s:b}", "step", step->name, "change", step->change, "top1", step->top1 >= 0 ? json_real(step->top1) : json_null(), "drop",
                          step->drop, "drop_standard_error", step->drop_error, "agreement", it_search_real(step->agreement), "sqnr_db", it_search_real(step->sqnr_db), "file_bytes", (json_int_t)step->file_bytes, "weighted_macs", (json_int_t)step->weighted_macs, "holds", step->holds);
    bool ok = j && (step->ms <= 0 || json_object_set_new(j, "ms", json_real(step->ms)) == 0);
    return json_array_append_new(s->steps, j) == 0 && ok ? INTACT_OK : it_fail_nomem(err, "search", 0);
}

/* ---- measuring ---- */

static intact_status measure(it_search *s, const intact_data_options *d, intact_compare_result *cr, intact_error *err)
{
    intact_model *b = NULL;
    IT_TRY(intact_model_open(s->c, s->try_path, INTACT_CPU_AUTO, &b, err));
    intact_status st = intact_compare(s->c, s->m, b, d, 0, cr, err);
    intact_model_free(b);
    return st;
}

typedef struct judgement { it_search *s; double started; } judgement;

static intact_status edit_judged(void *user, it_recipe *r, intact_error *err) { return it_search_edit(((judgement *)user)->s, r, err); }

static intact_status judge(void *user, const intact_quantize_result *r, const char **to, intact_error *err)
{
    judgement *j = user;
    it_search *s = j->s;
    intact_compare_result cr;
    intact_data_options d = *it_search_data(s);
    double ms = 0;
    if (!s->o->eval.path && !d.limit)
        d.limit = 4 * PROBE_SAMPLES;
    if (s->budget == IT_BUDGET_LATENCY)
        IT_TRY(it_search_latency(s, s->try_path, &ms, NULL, err));
    IT_TRY(measure(s, &d, &cr, err));
    bool labelled = cr.labelled > 0;
    json_t *res = json_pack("{s:o, s:o, s:f, s:f, s:o, s:I, s:I, s:f, s:f}", "float_top1", labelled ? json_real(cr.top1_a) : json_null(), "top1", labelled ? json_real(cr.top1_b) : json_null(), "loss_standard_error", labelled ? cr.loss_standard_error : 0.0, "agreement",
                            cr.agreement, "sqnr_db", it_search_real(cr.output_sqnr_db), "file_bytes", (json_int_t)r->file_bytes, "weighted_macs", (json_int_t)r->weighted_macs, "ms", ms, "seconds",
                            it_seconds() - j->started);
    intact_compare_result_release(s->c, &cr);
    if (!res)
        return it_fail_nomem(err, "search", 0);
    intact_status st = !labelled && s->o->max_drop >= 0 ? it_fail(err, INTACT_E_DATA, d.path, "the data set has no labels, and a loss of accuracy (%g points) is to be measured on it; give its labels",
                                                                  s->o->max_drop)
                                                         : keep_step(s, s->now, res, err);
    if (st == INTACT_OK)
        st = it_search_remember(s, "trial", s->now, res, err);
    json_decref(res);
    if (st != INTACT_OK || !s->best_path || s->out->best + 1 != s->out->steps_len)
        return st;
    *to = s->out->holds ? s->o->quantize.output : s->best_path;
    snprintf(s->out->path, sizeof s->out->path, "%s", *to);
    return s->out->holds ? INTACT_OK : it_search_log(s, s->best_log, err);
}

static intact_status failed_step(it_search *s, const it_trial *t, intact_error *err)
{
    char why[sizeof s->out->steps->change];
    snprintf(why, sizeof why, "%.60s: %.130s", err->where, err->message);
    json_t *res = json_pack("{s:s}", "failed", why);
    intact_status st = res ? keep_step(s, t, res, err) : it_fail_nomem(err, "search", 0);
    if (st == INTACT_OK)
        st = it_search_remember(s, "trial", t, res, err);
    json_decref(res);
    return st;
}

intact_status it_search_try(it_search *s, const it_trial *t, intact_error *err)
{
    const json_t *known = it_search_recall(s, "trial", t);
    intact_error own;
    judgement j = {s, it_seconds()};
    intact_quantize_result r;
    it_log(s->c, INTACT_LOG_INFO, "step %s: %s", t->name, t->change);
    if (known)
        return keep_step(s, t, known, err);
    s->now = t;
    intact_quantize_options q = it_search_plain(s);
    it_quantize_hooks hooks = {.user = &j, .edit = edit_judged, .judge = judge};
    intact_status st = it_quantize(s->c, s->model_path, &q, &hooks, &r, &own);
    s->now = NULL;
    if (st == INTACT_OK)
        intact_quantize_result_release(s->c, &r);
    else if (st == INTACT_E_UNSUPPORTED && s->out->steps_len)
        return failed_step(s, t, &own);
    else if (err)
        *err = own;
    return st;
}

intact_status it_search_probe(it_search *s, const it_trial *t, double *agreement, double *sqnr_db, intact_error *err)
{
    json_t *known = it_search_recall(s, "probe", t), *res = NULL;
    if (!known) {
        intact_quantize_options q = it_search_plain(s);
        intact_quantize_result r;
        intact_compare_result cr;
        intact_data_options d = q.calib;
        d.limit = d.limit && d.limit < PROBE_SAMPLES ? d.limit : PROBE_SAMPLES;
        s->now = t;
        it_quantize_hooks hooks = {.user = s, .edit = it_search_edit};
        IT_TRY(it_quantize(s->c, s->model_path, &q, &hooks, &r, err));
        intact_quantize_result_release(s->c, &r);
        IT_TRY(measure(s, &d, &cr, err));
        known = res = json_pack("{s:f, s:o}", "agreement", cr.agreement, "sqnr_db", it_search_real(cr.output_sqnr_db));
        intact_compare_result_release(s->c, &cr);
        if (!res)
            return it_fail_nomem(err, "search", 0);
    }
    *agreement = it_search_number(known, "agreement", 0);
    *sqnr_db = it_search_number(known, "sqnr_db", INFINITY);
    intact_status st = res ? it_search_remember(s, "probe", t, res, err) : INTACT_OK;
    json_decref(res);
    return st;
}

/* ---- as text ---- */

typedef struct printer { it_search *s; char *text; } printer;

/* Nothing else of quantization is wanted. */
static intact_status edit_print(void *user, it_recipe *r, intact_error *err)
{
    printer *p = user;
    IT_TRY(it_search_edit(p->s, r, err));
    p->text = it_recipe_print(r);
    return p->text ? INTACT_E_CANCELLED : it_fail_nomem(err, "recipe", 0);
}

intact_status it_search_recipe(it_search *s, const it_trial *t, char **out, intact_error *err)
{
    printer p = {.s = s};
    intact_quantize_options q = it_search_plain(s);
    intact_quantize_result r;
    s->now = t;
    it_quantize_hooks hooks = {.user = &p, .edit = edit_print};
    intact_status st = it_quantize(s->c, s->model_path, &q, &hooks, &r, err);
    *out = p.text;
    return p.text ? INTACT_OK : st;
}
