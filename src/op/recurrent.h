/* SPDX-License-Identifier: Apache-2.0 */
/* recurrent.h: what RNN, LSTM and GRU share: attributes, shape checks, the walk over directions and time. A file supplies one step.
**
** X (T,B,I) or with layout 1 (B,T,I) · W (D,G*H,I) · R (D,G*H,H) · bias (D,2*G*H) · sequence_lens (B) · initial_h, initial_c (D,B,H)
** or (B,D,H) · peepholes (D,3*H). Y (T,D,B,H) or (B,T,D,H) · Y_h, Y_c like initial_h. G gates, H hidden, D directions. */
#ifndef IT_RECURRENT_H
#define IT_RECURRENT_H

#include "op/back.h"
#include "op/elem.h"

typedef enum it_rnn_act_kind {
    IT_ACT_AFFINE, IT_ACT_ELU, IT_ACT_HARD_SIGMOID, IT_ACT_LEAKY_RELU, IT_ACT_RELU, IT_ACT_SCALED_TANH, IT_ACT_SIGMOID, IT_ACT_SOFTPLUS,
    IT_ACT_SOFTSIGN, IT_ACT_TANH, IT_ACT_THRESHOLDED_RELU, IT_ACT_COUNT
} it_rnn_act_kind;
typedef struct it_rnn_act { it_rnn_act_kind kind; double alpha, beta; } it_rnn_act;

typedef struct it_rnn_args {
    int directions;
    bool reverse;       /* the only direction goes backward */
    bool batch_first;   /* layout 1 */
    bool linear_before_reset, input_forget;
    int64_t hidden;     /* 0: from R */
    double clip;        /* INFINITY: none */
    int acts_len;       /* a direction */
    it_rnn_act act[2][3];
} it_rnn_args;

/* One direction at work. "real" arrays are float, or double when wide. */
typedef struct it_rnn {
    const it_node *n;
    const it_rnn_args *a;
    const it_rnn_act *act;
    intact_error *err;
    bool wide;
    int gates;
    int64_t time, batch, in, hidden;
    const void *w, *r;          /* real (G*H,I), (G*H,H) of this direction */
    double *bias_w, *bias_r;    /* (G*H), zeros when there are none */
    double *peep;               /* (3*H), zeros */
    void *xw, *hr, *h_real;     /* (T*B,G*H) x * W^T, (B,G*H) h * R^T, (B,H) h */
    double *h, *c;              /* (B,H) state */
    void *scratch_real[2];      /* (B,H) each, of the step */
    double *scratch[2];         /* (B,H) each */
    int64_t *row;               /* (B): row of xw at this step; -1: this sequence has ended */
} it_rnn;

typedef intact_status it_rnn_step(it_rnn *r); /* h, and c, from xw at row[b] and hr */

/* One step of the way back. All arrays are of this step; rows of sequences that are over are neither read nor written. */
typedef struct it_rnn_tape {
    double *pre;            /* (B,G*H) sums before the gates' activations, without peepholes */
    double *h0, *c0, *c1;   /* (B,H) states before the step, and c after it */
    void *extra;            /* real (B,H), GRU: what stands beside the reset gate: H' R^T + bias, or r * H' */
    double *dh, *dc;        /* (B,H) in: gradients of the states after the step; out: of those before it, less what comes through R */
    void *dw, *dr;          /* real (B,G*H) out: gradients of X W^T and of H' R^T, zeros before */
    double *dpeep;          /* (3*H), added to */
} it_rnn_tape;
typedef intact_status it_rnn_step_back(it_rnn *r, it_rnn_tape *t);

typedef struct it_rnn_kind {
    int gates, acts_len, outputs;
    const it_rnn_act_kind *acts; /* defaults, of one direction */
    it_rnn_step *step;
    it_rnn_step_back *save, *step_back; /* after a step: fills pre and extra; the way back */
} it_rnn_kind;

intact_status it_rnn_parse(it_parse *p, const it_rnn_kind *k);
intact_status it_rnn_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, const it_rnn_kind *k, intact_error *err);
intact_status it_rnn_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out, const it_rnn_kind *k,
                             intact_error *err);

/* op/recurrent_back.c: runs forward once more, keeping what the way back needs, then back through time. */
intact_status it_rnn_back(it_back_ctx *c, const it_node *n, const it_tensor *const *in, const it_tensor *const *dy, it_tensor *const *dx,
                          const it_rnn_kind *k, intact_error *err);

/* A walk over directions and time: what forward and backward share (op/recurrent.c). */
typedef struct it_rnn_job {
    it_run_ctx *ctx;
    it_rnn r;
    it_tensor x, w, rec;   /* X, W, R as float or double */
    const it_tensor *bias, *lens, *h0, *c0, *peep;
    it_tensor *y, *y_h, *y_c;
    const it_rnn_kind *kind;
} it_rnn_job;
/* Checks the lengths and makes room. Outputs are the caller's to set. */
intact_status it_rnn_job_make(it_rnn_job *j, it_run_ctx *c, const it_node *n, const it_tensor *const *in, const it_rnn_kind *k, intact_error *err);
intact_status it_rnn_room(it_rnn_job *j, int64_t a, int64_t b, int64_t c, size_t size, void *out); /* zeros */
/* Loads direction d, and X W^T of all its steps. */
intact_status it_rnn_direction(it_rnn_job *j, int d);
/* Fills row for step s; false when every sequence is over. */
bool it_rnn_rows(it_rnn_job *j, int d, int64_t s);
int64_t it_rnn_state_at(const it_rnn *r, int64_t d, int64_t b, int64_t k); /* element of a state tensor */
int64_t it_rnn_y_at(const it_rnn *r, int64_t d, int64_t b);                /* first element of Y at row[b] */
int64_t it_rnn_len(const it_rnn_job *j, int64_t b);

/* For steps. */
double it_rnn_act_of(const it_rnn *r, int k, double x); /* activation k of this direction of x, clipped before */
double it_rnn_act_unclipped(const it_rnn *r, int k, double x);
double it_rnn_slope_of(const it_rnn *r, int k, double x, double y); /* the derivatives of the two, which gave y */
double it_rnn_slope_unclipped(const it_rnn *r, int k, double x, double y);
/* y (m,n) = a b or, with trans, a^T b; rows of a, b are lda, ldb long. All real. */
intact_status it_rnn_product(const it_rnn *r, bool trans, int64_t m, int64_t n, int64_t k, const void *a, int64_t lda, const void *b, int64_t ldb, void *y);
static inline double it_rnn_get(const it_rnn *r, const void *real, int64_t i)
{
    return r->wide ? ((const double *)real)[i] : (double)((const float *)real)[i];
}
static inline void it_rnn_set(const it_rnn *r, void *real, int64_t i, double v)
{
    if (r->wide) ((double *)real)[i] = v;
    else ((float *)real)[i] = (float)v;
}
/* Gate g, unit j of sequence b before its activation, biases included. */
static inline double it_rnn_gate(const it_rnn *r, int64_t b, int g, int64_t j)
{
    int64_t k = g * r->hidden + j, width = r->gates * r->hidden;
    return it_rnn_get(r, r->xw, r->row[b] * width + k) + it_rnn_get(r, r->hr, b * width + k) + r->bias_w[k] + r->bias_r[k];
}
/* c (M,N) = a (M,K) * b (N,K)^T, all real, rows dense. */
intact_status it_rnn_matmul(const it_rnn *r, int64_t m, int64_t n, int64_t k, const void *a, const void *b, void *c);

#define IT_RNN_FIELDS(id, inputs)                                                                                           \
    .name = #id, .since = 7, .in_min = 3, .in_max = (inputs), .out_min = 0, .args_bytes = sizeof(it_rnn_args), .parse = id##_parse, \
    .infer = id##_infer, .forward = id##_forward, .back = &id##_back, .unrolled = true, \
    .hint = "quantizing unrolls recurrent layers into steps that have one"
#define IT_RNN_FUNCTIONS(id, kind)                                                                                                \
    static intact_status id##_parse(it_parse *p) { return it_rnn_parse(p, &kind); }                                               \
    static intact_status id##_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)              \
    {                                                                                                                             \
        return it_rnn_infer(n, in, out, &kind, err);                                                                              \
    }                                                                                                                             \
    static intact_status id##_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out,         \
                                      intact_error *err)                                                                          \
    {                                                                                                                             \
        return it_rnn_forward(c, n, in, out, &kind, err);                                                                         \
    }                                                                                                                             \
    static intact_status id##_run_back(it_back_ctx *c, const it_node *n, const it_tensor *const *in, const it_tensor *const *out, \
                                       const it_tensor *const *dy, it_tensor *const *dx, intact_error *err)                       \
    {                                                                                                                             \
        (void)out;                                                                                                                \
        return it_rnn_back(c, n, in, dy, dx, &kind, err);                                                                         \
    }                                                                                                                             \
    static const it_backward id##_back = { .reads_in = 0xff, .gives = 0xef, .run = id##_run_back }; /* all but the lengths */

#endif
