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

static intact_status lstm_save(it_rnn *r, it_rnn_tape *t)
{
    for (int64_t b = 0; b < r->batch; b++)
        for (int64_t j = 0; j < r->hidden && r->row[b] >= 0; j++)
            for (int g = 0; g < 4; g++) t->pre[(b * 4 + g) * r->hidden + j] = it_rnn_gate(r, b, g, j);
    return INTACT_OK;
}

static void lstm_unit_back(it_rnn *r, it_rnn_tape *t, int64_t b, int64_t j)
{
    const int64_t step = r->hidden, at = b * step + j, gates = b * 4 * step + j;
    const double *peep = r->peep + j, c0 = t->c0[at], c1 = t->c1[at];
    double x[4], d[4];
    for (int g = 0; g < 4; g++) x[g] = t->pre[gates + g * step];
    x[GATE_I] += peep[PEEP_I * step] * c0;
    x[GATE_F] += peep[PEEP_F * step] * c0;
    x[GATE_O] += peep[PEEP_O * step] * c1;
    double i = it_rnn_act_of(r, ACT_F, x[GATE_I]), f = r->a->input_forget ? 1 - i : it_rnn_act_of(r, ACT_F, x[GATE_F]);
    double g = it_rnn_act_of(r, ACT_G, x[GATE_C]), o = it_rnn_act_of(r, ACT_F, x[GATE_O]), dh = t->dh[at], h = it_rnn_act_unclipped(r, ACT_H, c1);
    d[GATE_O] = dh * h * it_rnn_slope_of(r, ACT_F, x[GATE_O], o);
    double dc = t->dc[at] + dh * o * it_rnn_slope_unclipped(r, ACT_H, c1, h) + d[GATE_O] * peep[PEEP_O * step];
    d[GATE_I] = (dc * g - (r->a->input_forget ? dc * c0 : 0)) * it_rnn_slope_of(r, ACT_F, x[GATE_I], i);
    d[GATE_F] = r->a->input_forget ? 0 : dc * c0 * it_rnn_slope_of(r, ACT_F, x[GATE_F], f);
    d[GATE_C] = dc * i * it_rnn_slope_of(r, ACT_G, x[GATE_C], g);
    t->dc[at] = dc * f + d[GATE_I] * peep[PEEP_I * step] + d[GATE_F] * peep[PEEP_F * step];
    t->dh[at] = 0; /* h reaches the step through R alone */
    t->dpeep[PEEP_I * step + j] += d[GATE_I] * c0;
    t->dpeep[PEEP_F * step + j] += d[GATE_F] * c0;
    t->dpeep[PEEP_O * step + j] += d[GATE_O] * c1;
    for (int k = 0; k < 4; k++) {
        it_rnn_set(r, t->dw, gates + k * step, d[k]);
        it_rnn_set(r, t->dr, gates + k * step, d[k]);
    }
}

static intact_status lstm_step_back(it_rnn *r, it_rnn_tape *t)
{
    for (int64_t b = 0; b < r->batch; b++)
        for (int64_t j = 0; j < r->hidden && r->row[b] >= 0; j++) lstm_unit_back(r, t, b, j);
    return INTACT_OK;
}

static const it_rnn_act_kind ACTS[3] = {IT_ACT_SIGMOID, IT_ACT_TANH, IT_ACT_TANH};
static const it_rnn_kind KIND = {.gates = 4, .acts_len = 3, .outputs = 3, .acts = ACTS, .step = lstm_step, .save = lstm_save, .step_back = lstm_step_back};
IT_RNN_FUNCTIONS(lstm, KIND)

const it_op it_op_lstm = {IT_RNN_FIELDS(lstm, 8), .onnx = "LSTM", .out_max = 3};
