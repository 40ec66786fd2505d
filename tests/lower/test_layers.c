/* SPDX-License-Identifier: Apache-2.0 */
/* Each neural-network operator alone, in integers and in float: one rounding of the output apart, plus the bias's own rounding. */
#include "lower/helpers.h"

static int64_t pick(net *t, int64_t lo, int64_t hi) { return lo + (int64_t)it_rng_below(&t->rng, (uint64_t)(hi - lo + 1)); }
static intact_type any_type(net *t) { return it_rng_below(&t->rng, 2) ? INTACT_U8 : INTACT_S16; }

/* Half a step of the output, and the rounded bias: half of S_x * S_w, in output steps. */
static double bound(const net *t, const it_quant *qw)
{
    float most = 0;
    for (int64_t c = 0; c < qw->len; c++)
        most = qw->scale[c] > most ? qw->scale[c] : most;
    return 0.501 + 0.5 * (double)most * (double)t->x->q->scale[0] / (double)t->y->q->scale[0];
}

static void conv_case(uint64_t seed)
{
    net t;
    int64_t group = 1, in_c, out_c, stride[2], dil[2], pads[4], dx[4], dw[4], axes;
    it_value *w, *b, *y;
    bool bias;
    net_init(&t, seed);
    axes = pick(&t, 1, 2);
    in_c = pick(&t, 1, 9);
    out_c = pick(&t, 1, 9);
    if (seed % 3 == 0)
        group = out_c = in_c;
    else if (seed % 3 == 1) {
        group = 2;
        in_c *= 2;
        out_c *= 2;
    } else if (seed % 5 == 0) {
        group = in_c;
        out_c = in_c * 2; /* two filters a channel */
    }
    dx[0] = 1, dx[1] = in_c, dw[0] = out_c, dw[1] = in_c / group;
    for (int a = 0; a < axes; a++) {
        dw[2 + a] = pick(&t, 1, 3);
        stride[a] = pick(&t, 1, 2);
        dil[a] = pick(&t, 1, 2);
        pads[a] = pick(&t, 0, 2);
        pads[axes + a] = pick(&t, 0, 2);
        dx[2 + a] = pick(&t, 5, 9);
    }
    bias = it_rng_below(&t.rng, 2);
    net_input(&t, any_type(&t), -1.5f, 2.5f, 2 + (int)axes, dx);
    w = net_weight(&t, 2 + (int)axes, dw, 0);
    b = net_const(&t, 1, &out_c, -2, 2);
    y = net_node(&t, "Conv", bias ? IN(t.x, w, b) : IN(t.x, w),
                 ATTRS(A_INTS("strides", axes, stride), A_INTS("dilations", axes, dil), A_INTS("pads", 2 * axes, pads), A_INT("group", group)));
    if (it_rng_below(&t.rng, 2)) {
        y->producer->clamp_lo = 0;
        y->producer->clamp_hi = 1;
    }
    net_measure(&t, y, any_type(&t));
    net_check(&t, bound(&t, w->q));
    net_free(&t);
}

static void test_conv(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 120; seed++)
        conv_case(seed);
}

static void test_conv_kinds(void **state)
{
    int64_t dx[4] = { 1, 6, 5, 5 }, dw[4] = { 6, 1, 3, 3 }, db[4] = { 4, 6, 1, 1 };
    net t;
    it_value *y;
    (void)state;
    net_init(&t, 7);
    net_input(&t, INTACT_U8, 0, 1, 4, dx);
    y = net_node(&t, "Conv", IN(t.x, net_weight(&t, 4, dw, 0)), ATTRS(A_INT("group", 6)));
    y = net_node(&t, "Conv", IN(y, net_weight(&t, 4, db, 0)), NULL);
    net_measure(&t, y, INTACT_U8);
    assert_int_equal(net_lower(&t, &it_alloc_libc), INTACT_OK);
    assert_int_equal(net_count(&t, &it_instr_dwconv), 1);
    assert_int_equal(net_count(&t, &it_instr_conv), 1);
    assert_int_equal(net_count(&t, NULL), 2);
    net_free(&t);
}

static void test_dense(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        net t;
        bool mat = seed % 3 == 0;
        int64_t k, o, trans;
        double b_step;
        it_value *w, *c, *y;
        float alpha, beta;
        net_init(&t, seed);
        k = pick(&t, 1, 70);
        o = pick(&t, 1, 20);
        trans = mat ? 0 : pick(&t, 0, 1);
        alpha = mat ? 1 : (float)pick(&t, 1, 4) / 2 * (seed % 4 ? 1 : -1);
        beta = mat ? 1 : (float)pick(&t, -4, 4) / 2;
        net_input(&t, any_type(&t), -3, 1, mat && seed % 2 ? 3 : 2, mat && seed % 2 ? (const int64_t[]){ 1, 1, k } : (const int64_t[]){ 1, k });
        w = net_weight(&t, 2, trans ? (const int64_t[]){ o, k } : (const int64_t[]){ k, o }, trans ? 0 : 1);
        c = seed % 5 == 0 ? net_const(&t, 2, (const int64_t[]){ 1, 1 }, 1, 2) : net_const(&t, 1, &o, -2, 2);
        y = mat ? net_node(&t, "MatMul", IN(t.x, w), NULL)
                : net_node(&t, "Gemm", seed % 7 ? IN(t.x, w, c) : IN(t.x, w),
                           ATTRS(A_INT("transB", trans), A_FLOAT("alpha", alpha), A_FLOAT("beta", beta)));
        net_measure(&t, y, any_type(&t));
        b_step = bound(&t, w->q) * 2; /* alpha up to 2 in the bias's step */
        net_check(&t, b_step);
        net_free(&t);
    }
}

/* The flattening of an image before a matrix costs nothing: the weights are permuted instead. */
static void test_flatten_dense(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        int64_t dx[4] = { 1, 3, 4, 5 }, dw[2] = { 60, 7 }, dv[2] = { 60, 2 }, to[2] = { 1, -1 };
        net t;
        it_value *flat, *y, *z, *w;
        net_init(&t, 40 + (uint64_t)i);
        net_input(&t, i % 2 ? INTACT_U8 : INTACT_S16, -1, 1, 4, dx);
        y = net_node(&t, "MaxPool", IN(t.x), ATTRS(A_INTS("kernel_shape", 2, ((int64_t[]){ 1, 1 }))));
        flat = i < 2 ? net_node(&t, "Flatten", IN(y), NULL) : net_node(&t, "Reshape", IN(y, net_shape(&t, 2, to)), NULL);
        w = net_weight(&t, 2, dw, 1);
        y = net_node(&t, "Gemm", IN(flat, w), NULL);
        z = net_node(&t, "MatMul", IN(flat, net_weight(&t, 2, dv, 1)), NULL);
        y = net_node(&t, "Concat", IN(y, z), ATTRS(A_INT("axis", 1)));
        y->q = net_quant(&t, INTACT_S16, -8, 8);
        y->producer->in[0]->q = y->producer->in[1]->q = y->q;
        net_measure(&t, y, INTACT_S16);
        net_check(&t, 0.6);
        assert_int_equal(net_lower(&t, &it_alloc_libc), INTACT_OK);
        assert_int_equal(net_count(&t, &it_instr_copy), 0);
        net_free(&t);
    }
    for (int i = 0; i < 2; i++) { /* another reader needs ONNX's order: then it is a copy, and the weights stay as they are */
        int64_t dx[4] = { 1, 3, 4, 5 }, dw[2] = { 60, 60 };
        net t;
        it_value *flat, *y;
        net_init(&t, 50);
        net_input(&t, INTACT_U8, -1, 1, 4, dx);
        flat = net_node(&t, "Flatten", IN(t.x), NULL);
        y = net_node(&t, "Gemm", IN(flat, net_weight(&t, 2, dw, 1)), NULL);
        y = net_node(&t, "Concat", IN(y, flat), ATTRS(A_INT("axis", 1)));
        y->q = t.x->q;
        y->producer->in[0]->q = y->q;
        net_measure(&t, y, INTACT_U8);
        net_check(&t, 0.6);
        assert_int_equal(net_lower(&t, &it_alloc_libc), INTACT_OK);
        assert_int_equal(net_count(&t, &it_instr_copy), 1);
        net_free(&t);
    }
}

static void pool_case(uint64_t seed)
{
    static const char *const ONNX[] = { "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool" };
    net t;
    int kind = (int)(seed % 4);
    int64_t axes, k[2], stride[2], pads[4], dil[2], dx[4] = { 1 }, count_pad, ceil_mode;
    it_value *y;
    intact_type type;
    net_init(&t, seed);
    axes = pick(&t, 1, 2);
    dx[1] = pick(&t, 1, 20);
    for (int a = 0; a < axes; a++) {
        k[a] = pick(&t, 1, 3);
        stride[a] = pick(&t, 1, 3);
        dil[a] = kind == 0 ? pick(&t, 1, 2) : 1;
        pads[a] = pick(&t, 0, k[a] - 1);
        pads[axes + a] = pick(&t, 0, k[a] - 1);
        dx[2 + a] = pick(&t, 5, 12);
    }
    count_pad = kind == 1 ? pick(&t, 0, 1) : 0;
    ceil_mode = count_pad ? 0 : pick(&t, 0, 1);
    type = any_type(&t);
    net_input(&t, type, -1, 3, 2 + (int)axes, dx);
    if (kind < 2)
        y = net_node(&t, ONNX[kind], IN(t.x),
                     ATTRS(A_INTS("kernel_shape", axes, k), A_INTS("strides", axes, stride), A_INTS("pads", 2 * axes, pads), A_INT("ceil_mode", ceil_mode),
                           kind ? (it_attr)A_INT("count_include_pad", count_pad) : (it_attr)A_INTS("dilations", axes, dil)));
    else
        y = net_node(&t, ONNX[kind], IN(t.x), NULL);
    if (seed % 7 == 0)
        y->producer->clamp_lo = 0.25f;
    if (seed % 5 == 0) /* a maximum that an imported network requantizes */
        y->q = net_quant(&t, any_type(&t), -1, 3);
    net_measure(&t, y, any_type(&t));
    net_check(&t, seed % 7 == 0 ? 1.01 : 0.501); /* the clamp's own rounding */
    net_free(&t);
}

static void test_pools(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 160; seed++)
        pool_case(seed);
}

static void test_softmax(void **state)
{
    (void)state;
    for (int i = 0; i < 32; i++) {
        intact_type in = i % 2 ? INTACT_U8 : INTACT_S16, out = i / 2 % 2 ? INTACT_U8 : INTACT_S16;
        float range = (float)(1 << (i / 4 % 8)); /* to 128: s16 then shifts distances */
        net t;
        it_value *y;
        double step;
        net_init(&t, 60 + (uint64_t)i);
        if (i % 3)
            net_input(&t, in, -range, range, DIM(1, 11));
        else
            net_input(&t, in, -range, range, DIM(1, 11, 3, 2));
        y = net_node(&t, "Softmax", IN(t.x), ATTRS(A_INT("axis", 1)));
        y->q = i % 5 == 4 ? net_quant(&t, out, -0.5f, 1) : net_quant(&t, out, 0, 1);
        net_measure(&t, y, out);
        step = (double)y->q->scale[0];
        /* s16 distances are cut to a multiple of 2^shift steps: a relative error of S * 2^shift / 2, at most 22.2 / 4095 */
        net_check(&t, 1.01 + (in == INTACT_S16 ? 0.006 / step : 0));
        net_free(&t);
    }
}

static void test_softmax_axis(void **state)
{
    net t;
    it_value *y;
    (void)state;
    net_init(&t, 1);
    net_input(&t, INTACT_U8, -1, 1, DIM(1, 4, 3, 2));
    y = net_node(&t, "Softmax", IN(t.x), ATTRS(A_INT("axis", 3)));
    net_measure(&t, y, INTACT_U8);
    assert_int_equal(net_lower(&t, &it_alloc_libc), INTACT_E_UNSUPPORTED);
    assert_non_null(strstr(t.err.message, "channels"));
    net_free(&t);
}

static void test_batch_norm(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 24; seed++) {
        net t;
        int64_t c = 7;
        it_value *y, *scale, *var;
        net_init(&t, seed);
        net_input(&t, any_type(&t), -1, 2, 2 + (int)(seed % 4), (const int64_t[]){ 1, 7, 3, 4, 2 });
        scale = net_const(&t, 1, &c, -2, 2);
        ((float *)scale->t.data)[3] = 0; /* a channel that is only its bias */
        var = net_const(&t, 1, &c, 0.1f, 2);
        y = net_node(&t, "BatchNormalization", IN(t.x, scale, net_const(&t, 1, &c, -1, 1), net_const(&t, 1, &c, -1, 1), var), NULL);
        net_measure(&t, y, any_type(&t));
        net_check(&t, t.x->q->type == INTACT_U8 && y->q->type == INTACT_S16 ? 5 : 0.6); /* the bias rounds to S_x * |factor| / 127 */
        net_free(&t);
    }
}

static void test_refusals(void **state)
{
    net t;
    it_value *w, *y;
    (void)state;
    net_init(&t, 1); /* a weight that is not quantized */
    net_input(&t, INTACT_U8, -1, 1, DIM(1, 4, 3, 3));
    y = net_node(&t, "Conv", IN(t.x, net_const(&t, DIM(2, 4, 1, 1), -1, 1)), NULL);
    net_measure(&t, y, INTACT_U8);
    assert_int_equal(net_lower(&t, &it_alloc_libc), INTACT_E_UNSUPPORTED);
    assert_non_null(strstr(t.err.message, "not quantized"));
    assert_non_null(strstr(t.err.where, "conv"));
    net_free(&t);
    net_init(&t, 2); /* an output that is not quantized */
    net_input(&t, INTACT_U8, -1, 1, DIM(1, 4, 3, 3));
    w = net_weight(&t, DIM(2, 4, 1, 1), 0);
    y = net_node(&t, "Conv", IN(t.x, w), NULL);
    net_measure(&t, y, INTACT_U8);
    y->q = NULL;
    assert_int_equal(net_lower(&t, &it_alloc_libc), INTACT_E_UNSUPPORTED);
    assert_non_null(strstr(t.err.message, "no quantization"));
    net_free(&t);
}

/* A matrix for each row of a sequence, or of anything of more dimensions. */
static void test_rows(void **state)
{
    static const int64_t SHAPES[][5] = { { 1, 5, 4 }, { 1, 1, 4 }, { 1, 9, 4 }, { 1, 3, 5, 4 }, { 1, 1, 6, 4 }, { 1, 2, 3, 5, 4 } };
    static const int RANK[] = { 3, 3, 3, 4, 4, 5 };
    (void)state;
    for (uint64_t i = 0; i < 24; i++) {
        net t;
        it_value *y;
        net_init(&t, 30 + i);
        net_input(&t, i < 12 ? INTACT_U8 : INTACT_S16, -1, 1, RANK[i % 6], SHAPES[i % 6]);
        y = net_node(&t, "MatMul", IN(t.x, net_weight(&t, DIM(4, 3), 1)), NULL);
        if (i % 2)
            y->producer->clamp_lo = 0;
        net_measure(&t, y, i % 12 < 6 ? INTACT_U8 : INTACT_S16);
        net_check_near(&t, 0.6, 1e-4); /* 64-bit accumulators have 15-bit multipliers */
        net_free(&t);
    }
}

/* Between reshapes: the rows are the positions of a feature map, and back. */
static void test_rows_of_a_map(void **state)
{
    int64_t perm[3] = { 0, 2, 1 };
    net t;
    it_value *y;
    (void)state;
    net_init(&t, 60);
    net_input(&t, INTACT_U8, -1, 1, DIM(1, 8, 3, 5));
    y = net_node(&t, "Reshape", IN(t.x, net_shape(&t, DIM(1, 8, 15))), NULL);
    y = net_node(&t, "Transpose", IN(y), ATTRS(A_INTS("perm", 3, perm)));
    y = net_node(&t, "MatMul", IN(y, net_weight(&t, DIM(8, 6), 1)), NULL);
    y = net_node(&t, "Transpose", IN(y), ATTRS(A_INTS("perm", 3, perm)));
    y = net_node(&t, "Reshape", IN(y, net_shape(&t, DIM(1, 6, 3, 5))), NULL);
    net_measure(&t, y, INTACT_U8);
    net_check(&t, 0.6);
    net_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_conv), cmocka_unit_test(test_conv_kinds), cmocka_unit_test(test_dense),
                                        cmocka_unit_test(test_flatten_dense), cmocka_unit_test(test_pools), cmocka_unit_test(test_softmax),
                                        cmocka_unit_test(test_softmax_axis), cmocka_unit_test(test_batch_norm), cmocka_unit_test(test_refusals),
                                        cmocka_unit_test(test_rows), cmocka_unit_test(test_rows_of_a_map) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
