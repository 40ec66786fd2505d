/* SPDX-License-Identifier: Apache-2.0 */
/* GRU, gates in the order z, r, h:
** z = f(X Wz^T + H' Rz^T + b)   r alike   H = (1 - z) * h + z * H'
** h = g(X Wh^T + (r * H') Rh^T + Rbh + Wbh), or with linear_before_reset g(X Wh^T + r * (H' Rh^T + Rbh) + Wbh) */
#include "op/recurrent.h"

enum { GATE_Z, GATE_R, GATE_H };
enum { ACT_F, ACT_G };

static intact_status gru_step(it_rnn *r)
{
    int64_t hidden = r->hidden, width = 3 * hidden, at_h = GATE_H * hidden;
    double *z = r->scratch[0], *reset = r->scratch[1];
    for (int64_t b = 0; b < r->batch; b++)
        for (int64_t j = 0; j < hidden && r->row[b] >= 0; j++) {
            int64_t k = b * hidden + j;
            z[k] = it_rnn_act_of(r, ACT_F, it_rnn_gate(r, b, GATE_Z, j));
            reset[k] = it_rnn_act_of(r, ACT_F, it_rnn_gate(r, b, GATE_R, j));
            it_rnn_set(r, r->scratch_real[0], k, reset[k] * r->h[k]);
        }
    if (!r->a->linear_before_reset) {
        const char *rh = (const char *)r->r + at_h * hidden * (int64_t)(r->wide ? sizeof(double) : sizeof(float));
        IT_TRY(it_rnn_matmul(r, r->batch, hidden, hidden, r->scratch_real[0], rh, r->scratch_real[1]));
    }
    for (int64_t b = 0; b < r->batch; b++)
        for (int64_t j = 0; j < hidden && r->row[b] >= 0; j++) {
            int64_t k = b * hidden + j;
            double x = it_rnn_get(r, r->xw, r->row[b] * width + at_h + j) + r->bias_w[at_h + j];
            double back = r->a->linear_before_reset
                              ? reset[k] * (it_rnn_get(r, r->hr, b * width + at_h + j) + r->bias_r[at_h + j])
                              : it_rnn_get(r, r->scratch_real[1], k) + r->bias_r[at_h + j];
            r->h[k] = (1 - z[k]) * it_rnn_act_of(r, ACT_G, x + back) + z[k] * r->h[k];
        }
    return INTACT_OK;
}

/* extra: H' Rh^T + Rbh, or r * H'; the reset gate of the step stands in scratch[1], its product with Rh in scratch_real[1]. */
static intact_status gru_save(it_rnn *r, it_rnn_tape *t)
{
    const int64_t hidden = r->hidden, width = 3 * hidden, at_h = GATE_H * hidden;
    for (int64_t b = 0; b < r->batch; b++)
        for (int64_t j = 0; j < hidden && r->row[b] >= 0; j++) {
            const int64_t k = b * hidden + j, g = b * width + j;
            const double x = it_rnn_get(r, r->xw, r->row[b] * width + at_h + j) + r->bias_w[at_h + j];
            const double reset = r->scratch[1][k], back = it_rnn_get(r, r->hr, b * width + at_h + j) + r->bias_r[at_h + j];
            t->pre[g] = it_rnn_gate(r, b, GATE_Z, j);
            t->pre[g + hidden] = it_rnn_gate(r, b, GATE_R, j);
            t->pre[g + at_h] = x + (r->a->linear_before_reset ? reset * back : it_rnn_get(r, r->scratch_real[1], k) + r->bias_r[at_h + j]);
            it_rnn_set(r, t->extra, k, r->a->linear_before_reset ? back : reset * t->h0[k]);
        }
    return INTACT_OK;
}

/* The new value's gradient, and dh as it goes past it. */
static void gru_back_new(it_rnn *r, it_rnn_tape *t, int64_t b, int64_t j)
{
    const int64_t hidden = r->hidden, k = b * hidden + j, g = b * 3 * hidden + j, at_h = GATE_H * hidden;
    const double z = it_rnn_act_of(r, ACT_F, t->pre[g]), x = t->pre[g + at_h], y = it_rnn_act_of(r, ACT_G, x), dh = t->dh[k];
    it_rnn_set(r, t->dw, g + at_h, dh * (1 - z) * it_rnn_slope_of(r, ACT_G, x, y));
    it_rnn_set(r, t->dw, g, dh * (t->h0[k] - y) * it_rnn_slope_of(r, ACT_F, t->pre[g], z));
    it_rnn_set(r, t->dr, g, it_rnn_get(r, t->dw, g));
    t->dh[k] = dh * z;
}

/* beside: what the reset gate was multiplied with; d: the gradient of that product. */
static void gru_back_reset(it_rnn *r, it_rnn_tape *t, int64_t b, int64_t j, double reset, double beside, double d)
{
    const int64_t at = (b * 3 + GATE_R) * r->hidden + j;
    it_rnn_set(r, t->dw, at, d * beside * it_rnn_slope_of(r, ACT_F, t->pre[at], reset));
    it_rnn_set(r, t->dr, at, it_rnn_get(r, t->dw, at));
}

static intact_status gru_step_back(it_rnn *r, it_rnn_tape *t)
{
    const int64_t hidden = r->hidden, width = 3 * hidden, at_h = GATE_H * hidden;
    for (int64_t b = 0; b < r->batch; b++)
        for (int64_t j = 0; j < hidden && r->row[b] >= 0; j++) gru_back_new(r, t, b, j);
    if (!r->a->linear_before_reset) { /* dn Rh: the gradient of r * H' */
        const int64_t real = (int64_t)(r->wide ? sizeof(double) : sizeof(float));
        const char *dn = (const char *)t->dw + at_h * real, *rh = (const char *)r->r + at_h * hidden * real;
        IT_TRY(it_rnn_product(r, false, r->batch, hidden, hidden, dn, width, rh, hidden, r->scratch_real[0]));
    }
    for (int64_t b = 0; b < r->batch; b++)
        for (int64_t j = 0; j < hidden && r->row[b] >= 0; j++) {
            const int64_t k = b * hidden + j;
            const double reset = it_rnn_act_of(r, ACT_F, t->pre[b * width + hidden + j]), dn = it_rnn_get(r, t->dw, b * width + at_h + j);
            if (r->a->linear_before_reset) {
                gru_back_reset(r, t, b, j, reset, it_rnn_get(r, t->extra, k), dn);
                it_rnn_set(r, t->dr, b * width + at_h + j, dn * reset);
            } else {
                const double d = it_rnn_get(r, r->scratch_real[0], k);
                gru_back_reset(r, t, b, j, reset, t->h0[k], d);
                t->dh[k] += d * reset;
            }
        }
    return INTACT_OK;
}

static const it_rnn_act_kind ACTS[2] = {IT_ACT_SIGMOID, IT_ACT_TANH};
static const it_rnn_kind KIND = {.gates = 3, .acts_len = 2, .outputs = 2, .acts = ACTS, .step = gru_step, .save = gru_save, .step_back = gru_step_back};
IT_RNN_FUNCTIONS(gru, KIND)

const it_op it_op_gru = {IT_RNN_FIELDS(gru, 6), .onnx = "GRU", .out_max = 2};
