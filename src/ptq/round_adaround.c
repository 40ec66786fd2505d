/* SPDX-License-Identifier: Apache-2.0 */
/* round_adaround.c: whether a weight goes up or down is learned, layer by layer, so that the layer's answers, its ReLU included, stay those
** of the float network. Nagel et al. 2020, equations 22 to 25; the anneal of beta and the weights of the terms are BRECQ's (Li et al. 2021).
** Output channels do not meet in the loss: blocks of them are learned apart, on the same batches, so threads leave no trace. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "op/dnnl.h"
#include "ptq/method.h"
#include "ptq/patches.h"
#include "train/adam.h"

enum { ROWS = 8192, STEPS = 2500, BATCH = 64, BLOCK = 32 /* channels */, SMALL = 1024 /* weights of a block below which plain loops win */ };
#define RATE 0.01f
#define ZETA 1.1f
#define GAMMA (-0.1f)
#define LAMBDA 0.01f
#define BETA_FIRST 20.0
#define BETA_LAST 2.0
#define WARM 0.2 /* part of the steps without the term that pushes to 0 and 1 */

typedef struct ada_job {
    it_ptq *p;
    const it_node *n;
    const it_quant *q;
    const it_patches *t;
    const float *w, *bias;
    int8_t *codes;
    uint32_t blocks; /* of a group */
} ada_job;

/* One block of channels of a group. */
typedef struct ada_block {
    const ada_job *j;
    int64_t group, first, len, k;
    float *v, *m1, *m2, *grad;       /* [len][k] */
    float *floor, *wt;               /* [len][k]: floor(w / s), the present weights */
    float *x, *y, *e;                /* [BATCH][k], [BATCH][len], [BATCH][len] */
} ada_block;

static float sigmoid(float v) { return 1 / (1 + expf(-v)); }

static float soft(float v)
{
    float h = sigmoid(v) * (ZETA - GAMMA) + GAMMA;
    return h < 0 ? 0 : h > 1 ? 1 : h;
}

static int64_t scale_at(const ada_job *j, const ada_block *b, int64_t o) { return j->q->len == 1 ? 0 : b->group * j->t->lin.out_c + b->first + o; }

static void code_limits(const it_quant *q, int64_t c, float *lo, float *hi)
{
    *hi = (float)((1 << (q->bits - 1)) - 1);
    *lo = q->zero[c] != 0 ? -*hi - 1 : -*hi;
    *hi -= (float)q->zero[c];
    *lo -= (float)q->zero[c];
}

/* So that soft(v) is what rounding leaves over. */
static void start(ada_block *b)
{
    for (int64_t o = 0; o < b->len; o++) {
        for (int64_t k = 0; k < b->k; k++) {
            size_t at = (size_t)(o * b->k + k);
            float s = (float)it_weight_step(b->j->q, scale_at(b->j, b, o), k);
            float w = b->j->w[it_patches_weight(b->j->t, b->j->n, b->group, b->first + o, k)] / s;
            float rest = fminf(fmaxf(w - floorf(w), 1e-4f), 1 - 1e-4f);
            b->floor[at] = floorf(w);
            b->v[at] = -logf((ZETA - GAMMA) / (rest - GAMMA) - 1);
        }
    }
}

static void soft_weights(ada_block *b)
{
    for (int64_t o = 0; o < b->len; o++) {
        int64_t c = scale_at(b->j, b, o);
        float lo, hi;
        code_limits(b->j->q, c, &lo, &hi);
        for (int64_t i = o * b->k; i < (o + 1) * b->k; i++) {
            float q = b->floor[i] + soft(b->v[i]);
            b->wt[i] = (float)it_weight_step(b->j->q, c, i - o * b->k) * (q < lo ? lo : q > hi ? hi : q);
        }
    }
}

static void draw_batch(ada_block *b, uint64_t seed, uint32_t step)
{
    const it_patches *t = b->j->t;
    it_rng r;
    it_rng_seed(&r, seed + step);
    for (int64_t i = 0; i < BATCH; i++) {
        size_t row = (size_t)b->group * t->rows + it_rng_below(&r, t->rows);
        memcpy(b->x + i * b->k, t->x + row * (size_t)b->k, (size_t)b->k * sizeof(float));
        memcpy(b->y + i * b->len, t->y + row * (size_t)t->lin.out_c + b->first, (size_t)b->len * sizeof(float));
    }
}

static intact_status product(const ada_block *b, const it_dnnl_mat *g, const float *x, const float *w, float *y, intact_error *err)
{
    if (b->len * b->k >= SMALL)
        return it_dnnl_matmul(b->j->n, g, x, w, y, err);
    for (int64_t i = 0; i < g->m; i++)
        for (int64_t o = 0; o < g->n; o++) {
            float sum = 0;
            for (int64_t k = 0; k < g->k; k++)
                sum += x[g->trans_a ? k * g->lda + i : i * g->lda + k] * w[g->trans_b ? o * g->ldb + k : k * g->ldb + o];
            y[i * g->n + o] = sum;
        }
    return INTACT_OK;
}

/* e becomes the loss's gradient with respect to the answers: 2 / BATCH times the difference, where the activation lets it through. */
static void differences(ada_block *b)
{
    const it_node *n = b->j->n;
    const float lo = n->clamp_lo, hi = n->clamp_hi;
    for (int64_t i = 0; i < BATCH; i++)
        for (int64_t o = 0; o < b->len; o++) {
            float got = b->e[i * b->len + o] + (b->j->bias ? b->j->bias[b->group * b->j->t->lin.out_c + b->first + o] : 0), want = b->y[i * b->len + o];
            bool open = got > lo && got < hi;
            got = got < lo ? lo : got > hi ? hi : got;
            want = want < lo ? lo : want > hi ? hi : want;
            b->e[i * b->len + o] = open ? 2.0f / BATCH * (got - want) : 0;
        }
}

/* From the gradient of the soft weights to that of v, and the term that ends in 0 or 1. */
static void gradient_of_v(ada_block *b, double beta)
{
    for (int64_t o = 0; o < b->len; o++) {
        const int64_t c = scale_at(b->j, b, o);
        for (int64_t i = o * b->k; i < (o + 1) * b->k; i++) {
            float s = (float)it_weight_step(b->j->q, c, i - o * b->k);
            float sg = sigmoid(b->v[i]), h = sg * (ZETA - GAMMA) + GAMMA, slope = h > 0 && h < 1 ? sg * (1 - sg) * (ZETA - GAMMA) : 0;
            float push = 0;
            if (beta > 0) { /* -d|2h - 1|^beta / dh */
                float d = 2 * h - 1;
                push = -LAMBDA * (float)beta * 2 * powf(fabsf(d), (float)beta - 1) * (d < 0 ? -1.0f : 1.0f);
            }
            b->grad[i] = (b->grad[i] * s + push) * slope;
        }
    }
}

static intact_status learn(ada_block *b, intact_error *err)
{
    it_adam adam = it_adam_new(RATE);
    const size_t len = (size_t)(b->len * b->k);
    for (uint32_t step = 0; step < STEPS; step++) {
        double at = (double)step / STEPS, beta = at < WARM ? 0 : BETA_FIRST + (BETA_LAST - BETA_FIRST) * (at - WARM) / (1 - WARM);
        soft_weights(b);
        draw_batch(b, b->j->p->recipe->seed, step);
        it_dnnl_mat forward = { .m = BATCH, .n = b->len, .k = b->k, .lda = b->k, .ldb = b->k, .trans_b = true, .alpha = 1 };
        IT_TRY(product(b, &forward, b->x, b->wt, b->e, err));
        differences(b);
        it_dnnl_mat backward = { .m = b->len, .n = b->k, .k = BATCH, .lda = b->len, .ldb = b->k, .trans_a = true, .alpha = 1 };
        IT_TRY(product(b, &backward, b->e, b->x, b->grad, err));
        gradient_of_v(b, beta);
        it_adam_step(&adam);
        it_adam_apply(&adam, b->v, b->grad, b->m1, b->m2, len);
    }
    return INTACT_OK;
}

static void write_codes(const ada_block *b)
{
    const ada_job *j = b->j;
    for (int64_t o = 0; o < b->len; o++) {
        int64_t c = scale_at(j, b, o);
        float lo, hi;
        code_limits(j->q, c, &lo, &hi);
        for (int64_t k = 0; k < b->k; k++) {
            float q = b->floor[o * b->k + k] + (b->v[o * b->k + k] >= 0 ? 1.0f : 0);
            q = q < lo ? lo : q > hi ? hi : q;
            j->codes[it_patches_weight(j->t, j->n, b->group, b->first + o, k)] = (int8_t)(q + (float)j->q->zero[c]);
        }
    }
}

static intact_status ada_unit(void *user, uint32_t u, uint32_t thread, uint64_t *steps, intact_error *err)
{
    const ada_job *j = user;
    ada_block b = { .j = j, .group = u / j->blocks, .first = (int64_t)(u % j->blocks) * BLOCK, .k = j->t->k };
    (void)thread, (void)steps;
    b.len = j->t->lin.out_c - b.first < BLOCK ? j->t->lin.out_c - b.first : BLOCK;
    const size_t len = (size_t)(b.len * b.k), floats = 6 * len + BATCH * (size_t)(b.k + 2 * b.len);
    float *room = it_alloc_zero(j->p->alloc, floats * sizeof *room);
    if (!room)
        return it_fail_nomem(err, j->n->name, floats * sizeof *room);
    b.v = room, b.m1 = b.v + len, b.m2 = b.m1 + len, b.grad = b.m2 + len, b.floor = b.grad + len, b.wt = b.floor + len;
    b.x = b.wt + len, b.y = b.x + BATCH * (size_t)b.k, b.e = b.y + BATCH * (size_t)b.len;
    start(&b);
    intact_status st = learn(&b, err);
    if (st == INTACT_OK)
        write_codes(&b);
    it_alloc_free(j->p->alloc, room, floats * sizeof *room);
    return st;
}

static intact_status adaround(it_ptq *p, const it_node *n, it_quant *q, int8_t *codes, intact_error *err)
{
    it_patches t;
    it_linear l;
    if (!n->op->quant.linear || !n->op->quant.linear(n, &n->in[0]->t, &l))
        return it_rounding_nearest.round(p, n, q, codes, err);
    IT_TRY(it_patches_make(p, n, ROWS, 0, &t, err));
    ada_job j = { .p = p, .n = n, .q = q, .t = &t, .w = it_ptq_weight(n)->t.data, .codes = codes,
                  .bias = t.bias, .blocks = (uint32_t)((t.lin.out_c + BLOCK - 1) / BLOCK) };
    char what[80];
    snprintf(what, sizeof what, "rounding %.60s", n->name);
    const uint32_t units = (uint32_t)t.lin.groups * j.blocks;
    intact_status st = it_job_run(p->job, what, units, units, ada_unit, &j, err);
    it_patches_release(&t);
    return st;
}

const it_rounding it_rounding_adaround = { .name = "adaround", .summary = "up or down learned so that each layer's answers stay (slow, the most accurate)", .round = adaround };
