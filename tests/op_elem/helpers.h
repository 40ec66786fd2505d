/* SPDX-License-Identifier: Apache-2.0 */
/* One operator on given tensors, without an executor. */
#ifndef OP_ELEM_HELPERS_H
#define OP_ELEM_HELPERS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <math.h>

#include <cmocka.h>

#include "op/op.h"

enum { RIG_IN = 9, RIG_OUT = 3, RIG_ATTRS = 8 };

typedef struct rig {
    it_graph g;
    it_arena keep; /* contents of in and out */
    it_node *n;
    it_attr attrs[RIG_ATTRS];
    int attrs_len;
    it_tensor in[RIG_IN], out[RIG_OUT];
    const it_tensor *in_ptr[RIG_IN];
    it_tensor *out_ptr[RIG_OUT];
    int in_len;
    const intact_alloc *alloc; /* of scratch memory */
    intact_error err;
} rig;

#define DIM(...)                                                                                                                           \
    (int)(sizeof((const int64_t[]){__VA_ARGS__}) / 8), (const int64_t[]) { __VA_ARGS__ }
#define SCALAR 0, NULL
#define VALUES(...) ((const double[]){__VA_ARGS__})

void rig_init(rig *r, const char *onnx, int opset); /* onnx: the ONNX name, or our own operator's */
void rig_free(rig *r);
void rig_int(rig *r, const char *name, int64_t v);
void rig_float(rig *r, const char *name, double v);
void rig_text(rig *r, const char *name, const char *v);
void rig_ints(rig *r, const char *name, const int64_t *v, size_t len);
/* The next input. values NULL: zeros; data may be filled afterwards. */
it_tensor *rig_in(rig *r, it_type type, int rank, const int64_t *dim, const double *values);
it_tensor *rig_random(rig *r, it_rng *rng, it_type type, int rank, const int64_t *dim, double lo, double hi);
void rig_skip(rig *r); /* the next input is left out */
/* Parses, infers and runs; input 0's layout is the outputs' too. */
intact_status rig_try(rig *r, int out_len);
void rig_run(rig *r, int out_len); /* must succeed */
void rig_expect_fail(rig *r, int out_len, intact_status code, const char *says);
/* Turns a rank-4 float input into channels-last bytes. */
void rig_nhwc(rig *r, int k);
double rig_at(const it_tensor *t, int64_t i); /* element i in ONNX order, any layout */
void rig_expect(const it_tensor *t, double rel, int rank, const int64_t *dim, const double *want);

#endif
