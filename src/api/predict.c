/* SPDX-License-Identifier: Apache-2.0 */
/* predict.c: one image, or an array of inputs, through a network. */
#include <stdio.h>
#include <string.h>

#include "api/api.h"
#include "base/file.h"

static bool is_npy(const char *path)
{
    size_t n = strlen(path);
    return n > 4 && strcmp(path + n - 4, ".npy") == 0;
}

/* y.npy, y.1.npy, y.2.npy, ... */
static void output_path(char *buf, size_t cap, const char *path, uint32_t k)
{
    size_t stem = strlen(path) - (is_npy(path) ? 4 : 0);
    if (k == 0)
        snprintf(buf, cap, "%s", path);
    else
        snprintf(buf, cap, "%.*s.%u%s", (int)stem, path, k, path + stem);
}

static intact_status keep_top(intact_ctx *c, const float *y, size_t per, uint32_t top, intact_predict_result *out, intact_error *err)
{
    if (top > per)
        top = (uint32_t)per;
    if (out->top || top == 0)
        return INTACT_OK;
    uint32_t *index = it_alloc_new(c->alloc, top * sizeof *index);
    out->top = it_alloc_new(c->alloc, top * sizeof *out->top);
    if (!index || !out->top) {
        it_alloc_free(c->alloc, index, top * sizeof *index);
        return it_fail_nomem(err, "answers", top * sizeof *out->top);
    }
    out->top_len = top;
    it_top_k(y, per, top, index);
    for (uint32_t i = 0; i < top; i++)
        out->top[i] = (intact_prediction){index[i], y[index[i]]};
    it_alloc_free(c->alloc, index, top * sizeof *index);
    return INTACT_OK;
}

/* A single image as a data set of one. */
static intact_status single_read(const it_dataset *d, size_t i, it_item *item, intact_error *err)
{
    (void)i;
    return it_image_load(d->alloc, d->priv, d->channels, &item->image, err);
}
static void single_close(it_dataset *d) { (void)d; }
static const it_data_kind single_image = {.name = "image", .what = "an image", .read = single_read, .close = single_close};

typedef struct predict_job {
    it_dataset single;
    const char *single_path;
    it_dataset *data; /* the single one, or an opened array */
    it_feed feed;
    it_runner runner;
    uint8_t *pixels;
    float *floats;
    struct { float *data; size_t bytes; } *all; /* [outputs]: every sample's values, when they are to be written */
    size_t batch;
} predict_job;

static intact_status open_input(predict_job *j, intact_ctx *c, const intact_model *m, const char *input, const char *preprocess, intact_error *err)
{
    uint32_t rank;
    int64_t dims[INTACT_RANK_MAX];
    it_preprocess pre;
    IT_TRY(it_model_input(m, &rank, dims, err));
    IT_TRY(it_model_preprocess(m, preprocess, &pre, err));
    uint32_t channels = rank == 4 && dims[1] == 1 ? 1 : 3;
    if (is_npy(input)) {
        if (preprocess)
            it_log(c, INTACT_LOG_WARNING, "%s: arrays are taken as they are; the preprocessing that was given is not used", input);
        IT_TRY(it_dataset_open(c->alloc, input, NULL, channels, &j->data, err));
        intact_port p;
        if (m->program && intact_program_input(m->program, 0, &p) == INTACT_OK && p.is_pixels)
            return it_fail(err, INTACT_E_DATA, input, "the program takes raw pixels (it was calibrated with images), and this is an array; give it an image");
    } else {
        j->single = (it_dataset){.kind = &single_image, .alloc = c->alloc, .len = 1, .channels = channels, .priv = (void *)(uintptr_t)input};
        j->single_path = input;
        j->single.path = &j->single_path;
        it_arena_init(&j->single.arena, c->alloc);
        j->data = &j->single;
    }
    return it_feed_open(&j->feed, c->alloc, j->data, &pre, NULL, j->data->len, 0, rank, dims, err);
}

/* Room for every sample's values of one output, once its size is known. */
static intact_status all_room(predict_job *j, uint32_t k, intact_error *err)
{
    size_t bytes;
    if (j->all[k].data)
        return INTACT_OK;
    if (!it_mul_size(j->feed.len, j->runner.outs[k].len * sizeof(float), &bytes))
        return it_fail(err, INTACT_E_NOMEM, "output", "%zu samples of %zu values do not fit into memory", j->feed.len, j->runner.outs[k].len);
    j->all[k].data = it_alloc_new(j->runner.m->ctx->alloc, bytes);
    j->all[k].bytes = bytes;
    return j->all[k].data ? INTACT_OK : it_fail_nomem(err, "output", bytes);
}

static intact_status write_outputs(const predict_job *j, const char *path, intact_error *err)
{
    for (uint32_t k = 0; k < j->runner.outs_len; k++) {
        const it_answer *o = &j->runner.outs[k];
        uint64_t dim[INTACT_RANK_MAX] = {j->feed.len};
        char name[4096];
        for (uint32_t i = 0; i < o->rank && i + 1 < INTACT_RANK_MAX; i++)
            dim[i + 1] = o->dim[i];
        output_path(name, sizeof name, path, k);
        IT_TRY(it_npy_write(name, 'f', 4, o->rank + 1, dim, j->all[k].data, err));
    }
    return INTACT_OK;
}

/* Every file that write_outputs makes. */
static intact_status check_outputs(const predict_job *j, const intact_model *m, const char *input, const char *path, intact_error *err)
{
    const it_api_file ins[] = {{"the network", m->path}, {"the input", input}};
    char name[4096];
    for (uint32_t k = 0; k < j->runner.outs_len; k++) {
        output_path(name, sizeof name, path, k);
        const it_api_file out = {"what the network answers", name};
        IT_TRY(it_api_files_apart(&out, 1, ins, IT_LEN(ins), err));
    }
    return INTACT_OK;
}

static intact_status run_all(predict_job *j, intact_ctx *c, const char *output, uint32_t top, intact_predict_result *out, intact_error *err)
{
    out->outputs = j->runner.outs_len;
    if (output) {
        j->all = it_alloc_zero(c->alloc, j->runner.outs_len * sizeof *j->all);
        if (!j->all)
            return it_fail_nomem(err, output, j->runner.outs_len * sizeof *j->all);
    }
    for (size_t at = 0; at < j->feed.len; at += IT_FEED_BATCH) {
        it_batch b;
        IT_TRY(it_feed_batch(&j->feed, at, j->pixels, j->floats, &b, err));
        if (b.skipped)
            return it_fail(err, INTACT_E_DATA, "input", "%s", b.skipped_why);
        IT_TRY(it_runner_run(&j->runner, &j->feed, j->pixels, j->floats, b.len, err));
        IT_TRY(keep_top(c, j->runner.outs[0].real, j->runner.outs[0].len, top, out, err));
        for (uint32_t k = 0; output && k < j->runner.outs_len; k++) {
            const it_answer *o = &j->runner.outs[k];
            IT_TRY(all_room(j, k, err));
            memcpy(j->all[k].data + at * o->len, o->real, b.len * o->len * sizeof(float));
        }
        out->samples += b.len;
        if (c->opt.progress && c->opt.progress(c->opt.user, "running", out->samples, j->feed.len))
            return it_fail(err, INTACT_E_CANCELLED, "run", "stopped on request after %llu of %zu samples", (unsigned long long)out->samples, j->feed.len);
    }
    return output ? write_outputs(j, output, err) : INTACT_OK;
}

intact_status intact_predict(intact_ctx *c, const intact_model *m, const char *input, const char *preprocess, const char *output, uint32_t top, intact_predict_result *out,
                             intact_error *err)
{
    *out = (intact_predict_result){0};
    double start = it_seconds();
    predict_job j = {0};
    intact_status st = open_input(&j, c, m, input, preprocess, err);
    if (st == INTACT_OK) {
        j.batch = IT_FEED_BATCH * j.feed.elements;
        j.pixels = it_alloc_new(c->alloc, j.batch);
        j.floats = it_alloc_new(c->alloc, j.batch * sizeof(float));
        st = j.pixels && j.floats ? it_runner_open(&j.runner, m, NULL, NULL, NULL, err) : it_fail_nomem(err, input, j.batch * 5);
    }
    if (st == INTACT_OK && output)
        st = check_outputs(&j, m, input, output, err);
    if (st == INTACT_OK)
        st = run_all(&j, c, output, top, out, err);
    uint32_t outs = j.runner.outs_len;
    it_runner_close(&j.runner);
    for (uint32_t k = 0; j.all && k < outs; k++)
        it_alloc_free(c->alloc, j.all[k].data, j.all[k].bytes);
    it_alloc_free(c->alloc, j.all, outs * sizeof *j.all);
    it_alloc_free(c->alloc, j.pixels, j.batch);
    it_alloc_free(c->alloc, j.floats, j.batch * sizeof(float));
    it_feed_close(&j.feed);
    if (j.data == &j.single)
        it_arena_release(&j.single.arena);
    else
        it_dataset_close(j.data);
    out->seconds = it_seconds() - start;
    if (st != INTACT_OK)
        intact_predict_result_release(c, out);
    return st;
}

void intact_predict_result_release(intact_ctx *c, intact_predict_result *r)
{
    it_alloc_free(c->alloc, r->top, r->top_len * sizeof *r->top);
    *r = (intact_predict_result){0};
}
