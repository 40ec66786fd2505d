/* SPDX-License-Identifier: Apache-2.0 */
/* survey.c: the float network runs over the first calibration samples; means, deviations and what reaches an upper end. */
#include "ptq/survey.h"

#include <math.h>
#include <string.h>

#include "exec/exec.h"

typedef struct survey_worker { it_exec *exec; uint8_t *pixels; float *floats; const struct survey_job *job; uint32_t unit; } survey_worker;

typedef struct survey_job {
    const it_ptq *p;
    it_survey *s;
    size_t samples, channels; /* of all values */
    int *index;               /* [value id]: of s->of, -1 */
    double *sums;             /* [unit][channels][2], then [unit][values][2]: numbers, and those at the top */
    double *counts;
    survey_worker *workers;
} survey_job;

static void add_value(const it_tensor *t, float top, double *sums, double *counts)
{
    const int64_t channels = t->dim[1], len = it_tensor_len(t), spatial = channels > 0 ? len / (t->dim[0] * channels) : 0;
    const bool last = t->layout == IT_NHWC;
    const int64_t inner = last ? 1 : spatial; /* numbers of a channel that lie together */
    const float *x = t->data;
    uint64_t at_top = 0;
    for (int64_t i = 0; i < len; i += inner * channels)
        for (int64_t c = 0; c < channels; c++)
            for (int64_t k = 0; k < inner; k++) {
                const float now = x[i + c * inner + k];
                sums[2 * c] += (double)now;
                sums[2 * c + 1] += (double)now * (double)now;
                at_top += now >= top;
            }
    counts[0] += (double)len;
    counts[1] += (double)at_top;
}

static intact_status hook(void *user, const it_value *v, const it_tensor *t, intact_error *err)
{
    const survey_worker *w = user;
    const survey_job *j = w->job;
    const int at = j->index[v->id];
    if (at < 0)
        return INTACT_OK;
    if (t->type != IT_F32 || t->rank < 2 || t->dim[1] != j->s->of[at].channels)
        return it_fail(err, INTACT_E_SHAPE, v->name, "it has other channels than the network says");
    size_t first = 0;
    for (int i = 0; i < at; i++)
        first += (size_t)j->s->of[i].channels;
    add_value(t, j->s->of[at].top, j->sums + 2 * (w->unit * j->channels + first), j->counts + 2 * (w->unit * j->s->len + (size_t)at));
    return INTACT_OK;
}

static intact_status unit(void *user, uint32_t u, uint32_t thread, uint64_t *steps, intact_error *err)
{
    survey_job *j = user;
    survey_worker *w = &j->workers[thread];
    const it_value *in = j->p->g->inputs.items[0];
    const uint32_t step = in->declared_rank > 0 && in->declared[0] > 0 && in->declared[0] < IT_FEED_BATCH ? (uint32_t)in->declared[0] : IT_FEED_BATCH;
    it_batch b;
    IT_TRY(it_feed_batch(j->p->feed, (size_t)u * IT_FEED_BATCH, w->pixels, w->floats, &b, err));
    *steps = b.len + b.skipped;
    w->unit = u;
    for (uint32_t at = 0; at < b.len; at += step) {
        it_tensor t = in->t;
        t.dim[0] = b.len - at < step ? b.len - at : step;
        t.layout = IT_PLAIN;
        t.data = w->floats + at * j->p->feed->elements;
        IT_TRY(it_exec_run(w->exec, &t, 1, err));
    }
    return INTACT_OK;
}

static void finish(survey_job *j, uint32_t units)
{
    size_t first = 0;
    for (size_t i = 0; i < j->s->len; i++) {
        it_survey_value *v = &j->s->of[i];
        double n = 0, at_top = 0;
        for (uint32_t u = 0; u < units; u++) {
            n += j->counts[2 * (u * j->s->len + i)];
            at_top += j->counts[2 * (u * j->s->len + i) + 1];
        }
        v->count = (uint64_t)n;
        v->at_top = (uint64_t)at_top;
        for (int64_t c = 0; c < v->channels; c++) {
            double sum = 0, square = 0;
            for (uint32_t u = 0; u < units; u++) {
                sum += j->sums[2 * (u * j->channels + first + (size_t)c)];
                square += j->sums[2 * (u * j->channels + first + (size_t)c) + 1];
            }
            const double len = n > 0 ? n / (double)v->channels : 1;
            v->mean[c] = sum / len;
            v->sd[c] = sqrt(fmax(square / len - v->mean[c] * v->mean[c], 0));
        }
        first += (size_t)v->channels;
    }
}

static intact_status run(survey_job *j, uint32_t threads, uint32_t units, intact_error *err)
{
    const intact_alloc *a = j->p->alloc;
    const size_t batch = IT_FEED_BATCH * j->p->feed->elements;
    intact_status st = INTACT_OK;
    for (uint32_t t = 0; t < threads && st == INTACT_OK; t++) {
        survey_worker *w = &j->workers[t];
        w->job = j;
        w->pixels = it_alloc_new(a, batch);
        w->floats = it_alloc_new(a, batch * sizeof(float));
        it_exec_options eo = { .hook = hook, .hook_user = w };
        st = w->pixels && w->floats ? it_exec_new(j->p->g, &eo, &w->exec, err) : it_fail_nomem(err, "calibration", batch * 5);
    }
    if (st == INTACT_OK)
        st = it_job_run(j->p->job, "looking at the float network", units, j->samples, unit, j, err);
    if (st == INTACT_OK)
        finish(j, units);
    for (uint32_t t = 0; t < threads; t++) {
        it_exec_free(j->workers[t].exec);
        it_alloc_free(a, j->workers[t].pixels, batch);
        it_alloc_free(a, j->workers[t].floats, batch * sizeof(float));
    }
    return st;
}

intact_status it_survey_run(const it_ptq *p, it_survey *s, intact_error *err)
{
    const uint32_t threads = it_pool_threads(p->job->pool);
    survey_job j = { .p = p, .s = s };
    s->alloc = p->alloc;
    s->room = NULL;
    if (s->len == 0)
        return INTACT_OK;
    j.samples = p->feed->len < IT_SURVEY_SAMPLES ? p->feed->len : IT_SURVEY_SAMPLES;
    if (p->g->inputs.len != 1)
        return it_fail(err, INTACT_E_UNSUPPORTED, p->g->name, "the network has %zu inputs; calibration feeds networks with one", p->g->inputs.len);
    IT_TRY(it_ptq_check_weights(p->g, err));
    for (size_t i = 0; i < s->len; i++)
        j.channels += (size_t)(s->of[i].channels = s->of[i].v->t.dim[1]);
    const uint32_t units = (uint32_t)((j.samples + IT_FEED_BATCH - 1) / IT_FEED_BATCH);
    const size_t doubles = units * 2 * (j.channels + s->len), bytes = doubles * sizeof(double) + threads * sizeof(survey_worker) + p->g->values.len * sizeof(int);
    s->bytes = 2 * j.channels * sizeof(double);
    s->room = it_alloc_zero(p->alloc, s->bytes);
    j.sums = it_alloc_zero(p->alloc, bytes);
    intact_status st = s->room && j.sums ? INTACT_OK : it_fail_nomem(err, "calibration", bytes + s->bytes);
    if (st == INTACT_OK) {
        double *to = s->room;
        j.counts = j.sums + units * 2 * j.channels;
        j.workers = (survey_worker *)(j.sums + doubles);
        j.index = (int *)(j.workers + threads);
        for (size_t i = 0; i < p->g->values.len; i++)
            j.index[i] = -1;
        for (size_t i = 0; i < s->len; i++) {
            j.index[s->of[i].v->id] = (int)i;
            s->of[i].mean = to, to += s->of[i].channels;
            s->of[i].sd = to, to += s->of[i].channels;
        }
        st = run(&j, threads, units, err);
    }
    it_alloc_free(p->alloc, j.sums, bytes);
    return st;
}

void it_survey_release(it_survey *s)
{
    it_alloc_free(s->alloc, s->room, s->bytes);
    s->room = NULL;
}
