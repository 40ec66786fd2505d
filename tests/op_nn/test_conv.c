/* SPDX-License-Identifier: Apache-2.0 */
/* Convolution and its transpose against seven nested loops, over random geometry, layouts and types. */
#include "op_nn/helpers.h"

typedef struct geom {
    int axes;
    int64_t n, group, in_c, out_c, in[3], out[3], k[3], stride[3], dil[3], pad[6];
    bool transposed;
} geom;

static int64_t at5(const int64_t *d, int64_t a, int64_t b, const int64_t *p) { return (((a * d[0] + b) * d[1] + p[0]) * d[2] + p[1]) * d[3] + p[2]; }

/* Output position o takes input position i through tap t when o * stride - pad + t * dil == i (transposed: the other way round). */
static void naive(const geom *g, const it_tensor *x, const it_tensor *w, const it_tensor *b, double *y)
{
    int64_t ip = g->in_c / g->group, op = g->out_c / g->group, o[3], i[3], t[3];
    int64_t dx[4] = { g->in_c, g->in[0], g->in[1], g->in[2] }, dy[4] = { g->out_c, g->out[0], g->out[1], g->out[2] };
    int64_t dw[4] = { g->transposed ? op : ip, g->k[0], g->k[1], g->k[2] };
    for (int64_t n = 0; n < g->n; n++)
        for (int64_t oc = 0; oc < g->out_c; oc++)
            for (o[0] = 0; o[0] < g->out[0]; o[0]++)
                for (o[1] = 0; o[1] < g->out[1]; o[1]++)
                    for (o[2] = 0; o[2] < g->out[2]; o[2]++) {
                        double sum = b ? it_tensor_get(b, oc) : 0;
                        for (int64_t j = 0; j < ip; j++)
                            for (t[0] = 0; t[0] < g->k[0]; t[0]++)
                                for (t[1] = 0; t[1] < g->k[1]; t[1]++)
                                    for (t[2] = 0; t[2] < g->k[2]; t[2]++) {
                                        int64_t ic = oc / op * ip + j;
                                        bool inside = true;
                                        for (int a = 0; a < 3; a++) {
                                            int64_t q = g->transposed ? o[a] + g->pad[a] - t[a] * g->dil[a] : o[a] * g->stride[a] - g->pad[a] + t[a] * g->dil[a];
                                            inside = inside && (!g->transposed || q % g->stride[a] == 0);
                                            i[a] = g->transposed ? q / g->stride[a] : q;
                                            inside = inside && q >= 0 && i[a] < g->in[a];
                                        }
                                        if (inside)
                                            sum += it_tensor_get(x, at5(dx, n, ic, i)) *
                                                   it_tensor_get(w, g->transposed ? at5(dw, ic, oc % op, t) : at5(dw, oc, j, t));
                                    }
                        y[at5(dy, n, oc, o)] = sum;
                    }
}

static bool random_geom(it_rng *r, geom *g)
{
    static const int64_t CH[] = { 1, 2, 3, 5, 8, 16, 24 };
    *g = (geom){ .axes = (int)pick(r, 1, 3), .n = pick(r, 1, 2), .group = 1, .transposed = it_rng_below(r, 2) };
    g->in_c = CH[it_rng_below(r, 7)];
    g->out_c = CH[it_rng_below(r, 7)];
    if (it_rng_below(r, 3) == 0) {
        g->group = g->in_c;
        g->out_c = g->in_c * pick(r, 1, 2);
    } else if (g->in_c % 2 == 0 && g->out_c % 2 == 0 && it_rng_below(r, 2))
        g->group = 2;
    for (int a = 0; a < 3; a++) {
        bool used = a >= 3 - g->axes;
        int64_t reach;
        g->in[a] = used ? pick(r, 1, g->axes == 3 ? 6 : 11) : 1;
        g->k[a] = used ? pick(r, 1, 3) : 1;
        g->stride[a] = used ? pick(r, 1, 3) : 1;
        g->dil[a] = used ? pick(r, 1, 2) : 1;
        g->pad[a] = used ? pick(r, 0, 2) : 0;
        g->pad[3 + a] = used ? pick(r, 0, 2) : 0;
        reach = (g->k[a] - 1) * g->dil[a] + 1;
        if (g->transposed)
            g->out[a] = (g->in[a] - 1) * g->stride[a] + reach - g->pad[a] - g->pad[3 + a];
        else
            g->out[a] = g->in[a] + g->pad[a] + g->pad[3 + a] < reach ? 0 : (g->in[a] + g->pad[a] + g->pad[3 + a] - reach) / g->stride[a] + 1;
        if (g->out[a] < 1)
            return false;
    }
    return true;
}

static void check(it_rng *r, const geom *g, it_type type, bool nhwc, bool const_weights, bool has_bias)
{
    bench b;
    int s = 3 - g->axes, rank = g->axes + 2;
    int64_t dx[5] = { g->n, g->in_c }, dw[5] = { g->out_c, g->in_c / g->group }, pads[6], len;
    it_tensor in[3];
    it_attr attrs[5];
    double *want, rel = type == IT_F16 ? 2e-3 : type == IT_F32 ? 1e-5 : 1e-12;
    if (g->transposed) {
        dw[0] = g->in_c;
        dw[1] = g->out_c / g->group;
    }
    for (int a = 0; a < g->axes; a++) {
        dx[2 + a] = g->in[s + a];
        dw[2 + a] = g->k[s + a];
        pads[a] = g->pad[s + a];
        pads[g->axes + a] = g->pad[3 + s + a];
    }
    bench_init(&b, g->transposed ? "ConvTranspose" : "Conv", 11);
    in[0] = bench_random(&b, r, type, rank, dx);
    in[1] = bench_random(&b, r, type, rank, dw);
    in[2] = bench_random(&b, r, type, 1, &g->out_c);
    attrs[0] = attr_ints("pads", pads, 2 * (size_t)g->axes);
    attrs[1] = attr_ints("strides", g->stride + s, (size_t)g->axes);
    attrs[2] = attr_ints("dilations", g->dil + s, (size_t)g->axes);
    attrs[3] = attr_ints("kernel_shape", g->k + s, (size_t)g->axes);
    attrs[4] = attr_int("group", g->group);
    len = g->n * g->out_c * g->out[0] * g->out[1] * g->out[2];
    want = calloc((size_t)len, sizeof(*want));
    naive(g, &in[0], &in[1], has_bias ? &in[2] : NULL, want);
    if (bench_run(&b, attrs, 5, in, has_bias ? 3 : 2, 1, nhwc, const_weights) != INTACT_OK)
        fail_msg("%s: %s", b.err.where, b.err.message);
    assert_int_equal(it_tensor_len(&b.out[0]), len);
    expect_near(&b.out[0], want, rel, type == IT_F64 ? 1e-12 : type == IT_F16 ? 4e-3 : 2e-5);
    free(want);
    bench_free(&b);
}

static void test_random(void **state)
{
    static const it_type TYPES[] = { IT_F32, IT_F32, IT_F32, IT_F64, IT_F16 };
    it_rng r;
    geom g;
    (void)state;
    it_rng_seed(&r, 1);
    for (int i = 0; i < 400; i++)
        if (random_geom(&r, &g))
            check(&r, &g, TYPES[it_rng_below(&r, 5)], it_rng_below(&r, 2), it_rng_below(&r, 2), it_rng_below(&r, 2));
}

/* Padding by rule: the attribute's formula in each mode, odd remainder at the end or at the beginning. */
static void test_auto_pad(void **state)
{
    static const char *const MODE[] = { "SAME_UPPER", "SAME_LOWER", "VALID" };
    it_rng r;
    (void)state;
    it_rng_seed(&r, 2);
    for (int m = 0; m < 3; m++) {
        geom g = { .axes = 2, .n = 1, .group = 1, .in_c = 2, .out_c = 3, .in = { 1, 7, 6 }, .k = { 1, 3, 2 }, .stride = { 1, 2, 1 }, .dil = { 1, 1, 1 } };
        int64_t dx[4] = { 1, 2, 7, 6 }, dw[4] = { 3, 2, 3, 2 }, strides[2] = { 2, 1 };
        it_attr attrs[2] = { attr_str("auto_pad", MODE[m]), attr_ints("strides", strides, 2) };
        it_tensor in[2];
        double want[3 * 4 * 6];
        bench b;
        g.pad[1] = m == 2 ? 0 : 1; /* 4 * 2 - 2 + 3 - 7 = 2: one at either end */
        g.pad[2] = m == 1 ? 1 : 0; /* 6 - 1 + 2 - 6 = 1 */
        g.out[0] = 1;
        g.out[1] = m == 2 ? 3 : 4;
        g.out[2] = m == 2 ? 5 : 6;
        bench_init(&b, "Conv", 11);
        in[0] = bench_random(&b, &r, IT_F32, 4, dx);
        in[1] = bench_random(&b, &r, IT_F32, 4, dw);
        naive(&g, &in[0], &in[1], NULL, want);
        assert_int_equal(bench_run(&b, attrs, 2, in, 2, 1, true, true), INTACT_OK);
        assert_int_equal(it_tensor_len(&b.out[0]), 3 * g.out[1] * g.out[2]);
        expect_near(&b.out[0], want, 1e-5, 1e-5);
        bench_free(&b);
    }
}

/* output_shape cuts or extends, output_padding extends at the end only. */
static void test_transposed_shapes(void **state)
{
    it_rng r;
    int64_t shape[2] = { 10, 8 }, strides[2] = { 3, 2 }, out_pad[2] = { 1, 1 }, dx[4] = { 1, 1, 3, 3 }, dw[4] = { 1, 2, 3, 3 };
    it_attr a[2] = { attr_ints("output_shape", shape, 2), attr_ints("strides", strides, 2) };
    it_attr p[2] = { attr_ints("output_padding", out_pad, 2), attr_ints("strides", strides, 2) };
    it_attr s[2] = { attr_str("auto_pad", "SAME_UPPER"), attr_ints("strides", strides, 2) };
    const it_attr *all[3] = { a, p, s };
    int64_t out[3][2] = { { 10, 8 }, { 10, 8 }, { 9, 6 } };
    (void)state;
    it_rng_seed(&r, 3);
    for (int i = 0; i < 3; i++)
        for (int nhwc = 0; nhwc < 2; nhwc++) {
            geom g = { .axes = 2, .n = 1, .group = 1, .in_c = 1, .out_c = 2, .in = { 1, 3, 3 }, .k = { 1, 3, 3 }, .stride = { 1, 3, 2 }, .dil = { 1, 1, 1 }, .transposed = true };
            it_tensor in[2];
            double want[2 * 10 * 8];
            bench b;
            g.out[0] = 1, g.out[1] = out[i][0], g.out[2] = out[i][1];
            bench_init(&b, "ConvTranspose", 11);
            in[0] = bench_random(&b, &r, IT_F32, 4, dx);
            in[1] = bench_random(&b, &r, IT_F32, 4, dw);
            naive(&g, &in[0], &in[1], NULL, want);
            assert_int_equal(bench_run(&b, all[i], 2, in, 2, 1, nhwc, true), INTACT_OK);
            assert_int_equal(b.out[0].dim[2], out[i][0]);
            assert_int_equal(b.out[0].dim[3], out[i][1]);
            expect_near(&b.out[0], want, 1e-5, 1e-5);
            bench_free(&b);
        }
}

static void refuse(const char *onnx, const it_attr *attrs, int attrs_len, const int64_t *dx, const int64_t *dw, int rank_w, const char *says)
{
    bench b;
    it_tensor in[2];
    bench_init(&b, onnx, 11);
    in[0] = bench_tensor(&b, IT_F32, 4, dx);
    in[1] = bench_tensor(&b, IT_F32, rank_w, dw);
    assert_int_not_equal(bench_run(&b, attrs, attrs_len, in, 2, 1, false, false), INTACT_OK);
    if (!strstr(b.err.message, says))
        fail_msg("message is: %s", b.err.message);
    bench_free(&b);
}

static void test_refusals(void **state)
{
    int64_t dx[4] = { 1, 4, 5, 5 }, dw[4] = { 6, 4, 3, 3 }, wrong_c[4] = { 6, 3, 3, 3 }, big[4] = { 6, 4, 9, 9 };
    it_attr group3 = attr_int("group", 3), group0 = attr_int("group", 0), huge = attr_int("group", INT32_MAX);
    (void)state;
    refuse("Conv", NULL, 0, dx, wrong_c, 4, "do not fit");
    refuse("Conv", NULL, 0, dx, dw, 3, "dimensions");
    refuse("Conv", NULL, 0, dx, big, 4, "nothing comes out");
    refuse("Conv", &group3, 1, dx, dw, 4, "group 3");
    refuse("Conv", &group0, 1, dx, dw, 4, "at least 1");
    refuse("Conv", &huge, 1, dx, dw, 4, "do not fit");
    refuse("ConvTranspose", NULL, 0, dx, dw, 4, "do not fit");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_random), cmocka_unit_test(test_auto_pad), cmocka_unit_test(test_transposed_shapes),
                                        cmocka_unit_test(test_refusals) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
