/* SPDX-License-Identifier: Apache-2.0 */
/* search_goal.c: what a search is to reach: a loss of accuracy, and a budget of bytes, of multiply-accumulates or of time. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "api/search.h"

#define BENCH_SECONDS 1.0

intact_status it_search_goal_open(it_search *s, intact_error *err)
{
    const intact_search_options *o = s->o;
    int budgets = (o->budget_bytes > 0) + (o->budget_macs > 0) + (o->budget_ms > 0);
    if (budgets > 1)
        return it_fail(err, INTACT_E_ARG, "search", "%d budgets were given; one of bytes, multiply-accumulates or milliseconds can be kept", budgets);
    s->budget = o->budget_bytes ? IT_BUDGET_SIZE : o->budget_macs ? IT_BUDGET_MACS : o->budget_ms > 0 ? IT_BUDGET_LATENCY : IT_BUDGET_NONE;
    s->limit = o->budget_bytes ? (double)o->budget_bytes : o->budget_macs ? (double)o->budget_macs : o->budget_ms;
    bool onnx = strcmp(it_search_ending(s), ".onnx") == 0;
    if (onnx && (s->budget != IT_BUDGET_NONE || o->prefer_size))
        return it_fail(err, INTACT_E_ARG, o->quantize.output, "fewer bits make programs smaller; an ONNX network has a byte a weight all the same: -o OUT.itm");
    if (!onnx && o->fallback_float)
        return it_fail(err, INTACT_E_ARG, o->quantize.output ? o->quantize.output : "search",
                       "a fallback to float makes no integer program; only a quantized ONNX network can hold layers in float: -o OUT.onnx");
    return INTACT_OK;
}

const char *it_search_budget_name(const it_search *s)
{
    static const char *const names[] = {"", "budget_bytes", "budget_macs", "budget_ms"};
    return names[s->budget];
}

double it_search_cost(const it_search *s, const intact_search_step *t)
{
    return s->budget == IT_BUDGET_MACS ? (double)t->weighted_macs : s->budget == IT_BUDGET_LATENCY ? t->ms : (double)t->file_bytes;
}

bool it_search_fits(const it_search *s, const intact_search_step *t)
{
    return s->budget == IT_BUDGET_NONE || it_search_cost(s, t) <= s->limit;
}

bool it_search_holds(const it_search *s, const intact_search_step *t)
{
    bool exact = t->top1 >= 0 && t->drop <= s->o->max_drop + 1e-9;
    return !t->failed && (s->o->max_drop < 0 || exact) && it_search_fits(s, t);
}

/* Conservative: both errors are of differences to the same float network, so that of their difference is smaller. */
static bool loses_more(const intact_search_step *a, const intact_search_step *b)
{
    return a->drop > b->drop && a->drop - b->drop >= 2 * hypot(a->drop_error, b->drop_error);
}

bool it_search_as_good(const it_search *s, const intact_search_step *t)
{
    const intact_search_step *least = t;
    for (uint32_t i = 0; i < s->out->steps_len; i++) {
        const intact_search_step *o = &s->out->steps[i];
        bool less = o->drop < least->drop || (o->drop == least->drop && o->drop_error > least->drop_error);
        if (less && !o->failed && it_search_fits(s, o) == it_search_fits(s, t))
            least = o;
    }
    return !t->failed && !loses_more(t, least);
}

bool it_search_better(const it_search *s, const intact_search_step *a, const intact_search_step *b)
{
    if (a->failed != b->failed)
        return !a->failed;
    if (a->holds != b->holds)
        return a->holds;
    if (a->holds && s->o->prefer_size && a->file_bytes != b->file_bytes)
        return a->file_bytes < b->file_bytes;
    if (s->budget != IT_BUDGET_NONE && !a->holds && it_search_fits(s, a) != it_search_fits(s, b))
        return it_search_fits(s, a);
    if (s->budget != IT_BUDGET_NONE && !a->holds && !it_search_fits(s, a))
        return it_search_cost(s, a) < it_search_cost(s, b);
    bool within = a->holds && s->o->max_drop >= 0; /* then top-1 says less than the outputs themselves */
    if (!within && it_search_as_good(s, a) != it_search_as_good(s, b))
        return it_search_as_good(s, a);
    return a->sqnr_db != b->sqnr_db ? a->sqnr_db > b->sqnr_db : a->agreement > b->agreement;
}

intact_status it_search_tell_equal(it_search *s, intact_error *err)
{
    for (uint32_t i = 0; i < s->out->steps_len; i++) {
        intact_search_step *t = &s->out->steps[i];
        t->equal = t->top1 >= 0 && it_search_as_good(s, t);
        if (json_object_set_new(json_array_get(s->steps, i), "equal", json_boolean(t->equal)) != 0)
            return it_fail_nomem(err, "search", 0);
    }
    return INTACT_OK;
}

intact_status it_search_bound(it_search *s, const char **out, intact_error *err)
{
    static const char *const units[] = {"", "bytes of the program", "multiply-accumulates, weighted by bits", "milliseconds on one thread"};
    char loss[64] = "", cost[96] = "";
    *out = NULL;
    if (s->o->max_drop >= 0)
        snprintf(loss, sizeof loss, "at most %g points of top-1 lost", s->o->max_drop);
    if (s->budget != IT_BUDGET_NONE)
        snprintf(cost, sizeof cost, "%sat most %.10g %s", loss[0] ? ", " : "", s->limit, units[s->budget]);
    if (!loss[0] && !cost[0])
        return INTACT_OK;
    *out = it_arena_printf(&s->arena, "%s%s", loss, cost);
    return *out ? INTACT_OK : it_fail_nomem(err, "search", sizeof cost);
}

/* ---- time: of this machine, on one thread ---- */

intact_status it_search_latency(it_search *s, const char *program, double *ms, json_t **layers, intact_error *err)
{
    intact_bench_options o = {.threads = 1, .seconds = BENCH_SECONDS, .profile = layers != NULL};
    intact_bench_result r;
    IT_TRY(intact_bench(s->c, program, INTACT_CPU_AUTO, &o, &r, err));
    *ms = r.median_ms;
    if (layers)
        *layers = json_object();
    bool ok = !layers || *layers;
    for (uint32_t i = 0; ok && layers && i < r.layers_len; i++) {
        double before = it_search_number(*layers, r.layers[i].name, 0);
        ok = json_object_set_new(*layers, r.layers[i].name, json_real(before + 1e3 * r.layers[i].median_us)) == 0;
    }
    intact_bench_result_release(s->c, &r);
    return ok ? INTACT_OK : it_fail_nomem(err, "latency", 0);
}

intact_status it_search_table(it_search *s, const it_trial *from, intact_error *err)
{
    if (s->latency)
        return INTACT_OK;
    s->latency = json_array();
    for (int b = 0; b < IT_SEARCH_BITS; b++) {
        it_trial t;
        intact_quantize_result r;
        intact_quantize_options q = it_search_plain(s);
        it_quantize_hooks hooks = {.user = s, .edit = it_search_edit};
        double ms;
        json_t *layers = NULL;
        IT_TRY(it_search_flat(s, from, it_search_bits[b], &t, err));
        t.adaround = false; /* the time is the same */
        s->now = &t;
        intact_status st = it_quantize(s->c, s->model_path, &q, &hooks, &r, err);
        s->now = NULL;
        IT_TRY(st);
        intact_quantize_result_release(s->c, &r);
        it_log(s->c, INTACT_LOG_INFO, "measuring the layers' time at %d bits", it_search_bits[b]);
        IT_TRY(it_search_latency(s, s->try_path, &ms, &layers, err));
        if (json_array_append_new(s->latency, layers) != 0)
            return it_fail_nomem(err, "latency", 0);
    }
    return json_array_size(s->latency) == IT_SEARCH_BITS ? INTACT_OK : it_fail_nomem(err, "latency", 0);
}
