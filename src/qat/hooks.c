/* SPDX-License-Identifier: Apache-2.0 */
/* hooks.c: what the trainer calls: rounding on the way up, gradients straight through on the way down, steps and ranges between steps. */
#include <math.h>
#include <string.h>

#include "qat/state.h"

static it_qat_act *act_of(const it_qat *q, const it_value *v) { return q->act_of[v->id] < 0 ? NULL : &q->acts.items[q->act_of[v->id]]; }
static const float *own_values(const it_qat *q, const it_qat_own *o) { return o->len ? it_train_own_param(q->t, o->index)->w : NULL; }

static uint32_t wants(void *user, const it_value *v)
{
    const it_qat *q = user;
    return (v->is_const ? q->weight_of[v->id] : q->act_of[v->id]) >= 0 ? IT_TRAIN_HOOKED : 0;
}

/* ---- before a step ---- */

/* sigma / |gamma|; a channel that normalization shuts takes part with no more than 2^20 times the least. */
void it_qat_unfold(it_qat_weight *w, const float *gamma, const float *var)
{
    const float epsilon = ((const it_bn_args *)w->norm->args)->epsilon;
    float least = INFINITY;
    for (int64_t c = 0; c < w->channels; c++) {
        w->unfold[c] = sqrtf(var[c] + epsilon) / fabsf(gamma[c]);
        least = fminf(least, w->unfold[c]);
    }
    for (int64_t c = 0; c < w->channels; c++) w->unfold[c] = isfinite(least) ? fminf(w->unfold[c], least * 0x1p20f) : 1;
}

static void unfold(const it_qat *q, it_qat_weight *w)
{
    const it_value *gamma = w->norm->in[IT_BN_SCALE];
    const it_train_param *p = it_train_param_of(q->t, gamma);
    it_qat_unfold(w, p ? p->w : gamma->t.data, it_train_stat_of(q->t, w->norm->in[IT_BN_VAR]));
}

static void set_weights(void *user, uint32_t begin, uint32_t end, uint32_t thread)
{
    it_qat *q = user;
    (void)thread;
    for (uint32_t i = begin; i < end; i++) {
        it_qat_weight *w = &q->weights.items[i];
        const it_train_param *p = it_train_param_of(q->t, w->v);
        if (!p) continue;
        if (w->unfold) unfold(q, w);
        q->method->weight_set(w, p->w, own_values(q, &w->own));
        it_fake_weight(w, p->w, p->used, NULL);
    }
}

static intact_status on_weights(void *user, it_train *t, intact_error *err)
{
    it_qat *q = user;
    (void)err;
    q->t = t;
    for (size_t i = 0; i < q->acts.len; i++) q->method->act_set(&q->acts.items[i], own_values(q, &q->acts.items[i].own));
    it_pool_for(q->o.pool, (uint32_t)q->weights.len, 1, set_weights, q);
    return INTACT_OK;
}

/* ---- activations ---- */

static intact_status on_forward(void *user, const it_value *v, const it_train_block *b, const it_tensor *x, it_tensor *y, intact_error *err)
{
    it_qat *q = user;
    it_qat_act *a = act_of(q, v);
    const int64_t len = it_tensor_len(x);
    (void)err;
    if (b->training && (a->tracks || !a->rounds)) it_fake_range(x->data, len, &a->seen[b->worker].lo, &a->seen[b->worker].hi);
    if (!a->rounds || (b->training && q->kept->steps < q->o.delay))
        memcpy(y->data, x->data, it_tensor_bytes(x));
    else
        it_fake_round(a, x->data, y->data, len);
    return INTACT_OK;
}

static intact_status on_backward(void *user, const it_value *v, const it_train_block *b, const it_tensor *x, const it_tensor *y, it_tensor *dy, intact_error *err)
{
    it_qat *q = user;
    it_qat_act *a = act_of(q, v);
    (void)y;
    (void)err;
    if (!a->rounds || q->kept->steps < q->o.delay) return INTACT_OK;
    const double sum = q->method->act_back(a, x->data, dy->data, it_tensor_len(x));
    if (a->own.len) *it_train_worker_grad(q->t, b->worker, it_train_own_param(q->t, a->own.index)) += (float)sum;
    return INTACT_OK;
}

/* ---- after a step ---- */

static void back_weights(void *user, uint32_t begin, uint32_t end, uint32_t thread)
{
    it_qat *q = user;
    (void)thread;
    for (uint32_t i = begin; i < end; i++) {
        it_qat_weight *w = &q->weights.items[i];
        const it_train_param *p = it_train_param_of(q->t, w->v);
        if (p) q->method->weight_back(w, p->w, p->grad, w->own.len ? it_train_own_param(q->t, w->own.index)->grad : NULL);
    }
}

static intact_status on_gradients(void *user, it_train *t, intact_error *err)
{
    it_qat *q = user;
    (void)t;
    (void)err;
    it_pool_for(q->o.pool, (uint32_t)q->weights.len, 1, back_weights, q);
    return INTACT_OK;
}

/* Moving averages of what all workers saw; 0.99 a step forgets within some hundred steps, as short trainings need. What is only watched keeps its
** largest. */
static void average(it_qat_act *a, uint32_t workers)
{
    const float keep = 0.99f;
    float lo = INFINITY, hi = -INFINITY;
    for (uint32_t w = 0; w < workers; w++) {
        lo = fminf(lo, a->seen[w].lo);
        hi = fmaxf(hi, a->seen[w].hi);
        a->seen[w].lo = INFINITY;
        a->seen[w].hi = -INFINITY;
    }
    if (!(lo <= hi) || !isfinite(lo) || !isfinite(hi)) return;
    if (a->rounds) {
        a->average->lo = keep * a->average->lo + (1 - keep) * lo;
        a->average->hi = keep * a->average->hi + (1 - keep) * hi;
    } else {
        a->average->lo = fminf(a->average->lo, lo);
        a->average->hi = fmaxf(a->average->hi, hi);
    }
}

static intact_status on_stepped(void *user, it_train *t, intact_error *err)
{
    it_qat *q = user;
    (void)err;
    q->kept->steps++;
    for (size_t i = 0; i < q->acts.len; i++)
        if (q->acts.items[i].tracks || !q->acts.items[i].rounds) average(&q->acts.items[i], it_train_workers(t));
    for (size_t i = 0; i < q->own_len; i++) {
        const it_train_param *p = it_train_own_param(t, i);
        for (size_t k = 0; k < p->len; k++) p->w[k] = p->w[k] > q->least[i] ? p->w[k] : q->least[i];
    }
    return INTACT_OK;
}

void it_qat_set_hooks(it_qat *q)
{
    q->hooks = (it_train_hooks){ .user = q, .wants = wants, .weights = on_weights, .forward = on_forward, .backward = on_backward, .gradients = on_gradients,
                                 .stepped = on_stepped, .own = q->own, .own_len = q->own_len };
}

const it_train_hooks *it_qat_hooks(it_qat *q) { return &q->hooks; }
