/* SPDX-License-Identifier: Apache-2.0 */
/* tune.c: everything about a network's quantization measured once: sensitivity, the whole ladder, size against accuracy; resumes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "api/search.h"

static intact_status curve(it_search *s, intact_error *err)
{
    static const double shares[] = {0.875, 0.75, 0.625, 0.5, 0.4375, 0.375};
    const it_trial base = s->trials[it_search_base(s)];
    uint64_t most, least;
    it_search_span(s, IT_BUDGET_SIZE, &most, &least);
    for (size_t i = 0; i < IT_LEN(shares); i++) {
        it_trial t;
        uint64_t bytes = (uint64_t)((double)most * shares[i]);
        IT_TRY(it_search_mixed(s, &base, IT_BUDGET_SIZE, bytes > least ? bytes : least, &t, err));
        IT_TRY(it_search_try(s, &t, err));
    }
    return INTACT_OK;
}

static intact_status write_json(const char *folder, const char *name, json_t *j, intact_error *err)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return it_search_write_json(path, j, err);
}

static intact_status write_reports(it_search *s, const char *folder, intact_error *err)
{
    char *recipe = NULL;
    IT_TRY(it_search_recipe(s, &s->trials[s->out->best], &recipe, err));
    intact_status st = write_json(folder, "recipe.json", json_loads(recipe, 0, NULL), err);
    free(recipe);
    IT_TRY(st);
    char page[1024];
    snprintf(page, sizeof page, "%s/report.html", folder);
    IT_TRY(it_search_report(s, page, NULL, NULL, err));
    const char *slash = strrchr(s->model_path, '/');
    json_t *j = json_pack("{s:i, s:s, s:o, s:O, s:O, s:o, s:s, s:o}", "intact_tune", 1, "model", slash ? slash + 1 : s->model_path, "float_top1",
                          s->out->float_top1 >= 0 ? json_real(s->out->float_top1) : json_null(), "sensitivity", s->sense, "steps", s->steps, "pareto", it_search_pareto(s), "recommended",
                          s->out->steps[s->out->best].name, "holds", s->out->bounded ? json_boolean(s->out->holds) : json_null());
    return write_json(folder, "report.json", j, err);
}

static intact_status tune(it_search *s, const char *folder, intact_error *err)
{
    struct stat there;
    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        return it_fail(err, INTACT_E_IO, folder, "the folder cannot be made: %s", strerror(errno));
    if (stat(folder, &there) == 0 && !S_ISDIR(there.st_mode))
        return it_fail(err, INTACT_E_IO, folder, "is a file; the results need a folder");
    s->try_path = it_arena_printf(&s->arena, "%s/try.itm", folder);
    char *state = it_arena_printf(&s->arena, "%s/state.jsonl", folder);
    if (!s->try_path || !state)
        return it_fail_nomem(err, folder, 0);
    const it_api_file out = {"the program that is tried", s->try_path};
    IT_TRY(it_api_files_apart(&out, 1, NULL, 0, err));
    IT_TRY(it_search_resume(s, state, err));
    it_trial plain = {.name = "sensitivity"};
    IT_TRY(it_search_sense(s, &plain, err));
    IT_TRY(it_search_ladder(s, false, err));
    if (!s->given)
        IT_TRY(curve(s, err));
    IT_TRY(it_search_tell_equal(s, err));
    IT_TRY(write_reports(s, folder, err));
    snprintf(s->out->path, sizeof s->out->path, "%s/recipe.json", folder);
    return INTACT_OK;
}

intact_status intact_tune(intact_ctx *c, const char *model_path, const char *folder, const intact_search_options *o, intact_search_result *out, intact_error *err)
{
    it_search s;
    intact_search_options own = *o;
    own.quantize.output = NULL;
    intact_status st = it_search_open(&s, c, model_path, &own, out, err);
    if (st == INTACT_OK)
        st = folder ? tune(&s, folder, err) : it_fail(err, INTACT_E_ARG, "tune", "no folder for the results was given");
    it_search_close(&s);
    if (st != INTACT_OK)
        intact_search_result_release(c, out);
    return st;
}
