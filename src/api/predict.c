/* SPDX-License-Identifier: Apache-2.0 */
/* predict.c: one image, or an array of inputs, through a network. */
#include <string.h>

#include "api/api.h"
#include "base/file.h"

static bool is_npy(const char *path)
{
    size_t n = strlen(path);
    return n > 4 && strcmp(path + n - 4, ".npy") == 0;
}

static intact_status write_outputs(const intact_model *m, const char *path, const float *y, size_t samples, size_t per, intact_error *err)
{
    uint64_t dim[2] = {samples, per};
    (void)m;
    return it_npy_write(path, 'f', 4, 2, dim, y, err);
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
    float *all;
    size_t all_bytes, batch;
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

static intact_status run_all(predict_job *j, intact_ctx *c, const char *output, uint32_t top, intact_predict_result *out, intact_error *err)
{
    for (size_t at = 0; at < j->feed.len; at += IT_FEED_BATCH) {
        it_batch b;
        IT_TRY(it_feed_batch(&j->feed, at, j->pixels, j->floats, &b, err));
        if (b.skipped)
            return it_fail(err, INTACT_E_DATA, "input", "%s", b.skipped_why);
        IT_TRY(it_runner_run(&j->runner, &j->feed, j->pixels, j->floats, b.len, err));
        size_t per = j->runner.out_len;
        IT_TRY(keep_top(c, j->runner.out_real, per, top, out, err));
        if (output && !j->all) {
            if (!it_mul_size(j->feed.len, per * sizeof(float), &j->all_bytes) || !(j->all = it_alloc_new(c->alloc, j->all_bytes)))
                return it_fail_nomem(err, output, j->all_bytes);
        }
        if (output)
            memcpy(j->all + at * per, j->runner.out_real, b.len * per * sizeof(float));
        out->samples += b.len;
    }
    return output ? write_outputs(j->runner.m, output, j->all, j->feed.len, j->runner.out_len, err) : INTACT_OK;
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
        st = j.pixels && j.floats ? it_runner_open(&j.runner, m, &j.feed, NULL, NULL, err) : it_fail_nomem(err, input, j.batch * 5);
    }
    if (st == INTACT_OK)
        st = run_all(&j, c, output, top, out, err);
    it_runner_close(&j.runner);
    it_alloc_free(c->alloc, j.pixels, j.batch);
    it_alloc_free(c->alloc, j.floats, j.batch * sizeof(float));
    it_alloc_free(c->alloc, j.all, j.all_bytes);
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
