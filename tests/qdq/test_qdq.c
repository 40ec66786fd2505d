/* SPDX-License-Identifier: Apache-2.0 */
/* QuantizeLinear and DequantizeLinear around float operators: the integer program gives the same codes, or the next one where the two round
** differently. */
#include "qdq/helpers.h"

#define STEP 1.01 /* one code */

static const it_type ACTS[] = { IT_U8, IT_I8 };

static it_value *conv(net *t, it_value *x, it_value *w, it_value *b, int64_t group)
{
    const int64_t pads[4] = { 1, 1, 1, 1 };
    it_value *in[3] = { x, w, b };
    return op_node(t, &it_op_conv, in, b ? 3 : 2, ATTRS(A_INTS("pads", 4, pads), A_INT("group", group)));
}

static void test_conv(void **state)
{
    (void)state;
    for (int i = 0; i < 8; i++) { /* codes of x and y, one scale or one a channel, with bias or without */
        net t;
        coded w;
        net_init(&t, 100 + (uint64_t)i);
        it_value *x = input(&t, ACTS[i & 1], DIM(1, 5, 6, 7));
        weight_make(&t, &w, IT_I8, DIM(6, 5, 3, 3), i & 2 ? 0 : -1, -128, 127);
        it_value *b = i & 4 ? bias_real(&t, bias_codes(&t, 6, 20000), &w, 1) : NULL;
        it_value *y = conv(&t, x, weight_real(&t, &w), b, 1);
        check(&t, both(&t, y, ACTS[i & 1], 0.11f, i & 1 ? 3 : 120), STEP);
    }
}

/* A Relu stays a clamp, whether the network quantizes before it or not; one from codes 0 on needs none. */
static void test_relu(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        net t;
        coded w;
        it_absorb a;
        net_init(&t, 120 + (uint64_t)i);
        it_value *x = input(&t, IT_U8, DIM(1, 4, 5, 5));
        weight_make(&t, &w, IT_I8, DIM(4, 4, 3, 3), 0, -127, 127);
        it_value *y = conv(&t, x, weight_real(&t, &w), NULL, 1);
        if (i)
            y = both(&t, y, IT_U8, 0.1f, 100);
        y = net_node(&t, "Relu", IN(y), NULL);
        absorb_and_check(&t, &a, both(&t, y, IT_U8, 0.1f, 100), STEP);
        assert_int_equal(t.g.nodes.len, 1);
        it_absorb_release(&a);
        net_free(&t);
    }
}

/* ---- weights with zero points ---- */

static const struct { it_type type; int32_t lo, hi, zero; int parts; } ZEROS[] = {
    { IT_U8, 0, 255, 128, 1 }, { IT_U8, 60, 150, 30, 1 }, { IT_U8, 0, 255, 121, 2 }, { IT_U8, 0, 255, 255, 2 }, { IT_U8, 0, 255, 0, 3 },
    { IT_I8, -128, 127, -5, 2 }, { IT_I8, -128, 127, -128, 3 }, { IT_I8, -128, 127, 127, 2 },
};

static bool noted(const net *t, const char *text)
{
    for (size_t i = 0; i < t->lw.notes.len; i++)
        if (strstr(t->lw.notes.items[i].text, text))
            return true;
    return false;
}

static void test_weight_zeros(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3 * IT_LEN(ZEROS); i++) { /* convolution, with a filter a channel, matrix */
        size_t k = i % IT_LEN(ZEROS), kind = i / IT_LEN(ZEROS);
        net t;
        coded w;
        it_absorb a;
        net_init(&t, 140 + i);
        it_value *x = kind == 2 ? input(&t, IT_U8, DIM(1, 40)) : input(&t, IT_U8, DIM(1, 6, 5, 4)), *y;
        const int64_t dims[3][4] = { { 4, 6, 3, 3 }, { 6, 1, 3, 3 }, { 40, 7 } };
        weight_make(&t, &w, ZEROS[k].type, kind == 2 ? 2 : 4, dims[kind], kind == 2 ? 1 : 0, ZEROS[k].lo, ZEROS[k].hi);
        int64_t first = ZEROS[k].type == IT_U8 ? 0 : -128;
        it_tensor_set(&w.codes->t, 0, (double)(first + 255)); /* the extremes occur */
        it_tensor_set(&w.codes->t, 1, (double)first);
        for (int64_t c = 0; c < w.channels; c++)
            weight_zero(&w, c, ZEROS[k].zero);
        if (ZEROS[k].parts == 1 && ZEROS[k].zero != 128) { /* codes that stay near */
            it_tensor_set(&w.codes->t, 0, ZEROS[k].hi);
            it_tensor_set(&w.codes->t, 1, ZEROS[k].lo);
        }
        y = kind == 2 ? net_node(&t, "MatMul", IN(x, weight_real(&t, &w)), NULL) : conv(&t, x, weight_real(&t, &w), NULL, kind ? 6 : 1);
        absorb_and_check(&t, &a, both(&t, y, IT_U8, 0.2f, 128), STEP);
        assert_int_equal(net_lower(&t, &it_alloc_libc), INTACT_OK);
        assert_int_equal(noted(&t, "sum of 2"), ZEROS[k].parts == 2);
        assert_int_equal(noted(&t, "sum of 3"), ZEROS[k].parts == 3);
        it_absorb_release(&a);
        net_free(&t);
    }
}

/* Some channels with a zero point, others without, behind a flattening, with a negative factor. */
static void test_gemm_zeros(void **state)
{
    int64_t two = 1;
    (void)state;
    net t;
    coded w;
    net_init(&t, 170);
    it_value *x = input(&t, IT_U8, DIM(1, 3, 4, 5));
    weight_make(&t, &w, IT_I8, DIM(5, 60), 0, -120, 120);
    weight_zero(&w, 1, 40);
    weight_zero(&w, 3, -60);
    x = net_node(&t, "Flatten", IN(x), ATTRS(A_INT("axis", two)));
    it_value *y = net_node(&t, "Gemm", IN(x, weight_real(&t, &w)), ATTRS(A_INT("transB", 1), A_FLOAT("alpha", -0.5f)));
    check(&t, both(&t, y, IT_I8, 0.15f, 0), STEP);
}

/* Weights that are turned round before they are used, or quantized in the network. */
static void test_weight_forms(void **state)
{
    (void)state;
    const int64_t perm[2] = { 1, 0 };
    for (int i = 0; i < 3; i++) {
        net t;
        coded w;
        net_init(&t, 180 + (uint64_t)i);
        it_value *x = input(&t, IT_U8, DIM(1, 12)), *k;
        weight_make(&t, &w, IT_I8, DIM(7, 12), i == 1 ? -1 : 0, -127, 127);
        if (i == 2) {
            k = both(&t, net_const(&t, DIM(7, 12), -1, 1), IT_I8, 1.0f / 127, 0);
        } else {
            k = weight_real(&t, &w);
        }
        k = net_node(&t, "Transpose", IN(k), ATTRS(A_INTS("perm", 2, perm)));
        check(&t, both(&t, net_node(&t, "MatMul", IN(x, k), NULL), IT_U8, 0.05f, 128), STEP);
    }
}

static void test_int4(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        it_type type = i & 1 ? IT_I4 : IT_U4;
        net t;
        coded w;
        net_init(&t, 190 + (uint64_t)i);
        t.opset = t.g.opset = 21;
        it_value *x = input(&t, IT_U8, DIM(1, 6, 5, 5));
        weight_make(&t, &w, type, DIM(8, 6, 3, 3), 0, type == IT_U4 ? 0 : -8, type == IT_U4 ? 15 : 7);
        for (int64_t c = 0; c < 8 && type == IT_U4; c++)
            weight_zero(&w, c, (int32_t)c);
        it_value *y = conv(&t, x, weight_real(&t, &w), NULL, 1);
        if (i & 2) /* codes of 4 bits between two layers */
            y = net_node(&t, "Relu", IN(both(&t, y, type, 0.4f, type == IT_U4 ? 8 : 0)), NULL);
        check(&t, both(&t, y, IT_U8, 0.03f, 128), i & 2 ? 1.01 : STEP);
    }
}

/* ---- 16 bits ---- */

static void test_16_bits(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        static const struct { it_type type; int32_t zero; } KINDS[] = { { IT_I16, 0 }, { IT_U16, 32768 }, { IT_U16, 0 }, { IT_U16, 20000 } };
        net t;
        coded w;
        it_absorb a;
        net_init(&t, 200 + (uint64_t)i);
        t.opset = t.g.opset = 21;
        it_value *x = input(&t, IT_U8, DIM(1, 4, 5, 5));
        weight_make(&t, &w, IT_I8, DIM(4, 4, 3, 3), 0, -127, 127);
        it_value *y = both(&t, conv(&t, x, weight_real(&t, &w), NULL, 1), KINDS[i].type, 0.0005f, KINDS[i].zero);
        weight_make(&t, &w, IT_I8, DIM(3, 4, 3, 3), 0, -127, 127);
        y = conv(&t, y, weight_real(&t, &w), NULL, 1);
        absorb_and_check(&t, &a, both(&t, y, IT_U8, 0.3f, 128), STEP);
        assert_int_equal(a.notes.len, i >= 2);
        it_absorb_release(&a);
        net_free(&t);
    }
}

/* ---- other operators ---- */

static void test_operators(void **state)
{
    (void)state;
    static const char *const UNARY[] = { "Relu", "Sigmoid", "HardSwish", "LeakyRelu", "Tanh", "GlobalAveragePool", "Softmax" };
    for (size_t i = 0; i < IT_LEN(UNARY); i++) {
        net t;
        net_init(&t, 220 + i);
        t.opset = t.g.opset = 14;
        it_value *x = input(&t, ACTS[i & 1], DIM(1, 6, 4, 4));
        if (i == 6)
            x = net_node(&t, "GlobalMaxPool", IN(x), NULL);
        it_value *y = net_node(&t, UNARY[i], IN(x), i == 6 ? ATTRS(A_INT("axis", 1)) : NULL);
        check(&t, both(&t, y, IT_U8, 0.013f, 100), STEP);
    }
}

static void test_two_branches(void **state)
{
    (void)state;
    const int64_t kernel[2] = { 3, 3 };
    for (int i = 0; i < 4; i++) {
        net t;
        net_init(&t, 240 + (uint64_t)i);
        it_value *x = input(&t, ACTS[i & 1], DIM(1, 4, 6, 6)), *a, *b, *y;
        a = both(&t, net_node(&t, "Neg", IN(x), NULL), IT_U8, 0.011f, 150);
        b = both(&t, net_node(&t, "HardSigmoid", IN(x), NULL), IT_I8, 0.004f, -128);
        y = i < 2 ? net_node(&t, i ? "Mul" : "Add", IN(a, b), NULL) : net_node(&t, "Concat", IN(a, b, x), ATTRS(A_INT("axis", 1)));
        if (i == 3) {
            y = both(&t, y, IT_U8, 0.016f, 140);
            y = net_node(&t, "MaxPool", IN(y), ATTRS(A_INTS("kernel_shape", 2, kernel)));
        }
        check(&t, both(&t, y, IT_U8, 0.016f, 140), i == 2 ? 1.51 : STEP);
    }
}

/* Means of codes at one scale are ties all over: they go to the even number, here as there (scales that floats compute with exactly). */
static void test_average_ties(void **state)
{
    (void)state;
    static const int64_t KERNELS[][2] = { { 4, 4 }, { 8, 8 }, { 2, 1 }, { 4, 8 } };
    for (int i = 0; i < 12; i++) {
        net t;
        net_init(&t, 250 + (uint64_t)i);
        const it_type type = ACTS[i & 1];
        net_input(&t, INTACT_U8, -1, 1, DIM(1, 30, 8, 8));
        const float scale = 0.015625f, wide = i >= 8 ? 0.03125f : scale; /* of the output */
        t.x->q->scale[0] = scale;
        t.x->q->zero[0] = 60 + i;
        for (int64_t k = 0; k < 30 * 64; k++)
            t.x_real[k] = scale * (float)((int)(k * 7 % 11 * (k % 30) / 2) + (int)it_rng_below(&t.rng, 4) - 20);
        for (int64_t k = 0; k < 30 * 64; k++) /* (channel, position) to (position, channel) */
            ((uint8_t *)t.x_codes)[k % 64 * 30 + k / 64] = (uint8_t)(int32_t)(t.x_real[k] / scale + (float)t.x->q->zero[0]);
        it_value *x = both(&t, t.x, type, scale, t.x->q->zero[0] - (type == IT_I8 ? 128 : 0)), *y;
        if (i & 4)
            y = net_node(&t, "GlobalAveragePool", IN(x), NULL);
        else
            y = net_node(&t, "AveragePool", IN(x), ATTRS(A_INTS("kernel_shape", 2, KERNELS[i % 4]), A_INTS("strides", 2, KERNELS[i % 4])));
        check(&t, both(&t, y, type, wide, type == IT_I8 ? i - 70 : 50 + i), 0.01);
    }
}

/* x * clip(x + 3, 0, 6) / 6 that was left in float between two quantized values. */
static void test_left_in_float(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        net t;
        coded w;
        net_init(&t, 260 + (uint64_t)i);
        it_value *x = input(&t, IT_U8, DIM(1, 4, 5, 5)), *y;
        weight_make(&t, &w, IT_I8, DIM(4, 4, 3, 3), 0, -127, 127);
        x = both(&t, conv(&t, x, weight_real(&t, &w), NULL, 1), IT_U8, 0.08f, 90);
        if (i == 0) {
            y = net_node(&t, "Clip", IN(net_node(&t, "Add", IN(x, number(&t, 3)), NULL), number(&t, 0), number(&t, 6)), NULL);
            y = net_node(&t, "Div", IN(net_node(&t, "Mul", IN(x, y), NULL), number(&t, 6)), NULL);
        } else if (i == 1) {
            y = net_node(&t, "Mul", IN(x, net_node(&t, "Sigmoid", IN(x), NULL)), NULL);
        } else {
            y = net_node(&t, "Exp", IN(net_node(&t, "Mul", IN(net_node(&t, "Abs", IN(x), NULL), number(&t, -0.3f)), NULL)), NULL);
        }
        check(&t, both(&t, y, IT_U8, i == 2 ? 0.004f : 0.05f, i == 2 ? 0 : 10), 1.3);
    }
}

/* The answer of a last layer that nobody quantized: 16 bits that hold every sum. */
static void test_float_answer(void **state)
{
    (void)state;
    net t;
    coded w;
    net_init(&t, 270);
    it_value *x = input(&t, IT_U8, DIM(1, 30));
    weight_make(&t, &w, IT_I8, DIM(30, 5), 1, -127, 127);
    it_value *y = net_node(&t, "MatMul", IN(x, weight_real(&t, &w)), NULL);
    it_absorb a;
    absorb_and_check(&t, &a, y, STEP);
    assert_int_equal(t.y->q->type, INTACT_S16);
    it_absorb_release(&a);
    net_free(&t);
}

/* The network's input and output are codes themselves. */
static void test_codes_outside(void **state)
{
    (void)state;
    net t;
    it_absorb a;
    net_init(&t, 280);
    net_input(&t, INTACT_U8, -1, 2, DIM(1, 8));
    float scale = t.x->q->scale[0];
    int32_t zero = t.x->q->zero[0];
    it_value *y = quantize(&t, net_node(&t, "Relu", IN(dequantize(&t, t.x, IT_I8, scale, zero - 128)), NULL), IT_U8, 0.01f, 3);
    t.x->q = NULL;
    t.x->t.type = IT_I8;
    int8_t codes[8];
    for (int i = 0; i < 8; i++)
        codes[i] = (int8_t)(((uint8_t *)t.x_codes)[i] - 128);
    float *real = t.x_real;
    t.x_real = (float *)(void *)codes;
    run_float(&t, y);
    t.x_real = real;
    a = (it_absorb){ .g = &t.g, .alloc = &it_alloc_libc };
    assert_int_equal(it_absorb_run(&a, &t.err), INTACT_OK);
    assert_int_equal(a.missing_len, 0);
    assert_non_null(strstr(a.notes.items[0].text, "128 more"));
    t.y = t.g.outputs.items[0];
    for (int i = 0; i < 8; i++)
        t.y_float[i] = 0.01f * (t.y_float[i] - 3);
    net_check(&t, STEP);
    it_absorb_release(&a);
    net_free(&t);
}

/* ---- biases ---- */

/* Codes of more than 24 bits arrive as they are. */
static void test_bias_exact(void **state)
{
    (void)state;
    net t;
    coded w;
    it_absorb a;
    net_init(&t, 290);
    it_value *x = input(&t, IT_U8, DIM(1, 3, 4, 4));
    weight_make(&t, &w, IT_I8, DIM(4, 3, 1, 1), 0, -127, 127);
    it_value *b = bias_codes(&t, 4, 1 << 30);
    int32_t want[4], zero = t.x->q->zero[0];
    for (int c = 0; c < 4; c++) {
        want[c] = ((int32_t *)b->t.data)[c];
        for (int k = 0; k < 3; k++)
            want[c] -= zero * ((int8_t *)w.codes->t.data)[c * 3 + k];
    }
    it_value *y = op_node(&t, &it_op_conv, (it_value *[]){ x, weight_real(&t, &w), bias_real(&t, b, &w, 1) }, 3, NULL);
    absorb_and_check(&t, &a, both(&t, y, IT_U8, 2000, 128), STEP);
    assert_int_equal(net_lower(&t, &it_alloc_libc), INTACT_OK);
    const it_conv_args *args = t.prog.instrs.items[0].args;
    assert_memory_equal(t.prog.consts.items[args->bias].data, want, sizeof want);
    it_absorb_release(&a);
    net_free(&t);
}

/* At another scale the real bias counts, and the user is told. */
static void test_bias_scale(void **state)
{
    (void)state;
    net t;
    coded w;
    it_absorb a;
    net_init(&t, 291);
    it_value *x = input(&t, IT_U8, DIM(1, 3, 4, 4));
    weight_make(&t, &w, IT_I8, DIM(4, 3, 3, 3), 0, -127, 127);
    it_value *y = conv(&t, x, weight_real(&t, &w), bias_real(&t, bias_codes(&t, 4, 3000), &w, 1.7), 1);
    absorb_and_check(&t, &a, both(&t, y, IT_U8, 0.1f, 128), STEP);
    assert_int_equal(a.notes.len, 1);
    assert_non_null(strstr(a.notes.items[0].text, "4 of 4 channels"));
    it_absorb_release(&a);
    net_free(&t);
}

/* Opset 10: no zero points, no axis. */
static void test_opset_10(void **state)
{
    (void)state;
    net t;
    net_init(&t, 295);
    t.opset = t.g.opset = 10;
    net_input(&t, INTACT_U8, 0, 2, DIM(1, 4, 4, 4));
    it_value *scale = number(&t, t.x->q->scale[0]);
    it_value *x = op_node(&t, &it_op_quantize_linear, (it_value *[]){ t.x, scale }, 2, NULL);
    x = op_node(&t, &it_op_dequantize_linear, (it_value *[]){ x, scale }, 2, NULL);
    check(&t, both(&t, net_node(&t, "Relu", IN(x), NULL), IT_U8, 0.01f, 0), STEP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conv), cmocka_unit_test(test_relu), cmocka_unit_test(test_weight_zeros), cmocka_unit_test(test_gemm_zeros),
        cmocka_unit_test(test_weight_forms), cmocka_unit_test(test_int4), cmocka_unit_test(test_16_bits), cmocka_unit_test(test_operators),
        cmocka_unit_test(test_two_branches), cmocka_unit_test(test_average_ties), cmocka_unit_test(test_left_in_float), cmocka_unit_test(test_float_answer),
        cmocka_unit_test(test_codes_outside), cmocka_unit_test(test_bias_exact), cmocka_unit_test(test_bias_scale), cmocka_unit_test(test_opset_10),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
