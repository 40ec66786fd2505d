/* SPDX-License-Identifier: Apache-2.0 */
/* softmax.h: what Softmax and LogSoftmax share. */
#ifndef IT_SOFTMAX_H
#define IT_SOFTMAX_H

#include "op/back.h"
#include "op/nn.h"

typedef struct it_softmax_op_args { int64_t axis; } it_softmax_op_args;

INTACT_MUST_USE intact_status it_softmax_parse(it_parse *p);
INTACT_MUST_USE intact_status it_softmax_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err);
/* The first and one past the last axis that one sum runs over: before opset 13 everything from `axis` on. */
INTACT_MUST_USE intact_status it_softmax_axes(const it_node *n, int rank, int *first, int *end, intact_error *err);
INTACT_MUST_USE intact_status it_softmax_run(it_run_ctx *c, const it_node *n, const it_tensor *x, it_tensor *y, bool log, intact_error *err);
/* dx = y (dy - sum dy y), or with log dy - exp(y) sum dy. */
INTACT_MUST_USE intact_status it_softmax_back(it_back_ctx *c, const it_node *n, const it_tensor *y, const it_tensor *dy, it_tensor *dx, bool log,
                                              intact_error *err);

#endif
