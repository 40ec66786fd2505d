/* SPDX-License-Identifier: Apache-2.0 */
/* ONNX's quantized operators: rounding, saturation, scales per axis and block, integer convolution and products against plain loops. */
#include "op_elem/helpers.h"

static void test_quantize(void **state)
{
    rig r;
    (void)state;
    rig_init(&r, "QuantizeLinear", 13); /* ties to even, both ends saturate */
    rig_in(&r, IT_F32, DIM(8), VALUES(1, 3, 5, -1, 1000, -1000, 1e30, -INFINITY));
    rig_in(&r, IT_F32, SCALAR, VALUES(2));
    rig_in(&r, IT_U8, SCALAR, VALUES(128));
    rig_run(&r, 1);
    assert_int_equal(r.out[0].type, IT_U8);
    rig_expect(&r.out[0], 0, DIM(8), VALUES(128, 130, 130, 128, 255, 0, 255, 0));
    rig_free(&r);
    rig_init(&r, "QuantizeLinear", 13);
    rig_int(&r, "axis", -1);
    rig_in(&r, IT_F32, DIM(2, 2), VALUES(-300, 1, 2, 300));
    rig_in(&r, IT_F32, DIM(2), VALUES(1, 0.5));
    rig_in(&r, IT_I8, DIM(2), VALUES(0, 1));
    rig_run(&r, 1);
    rig_expect(&r.out[0], 0, DIM(2, 2), VALUES(-128, 3, 2, 127));
    rig_free(&r);
    rig_init(&r, "QuantizeLinear", 21); /* blocks of two along axis 1, the last one shorter */
    rig_int(&r, "block_size", 2);
    rig_int(&r, "output_dtype", 5);
    rig_in(&r, IT_F16, DIM(1, 3, 2), VALUES(1, 1, 1, 1, 1, 1));
    rig_in(&r, IT_F16, DIM(1, 2, 2), VALUES(1, 0.5, 0.25, 0.125));
    rig_run(&r, 1);
    assert_int_equal(r.out[0].type, IT_I16);
    rig_expect(&r.out[0], 0, DIM(1, 3, 2), VALUES(1, 2, 1, 2, 4, 8));
    rig_free(&r);
    rig_init(&r, "QuantizeLinear", 13);
    rig_in(&r, IT_F32, DIM(2, 3), NULL);
    rig_in(&r, IT_F32, DIM(2), NULL);
    rig_expect_fail(&r, 1, INTACT_E_SHAPE, "one along the axis");
    rig_free(&r);
}

static void test_dequantize(void **state)
{
    rig r;
    (void)state;
    rig_init(&r, "DequantizeLinear", 13);
    rig_in(&r, IT_U8, DIM(1, 2, 2), VALUES(0, 255, 10, 20));
    rig_in(&r, IT_F32, DIM(2), VALUES(0.5, 2));
    rig_in(&r, IT_U8, DIM(2), VALUES(128, 20));
    rig_run(&r, 1);
    rig_expect(&r.out[0], 0, DIM(1, 2, 2), VALUES(-64, 63.5, -20, 0));
    rig_free(&r);
    rig_init(&r, "DequantizeLinear", 13);
    rig_in(&r, IT_I32, DIM(2), VALUES(INT32_MIN, 3));
    rig_in(&r, IT_F32, SCALAR, VALUES(2));
    rig_run(&r, 1);
    rig_expect(&r.out[0], 0, DIM(2), VALUES(-0x1p32, 6));
    rig_free(&r);
    rig_init(&r, "DequantizeLinear", 21);
    rig_int(&r, "axis", 0);
    rig_int(&r, "block_size", 3);
    rig_in(&r, IT_I16, DIM(4), VALUES(1, 2, 3, 4));
    rig_in(&r, IT_F16, DIM(2), VALUES(1, 10));
    rig_run(&r, 1);
    assert_int_equal(r.out[0].type, IT_F16);
    rig_expect(&r.out[0], 0, DIM(4), VALUES(1, 2, 3, 40));
    rig_free(&r);
    rig_init(&r, "DequantizeLinear", 13);
    rig_in(&r, IT_U8, DIM(2), NULL);
    rig_in(&r, IT_F32, SCALAR, NULL);
    rig_in(&r, IT_I8, SCALAR, NULL);
    rig_expect_fail(&r, 1, INTACT_E_SHAPE, "the zero point has type int8, x uint8");
    rig_free(&r);
}

static void test_dynamic(void **state)
{
    rig r;
    (void)state;
    rig_init(&r, "DynamicQuantizeLinear", 11); /* the specification's example */
    rig_in(&r, IT_F32, DIM(6), VALUES(0, 2, -3, -2.5, 1.34, 0.5));
    rig_run(&r, 3);
    rig_expect(&r.out[0], 0, DIM(6), VALUES(153, 255, 0, 26, 221, 179));
    rig_expect(&r.out[1], 1e-6, SCALAR, VALUES(0.0196078438));
    rig_expect(&r.out[2], 0, SCALAR, VALUES(153));
    rig_free(&r);
    rig_init(&r, "DynamicQuantizeLinear", 11);
    rig_in(&r, IT_F32, DIM(2), VALUES(0, 0));
    rig_run(&r, 3);
    rig_expect(&r.out[0], 0, DIM(2), VALUES(0, 0));
    rig_free(&r);
}

/* ---- convolution ---- */

typedef struct conv_shape {
    int64_t n, c, o, group, axes, x[3], k[3], stride[3], dil[3], pads[6], y[3];
} conv_shape;

static void random_shape(conv_shape *s, it_rng *rng)
{
    memset(s, 0, sizeof(*s));
    s->group = 1 + (int64_t)it_rng_below(rng, 3);
    s->n = 1 + (int64_t)it_rng_below(rng, 2);
    s->c = s->group * (1 + (int64_t)it_rng_below(rng, 3));
    s->o = s->group * (1 + (int64_t)it_rng_below(rng, 3));
    s->axes = 1 + (int64_t)it_rng_below(rng, 3);
    for (int a = 0; a < s->axes; a++) {
        s->x[a] = 5 + (int64_t)it_rng_below(rng, 4);
        s->k[a] = 1 + (int64_t)it_rng_below(rng, 3);
        s->stride[a] = 1 + (int64_t)it_rng_below(rng, 3);
        s->dil[a] = 1 + (int64_t)it_rng_below(rng, 2);
        s->pads[a] = (int64_t)it_rng_below(rng, 3);
        s->pads[a + s->axes] = (int64_t)it_rng_below(rng, 3);
        s->y[a] = (s->x[a] + s->pads[a] + s->pads[a + s->axes] - (s->k[a] - 1) * s->dil[a] - 1) / s->stride[a] + 1;
    }
    for (int64_t a = s->axes; a < 3; a++)
        s->x[a] = s->k[a] = s->stride[a] = s->dil[a] = s->y[a] = 1;
}

static int64_t conv_at(const conv_shape *s, const it_tensor *x, int64_t x_zero, const it_tensor *w, int64_t w_zero, int64_t n, int64_t o,
                       const int64_t *y)
{
    int64_t per = s->c / s->group, sum = 0, taps = s->k[0] * s->k[1] * s->k[2], plane = s->x[0] * s->x[1] * s->x[2];
    for (int64_t c = 0; c < per; c++)
        for (int64_t t = 0; t < taps; t++) {
            int64_t at[3], k[3] = {t / (s->k[1] * s->k[2]), t / s->k[2] % s->k[1], t % s->k[2]};
            bool inside = true;
            for (int a = 0; a < 3; a++) {
                at[a] = y[a] * s->stride[a] - (a < s->axes ? s->pads[a] : 0) + k[a] * s->dil[a];
                inside = inside && at[a] >= 0 && at[a] < s->x[a];
            }
            if (!inside) continue;
            int64_t channel = o / (s->o / s->group) * per + c;
            sum += (it_tensor_get_int(x, (n * s->c + channel) * plane + (at[0] * s->x[1] + at[1]) * s->x[2] + at[2]) - x_zero) *
                   (it_tensor_get_int(w, (o * per + c) * taps + t) - w_zero);
        }
    return sum;
}

static void conv_attrs(rig *r, const conv_shape *s)
{
    rig_int(r, "group", s->group);
    rig_ints(r, "strides", s->stride, (size_t)s->axes);
    rig_ints(r, "dilations", s->dil, (size_t)s->axes);
    rig_ints(r, "pads", s->pads, 2 * (size_t)s->axes);
}

static void conv_case(it_rng *rng, bool requantized)
{
    rig r;
    conv_shape s;
    random_shape(&s, rng);
    int64_t dx[5] = {s.n, s.c, s.x[0], s.x[1], s.x[2]}, dw[5] = {s.o, s.c / s.group, s.k[0], s.k[1], s.k[2]};
    int rank = 2 + (int)s.axes;
    bool signed_w = it_rng_below(rng, 2), per_channel = it_rng_below(rng, 2);
    it_type tw = signed_w ? IT_I8 : IT_U8;
    int scales = per_channel ? 1 : 0;
    rig_init(&r, requantized ? "QLinearConv" : "ConvInteger", 13);
    conv_attrs(&r, &s);
    it_tensor *x = rig_random(&r, rng, IT_U8, rank, dx, 0, 255), *w, *wz, *ws = NULL, *bias = NULL;
    if (requantized) {
        rig_in(&r, IT_F32, SCALAR, VALUES(0.25));
        rig_in(&r, IT_U8, SCALAR, VALUES(100));
        w = rig_random(&r, rng, tw, rank, dw, signed_w ? -128 : 0, signed_w ? 127 : 255);
        ws = rig_random(&r, rng, IT_F32, scales, &s.o, 0.01, 0.03);
        wz = rig_random(&r, rng, tw, scales, &s.o, 0, 9);
        rig_in(&r, IT_F32, SCALAR, VALUES(2));
        rig_in(&r, IT_I8, SCALAR, VALUES(-10));
        bias = rig_random(&r, rng, IT_I32, 1, &s.o, -3000, 3000);
    } else {
        w = rig_random(&r, rng, tw, rank, dw, signed_w ? -128 : 0, signed_w ? 127 : 255);
        rig_in(&r, IT_U8, SCALAR, VALUES(100));
        wz = rig_random(&r, rng, tw, scales, &s.o, 0, 9);
    }
    rig_run(&r, 1);
    int64_t plane = s.y[0] * s.y[1] * s.y[2];
    assert_int_equal(it_tensor_len(&r.out[0]), s.n * s.o * plane);
    for (int64_t i = 0; i < s.n * s.o * plane; i++) {
        int64_t p = i % plane, o = i / plane % s.o, y[3] = {p / (s.y[1] * s.y[2]), p / s.y[2] % s.y[1], p % s.y[2]};
        int64_t k = per_channel ? o : 0, want = conv_at(&s, x, 100, w, it_tensor_get_int(wz, k), i / (plane * s.o), o, y);
        if (requantized) {
            float mult = 0.25f * (float)it_tensor_get(ws, k) / 2.0f;
            double v = rint((double)((float)(want + it_tensor_get_int(bias, o)) * mult)) - 10;
            want = (int64_t)fmin(127, fmax(-128, v));
        }
        assert_int_equal(it_tensor_get_int(&r.out[0], i), want);
    }
    rig_free(&r);
}

static void test_conv(void **state)
{
    it_rng rng;
    (void)state;
    it_rng_seed(&rng, 6);
    for (int k = 0; k < 60; k++) {
        conv_case(&rng, false);
        conv_case(&rng, true);
    }
}

/* ---- matrix products ---- */

static void test_matmul(void **state)
{
    rig r;
    (void)state;
    rig_init(&r, "MatMulInteger", 10); /* the specification's example */
    rig_in(&r, IT_U8, DIM(4, 3), VALUES(11, 7, 3, 10, 6, 2, 9, 5, 1, 8, 4, 0));
    rig_in(&r, IT_U8, DIM(3, 2), VALUES(1, 4, 2, 5, 3, 6));
    rig_in(&r, IT_U8, DIM(1), VALUES(12));
    rig_in(&r, IT_U8, DIM(1), VALUES(0));
    rig_run(&r, 1);
    rig_expect(&r.out[0], 0, DIM(4, 2), VALUES(-38, -83, -44, -98, -50, -113, -56, -128));
    rig_free(&r);
    rig_init(&r, "MatMulInteger", 10); /* zero points by row and column, a stack on one side, signed b */
    rig_in(&r, IT_U8, DIM(2, 2, 2), VALUES(1, 2, 3, 4, 5, 6, 7, 8));
    rig_in(&r, IT_I8, DIM(2, 2), VALUES(-1, 2, 3, -4));
    rig_in(&r, IT_U8, DIM(2), VALUES(1, 2));
    rig_in(&r, IT_I8, DIM(2), VALUES(0, 1));
    rig_run(&r, 1);
    rig_expect(&r.out[0], 0, DIM(2, 2, 2), VALUES(3, -5, 5, -9, 11, -21, 13, -25));
    rig_free(&r);
    rig_init(&r, "MatMulInteger", 10); /* vectors */
    rig_in(&r, IT_U8, DIM(2), VALUES(3, 4));
    rig_in(&r, IT_U8, DIM(2), VALUES(5, 6));
    rig_run(&r, 1);
    rig_expect(&r.out[0], 0, SCALAR, VALUES(39));
    rig_free(&r);
    rig_init(&r, "QLinearMatMul", 10); /* the specification's example, and b's scale by column */
    for (int k = 0; k < 2; k++) {
        if (k) rig_init(&r, "QLinearMatMul", 21);
        rig_in(&r, IT_U8, DIM(2, 4), VALUES(208, 236, 0, 238, 3, 214, 255, 29));
        rig_in(&r, IT_F32, DIM(1), VALUES(0.0066));
        rig_in(&r, IT_U8, DIM(1), VALUES(113));
        rig_in(&r, IT_U8, DIM(4, 3), VALUES(152, 51, 244, 60, 26, 255, 0, 127, 246, 127, 254, 247));
        if (k)
            rig_in(&r, IT_F32, DIM(3), VALUES(0.00705, 0.00705, 0.0141));
        else
            rig_in(&r, IT_F32, DIM(1), VALUES(0.00705));
        rig_in(&r, IT_U8, DIM(1), VALUES(114));
        rig_in(&r, IT_F32, DIM(1), VALUES(0.0107));
        rig_in(&r, IT_U8, DIM(1), VALUES(118));
        rig_run(&r, 1);
        rig_expect(&r.out[0], 0, DIM(2, 3), k ? VALUES(168, 115, 255, 1, 66, 183) : VALUES(168, 115, 255, 1, 66, 151));
        rig_free(&r);
    }
    rig_init(&r, "MatMulInteger", 10);
    rig_in(&r, IT_U8, DIM(2, 3), NULL);
    rig_in(&r, IT_U8, DIM(2, 3), NULL);
    rig_expect_fail(&r, 1, INTACT_E_SHAPE, "cannot be multiplied as matrices");
    rig_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quantize), cmocka_unit_test(test_dequantize), cmocka_unit_test(test_dynamic),
        cmocka_unit_test(test_conv),     cmocka_unit_test(test_matmul),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
