/* SPDX-License-Identifier: Apache-2.0 */
/* test_arch.c: the architectures are the published ones: parameters, multiply-accumulates, shapes; their weights are what they should be. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "arch/helpers.h"

/* Parameters as published implementations count them. Millions of multiply-accumulates to within 1.5 %. */
static const struct { const char *name; uint64_t parameters; double mmacs; } PUBLISHED[] = {
    {"lenet5", 61706, 0.4165},          {"resnet8", 75290, 12.24},           {"resnet20", 269722, 41},
    {"resnet32", 464154, 69},           {"resnet44", 658586, 97},            {"resnet56", 853018, 125.5},
    {"resnet18", 11689512, 1814},       {"resnet34", 21797672, 3664},        {"resnet50", 25557032, 4089},
    {"mobilenet_v1", 4231976, 569},     {"mobilenet_v2", 3504872, 301},      {"mobilenet_v3_small", 2542856, 57},
    {"vgg16", 138357544, 15470},        {"alexnet", 61100840, 714},          {"googlenet", 6624904, 1498},
    {"squeezenet1_1", 1235496, 349},    {"shufflenet_v2", 2278604, 145},     {"efficientnet_b0", 5288548, 386},
    {"dscnn", 23180, 2.66},             {"lstm", 82186, 2.2377},         {"gru", 61962, 1.6786},
};

static void sizes(void **state)
{
    (void)state;
    size_t len = 0;
    for (; it_arch_all[len]; len++) {}
    assert_int_equal(len, IT_LEN(PUBLISHED));
    for (size_t i = 0; i < len; i++) {
        it_graph g;
        test_make(PUBLISHED[i].name, &(it_arch_options){.seed = 1}, &g);
        double mmacs = (double)test_macs(&g) * 1e-6;
        if (test_parameters(&g) != PUBLISHED[i].parameters || fabs(mmacs / PUBLISHED[i].mmacs - 1) > 0.015)
            fail_msg("%s: %llu parameters and %g million multiply-accumulates, not %llu and %g", PUBLISHED[i].name,
                     (unsigned long long)test_parameters(&g), mmacs, (unsigned long long)PUBLISHED[i].parameters, PUBLISHED[i].mmacs);
        const it_arch *a = it_arch_find(PUBLISHED[i].name);
        const it_value *x = g.inputs.items[0], *y = g.outputs.items[0];
        assert_int_equal(x->declared[0], -1);
        assert_memory_equal(x->declared + 1, a->input, sizeof a->input);
        assert_int_equal(y->t.rank, 2);
        assert_int_equal(y->declared[0], -1);
        assert_int_equal(y->t.dim[1], a->classes);
        it_graph_release(&g);
    }
}

static void gauss(void **state)
{
    (void)state;
    enum { LEN = 200001 };
    it_rng r;
    float *x = malloc(LEN * sizeof *x);
    double sum = 0, square = 0, fourth = 0;
    size_t beyond = 0;
    assert_non_null(x);
    it_rng_seed(&r, 3);
    it_arch_gauss(&r, x, LEN, 2);
    for (size_t i = 0; i < LEN; i++) {
        double v = (double)x[i] / 2;
        sum += v;
        square += v * v;
        fourth += v * v * v * v;
        beyond += fabs(v) > 1.959964;
    }
    assert_true(fabs(sum / LEN) < 0.01);
    assert_true(fabs(square / LEN - 1) < 0.015);
    assert_true(fabs(fourth / LEN - 3) < 0.15);
    assert_true(fabs((double)beyond / LEN - 0.05) < 0.0025);
    free(x);
}

/* Weights have variance 2 / fan_in, biases are 0, BatchNormalization is the identity. */
static void initialization(void **state)
{
    (void)state;
    it_graph g;
    test_make("mobilenet_v3_small", &(it_arch_options){.seed = 5}, &g);
    for (size_t i = 0; i < g.nodes.len; i++) {
        const it_node *n = g.nodes.items[i];
        static const double bn[] = {0, 1, 0, 0, 1};
        bool weights = n->op == &it_op_conv || n->op == &it_op_gemm, is_bn = n->op == &it_op_batch_normalization;
        for (int k = 1; k < n->in_len && (weights || is_bn); k++) {
            const it_tensor *t = &n->in[k]->t;
            double square = 0, len = (double)it_tensor_len(t), fan_in = len / (double)t->dim[0];
            for (int64_t j = 0; j < it_tensor_len(t); j++) square += it_tensor_get(t, j) * it_tensor_get(t, j);
            double want = is_bn ? bn[k] : k == 1 ? 2 / fan_in : 0;
            if (fabs(square / len - want) > 6 * sqrt(2 / len) * want)
                fail_msg("%s: mean square %g, it should be %g", n->in[k]->name, square / len, want);
        }
    }
    it_graph_release(&g);
}

static void seeds(void **state)
{
    (void)state;
    it_graph a, b, c;
    test_make("shufflenet_v2", &(it_arch_options){.seed = 1}, &a);
    test_make("shufflenet_v2", &(it_arch_options){.seed = 1}, &b);
    test_make("shufflenet_v2", &(it_arch_options){.seed = 2}, &c);
    assert_int_equal(a.values.len, b.values.len);
    for (size_t i = 0; i < a.values.len; i++) {
        const it_value *v = a.values.items[i], *w = b.values.items[i];
        assert_string_equal(v->name, w->name);
        if (v->is_const) assert_memory_equal(v->t.data, w->t.data, it_tensor_bytes(&v->t));
    }
    const it_tensor *w = &a.nodes.items[0]->in[1]->t, *other = &c.nodes.items[0]->in[1]->t;
    assert_memory_not_equal(w->data, other->data, it_tensor_bytes(w));
    it_graph_release(&a);
    it_graph_release(&b);
    it_graph_release(&c);
}

static void other_shapes(void **state)
{
    (void)state;
    static const char *const names[] = {"resnet18", "mobilenet_v2", "squeezenet1_1", "shufflenet_v2", "googlenet", "resnet8", "dscnn", "lenet5"};
    for (size_t i = 0; i < IT_LEN(names); i++) {
        it_graph g;
        size_t len;
        test_make(names[i], &(it_arch_options){.input = {2, 61, 47}, .classes = 7}, &g);
        assert_int_equal(g.inputs.items[0]->t.dim[1], 2);
        assert_int_equal(g.inputs.items[0]->t.dim[2], 61);
        float *y = test_run(&g, 3, &len);
        assert_int_equal(len, 3 * 7);
        for (size_t k = 0; k < len; k++) assert_true(isfinite(y[k]));
        free(y);
        it_graph_release(&g);
    }
}

static void expect_fail(const char *name, it_arch_options o, intact_status status, const char *text)
{
    it_graph g;
    intact_error err = {0};
    it_graph_init(&g, NULL);
    intact_status st = it_arch_make(it_arch_find(name), &o, &g, &err);
    if (st != status || !(strstr(err.message, text) || strstr(err.where, text)))
        fail_msg("%s: status %d, %s: %s; expected %d with '%s'", name, (int)st, err.where, err.message, (int)status, text);
    it_graph_release(&g);
}

static void refused(void **state)
{
    (void)state;
    assert_null(it_arch_find("resnet19"));
    assert_null(it_arch_find(""));
    expect_fail("lenet5", (it_arch_options){.classes = -1}, INTACT_E_ARG, "classes");
    expect_fail("lenet5", (it_arch_options){.classes = 1000001}, INTACT_E_ARG, "1000001 classes");
    expect_fail("lenet5", (it_arch_options){.input = {1, 28, 0}}, INTACT_E_ARG, "1x28x0");
    expect_fail("lenet5", (it_arch_options){.input = {1, INT64_MIN, 28}}, INTACT_E_ARG, "must be 1 to");
    expect_fail("resnet18", (it_arch_options){.input = {3, 5000, 224}}, INTACT_E_ARG, "3x5000x224");
    expect_fail("vgg16", (it_arch_options){.input = {3, 8, 8}}, INTACT_E_SHAPE, "vgg16 with input 3x8x8");
    expect_fail("alexnet", (it_arch_options){.input = {3, 20, 20}}, INTACT_E_SHAPE, "nothing comes out");
    expect_fail("vgg16", (it_arch_options){.input = {3, 4096, 4096}}, INTACT_E_UNSUPPORTED, "take a smaller input");
}

/* Every allocation fails once: the error says so, and nothing is left behind. */
static void allocation_failures(void **state)
{
    (void)state;
    const char *const names[] = {"shufflenet_v2", "dscnn"};
    for (size_t i = 0; i < IT_LEN(names); i++)
        for (long k = 0;; k++) {
            counting c = {.fail_at = k};
            intact_alloc alloc = counting_alloc(&c);
            intact_error err = {0};
            it_graph g;
            it_graph_init(&g, &alloc);
            intact_status st = it_arch_make(it_arch_find(names[i]), &(it_arch_options){.input = {1, 40, 40}, .classes = 2}, &g, &err);
            it_graph_release(&g);
            if (c.live) fail_msg("%s: %ld blocks left after failing allocation %ld", names[i], c.live, k);
            if (st == INTACT_OK) break;
            if (st != INTACT_E_NOMEM || !err.message[0]) fail_msg("%s, allocation %ld: status %d: %s", names[i], k, (int)st, err.message);
            if (k > 40 && names[i][0] == 's') k += 6; /* most are one after another of the same kind */
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes),        cmocka_unit_test(gauss),   cmocka_unit_test(initialization),      cmocka_unit_test(seeds),
        cmocka_unit_test(other_shapes), cmocka_unit_test(refused), cmocka_unit_test(allocation_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
