/* SPDX-License-Identifier: Apache-2.0 */
/* tune.c: everything about a network's quantization measured once: sensitivity, the whole ladder, size against accuracy; resumes. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "api/search.h"
#include "base/file.h"
#include "report/report.h"

static intact_status curve(it_search *s, intact_error *err)
{
    static const double shares[] = {0.875, 0.75, 0.625, 0.5, 0.4375, 0.375};
    const it_trial base = s->trials[it_search_base(s)];
    uint64_t most, least;
    it_search_weights(s, &most, &least);
    for (size_t i = 0; i < IT_LEN(shares); i++) {
        it_trial t;
        uint64_t bytes = (uint64_t)((double)most * shares[i]);
        IT_TRY(it_search_mixed(s, &base, bytes > least ? bytes : least, &t, err));
        IT_TRY(it_search_try(s, &t, err));
    }
    return INTACT_OK;
}

/* Steps that no other beats in both size and accuracy (agreement without labels), smallest first. */
static json_t *pareto(const it_search *s)
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
        json_array_append_new(list, json_pack("{s:s, s:I, s:f}", "step", next->name, "file_bytes", (json_int_t)next->file_bytes, "accuracy", good));
    }
}

static intact_status write_json(const char *folder, const char *name, json_t *j, intact_error *err)
{
    char path[1024];
    char *text = j ? json_dumps(j, JSON_INDENT(1) | JSON_SORT_KEYS | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(j);
    if (!text)
        return it_fail_nomem(err, name, 0);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    it_part parts[] = {{text, strlen(text)}, {"\n", 1}};
    intact_status st = it_file_replace(path, parts, 2, err);
    free(text);
    return st;
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
    return json_is_number(e) ? 100 * (json_number_value(json_object_get(s->sense, "float_top1")) - json_number_value(e)) : NAN;
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
        steps[r->steps_len++] = (it_report_step){.what = t->name, .change = t->change, .accuracy = known && t->top1 >= 0 ? t->top1 : NAN, .agreement = known ? t->agreement : NAN,
                                                 .db = known ? t->sqnr_db : NAN, .seconds = t->seconds, .holds = t->holds};
    }
    json_array_foreach(curve_points, i, row)
        points[r->points_len++] = (it_report_point){.label = json_string_value(json_object_get(row, "step")), .bytes = json_number_value(json_object_get(row, "file_bytes")),
                                                    .accuracy = json_number_value(json_object_get(row, "accuracy")),
                                                    .chosen = strcmp(json_string_value(json_object_get(row, "step")), s->out->steps[s->out->best].name) == 0};
    r->sensitivity = sense;
    r->steps = steps;
    r->points = points;
}

static intact_status write_page(const it_search *s, const char *folder, const char *recipe, intact_error *err)
{
    json_t *p = pareto(s);
    size_t rows = json_array_size(json_object_get(s->sense, "rows")) + 1, len = s->out->steps_len + 1;
    size_t bytes = rows * sizeof(it_report_sensitivity) + len * (sizeof(it_report_step) + sizeof(it_report_point));
    it_report_sensitivity *sense = it_alloc_zero(s->c->alloc, bytes);
    if (!sense || !p) {
        json_decref(p);
        it_alloc_free(s->c->alloc, sense, bytes);
        return it_fail_nomem(err, folder, bytes);
    }
    it_report_step *steps = (it_report_step *)(void *)(sense + rows);
    const intact_search_step *best = &s->out->steps[s->out->best];
    it_report r = {.network = s->model_path, .output = folder, .network_sha = "", .calib_sha = "", .preprocess = "", .recipe = recipe, .file_bytes = best->file_bytes,
                   .network_bytes = s->m->g.file_bytes, .output_db = best->sqnr_db, .measured_samples = (uint64_t)json_integer_value(json_object_get(s->sense, "samples"))};
    fill_report(s, p, &r, sense, steps, (it_report_point *)(void *)(steps + len));
    char path[1024];
    snprintf(path, sizeof path, "%s/report.html", folder);
    intact_status st = it_report_write_html(&r, path, s->c->alloc, err);
    it_alloc_free(s->c->alloc, sense, bytes);
    json_decref(p);
    return st;
}

static intact_status write_reports(it_search *s, const char *folder, intact_error *err)
{
    char *recipe = NULL;
    IT_TRY(it_search_recipe(s, &s->trials[s->out->best], &recipe, err));
    intact_status st = write_json(folder, "recipe.json", json_loads(recipe, 0, NULL), err);
    if (st == INTACT_OK)
        st = write_page(s, folder, recipe, err);
    free(recipe);
    IT_TRY(st);
    const char *slash = strrchr(s->model_path, '/');
    json_t *j = json_pack("{s:i, s:s, s:o, s:O, s:O, s:o, s:s, s:b}", "intact_report", 1, "model", slash ? slash + 1 : s->model_path, "float_top1",
                          s->out->float_top1 >= 0 ? json_real(s->out->float_top1) : json_null(), "sensitivity", s->sense, "steps", s->steps, "pareto", pareto(s), "recommended",
                          s->out->steps[s->out->best].name, "holds", s->out->holds);
    return write_json(folder, "report.json", j, err);
}

static intact_status tune(it_search *s, const char *folder, intact_error *err)
{
    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        return it_fail(err, INTACT_E_IO, folder, "the folder cannot be made: %s", strerror(errno));
    s->try_path = it_arena_printf(&s->arena, "%s/try.itm", folder);
    char *state = it_arena_printf(&s->arena, "%s/state.jsonl", folder);
    if (!s->try_path || !state)
        return it_fail_nomem(err, folder, 0);
    IT_TRY(it_search_resume(s, state, err));
    it_trial plain = {.name = "sensitivity"};
    IT_TRY(it_search_sense(s, &plain, err));
    IT_TRY(it_search_ladder(s, false, err));
    IT_TRY(curve(s, err));
    IT_TRY(write_reports(s, folder, err));
    snprintf(s->out->path, sizeof s->out->path, "%s/recipe.json", folder);
    return INTACT_OK;
}

intact_status intact_tune(intact_ctx *c, const char *model_path, const char *folder, const intact_search_options *o, intact_search_result *out, intact_error *err)
{
    it_search s;
    intact_status st = it_search_open(&s, c, model_path, o, out, err);
    if (st == INTACT_OK)
        st = folder ? tune(&s, folder, err) : it_fail(err, INTACT_E_ARG, "tune", "no folder for the results was given");
    it_search_close(&s);
    if (st != INTACT_OK)
        intact_search_result_release(c, out);
    return st;
}
