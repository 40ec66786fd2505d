/* SPDX-License-Identifier: Apache-2.0 */
/* Pooling against its definition, over random geometry, layouts, types and counting rules. */
#include "op_nn/helpers.h"

typedef struct geom { int axes; int64_t n, c, in[3], k[3], stride[3], dil[3], pad[6], p; bool ceil_mode, count_pad, column_major; } geom;
typedef enum pool { MAX, AVERAGE, NORM } pool;
static const char *const ONNX[] = { "MaxPool", "AveragePool", "LpPool" };

/* One window: its value, and where the maximum is. */
static double window(const geom *g, pool kind, const it_tensor *x, int64_t plane, const int64_t *o, int64_t *arg)
{
    double most = -INFINITY, sum = 0;
    int64_t t[3], i[3], count = 0;
    *arg = -1;
    for (t[0] = 0; t[0] < g->k[0]; t[0]++)
        for (t[1] = 0; t[1] < g->k[1]; t[1]++)
            for (t[2] = 0; t[2] < g->k[2]; t[2]++) {
                bool inside = true, padded = true;
                double v;
                for (int a = 0; a < 3; a++) {
                    i[a] = o[a] * g->stride[a] - g->pad[a] + t[a] * g->dil[a];
                    inside = inside && i[a] >= 0 && i[a] < g->in[a];
                    padded = padded && i[a] < g->in[a] + g->pad[3 + a];
                }
                count += g->count_pad ? padded : inside;
                if (!inside)
                    continue;
                v = it_tensor_get(x, ((plane * g->in[0] + i[0]) * g->in[1] + i[1]) * g->in[2] + i[2]);
                sum += kind == NORM ? pow(fabs(v), (double)g->p) : v;
                if (v > most) {
                    most = v;
                    *arg = plane * g->in[0] * g->in[1] * g->in[2] + (g->column_major ? i[0] + (i[1] + i[2] * g->in[1]) * g->in[0]
                                                                                    : (i[0] * g->in[1] + i[1]) * g->in[2] + i[2]);
                }
            }
    return kind == MAX ? most : kind == NORM ? pow(sum, 1.0 / (double)g->p) : count ? sum / (double)count : 0;
}

static void random_geom(it_rng *r, geom *g, pool kind)
{
    *g = (geom){ .axes = (int)pick(r, 1, 3), .n = pick(r, 1, 2), .c = pick(r, 1, 9), .p = pick(r, 1, 3), .ceil_mode = kind != NORM && it_rng_below(r, 2),
                 .count_pad = kind == AVERAGE && it_rng_below(r, 2), .column_major = kind == MAX && it_rng_below(r, 2) };
    for (int a = 0; a < 3; a++) {
        bool used = a >= 3 - g->axes;
        g->in[a] = used ? pick(r, 3, g->axes == 3 ? 6 : 12) : 1;
        g->k[a] = used ? pick(r, 1, 3) : 1;
        g->stride[a] = used ? pick(r, 1, 3) : 1;
        g->dil[a] = used && kind == MAX && g->in[a] > 4 ? pick(r, 1, 2) : 1;
        g->pad[a] = used ? pick(r, 0, g->k[a] - 1) : 0;
        g->pad[3 + a] = used ? pick(r, 0, g->k[a] - 1) : 0;
    }
}

static void check(it_rng *r, const geom *g, pool kind, it_type type, bool nhwc)
{
    bench b;
    int s = 3 - g->axes, len = 0;
    int64_t dx[5] = { g->n, g->c }, pads[6], o[3], at = 0, out[3];
    it_attr attrs[8];
    it_tensor in;
    double *want;
    bool index = kind == MAX && it_rng_below(r, 2);
    for (int a = 0; a < g->axes; a++) {
        dx[2 + a] = g->in[s + a];
        pads[a] = g->pad[s + a];
        pads[g->axes + a] = g->pad[3 + s + a];
    }
    bench_init(&b, ONNX[kind], 12);
    attrs[len++] = attr_ints("kernel_shape", g->k + s, (size_t)g->axes);
    attrs[len++] = attr_ints("pads", pads, 2 * (size_t)g->axes);
    attrs[len++] = attr_ints("strides", g->stride + s, (size_t)g->axes);
    attrs[len++] = attr_int("ceil_mode", g->ceil_mode);
    if (kind == MAX)
        attrs[len++] = attr_ints("dilations", g->dil + s, (size_t)g->axes);
    attrs[len++] = kind == MAX ? attr_int("storage_order", g->column_major) : kind == AVERAGE ? attr_int("count_include_pad", g->count_pad) : attr_int("p", g->p);
    in = bench_random(&b, r, type, g->axes + 2, dx);
    if (bench_run(&b, attrs, len, &in, 1, index ? 2 : 1, nhwc, false) != INTACT_OK)
        fail_msg("%s: %s", b.err.where, b.err.message);
    for (int a = 0; a < 3; a++)
        out[a] = a < s ? 1 : b.out[0].dim[2 + a - s];
    want = calloc((size_t)it_tensor_len(&b.out[0]), sizeof(*want));
    for (int64_t plane = 0; plane < g->n * g->c; plane++)
        for (o[0] = 0; o[0] < out[0]; o[0]++)
            for (o[1] = 0; o[1] < out[1]; o[1]++)
                for (o[2] = 0; o[2] < out[2]; o[2]++) {
                    int64_t arg;
                    want[at] = window(g, kind, &in, plane, o, &arg);
                    if (index)
                        assert_int_equal(((int64_t *)b.out[1].data)[at], arg);
                    at++;
                }
    expect_near(&b.out[0], want, type == IT_F16 ? 2e-3 : 1e-5, type == IT_F16 ? 2e-3 : 1e-6);
    free(want);
    bench_free(&b);
}

static void test_random(void **state)
{
    it_rng r;
    geom g;
    (void)state;
    it_rng_seed(&r, 11);
    for (int i = 0; i < 600; i++) {
        static const it_type MAX_TYPES[] = { IT_F32, IT_F32, IT_F64, IT_F16, IT_U8, IT_I8 };
        pool kind = (int)it_rng_below(&r, 3);
        random_geom(&r, &g, kind);
        check(&r, &g, kind, MAX_TYPES[it_rng_below(&r, kind == MAX ? 6 : 4)], it_rng_below(&r, 2));
    }
}

static void test_global(void **state)
{
    static const char *const NAME[] = { "GlobalMaxPool", "GlobalAveragePool", "GlobalLpPool" };
    it_rng r;
    (void)state;
    it_rng_seed(&r, 12);
    for (int i = 0; i < 36; i++) {
        pool kind = i % 3;
        int rank = 3 + i / 3 % 3;
        int64_t dx[5] = { 2, 5, 3, 4, 2 };
        geom g = { .in = { 3, rank > 3 ? 4 : 1, rank > 4 ? 2 : 1 }, .stride = { 1, 1, 1 }, .dil = { 1, 1, 1 }, .p = 2 };
        double want[10];
        bench b;
        it_tensor in;
        memcpy(g.k, g.in, sizeof(g.k));
        bench_init(&b, NAME[kind], 13);
        in = bench_random(&b, &r, i % 4 == 3 ? IT_F64 : IT_F32, rank, dx);
        assert_int_equal(bench_run(&b, NULL, 0, &in, 1, 1, i % 2, false), INTACT_OK);
        assert_int_equal(it_tensor_len(&b.out[0]), 10);
        for (int64_t plane = 0; plane < 10; plane++) {
            int64_t o[3] = { 0, 0, 0 }, arg;
            want[plane] = window(&g, kind, &in, plane, o, &arg);
        }
        expect_near(&b.out[0], want, 1e-5, 1e-6);
        bench_free(&b);
    }
}

static void test_refusals(void **state)
{
    int64_t dx[4] = { 1, 2, 4, 4 }, k3[3] = { 2, 2, 2 };
    it_attr three = attr_ints("kernel_shape", k3, 3);
    bench b;
    it_tensor in;
    (void)state;
    bench_init(&b, "MaxPool", 12);
    in = bench_tensor(&b, IT_F32, 4, dx);
    assert_int_not_equal(bench_run(&b, NULL, 0, &in, 1, 1, false, false), INTACT_OK);
    assert_non_null(strstr(b.err.message, "kernel_shape"));
    bench_free(&b);
    bench_init(&b, "AveragePool", 12);
    in = bench_tensor(&b, IT_F32, 4, dx);
    assert_int_not_equal(bench_run(&b, &three, 1, &in, 1, 1, false, false), INTACT_OK);
    bench_free(&b);
    bench_init(&b, "AveragePool", 12);
    in = bench_tensor(&b, IT_I32, 4, dx);
    assert_int_not_equal(bench_run(&b, &three, 1, &in, 1, 1, false, false), INTACT_OK);
    assert_non_null(strstr(b.err.message, "int32"));
    bench_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_random), cmocka_unit_test(test_global), cmocka_unit_test(test_refusals) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
