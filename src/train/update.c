/* SPDX-License-Identifier: Apache-2.0 */
/* update.c: workers' gradients to one, its norm, and the optimizer over all parameters: chunk by chunk, in parallel; sums over chunks go in
** their order. */
#include <math.h>
#include <string.h>

#include "train/tape.h"

static void reduce(void *user, uint32_t begin, uint32_t end, uint32_t thread)
{
    it_train *t = user;
    (void)thread;
    for (uint32_t c = begin; c < end; c++) {
        const it_tape_chunk *k = &t->chunks[c];
        float *restrict g = t->grad + k->at;
        bool any = false;
        if (t->opt.comm && k->seg != t->reducing) continue;
        for (uint32_t w = 0; w < t->workers; w++) {
            const float *restrict from = t->worker[w].grad + k->at;
            if (!t->worker[w].touched[k->param]) continue;
            if (any)
                for (size_t i = 0; i < k->len; i++) g[i] += from[i];
            else
                memcpy(g, from, k->len * sizeof *g);
            any = true;
        }
        if (!any) memset(g, 0, k->len * sizeof *g);
    }
}

/* Stretches of parameters whose gradients are complete together go out together. */
static intact_status send(it_train *t, int seg, intact_error *err)
{
    for (size_t c = 0; c < t->chunks_len;) {
        const size_t first = c;
        while (c < t->chunks_len && t->chunks[c].seg == seg) c++;
        const it_tape_chunk *a = &t->chunks[first], *b = c > first ? &t->chunks[c - 1] : NULL;
        if (b) IT_TRY(t->opt.comm->start_f32(t->opt.comm->user, t->grad + a->at, b->at + b->len - a->at, err));
        c += !b;
    }
    return INTACT_OK;
}

intact_status it_train_grads_reduce(it_train *t, int seg, intact_error *err)
{
    t->reducing = seg;
    if (!t->opt.comm && seg != IT_TAPE_LATE) return INTACT_OK;
    it_pool_for(t->opt.pool, (uint32_t)t->chunks_len, 0, reduce, t);
    return t->opt.comm ? send(t, seg, err) : INTACT_OK;
}

static void unscale(void *user, uint32_t begin, uint32_t end, uint32_t thread)
{
    it_train *t = user;
    const float factor = 1 / t->scaling.scale;
    (void)thread;
    for (uint32_t c = begin; c < end; c++)
        for (size_t i = 0; i < t->chunks[c].len; i++) t->grad[t->chunks[c].at + i] *= factor;
}

void it_train_unscale(it_train *t)
{
    if (t->scaling.scale != 1) it_pool_for(t->opt.pool, (uint32_t)t->chunks_len, 0, unscale, t);
}

static void squares(void *user, uint32_t begin, uint32_t end, uint32_t thread)
{
    it_train *t = user;
    (void)thread;
    for (uint32_t c = begin; c < end; c++) {
        it_tape_chunk *k = &t->chunks[c];
        double sum = 0;
        for (size_t i = 0; i < k->len; i++) sum += (double)t->grad[k->at + i] * (double)t->grad[k->at + i];
        k->squares = sum;
    }
}

double it_train_norm(it_train *t)
{
    double sum = 0;
    it_pool_for(t->opt.pool, (uint32_t)t->chunks_len, 0, squares, t);
    for (size_t c = 0; c < t->chunks_len; c++) sum += t->chunks[c].squares;
    return sqrt(sum);
}

static void average(const it_train *t, size_t at, size_t len)
{
    const double steps = (double)t->optimizer.steps, decay = fmin(t->opt.average, (1 + steps) / (10 + steps)); /* the weights it began with are forgotten early */
    const float keep = (float)decay, rest = (float)(1 - decay), *restrict w = t->w + at;
    float *restrict a = t->average + at;
    for (size_t i = 0; i < len; i++) a[i] = keep * a[i] + rest * w[i];
}

void it_train_average_own(it_train *t)
{
    for (size_t i = t->own_at; t->average && i < t->params_len; i++) average(t, t->params[i].at, t->params[i].len);
}

static void move(void *user, uint32_t begin, uint32_t end, uint32_t thread)
{
    it_train *t = user;
    const float shrink = (float)t->shrink;
    (void)thread;
    for (uint32_t c = begin; c < end; c++) {
        const it_tape_chunk *k = &t->chunks[c];
        const it_train_param *p = &t->params[k->param];
        float *w = t->w + k->at;
        for (size_t i = 0; t->shrink < 1 && i < k->len; i++) t->grad[k->at + i] *= shrink;
        it_update u = { .spec = &t->opt.optimizer, .state = &t->optimizer, .rate = t->rate * (double)p->rate, .decay = p->decays ? t->opt.decay : 0,
                        .w = w, .g = t->grad + k->at, .n = k->len };
        for (int m = 0; m < 2; m++) u.m[m] = t->moment[m] ? t->moment[m] + k->at : NULL;
        t->opt.optimizer.optimizer->apply(&u);
        if (t->average && p->v) average(t, k->at, k->len);
    }
}

void it_train_update(it_train *t, double norm)
{
    t->shrink = t->opt.clip > 0 && norm > t->opt.clip ? t->opt.clip / norm : 1;
    t->optimizer.steps++;
    t->optimizer.power1 *= t->opt.optimizer.beta1;
    t->optimizer.power2 *= t->opt.optimizer.beta2;
    it_pool_for(t->opt.pool, (uint32_t)t->chunks_len, 0, move, t);
    it_train_touch(t);
}
