/* SPDX-License-Identifier: Apache-2.0 */
/* convolve.h: running convolutions and transposed ones: oneDNN where it can, loops in double where it cannot. */
#ifndef IT_CONVOLVE_H
#define IT_CONVOLVE_H

#include "op/back.h"
#include "op/nn.h"

typedef struct it_conv_op_args { it_window win; int64_t group, out_pad[3], out_shape[3]; bool has_out_shape; } it_conv_op_args;

/* Input, weight and bias agree in type, rank and channels. */
INTACT_MUST_USE intact_status it_convolve_check(const it_node *n, const it_tensor *const *in, int64_t group, bool transposed, intact_error *err);
/* win: resolved, explicit pads (of the convolution that a transposed one reverses). */
INTACT_MUST_USE intact_status it_convolve_run(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *out, const it_window *win,
                                              int64_t group, bool transposed, intact_error *err);
/* The gradient with respect to input, weight and bias (op/convolve_back.c), each where dx[k] is not NULL. */
INTACT_MUST_USE intact_status it_convolve_back(it_back_ctx *c, const it_node *n, const it_tensor *const *in, const it_tensor *out, const it_tensor *dy,
                                               it_tensor *const *dx, const it_window *win, int64_t group, bool transposed, intact_error *err);

/* g's transposed and group are set. */
void it_convolve_geometry(it_nn_conv *g, const it_tensor *x, const it_tensor *w, const it_tensor *y, const it_window *win);
/* Between (N,C,HW) and (N,HW,C). */
void it_convolve_swap(const double *from, double *to, int64_t batch, int64_t rows, int64_t cols);

#endif
