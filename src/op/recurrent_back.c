/* SPDX-License-Identifier: Apache-2.0 */
/* recurrent_back.c: back through time for RNN, LSTM and GRU. Gradients of the gates are kept in the order of the steps, so that those of the
** parameters are one product over all of them. */
#include <math.h>
#include <string.h>

#include "op/dnnl.h"
#include "op/fast_math.h"
#include "op/nn.h"
#include "op/recurrent.h"

/* ---- derivatives of the activations ---- */

double it_rnn_slope_of(const it_rnn *r, int k, double x, double y)
{
    return x > r->a->clip || x < -r->a->clip ? 0 : it_rnn_slope_unclipped(r, k, x, y);
}

double it_rnn_slope_unclipped(const it_rnn *r, int k, double x, double y)
{
    const it_rnn_act *f = &r->act[k];
    switch (f->kind) {
    case IT_ACT_SIGMOID: return y * (1 - y);
    case IT_ACT_TANH: return 1 - y * y;
    case IT_ACT_RELU: return x > 0;
    case IT_ACT_AFFINE: return f->alpha;
    case IT_ACT_LEAKY_RELU: return x >= 0 ? 1 : f->alpha;
    case IT_ACT_THRESHOLDED_RELU: return x >= f->alpha;
    case IT_ACT_SCALED_TANH: return f->alpha * f->beta * (1 - tanh(f->beta * x) * tanh(f->beta * x));
    case IT_ACT_HARD_SIGMOID: return y > 0 && y < 1 ? f->alpha : 0;
    case IT_ACT_ELU: return x >= 0 ? 1 : y + f->alpha;
    case IT_ACT_SOFTSIGN: return 1 / ((1 + fabs(x)) * (1 + fabs(x)));
    case IT_ACT_SOFTPLUS: return it_sigmoid_f64(x);
    default: return 1;
    }
}

/* ---- one direction ---- */

typedef struct back {
    it_rnn_job j;
    const it_tensor *dy, *dy_h, *dy_c;
    it_tensor *const *dx;
    double *pre, *h0, *c0, *c1;          /* of all steps: (T,B,G*H), (T,B,H) */
    void *extra, *x, *h_real, *dw, *dr;  /* real, of all steps: (T,B,H), (T,B,I), (T,B,H), (T,B,G*H) twice */
    double *dh, *dc, *dpeep;
    void *through;                       /* real (B,H): dh that comes through R */
    int64_t steps;
} back;

static const it_tensor *given(it_tensor *const *dx, const it_node *n, int k) { return k < n->in_len ? dx[k] : NULL; }

static intact_status make_room(back *k)
{
    it_rnn_job *j = &k->j;
    const it_rnn *r = &j->r;
    const int64_t t = r->time, b = r->batch, h = r->hidden, gh = r->gates * h;
    const size_t real = r->wide ? sizeof(double) : sizeof(float);
    IT_TRY(it_rnn_room(j, t, b, gh, sizeof(double), &k->pre));
    IT_TRY(it_rnn_room(j, t, b, h, sizeof(double), &k->h0));
    IT_TRY(it_rnn_room(j, t, b, h, sizeof(double), &k->c0));
    IT_TRY(it_rnn_room(j, t, b, h, sizeof(double), &k->c1));
    IT_TRY(it_rnn_room(j, t, b, h, real, &k->extra));
    IT_TRY(it_rnn_room(j, t, b, r->in, real, &k->x));
    IT_TRY(it_rnn_room(j, t, b, h, real, &k->h_real));
    IT_TRY(it_rnn_room(j, t, b, gh, real, &k->dw));
    IT_TRY(it_rnn_room(j, t, b, gh, real, &k->dr));
    IT_TRY(it_rnn_room(j, 1, b, h, sizeof(double), &k->dh));
    IT_TRY(it_rnn_room(j, 1, b, h, sizeof(double), &k->dc));
    IT_TRY(it_rnn_room(j, 1, 3, h, sizeof(double), &k->dpeep));
    return it_rnn_room(j, 1, b, h, real, &k->through);
}

static void *real_at(const it_rnn *r, void *p, int64_t i) { return (char *)p + i * (int64_t)(r->wide ? sizeof(double) : sizeof(float)); }

static it_rnn_tape tape_at(const back *k, int64_t s)
{
    const it_rnn *r = &k->j.r;
    const int64_t h = s * r->batch * r->hidden, g = h * r->gates;
    return (it_rnn_tape){.pre = k->pre + g, .h0 = k->h0 + h, .c0 = k->c0 + h, .c1 = k->c1 + h, .extra = real_at(r, k->extra, h), .dh = k->dh, .dc = k->dc,
                         .dw = real_at(r, k->dw, g), .dr = real_at(r, k->dr, g), .dpeep = k->dpeep};
}

/* Forward once more. Rows of sequences that are over stay zero everywhere. */
static intact_status walk_forward(back *k, int d)
{
    it_rnn_job *j = &k->j;
    it_rnn *r = &j->r;
    const int64_t h = r->hidden;
    const size_t real = r->wide ? sizeof(double) : sizeof(float);
    IT_TRY(it_rnn_direction(j, d));
    for (k->steps = 0; k->steps < r->time && it_rnn_rows(j, d, k->steps); k->steps++) {
        it_rnn_tape t = tape_at(k, k->steps);
        for (int64_t b = 0; b < r->batch; b++) {
            if (r->row[b] < 0) continue;
            int64_t at = k->steps * r->batch + b;
            memcpy(t.h0 + b * h, r->h + b * h, (size_t)h * sizeof(double));
            memcpy(t.c0 + b * h, r->c + b * h, (size_t)h * sizeof(double));
            memcpy(real_at(r, k->h_real, at * h), real_at(r, r->h_real, b * h), (size_t)h * real);
            memcpy(real_at(r, k->x, at * r->in), real_at(r, j->x.data, r->row[b] * r->in), (size_t)r->in * real);
        }
        IT_TRY(it_rnn_matmul(r, r->batch, r->gates * h, h, r->h_real, r->r, r->hr));
        IT_TRY(j->kind->step(r));
        IT_TRY(j->kind->save(r, &t));
        for (int64_t b = 0; b < r->batch; b++) {
            if (r->row[b] < 0) continue;
            memcpy(t.c1 + b * h, r->c + b * h, (size_t)h * sizeof(double));
            for (int64_t i = 0; i < h; i++) it_rnn_set(r, r->h_real, b * h + i, r->h[b * h + i]);
        }
    }
    return INTACT_OK;
}

intact_status it_rnn_product(const it_rnn *r, bool trans, int64_t m, int64_t n, int64_t k, const void *a, int64_t lda, const void *b, int64_t ldb, void *y)
{
    it_dnnl_mat f = {.m = m, .n = n, .k = k, .lda = lda, .ldb = ldb, .trans_a = trans, .alpha = 1};
    it_nn_mat w = {.m = m, .n = n, .k = k, .rs_a = trans ? 1 : lda, .cs_a = trans ? lda : 1, .rs_b = ldb, .cs_b = 1};
    if (m == 0 || n == 0) return INTACT_OK;
    if (k > 0 && !r->wide) return it_dnnl_matmul(r->n, &f, a, b, y, r->err);
    memset(y, 0, (size_t)(m * n) * (r->wide ? sizeof(double) : sizeof(float)));
    if (k > 0) it_nn_matmul_f64(&w, a, b, y);
    return INTACT_OK;
}

/* What comes from outside: Y at this step, the last states where a sequence ends with it. */
static void add_outside(back *k, int d, int64_t s)
{
    const it_rnn *r = &k->j.r;
    const int64_t h = r->hidden;
    for (int64_t b = 0; b < r->batch; b++)
        for (int64_t i = 0; i < h && r->row[b] >= 0; i++) {
            bool last = s == it_rnn_len(&k->j, b) - 1;
            int64_t at = it_rnn_state_at(r, d, b, i);
            if (k->dy) k->dh[b * h + i] += it_tensor_get(k->dy, it_rnn_y_at(r, d, b) + i);
            if (last && k->dy_h) k->dh[b * h + i] += it_tensor_get(k->dy_h, at);
            if (last && k->dy_c) k->dc[b * h + i] += it_tensor_get(k->dy_c, at);
        }
}

static intact_status walk_back(back *k, int d)
{
    it_rnn *r = &k->j.r;
    const int64_t h = r->hidden, gh = r->gates * h;
    memset(k->dh, 0, (size_t)(r->batch * h) * sizeof(double));
    memset(k->dc, 0, (size_t)(r->batch * h) * sizeof(double));
    memset(k->dpeep, 0, (size_t)(3 * h) * sizeof(double));
    memset(k->dw, 0, (size_t)(r->time * r->batch * gh) * (r->wide ? sizeof(double) : sizeof(float)));
    memset(k->dr, 0, (size_t)(r->time * r->batch * gh) * (r->wide ? sizeof(double) : sizeof(float)));
    for (int64_t s = k->steps - 1; s >= 0; s--) {
        it_rnn_tape t = tape_at(k, s);
        it_rnn_rows(&k->j, d, s);
        add_outside(k, d, s);
        IT_TRY(k->j.kind->step_back(r, &t));
        IT_TRY(it_rnn_product(r, false, r->batch, h, gh, t.dr, gh, r->r, h, k->through));
        for (int64_t i = 0; i < r->batch * h; i++)
            if (r->row[i / h] >= 0) k->dh[i] += it_rnn_get(r, k->through, i);
    }
    return INTACT_OK;
}

/* ---- the gradients asked for ---- */

/* A product into scratch, then to dx at element `to`. */
static intact_status put_product(back *k, int64_t m, int64_t n, const void *a, const void *b, int64_t ldb, const it_tensor *t, int64_t to)
{
    it_rnn *r = &k->j.r;
    void *y;
    IT_TRY(it_rnn_room(&k->j, 1, m, n, r->wide ? sizeof(double) : sizeof(float), &y));
    IT_TRY(it_rnn_product(r, true, m, n, k->steps * r->batch, a, r->gates * r->hidden, b, ldb, y));
    memcpy((char *)t->data + to * (int64_t)it_type_bytes(t->type), y, (size_t)(m * n) * it_type_bytes(t->type));
    return INTACT_OK;
}

static intact_status bias_sums(back *k, int64_t from, const it_tensor *t)
{
    const it_rnn *r = &k->j.r;
    const int64_t gh = r->gates * r->hidden;
    double *sum;
    IT_TRY(it_rnn_room(&k->j, 1, 2, gh, sizeof(double), &sum));
    for (int64_t i = 0; i < k->steps * r->batch; i++)
        for (int64_t g = 0; g < gh; g++) {
            sum[g] += it_rnn_get(r, k->dw, i * gh + g);
            sum[gh + g] += it_rnn_get(r, k->dr, i * gh + g);
        }
    for (int64_t g = 0; g < 2 * gh; g++) it_tensor_set(t, from + g, sum[g]);
    return INTACT_OK;
}

/* GRU with the reset before the product: the part of R's gradient, and of its bias, that went around dr. */
static intact_status reset_first(back *k, int d, const it_tensor *rec, const it_tensor *bias)
{
    it_rnn *r = &k->j.r;
    const int64_t h = r->hidden, gh = 3 * h;
    const void *dn = real_at(r, k->dw, 2 * h);
    if (rec) IT_TRY(put_product(k, h, h, dn, k->extra, h, rec, (d * gh + 2 * h) * h));
    for (int64_t i = 0; bias && i < h; i++)
        it_tensor_set(bias, (d * 2 + 1) * gh + 2 * h + i, it_tensor_get(bias, d * 2 * gh + 2 * h + i));
    return INTACT_OK;
}

static intact_status put_input(back *k, const it_tensor *x, int d)
{
    it_rnn *r = &k->j.r;
    const int64_t len = r->batch * r->in;
    void *part;
    IT_TRY(it_rnn_room(&k->j, k->steps, r->batch, r->in, r->wide ? sizeof(double) : sizeof(float), &part));
    IT_TRY(it_rnn_product(r, false, k->steps * r->batch, r->in, r->gates * r->hidden, k->dw, r->gates * r->hidden, r->w, r->in, part));
    for (int64_t s = 0; s < k->steps; s++) {
        it_rnn_rows(&k->j, d, s);
        for (int64_t i = 0; i < len; i++) {
            int64_t row = r->row[i / r->in], to = row * r->in + i % r->in;
            if (row >= 0) it_rnn_set(r, x->data, to, it_rnn_get(r, x->data, to) + it_rnn_get(r, part, s * len + i));
        }
    }
    return INTACT_OK;
}

/* Sequences of length 0 hand the gradient of their last state to the first. */
static void put_state(const back *k, int d, const double *g, const it_tensor *dlast, const it_tensor *t)
{
    const it_rnn *r = &k->j.r;
    for (int64_t b = 0; b < r->batch; b++)
        for (int64_t i = 0; i < r->hidden; i++) {
            int64_t at = it_rnn_state_at(r, d, b, i);
            it_tensor_set(t, at, it_rnn_len(&k->j, b) ? g[b * r->hidden + i] : dlast ? it_tensor_get(dlast, at) : 0);
        }
}

static intact_status put_direction(back *k, int d)
{
    const it_rnn *r = &k->j.r;
    const it_node *n = r->n;
    const int64_t gh = r->gates * r->hidden;
    const it_tensor *x = given(k->dx, n, 0), *w = given(k->dx, n, 1), *rec = given(k->dx, n, 2), *bias = given(k->dx, n, 3);
    const it_tensor *h0 = given(k->dx, n, 5), *c0 = given(k->dx, n, 6), *peep = given(k->dx, n, 7);
    if (w) IT_TRY(put_product(k, gh, r->in, k->dw, k->x, r->in, w, d * gh * r->in));
    if (rec) IT_TRY(put_product(k, gh, r->hidden, k->dr, k->h_real, r->hidden, rec, d * gh * r->hidden));
    if (bias) IT_TRY(bias_sums(k, d * 2 * gh, bias));
    if (k->j.kind->gates == 3 && !r->a->linear_before_reset) IT_TRY(reset_first(k, d, rec, bias));
    if (x) IT_TRY(put_input(k, x, d));
    if (h0) put_state(k, d, k->dh, k->dy_h, h0);
    if (c0) put_state(k, d, k->dc, k->dy_c, c0);
    for (int64_t i = 0; peep && i < 3 * r->hidden; i++) it_tensor_set(peep, d * 3 * r->hidden + i, k->dpeep[i]);
    return INTACT_OK;
}

intact_status it_rnn_back(it_back_ctx *c, const it_node *n, const it_tensor *const *in, const it_tensor *const *dy, it_tensor *const *dx,
                          const it_rnn_kind *kind, intact_error *err)
{
    it_run_ctx rc = {.alloc = c->alloc, .scratch = c->scratch};
    back k = {.dy = n->out_len > 0 ? dy[0] : NULL, .dy_h = n->out_len > 1 ? dy[1] : NULL, .dy_c = n->out_len > 2 ? dy[2] : NULL, .dx = dx};
    IT_TRY(it_back_float(n, in[0], err));
    IT_TRY(it_rnn_job_make(&k.j, &rc, n, in, kind, err));
    IT_TRY(make_room(&k));
    if (dx[0]) memset(dx[0]->data, 0, it_tensor_bytes(dx[0]));
    for (int d = 0; d < k.j.r.a->directions; d++) {
        if (d) { /* rows that no step fills must be zero again */
            size_t rows = (size_t)(k.j.r.time * k.j.r.batch), real = k.j.r.wide ? sizeof(double) : sizeof(float);
            memset(k.x, 0, rows * (size_t)k.j.r.in * real);
            memset(k.h_real, 0, rows * (size_t)k.j.r.hidden * real);
            memset(k.extra, 0, rows * (size_t)k.j.r.hidden * real);
        }
        IT_TRY(walk_forward(&k, d));
        IT_TRY(walk_back(&k, d));
        IT_TRY(put_direction(&k, d));
    }
    return INTACT_OK;
}
