/* SPDX-License-Identifier: Apache-2.0 */
/* RNN, GRU, LSTM against a scalar implementation written from the specification's equations, one number at a time. */
#include "op_elem/helpers.h"

typedef struct shape {
    int64_t dirs, time, batch, in, hidden;
    bool batch_first, backward, linear_before_reset, forget;
    double clip;
} shape;

static double sigmoid(double x) { return 1 / (1 + exp(-x)); }
static double clip(const shape *s, double x) { return s->clip > 0 ? fmin(s->clip, fmax(-s->clip, x)) : x; }
static double opt(const rig *r, int k, int64_t i) { return k < r->in_len && r->in_ptr[k] ? it_tensor_get(&r->in[k], i) : 0; }

static int64_t x_at(const shape *s, int64_t t, int64_t b) { return (s->batch_first ? b * s->time + t : t * s->batch + b) * s->in; }
static int64_t state_at(const shape *s, int64_t d, int64_t b) { return (s->batch_first ? b * s->dirs + d : d * s->batch + b) * s->hidden; }
static int64_t y_at(const shape *s, int64_t t, int64_t d, int64_t b)
{
    return (s->batch_first ? (b * s->time + t) * s->dirs + d : (t * s->dirs + d) * s->batch + b) * s->hidden;
}

/* x W^T (part 0) or h R^T (part 1) of one gate's unit, its bias included. */
static double dot(const rig *r, const shape *s, int gates, int64_t d, int part, int64_t row, const double *v)
{
    int64_t n = part ? s->hidden : s->in, gh = gates * s->hidden;
    double sum = opt(r, 3, d * 2 * gh + part * gh + row);
    for (int64_t k = 0; k < n; k++)
        sum += v[k] * it_tensor_get(&r->in[1 + part], (d * gh + row) * n + k);
    return sum;
}

static void rnn_cell(const rig *r, const shape *s, int64_t d, const double *x, double *h, double *c)
{
    double old[16];
    (void)c;
    memcpy(old, h, sizeof(old));
    for (int64_t j = 0; j < s->hidden; j++)
        h[j] = tanh(clip(s, dot(r, s, 1, d, 0, j, x) + dot(r, s, 1, d, 1, j, old)));
}

static void gru_cell(const rig *r, const shape *s, int64_t d, const double *x, double *h, double *c)
{
    double old[16], reset[16], gated[16], z[16];
    (void)c;
    memcpy(old, h, sizeof(old));
    for (int64_t j = 0; j < s->hidden; j++) {
        z[j] = sigmoid(clip(s, dot(r, s, 3, d, 0, j, x) + dot(r, s, 3, d, 1, j, old)));
        reset[j] = sigmoid(clip(s, dot(r, s, 3, d, 0, s->hidden + j, x) + dot(r, s, 3, d, 1, s->hidden + j, old)));
        gated[j] = reset[j] * old[j];
    }
    for (int64_t j = 0; j < s->hidden; j++) {
        int64_t row = 2 * s->hidden + j;
        double back = s->linear_before_reset ? reset[j] * dot(r, s, 3, d, 1, row, old) : dot(r, s, 3, d, 1, row, gated);
        h[j] = (1 - z[j]) * tanh(clip(s, dot(r, s, 3, d, 0, row, x) + back)) + z[j] * old[j];
    }
}

static void lstm_cell(const rig *r, const shape *s, int64_t d, const double *x, double *h, double *c)
{
    double old[16];
    int64_t n = s->hidden;
    memcpy(old, h, sizeof(old));
    for (int64_t j = 0; j < n; j++) {
        double g[4], p[3];
        for (int k = 0; k < 4; k++)
            g[k] = dot(r, s, 4, d, 0, k * n + j, x) + dot(r, s, 4, d, 1, k * n + j, old);
        for (int k = 0; k < 3; k++)
            p[k] = opt(r, 7, d * 3 * n + k * n + j);
        double i = sigmoid(clip(s, g[0] + p[0] * c[j])), f = s->forget ? 1 - i : sigmoid(clip(s, g[2] + p[2] * c[j]));
        c[j] = f * c[j] + i * tanh(clip(s, g[3]));
        h[j] = sigmoid(clip(s, g[1] + p[1] * c[j])) * tanh(c[j]);
    }
}

typedef void cell(const rig *r, const shape *s, int64_t d, const double *x, double *h, double *c);

static void close_to(const rig *r, int k, int64_t at, double want)
{
    double got = it_tensor_get(&r->out[k], at), rel = r->in[0].type == IT_F16 ? 5e-3 : r->in[0].type == IT_F32 ? 2e-5 : 1e-9;
    if (!(fabs(got - want) <= rel * fmax(1, fabs(want))))
        fail_msg("output %d, element %lld: %.9g, expected %.9g", k, (long long)at, got, want);
}

static void expect_sequence(const rig *r, const shape *s, cell *step, int64_t d, int64_t b, int64_t len)
{
    double h[16] = {0}, c[16] = {0}, x[16];
    for (int64_t j = 0; j < s->hidden; j++) {
        h[j] = opt(r, 5, state_at(s, d, b) + j);
        c[j] = opt(r, 6, state_at(s, d, b) + j);
    }
    for (int64_t k = 0; k < s->time; k++) {
        int64_t t = s->backward || d == 1 ? len - 1 - k : k;
        if (k >= len) {
            for (int64_t j = 0; j < s->hidden; j++)
                close_to(r, 0, y_at(s, k, d, b) + j, 0);
            continue;
        }
        for (int64_t j = 0; j < s->in; j++)
            x[j] = it_tensor_get(&r->in[0], x_at(s, t, b) + j);
        step(r, s, d, x, h, c);
        for (int64_t j = 0; j < s->hidden; j++)
            close_to(r, 0, y_at(s, t, d, b) + j, h[j]);
    }
    for (int64_t j = 0; j < s->hidden; j++) {
        close_to(r, 1, state_at(s, d, b) + j, h[j]);
        if (step == lstm_cell) close_to(r, 2, state_at(s, d, b) + j, c[j]);
    }
}

static void fill(rig *r, const shape *s, int gates, it_type type, it_rng *rng)
{
    int64_t gh = gates * s->hidden, state[3] = {s->batch_first ? s->batch : s->dirs, s->batch_first ? s->dirs : s->batch, s->hidden};
    rig_random(r, rng, type, 3, (int64_t[]){s->batch_first ? s->batch : s->time, s->batch_first ? s->time : s->batch, s->in}, -1, 1);
    rig_random(r, rng, type, 3, (int64_t[]){s->dirs, gh, s->in}, -1, 1);
    rig_random(r, rng, type, 3, (int64_t[]){s->dirs, gh, s->hidden}, -1, 1);
    if (it_rng_below(rng, 3))
        rig_random(r, rng, type, 2, (int64_t[]){s->dirs, 2 * gh}, -1, 1);
    else
        rig_skip(r);
    if (it_rng_below(rng, 2))
        rig_random(r, rng, IT_I32, 1, (int64_t[]){s->batch}, 0, (double)s->time);
    else
        rig_skip(r);
    if (it_rng_below(rng, 2))
        rig_random(r, rng, type, 3, state, -1, 1);
    else
        rig_skip(r);
    if (gates != 4) return;
    if (it_rng_below(rng, 2))
        rig_random(r, rng, type, 3, state, -1, 1);
    else
        rig_skip(r);
    if (it_rng_below(rng, 2)) rig_random(r, rng, type, 2, (int64_t[]){s->dirs, 3 * s->hidden}, -1, 1);
}

static void random_case(const char *op, int gates, cell *step, it_type type, it_rng *rng)
{
    rig r;
    shape s = {.time = 1 + (int64_t)it_rng_below(rng, 6),
               .batch = 1 + (int64_t)it_rng_below(rng, 4),
               .in = 1 + (int64_t)it_rng_below(rng, 7),
               .hidden = 1 + (int64_t)it_rng_below(rng, 9),
               .batch_first = it_rng_below(rng, 2),
               .linear_before_reset = it_rng_below(rng, 2),
               .forget = it_rng_below(rng, 3) == 0,
               .clip = it_rng_below(rng, 2) ? 0.75 : 0};
    uint64_t way = it_rng_below(rng, 3);
    s.dirs = way == 2 ? 2 : 1;
    s.backward = way == 1;
    rig_init(&r, op, 14);
    rig_text(&r, "direction", way == 2 ? "bidirectional" : way ? "reverse" : "forward");
    rig_int(&r, "layout", s.batch_first);
    rig_int(&r, "hidden_size", s.hidden);
    if (gates == 3) rig_int(&r, "linear_before_reset", s.linear_before_reset);
    if (gates == 4) rig_int(&r, "input_forget", s.forget);
    if (s.clip > 0) rig_float(&r, "clip", s.clip);
    fill(&r, &s, gates, type, rng);
    rig_run(&r, gates == 4 ? 3 : 2);
    for (int64_t d = 0; d < s.dirs; d++)
        for (int64_t b = 0; b < s.batch; b++)
            expect_sequence(&r, &s, step, d, b, r.in_ptr[4] ? (int64_t)it_tensor_get(&r.in[4], b) : s.time);
    rig_free(&r);
}

static void test_random(void **state)
{
    it_rng rng;
    (void)state;
    it_rng_seed(&rng, 4);
    for (int k = 0; k < 60; k++)
        for (int type = IT_F32; type <= IT_F16; type++) {
            random_case("RNN", 1, rnn_cell, (it_type)type, &rng);
            random_case("GRU", 3, gru_cell, (it_type)type, &rng);
            random_case("LSTM", 4, lstm_cell, (it_type)type, &rng);
        }
}

/* Activations by name, with alpha and beta given out in order to those that have them. */
static void test_activations(void **state)
{
    static const struct {
        const char *name;
        float alpha, beta;
        double at_one, at_minus;
    } ACTS[] = {
        {"Relu", 0, 0, 1, 0},
        {"leakyrelu", 0.5f, 0, 1, -0.5},
        {"ThresholdedRelu", 0.9f, 0, 1, 0},
        {"ScaledTanh", 2, 0.5f, 0.92423431, -0.92423431},
        {"HardSigmoid", 0.3f, 0.4f, 0.7, 0.1},
        {"Elu", 2, 0, 1, -1.2642411},
        {"Softsign", 0, 0, 0.5, -0.5},
        {"Softplus", 0, 0, 1.3132617, 0.31326169},
        {"Affine", 3, 1, 4, -2},
        {"Sigmoid", 0, 0, 0.73105858, 0.26894142},
        {"Tanh", 0, 0, 0.76159416, -0.76159416},
    };
    (void)state;
    for (size_t k = 0; k < IT_LEN(ACTS); k++) {
        rig r;
        const char *names[1] = {ACTS[k].name};
        rig_init(&r, "RNN", 14);
        r.attrs[r.attrs_len++] = (it_attr){.name = "activations", .kind = IT_ATTR_STRINGS, .strings = names, .len = 1};
        if (ACTS[k].alpha != 0)
            r.attrs[r.attrs_len++] = (it_attr){.name = "activation_alpha", .kind = IT_ATTR_FLOATS, .floats = &ACTS[k].alpha, .len = 1};
        if (ACTS[k].beta != 0)
            r.attrs[r.attrs_len++] = (it_attr){.name = "activation_beta", .kind = IT_ATTR_FLOATS, .floats = &ACTS[k].beta, .len = 1};
        rig_in(&r, IT_F32, DIM(1, 2, 1), VALUES(1, -1));
        rig_in(&r, IT_F32, DIM(1, 1, 1), VALUES(1));
        rig_in(&r, IT_F32, DIM(1, 1, 1), VALUES(0));
        rig_run(&r, 1);
        rig_expect(&r.out[0], 1e-6, DIM(1, 1, 2, 1), VALUES(ACTS[k].at_one, ACTS[k].at_minus));
        rig_free(&r);
    }
}

/* One wrong extent or type at a time; 11 ways. */
static void test_refusals(void **state)
{
    (void)state;
    for (int wrong = 0; wrong < 11; wrong++) {
        rig r;
        rig_init(&r, "LSTM", 14);
        if (wrong == 9) rig_int(&r, "hidden_size", 5);
        if (wrong == 10) rig_text(&r, "direction", "bidirectional");
        rig_in(&r, IT_F32, 3, (int64_t[]){2, 3, 4}, NULL);
        rig_in(&r, IT_F32, 3, (int64_t[]){1, wrong == 0 ? 23 : 24, wrong == 1 ? 5 : 4}, NULL);
        rig_in(&r, wrong == 2 ? IT_F64 : IT_F32, 3, (int64_t[]){1, 24, 6}, NULL);
        rig_in(&r, IT_F32, 2, (int64_t[]){1, wrong == 3 ? 24 : 48}, NULL);
        rig_in(&r, wrong == 4 ? IT_I64 : IT_I32, 1, (int64_t[]){wrong == 5 ? 2 : 3}, NULL);
        rig_in(&r, IT_F32, 3, (int64_t[]){1, 3, wrong == 6 ? 5 : 6}, NULL);
        rig_in(&r, IT_F32, wrong == 7 ? 2 : 3, (int64_t[]){1, 3, 6}, NULL);
        rig_in(&r, IT_F32, 2, (int64_t[]){1, wrong == 8 ? 6 : 18}, NULL);
        rig_expect_fail(&r, 3, INTACT_E_SHAPE, " ");
        rig_free(&r);
    }
    rig r;
    rig_init(&r, "GRU", 14);
    rig_in(&r, IT_F32, DIM(2, 1, 1), NULL);
    rig_in(&r, IT_F32, DIM(1, 3, 1), NULL);
    rig_in(&r, IT_F32, DIM(1, 3, 1), NULL);
    rig_skip(&r);
    rig_in(&r, IT_I32, DIM(1), VALUES(3));
    rig_expect_fail(&r, 2, INTACT_E_ARG, "sequence 0 has length 3; lengths must be 0..2");
    rig_free(&r);
    rig_init(&r, "RNN", 14);
    rig_text(&r, "direction", "sideways");
    rig_in(&r, IT_F32, DIM(2, 1, 1), NULL);
    rig_in(&r, IT_F32, DIM(1, 1, 1), NULL);
    rig_in(&r, IT_F32, DIM(1, 1, 1), NULL);
    rig_expect_fail(&r, 1, INTACT_E_FORMAT, "forward, reverse or bidirectional");
    rig_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random), cmocka_unit_test(test_activations), cmocka_unit_test(test_refusals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
