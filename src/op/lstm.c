/* SPDX-License-Identifier: Apache-2.0 */
/* LSTM, gates in the order i, o, f, c:
** i = f(X Wi^T + H' Ri^T + Pi * C' + b)   f alike, or 1 - i with input_forget   c = g(X Wc^T + H' Rc^T + b)
** C = f * C' + i * c   o = f(X Wo^T + H' Ro^T + Po * C + b)   H = o * h(C) */
#include "op/recurrent.h"

enum { GATE_I, GATE_O, GATE_F, GATE_C };
enum { ACT_F, ACT_G, ACT_H };
enum { PEEP_I, PEEP_O, PEEP_F };

static void lstm_unit(it_rnn *r, int64_t b, int64_t j)
{
    double *c = &r->c[b * r->hidden + j];
    const double *peep = r->peep + j;
    int64_t step = r->hidden;
    double i = it_rnn_act_of(r, ACT_F, it_rnn_gate(r, b, GATE_I, j) + peep[PEEP_I * step] * *c);
    double f = r->a->input_forget ? 1 - i : it_rnn_act_of(r, ACT_F, it_rnn_gate(r, b, GATE_F, j) + peep[PEEP_F * step] * *c);
    double g = it_rnn_act_of(r, ACT_G, it_rnn_gate(r, b, GATE_C, j));
    *c = f * *c + i * g;
    double o = it_rnn_act_of(r, ACT_F, it_rnn_gate(r, b, GATE_O, j) + peep[PEEP_O * step] * *c);
    r->h[b * r->hidden + j] = o * it_rnn_act_unclipped(r, ACT_H, *c); /* only sums over gates are clipped, as in ONNX Runtime */
}

static intact_status lstm_step(it_rnn *r)
{
    for (int64_t b = 0; b < r->batch; b++)
        for (int64_t j = 0; j < r->hidden && r->row[b] >= 0; j++) lstm_unit(r, b, j);
    return INTACT_OK;
}

static const it_rnn_act_kind ACTS[3] = {IT_ACT_SIGMOID, IT_ACT_TANH, IT_ACT_TANH};
static const it_rnn_kind KIND = {.gates = 4, .acts_len = 3, .outputs = 3, .acts = ACTS, .step = lstm_step};
IT_RNN_FUNCTIONS(lstm, KIND)

const it_op it_op_lstm = {IT_RNN_FIELDS(lstm, 8), .onnx = "LSTM", .out_max = 3};
