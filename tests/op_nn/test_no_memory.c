/* SPDX-License-Identifier: Apache-2.0 */
/* Every allocation of every neural-network operator fails once: the run says so and leaves nothing behind. */
#include "op_nn/helpers.h"

static void test_all(void **state)
{
    static const int64_t X[4] = { 1, 4, 5, 6 }, W[4] = { 6, 4, 3, 3 }, WT[4] = { 4, 6, 3, 3 }, M[2] = { 3, 4 }, N[2] = { 4, 5 }, C4[1] = { 4 }, C5[1] = { 5 },
                         C6[1] = { 6 }, K[2] = { 2, 2 };
    static const it_type TYPES[] = { IT_F32, IT_F16, IT_F64 };
    const it_attr kernel = attr_ints("kernel_shape", K, 2), size = attr_int("size", 3), train = attr_int("training_mode", 1);
    it_rng r;
    (void)state;
    it_rng_seed(&r, 41);
    for (int i = 0; i < 6; i++) {
        it_type t = TYPES[i / 2];
        bool nhwc = i % 2;
        bench b;
        it_tensor x, w, wt, m, n, c4, c5, c6, last;
        bench_init(&b, "Conv", 13); /* only holds the data */
        x = bench_random(&b, &r, t, 4, X);
        w = bench_random(&b, &r, t, 4, W);
        wt = bench_random(&b, &r, t, 4, WT);
        m = bench_random(&b, &r, t, 2, M);
        n = bench_random(&b, &r, t, 2, N);
        c4 = bench_random(&b, &r, t, 1, C4);
        c5 = bench_random(&b, &r, t, 1, C5);
        c6 = bench_random(&b, &r, t, 1, C6);
        last = c6;
        const bench_case cases[] = {
            { "Conv", 13, 3, 1, 0, NULL, { x, w, c6 }, nhwc },
            { "ConvTranspose", 13, 3, 1, 0, NULL, { x, wt, c6 }, nhwc },
            { "MaxPool", 13, 1, 2, 1, &kernel, { x }, nhwc },
            { "AveragePool", 13, 1, 1, 1, &kernel, { x }, nhwc },
            { "LpPool", 13, 1, 1, 1, &kernel, { x }, nhwc },
            { "GlobalAveragePool", 13, 1, 1, 0, NULL, { x }, nhwc },
            { "Gemm", 13, 3, 1, 0, NULL, { m, n, c5 }, nhwc },
            { "MatMul", 13, 2, 1, 0, NULL, { m, n }, nhwc },
            { "BatchNormalization", 15, 5, 1, 0, NULL, { x, c4, c4, c4, c4 }, nhwc },
            { "BatchNormalization", 15, 5, 3, 1, &train, { x, c4, c4, c4, c4 }, nhwc },
            { "InstanceNormalization", 13, 3, 1, 0, NULL, { x, c4, c4 }, nhwc },
            { "LayerNormalization", 17, 3, 3, 0, NULL, { x, last, last }, nhwc },
            { "LRN", 13, 1, 1, 1, &size, { x }, nhwc },
            { "Softmax", 13, 1, 1, 0, NULL, { x }, nhwc },
            { "LogSoftmax", 11, 1, 1, 0, NULL, { x }, nhwc },
        };
        for (size_t k = 0; k < IT_LEN(cases); k++)
            expect_survives(&cases[k]);
        bench_free(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_all) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
