/* SPDX-License-Identifier: Apache-2.0 */
/* train_qat.c: quantization-aware training as part of a run: options, calibration, and the program that is written and measured after each epoch. */
#include "api/train_qat.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/quantize.h"
#include "format/format.h"

#define CALIBRATION_SAMPLES 512

static bool ends_in(const char *path, const char *with)
{
    const size_t a = strlen(path), b = strlen(with);
    return a > b && strcmp(path + a - b, with) == 0;
}

intact_status it_api_train_qat_check(const it_train_job *j, intact_error *err)
{
    const intact_train_options *o = j->o;
    const it_qat_method *m;
    if (!o->qat && ends_in(o->output, ".itm"))
        return it_fail(err, INTACT_E_ARG, o->output, "an integer program comes of training with quantization: --qat %s, --weight-bits and --act-bits; or of intact quantize, afterwards", intact_list_qat_methods()[0]);
    if (!o->qat)
        return INTACT_OK;
    IT_TRY(it_qat_find(o->qat, &m, err));
    if (!ends_in(o->output, ".itm"))
        return it_fail(err, INTACT_E_ARG, o->output, "training with quantization writes an integer program; its name ends in .itm");
    if (o->weight_bits < 2 || o->weight_bits > 8 || o->act_bits < 2 || o->act_bits > 8)
        return it_fail(err, INTACT_E_ARG, "training", "%d bits for weights and %d for activations; --qat needs both, 2 to 8 each", o->weight_bits, o->act_bits);
    if (o->freeze_after < 0 || o->freeze_after > o->epochs)
        return it_fail(err, INTACT_E_ARG, "training", "statistics frozen after %g epochs of %u", o->freeze_after, o->epochs);
    return INTACT_OK;
}

intact_status it_api_train_qat_open(it_train_job *j, intact_error *err)
{
    const intact_train_options *o = j->o;
    it_feed feed = j->data.feed;
    size_t *pick, len;
    const it_job job = it_api_job(j->c);
    it_qat_options q = {.weight_bits = o->weight_bits, .act_bits = o->act_bits, .from = o->qat_from, .keep = o->qat_keep, .per_tensor = o->weights_per_tensor != 0, .delay = o->qat_delay,
                        .feed = &feed, .job = &job, .pool = j->c->pool};
    if (!o->qat)
        return INTACT_OK;
    IT_TRY(it_qat_find(o->qat, &q.method, err));
    it_dataset limited = *feed.data; /* limit applies before the choice */
    limited.len = feed.len;
    IT_TRY(it_dataset_pick(&limited, CALIBRATION_SAMPLES, o->seed, &pick, &len, err));
    feed.pick = pick;
    feed.len = len;
    intact_status st = it_qat_new(&j->m.g, &q, &j->qat, err);
    it_alloc_free(j->c->alloc, pick, len * sizeof *pick);
    IT_TRY(st);
    j->spec.hooks = it_qat_hooks(j->qat);
    const it_qat_counts n = it_qat_count(j->qat);
    it_log(j->c, INTACT_LOG_INFO, "%zu weights and %zu values are rounded while training; %zu and %zu of them to fewer than 8 bits", n.weights, n.values, n.low_weights, n.low_values);
    return INTACT_OK;
}

/* ---- the program ---- */

static char *provenance(const it_train_job *j)
{
    char pre[256], seed[24], *recipe = it_recipe_print(it_qat_recipe(j->qat));
    const char *slash = strrchr(j->model_path, '/');
    const intact_train_options *o = j->o;
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)o->seed);
    json_t *how = json_object();
    for (uint64_t i = 0; how && i < j->kept->settings_len; i++)
        json_object_set_new(how, j->kept->settings[i].key, json_string(j->kept->settings[i].value));
    json_t *root = json_pack("{s:s, s:{s:o*, s:s}, s:{s:s, s:i, s:i}, s:i, s:I, s:s, s:o, s:o*}", "intact", INTACT_VERSION_STRING, "model", "file",
                             json_string(slash ? slash + 1 : j->model_path), "sha256", j->model_sha, "qat", "method", o->qat, "weight_bits", o->weight_bits, "act_bits", o->act_bits, "epochs",
                             (int)o->epochs, "samples", (json_int_t)j->data.feed.len, "seed", seed, "settings", how, "recipe", recipe ? json_loads(recipe, 0, NULL) : NULL);
    it_preprocess_print(&j->data.feed.pre, pre, sizeof pre);
    if (root && !j->data.feed.arrays)
        json_object_set_new(root, "preprocess", json_string(pre));
    char *text = root ? json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    json_decref(root);
    free(recipe);
    return text;
}

static intact_status build(it_train_job *j, const it_graph *f, it_lower *lw, it_prog *prog, intact_error *err)
{
    it_pixel_map px;
    uint8_t table[4][256];
    const bool pixels = !j->data.feed.arrays;
    if (pixels)
        it_api_pixel_map(&j->data.feed, f->inputs.items[0]->q, &px, table);
    IT_TRY(it_lower_build(lw, f, pixels ? &px : NULL, prog, j->c->alloc, err));
    char *text = provenance(j);
    prog->meta = text ? it_arena_text(&prog->arena, text) : NULL;
    free(text);
    if (!prog->meta)
        return it_fail_nomem(err, "provenance", 0);
    IT_TRY(it_prog_check(prog, err));
    it_alloc_free(j->c->alloc, j->bytes, j->len);
    j->bytes = NULL;
    return it_itm_write_memory(prog, j->c->alloc, &j->bytes, &j->len, err);
}

intact_status it_api_train_qat_pack(it_train_job *j, intact_error *err)
{
    it_graph f;
    it_lower lw = {0};
    it_prog prog;
    IT_TRY(it_qat_finish(j->qat, j->t, &f, err));
    it_prog_init(&prog, j->c->alloc);
    intact_status st = build(j, &f, &lw, &prog, err);
    if (j->done + 1 >= j->o->epochs)
        for (size_t i = 0; i < lw.notes.len; i++)
            it_log(j->c, INTACT_LOG_INFO, "%s: %s", lw.notes.items[i].layer, lw.notes.items[i].text);
    it_lower_release(&lw);
    it_prog_release(&prog);
    it_graph_release(&f);
    return st;
}

intact_status it_api_train_qat_measure(it_train_job *j, intact_error *err)
{
    const intact_load_options lo = {.alloc = j->c->alloc, .threads = it_pool_threads(j->c->pool)};
    intact_model m = {.kind = INTACT_MODEL_INTEGER, .ctx = j->c, .path = (char *)(uintptr_t)j->o->output};
    IT_TRY(intact_program_load_memory(j->bytes, j->len, &lo, &m.program, err));
    intact_status st = it_api_eval(j->c, &m, &j->val, &j->eval, err);
    intact_program_free(m.program);
    return st;
}
