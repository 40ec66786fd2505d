/* SPDX-License-Identifier: Apache-2.0 */
/* test_fold.c: the folding passes, each on its own: the outputs stay, the nodes go, at batches 1 and 3. */
#include "pass/helpers.h"

#include <math.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "train/train.h"

#define CHECK(build, pass, changes, nodes)                          \
    do {                                                            \
        test_net check_;                                            \
        test_check(&check_, build, &it_pass_##pass, changes, nodes);\
        test_net_release(&check_);                                  \
    } while (0)

/* ---- shape arithmetic ---- */

/* x.view(x.size(0), -1), as exporters write it. */
static void view_batch(test_net *t)
{
    it_value *x = test_input(t, RANK(-1, 2, 3, 4));
    it_value *shape = test_node(t, "Shape", IN(x), NULL);
    it_value *batch = test_node(t, "Gather", IN(shape, test_ints(t, 0, DIM(0))), ATTRS(A_INT("axis", 0)));
    it_value *one = test_node(t, "Unsqueeze", IN(batch, test_ints(t, 1, DIM(0))), NULL);
    it_value *target = test_node(t, "Concat", IN(one, test_ints(t, 1, DIM(-1))), ATTRS(A_INT("axis", 0)));
    test_output(t, test_node(t, "Relu", IN(test_node(t, "Reshape", IN(x, target), NULL)), NULL));
}

/* The batch behind a -1: neither place may be open twice. */
static void view_batch_last(test_net *t)
{
    it_value *x = test_input(t, RANK(-1, 6));
    it_value *shape = test_node(t, "Shape", IN(x), NULL);
    it_value *batch = test_node(t, "Slice", IN(shape, test_ints(t, 1, DIM(0)), test_ints(t, 1, DIM(1))), NULL);
    it_value *target = test_node(t, "Concat", IN(test_ints(t, 1, DIM(2)), batch, test_ints(t, 1, DIM(3))), ATTRS(A_INT("axis", 0)));
    test_output(t, test_node(t, "Relu", IN(test_node(t, "Reshape", IN(x, target), NULL)), NULL));
}

/* Channels read off the shape do not depend on the batch. */
static void channels_of_shape(test_net *t)
{
    it_value *x = test_input(t, RANK(-1, 4, 2, 2));
    it_value *c = test_node(t, "Gather", IN(test_node(t, "Shape", IN(x), NULL), test_ints(t, 1, DIM(1))), NULL);
    it_value *target = test_node(t, "Concat", IN(test_ints(t, 1, DIM(-1)), c, test_ints(t, 1, DIM(4))), ATTRS(A_INT("axis", 0)));
    test_output(t, test_node(t, "Relu", IN(test_node(t, "Reshape", IN(x, target), NULL)), NULL));
}

static void large_constants(test_net *t)
{
    it_value *x = test_input(t, RANK(-1, 70, 80));
    it_value *c = test_node(t, "Transpose", IN(test_random(t, RANK(80, 70), -1, 1)), ATTRS(A_INTS("perm", 1, 0)));
    c = test_node(t, "Relu", IN(test_node(t, "Add", IN(c, test_random(t, RANK(80), -1, 1)), NULL)), NULL);
    test_output(t, test_node(t, "Mul", IN(x, c), NULL));
}

static void one_sample_only(test_net *t)
{
    it_value *x = test_input(t, RANK(1, 3, 4));
    test_output(t, test_node(t, "Reshape", IN(x, test_ints(t, 2, DIM(1, -1))), NULL));
}

static void shapes_fold(void **state)
{
    (void)state;
    test_net t;
    CHECK(view_batch, free_batch, 1, 6);
    CHECK(view_batch, fold_constants, 0, 6); /* at batch 1 all is known, yet nothing may be folded */
    test_check(&t, view_batch, NULL, 0, 2);
    assert_int_equal(it_tensor_get_int(&t.g.nodes.items[0]->in[1]->t, 0), 0);
    assert_int_equal(it_tensor_get_int(&t.g.nodes.items[0]->in[1]->t, 1), -1);
    test_net_release(&t);
    test_check(&t, view_batch_last, NULL, 0, 2);
    assert_int_equal(it_tensor_get_int(&t.g.nodes.items[0]->in[1]->t, 1), -1);
    test_net_release(&t);
    CHECK(channels_of_shape, fold_constants, 2, 3); /* Gather and Concat; Shape has no reader any more */
    test_check(&t, channels_of_shape, NULL, 0, 2);
    test_net_release(&t);
    CHECK(large_constants, fold_constants, 3, 1);
}

/* A network written for one sample runs eight afterwards. */
static void one_sample_becomes_many(void **state)
{
    (void)state;
    test_net t;
    intact_error err;
    size_t len, changes = 0;
    test_net_init(&t, NULL);
    one_sample_only(&t);
    assert_int_equal(it_graph_infer(&t.g, 1, NULL, &err), INTACT_OK);
    assert_int_equal(it_pass_free_batch.run(&t.g, &changes, &err), INTACT_OK);
    assert_int_equal(changes, 1);
    float *y = test_run(&t.g, 8, 1, &len);
    assert_int_equal(len, 96);
    const it_value *out = t.g.outputs.items[0];
    assert_true(out->t.rank == 2);
    free(y);
    test_net_release(&t);
}

/* ---- identities ---- */

static void identities(test_net *t)
{
    it_value *x = test_input(t, RANK(-1, 4, 6, 6)), *v = test_node(t, "Relu", IN(x), NULL);
    v = test_node(t, "Identity", IN(v), NULL);
    v = test_node(t, "Dropout", IN(v), NULL);
    v = test_node(t, "Cast", IN(v), ATTRS(A_INT("to", 1)));
    v = test_node(t, "Reshape", IN(v, test_ints(t, 4, DIM(-1, 4, 6, 6))), NULL);
    v = test_node(t, "Transpose", IN(v), ATTRS(A_INTS("perm", 0, 1, 2, 3)));
    v = test_node(t, "Pad", IN(v, test_ints(t, 8, DIM(0, 0, 0, 0, 0, 0, 0, 0))), NULL);
    v = test_node(t, "Slice", IN(v, test_ints(t, 1, DIM(0)), test_ints(t, 1, DIM(INT64_MAX)), test_ints(t, 1, DIM(2))), NULL);
    v = test_node(t, "Concat", IN(v), ATTRS(A_INT("axis", 1)));
    v = test_node(t, "Mul", IN(test_floats(t, RANK(1), (float[]){1}), v), NULL);
    v = test_node(t, "Add", IN(v, test_floats(t, RANK(4, 1, 1), (float[4]){0})), NULL);
    v = test_node(t, "Sub", IN(v, test_floats(t, RANK(1), (float[]){0})), NULL);
    v = test_node(t, "Div", IN(v, test_floats(t, RANK(1), (float[]){1})), NULL);
    v = test_node(t, "AveragePool", IN(v), ATTRS(A_INTS("kernel_shape", 1, 1)));
    v = test_node(t, "Resize", IN(v, LEFT_OUT, test_floats(t, RANK(4), (float[]){1, 1, 1, 1})), NULL);
    v = test_node(t, "Clip", IN(v), NULL);
    test_output(t, test_node(t, "Identity", IN(v), NULL));
}

/* Each of these does something, if not always at batch 1. */
static void not_identities(test_net *t)
{
    it_value *x = test_input(t, RANK(-1, 4, 6, 6)), *v = test_node(t, "Transpose", IN(x), ATTRS(A_INTS("perm", 0, 1, 3, 2)));
    v = test_node(t, "Slice", IN(v, test_ints(t, 1, DIM(-1)), test_ints(t, 1, DIM(INT64_MIN)), test_ints(t, 1, DIM(2)),
                                test_ints(t, 1, DIM(-1))), NULL);
    v = test_node(t, "Sub", IN(test_floats(t, RANK(1), (float[]){0}), v), NULL);
    v = test_node(t, "Mul", IN(v, test_floats(t, RANK(2, 1, 1, 1, 1), (float[]){1, 1})), NULL);
    v = test_node(t, "ReduceSum", IN(v, test_ints(t, 1, DIM(0))), ATTRS(A_INT("keepdims", 0)));
    v = test_node(t, "AveragePool", IN(v), ATTRS(A_INTS("kernel_shape", 3, 3), A_INTS("pads", 1, 1, 1, 1)));
    test_output(t, v);
}

/* (batch, 1, 4) and (1, batch, 4) are the same at batch 1 only. */
static void swaps_at_other_batches(test_net *t)
{
    it_value *x = test_input(t, RANK(-1, 1, 4));
    it_value *v = test_node(t, "Reshape", IN(test_node(t, "Relu", IN(x), NULL), test_ints(t, 3, DIM(1, -1, 4))), NULL);
    test_output(t, test_node(t, "Softmax", IN(v), ATTRS(A_INT("axis", 1))));
}

static void in_to_out(test_net *t) { test_output(t, test_node(t, "Identity", IN(test_input(t, RANK(-1, 4))), NULL)); }

/* A bias that begins with 0, a scale with 1. */
static void begins_neutral(test_net *t)
{
    it_value *x = test_input(t, RANK(-1, 3, 4, 4)), *v = test_node(t, "Conv", IN(x, test_random(t, RANK(2, 3, 1, 1), -1, 1)), NULL);
    v = test_node(t, "Add", IN(v, test_floats(t, RANK(2, 1, 1), (float[]){0, 0})), NULL);
    v = test_node(t, "Mul", IN(test_node(t, "Identity", IN(v), NULL), test_floats(t, RANK(2, 1, 1), (float[]){1, 1})), NULL);
    v = test_node(t, "Flatten", IN(test_node(t, "GlobalAveragePool", IN(v), NULL)), NULL);
    test_output(t, v);
}

/* They are still there to learn, and do. */
static void neutral_constants_learn(void **state)
{
    test_net t;
    it_pool *pool;
    it_train *train;
    it_train_result r;
    intact_error err = {.code = INTACT_OK};
    size_t len, changes = 0;
    float x[4 * 3 * 4 * 4];
    (void)state;
    CHECK(begins_neutral, fold_identities, 3, 3);
    CHECK(begins_neutral, fold_moves, 1, 5);
    test_net_init(&t, NULL);
    begins_neutral(&t);
    assert_int_equal(it_graph_infer(&t.g, 1, NULL, &err), INTACT_OK);
    assert_int_equal(it_pass_fold_moves.run(&t.g, &changes, &err), INTACT_OK);
    assert_int_equal(it_graph_sort(&t.g, &err), INTACT_OK);
    assert_int_equal(it_graph_infer(&t.g, 1, NULL, &err), INTACT_OK);
    assert_int_equal(it_pool_new(NULL, 1, &pool, &err), INTACT_OK);
    const it_train_options o = {.batch = 4, .pool = pool, .loss.loss = &it_loss_cross_entropy, .optimizer.optimizer = &it_optimizer_sgd};
    assert_int_equal(it_train_new(&t.g, &o, &train, &err), INTACT_OK);
    for (size_t i = 0; i < IT_LEN(x); i++) x[i] = (float)(i % 7) - 2;
    const void *in[] = {x};
    assert_int_equal(it_train_step(train, &(it_train_batch){.len = 4, .in = in, .label = (int32_t[]){0, 1, 0, 0}}, 0.1, &r, &err), INTACT_OK);
    const it_train_param *p = it_train_params(train, &len);
    assert_int_equal(len, 3);
    for (size_t i = 1; i < len; i++)
        for (size_t k = 0; k < 2; k++) assert_true(p[i].w[k] != (i == 1 ? 0.f : 1.f));
    it_train_free(train);
    it_pool_free(pool);
    test_net_release(&t);
}

static void identities_go(void **state)
{
    (void)state;
    CHECK(identities, fold_identities, 16, 1);
    CHECK(not_identities, fold_identities, 0, 6);
    CHECK(swaps_at_other_batches, fold_identities, 0, 3);
    CHECK(in_to_out, fold_identities, 0, 1);
}

/* ---- per-channel maps ---- */

static it_value *batchnorm(test_net *t, it_value *x, int64_t channels)
{
    return test_node(t, "BatchNormalization",
                     IN(x, test_random(t, 1, &channels, 0.3f, 2), test_random(t, 1, &channels, -1, 1), test_random(t, 1, &channels, -1, 1),
                        test_random(t, 1, &channels, 0.2f, 3)),
                     ATTRS(A_FLOAT("epsilon", 1e-3f)));
}

static void bn_conv(test_net *t)
{
    it_value *x = test_input(t, RANK(-1, 4, 7, 7));
    it_value *v = test_node(t, "Conv", IN(x, test_random(t, RANK(6, 2, 3, 3), -1, 1)),
                            ATTRS(A_INT("group", 2), A_INTS("pads", 1, 1, 1, 1)));
    v = batchnorm(t, v, 6);
    v = test_node(t, "Conv", IN(v, test_random(t, RANK(5, 6, 1, 1), -1, 1), test_random(t, RANK(5), -1, 1)), NULL);
    v = batchnorm(t, v, 5);
    v = test_node(t, "ConvTranspose", IN(v, test_random(t, RANK(5, 3, 2, 2), -1, 1), test_random(t, RANK(3), -1, 1)),
                  ATTRS(A_INTS("strides", 2, 2)));
    v = batchnorm(t, v, 3);
    v = test_node(t, "Conv", IN(v, test_random(t, RANK(4, 3, 1, 1), -1, 1)), NULL);
    v = test_node(t, "ConvTranspose", IN(v, test_random(t, RANK(4, 3, 2, 2), -1, 1)), ATTRS(A_INT("group", 2)));
    test_output(t, batchnorm(t, v, 6));
}

static void bn_gemm(test_net *t)
{
    it_value *x = test_input(t, RANK(-1, 5));
    it_value *v = test_node(t, "Gemm", IN(x, test_random(t, RANK(5, 7), -1, 1), test_random(t, RANK(1, 7), -1, 1)),
                            ATTRS(A_FLOAT("alpha", 0.5f), A_FLOAT("beta", 3)));
    v = batchnorm(t, v, 7);
    v = test_node(t, "Gemm", IN(v, test_random(t, RANK(6, 7), -1, 1)), ATTRS(A_INT("transB", 1)));
    test_output(t, batchnorm(t, v, 6));
}

static void bn_stays(test_net *t) /* first in line, after something else, or after a layer that others read too */
{
    it_value *x = batchnorm(t, test_input(t, RANK(-1, 4, 5, 5)), 4);
    it_value *v = test_node(t, "Conv", IN(x, test_random(t, RANK(4, 4, 1, 1), -1, 1)), NULL);
    it_value *r = test_node(t, "Relu", IN(v), NULL);
    test_output(t, test_node(t, "Add", IN(batchnorm(t, v, 4), batchnorm(t, r, 4)), NULL));
}

static void arithmetic(test_net *t)
{
    it_value *x = test_input(t, RANK(-1, 3, 5, 5));
    it_value *v = test_node(t, "Conv", IN(x, test_random(t, RANK(4, 3, 3, 3), -1, 1)), NULL);
    v = test_node(t, "Mul", IN(v, test_random(t, RANK(4, 1, 1), -1, 1)), NULL);
    v = test_node(t, "Add", IN(test_random(t, RANK(1, 4, 1, 1), -1, 1), v), NULL);
    v = test_node(t, "Sub", IN(v, test_random(t, RANK(1), -1, 1)), NULL);
    v = test_node(t, "Sub", IN(test_random(t, RANK(4, 1, 1), -1, 1), v), NULL);
    v = test_node(t, "Div", IN(v, test_random(t, RANK(4, 1, 1), 1, 3)), NULL);
    test_output(t, v);
}

static void arithmetic_stays(test_net *t) /* along width; a new rank; divided by; between two layers */
{
    it_value *x = test_input(t, RANK(-1, 3, 4, 4)), *w = test_random(t, RANK(4, 3, 1, 1), -1, 1);
    it_value *a = test_node(t, "Mul", IN(test_node(t, "Conv", IN(x, w), NULL), test_random(t, RANK(4), -1, 1)), NULL);
    it_value *b = test_node(t, "Add", IN(test_node(t, "Conv", IN(x, w), NULL), test_random(t, RANK(1, 1, 1, 1, 1), -1, 1)), NULL);
    it_value *c = test_node(t, "Add", IN(test_node(t, "Conv", IN(x, w), NULL), test_node(t, "Conv", IN(x, w), NULL)), NULL);
    test_output(t, a);
    test_output(t, b);
    test_output(t, c);
}

static void matmul_add(test_net *t)
{
    it_value *x = test_input(t, RANK(-1, 6));
    it_value *v = test_node(t, "MatMul", IN(x, test_random(t, RANK(6, 5), -1, 1)), NULL);
    v = test_node(t, "Add", IN(test_random(t, RANK(5), -1, 1), v), NULL);
    v = test_node(t, "Relu", IN(v), NULL);
    v = test_node(t, "MatMul", IN(v, test_random(t, RANK(5, 4), -1, 1)), NULL);
    test_output(t, test_node(t, "Add", IN(v, test_random(t, RANK(1, 4), -1, 1)), NULL));
}

/* A gate: (clip(x + 3, 0, 6)) / 6 after a layer folds into weights, bias and clamp. */
static void hard_gate(test_net *t)
{
    it_value *x = test_input(t, RANK(-1, 3, 4, 4));
    it_value *v = test_node(t, "Conv", IN(x, test_random(t, RANK(4, 3, 1, 1), -1, 1)), NULL);
    v = test_node(t, "Add", IN(v, test_floats(t, 0, NULL, (float[]){3})), NULL);
    v = test_node(t, "Clip", IN(v, test_floats(t, 0, NULL, (float[]){0}), test_floats(t, 0, NULL, (float[]){6})), NULL);
    test_output(t, test_node(t, "Div", IN(v, test_floats(t, 0, NULL, (float[]){6})), NULL));
}

static void maps_fold(void **state)
{
    (void)state;
    test_net t;
    CHECK(bn_conv, fold_batchnorm, 4, 5);
    CHECK(bn_gemm, fold_batchnorm, 2, 2);
    CHECK(bn_stays, fold_batchnorm, 0, 6);
    CHECK(arithmetic, fold_batchnorm, 5, 1);
    CHECK(arithmetic_stays, fold_batchnorm, 0, 7);
    CHECK(matmul_add, fuse_matmul, 2, 5);
    test_check(&t, matmul_add, NULL, 0, 2);
    assert_int_equal(test_count(&t.g, "Gemm"), 2);
    test_net_release(&t);
    test_check(&t, hard_gate, NULL, 0, 1);
    assert_true(t.g.nodes.items[0]->clamp_lo == 0.0f && fabsf(t.g.nodes.items[0]->clamp_hi - 1.0f) < 1e-6f);
    test_net_release(&t);
}

/* ---- padding ---- */

static void pads_fold_in(test_net *t)
{
    it_value *x = test_input(t, RANK(-1, 2, 6, 6));
    it_value *v = test_node(t, "Pad", IN(x, test_ints(t, 8, DIM(0, 0, 0, 1, 0, 0, 1, 2))), NULL);
    v = test_node(t, "Conv", IN(v, test_random(t, RANK(3, 2, 3, 3), -1, 1)), ATTRS(A_INTS("pads", 1, 0, 1, 0), A_INTS("strides", 2, 2)));
    v = test_node(t, "Pad", IN(v, test_ints(t, 8, DIM(0, 0, 1, 1, 0, 0, 1, 1)), test_floats(t, 0, NULL, (float[]){0})), NULL);
    v = test_node(t, "AveragePool", IN(v), ATTRS(A_INTS("kernel_shape", 3, 3)));
    v = test_node(t, "Pad", IN(v, test_ints(t, 8, DIM(0, 0, 1, 1, 0, 0, 0, 0))), NULL);
    v = test_node(t, "AveragePool", IN(v), ATTRS(A_INTS("kernel_shape", 3, 3), A_INT("count_include_pad", 1), A_INTS("pads", 0, 0, 1, 1)));
    v = test_node(t, "Pad", IN(v, test_ints(t, 8, DIM(0, 0, 1, 1, 0, 0, 1, 1))), NULL);
    test_output(t, test_node(t, "Conv", IN(v, test_random(t, RANK(3, 3, 2, 2), -1, 1)), ATTRS(A_STR("auto_pad", "VALID"))));
}

static void pads_stay(test_net *t)
{
    it_value *x = test_input(t, RANK(-1, 2, 6, 6)), *w = test_random(t, RANK(2, 2, 2, 2), -1, 1);
    it_value *around = test_ints(t, 8, DIM(0, 0, 1, 1, 0, 0, 1, 1)), *half = test_floats(t, 0, NULL, (float[]){0.5f});
    it_value *v = test_node(t, "Conv", IN(test_node(t, "Pad", IN(x, around, half), NULL), w), NULL); /* not zeros */
    v = test_node(t, "MaxPool", IN(test_node(t, "Pad", IN(v, around), NULL)), ATTRS(A_INTS("kernel_shape", 2, 2))); /* ignores its own */
    v = test_node(t, "Conv", IN(test_node(t, "Pad", IN(v, around), ATTRS(A_STR("mode", "reflect"))), w), NULL);
    v = test_node(t, "AveragePool", IN(test_node(t, "Pad", IN(v, around), NULL)),
                  ATTRS(A_INTS("kernel_shape", 3, 3), A_INTS("pads", 1, 1, 1, 1))); /* two ways of counting */
    it_value *channels = test_node(t, "Pad", IN(v, test_ints(t, 8, DIM(0, 1, 0, 0, 0, 0, 0, 0))), NULL);
    v = test_node(t, "Conv", IN(channels, test_random(t, RANK(2, 3, 1, 1), -1, 1)), NULL);
    it_value *twice = test_node(t, "Pad", IN(v, around), NULL);
    test_output(t, test_node(t, "Conv", IN(twice, w), NULL));
    test_output(t, test_node(t, "Relu", IN(twice), NULL));
}

static void pads_fold(void **state)
{
    (void)state;
    CHECK(pads_fold_in, fold_pad, 4, 4);
    CHECK(pads_stay, fold_pad, 0, 13);
}

/* ---- leftovers ---- */

static void dead(test_net *t)
{
    it_value *x = test_input(t, RANK(-1, 4)), *v = test_node(t, "Relu", IN(x), NULL);
    test_node(t, "Add", IN(test_node(t, "Sigmoid", IN(v), NULL), test_random(t, RANK(4), 0, 1)), NULL);
    test_output(t, v);
}

static void leftovers_go(void **state)
{
    (void)state;
    CHECK(dead, drop_dead, 3, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes_fold), cmocka_unit_test(one_sample_becomes_many), cmocka_unit_test(identities_go), cmocka_unit_test(neutral_constants_learn),
        cmocka_unit_test(maps_fold),   cmocka_unit_test(pads_fold),               cmocka_unit_test(leftovers_go),
    };
    return cmocka_run_group_tests_name("fold", tests, NULL, NULL);
}
