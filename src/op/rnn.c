/* SPDX-License-Identifier: Apache-2.0 */
/* RNN: H = f(X W^T + H' R^T + Wb + Rb). */
#include "op/recurrent.h"

static intact_status rnn_step(it_rnn *r)
{
    for (int64_t b = 0; b < r->batch; b++)
        for (int64_t j = 0; j < r->hidden && r->row[b] >= 0; j++) r->h[b * r->hidden + j] = it_rnn_act_of(r, 0, it_rnn_gate(r, b, 0, j));
    return INTACT_OK;
}

static intact_status rnn_save(it_rnn *r, it_rnn_tape *t)
{
    for (int64_t b = 0; b < r->batch; b++)
        for (int64_t j = 0; j < r->hidden && r->row[b] >= 0; j++) t->pre[b * r->hidden + j] = it_rnn_gate(r, b, 0, j);
    return INTACT_OK;
}

static intact_status rnn_step_back(it_rnn *r, it_rnn_tape *t)
{
    for (int64_t b = 0; b < r->batch; b++)
        for (int64_t j = 0; j < r->hidden && r->row[b] >= 0; j++) {
            const int64_t k = b * r->hidden + j;
            it_rnn_set(r, t->dw, k, t->dh[k] * it_rnn_slope_of(r, 0, t->pre[k], it_rnn_act_of(r, 0, t->pre[k])));
            it_rnn_set(r, t->dr, k, it_rnn_get(r, t->dw, k));
            t->dh[k] = 0;
        }
    return INTACT_OK;
}

static const it_rnn_act_kind ACTS[1] = {IT_ACT_TANH};
static const it_rnn_kind KIND = {.gates = 1, .acts_len = 1, .outputs = 2, .acts = ACTS, .step = rnn_step, .save = rnn_save, .step_back = rnn_step_back};
IT_RNN_FUNCTIONS(rnn, KIND)

const it_op it_op_rnn = {IT_RNN_FIELDS(rnn, 6), .onnx = "RNN", .out_max = 2};
