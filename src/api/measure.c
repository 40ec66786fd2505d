/* SPDX-License-Identifier: Apache-2.0 */
/* measure.c: the float network and its simulated quantization side by side: noise of every value. */
#include <math.h>
#include <string.h>

#include "api/report.h"
#include "exec/exec_node.h"

typedef struct copy { float *x; size_t len, cap; it_layout layout; } copy; /* a value of the float network, present sample */

typedef struct measure_worker {
    it_exec *plain, *simulated;
    copy *kept; /* [values] */
    float *rounded; size_t rounded_cap;
    it_measure *now; /* of the present unit */
    uint8_t *pixels;
    float *floats;
    uint64_t samples;
    const intact_alloc *alloc;
} measure_worker;

typedef struct measure_job {
    const it_graph *g;
    const it_feed *feed;
    const intact_alloc *alloc;
    size_t samples;
    measure_worker *workers;
    it_measure *units; /* [units][values]: summed in order */
} measure_job;

static bool counts(const it_value *v, const it_tensor *t) { return v->q && !v->is_const && t->type == IT_F32; }

static bool room(const intact_alloc *a, float **x, size_t *cap, size_t n)
{
    if (n <= *cap)
        return true;
    float *p = it_alloc_grow(a, *x, *cap * sizeof *p, n * sizeof *p);
    if (!p)
        return false;
    *x = p;
    *cap = n;
    return true;
}

static intact_status keep(void *user, const it_value *v, const it_tensor *t, intact_error *err)
{
    measure_worker *w = user;
    copy *k = &w->kept[v->id];
    if (!counts(v, t))
        return INTACT_OK;
    k->len = (size_t)it_tensor_len(t);
    k->layout = t->layout;
    if (!room(w->alloc, &k->x, &k->cap, k->len))
        return it_fail_nomem(err, v->name, k->len * sizeof(float));
    memcpy(k->x, t->data, k->len * sizeof(float));
    return INTACT_OK;
}

static intact_status compare(void *user, const it_value *v, const it_tensor *t, intact_error *err)
{
    measure_worker *w = user;
    const copy *k = &w->kept[v->id];
    size_t n = (size_t)it_tensor_len(t);
    if (!counts(v, t) || k->len != n || k->layout != t->layout)
        return INTACT_OK;
    if (!room(w->alloc, &w->rounded, &w->rounded_cap, n))
        return it_fail_nomem(err, v->name, n * sizeof(float));
    memcpy(w->rounded, k->x, n * sizeof(float));
    it_tensor own = *t;
    own.data = w->rounded;
    it_exec_round(v, &own);
    const float *y = t->data, scale = v->q->scale[0], zero = (float)v->q->zero[0];
    const double lo = (double)scale * ((v->q->type == INTACT_S16 ? -32767.0f : 0) - zero),
                 hi = (double)scale * ((v->q->type == INTACT_S16 ? 32767.0f : (float)((1 << v->q->bits) - 1)) - zero);
    it_measure z = {0};
    for (size_t i = 0; i < n; i++) {
        double x = k->x[i], e = x - y[i], o = x - w->rounded[i];
        z.signal += x * x;
        z.error += e * e;
        z.own += o * o;
        z.clip += x < lo || x > hi ? o * o : 0;
    }
    it_measure *to = &w->now[v->id];
    *to = (it_measure){to->signal + z.signal, to->error + z.error, to->own + z.own, to->clip + z.clip};
    return INTACT_OK;
}

static bool simulate_all(void *user, const it_value *v)
{
    (void)user;
    return v->q && (!v->is_const || v->q->codes);
}

static intact_status measure_unit(void *arg, uint32_t u, uint32_t thread, uint64_t *steps, intact_error *err)
{
    measure_job *j = arg;
    measure_worker *w = &j->workers[thread];
    it_batch b;
    IT_TRY(it_feed_batch(j->feed, (size_t)u * IT_FEED_BATCH, w->pixels, w->floats, &b, err));
    w->now = j->units + (size_t)u * j->g->values.len;
    it_tensor in = j->g->inputs.items[0]->t;
    in.layout = IT_PLAIN;
    for (uint32_t i = 0; i < b.len && (size_t)u * IT_FEED_BATCH + i < j->samples;
         i++) { /* one by one: copies of a batch of a large network do not fit everywhere */
        in.data = w->floats + i * j->feed->elements;
        IT_TRY(it_exec_run(w->plain, &in, 1, err));
        IT_TRY(it_exec_run(w->simulated, &in, 1, err));
        w->samples++;
    }
    *steps = b.len + b.skipped;
    return INTACT_OK;
}

static intact_status worker_open(measure_worker *w, const measure_job *j, intact_error *err)
{
    const it_exec_options plain = {.hook = keep, .hook_user = w}, simulated = {.hook = compare, .hook_user = w, .simulates = simulate_all};
    size_t batch = IT_FEED_BATCH * j->feed->elements;
    w->alloc = j->alloc;
    w->kept = it_alloc_zero(j->alloc, j->g->values.len * sizeof *w->kept);
    w->pixels = it_alloc_new(j->alloc, batch);
    w->floats = it_alloc_new(j->alloc, batch * sizeof(float));
    if (!w->kept || !w->pixels || !w->floats)
        return it_fail_nomem(err, "report", j->g->values.len * sizeof *w->kept + batch * 5);
    IT_TRY(it_exec_new(j->g, &plain, &w->plain, err));
    return it_exec_new(j->g, &simulated, &w->simulated, err);
}

static void worker_close(measure_worker *w, const measure_job *j)
{
    size_t batch = IT_FEED_BATCH * j->feed->elements;
    it_exec_free(w->plain);
    it_exec_free(w->simulated);
    for (size_t i = 0; w->kept && i < j->g->values.len; i++)
        it_alloc_free(j->alloc, w->kept[i].x, w->kept[i].cap * sizeof(float));
    it_alloc_free(j->alloc, w->kept, j->g->values.len * sizeof *w->kept);
    it_alloc_free(j->alloc, w->rounded, w->rounded_cap * sizeof(float));
    it_alloc_free(j->alloc, w->pixels, batch);
    it_alloc_free(j->alloc, w->floats, batch * sizeof(float));
}

intact_status it_api_measure(const it_graph *g, const it_feed *feed, const it_job *job, const intact_alloc *a, size_t samples, it_measure *out, uint64_t *done,
                             intact_error *err)
{
    uint32_t threads = it_pool_threads(job->pool);
    measure_job j = {.g = g, .feed = feed, .alloc = a, .samples = samples < feed->len ? samples : feed->len};
    uint32_t units = (uint32_t)((j.samples + IT_FEED_BATCH - 1) / IT_FEED_BATCH);
    size_t bytes = (size_t)units * g->values.len * sizeof *j.units;
    j.workers = it_alloc_zero(a, threads * sizeof *j.workers);
    j.units = it_alloc_zero(a, bytes);
    intact_status st = j.workers && j.units ? INTACT_OK : it_fail_nomem(err, "report", bytes);
    for (uint32_t t = 0; j.workers && t < threads && st == INTACT_OK; t++)
        st = worker_open(&j.workers[t], &j, err);
    if (st == INTACT_OK)
        st = it_job_run(job, "measuring", units, j.samples, measure_unit, &j, err);
    for (uint32_t u = 0; st == INTACT_OK && u < units; u++)
        for (size_t i = 0; i < g->values.len; i++) {
            const it_measure *z = &j.units[u * g->values.len + i];
            out[i] = (it_measure){out[i].signal + z->signal, out[i].error + z->error, out[i].own + z->own, out[i].clip + z->clip};
        }
    *done = 0;
    for (uint32_t t = 0; j.workers && t < threads; t++) {
        *done += j.workers[t].samples;
        worker_close(&j.workers[t], &j);
    }
    it_alloc_free(a, j.workers, threads * sizeof *j.workers);
    it_alloc_free(a, j.units, bytes);
    return st;
}
