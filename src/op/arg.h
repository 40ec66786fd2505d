/* SPDX-License-Identifier: Apache-2.0 */
/* arg.h: what ArgMax and ArgMin share. */
#ifndef IT_ARG_H
#define IT_ARG_H

#include "op/elem.h"
#include "op/lower.h"

typedef struct it_arg_args { int64_t axis; bool keepdims, last; } it_arg_args;

intact_status it_arg_parse(it_parse *p);
intact_status it_arg_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err);
intact_status it_arg_forward(it_run_ctx *c, const it_node *n, const it_tensor *x, it_tensor *y, bool smallest, intact_error *err);
intact_status it_arg_lower(it_lower *lw, const it_node *n, bool smallest, intact_error *err);

#endif
