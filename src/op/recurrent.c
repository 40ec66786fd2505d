/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes, shapes and the walk over directions and time of RNN, LSTM and GRU. */
#include "op/recurrent.h"

#include <math.h>
#include <string.h>
#include <strings.h>

#include "op/dnnl.h"
#include "op/fast_math.h"

/* ---- attributes ---- */

static const struct { const char *name; bool has_alpha, has_beta; double alpha, beta; } ACTS[IT_ACT_COUNT] = {
    [IT_ACT_AFFINE] = {"Affine", true, true, 1, 0},
    [IT_ACT_ELU] = {"Elu", true, false, 1, 0},
    [IT_ACT_HARD_SIGMOID] = {"HardSigmoid", true, true, 0.2, 0.5},
    [IT_ACT_LEAKY_RELU] = {"LeakyRelu", true, false, 0.01, 0},
    [IT_ACT_RELU] = {"Relu", false, false, 0, 0},
    [IT_ACT_SCALED_TANH] = {"ScaledTanh", true, true, 1, 1},
    [IT_ACT_SIGMOID] = {"Sigmoid", false, false, 0, 0},
    [IT_ACT_SOFTPLUS] = {"Softplus", false, false, 0, 0},
    [IT_ACT_SOFTSIGN] = {"Softsign", false, false, 0, 0},
    [IT_ACT_TANH] = {"Tanh", false, false, 0, 0},
    [IT_ACT_THRESHOLDED_RELU] = {"ThresholdedRelu", true, false, 1, 0},
};

/* activation_alpha and _beta hold values only for the activations that have such a parameter, in their order. */
static intact_status parse_acts(it_parse *p, const it_rnn_kind *k, it_rnn_args *a)
{
    const it_attr *names = it_attr_find(p, "activations");
    const float *alpha, *beta;
    size_t alpha_len, beta_len, alpha_at = 0, beta_at = 0, want = (size_t)(a->directions * k->acts_len);
    IT_TRY(it_attr_floats(p, "activation_alpha", &alpha, &alpha_len));
    IT_TRY(it_attr_floats(p, "activation_beta", &beta, &beta_len));
    if (names && (names->kind != IT_ATTR_STRINGS || (names->len != want && names->len != 0)))
        return it_node_fail(p->n, p->err, INTACT_E_FORMAT, "activations has %zu entries; it must have %zu strings, %d a direction",
                            names->kind == IT_ATTR_STRINGS ? names->len : 0, want, k->acts_len);
    for (size_t i = 0; i < want; i++) {
        int kind = (int)k->acts[i % (size_t)k->acts_len];
        if (names && names->len) {
            for (kind = 0; kind < IT_ACT_COUNT && strcasecmp(names->strings[i], ACTS[kind].name) != 0; kind++) {}
            if (kind == IT_ACT_COUNT)
                return it_node_fail(p->n, p->err, INTACT_E_UNSUPPORTED, "activation \"%s\" is not one of the specification's",
                                    names->strings[i]);
        }
        a->act[i / (size_t)k->acts_len][i % (size_t)k->acts_len] = (it_rnn_act){
            .kind = (it_rnn_act_kind)kind,
            .alpha = ACTS[kind].has_alpha && alpha_at < alpha_len ? (double)alpha[alpha_at++] : ACTS[kind].alpha,
            .beta = ACTS[kind].has_beta && beta_at < beta_len ? (double)beta[beta_at++] : ACTS[kind].beta,
        };
    }
    return INTACT_OK;
}

intact_status it_rnn_parse(it_parse *p, const it_rnn_kind *k)
{
    it_rnn_args *a = p->n->args;
    const char *way;
    int64_t layout, linear, forget;
    float clip;
    IT_TRY(it_attr_str(p, "direction", "forward", &way));
    IT_TRY(it_attr_int(p, "hidden_size", 0, &a->hidden));
    IT_TRY(it_attr_int(p, "layout", 0, &layout));
    IT_TRY(it_attr_int(p, "linear_before_reset", 0, &linear));
    IT_TRY(it_attr_int(p, "input_forget", 0, &forget));
    IT_TRY(it_attr_float(p, "clip", 0, &clip));
    a->reverse = strcasecmp(way, "reverse") == 0;
    a->directions = strcasecmp(way, "bidirectional") == 0 ? 2 : 1;
    if (!a->reverse && a->directions == 1 && strcasecmp(way, "forward") != 0)
        return it_node_fail(p->n, p->err, INTACT_E_FORMAT, "direction is \"%s\"; it must be forward, reverse or bidirectional", way);
    if (layout != 0 && layout != 1)
        return it_node_fail(p->n, p->err, INTACT_E_FORMAT, "layout is %lld; it must be 0 or 1", (long long)layout);
    if (a->hidden < 0) return it_node_fail(p->n, p->err, INTACT_E_FORMAT, "hidden_size is %lld", (long long)a->hidden);
    if (p->n->out_len > k->outputs)
        return it_node_fail(p->n, p->err, INTACT_E_FORMAT, "%d outputs; the operator gives up to %d", p->n->out_len, k->outputs);
    a->batch_first = layout == 1;
    a->linear_before_reset = linear != 0;
    a->input_forget = forget != 0;
    a->clip = clip > 0 ? (double)clip : INFINITY;
    a->acts_len = k->acts_len;
    return parse_acts(p, k, a);
}

/* ---- shapes ---- */

/* Input k, when there, has type (-1: any number is checked elsewhere) and dims. */
static intact_status check_input(const it_node *n, const it_tensor *const *in, int k, const char *what, it_type type, int rank,
                                 const int64_t *dim, intact_error *err)
{
    const it_tensor *t = it_elem_in(n, in, k);
    char buf[128], want[128];
    if (!t) return INTACT_OK;
    it_tensor should = {.type = type, .rank = rank};
    memcpy(should.dim, dim, (size_t)rank * sizeof(*dim));
    if (t->type == type && it_tensor_same_shape(t, &should)) return INTACT_OK;
    return it_node_fail(n, err, INTACT_E_SHAPE, "%s is %s; it must be %s", what, it_tensor_print(t, buf, sizeof(buf)),
                        it_tensor_print(&should, want, sizeof(want)));
}

typedef struct sizes { int64_t time, batch, in, hidden; } sizes;

static sizes sizes_of(const it_rnn_args *a, const it_tensor *const *in)
{
    return (sizes){in[0]->dim[a->batch_first], in[0]->dim[!a->batch_first], in[0]->dim[2], in[2]->dim[2]};
}

intact_status it_rnn_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, const it_rnn_kind *k, intact_error *err)
{
    const it_rnn_args *a = n->args;
    IT_TRY(it_elem_check_same(n, in, 3, IT_T_FLOAT, err));
    for (int i = 0; i < 3; i++)
        if (in[i]->rank != 3)
            return it_node_fail(n, err, INTACT_E_SHAPE, "input %d has %d dimensions; X, W and R must have 3", i, in[i]->rank);
    it_type type = in[0]->type;
    sizes s = sizes_of(a, in);
    int64_t d = a->directions, gh = k->gates * s.hidden; /* every extent is below 2^41 */
    if (s.hidden < 1 || (a->hidden && a->hidden != s.hidden))
        return it_node_fail(n, err, INTACT_E_SHAPE, "R has hidden size %lld; hidden_size is %lld", (long long)s.hidden,
                            (long long)a->hidden);
    IT_TRY(check_input(n, in, 1, "W", type, 3, (int64_t[]){d, gh, s.in}, err));
    IT_TRY(check_input(n, in, 2, "R", type, 3, (int64_t[]){d, gh, s.hidden}, err));
    IT_TRY(check_input(n, in, 3, "B", type, 2, (int64_t[]){d, 2 * gh}, err));
    IT_TRY(check_input(n, in, 4, "sequence_lens", IT_I32, 1, (int64_t[]){s.batch}, err));
    int64_t state[3] = {a->batch_first ? s.batch : d, a->batch_first ? d : s.batch, s.hidden};
    IT_TRY(check_input(n, in, 5, "initial_h", type, 3, state, err));
    IT_TRY(check_input(n, in, 6, "initial_c", type, 3, state, err));
    IT_TRY(check_input(n, in, 7, "P", type, 2, (int64_t[]){d, 3 * s.hidden}, err));
    for (int i = 0; i < n->out_len; i++) {
        out[i].type = type;
        out[i].rank = 3;
        memcpy(out[i].dim, state, sizeof(state));
    }
    if (n->out_len > 0) {
        int64_t y[4] = {a->batch_first ? s.batch : s.time, a->batch_first ? s.time : d, a->batch_first ? d : s.batch, s.hidden};
        out[0].rank = 4;
        memcpy(out[0].dim, y, sizeof(y));
    }
    return INTACT_OK;
}

/* ---- arithmetic ---- */

double it_rnn_act_of(const it_rnn *r, int k, double x)
{
    return it_rnn_act_unclipped(r, k, x > r->a->clip ? r->a->clip : x < -r->a->clip ? -r->a->clip : x);
}

double it_rnn_act_unclipped(const it_rnn *r, int k, double x)
{
    const it_rnn_act *f = &r->act[k];
    switch (f->kind) {
    case IT_ACT_SIGMOID: return r->wide ? it_sigmoid_f64(x) : (double)it_sigmoid_f32((float)x);
    case IT_ACT_TANH: return r->wide ? tanh(x) : (double)it_tanh_f32((float)x);
    case IT_ACT_RELU: return x > 0 ? x : 0;
    case IT_ACT_AFFINE: return f->alpha * x + f->beta;
    case IT_ACT_LEAKY_RELU: return x >= 0 ? x : f->alpha * x;
    case IT_ACT_THRESHOLDED_RELU: return x >= f->alpha ? x : 0;
    case IT_ACT_SCALED_TANH: return f->alpha * tanh(f->beta * x);
    case IT_ACT_HARD_SIGMOID: {
        double v = f->alpha * x + f->beta;
        return v < 0 ? 0 : v > 1 ? 1 : v;
    }
    case IT_ACT_ELU: return x >= 0 ? x : f->alpha * expm1(x);
    case IT_ACT_SOFTSIGN: return x / (1 + fabs(x));
    case IT_ACT_SOFTPLUS: return (x > 0 ? x : 0) + log1p(exp(-fabs(x)));
    default: return x;
    }
}

intact_status it_rnn_matmul(const it_rnn *r, int64_t m, int64_t n, int64_t k, const void *a, const void *b, void *c)
{
    if (m == 0 || n == 0) return INTACT_OK;
    it_dnnl_mat g = {.m = m, .n = n, .k = k, .lda = k, .ldb = k, .trans_b = true, .alpha = 1.0f};
    if (!r->wide && k > 0) return it_dnnl_matmul(r->n, &g, a, b, c, r->err);
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) {
            double sum = 0;
            for (int64_t q = 0; q < k; q++) sum += it_rnn_get(r, a, i * k + q) * it_rnn_get(r, b, j * k + q);
            it_rnn_set(r, c, i * n + j, sum);
        }
    return INTACT_OK;
}

/* ---- the walk ---- */

typedef it_rnn_job job;

intact_status it_rnn_room(job *j, int64_t a, int64_t b, int64_t c, size_t size, void *out)
{
    size_t len;
    if (!it_mul_size((size_t)a, (size_t)b, &len) || !it_mul_size(len, (size_t)c, &len))
        return it_fail_nomem(j->r.err, j->r.n->name, SIZE_MAX);
    return it_elem_scratch(j->ctx, j->r.n, len, size, out, j->r.err);
}

static intact_status prepare(job *j, const it_tensor *const *in)
{
    it_rnn *r = &j->r;
    it_type type = in[0]->type == IT_F64 ? IT_F64 : IT_F32;
    size_t real = it_type_bytes(type);
    int64_t gh = r->gates * r->hidden;
    r->wide = type == IT_F64;
    IT_TRY(it_elem_cast(j->ctx, r->n, in[0], type, &j->x, r->err));
    IT_TRY(it_elem_cast(j->ctx, r->n, in[1], type, &j->w, r->err));
    IT_TRY(it_elem_cast(j->ctx, r->n, in[2], type, &j->rec, r->err));
    IT_TRY(it_rnn_room(j, r->time, r->batch, gh, real, &r->xw));
    IT_TRY(it_rnn_room(j, 1, r->batch, gh, real, &r->hr));
    IT_TRY(it_rnn_room(j, 1, r->batch, r->hidden, real, &r->h_real));
    IT_TRY(it_rnn_room(j, 1, 1, gh, sizeof(double), &r->bias_w));
    IT_TRY(it_rnn_room(j, 1, 1, gh, sizeof(double), &r->bias_r));
    IT_TRY(it_rnn_room(j, 1, 3, r->hidden, sizeof(double), &r->peep));
    IT_TRY(it_rnn_room(j, 1, r->batch, r->hidden, sizeof(double), &r->h));
    IT_TRY(it_rnn_room(j, 1, r->batch, r->hidden, sizeof(double), &r->c));
    for (int i = 0; i < 2; i++) {
        IT_TRY(it_rnn_room(j, 1, r->batch, r->hidden, real, &r->scratch_real[i]));
        IT_TRY(it_rnn_room(j, 1, r->batch, r->hidden, sizeof(double), &r->scratch[i]));
    }
    return it_rnn_room(j, 1, 1, r->batch, sizeof(int64_t), &r->row);
}

/* Of (D,B,H) or (B,D,H). */
int64_t it_rnn_state_at(const it_rnn *r, int64_t d, int64_t b, int64_t k)
{
    return (r->a->batch_first ? b * r->a->directions + d : d * r->batch + b) * r->hidden + k;
}

static void load_direction(job *j, int d)
{
    it_rnn *r = &j->r;
    int64_t gh = r->gates * r->hidden, real = (int64_t)it_type_bytes(j->x.type);
    r->act = r->a->act[d];
    r->w = (const char *)j->w.data + d * gh * r->in * real;
    r->r = (const char *)j->rec.data + d * gh * r->hidden * real;
    for (int64_t k = 0; k < gh && j->bias; k++) {
        r->bias_w[k] = it_tensor_get(j->bias, (d * 2 + 0) * gh + k);
        r->bias_r[k] = it_tensor_get(j->bias, (d * 2 + 1) * gh + k);
    }
    for (int64_t k = 0; k < 3 * r->hidden && j->peep; k++) r->peep[k] = it_tensor_get(j->peep, d * 3 * r->hidden + k);
    for (int64_t b = 0; b < r->batch; b++)
        for (int64_t k = 0; k < r->hidden; k++) {
            int64_t at = b * r->hidden + k, from = it_rnn_state_at(r, d, b, k);
            r->h[at] = j->h0 ? it_tensor_get(j->h0, from) : 0;
            r->c[at] = j->c0 ? it_tensor_get(j->c0, from) : 0;
            it_rnn_set(r, r->h_real, at, r->h[at]);
        }
}

int64_t it_rnn_len(const job *j, int64_t b) { return j->lens ? ((const int32_t *)j->lens->data)[b] : j->r.time; }

int64_t it_rnn_y_at(const it_rnn *r, int64_t d, int64_t b)
{
    int64_t t = r->a->batch_first ? r->row[b] % r->time : r->row[b] / r->batch;
    return r->a->batch_first ? ((b * r->time + t) * r->a->directions + d) * r->hidden : ((t * r->a->directions + d) * r->batch + b) * r->hidden;
}

/* Hands on h of the sequences that are not over, to the next step and to Y. */
static void keep_step(job *j, int d)
{
    it_rnn *r = &j->r;
    for (int64_t b = 0; b < r->batch; b++) {
        if (r->row[b] < 0) continue;
        int64_t to = it_rnn_y_at(r, d, b);
        for (int64_t k = 0; k < r->hidden; k++) {
            it_rnn_set(r, r->h_real, b * r->hidden + k, r->h[b * r->hidden + k]);
            if (j->y) it_tensor_set(j->y, to + k, r->h[b * r->hidden + k]);
        }
    }
}

intact_status it_rnn_direction(job *j, int d)
{
    it_rnn *r = &j->r;
    load_direction(j, d);
    return it_rnn_matmul(r, r->time * r->batch, r->gates * r->hidden, r->in, j->x.data, r->w, r->xw);
}

bool it_rnn_rows(job *j, int d, int64_t s)
{
    it_rnn *r = &j->r;
    bool backward = r->a->reverse || d == 1, any = false;
    for (int64_t b = 0; b < r->batch; b++) {
        int64_t len = it_rnn_len(j, b), t = backward ? len - 1 - s : s;
        r->row[b] = s >= len ? -1 : r->a->batch_first ? b * r->time + t : t * r->batch + b;
        any |= s < len;
    }
    return any;
}

static intact_status run_direction(job *j, int d)
{
    it_rnn *r = &j->r;
    IT_TRY(it_rnn_direction(j, d));
    for (int64_t s = 0; s < r->time && it_rnn_rows(j, d, s); s++) {
        IT_TRY(it_rnn_matmul(r, r->batch, r->gates * r->hidden, r->hidden, r->h_real, r->r, r->hr));
        IT_TRY(j->kind->step(r));
        keep_step(j, d);
    }
    for (int64_t b = 0; b < r->batch; b++)
        for (int64_t k = 0; k < r->hidden; k++) {
            if (j->y_h) it_tensor_set(j->y_h, it_rnn_state_at(r, d, b, k), r->h[b * r->hidden + k]);
            if (j->y_c) it_tensor_set(j->y_c, it_rnn_state_at(r, d, b, k), r->c[b * r->hidden + k]);
        }
    return INTACT_OK;
}

intact_status it_rnn_job_make(job *j, it_run_ctx *c, const it_node *n, const it_tensor *const *in, const it_rnn_kind *k, intact_error *err)
{
    const it_rnn_args *a = n->args;
    sizes s = sizes_of(a, in);
    *j = (job){.ctx = c, .kind = k, .bias = it_elem_in(n, in, 3), .lens = it_elem_in(n, in, 4), .h0 = it_elem_in(n, in, 5),
               .c0 = it_elem_in(n, in, 6), .peep = it_elem_in(n, in, 7)};
    j->r = (it_rnn){.n = n, .a = a, .err = err, .gates = k->gates, .time = s.time, .batch = s.batch, .in = s.in, .hidden = s.hidden};
    for (int64_t b = 0; b < s.batch; b++)
        if (it_rnn_len(j, b) < 0 || it_rnn_len(j, b) > s.time)
            return it_node_fail(n, err, INTACT_E_ARG, "sequence %lld has length %lld; lengths must be 0..%lld", (long long)b,
                                (long long)it_rnn_len(j, b), (long long)s.time);
    return prepare(j, in);
}

intact_status it_rnn_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out, const it_rnn_kind *k,
                             intact_error *err)
{
    job j;
    IT_TRY(it_rnn_job_make(&j, c, n, in, k, err));
    j.y = n->out_len > 0 ? out[0] : NULL;
    j.y_h = n->out_len > 1 ? out[1] : NULL;
    j.y_c = n->out_len > 2 ? out[2] : NULL;
    if (j.y) memset(j.y->data, 0, it_tensor_bytes(j.y));
    for (int d = 0; d < j.r.a->directions; d++) IT_TRY(run_direction(&j, d));
    return INTACT_OK;
}
