/* SPDX-License-Identifier: Apache-2.0 */
/* RNN: H = f(X W^T + H' R^T + Wb + Rb). */
#include "op/recurrent.h"

static intact_status rnn_step(it_rnn *r)
{
    for (int64_t b = 0; b < r->batch; b++)
        for (int64_t j = 0; j < r->hidden && r->row[b] >= 0; j++) r->h[b * r->hidden + j] = it_rnn_act_of(r, 0, it_rnn_gate(r, b, 0, j));
    return INTACT_OK;
}

static const it_rnn_act_kind ACTS[1] = {IT_ACT_TANH};
static const it_rnn_kind KIND = {.gates = 1, .acts_len = 1, .outputs = 2, .acts = ACTS, .step = rnn_step};
IT_RNN_FUNCTIONS(rnn, KIND)

const it_op it_op_rnn = {IT_RNN_FIELDS(rnn, 6), .onnx = "RNN", .out_max = 2};
