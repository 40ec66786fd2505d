/* SPDX-License-Identifier: Apache-2.0 */
/* test_fuse.c: the fusing passes, each on its own, and all passes when memory runs out. */
#include "pass/helpers.h"

#include <math.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static it_value *number(test_net *t, float x) { return test_floats(t, 0, NULL, &x); }
static it_value *source(test_net *t) { return test_node(t, "Neg", IN(test_input(t, RANK(-1, 3, 4, 4))), NULL); }

static void check_one(test_build *build, const it_pass *pass, const char *op, int nodes)
{
    test_net t;
    test_check(&t, build, pass, 1, nodes);
    assert_int_equal(test_count(&t.g, op), 1);
    test_net_release(&t);
    test_check(&t, build, NULL, 0, 2); /* all passes: Neg and the activation */
    assert_int_equal(test_count(&t.g, op), 1);
    test_net_release(&t);
}

static void swish(test_net *t)
{
    it_value *x = source(t);
    test_output(t, test_node(t, "Mul", IN(test_node(t, "Sigmoid", IN(x), NULL), x), NULL));
}

static void hard_swish_node(test_net *t)
{
    it_value *x = source(t);
    it_value *s = test_node(t, "HardSigmoid", IN(x), ATTRS(A_FLOAT("alpha", 1.0f / 6.0f), A_FLOAT("beta", 0.5f)));
    test_output(t, test_node(t, "Mul", IN(x, s), NULL));
}

static void hard_swish_div(test_net *t)
{
    it_value *x = source(t);
    it_value *s = test_node(t, "Clip", IN(test_node(t, "Add", IN(x, number(t, 3)), NULL), number(t, 0), number(t, 6)), NULL);
    test_output(t, test_node(t, "Div", IN(test_node(t, "Mul", IN(x, s), NULL), number(t, 6)), NULL));
}

static void hard_swish_mul(test_net *t)
{
    it_value *x = source(t);
    it_value *s = test_node(t, "Clip", IN(test_node(t, "Add", IN(number(t, 3), x), NULL), number(t, 0), number(t, 6)), NULL);
    test_output(t, test_node(t, "Mul", IN(x, test_node(t, "Mul", IN(s, number(t, 1.0f / 6.0f)), NULL)), NULL));
}

static void mish(test_net *t)
{
    it_value *x = source(t);
    test_output(t, test_node(t, "Mul", IN(x, test_node(t, "Tanh", IN(test_node(t, "Softplus", IN(x), NULL)), NULL)), NULL));
}

static void gelu(test_net *t)
{
    it_value *x = source(t);
    it_value *e = test_node(t, "Erf", IN(test_node(t, "Div", IN(x, number(t, 1.41421356f)), NULL)), NULL);
    it_value *one = test_node(t, "Add", IN(e, number(t, 1)), NULL);
    test_output(t, test_node(t, "Mul", IN(test_node(t, "Mul", IN(x, one), NULL), number(t, 0.5f)), NULL));
}

static void gelu_half_first(test_net *t)
{
    it_value *x = source(t);
    it_value *e = test_node(t, "Erf", IN(test_node(t, "Mul", IN(number(t, 0.70710678f), x), NULL)), NULL);
    it_value *one = test_node(t, "Add", IN(number(t, 1), e), NULL);
    test_output(t, test_node(t, "Mul", IN(test_node(t, "Mul", IN(x, number(t, 0.5f)), NULL), one), NULL));
}

static void gelu_by_tanh(test_net *t, it_value *x, it_value *cube)
{
    cube = test_node(t, "Mul", IN(number(t, 0.044715f), cube), NULL);
    it_value *arg = test_node(t, "Mul", IN(number(t, 0.7978845608f), test_node(t, "Add", IN(x, cube), NULL)), NULL);
    it_value *one = test_node(t, "Add", IN(number(t, 1), test_node(t, "Tanh", IN(arg), NULL)), NULL);
    test_output(t, test_node(t, "Mul", IN(number(t, 0.5f), test_node(t, "Mul", IN(x, one), NULL)), NULL));
}

static void gelu_tanh(test_net *t)
{
    it_value *x = source(t);
    gelu_by_tanh(t, x, test_node(t, "Pow", IN(x, number(t, 3)), NULL));
}

static void gelu_tanh_product(test_net *t)
{
    it_value *x = source(t);
    gelu_by_tanh(t, x, test_node(t, "Mul", IN(x, test_node(t, "Mul", IN(x, x), NULL)), NULL));
}

/* x itself is a product. */
static void swish_of_product(test_net *t)
{
    it_value *x = test_input(t, RANK(-1, 3, 4, 4));
    x = test_node(t, "Mul", IN(x, x), NULL);
    test_output(t, test_node(t, "Mul", IN(x, test_node(t, "Sigmoid", IN(x), NULL)), NULL));
}

/* Near misses: other constants, another x, a higher rank, an inner value that is an output. */
static void not_swish(test_net *t)
{
    it_value *x = source(t), *z = test_node(t, "Abs", IN(x), NULL);
    it_value *s = test_node(t, "Sigmoid", IN(z), NULL);
    test_output(t, test_node(t, "Mul", IN(x, s), NULL));
    it_value *c = test_node(t, "Clip", IN(test_node(t, "Add", IN(x, number(t, 2)), NULL), number(t, 0), number(t, 6)), NULL);
    test_output(t, test_node(t, "Div", IN(test_node(t, "Mul", IN(x, c), NULL), number(t, 6)), NULL));
    it_value *d = test_node(t, "Clip", IN(test_node(t, "Add", IN(x, number(t, 3)), NULL), number(t, 0), number(t, 6)), NULL);
    test_output(t, test_node(t, "Mul", IN(x, d), NULL));
    it_value *h = test_node(t, "HardSigmoid", IN(x), NULL);
    test_output(t, test_node(t, "Mul", IN(x, h), NULL));
    gelu_by_tanh(t, x, test_node(t, "Pow", IN(x, number(t, 2)), NULL));
    gelu_by_tanh(t, x, test_node(t, "Pow", IN(z, number(t, 3)), NULL));
    gelu_by_tanh(t, x, test_node(t, "Mul", IN(x, x), NULL));
    it_value *deep = test_node(t, "Mul", IN(test_node(t, "Sigmoid", IN(x), NULL), test_floats(t, RANK(1, 1, 1, 1, 1), (float[]){1})), NULL);
    test_output(t, test_node(t, "Mul", IN(x, deep), NULL));
}

static void swish_fuses(void **state)
{
    (void)state;
    check_one(swish, &it_pass_fuse_swish, "swish", 3);
    check_one(hard_swish_node, &it_pass_fuse_swish, "hard_swish", 3);
    check_one(hard_swish_div, &it_pass_fuse_swish, "hard_swish", 5);
    check_one(hard_swish_mul, &it_pass_fuse_swish, "hard_swish", 5);
    check_one(mish, &it_pass_fuse_swish, "mish", 4);
    check_one(gelu, &it_pass_fuse_swish, "gelu", 6);
    check_one(gelu_half_first, &it_pass_fuse_swish, "gelu", 6);
    check_one(gelu_tanh, &it_pass_fuse_swish, "gelu", 9);
    check_one(gelu_tanh_product, &it_pass_fuse_swish, "gelu", 10);
    check_one(swish_of_product, &it_pass_fuse_swish, "swish", 3);
    test_net t;
    test_check(&t, not_swish, &it_pass_fuse_swish, 0, 13 + 3 * 8 + 3);
    test_net_release(&t);
}

static void clamps(test_net *t)
{
    it_value *x = test_input(t, RANK(-1, 3, 6, 6));
    it_value *v = test_node(t, "Conv", IN(x, test_random(t, RANK(4, 3, 3, 3), -1, 1)), NULL);
    v = test_node(t, "Relu", IN(v), NULL);
    v = test_node(t, "Clip", IN(v, LEFT_OUT, number(t, 6)), NULL);
    v = test_node(t, "Add", IN(v, test_random(t, RANK(4, 1, 1), -1, 1)), NULL);
    v = test_node(t, "Clip", IN(v, number(t, 0), number(t, 6)), NULL);
    v = test_node(t, "MaxPool", IN(v), ATTRS(A_INTS("kernel_shape", 2, 2)));
    v = test_node(t, "Clip", IN(v, number(t, 1), number(t, 2)), NULL);
    v = test_node(t, "Clip", IN(v, number(t, -3), number(t, 1.5f)), NULL);
    v = test_node(t, "AveragePool", IN(v), ATTRS(A_INTS("kernel_shape", 2, 2)));
    v = test_node(t, "Relu", IN(v), NULL);
    v = test_node(t, "Flatten", IN(v), NULL);
    v = test_node(t, "Gemm", IN(v, test_random(t, RANK(16, 5), -1, 1)), NULL);
    test_output(t, test_node(t, "Relu", IN(v), NULL));
}

static void disjoint(test_net *t)
{
    it_value *x = test_input(t, RANK(-1, 4));
    it_value *v = test_node(t, "Mul", IN(x, x), NULL);
    v = test_node(t, "Clip", IN(v, number(t, 0), number(t, 1)), NULL);
    test_output(t, test_node(t, "Clip", IN(v, number(t, 2), number(t, 3)), NULL));
}

static void clamps_stay(test_net *t) /* a node without clamp; two readers; an output; bounds that are computed */
{
    it_value *x = test_input(t, RANK(-1, 4)), *w = test_random(t, RANK(4, 4), -1, 1);
    test_output(t, test_node(t, "Relu", IN(test_node(t, "Sigmoid", IN(x), NULL)), NULL));
    it_value *v = test_node(t, "Gemm", IN(x, w), NULL);
    test_output(t, test_node(t, "Add", IN(test_node(t, "Relu", IN(v), NULL), test_node(t, "Neg", IN(v), NULL)), NULL));
    v = test_node(t, "Gemm", IN(x, w), NULL);
    test_output(t, v);
    test_output(t, test_node(t, "Relu", IN(v), NULL));
    it_value *top = test_node(t, "ReduceMax", IN(test_node(t, "Abs", IN(x), NULL)), ATTRS(A_INT("keepdims", 0)));
    test_output(t, test_node(t, "Clip", IN(test_node(t, "Gemm", IN(x, w), NULL), LEFT_OUT, top), NULL));
}

static void clamps_fuse(void **state)
{
    (void)state;
    test_net t;
    test_check(&t, clamps, &it_pass_fuse_clamp, 7, 6);
    const it_node *conv = t.g.nodes.items[0], *pool = t.g.nodes.items[2];
    assert_true(conv->clamp_lo == 0.0f && conv->clamp_hi == 6.0f && pool->clamp_lo == 1.0f && pool->clamp_hi == 1.5f);
    test_net_release(&t);
    test_check(&t, disjoint, &it_pass_fuse_clamp, 2, 1);
    test_net_release(&t);
    test_check(&t, clamps_stay, &it_pass_fuse_clamp, 0, 12);
    test_net_release(&t);
}

/* A little of everything: a residual block with BatchNormalization, padding, shape arithmetic, an activation, a dense layer. */
static void everything(test_net *t)
{
    int64_t c = 4;
    it_value *x = test_input(t, RANK(-1, 3, 8, 8));
    it_value *v = test_node(t, "Pad", IN(x, test_ints(t, 8, DIM(0, 0, 1, 1, 0, 0, 1, 1))), NULL);
    v = test_node(t, "Conv", IN(v, test_random(t, RANK(4, 3, 3, 3), -1, 1)), NULL);
    v = test_node(t, "BatchNormalization", IN(v, test_random(t, 1, &c, 0.5f, 1), test_random(t, 1, &c, -1, 1), test_random(t, 1, &c, -1, 1),
                                              test_random(t, 1, &c, 0.5f, 2)), NULL);
    it_value *r = test_node(t, "Identity", IN(test_node(t, "Relu", IN(v), NULL)), NULL);
    v = test_node(t, "Conv", IN(r, test_random(t, RANK(4, 4, 1, 1), -1, 1)), NULL);
    v = test_node(t, "Mul", IN(v, test_node(t, "Sigmoid", IN(v), NULL)), NULL);
    v = test_node(t, "Relu", IN(test_node(t, "Add", IN(v, r), NULL)), NULL);
    v = test_node(t, "GlobalAveragePool", IN(v), NULL);
    it_value *n = test_node(t, "Slice", IN(test_node(t, "Shape", IN(v), NULL), test_ints(t, 1, DIM(0)), test_ints(t, 1, DIM(1))), NULL);
    v = test_node(t, "Reshape", IN(v, test_node(t, "Concat", IN(n, test_ints(t, 1, DIM(-1))), ATTRS(A_INT("axis", 0)))), NULL);
    v = test_node(t, "MatMul", IN(v, test_random(t, RANK(4, 5), -1, 1)), NULL);
    test_output(t, test_node(t, "Add", IN(v, test_random(t, RANK(5), -1, 1)), NULL));
}

typedef struct counting { /* an allocator that fails once, and counts what is alive */
    long left, live;
} counting;

static void *counting_grow(void *user, void *ptr, size_t bytes_old, size_t bytes_new)
{
    counting *c = user;
    if (bytes_new > 0 && c->left-- == 0) return NULL;
    c->live += (bytes_new > 0) - (ptr != NULL);
    return it_alloc_libc.grow(it_alloc_libc.user, ptr, bytes_old, bytes_new);
}

static void survives_every_allocation_failing(void **state)
{
    (void)state;
    intact_status st = INTACT_E_NOMEM;
    long failures = 0;
    for (long at = 0; st == INTACT_E_NOMEM; at++) {
        counting c = {.left = -1};
        intact_alloc alloc = {counting_grow, &c};
        intact_error err;
        test_net t;
        test_net_init(&t, &alloc);
        everything(&t);
        assert_int_equal(it_graph_infer(&t.g, 1, NULL, &err), INTACT_OK);
        c.left = at;
        st = it_pass_all_run(&t.g, &err);
        failures += st == INTACT_E_NOMEM;
        assert_true(st == INTACT_OK || (st == INTACT_E_NOMEM && err.code == INTACT_E_NOMEM));
        c.left = -1;
        test_net_release(&t);
        assert_int_equal(c.live, 0);
    }
    assert_int_equal(st, INTACT_OK);
    assert_true(failures > 20);
}

static void everything_together(void **state)
{
    (void)state;
    test_net t;
    test_check(&t, everything, NULL, 0, 7); /* Conv, Conv, swish, Add, GlobalAveragePool, Reshape, Gemm */
    assert_int_equal(test_count(&t.g, "swish"), 1);
    assert_int_equal(test_count(&t.g, "Gemm"), 1);
    test_net_release(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(swish_fuses),
        cmocka_unit_test(clamps_fuse),
        cmocka_unit_test(everything_together),
        cmocka_unit_test(survives_every_allocation_failing),
    };
    return cmocka_run_group_tests_name("fuse", tests, NULL, NULL);
}
