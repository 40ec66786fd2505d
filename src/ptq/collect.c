/* SPDX-License-Identifier: Apache-2.0 */
/* collect.c: calibration: the float network runs on fixed batches of 8, every grouped value falls into its histogram. Each worker has an
** executor and histograms of its own; merging them is commutative, so threads and order leave no trace. */
#include <string.h>

#include "exec/exec.h"
#include "ptq/ptq.h"

typedef struct worker {
    const it_groups *gs;
    it_exec *exec;
    it_hist *hist; /* [groups] */
    uint8_t *pixels;
    float *floats;
    uint64_t samples, skipped;
    char skipped_why[700];
    uint32_t skipped_unit; /* of skipped_why: the earliest */
    const it_graph *g;
} worker;

typedef struct collect {
    const it_groups *gs;
    const it_graph *g;
    const it_feed *feed;
    worker *workers;
} collect;

static intact_status hook(void *user, const it_value *v, const it_tensor *t, intact_error *err)
{
    worker *w = user;
    (void)err;
    int group = w->gs->of[v->id];
    if (group >= 0 && !w->gs->g.items[group].fixed && t->type == IT_F32)
        it_hist_add(&w->hist[group], t->data, (size_t)it_tensor_len(t));
    return INTACT_OK;
}

static intact_status worker_open(worker *w, const collect *c, intact_error *err)
{
    const intact_alloc *a = c->gs->alloc;
    size_t batch = IT_FEED_BATCH * c->feed->elements;
    w->gs = c->gs;
    w->g = c->g;
    w->skipped_unit = UINT32_MAX;
    w->hist = it_alloc_new(a, c->gs->g.len * sizeof *w->hist);
    w->pixels = it_alloc_new(a, batch);
    w->floats = it_alloc_new(a, batch * sizeof(float));
    if (!w->hist || !w->pixels || !w->floats)
        return it_fail_nomem(err, "calibration", c->gs->g.len * sizeof *w->hist + batch * 5);
    for (size_t i = 0; i < c->gs->g.len; i++)
        it_hist_init(&w->hist[i]);
    it_exec_options eo = {.hook = hook, .hook_user = w};
    return it_exec_new(c->g, &eo, &w->exec, err);
}

static void worker_close(worker *w, const collect *c)
{
    const intact_alloc *a = c->gs->alloc;
    size_t batch = IT_FEED_BATCH * c->feed->elements;
    it_exec_free(w->exec);
    it_alloc_free(a, w->hist, c->gs->g.len * sizeof *w->hist);
    it_alloc_free(a, w->pixels, batch);
    it_alloc_free(a, w->floats, batch * sizeof(float));
}

/* A network exported with a fixed batch of 1 runs sample by sample. */
static int64_t batch_limit(const it_graph *g)
{
    const it_value *x = g->inputs.items[0];
    return x->declared_rank > 0 && x->declared[0] > 0 ? x->declared[0] : IT_FEED_BATCH;
}

static intact_status run_floats(worker *w, uint32_t len, intact_error *err)
{
    int64_t step = batch_limit(w->g);
    it_tensor in = w->g->inputs.items[0]->t;
    size_t elements = 1;
    for (int i = 1; i < in.rank; i++)
        elements *= (size_t)in.dim[i];
    in.layout = IT_PLAIN;
    for (uint32_t at = 0; at < len; at += (uint32_t)step) {
        in.dim[0] = len - at < step ? len - at : step;
        in.data = w->floats + at * elements;
        IT_TRY(it_exec_run(w->exec, &in, 1, err));
    }
    return INTACT_OK;
}

static intact_status unit(void *arg, uint32_t u, uint32_t thread, uint64_t *steps, intact_error *err)
{
    collect *c = arg;
    worker *w = &c->workers[thread];
    it_batch b;
    IT_TRY(it_feed_batch(c->feed, (size_t)u * IT_FEED_BATCH, w->pixels, w->floats, &b, err));
    if (b.skipped && u < w->skipped_unit) {
        w->skipped_unit = u;
        memcpy(w->skipped_why, b.skipped_why, sizeof w->skipped_why);
    }
    w->skipped += b.skipped;
    w->samples += b.len;
    *steps = b.len + b.skipped;
    return b.len ? run_floats(w, b.len, err) : INTACT_OK;
}

static intact_status merge(it_groups *gs, const collect *c, uint32_t threads, it_collect_result *out, intact_error *err)
{
    uint32_t first = UINT32_MAX;
    const bool told = out->skipped > 0; /* by samples before these */
    for (uint32_t t = 0; t < threads; t++) {
        const worker *w = &c->workers[t];
        out->samples += w->samples;
        out->skipped += w->skipped;
        if (w->skipped_unit < first && !told) {
            first = w->skipped_unit;
            memcpy(out->skipped_why, w->skipped_why, sizeof out->skipped_why);
        }
    }
    for (size_t i = 0; i < gs->g.len; i++) {
        it_group *gr = &gs->g.items[i];
        if (gr->fixed)
            continue;
        if (!gr->hist) {
            gr->hist = it_alloc_new(gs->alloc, sizeof *gr->hist);
            if (!gr->hist)
                return it_fail_nomem(err, gr->first->name, sizeof *gr->hist);
            it_hist_init(gr->hist);
        }
        for (uint32_t t = 0; t < threads; t++)
            it_hist_merge(gr->hist, &c->workers[t].hist[i]);
        if (gr->hist->bad)
            return it_fail(err, INTACT_E_DATA, gr->first->name, "%llu of %llu values are infinite or not a number; the network overflows on this data (is the preprocessing right?)",
                           (unsigned long long)gr->hist->bad, (unsigned long long)(gr->hist->count + gr->hist->bad));
    }
    return INTACT_OK;
}

intact_status it_ptq_collect_more(it_groups *gs, const it_graph *g, const it_feed *feed, const it_job *job, it_collect_result *out, intact_error *err)
{
    if (g->inputs.len != 1)
        return it_fail(err, INTACT_E_UNSUPPORTED, g->name, "the network has %zu inputs; calibration feeds networks with one", g->inputs.len);
    IT_TRY(it_ptq_check_weights(g, err));
    uint32_t threads = it_pool_threads(job->pool);
    collect c = {.gs = gs, .g = g, .feed = feed, .workers = it_alloc_zero(gs->alloc, threads * sizeof(worker))};
    if (!c.workers)
        return it_fail_nomem(err, "calibration", threads * sizeof(worker));
    intact_status st = INTACT_OK;
    for (uint32_t t = 0; t < threads && st == INTACT_OK; t++)
        st = worker_open(&c.workers[t], &c, err);
    uint32_t units = (uint32_t)((feed->len + IT_FEED_BATCH - 1) / IT_FEED_BATCH);
    if (st == INTACT_OK)
        st = it_job_run(job, "calibrating", units, feed->len, unit, &c, err);
    if (st == INTACT_OK)
        st = merge(gs, &c, threads, out, err);
    if (st == INTACT_OK && out->samples == 0)
        st = it_fail(err, INTACT_E_DATA, "calibration", "none of the %llu samples could be read; first: %s", (unsigned long long)out->skipped, out->skipped_why);
    for (uint32_t t = 0; t < threads; t++)
        worker_close(&c.workers[t], &c);
    it_alloc_free(gs->alloc, c.workers, threads * sizeof(worker));
    return st;
}

intact_status it_ptq_collect(it_groups *gs, const it_graph *g, const it_feed *feed, const it_job *job, it_collect_result *out, intact_error *err)
{
    *out = (it_collect_result){0};
    IT_TRY(it_ptq_collect_more(gs, g, feed, job, out, err));
    return it_ptq_doubts(gs, out->samples, err);
}
