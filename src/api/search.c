/* SPDX-License-Identifier: Apache-2.0 */
/* search.c: one trial: a recipe changed, the program measured, the figures kept. */
#include "api/search.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "ptq/method.h"

#define PROBE_SAMPLES 128

void intact_search_options_default(intact_search_options *o)
{
    *o = (intact_search_options){.max_drop = -1};
    intact_quantize_options_default(&o->quantize);
}

/* ---- opening ---- */

static const intact_data_options *eval_data(const it_search *s) { return s->o->eval.path ? &s->o->eval : &s->o->quantize.calib; }

intact_status it_search_open(it_search *s, intact_ctx *c, const char *model_path, const intact_search_options *o, intact_search_result *out, intact_error *err)
{
    *s = (it_search){.c = c, .model_path = model_path, .o = o, .out = out, .started = it_seconds()};
    *out = (intact_search_result){.float_top1 = -1};
    it_arena_init(&s->arena, c->alloc);
    if (!model_path)
        return it_fail(err, INTACT_E_ARG, "search", "no model was given");
    if (!o->quantize.calib.path)
        return it_fail(err, INTACT_E_ARG, "search", "trying recipes needs calibration data");
    if (o->max_drop >= 0 && !o->eval.path)
        return it_fail(err, INTACT_E_ARG, "search", "a loss of at most %g points was asked for; measuring it needs labelled data (eval)", o->max_drop);
    s->steps = json_array();
    s->known = json_object();
    if (!s->steps || !s->known)
        return it_fail_nomem(err, "search", 0);
    IT_TRY(intact_model_open(c, model_path, INTACT_CPU_AUTO, &s->m, err));
    return s->m->kind == INTACT_MODEL_FLOAT ? INTACT_OK : it_fail(err, INTACT_E_ARG, model_path, "is an integer program already; a float network (.onnx) is needed");
}

void it_search_close(it_search *s)
{
    s->out->seconds = it_seconds() - s->started;
    if (s->try_path)
        unlink(s->try_path);
    json_decref(s->steps);
    json_decref(s->known);
    json_decref(s->sense);
    intact_model_free(s->m);
    it_alloc_free(s->c->alloc, s->trials, s->trials_cap * sizeof *s->trials);
    it_arena_release(&s->arena);
}

void intact_search_result_release(intact_ctx *c, intact_search_result *r)
{
    it_alloc_free(c->alloc, r->steps, r->steps_len * sizeof *r->steps);
    *r = (intact_search_result){0};
}

/* ---- the state: a measurement a line ---- */

static intact_status add_file(it_sha256 *h, const char *path, intact_error *err)
{
    it_map map;
    if (!path)
        return INTACT_OK;
    IT_TRY(it_map_open(path, &map, err));
    it_sha256_add(h, map.data, map.len);
    it_map_close(&map);
    return INTACT_OK;
}

static intact_status add_data(const it_search *s, it_sha256 *h, const intact_data_options *d, intact_error *err)
{
    it_source src;
    char hex[65];
    IT_TRY(it_source_open(&src, s->m, d, err));
    size_t len = src.feed.len, *all = it_alloc_new(s->c->alloc, len * sizeof *all);
    for (size_t i = 0; all && i < len; i++)
        all[i] = i;
    intact_status st = all ? it_dataset_sha256(src.data, all, len, hex, err) : it_fail_nomem(err, "state", len * sizeof *all);
    it_alloc_free(s->c->alloc, all, len * sizeof *all);
    it_source_close(&src);
    if (st != INTACT_OK)
        return st;
    it_sha256_add(h, hex, 64);
    return add_file(h, d->labels, err);
}

static void add_text(it_sha256 *h, const char *text) { it_sha256_add(h, text ? text : "-", text ? strlen(text) + 1 : 2); }

static intact_status make_key(it_search *s, intact_error *err)
{
    const intact_quantize_options *q = &s->o->quantize;
    char text[256];
    it_sha256 h;
    it_sha256_init(&h);
    add_text(&h, INTACT_VERSION_STRING);
    IT_TRY(add_file(&h, s->model_path, err));
    IT_TRY(add_data(s, &h, &q->calib, err));
    IT_TRY(add_data(s, &h, eval_data(s), err));
    snprintf(text, sizeof text, "%u %llu %d %d %u %u %d %llu %d %d", q->samples, (unsigned long long)q->seed, q->symmetric_activations, q->per_tensor_weights, q->weight_bits, q->act_bits,
             q->keep_softmax, (unsigned long long)s->o->sense_samples, s->o->eval.label_offset, q->calib.label_offset);
    add_text(&h, text);
    add_text(&h, q->method);
    add_text(&h, q->keep8);
    add_text(&h, q->calib.preprocess);
    add_text(&h, s->o->eval.preprocess);
    for (size_t i = 0; i < q->set_len; i++) {
        add_text(&h, q->set[i].field);
        add_text(&h, q->set[i].value);
    }
    for (size_t i = 0; i < q->methods_len; i++)
        add_text(&h, q->methods[i]);
    IT_TRY(add_file(&h, q->recipe, err));
    IT_TRY(add_file(&h, q->ranges, err));
    it_sha256_hex(&h, s->key);
    return INTACT_OK;
}

/* Lines that an interrupt cut off are passed over. */
intact_status it_search_resume(it_search *s, const char *state, intact_error *err)
{
    IT_TRY(make_key(s, err));
    s->state = state;
    if (access(state, F_OK) != 0)
        return INTACT_OK;
    it_map map;
    IT_TRY(it_map_open(state, &map, err));
    const char *at = map.data, *end = at ? at + map.len : at;
    while (at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        json_t *line = json_loadb(at, (size_t)((stop ? stop : end) - at), 0, NULL);
        const char *key = json_string_value(json_object_get(line, "key"));
        if (stop && key)
            json_object_set(s->known, key, json_object_get(line, "result"));
        json_decref(line);
        at = stop ? stop + 1 : end;
    }
    it_map_close(&map);
    return INTACT_OK;
}

static void measurement_key(const it_search *s, const char *kind, const it_trial *t, char out[65])
{
    char flags[64];
    it_sha256 h;
    it_sha256_init(&h);
    add_text(&h, s->key);
    add_text(&h, kind);
    add_text(&h, t->method);
    snprintf(flags, sizeof flags, "%d%d%d", t->equalize, t->bias, t->adaround);
    add_text(&h, flags);
    for (size_t i = 0; i < t->rules_len; i++) {
        add_text(&h, t->rules[i].name);
        add_text(&h, t->rules[i].of_value ? "value" : "layer");
        add_text(&h, t->rules[i].field);
        add_text(&h, t->rules[i].value);
    }
    it_sha256_hex(&h, out);
}

static json_t *recall(const it_search *s, const char *kind, const it_trial *t)
{
    char key[65];
    if (!s->state)
        return NULL;
    measurement_key(s, kind, t, key);
    return json_object_get(s->known, key);
}

static intact_status remember(it_search *s, const char *kind, const it_trial *t, json_t *result, intact_error *err)
{
    char key[65];
    if (!s->state)
        return INTACT_OK;
    measurement_key(s, kind, t, key);
    json_object_set(s->known, key, result);
    json_t *line = json_pack("{s:s, s:s, s:s, s:O}", "key", key, "kind", kind, "step", t->name, "result", result);
    char *text = line ? json_dumps(line, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    json_decref(line);
    if (!text)
        return it_fail_nomem(err, s->state, 0);
    FILE *f = fopen(s->state, "a+b");
    bool ok = f != NULL, cut = ok && fseek(f, -1, SEEK_END) == 0 && fgetc(f) != '\n';
    ok = ok && fprintf(f, "%s%s\n", cut ? "\n" : "", text) > 0 && fflush(f) == 0 && fsync(fileno(f)) == 0;
    ok = f && fclose(f) == 0 && ok;
    free(text);
    return ok ? INTACT_OK : it_fail(err, INTACT_E_IO, s->state, "cannot be written");
}

/* ---- a recipe changed ---- */

static intact_status add_method(it_recipe *r, const char *name, bool wanted, intact_error *err)
{
    for (size_t i = 0; r->methods[i]; i++)
        if (strcmp(r->methods[i]->name, name) == 0)
            return INTACT_OK;
    return wanted ? it_recipe_method(r, name, err) : INTACT_OK;
}

static intact_status edit(void *user, it_recipe *r, intact_error *err)
{
    const it_search *s = user;
    const it_trial *t = s->now;
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
            IT_TRY(it_recipe_set(r, rule, "weights.range", "mse", err));
    }
    return INTACT_OK;
}

/* Reports are not of trials. */
static intact_quantize_options plain(const it_search *s)
{
    intact_quantize_options q = s->o->quantize;
    q.output = s->try_path;
    q.report = q.report_json = NULL;
    return q;
}

/* ---- measuring ---- */

static json_t *real_json(double v) { return isfinite(v) ? json_real(v) : json_null(); }

static double real_of(const json_t *j, const char *key, double otherwise)
{
    const json_t *v = json_object_get(j, key);
    return json_is_number(v) ? json_number_value(v) : otherwise;
}

static bool holds(const it_search *s, const intact_search_step *t)
{
    bool exact = t->top1 >= 0 && t->drop <= s->o->max_drop + 1e-9;
    return !t->failed && (s->o->max_drop < 0 || exact) && (!s->o->budget_bytes || t->file_bytes + IT_SEARCH_ROOM <= s->o->budget_bytes);
}

static bool better(const it_search *s, const intact_search_step *a, const intact_search_step *b)
{
    if (a->failed != b->failed)
        return !a->failed;
    if (a->holds != b->holds)
        return a->holds;
    if (a->holds && s->o->prefer_size && a->file_bytes != b->file_bytes)
        return a->file_bytes < b->file_bytes;
    if (s->o->budget_bytes && !a->holds && s->o->max_drop < 0)
        return a->file_bytes < b->file_bytes;
    if (a->drop != b->drop)
        return a->drop < b->drop;
    return a->agreement != b->agreement ? a->agreement > b->agreement : a->sqnr_db > b->sqnr_db;
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
    *step = (intact_search_step){.top1 = real_of(r, "top1", -1), .agreement = real_of(r, "agreement", 0), .sqnr_db = real_of(r, "sqnr_db", INFINITY),
                                 .file_bytes = (uint64_t)real_of(r, "file_bytes", 0), .seconds = real_of(r, "seconds", 0), .failed = json_is_string(json_object_get(r, "failed"))};
    memcpy(step->name, t->name, sizeof step->name);
    memcpy(step->change, t->change, sizeof step->change);
    if (step->failed)
        snprintf(step->change, sizeof step->change, "%s", json_string_value(json_object_get(r, "failed")));
    else
        out->float_top1 = real_of(r, "float_top1", -1);
    step->drop = step->top1 >= 0 ? 100 * (out->float_top1 - step->top1) : 0;
    step->holds = holds(s, step);
    out->steps_len++;
    if (len == 0 || better(s, step, &out->steps[out->best]))
        out->best = (uint32_t)len;
    out->holds = out->steps[out->best].holds;
    json_t *j = json_pack("{s:s, s:s, s:o, s:f, s:o, s:o, s:I, s:b}", "step", step->name, "change", step->change, "top1", step->top1 >= 0 ? json_real(step->top1) : json_null(), "drop",
                          step->drop, "agreement", real_json(step->agreement), "sqnr_db", real_json(step->sqnr_db), "file_bytes", (json_int_t)step->file_bytes, "holds", step->holds);
    return j && json_array_append_new(s->steps, j) == 0 ? INTACT_OK : it_fail_nomem(err, "search", 0);
}

/* Under a budget the last step is all that is told: IT_SEARCH_ROOM is for one. */
static char *log_text(const it_search *s)
{
    json_t *steps = s->o->budget_bytes ? json_pack("[O]", json_array_get(s->steps, json_array_size(s->steps) - 1)) : json_incref(s->steps);
    json_t *j = json_pack("{s:o, s:o, s:b, s:o}", "float_top1", s->out->float_top1 >= 0 ? json_real(s->out->float_top1) : json_null(), "max_drop",
                          s->o->max_drop >= 0 ? json_real(s->o->max_drop) : json_null(), "holds", s->out->holds, "steps", steps);
    if (j && s->o->budget_bytes)
        json_object_set_new(j, "budget_bytes", json_integer((json_int_t)s->o->budget_bytes));
    char *text = j ? json_dumps(j, JSON_INDENT(1) | JSON_SORT_KEYS | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(j);
    return text;
}

static intact_status measure(it_search *s, const intact_data_options *d, intact_compare_result *cr, intact_error *err)
{
    intact_model *b = NULL;
    IT_TRY(intact_model_open(s->c, s->try_path, INTACT_CPU_AUTO, &b, err));
    intact_status st = intact_compare(s->c, s->m, b, d, 0, cr, err);
    intact_model_free(b);
    return st;
}

typedef struct judgement { it_search *s; double started; } judgement;

static intact_status edit_judged(void *user, it_recipe *r, intact_error *err) { return edit(((judgement *)user)->s, r, err); }

static intact_status judge(void *user, const intact_quantize_result *r, char **log, const char **to, intact_error *err)
{
    judgement *j = user;
    it_search *s = j->s;
    intact_compare_result cr;
    intact_data_options d = *eval_data(s);
    if (!s->o->eval.path && !d.limit)
        d.limit = 4 * PROBE_SAMPLES;
    IT_TRY(measure(s, &d, &cr, err));
    bool labelled = cr.labelled > 0;
    json_t *res = json_pack("{s:o, s:o, s:f, s:o, s:I, s:f}", "float_top1", labelled ? json_real(cr.top1_a) : json_null(), "top1", labelled ? json_real(cr.top1_b) : json_null(), "agreement",
                            cr.agreement, "sqnr_db", real_json(cr.output_sqnr_db), "file_bytes", (json_int_t)r->file_bytes, "seconds", it_seconds() - j->started);
    intact_compare_result_release(s->c, &cr);
    if (!res)
        return it_fail_nomem(err, "search", 0);
    intact_status st = !labelled && s->o->max_drop >= 0 ? it_fail(err, INTACT_E_DATA, d.path, "the data set has no labels, and a loss of accuracy (%g points) is to be measured on it; give its labels",
                                                                  s->o->max_drop)
                                                         : keep_step(s, s->now, res, err);
    if (st == INTACT_OK)
        st = remember(s, "trial", s->now, res, err);
    json_decref(res);
    if (st != INTACT_OK || !s->best_path || s->out->best + 1 != s->out->steps_len)
        return st;
    *to = s->out->holds ? s->o->quantize.output : s->best_path;
    snprintf(s->out->path, sizeof s->out->path, "%s", *to);
    *log = log_text(s);
    return *log ? INTACT_OK : it_fail_nomem(err, "search", 0);
}

static intact_status failed_step(it_search *s, const it_trial *t, intact_error *err)
{
    char why[sizeof s->out->steps->change];
    snprintf(why, sizeof why, "%.60s: %.130s", err->where, err->message);
    json_t *res = json_pack("{s:s}", "failed", why);
    intact_status st = res ? keep_step(s, t, res, err) : it_fail_nomem(err, "search", 0);
    if (st == INTACT_OK)
        st = remember(s, "trial", t, res, err);
    json_decref(res);
    return st;
}

intact_status it_search_try(it_search *s, const it_trial *t, intact_error *err)
{
    const json_t *known = recall(s, "trial", t);
    intact_error own;
    judgement j = {s, it_seconds()};
    intact_quantize_result r;
    it_log(s->c, INTACT_LOG_INFO, "step %s: %s", t->name, t->change);
    if (known)
        return keep_step(s, t, known, err);
    s->now = t;
    intact_quantize_options q = plain(s);
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
    json_t *known = recall(s, "probe", t), *res = NULL;
    if (!known) {
        intact_quantize_options q = plain(s);
        intact_quantize_result r;
        intact_compare_result cr;
        intact_data_options d = q.calib;
            d.limit = d.limit && d.limit < PROBE_SAMPLES ? d.limit : PROBE_SAMPLES;
        s->now = t;
        it_quantize_hooks hooks = {.user = s, .edit = edit};
        IT_TRY(it_quantize(s->c, s->model_path, &q, &hooks, &r, err));
        intact_quantize_result_release(s->c, &r);
        IT_TRY(measure(s, &d, &cr, err));
        known = res = json_pack("{s:f, s:o}", "agreement", cr.agreement, "sqnr_db", real_json(cr.output_sqnr_db));
        intact_compare_result_release(s->c, &cr);
        if (!res)
            return it_fail_nomem(err, "search", 0);
    }
    *agreement = real_of(known, "agreement", 0);
    *sqnr_db = real_of(known, "sqnr_db", INFINITY);
    intact_status st = res ? remember(s, "probe", t, res, err) : INTACT_OK;
    json_decref(res);
    return st;
}

typedef struct printer { it_search *s; char *text; } printer;

/* Nothing else of quantization is wanted. */
static intact_status edit_print(void *user, it_recipe *r, intact_error *err)
{
    printer *p = user;
    IT_TRY(edit(p->s, r, err));
    p->text = it_recipe_print(r);
    return p->text ? INTACT_E_CANCELLED : it_fail_nomem(err, "recipe", 0);
}

intact_status it_search_recipe(it_search *s, const it_trial *t, char **out, intact_error *err)
{
    printer p = {.s = s};
    intact_quantize_options q = plain(s);
    intact_quantize_result r;
    s->now = t;
    it_quantize_hooks hooks = {.user = &p, .edit = edit_print};
    intact_status st = it_quantize(s->c, s->model_path, &q, &hooks, &r, err);
    *out = p.text;
    return p.text ? INTACT_OK : st;
}

/* ---- sensitivity, as JSON ---- */

typedef struct sense { it_search *s; json_t *out; } sense;

static json_t *effect_json(const it_effect *e)
{
    json_t *j = json_pack("{s:o, s:o, s:f, s:o}", "sqnr_db", real_json(e->sqnr_db), "noise", real_json(e->noise), "agreement", e->agreement, "kl", real_json(e->kl));
    if (j && e->top1 >= 0)
        json_object_set_new(j, "top1", json_real(e->top1));
    return j;
}

static json_t *parts_json(const it_sense_row *r, const it_effect *e)
{
    static const char *const names[] = {"weights", "activations", "both"};
    json_t *j = json_object();
    for (int part = 0; part < IT_SENSE_PARTS; part++)
        if (r->has[part])
            json_object_set_new(j, names[part], effect_json(&e[part]));
    return j;
}

/* HAWQ-V2 (Dong et al. 2020): squared weight error times how strongly the output answers to it; here both are measured. */
static intact_status costs_json(it_ptq *p, const it_sense_row *r, size_t i, size_t len, json_t *row, intact_error *err)
{
    double gain = r->low_error > 0 ? r->low_noise / r->low_error : 0; /* at 8 bits weights may have no error at all: of networks once quantized */
    json_t *costs = json_array();
    for (int b = 0; b < IT_SEARCH_BITS; b++) {
        double e = r->weight_error;
        if (it_search_bits[b] != it_ptq_weight(r->node)->q->bits)
            IT_TRY(it_sensitivity_weight_error(p, r->node, i, len, it_search_bits[b], &e, err));
        json_array_append_new(costs, real_json(gain * e));
    }
    json_object_set_new(row, "cost_by_bits", costs);
    return INTACT_OK;
}

static intact_status rows_json(it_ptq *p, const it_sensitivity *t, json_t *rows, intact_error *err)
{
    size_t macs = 0, at = 0;
    for (size_t i = 0; i < t->rows.len; i++)
        macs += t->rows.items[i].node != NULL;
    for (size_t i = 0; i < t->rows.len; i++) {
        const it_sense_row *r = &t->rows.items[i];
        json_t *row = json_pack("{s:s, s:b, s:b, s:I, s:o, s:o, s:s, s:s}", "name", r->name, "layer", r->node != NULL, "takes_16_bits", r->takes_s16, "weights", (json_int_t)r->weights,
                                "only", parts_json(r, r->only), "all_but", parts_json(r, r->but), "cause", r->cause, "remedy", r->remedy);
        if (!row || json_array_append_new(rows, row) != 0)
            return it_fail(err, INTACT_E_DATA, r->name, "the layer's name is no UTF-8; a report cannot hold it");
        if (r->value)
            json_object_set_new(row, "value", json_string(p->groups.g.items[r->group].first->name));
        if (r->node)
            IT_TRY(costs_json(p, r, at++, macs, row, err));
    }
    return INTACT_OK;
}

static intact_status visit(void *user, it_ptq *p, const intact_model *m, intact_error *err)
{
    sense *v = user;
    it_source src;
    it_sensitivity t;
    intact_data_options d = *eval_data(v->s);
    uint64_t want = v->s->o->sense_samples ? v->s->o->sense_samples : 64;
    d.limit = d.limit && d.limit < want ? d.limit : want;
    IT_TRY(it_source_open(&src, m, &d, err));
    intact_status st = it_sensitivity_run(p, &src.feed, &t, err);
    if (st == INTACT_OK) {
        v->out = json_pack("{s:I, s:o, s:o, s:[]}", "samples", (json_int_t)t.samples, "float_top1", t.float_top1 >= 0 ? json_real(t.float_top1) : json_null(), "all", effect_json(&t.all), "rows");
        st = v->out ? rows_json(p, &t, json_object_get(v->out, "rows"), err) : it_fail_nomem(err, "sensitivity", 0);
    }
    it_sensitivity_release(&t);
    it_source_close(&src);
    return st;
}

static intact_status edit_sense(void *user, it_recipe *r, intact_error *err)
{
    IT_TRY(edit(((sense *)user)->s, r, err));
    size_t kept = 0; /* bias correction's tuned constants would stand in the float runs too */
    for (size_t i = 0; r->methods[i]; i++)
        if (!r->methods[i]->layer)
            r->methods[kept++] = r->methods[i];
    r->methods[kept] = NULL;
    return it_recipe_set(r, NULL, "weights.round", "nearest", err);
}

intact_status it_search_sense(it_search *s, const it_trial *t, intact_error *err)
{
    if (s->sense)
        return INTACT_OK;
    json_t *known = recall(s, "sensitivity", t);
    if (known) {
        s->sense = json_incref(known);
        return INTACT_OK;
    }
    sense v = {.s = s};
    intact_quantize_result r;
    intact_quantize_options q = plain(s);
    s->now = t;
    it_quantize_hooks hooks = {.user = &v, .edit = edit_sense, .visit = visit};
    intact_status st = it_quantize(s->c, s->model_path, &q, &hooks, &r, err);
    if (st == INTACT_OK) {
        intact_quantize_result_release(s->c, &r);
        st = remember(s, "sensitivity", t, v.out, err);
    }
    s->sense = v.out;
    return st;
}
