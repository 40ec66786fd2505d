/* SPDX-License-Identifier: Apache-2.0 */
/* convolve.h: running convolutions and transposed ones: oneDNN where it can, loops in double where it cannot. */
#ifndef IT_CONVOLVE_H
#define IT_CONVOLVE_H

#include "op/nn.h"

typedef struct it_conv_op_args { it_window win; int64_t group, out_pad[3], out_shape[3]; bool has_out_shape; } it_conv_op_args;

/* Input, weight and bias agree in type, rank and channels. */
INTACT_MUST_USE intact_status it_convolve_check(const it_node *n, const it_tensor *const *in, int64_t group, bool transposed, intact_error *err);
/* win: resolved, explicit pads (of the convolution that a transposed one reverses). */
INTACT_MUST_USE intact_status it_convolve_run(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *out, const it_window *win,
                                              int64_t group, bool transposed, intact_error *err);

#endif
