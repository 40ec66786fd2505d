/* SPDX-License-Identifier: Apache-2.0 */
/* dnnl.h: the part of oneDNN's C interface that the operators use, always with one thread. */
#ifndef IT_DNNL_H
#define IT_DNNL_H

#include "op/op.h"

/* A convolution or transposed convolution of float32 tensors. Tensors carry shape and layout; data is given to run. */
typedef struct it_dnnl_conv_spec {
    const it_tensor *x, *w, *y; /* rank 3..5; w is plain: (O,I/g,k), transposed (I,O/g,k) */
    bool bias, transposed, const_weights;
    bool dot;                   /* bfloat16 instructions: operands are converted on the way into the primitive */
    int64_t group;
    const it_window *win;       /* resolved: explicit pads; transposed: the pads of the convolution that this one reverses */
} it_dnnl_conv_spec;

/* Makes the primitive and leaves it in *out. INTACT_OK with *out NULL: the library cannot do it, use the plain loops. */
INTACT_MUST_USE intact_status it_dnnl_conv_new(const intact_alloc *alloc, const it_node *n, const it_dnnl_conv_spec *spec,
                                               it_op_state **out, intact_error *err);
/* bias: ignored when spec had none. Weights are reordered on the first call, and again unless spec had const_weights (bias is then copied, too) or
** weights_at is what it was, not 0. */
typedef struct it_dnnl_conv_data { const float *x, *w, *bias; float *y; uint64_t weights_at; it_products products; } it_dnnl_conv_data;
/* Whether the state that conv_new made serves such products; x of the data is rounded by the caller, w here. */
bool it_dnnl_conv_serves(const it_op_state *state, it_products p);
INTACT_MUST_USE intact_status it_dnnl_conv_run(it_op_state *state, const it_node *n, const it_dnnl_conv_data *d, intact_error *err);

/* Gradients (op/dnnl_back.c): dx from w and dy, dw from x and dy, each where not NULL. *state, NULL at first, keeps the primitives and the weights
** reordered as of weights_at (0: of no call). spec's bias and const_weights are not looked at. *done_x, *done_w false: the library cannot. */
typedef struct it_dnnl_conv_grads { const float *x, *w, *dy; float *dx, *dw; uint64_t weights_at; it_products products; } it_dnnl_conv_grads;
INTACT_MUST_USE intact_status it_dnnl_conv_back(const intact_alloc *alloc, it_op_state **state, const it_node *n, const it_dnnl_conv_spec *spec,
                                                const it_dnnl_conv_grads *g, bool *done_x, bool *done_w, intact_error *err);

/* Row-major y (m,n) = alpha * op(a) * op(b) + beta * y, op(a) (m,k); lda, ldb as stored. */
typedef struct it_dnnl_mat { int64_t m, n, k, lda, ldb; bool trans_a, trans_b; float alpha, beta; } it_dnnl_mat;
INTACT_MUST_USE intact_status it_dnnl_matmul(const it_node *n, const it_dnnl_mat *g, const float *a, const float *b, float *y,
                                             intact_error *err);

#endif
