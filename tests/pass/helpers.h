/* SPDX-License-Identifier: Apache-2.0 */
/* helpers.h: small networks built in a line each, run before and after a pass. */
#ifndef IT_TEST_PASS_HELPERS_H
#define IT_TEST_PASS_HELPERS_H

#include "pass/pass.h"

typedef struct test_net {
    it_graph g;
    it_rng rng;
    int opset;
    int made; /* for names */
} test_net;

typedef void test_build(test_net *t);

void test_net_init(test_net *t, const intact_alloc *alloc);
void test_net_release(test_net *t);

/* A float input; dimension 0 is the batch. */
it_value *test_input(test_net *t, int rank, const int64_t *dim);
it_value *test_random(test_net *t, int rank, const int64_t *dim, float lo, float hi); /* a float constant */
it_value *test_floats(test_net *t, int rank, const int64_t *dim, const float *x);
it_value *test_ints(test_net *t, int len, const int64_t *x); /* int64, rank 1; len 0: a scalar of x[0] */
/* A node of one output. Inputs end with NULL; LEFT_OUT stands for one that is not given. attrs end with a nameless one, or NULL. */
it_value *test_node(test_net *t, const char *onnx, it_value *const *in, const it_attr *attrs);
void test_output(test_net *t, it_value *v);

extern it_value test_left_out;
#define LEFT_OUT (&test_left_out)
#define DIM(...) ((const int64_t[]){__VA_ARGS__})
#define RANK(...) (int)(sizeof((const int64_t[]){__VA_ARGS__}) / 8), DIM(__VA_ARGS__)
#define IN(...) ((it_value *const[]){__VA_ARGS__, NULL})
#define ATTRS(...) ((const it_attr[]){__VA_ARGS__, {.name = NULL}})
#define A_INT(n, v) {.name = (n), .kind = IT_ATTR_INT, .i = (v)}
#define A_FLOAT(n, v) {.name = (n), .kind = IT_ATTR_FLOAT, .f = (v)}
#define A_STR(n, v) {.name = (n), .kind = IT_ATTR_STRING, .s = (v)}
#define A_INTS(n, ...) {.name = (n), .kind = IT_ATTR_INTS, .ints = DIM(__VA_ARGS__), .len = sizeof((const int64_t[]){__VA_ARGS__}) / 8}

int test_count(const it_graph *g, const char *name); /* nodes of this ONNX or own name; all of them with NULL */
/* Runs at this batch on inputs that depend on seed alone; the outputs, end to end, in malloc memory. */
float *test_run(const it_graph *g, int64_t batch, uint64_t seed, size_t *len);
/* Largest difference over the largest magnitude. */
double test_difference(const float *a, const float *b, size_t len);
/* Builds, runs the pass (NULL: all of them), and compares outputs at batches 1 and 3. The changed network stays in t. */
void test_check(test_net *t, test_build *build, const it_pass *pass, size_t changes, int nodes);

#endif
