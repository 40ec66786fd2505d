/* SPDX-License-Identifier: Apache-2.0 */
/* Normalizations and softmaxes against their formulas. */
#include "op_nn/helpers.h"

static const it_type FLOATS[] = { IT_F32, IT_F64, IT_F16 };
static double tolerance(it_type t) { return t == IT_F16 ? 6e-3 : 2e-5; }

/* Channel of ONNX index i. */
static int64_t channel(const it_tensor *t, int64_t i)
{
    int64_t inner = 1;
    for (int k = 2; k < t->rank; k++)
        inner *= t->dim[k];
    return i / inner % t->dim[1];
}

static void test_batch(void **state)
{
    it_rng r;
    (void)state;
    it_rng_seed(&r, 31);
    for (int i = 0; i < 48; i++) {
        int64_t dx[5] = { 3, 5, 2, 4, 2 }, dc = 5, count[5] = { 0 };
        it_type type = FLOATS[i % 3];
        bool train = i % 2;
        it_attr attrs[3] = { attr_int("training_mode", 1), attr_float("epsilon", 0.01f), attr_float("momentum", 0.75f) };
        it_tensor in[5];
        double want[240], mean[5] = { 0 }, var[5] = { 0 };
        bench b;
        bench_init(&b, "BatchNormalization", train ? 15 : 9 + i % 5);
        in[0] = bench_random(&b, &r, type, 2 + i / 3 % 4, dx);
        for (int k = 1; k < 5; k++)
            in[k] = bench_random(&b, &r, type, 1, &dc);
        for (int64_t c = 0; c < 5; c++)
            it_tensor_set(&in[4], c, fabs(it_tensor_get(&in[4], c)) + 0.1);
        for (int pass = 0; pass < 2; pass++) {
            for (int64_t e = 0; e < it_tensor_len(&in[0]); e++) {
                int64_t c = channel(&in[0], e);
                double v = it_tensor_get(&in[0], e);
                count[c] += pass;
                *(pass ? &var[c] : &mean[c]) += pass ? (v - mean[c]) * (v - mean[c]) : v;
            }
            for (int64_t c = 0; c < 5; c++)
                *(pass ? &var[c] : &mean[c]) /= (double)it_tensor_len(&in[0]) / 5;
        }
        for (int64_t e = 0; e < it_tensor_len(&in[0]); e++) {
            int64_t c = channel(&in[0], e);
            double m = train ? mean[c] : it_tensor_get(&in[3], c), v = train ? var[c] : it_tensor_get(&in[4], c);
            want[e] = (it_tensor_get(&in[0], e) - m) / sqrt(v + 0.01f) * it_tensor_get(&in[1], c) + it_tensor_get(&in[2], c);
        }
        if (bench_run(&b, train ? attrs : attrs + 1, train ? 3 : 2, in, 5, train ? 3 : 1, i % 4 > 1, i % 5 > 2) != INTACT_OK)
            fail_msg("%s", b.err.message);
        expect_near(&b.out[0], want, tolerance(type), tolerance(type));
        for (int64_t c = 0; c < 5 && train; c++) {
            mean[c] = it_tensor_get(&in[3], c) * 0.75 + mean[c] * 0.25;
            var[c] = it_tensor_get(&in[4], c) * 0.75 + var[c] * 0.25;
        }
        if (train) {
            expect_near(&b.out[1], mean, tolerance(type), tolerance(type));
            expect_near(&b.out[2], var, tolerance(type), tolerance(type));
        }
        bench_free(&b);
    }
}

static void test_batch_refusals(void **state)
{
    int64_t dx[2] = { 2, 5 }, dc = 5, other = 4;
    it_attr spatial = attr_int("spatial", 0);
    (void)state;
    for (int i = 0; i < 3; i++) {
        it_tensor in[5];
        bench b;
        bench_init(&b, "BatchNormalization", i == 0 ? 7 : 9);
        in[0] = bench_tensor(&b, IT_F32, 2, dx);
        for (int k = 1; k < 5; k++)
            in[k] = bench_tensor(&b, IT_F32, 1, i == 1 && k == 3 ? &other : &dc);
        assert_int_not_equal(bench_run(&b, &spatial, i == 0, in, 5, i == 2 ? 3 : 1, false, false), INTACT_OK);
        if (!strstr(b.err.message, i == 0 ? "spatial" : i == 1 ? "mean is float[4]" : "training_mode"))
            fail_msg("message is: %s", b.err.message);
        bench_free(&b);
    }
}

static void test_layer(void **state)
{
    it_rng r;
    (void)state;
    it_rng_seed(&r, 32);
    for (int i = 0; i < 40; i++) {
        int64_t dx[4] = { 2, 3, 4, 5 }, axis = pick(&r, -4, 3), first = axis < 0 ? axis + 4 : axis, len = 1, ds[4];
        it_type type = FLOATS[i % 3];
        it_attr attrs[2] = { attr_int("axis", axis), attr_float("epsilon", 0.1f) };
        it_tensor in[3];
        double want[120], mean[120], inv[120];
        bool small = it_rng_below(&r, 4) == 0, has_bias = it_rng_below(&r, 2);
        bench b;
        for (int k = (int)first; k < 4; k++) {
            len *= dx[k];
            ds[k - first] = small && k < 3 ? 1 : dx[k]; /* scale may broadcast */
        }
        bench_init(&b, "LayerNormalization", 17);
        in[0] = bench_random(&b, &r, type, 4, dx);
        in[1] = bench_random(&b, &r, type, 4 - (int)first, ds);
        in[2] = bench_random(&b, &r, type, 4 - (int)first, ds);
        for (int64_t row = 0; row < 120 / len; row++) {
            double v = 0;
            mean[row] = 0;
            for (int64_t k = 0; k < len; k++)
                mean[row] += it_tensor_get(&in[0], row * len + k) / (double)len;
            for (int64_t k = 0; k < len; k++)
                v += pow(it_tensor_get(&in[0], row * len + k) - mean[row], 2) / (double)len;
            inv[row] = 1 / sqrt(v + 0.1f);
            for (int64_t k = 0; k < len; k++) {
                int64_t at = k % it_tensor_len(&in[1]); /* broadcasting along leading axes repeats the rest */
                want[row * len + k] = (it_tensor_get(&in[0], row * len + k) - mean[row]) * inv[row] * it_tensor_get(&in[1], at) +
                                      (has_bias ? it_tensor_get(&in[2], at) : 0);
            }
        }
        if (bench_run(&b, attrs, 2, in, has_bias ? 3 : 2, 3, false, false) != INTACT_OK)
            fail_msg("%s", b.err.message);
        expect_near(&b.out[0], want, tolerance(type), tolerance(type));
        expect_near(&b.out[1], mean, 1e-5, 1e-6);
        expect_near(&b.out[2], inv, 1e-5, 1e-6);
        bench_free(&b);
    }
}

static void test_instance(void **state)
{
    it_rng r;
    (void)state;
    it_rng_seed(&r, 33);
    for (int i = 0; i < 9; i++) {
        int64_t dx[5] = { 2, 3, 4, 5, 2 }, dc = 3, len = 1;
        it_type type = FLOATS[i % 3];
        it_tensor in[3];
        double want[240];
        bench b;
        bench_init(&b, "InstanceNormalization", 11);
        in[0] = bench_random(&b, &r, type, 3 + i / 3, dx);
        in[1] = bench_random(&b, &r, type, 1, &dc);
        in[2] = bench_random(&b, &r, type, 1, &dc);
        for (int k = 2; k < in[0].rank; k++)
            len *= dx[k];
        for (int64_t p = 0; p < 6; p++) {
            double m = 0, v = 0;
            for (int64_t k = 0; k < len; k++)
                m += it_tensor_get(&in[0], p * len + k) / (double)len;
            for (int64_t k = 0; k < len; k++)
                v += pow(it_tensor_get(&in[0], p * len + k) - m, 2) / (double)len;
            for (int64_t k = 0; k < len; k++)
                want[p * len + k] = (it_tensor_get(&in[0], p * len + k) - m) / sqrt(v + 1e-5f) * it_tensor_get(&in[1], p % 3) + it_tensor_get(&in[2], p % 3);
        }
        assert_int_equal(bench_run(&b, NULL, 0, in, 3, 1, true, false), INTACT_OK);
        expect_near(&b.out[0], want, tolerance(type), tolerance(type));
        bench_free(&b);
    }
}

static void test_lrn(void **state)
{
    it_rng r;
    (void)state;
    it_rng_seed(&r, 34);
    for (int i = 0; i < 12; i++) {
        int64_t dx[4] = { 2, 6, 3, 2 }, size = 1 + i % 6;
        it_attr attrs[4] = { attr_int("size", size), attr_float("alpha", 0.5f), attr_float("beta", 0.6f), attr_float("bias", 2) };
        it_type type = FLOATS[i % 3];
        it_tensor in;
        double want[72];
        bench b;
        bench_init(&b, "LRN", 13);
        in = bench_random(&b, &r, type, 4, dx);
        for (int64_t e = 0; e < 72; e++) {
            int64_t c = e / 6 % 6;
            double sum = 0;
            for (int64_t k = c - (int64_t)floor((double)(size - 1) / 2); k <= c + (int64_t)ceil((double)(size - 1) / 2); k++)
                if (k >= 0 && k < 6)
                    sum += pow(it_tensor_get(&in, e + (k - c) * 6), 2);
            want[e] = it_tensor_get(&in, e) / pow(2 + 0.5 / (double)size * sum, 0.6f);
        }
        assert_int_equal(bench_run(&b, attrs, 4, &in, 1, 1, false, false), INTACT_OK);
        expect_near(&b.out[0], want, tolerance(type), tolerance(type));
        bench_free(&b);
    }
}

/* Sums over `axis` alone from opset 13, over everything from `axis` on before. */
static void softmax_case(it_rng *r, bool log_of, int opset, int64_t axis, it_type type)
{
    int64_t dx[4] = { 2, 3, 4, 5 }, first = axis < 0 ? axis + 4 : axis, inner = 1, len = 1;
    it_attr attr = attr_int("axis", axis);
    it_tensor in;
    double want[120];
    bench b;
    bench_init(&b, log_of ? "LogSoftmax" : "Softmax", opset);
    in = bench_random(&b, r, type, 4, dx);
    for (int k = (int)first; k < 4; k++)
        *(opset >= 13 && k > first ? &inner : &len) *= dx[k];
    for (int64_t e = 0; e < 120; e++) {
        int64_t start = e / (len * inner) * len * inner + e % inner;
        double sum = 0, x = it_tensor_get(&in, e) + 1000; /* the shift must not matter */
        for (int64_t k = 0; k < len; k++)
            sum += exp(it_tensor_get(&in, start + k * inner) + 1000 - x);
        want[e] = log_of ? -log(sum) : 1 / sum;
    }
    if (bench_run(&b, &attr, 1, &in, 1, 1, false, false) != INTACT_OK)
        fail_msg("%s", b.err.message);
    expect_near(&b.out[0], want, type == IT_F16 ? 2e-3 : 1e-6, type == IT_F16 ? 1e-3 : 1e-7);
    bench_free(&b);
}

static void test_softmax(void **state)
{
    it_rng r;
    (void)state;
    it_rng_seed(&r, 35);
    for (int i = 0; i < 96; i++)
        softmax_case(&r, i % 2, i / 2 % 2 ? 13 : 11, (int64_t)(i / 4 % 8) - 4, FLOATS[i % 3]);
}

/* Large and infinite values stay numbers. */
static void test_softmax_extremes(void **state)
{
    int64_t d[2] = { 1, 3 };
    bench b;
    it_tensor in;
    double want[3] = { 1, 0, 0 };
    (void)state;
    bench_init(&b, "Softmax", 13);
    in = bench_tensor(&b, IT_F32, 2, d);
    it_tensor_set(&in, 0, 1e30);
    it_tensor_set(&in, 1, -1e30);
    it_tensor_set(&in, 2, -INFINITY);
    assert_int_equal(bench_run(&b, NULL, 0, &in, 1, 1, false, false), INTACT_OK);
    expect_near(&b.out[0], want, 0, 0);
    bench_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_batch), cmocka_unit_test(test_batch_refusals), cmocka_unit_test(test_layer),
                                        cmocka_unit_test(test_instance), cmocka_unit_test(test_lrn), cmocka_unit_test(test_softmax),
                                        cmocka_unit_test(test_softmax_extremes) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
