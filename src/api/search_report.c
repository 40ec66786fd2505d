/* SPDX-License-Identifier: Apache-2.0 */
/* search_report.c: what a search found, for its report: sensitivity, steps, and the curve of size against accuracy. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "api/search.h"
#include "base/file.h"
#include "report/report.h"

/* Steps that no other beats in both size and accuracy (agreement without labels), smallest first. */
json_t *it_search_pareto(const it_search *s)
{
    json_t *list = json_array();
    uint64_t above = 0;
    for (;;) {
        const intact_search_step *next = NULL;
        for (uint32_t i = 0; i < s->out->steps_len; i++) {
            const intact_search_step *t = &s->out->steps[i];
            double good = t->top1 >= 0 ? t->top1 : t->agreement;
            if (t->failed || t->file_bytes <= above)
                continue;
            if (!next || t->file_bytes < next->file_bytes || (t->file_bytes == next->file_bytes && good > (next->top1 >= 0 ? next->top1 : next->agreement)))
                next = t;
        }
        if (!next)
            return list;
        above = next->file_bytes;
        double good = next->top1 >= 0 ? next->top1 : next->agreement;
        const json_t *last = json_array_get(list, json_array_size(list) - (json_array_size(list) > 0));
        if (last && good <= json_number_value(json_object_get(last, "accuracy")))
            continue;
        if (json_array_append_new(list, json_pack("{s:s, s:I, s:f}", "step", next->name, "file_bytes", (json_int_t)next->file_bytes, "accuracy", good)) != 0) {
            json_decref(list);
            return NULL;
        }
    }
}

static double effect_db(const json_t *row, const char *part)
{
    const json_t *e = json_object_get(json_object_get(row, "only"), part);
    return !e ? NAN : json_is_number(json_object_get(e, "sqnr_db")) ? json_number_value(json_object_get(e, "sqnr_db")) : INFINITY;
}

static double effect_drop(const it_search *s, const json_t *row)
{
    const json_t *only = json_object_get(row, "only"), *e = json_object_get(only, "both");
    e = json_object_get(e ? e : json_object_get(only, "activations"), "top1");
    return json_is_number(e) ? json_number_value(json_object_get(s->sense, "float_top1")) - json_number_value(e) : NAN;
}

static void fill_report(const it_search *s, const json_t *curve_points, it_report *r, it_report_sensitivity *sense, it_report_step *steps, it_report_point *points)
{
    size_t i;
    const json_t *row;
    json_array_foreach(json_object_get(s->sense, "rows"), i, row)
        sense[r->sensitivity_len++] = (it_report_sensitivity){.layer = json_string_value(json_object_get(row, "name")), .cause = json_string_value(json_object_get(row, "cause")),
                                                              .line = json_string_value(json_object_get(row, "remedy")), .weights_db = effect_db(row, "weights"),
                                                              .acts_db = effect_db(row, "activations"), .both_db = effect_db(row, "both"), .drop = effect_drop(s, row)};
    for (i = 0; i < s->out->steps_len; i++) {
        const intact_search_step *t = &s->out->steps[i];
        bool known = !t->failed;
        steps[r->steps_len++] = (it_report_step){.what = t->name, .change = t->change, .bytes = (double)t->file_bytes, .failed = t->failed, .accuracy = known && t->top1 >= 0 ? t->top1 : NAN, .agreement = known ? t->agreement : NAN,
                                                 .db = known ? t->sqnr_db : NAN, .seconds = t->seconds, .holds = t->holds,
                                                 .drop = known && t->top1 >= 0 ? t->drop / 100 : NAN, .drop_error = known && t->top1 >= 0 ? t->drop_error / 100 : NAN, .equal = t->equal,
                                                 .chosen = i == s->out->best};
    }
    json_array_foreach(curve_points, i, row)
        points[r->points_len++] = (it_report_point){.label = json_string_value(json_object_get(row, "step")), .bytes = json_number_value(json_object_get(row, "file_bytes")),
                                                    .accuracy = json_number_value(json_object_get(row, "accuracy")),
                                                    .chosen = strcmp(json_string_value(json_object_get(row, "step")), s->out->steps[s->out->best].name) == 0};
    r->sensitivity = sense;
    r->sensitivity_samples = (uint64_t)it_search_number(s->sense, "samples", 0);
    r->steps = steps;
    r->points = points;
}

typedef struct enriching {
    it_search *s;
    const char *output, *bound;
    const json_t *pareto;
    it_report_sensitivity *sense;
    it_report_step *steps;
    it_report_point *points;
} enriching;

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static intact_status edit_enriched(void *user, it_recipe *r, intact_error *err) { return it_search_edit(((enriching *)user)->s, r, err); }

static void enrich(void *user, it_report *r)
{
    enriching *e = user;
    struct stat file;
    r->bound = e->bound;
    r->output = e->output ? base_name(e->output) : "recipe.json";
    if (e->output && stat(e->output, &file) == 0) /* what was written says of the search, too */
        r->file_bytes = (uint64_t)file.st_size;
    fill_report(e->s, e->pareto, r, e->sense, e->steps, e->points);
}

static intact_status quantize_for_report(enriching *e, const char *page, const char *json, intact_error *err)
{
    it_search *s = e->s;
    intact_quantize_options q = it_search_plain(s);
    intact_quantize_result r;
    it_quantize_hooks hooks = {.user = e, .edit = edit_enriched, .enrich = enrich};
    q.report = page;
    q.report_json = json;
    q.eval = s->o->eval;
    it_log(s->c, INTACT_LOG_INFO, "step %s once more, for the report", s->out->steps[s->out->best].name);
    s->now = &s->trials[s->out->best];
    intact_status st = it_quantize(s->c, s->model_path, &q, &hooks, &r, err);
    s->now = NULL;
    if (st == INTACT_OK)
        intact_quantize_result_release(s->c, &r);
    return st;
}

intact_status it_search_report(it_search *s, const char *page, const char *json, const char *output, intact_error *err)
{
    if (!page && !json)
        return INTACT_OK;
    const char *bound;
    IT_TRY(it_search_bound(s, &bound, err));
    json_t *p = it_search_pareto(s);
    size_t rows = json_array_size(json_object_get(s->sense, "rows")) + 1, len = s->out->steps_len + 1;
    size_t bytes = rows * sizeof(it_report_sensitivity) + len * (sizeof(it_report_step) + sizeof(it_report_point));
    it_report_sensitivity *sense = it_alloc_zero(s->c->alloc, bytes);
    it_report_step *steps = (it_report_step *)(void *)(sense + rows);
    enriching e = {.s = s, .output = output, .bound = bound, .pareto = p, .sense = sense, .steps = steps, .points = (it_report_point *)(void *)(steps + len)};
    intact_status st = sense && p ? quantize_for_report(&e, page, json, err) : it_fail_nomem(err, "report", bytes);
    it_alloc_free(s->c->alloc, sense, bytes);
    json_decref(p);
    return st;
}

intact_status it_search_write_json(const char *path, json_t *j, intact_error *err)
{
    char *text = j ? json_dumps(j, JSON_INDENT(1) | JSON_SORT_KEYS | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(j);
    if (!text)
        return it_fail_nomem(err, path, 0);
    it_part parts[] = {{text, strlen(text)}, {"\n", 1}};
    intact_status st = it_file_replace(path, parts, 2, err);
    free(text);
    return st;
}
