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

static const it_rnn_act_kind ACTS[2] = {IT_ACT_SIGMOID, IT_ACT_TANH};
static const it_rnn_kind KIND = {.gates = 3, .acts_len = 2, .outputs = 2, .acts = ACTS, .step = gru_step};
IT_RNN_FUNCTIONS(gru, KIND)

const it_op it_op_gru = {IT_RNN_FIELDS(gru, 6), .onnx = "GRU", .out_max = 2};
