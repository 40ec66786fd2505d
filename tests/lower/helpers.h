/* SPDX-License-Identifier: Apache-2.0 */
/* Small networks, quantized by their own float ranges, lowered, run in integers and compared with the float executor. */
#ifndef LOWER_HELPERS_H
#define LOWER_HELPERS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <math.h>

#include <cmocka.h>

#include "exec/exec.h"
#include "data/feed.h"
#include "lower/build.h"

typedef struct net {
    it_graph g;
    it_rng rng;
    int opset, made;
    it_value *x, *y;       /* the one input, the one output */
    float *x_real;         /* what the codes stand for, ONNX order */
    void *x_codes;         /* runtime order */
    float *y_float, *y_int;/* ONNX order; y_int after run_integer */
    int64_t y_len;
    it_lower lw;
    it_prog prog;
    bool lowered;
    char note[512];        /* the first note */
    intact_error err;
} net;

#define DIM(...) (int)(sizeof((const int64_t[]){ __VA_ARGS__ }) / 8), (const int64_t[]){ __VA_ARGS__ }
#define IN(...) ((it_value *const[]){ __VA_ARGS__, NULL })
#define ATTRS(...) ((const it_attr[]){ __VA_ARGS__, { .name = NULL } })
#define A_INT(n, v) { .name = (n), .kind = IT_ATTR_INT, .i = (v) }
#define A_FLOAT(n, v) { .name = (n), .kind = IT_ATTR_FLOAT, .f = (v) }
#define A_INTS(n, l, v) { .name = (n), .kind = IT_ATTR_INTS, .ints = (v), .len = (size_t)(l) }

void net_init(net *t, uint64_t seed);
void net_free(net *t);
float net_uniform(net *t, float lo, float hi);
it_value *net_input(net *t, intact_type type, float lo, float hi, int rank, const int64_t *dim);
it_value *net_const(net *t, int rank, const int64_t *dim, float lo, float hi); /* float, not quantized */
it_value *net_shape(net *t, int rank, const int64_t *dim);                     /* the dims as an int64 constant */
it_value *net_weight(net *t, int rank, const int64_t *dim, int axis);          /* random codes, a scale per channel; data = scale * code */
it_value *net_node(net *t, const char *onnx, it_value *const *in, const it_attr *attrs);
it_quant *net_quant(net *t, intact_type type, float lo, float hi);

/* Sets the output, infers, runs in float; gives every value without parameters those of its range (its input's where the operator says so). */
void net_measure(net *t, it_value *y, intact_type type);
intact_status net_lower(net *t, const intact_alloc *alloc);
int net_count(const net *t, const it_instr *kind);
/* Lowers, packs and runs; expects every output within steps * its scale of the float result, which is first clamped to what codes can say. */
void net_check(net *t, double steps);
void net_check_near(net *t, double steps, double rel);

/* A data set made of the net's one sample: turned, and ever smaller. */
typedef struct net_data { it_dataset d; it_feed f; it_pool *pool; } net_data;
void net_data_open(net_data *s, net *t, size_t samples, uint32_t threads);
void net_data_close(net_data *s);

/* Lowers, writes, loads at that level and runs the one sample: output 0's codes in runtime order, two bytes an element at most. */
void net_codes(net *t, intact_cpu cpu, uint32_t threads, void *out);

#endif
