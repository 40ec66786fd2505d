/* SPDX-License-Identifier: Apache-2.0 */
/* helpers.c: small networks built in a line each, run before and after a pass. */
#include "pass/helpers.h"

#include "exec/exec.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

it_value test_left_out;

#define OK(call)                                                                              \
    do {                                                                                      \
        if ((call) != INTACT_OK) fail_msg("%s: %s: %s", #call, err.where, err.message);       \
    } while (0)

void test_net_init(test_net *t, const intact_alloc *alloc)
{
    memset(t, 0, sizeof(*t));
    it_graph_init(&t->g, alloc);
    it_rng_seed(&t->rng, 7);
    t->opset = t->g.opset = 13;
}

void test_net_release(test_net *t) { it_graph_release(&t->g); }

static float uniform(it_rng *r, float lo, float hi) { return lo + (hi - lo) * (float)(it_rng_next(r) >> 40) * 0x1p-24f; }

static it_value *fresh(test_net *t, const char *what)
{
    char name[32];
    snprintf(name, sizeof(name), "%s%d", what, t->made++);
    it_value *v = it_graph_value(&t->g, name);
    assert_non_null(v);
    return v;
}

it_value *test_input(test_net *t, int rank, const int64_t *dim)
{
    it_value *v = fresh(t, "in");
    v->t = (it_tensor){.type = IT_F32, .rank = rank};
    v->is_input = true;
    v->declared_rank = rank;
    for (int k = 0; k < rank; k++) v->t.dim[k] = v->declared[k] = dim[k];
    assert_true(IT_VEC_ROOM(t->g.alloc, t->g.inputs));
    t->g.inputs.items[t->g.inputs.len++] = v;
    return v;
}

static it_value *constant(test_net *t, it_type type, int rank, const int64_t *dim, void *data)
{
    char name[32];
    it_tensor x = {.type = type, .rank = rank, .data = data};
    for (int k = 0; k < rank; k++) x.dim[k] = dim[k];
    snprintf(name, sizeof(name), "c%d", t->made++);
    it_value *v = it_graph_const(&t->g, name, &x);
    assert_non_null(v);
    return v;
}

it_value *test_floats(test_net *t, int rank, const int64_t *dim, const float *x)
{
    return constant(t, IT_F32, rank, dim, (void *)(uintptr_t)x);
}

it_value *test_ints(test_net *t, int len, const int64_t *x)
{
    int64_t dim = len;
    return constant(t, IT_I64, len ? 1 : 0, &dim, (void *)(uintptr_t)x);
}

it_value *test_random(test_net *t, int rank, const int64_t *dim, float lo, float hi)
{
    size_t len = 1;
    for (int k = 0; k < rank; k++) len *= (size_t)dim[k];
    float *x = malloc(len * sizeof(float));
    for (size_t i = 0; i < len; i++) x[i] = uniform(&t->rng, lo, hi);
    it_value *v = test_floats(t, rank, dim, x);
    free(x);
    return v;
}

it_value *test_node(test_net *t, const char *onnx, it_value *const *in, const it_attr *attrs)
{
    intact_error err = {0};
    int in_len = 0, attrs_len = 0;
    char name[48];
    const it_op *op = it_op_find(onnx, NULL, t->opset);
    if (!op) fail_msg("no operator %s", onnx);
    while (in[in_len]) in_len++;
    while (attrs && attrs[attrs_len].name) attrs_len++;
    snprintf(name, sizeof(name), "%s%d", onnx, t->made);
    it_node *n = it_graph_node(&t->g, name, op, in_len, 1);
    assert_non_null(n);
    for (int k = 0; k < in_len; k++) n->in[k] = in[k] == LEFT_OUT ? NULL : in[k];
    n->out[0] = fresh(t, "v");
    n->out[0]->producer = n;
    n->opset = t->opset;
    if (attrs_len) {
        it_attr *copy = it_arena_copy(&t->g.arena, attrs, sizeof(*copy) * (size_t)attrs_len);
        assert_non_null(copy);
        for (int i = 0; i < attrs_len; i++)
            if (copy[i].kind == IT_ATTR_INTS) copy[i].ints = it_arena_copy(&t->g.arena, copy[i].ints, copy[i].len * sizeof(int64_t));
        n->attrs = copy;
        n->attrs_len = attrs_len;
    }
    OK(it_node_parse(&t->g, n, &err));
    return n->out[0];
}

void test_output(test_net *t, it_value *v)
{
    v->is_output = true;
    assert_true(IT_VEC_ROOM(t->g.alloc, t->g.outputs));
    t->g.outputs.items[t->g.outputs.len++] = v;
}

int test_count(const it_graph *g, const char *name)
{
    int count = 0;
    for (size_t i = 0; i < g->nodes.len; i++) {
        const it_op *op = g->nodes.items[i]->op;
        count += !name || (op->onnx && strcmp(op->onnx, name) == 0) || strcmp(op->name, name) == 0;
    }
    return count;
}

float *test_run(const it_graph *g, int64_t batch, uint64_t seed, size_t *len)
{
    intact_error err = {0};
    it_rng r;
    it_exec *e = NULL;
    it_tensor in[4] = {{0}};
    float *y = NULL;
    it_rng_seed(&r, seed);
    assert_true(g->inputs.len <= IT_LEN(in));
    for (size_t i = 0; i < g->inputs.len; i++) {
        const it_value *v = g->inputs.items[i];
        in[i] = (it_tensor){.type = IT_F32, .rank = v->declared_rank};
        for (int k = 0; k < v->declared_rank; k++) in[i].dim[k] = k == 0 ? batch : v->declared[k];
        size_t n = (size_t)it_tensor_len(&in[i]);
        float *x = in[i].data = malloc(n * sizeof(float) + 1);
        for (size_t j = 0; j < n; j++) x[j] = uniform(&r, -3.0f, 3.0f);
    }
    OK(it_exec_new(g, NULL, &e, &err));
    OK(it_exec_run(e, in, g->inputs.len, &err));
    *len = 0;
    for (size_t i = 0; i < g->outputs.len; i++) {
        const it_tensor *t = it_exec_output(e, i);
        size_t n = (size_t)it_tensor_len(t);
        y = realloc(y, (*len + n) * sizeof(float) + 1);
        for (size_t j = 0; j < n; j++) y[*len + j] = (float)it_tensor_get(t, (int64_t)j);
        *len += n;
    }
    it_exec_free(e);
    for (size_t i = 0; i < g->inputs.len; i++) free(in[i].data);
    return y;
}

double test_difference(const float *a, const float *b, size_t len)
{
    double worst = 0.0, largest = 1e-20;
    for (size_t i = 0; i < len; i++) {
        assert_true(isfinite(a[i]) && isfinite(b[i]));
        worst = fmax(worst, fabs((double)a[i] - (double)b[i]));
        largest = fmax(largest, fabs((double)a[i]));
    }
    return worst / largest;
}

void test_check(test_net *t, test_build *build, const it_pass *pass, size_t changes, int nodes)
{
    intact_error err = {0};
    test_net before;
    test_net_init(&before, NULL);
    test_net_init(t, NULL);
    build(&before);
    build(t);
    OK(it_graph_infer(&before.g, 1, NULL, &err));
    OK(it_graph_infer(&t->g, 1, NULL, &err));
    OK(it_graph_verify(&t->g, &err));
    size_t done = 0;
    if (pass) {
        OK(pass->run(&t->g, &done, &err));
        if (done != changes) fail_msg("%s: %zu changes, there should be %zu", pass->name, done, changes);
    } else {
        OK(it_pass_all_run(&t->g, &err));
    }
    OK(it_graph_sort(&t->g, &err));
    OK(it_graph_verify(&t->g, &err));
    OK(it_graph_infer(&t->g, 1, NULL, &err));
    if (test_count(&t->g, NULL) != nodes) fail_msg("%d nodes are left, there should be %d", test_count(&t->g, NULL), nodes);
    for (int64_t batch = 1; batch <= 3; batch += 2) {
        size_t len_a, len_b;
        float *a = test_run(&before.g, batch, 11, &len_a), *b = test_run(&t->g, batch, 11, &len_b);
        assert_int_equal(len_a, len_b);
        double d = test_difference(a, b, len_a);
        if (d > 1e-5) fail_msg("outputs differ by %g at batch %d", d, (int)batch);
        free(a);
        free(b);
    }
    for (size_t i = 0; i < before.g.outputs.len; i++) assert_string_equal(before.g.outputs.items[i]->name, t->g.outputs.items[i]->name);
    test_net_release(&before);
}
