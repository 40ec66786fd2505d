/* SPDX-License-Identifier: Apache-2.0 */
/* Runs one operator on given tensors, outside any executor, and compares with what plain loops give. */
#ifndef OP_NN_HELPERS_H
#define OP_NN_HELPERS_H

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

typedef struct bench {
    it_graph g;
    it_node *n;
    it_tensor in[6], out[5];
    const it_tensor *in_ptr[6];
    it_tensor *out_ptr[5];
    it_arena keep; /* data of in and out */
    intact_error err;
    const intact_alloc *alloc; /* of the run; NULL: the C library */
} bench;

void bench_init(bench *b, const char *onnx, int opset);
void bench_free(bench *b);
it_tensor bench_tensor(bench *b, it_type type, int rank, const int64_t *dim); /* zeros */
it_tensor bench_random(bench *b, it_rng *r, it_type type, int rank, const int64_t *dim); /* -1..1, integers -9..9 or 0..9 */
it_tensor bench_nhwc(bench *b, const it_tensor *t); /* the same values in channels-last bytes */
double bench_at(const it_tensor *t, int64_t i);     /* element i in ONNX order, any layout */
it_attr attr_int(const char *name, int64_t v);
it_attr attr_float(const char *name, float v);
it_attr attr_str(const char *name, const char *v);
it_attr attr_ints(const char *name, const int64_t *v, size_t len);

/* Parses, infers, runs twice with one state. nhwc: input 0 and output 0 channels-last where they may be. */
intact_status bench_run(bench *b, const it_attr *attrs, int attrs_len, const it_tensor *in, int in_len, int out_len, bool nhwc, bool const_weights);

/* Runs on a fresh bench with each allocation failing in turn, until none does; make fills in and out lengths. */
typedef struct bench_case { const char *onnx; int opset, in_len, out_len, attrs_len; const it_attr *attrs; it_tensor in[6]; bool nhwc; } bench_case;
void expect_survives(const bench_case *c);

/* Every element within abs + rel * |want|; prints the first that is not. */
void expect_near(const it_tensor *got, const double *want, double rel, double abs);

static inline int64_t pick(it_rng *r, int64_t lo, int64_t hi) { return lo + (int64_t)it_rng_below(r, (uint64_t)(hi - lo + 1)); }

#endif
