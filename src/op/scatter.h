/* SPDX-License-Identifier: Apache-2.0 */
/* scatter.h: what Scatter, ScatterElements and ScatterND share: the reduction of an update into its place. */
#ifndef IT_SCATTER_H
#define IT_SCATTER_H

#include "op/move.h"

typedef enum it_scatter_how { IT_SCATTER_SET, IT_SCATTER_ADD, IT_SCATTER_MUL, IT_SCATTER_MAX, IT_SCATTER_MIN } it_scatter_how;

/* Attribute "reduction": none before opset 16, add and mul since, max and min since 18. */
INTACT_MUST_USE intact_status it_scatter_parse(it_parse *p, it_scatter_how *out);
/* to[i] = to[i] combined with from[i], len elements; integers wrap around. */
void it_scatter_combine(it_type type, it_scatter_how how, void *to, const void *from, int64_t len);

/* Scatter is ScatterElements under its first name. */
typedef struct it_scatter_args { int64_t axis; it_scatter_how how; } it_scatter_args;
intact_status it_scatter_elements_parse(it_parse *p);
intact_status it_scatter_elements_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err);
intact_status it_scatter_elements_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out,
                                          intact_error *err);

#endif
