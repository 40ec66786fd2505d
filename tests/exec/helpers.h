/* SPDX-License-Identifier: Apache-2.0 */
/* helpers.h: graphs made by hand for the executor's tests. */
#ifndef IT_TESTS_EXEC_H
#define IT_TESTS_EXEC_H

#include "exec/exec.h"

it_value *add_input(it_graph *g, const char *name, it_type type, int rank, const int64_t *declared);
void add_output(it_graph *g, it_value *v);
it_value *add_const(it_graph *g, const char *name, it_type type, int rank, const int64_t *dim, const double *v);
/* A node named after its first output; inputs end in NULL. Returns the output's value. NULL when memory is out. */
it_value *add_node(it_graph *g, const char *onnx, const char *name, it_value *const *in, int in_len, const it_attr *attrs, int attrs_len);
it_value *add_unary(it_graph *g, const char *onnx, const char *name, it_value *x);
it_value *add_binary(it_graph *g, const char *onnx, const char *name, it_value *a, it_value *b);

typedef struct counting { long calls, fail_at, live; } counting; /* fails at the given call (and only there) */
intact_alloc counting_alloc(counting *c);

#endif
