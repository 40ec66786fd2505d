/* SPDX-License-Identifier: Apache-2.0 */
/* search.c: opening and closing a search, and what its files share. */
#include "api/search.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void intact_search_options_default(intact_search_options *o)
{
    *o = (intact_search_options){.max_drop = -1};
    intact_quantize_options_default(&o->quantize);
}

const intact_data_options *it_search_data(const it_search *s) { return s->o->eval.path ? &s->o->eval : &s->o->quantize.calib; }

/* What could not be judged on is said before anything is quantized. */
static intact_status check_eval(it_search *s, intact_error *err)
{
    const intact_data_options *e = &s->o->eval;
    it_source src;
    if (!e->path)
        return INTACT_OK;
    if (it_api_same_file(e->path, s->o->quantize.calib.path))
        it_log(s->c, INTACT_LOG_WARNING, "%s both calibrates and judges: recipes look better on samples that made them; keep the two sets apart", e->path);
    IT_TRY(it_source_open(&src, s->m, e, err));
    bool labelled = src.data->label != NULL;
    it_source_close(&src);
    if (!labelled && s->o->max_drop >= 0)
        return it_fail(err, INTACT_E_DATA, e->path, "the data set has no labels, and a loss of accuracy (%g points) is to be measured on it; give its labels", s->o->max_drop);
    return INTACT_OK;
}

intact_status it_search_open(it_search *s, intact_ctx *c, const char *model_path, const intact_search_options *o, intact_search_result *out, intact_error *err)
{
    *s = (it_search){.c = c, .model_path = model_path, .o = o, .out = out, .started = it_seconds()};
    it_c_locale_enter(&s->locale);
    *out = (intact_search_result){.float_top1 = -1};
    it_arena_init(&s->arena, c->alloc);
    if (!model_path)
        return it_fail(err, INTACT_E_ARG, "search", "no model was given");
    if (!o->quantize.calib.path)
        return it_fail(err, INTACT_E_ARG, "search", "trying recipes needs calibration data");
    if (o->max_drop >= 0 && !o->eval.path)
        return it_fail(err, INTACT_E_ARG, "search", "a loss of at most %g points was asked for; measuring it needs labelled data (eval)", o->max_drop);
    IT_TRY(it_search_goal_open(s, err));
    s->steps = json_array();
    s->known = json_object();
    if (!s->steps || !s->known)
        return it_fail_nomem(err, "search", 0);
    IT_TRY(intact_model_open(c, model_path, INTACT_CPU_AUTO, &s->m, err));
    if (s->m->kind != INTACT_MODEL_FLOAT)
        return it_fail(err, INTACT_E_ARG, model_path, "is an integer program already; a float network (.onnx) is needed");
    IT_TRY(it_search_given(s, err));
    return check_eval(s, err);
}

void it_search_close(it_search *s)
{
    s->out->seconds = it_seconds() - s->started;
    if (s->try_path)
        unlink(s->try_path);
    json_decref(s->steps);
    json_decref(s->known);
    json_decref(s->sense);
    json_decref(s->latency);
    intact_model_free(s->m);
    it_alloc_free(s->c->alloc, s->trials, s->trials_cap * sizeof *s->trials);
    it_arena_release(&s->arena);
    it_c_locale_leave(&s->locale);
}

void intact_search_result_release(intact_ctx *c, intact_search_result *r)
{
    it_alloc_free(c->alloc, r->steps, r->steps_len * sizeof *r->steps);
    *r = (intact_search_result){0};
}

json_t *it_search_real(double v) { return isfinite(v) ? json_real(v) : json_null(); }

double it_search_number(const json_t *j, const char *key, double otherwise)
{
    const json_t *v = json_object_get(j, key);
    return json_is_number(v) ? json_number_value(v) : otherwise;
}

void it_search_name(it_trial *t, const char *name, const char *change)
{
    snprintf(t->name, sizeof t->name, "%s", name);
    snprintf(t->change, sizeof t->change, "%s", change);
}

const char *it_search_ending(const it_search *s)
{
    const char *out = s->o->quantize.output;
    size_t len = out ? strlen(out) : 0;
    return len > 5 && strcmp(out + len - 5, ".onnx") == 0 ? ".onnx" : ".itm";
}
