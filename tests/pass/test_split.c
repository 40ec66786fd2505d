/* SPDX-License-Identifier: Apache-2.0 */
/* test_split.c: streams that layers read with parameters of their own, copies of networks, and normalization folded into weights that have codes. */
#include "pass/helpers.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static bool is_conv(void *user, const it_node *n)
{
    (void)user;
    return strcmp(n->op->onnx, "Conv") == 0;
}

static void infer(it_graph *g)
{
    intact_error err = { 0 };
    if (it_graph_infer(g, 1, NULL, &err) != INTACT_OK) fail_msg("%s: %s", err.where, err.message);
}

static it_value *conv(test_net *t, it_value *x, int64_t in, int64_t out) { return test_node(t, "Conv", IN(x, test_random(t, RANK(out, in, 1, 1), -1, 1)), NULL); }

/* x -> conv a; x -> max pool -> conv b; x + x: the two layers read requantized values, the pool and the sum what was there. */
static void splits_streams(void **state)
{
    test_net t;
    intact_error err = { 0 };
    size_t changes = 0;
    (void)state;
    test_net_init(&t, NULL);
    it_value *x = test_node(&t, "Relu", IN(test_input(&t, RANK(1, 4, 6, 6))), NULL);
    it_value *a = conv(&t, x, 4, 4), *pool = test_node(&t, "MaxPool", IN(x), ATTRS(A_INTS("kernel_shape", 2, 2))), *b = conv(&t, pool, 4, 4);
    it_value *sum = test_node(&t, "Add", IN(x, a), NULL), *only = conv(&t, test_node(&t, "Relu", IN(sum), NULL), 4, 2);
    test_output(&t, b);
    test_output(&t, only);
    infer(&t.g);
    assert_int_equal(it_pass_split_streams(&t.g, is_conv, NULL, &changes, &err), INTACT_OK);
    assert_int_equal(changes, 2);
    assert_int_equal(it_graph_verify(&t.g, &err), INTACT_OK);
    assert_ptr_equal(a->producer->in[0]->producer->op, &it_op_requantize);
    assert_ptr_equal(a->producer->in[0]->producer->in[0], x);
    assert_ptr_equal(b->producer->in[0]->producer->in[0], pool);
    assert_ptr_equal(pool->producer->in[0], x);
    assert_ptr_equal(sum->producer->in[0], x);
    assert_true(only->producer->in[0]->producer->op != &it_op_requantize); /* its one reader wants few bits: nothing to split */
    infer(&t.g);
    /* folding identities undoes it; the names come back with it */
    changes = 0;
    assert_int_equal(it_pass_fold_identities.run(&t.g, &changes, &err), INTACT_OK);
    assert_int_equal(changes, 2);
    assert_ptr_equal(a->producer->in[0], x);
    changes = 0;
    assert_int_equal(it_pass_split_streams(&t.g, is_conv, NULL, &changes, &err), INTACT_OK);
    assert_int_equal(changes, 2);
    assert_int_equal(it_graph_verify(&t.g, &err), INTACT_OK);
    test_net_release(&t);
}

static it_quant *coded(test_net *t, it_value *w, int64_t channels)
{
    it_quant *q = it_arena_new(&t->g.arena, sizeof *q);
    const int64_t len = it_tensor_len(&w->t);
    int8_t *codes = it_arena_new(&t->g.arena, (size_t)len);
    *q = (it_quant){ .type = INTACT_S8, .bits = 4, .axis = 0, .len = channels, .codes = codes };
    q->scale = it_arena_new(&t->g.arena, (size_t)channels * sizeof *q->scale);
    q->zero = it_arena_new(&t->g.arena, (size_t)channels * sizeof *q->zero);
    for (int64_t c = 0; c < channels; c++) q->scale[c] = 0.1f + 0.01f * (float)c;
    for (int64_t i = 0; i < len; i++) {
        codes[i] = (int8_t)(it_rng_below(&t->rng, 15) - 7);
        ((float *)w->t.data)[i] = q->scale[i / (len / channels)] * (float)codes[i];
    }
    return q;
}

/* Codes stay, but for the sign; scales carry the normalization; a channel shut by it has codes of zero and a scale that serves its bias. */
static void folds_codes(void **state)
{
    static const float GAMMA[] = { 1.5f, -0.5f, 0 }, BETA[] = { 0.25f, 0.5f, -0.75f }, MEAN[] = { 0.1f, -0.2f, 0.3f }, VAR[] = { 1, 4, 0.25f };
    test_net t;
    intact_error err = { 0 };
    size_t changes = 0;
    (void)state;
    test_net_init(&t, NULL);
    it_value *x = test_input(&t, RANK(1, 2, 4, 4)), *w = test_random(&t, RANK(3, 2, 3, 3), -1, 1), *y = test_node(&t, "Conv", IN(x, w), NULL);
    w->q = coded(&t, w, 3);
    y = test_node(&t, "BatchNormalization", IN(y, test_floats(&t, RANK(3), GAMMA), test_floats(&t, RANK(3), BETA), test_floats(&t, RANK(3), MEAN), test_floats(&t, RANK(3), VAR)), NULL);
    test_output(&t, y);
    infer(&t.g);
    size_t len;
    float *before = test_run(&t.g, 1, 3, &len);
    it_graph copy;
    assert_int_equal(it_pass_clone(&t.g, &copy, &err), INTACT_OK);
    assert_int_equal(it_pass_fold_batchnorm.run(&copy, &changes, &err), INTACT_OK);
    assert_int_equal(changes, 1);
    assert_int_equal(t.g.nodes.len, 2); /* the one it was copied from is as it was */
    const it_value *v = copy.nodes.items[0]->in[1];
    assert_int_equal(v->q->len, 3);
    for (int i = 0; i < 54; i++) {
        const int c = i / 18;
        assert_int_equal(v->q->codes[i], c == 0 ? w->q->codes[i] : c == 1 ? -w->q->codes[i] : 0);
        assert_true(((const float *)v->t.data)[i] == v->q->scale[c] * (float)v->q->codes[i] || c == 2);
    }
    for (int c = 0; c < 2; c++) assert_true(fabs(v->q->scale[c] - w->q->scale[c] * fabsf(GAMMA[c]) / sqrtf(VAR[c] + 1e-5f)) < 1e-6);
    assert_true(v->q->scale[2] == (v->q->scale[0] > v->q->scale[1] ? v->q->scale[0] : v->q->scale[1]));
    infer(&copy);
    float *after = test_run(&copy, 1, 3, &len);
    assert_true(test_difference(before, after, len) < 1e-5);
    free(before);
    free(after);
    it_graph_release(&copy);
    test_net_release(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(splits_streams), cmocka_unit_test(folds_codes) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
