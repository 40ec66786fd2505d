/* SPDX-License-Identifier: Apache-2.0 */
/* eval.c: top-1 and top-5 accuracy of a network on a labelled data set. */
#include <math.h>
#include <string.h>

#include "api/api.h"

typedef struct eval_worker {
    it_runner runner;
    uint8_t *pixels;
    float *floats;
    uint64_t n, skipped, right1, right5;
    uint32_t skipped_unit;
    char skipped_why[700];
} eval_worker;

typedef struct eval_job {
    const intact_model *m;
    const it_feed *feed;
    eval_worker *workers;
} eval_job;

static bool in_top(const float *x, size_t n, uint32_t k, int32_t label)
{
    uint32_t top[5];
    if (k > n)
        k = (uint32_t)n;
    it_top_k(x, n, k, top);
    for (uint32_t i = 0; i < k; i++)
        if ((int32_t)top[i] == label)
            return true;
    return false;
}

static intact_status score(eval_worker *w, const it_feed *f, const it_batch *b, intact_error *err)
{
    size_t n = w->runner.outs[0].len;
    for (uint32_t i = 0; i < b->len; i++) {
        const float *y = w->runner.outs[0].real + i * n;
        const char *where = it_dataset_name(f->data, b->sample[i]);
        IT_TRY(it_check_answer(w->runner.m, where, y, n, err));
        if (b->label[i] < 0)
            return it_fail(err, INTACT_E_DATA, where, "has no label; accuracy needs one per sample");
        if (n > 1 && (size_t)b->label[i] >= n)
            return it_fail(err, INTACT_E_DATA, where, "its label is %d, but the network has %zu outputs (0..%zu); is --label-offset right?", b->label[i], n, n - 1);
        bool first = n == 1 ? (int32_t)y[0] == b->label[i] : in_top(y, n, 1, b->label[i]);
        w->right1 += first;
        w->right5 += first || (n > 1 && in_top(y, n, 5, b->label[i]));
        w->n++;
    }
    return INTACT_OK;
}

static intact_status eval_unit(void *arg, uint32_t u, uint32_t thread, uint64_t *steps, intact_error *err)
{
    eval_job *j = arg;
    eval_worker *w = &j->workers[thread];
    it_batch b;
    IT_TRY(it_feed_batch(j->feed, (size_t)u * IT_FEED_BATCH, w->pixels, w->runner.wants_floats ? w->floats : NULL, &b, err));
    *steps = b.len + b.skipped;
    w->skipped += b.skipped;
    if (b.skipped && u < w->skipped_unit) {
        w->skipped_unit = u;
        memcpy(w->skipped_why, b.skipped_why, sizeof w->skipped_why);
    }
    if (b.len == 0)
        return INTACT_OK;
    IT_TRY(it_runner_run(&w->runner, j->feed, w->pixels, w->floats, b.len, err));
    return score(w, j->feed, &b, err);
}

static intact_status eval_worker_open(eval_worker *w, const eval_job *j, intact_error *err)
{
    size_t batch = IT_FEED_BATCH * j->feed->elements;
    w->skipped_unit = UINT32_MAX;
    w->pixels = it_alloc_new(j->m->ctx->alloc, batch);
    w->floats = it_alloc_new(j->m->ctx->alloc, batch * sizeof(float));
    if (!w->pixels || !w->floats)
        return it_fail_nomem(err, "evaluation", batch * 5);
    return it_runner_open(&w->runner, j->m, NULL, NULL, NULL, err);
}

static void eval_worker_close(eval_worker *w, const eval_job *j)
{
    size_t batch = IT_FEED_BATCH * j->feed->elements;
    it_runner_close(&w->runner);
    it_alloc_free(j->m->ctx->alloc, w->pixels, batch);
    it_alloc_free(j->m->ctx->alloc, w->floats, batch * sizeof(float));
}

static intact_status sum_up(const eval_job *j, uint32_t threads, intact_eval_result *out, intact_error *err)
{
    uint32_t first = UINT32_MAX;
    const char *why = "";
    for (uint32_t t = 0; t < threads; t++) {
        const eval_worker *w = &j->workers[t];
        out->n += w->n;
        out->skipped += w->skipped;
        out->right1 += w->right1;
        out->right5 += w->right5;
        if (w->skipped_unit < first)
            first = w->skipped_unit, why = w->skipped_why;
    }
    if (out->n == 0)
        return it_fail(err, INTACT_E_DATA, "evaluation", "none of the %llu samples could be read; first: %s", (unsigned long long)out->skipped, why);
    if (out->skipped)
        it_log(j->m->ctx, INTACT_LOG_WARNING, "%llu unreadable samples were skipped", (unsigned long long)out->skipped);
    double n = (double)out->n;
    out->top1 = (double)out->right1 / n;
    out->top5 = (double)out->right5 / n;
    out->top1_standard_error = sqrt(out->top1 * (1 - out->top1) / n);
    return INTACT_OK;
}

static intact_status check_labels(const intact_model *m, const it_source *s, const intact_data_options *d, intact_error *err)
{
    if (!s->data->label)
        return it_fail(err, INTACT_E_DATA, d->path, "the data set has no labels, accuracy needs them%s", s->feed.arrays ? "; give --labels FILE.npy" : "");
    it_source_hint(s, m, d);
    return INTACT_OK;
}

intact_status it_api_eval(intact_ctx *c, const intact_model *m, const it_source *s, intact_eval_result *out, intact_error *err)
{
    *out = (intact_eval_result){0};
    double start = it_seconds();
    uint32_t threads = it_pool_threads(c->pool);
    eval_job j = {.m = m, .feed = &s->feed, .workers = it_alloc_zero(c->alloc, threads * sizeof(eval_worker))};
    intact_status st = j.workers ? INTACT_OK : it_fail_nomem(err, "evaluation", threads * sizeof(eval_worker));
    for (uint32_t t = 0; t < threads && st == INTACT_OK; t++)
        st = eval_worker_open(&j.workers[t], &j, err);
    it_job job = it_api_job(c);
    if (st == INTACT_OK)
        st = it_job_run(&job, "evaluating", (uint32_t)((s->feed.len + IT_FEED_BATCH - 1) / IT_FEED_BATCH), s->feed.len, eval_unit, &j, err);
    if (st == INTACT_OK)
        st = sum_up(&j, threads, out, err);
    for (uint32_t t = 0; j.workers && t < threads; t++)
        eval_worker_close(&j.workers[t], &j);
    it_alloc_free(c->alloc, j.workers, threads * sizeof(eval_worker));
    out->seconds = it_seconds() - start;
    return st;
}

intact_status intact_eval(intact_ctx *c, const intact_model *m, const intact_data_options *d, intact_eval_result *out, intact_error *err)
{
    *out = (intact_eval_result){0};
    double start = it_seconds();
    it_source s;
    IT_TRY(it_source_open(&s, m, d, err));
    intact_status st = check_labels(m, &s, d, err);
    if (st == INTACT_OK)
        st = it_api_eval(c, m, &s, out, err);
    it_source_close(&s);
    out->seconds = it_seconds() - start;
    return st;
}
