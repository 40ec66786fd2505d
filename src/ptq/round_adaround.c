/* SPDX-License-Identifier: Apache-2.0 */
/* round_adaround.c: whether a weight goes up or down is learned, layer by layer, so that the layer's answers, its ReLU included, stay those
** of the float network. Nagel et al. 2020, equations 22 to 25; the anneal of beta and the weights of the terms are BRECQ's (Li et al. 2021).
** Then each channel's codes are gone through once more, one up or down, and its scale and bias fitted (fit.h). Windows of few inputs (depthwise) are
** searched so alone. Output channels do not meet in the loss: blocks of them are learned apart, on the same batches, so threads leave no trace. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "op/dnnl.h"
#include "op/fast_math.h"
#include "op/levels.h"
#include "ptq/fit.h"
#include "ptq/method.h"
#include "ptq/patches.h"
#include "train/adam.h"

enum { ROWS = 8192, STEPS = 1200, BATCH = 256, BLOCK = 16 /* channels */ };
enum { SEARCHED = 16 /* inputs of a window whose codes are searched instead of learned */, SWEEPS = 2 };
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
    it_quant *q;
    const it_patches *t;
    const float *w;
    const float *columns; /* [groups][k][rows] */
    float *bias;          /* [groups * out_c]: of the float network, then fitted */
    bool shifts;          /* the layer has room for a fitted bias */
    int8_t *codes;
    uint32_t blocks; /* of a group */
} ada_job;

/* One block of channels of a group. */
typedef struct ada_block {
    const ada_job *j;
    int64_t group, first, len, k;
    float *v, *m1, *m2, *grad;           /* [len][k] */
    float *floor, *step, *wt, *sigmoid;  /* [len][k]: floor(w / step), the present weights */
    float *x, *y, *e;                    /* [BATCH][k], [BATCH][len], [BATCH][len] */
    float *answers, *want;               /* [rows] */
    float *now, *codes;                  /* [k] of one channel */
} ada_block;

static int64_t channel_of(const ada_block *b, int64_t o) { return b->group * b->j->t->lin.out_c + b->first + o; }
static int64_t scale_at(const ada_block *b, int64_t o) { return b->j->q->len == 1 ? 0 : channel_of(b, o); }
static size_t weight_at(const ada_block *b, int64_t o, int64_t k) { return it_patches_weight(b->j->t, b->j->n, b->group, b->first + o, k); }

/* Codes without zero point. */
static void code_limits(const it_quant *q, int64_t c, float *lo, float *hi)
{
    *hi = (float)((1 << (q->bits - 1)) - 1);
    *lo = q->zero[c] != 0 ? -*hi - 1 : -*hi;
    *hi -= (float)q->zero[c];
    *lo -= (float)q->zero[c];
}

static float within(float x, float lo, float hi) { return x < lo ? lo : x > hi ? hi : x; }

/* ---- learning ---- */

/* So that h(v) is what rounding leaves over. */
static void start(ada_block *b)
{
    for (int64_t o = 0; o < b->len; o++)
        for (int64_t k = 0; k < b->k; k++) {
            size_t at = (size_t)(o * b->k + k);
            float s = (float)it_weight_step(b->j->q, scale_at(b, o), k), w = b->j->w[weight_at(b, o, k)] / s;
            float rest = within(w - floorf(w), 1e-4f, 1 - 1e-4f);
            b->step[at] = s;
            b->floor[at] = floorf(w);
            b->v[at] = -logf((ZETA - GAMMA) / (rest - GAMMA) - 1);
        }
}

/* A channel's limits are lo and hi. */
IT_INLINE void soft_weights_body(const ada_block *b, int64_t from, int64_t to, float lo, float hi)
{
    const float *restrict v = b->v, *restrict whole = b->floor, *restrict step = b->step;
    float *restrict wt = b->wt, *restrict sigmoid = b->sigmoid;
    for (int64_t i = from; i < to; i++) {
        float sg = it_sigmoid_f32(v[i]), h = sg * (ZETA - GAMMA) + GAMMA;
        h = h < 0 ? 0 : h;
        h = h > 1 ? 1 : h;
        float q = whole[i] + h;
        q = q < lo ? lo : q;
        q = q > hi ? hi : q;
        sigmoid[i] = sg;
        wt[i] = step[i] * q;
    }
}
IT_LEVELS(soft_weights, (const ada_block *b, int64_t from, int64_t to, float lo, float hi), (b, from, to, lo, hi))

/* From the gradient of the soft weights to that of v, and, when pushed, the term that ends in 0 or 1: -d|2h - 1|^beta / dh. */
IT_INLINE void gradient_body(const ada_block *b, float beta, bool pushed)
{
    const float *restrict sigmoid = b->sigmoid, *restrict step = b->step;
    float *restrict grad = b->grad;
    const float pull = -LAMBDA * beta * 2;
    for (int64_t i = 0; i < b->len * b->k; i++) {
        float sg = sigmoid[i], h = sg * (ZETA - GAMMA) + GAMMA, d = 2 * h - 1;
        float push = pushed ? pull * copysignf(it_exp_f32((beta - 1) * it_log_f32(fabsf(d))), d) : 0;
        grad[i] = ((h > 0) & (h < 1)) ? (grad[i] * step[i] + push) * (sg * (1 - sg) * (ZETA - GAMMA)) : 0;
    }
}
IT_INLINE void gradient_warm_body(const ada_block *b) { gradient_body(b, 0, false); }
IT_INLINE void gradient_pushed_body(const ada_block *b, float beta) { gradient_body(b, beta, true); }
IT_LEVELS(gradient_warm, (const ada_block *b), (b))
IT_LEVELS(gradient_pushed, (const ada_block *b, float beta), (b, beta))

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

/* e becomes the loss's gradient with respect to the answers: 2 / BATCH times the difference, where the activation lets it through. */
static void differences(ada_block *b)
{
    const float lo = b->j->n->clamp_lo, hi = b->j->n->clamp_hi, *bias = b->j->bias + channel_of(b, 0);
    for (int64_t i = 0; i < BATCH; i++)
        for (int64_t o = 0; o < b->len; o++) {
            float got = b->e[i * b->len + o] + bias[o], want = within(b->y[i * b->len + o], lo, hi);
            bool open = got > lo && got < hi;
            b->e[i * b->len + o] = open ? 2.0f / BATCH * (got - want) : 0;
        }
}

static intact_status learn(ada_block *b, intact_error *err)
{
    it_adam adam = it_adam_new(RATE);
    const size_t len = (size_t)(b->len * b->k);
    for (uint32_t step = 0; step < STEPS; step++) {
        double at = (double)step / STEPS, beta = at < WARM ? 0 : BETA_FIRST + (BETA_LAST - BETA_FIRST) * (at - WARM) / (1 - WARM);
        for (int64_t o = 0; o < b->len; o++) {
            float lo, hi;
            code_limits(b->j->q, scale_at(b, o), &lo, &hi);
            soft_weights(b, o * b->k, (o + 1) * b->k, lo, hi);
        }
        draw_batch(b, b->j->p->recipe->seed, step);
        it_dnnl_mat forward = { .m = BATCH, .n = b->len, .k = b->k, .lda = b->k, .ldb = b->k, .trans_b = true, .alpha = 1 };
        IT_TRY(it_dnnl_matmul(b->j->n, &forward, b->x, b->wt, b->e, err));
        differences(b);
        it_dnnl_mat backward = { .m = b->len, .n = b->k, .k = BATCH, .lda = b->len, .ldb = b->k, .trans_a = true, .alpha = 1 };
        IT_TRY(it_dnnl_matmul(b->j->n, &backward, b->e, b->x, b->grad, err));
        if (beta > 0)
            gradient_pushed(b, (float)beta);
        else
            gradient_warm(b);
        it_adam_step(&adam);
        it_adam_apply(&adam, b->v, b->grad, b->m1, b->m2, len);
    }
    return INTACT_OK;
}

/* ---- fitting ---- */

static bool is_searched(const ada_job *j) { return j->t->k <= SEARCHED && !j->q->group; }

static void write_codes(const ada_block *b, int64_t o)
{
    const it_quant *q = b->j->q;
    for (int64_t k = 0; k < b->k; k++)
        b->j->codes[weight_at(b, o, k)] = (int8_t)(b->codes[k] + (float)q->zero[scale_at(b, o)]);
}

/* What was learned for channel o, searched or gone through once more; scale and bias with it. Fewer rows than two a weight would be learned by heart. */
static void fit_channel(const ada_block *b, int64_t o)
{
    const ada_job *j = b->j;
    const int64_t c = scale_at(b, o), channel = channel_of(b, o), out_c = j->t->lin.out_c;
    const size_t rows = j->t->rows;
    it_fit_rows f = { .want = b->want, .rows = rows, .lo = j->n->clamp_lo, .hi = j->n->clamp_hi, .scales = j->q->len > 1, .shifts = j->shifts };
    it_fit_codes fc = { .w = b->now, .x = j->columns + (size_t)b->group * (size_t)b->k * rows, .k = (int)b->k, .scale = j->q->scale[c], .z = b->answers, .q = b->codes + b->k };
    it_fitted at = { j->q->scale[c], j->bias[channel] };
    code_limits(j->q, c, &fc.low, &fc.top);
    for (size_t i = 0; i < rows; i++)
        b->want[i] = within(j->t->y[((size_t)b->group * rows + i) * (size_t)out_c + (size_t)(b->first + o)], f.lo, f.hi);
    for (int64_t k = 0; k < b->k; k++)
        b->now[k] = j->w[weight_at(b, o, k)];
    if (is_searched(j)) {
        it_fit_search(&f, &fc, b->codes, &at);
        write_codes(b, o);
    } else {
        for (int64_t i = o * b->k, k = 0; k < b->k; k++, i++)
            b->codes[k] = within(b->floor[i] + (b->v[i] >= 0 ? 1.0f : 0), fc.low, fc.top);
        if (j->q->group) {
            write_codes(b, o); /* before they are multiplied by their groups' numbers */
            for (int64_t k = 0; k < b->k; k++)
                b->codes[k] *= (float)j->q->group[c * j->q->groups + k / j->q->group_len];
        }
        it_fit_descend(&f, &fc, b->codes, &at, j->q->group || rows < 2 * (size_t)b->k ? 0 : SWEEPS);
        if (!j->q->group)
            write_codes(b, o);
    }
    if (f.scales) /* one that all channels share stays, and other blocks read it */
        j->q->scale[c] = at.gain;
    j->bias[channel] = at.shift;
}

static intact_status ada_unit(void *user, uint32_t u, uint32_t thread, uint64_t *steps, intact_error *err)
{
    const ada_job *j = user;
    ada_block b = { .j = j, .group = u / j->blocks, .first = (int64_t)(u % j->blocks) * BLOCK, .k = j->t->k };
    (void)thread, (void)steps;
    b.len = j->t->lin.out_c - b.first < BLOCK ? j->t->lin.out_c - b.first : BLOCK;
    const size_t len = (size_t)(b.len * b.k), rows = j->t->rows, floats = 8 * len + BATCH * (size_t)(b.k + 2 * b.len) + 2 * rows + 3 * (size_t)b.k;
    float *room = it_alloc_zero(j->p->alloc, floats * sizeof *room);
    if (!room)
        return it_fail_nomem(err, j->n->name, floats * sizeof *room);
    b.v = room, b.m1 = b.v + len, b.m2 = b.m1 + len, b.grad = b.m2 + len, b.floor = b.grad + len, b.step = b.floor + len, b.wt = b.step + len, b.sigmoid = b.wt + len;
    b.x = b.sigmoid + len, b.y = b.x + BATCH * b.k, b.e = b.y + BATCH * b.len, b.answers = b.e + BATCH * b.len, b.want = b.answers + rows;
    b.now = b.want + rows, b.codes = b.now + b.k;
    start(&b);
    intact_status st = is_searched(j) ? INTACT_OK : learn(&b, err);
    for (int64_t o = 0; o < b.len && st == INTACT_OK; o++)
        fit_channel(&b, o);
    it_alloc_free(j->p->alloc, room, floats * sizeof *room);
    return st;
}

/* ---- a layer ---- */

static void transpose(const it_patches *t, float *columns)
{
    for (size_t g = 0; g < (size_t)t->lin.groups; g++)
        for (size_t r = 0; r < t->rows; r++)
            for (size_t k = 0; k < (size_t)t->k; k++)
                columns[(g * (size_t)t->k + k) * t->rows + r] = t->x[(g * t->rows + r) * (size_t)t->k + k];
}

/* The bias becomes the layer's in the quantized network. */
static intact_status hand_over(it_ptq *p, it_node *n, const float *bias, intact_error *err)
{
    it_value *b;
    IT_TRY(it_ptq_own_bias(p->g, n, &b, err));
    b->tuned = bias;
    return INTACT_OK;
}

static intact_status fit_layer(it_ptq *p, it_node *n, it_quant *q, const it_patches *t, int8_t *codes, intact_error *err)
{
    const size_t channels = (size_t)(t->lin.groups * t->lin.out_c), bytes = (size_t)t->lin.groups * (size_t)t->k * t->rows * sizeof(float);
    float *columns = it_alloc_new(p->alloc, bytes), *bias = it_arena_new(&p->g->arena, channels * sizeof *bias);
    intact_status st = columns && bias ? INTACT_OK : it_fail_nomem(err, n->name, bytes);
    if (st == INTACT_OK) {
        char what[80];
        ada_job j = { .p = p, .n = n, .q = q, .t = t, .w = it_ptq_weight(n)->t.data, .columns = columns, .bias = bias, .shifts = t->fits_bias,
                      .codes = codes, .blocks = (uint32_t)((t->lin.out_c + BLOCK - 1) / BLOCK) };
        const uint32_t units = (uint32_t)t->lin.groups * j.blocks;
        transpose(t, columns);
        memcpy(bias, t->bias, channels * sizeof *bias);
        snprintf(what, sizeof what, "rounding %.60s", n->name);
        st = it_job_run(p->job, what, units, units, ada_unit, &j, err);
    }
    it_alloc_free(p->alloc, columns, bytes);
    return st == INTACT_OK && t->fits_bias ? hand_over(p, n, bias, err) : st;
}

static intact_status adaround(it_ptq *p, it_node *n, it_quant *q, int8_t *codes, intact_error *err)
{
    it_patches t;
    it_linear l;
    if (q->bits >= 8 || !n->op->quant.linear || !n->op->quant.linear(n, &n->in[0]->t, &l)) /* with 8 bits there is little error to win, and what a few samples teach costs more */
        return it_rounding_nearest.round(p, n, q, codes, err);
    IT_TRY(it_patches_make(p, n, ROWS, 0, &t, err));
    intact_status st = fit_layer(p, n, q, &t, codes, err);
    it_patches_release(&t);
    return st;
}

const it_rounding it_rounding_adaround = { .name = "adaround", .data = true, .round = adaround,
                                         .summary = "up or down learned so that each layer's answers stay (slow, the most accurate)" };
