/* SPDX-License-Identifier: Apache-2.0 */
/* The gradient of every operator that trains. */
#include "back/helpers.h"

#define RUN(table)                                                                                                                \
    for (size_t i = 0; i < IT_LEN(table); i++) check_gradient(&table[i])
#define R1(a) { RANDOM, 1, { a }, { 0 } }
#define R2(a, b) { RANDOM, 2, { a, b }, { 0 } }
#define R3(a, b, c) { RANDOM, 3, { a, b, c }, { 0 } }
#define R4(a, b, c, d) { RANDOM, 4, { a, b, c, d }, { 0 } }
#define A4(a, b, c, d) { APART, 4, { a, b, c, d }, { 0 } }

static void convolution(void **state)
{
    const grad_case table[] = {
        { "Conv", 13, .in = { R4(2, 3, 7, 6), R4(5, 3, 3, 3), R1(5) }, .attrs = { ATTR_IS("pads", 4, 1, 1, 1, 1) } },
        { "Conv", 13, .in = { R4(2, 16, 8, 8), R4(32, 16, 3, 3) }, .attrs = { ATTR_IS("pads", 4, 1, 1, 1, 1), ATTR_IS("strides", 2, 2, 2) } },
        { "Conv", 13, .in = { R4(3, 16, 5, 5), R4(16, 16, 1, 1), R1(16) }, .clamp_lo = -0.5f, .clamp_hi = 0.75f },
        { "Conv", 13, .in = { R4(2, 8, 9, 9), R4(8, 1, 3, 3), R1(8) }, .attrs = { ATTR_I("group", 8), ATTR_IS("pads", 4, 1, 1, 1, 1) } },
        { "Conv", 13, .in = { R4(2, 16, 9, 9), R4(32, 1, 3, 3) }, .attrs = { ATTR_I("group", 16), ATTR_IS("strides", 2, 2, 1) } },
        { "Conv", 13, .in = { R4(2, 8, 8, 7), R4(12, 4, 3, 2), R1(12) }, .attrs = { ATTR_I("group", 2), ATTR_IS("dilations", 2, 2, 1), ATTR_IS("pads", 4, 0, 1, 2, 0) } },
        { "Conv", 13, .in = { R4(2, 4, 6, 6), R4(6, 4, 3, 3) }, .attrs = { ATTR_S("auto_pad", "SAME_UPPER"), ATTR_IS("strides", 2, 2, 2) } },
        { "Conv", 13, .in = { R3(2, 3, 11), R3(4, 3, 3), R1(4) }, .attrs = { ATTR_IS("strides", 1, 2) } },
        { "Conv", 13, .in = { { RANDOM, 5, { 1, 2, 4, 4, 3 }, { 0 } }, { RANDOM, 5, { 3, 2, 2, 3, 2 }, { 0 } } } },
    };
    (void)state;
    RUN(table);
}

static void transposed_convolution(void **state)
{
    const grad_case table[] = {
        { "ConvTranspose", 13, .in = { R4(2, 4, 5, 4), R4(4, 3, 3, 3), R1(3) } },
        { "ConvTranspose", 13, .in = { R4(2, 4, 4, 4), R4(4, 2, 3, 3), R1(4) },
          .attrs = { ATTR_I("group", 2), ATTR_IS("strides", 2, 2, 2), ATTR_IS("pads", 4, 1, 1, 1, 1), ATTR_IS("output_padding", 2, 1, 1) } },
        { "ConvTranspose", 13, .in = { R3(2, 3, 6), R3(3, 4, 3) }, .attrs = { ATTR_IS("dilations", 1, 2) } },
    };
    (void)state;
    RUN(table);
}

static void matrices(void **state)
{
    const grad_case table[] = {
        { "Gemm", 13, .in = { R2(5, 7), R2(7, 4), R1(4) } },
        { "Gemm", 13, .in = { R2(5, 7), R2(4, 7), R2(5, 1) }, .attrs = { ATTR_I("transB", 1), ATTR_F("alpha", 0.5f), ATTR_F("beta", 2) } },
        { "Gemm", 13, .in = { R2(7, 5), R2(7, 4), R2(5, 4) }, .attrs = { ATTR_I("transA", 1) }, .clamp_lo = 0, .clamp_hi = 6 },
        { "Gemm", 13, .in = { R2(7, 5), R2(4, 7) }, .attrs = { ATTR_I("transA", 1), ATTR_I("transB", 1), ATTR_F("alpha", -1.5f) } },
        { "MatMul", 13, .in = { R2(3, 5), R2(5, 4) } },
        { "MatMul", 13, .in = { R4(2, 3, 4, 5), R2(5, 6) } },
        { "MatMul", 13, .in = { R4(2, 1, 4, 5), R3(3, 5, 2) } },
        { "MatMul", 13, .in = { R1(5), R3(3, 5, 2) } },
        { "MatMul", 13, .in = { R3(3, 2, 5), R1(5) } },
    };
    (void)state;
    RUN(table);
}

static void two_operands(void **state)
{
    const grad_case table[] = {
        { "Add", 13, .in = { R4(2, 3, 4, 5), R4(2, 3, 4, 5) } },
        { "Add", 13, .in = { R4(2, 3, 4, 5), R4(1, 3, 1, 1) }, .clamp_lo = 0, .clamp_hi = INFINITY },
        { "Add", 13, .in = { R4(2, 3, 4, 5), R4(2, 3, 1, 5) } },
        { "Add", 13, .in = { R2(4, 3), R1(3) } },
        { "Add", 13, .in = { R1(3), R3(2, 4, 3) } },
        { "Add", 13, .in = { R4(2, 3, 4, 5), { RANDOM, 0, { 0 }, { 0 } } } },
        { "Sub", 13, .in = { R4(2, 3, 4, 5), R4(2, 3, 4, 5) } },
        { "Sub", 13, .in = { R4(1, 3, 1, 1), R4(2, 3, 4, 5) } },
        { "Mul", 13, .in = { R4(2, 3, 4, 5), R4(2, 3, 4, 5) } },
        { "Mul", 13, .in = { R4(2, 3, 4, 5), R4(2, 3, 1, 1) } },
        { "Mul", 13, .in = { R4(2, 1, 4, 5), R4(1, 3, 1, 5) } },
        { "Mul", 13, .in = { R4(2, 3, 4, 5), { RANDOM, 0, { 0 }, { 0 } } }, .clamp_lo = -0.2f, .clamp_hi = 0.3f },
        { "Div", 13, .in = { R4(2, 3, 4, 5), { POSITIVE, 4, { 2, 3, 4, 5 }, { 0 } } } },
        { "Div", 13, .in = { R3(2, 4, 3), { POSITIVE, 1, { 3 }, { 0 } } } },
        { "Div", 13, .in = { R1(3), { POSITIVE, 3, { 2, 4, 3 }, { 0 } } } },
        { "PRelu", 13, .in = { A4(2, 3, 4, 5), R4(1, 3, 1, 1) } },
        { "PRelu", 13, .in = { { APART, 2, { 4, 6 }, { 0 } }, R1(1) } },
        { "Sum", 13, .in = { R4(2, 3, 4, 5), R4(1, 3, 4, 1), R4(2, 3, 4, 5) } },
        { "Sum", 13, .in = { R2(2, 3) } },
    };
    (void)state;
    RUN(table);
}

static void one_operand(void **state)
{
    const grad_case table[] = {
        { "Relu", 13, .in = { A4(2, 3, 4, 5) } },
        { "LeakyRelu", 13, .in = { A4(2, 3, 4, 5) }, .attrs = { ATTR_F("alpha", 0.1f) } },
        { "Clip", 6, .in = { A4(2, 3, 4, 5) }, .attrs = { ATTR_F("min", -0.5f), ATTR_F("max", 1) } },
        { "Clip", 13, .in = { A4(2, 3, 4, 5), { POSITIVE, 0, { 0 }, { 0 } } } },
        { "HardSigmoid", 13, .in = { A4(2, 3, 4, 5) }, .attrs = { ATTR_F("alpha", 0.5f) } },
        { "HardSwish", 14, .in = { { APART, 3, { 2, 3, 40 }, { 0 } } } },
        { "Sigmoid", 13, .in = { A4(2, 3, 4, 5) } },
        { "Tanh", 13, .in = { A4(2, 3, 4, 5) } },
        { "swish", 13, .in = { A4(2, 3, 4, 5) } },
        { "Softmax", 13, .in = { R3(2, 5, 3) }, .attrs = { ATTR_I("axis", 1) } },
        { "Softmax", 11, .in = { R3(2, 5, 3) }, .attrs = { ATTR_I("axis", 1) } },
        { "LogSoftmax", 13, .in = { R2(4, 10) } },
    };
    (void)state;
    RUN(table);
}

static void pools(void **state)
{
    const grad_case table[] = {
        { "MaxPool", 13, .in = { A4(2, 3, 6, 6) }, .attrs = { ATTR_IS("kernel_shape", 2, 2, 2), ATTR_IS("strides", 2, 2, 2) } },
        { "MaxPool", 13, .in = { A4(2, 70, 7, 5) }, .attrs = { ATTR_IS("kernel_shape", 2, 3, 3), ATTR_IS("strides", 2, 2, 1), ATTR_IS("pads", 4, 1, 1, 1, 1) },
          .clamp_lo = -1.13f, .clamp_hi = 1.87f },
        { "MaxPool", 13, .in = { { APART, 3, { 2, 3, 12 }, { 0 } } }, .out_len = 2, .no_dy = 2,
          .attrs = { ATTR_IS("kernel_shape", 1, 3), ATTR_IS("dilations", 1, 2), ATTR_I("ceil_mode", 1) } },
        { "AveragePool", 13, .in = { R4(2, 3, 6, 6) }, .attrs = { ATTR_IS("kernel_shape", 2, 2, 2), ATTR_IS("strides", 2, 2, 2) } },
        { "AveragePool", 13, .in = { R4(2, 5, 7, 5) },
          .attrs = { ATTR_IS("kernel_shape", 2, 3, 3), ATTR_IS("strides", 2, 2, 1), ATTR_IS("pads", 4, 1, 1, 1, 1), ATTR_I("count_include_pad", 1) } },
        { "AveragePool", 13, .in = { R4(2, 5, 7, 5) }, .attrs = { ATTR_IS("kernel_shape", 2, 3, 3), ATTR_IS("pads", 4, 1, 0, 0, 1) } },
        { "AveragePool", 13, .in = { R4(2, 5, 4, 4) }, .attrs = { ATTR_IS("kernel_shape", 2, 4, 4) } },
        { "GlobalAveragePool", 13, .in = { R4(2, 5, 7, 5) } },
        { "GlobalMaxPool", 13, .in = { A4(2, 5, 7, 5) } },
        { "ReduceMean", 13, .in = { R4(2, 3, 4, 5) }, .attrs = { ATTR_IS("axes", 2, 2, 3) } },
        { "ReduceMean", 13, .in = { R4(2, 3, 4, 5) }, .attrs = { ATTR_IS("axes", 1, 1), ATTR_I("keepdims", 0) } },
        { "ReduceMean", 18, .in = { R3(2, 3, 4), { INTS, 1, { 2 }, { 0, -1 } } } },
        { "ReduceSum", 13, .in = { R3(2, 3, 4), { INTS, 1, { 1 }, { 1 } } }, .attrs = { ATTR_I("keepdims", 0) } },
        { "ReduceMean", 13, .in = { R3(2, 3, 4) } },
    };
    (void)state;
    RUN(table);
}

static void moves(void **state)
{
    const grad_case table[] = {
        { "Concat", 13, .in = { R4(2, 3, 4, 5), R4(2, 1, 4, 5), R4(2, 2, 4, 5) }, .attrs = { ATTR_I("axis", 1) } },
        { "Concat", 13, .in = { R3(2, 3, 4), R3(2, 3, 1) }, .attrs = { ATTR_I("axis", -1) } },
        { "Split", 13, .in = { R4(2, 6, 3, 2) }, .out_len = 3, .attrs = { ATTR_I("axis", 1) } },
        { "Split", 13, .in = { R3(2, 6, 3), { INTS, 1, { 3 }, { 1, 2, 3 } } }, .out_len = 3, .no_dy = 2, .attrs = { ATTR_I("axis", 1) } },
        { "Slice", 13, .in = { R4(2, 3, 8, 7), { INTS, 1, { 2 }, { 1, 6 } }, { INTS, 1, { 2 }, { 7, -8 } }, { INTS, 1, { 2 }, { 2, 3 } }, { INTS, 1, { 2 }, { 2, -2 } } } },
        { "Slice", 9, .in = { R3(2, 5, 4) }, .attrs = { ATTR_IS("starts", 1, 1), ATTR_IS("ends", 1, 4), ATTR_IS("axes", 1, 1) } },
        { "Slice", 13, .in = { R2(3, 6), { INTS, 1, { 1 }, { 5 } }, { INTS, 1, { 1 }, { -7 } }, { INTS, 1, { 1 }, { 1 } }, { INTS, 1, { 1 }, { -1 } } } },
        { "Pad", 13, .in = { R4(2, 3, 4, 5), { INTS, 1, { 8 }, { 0, 1, 2, 0, 0, 0, 1, 3 } } } },
        { "Pad", 13, .in = { R4(2, 3, 4, 5), { INTS, 1, { 8 }, { 0, 0, -1, 2, 0, 0, 1, -2 } } } },
        { "Transpose", 13, .in = { R4(2, 3, 4, 5) }, .attrs = { ATTR_IS("perm", 4, 0, 2, 3, 1) } },
        { "Transpose", 13, .in = { R4(2, 3, 4, 5) }, .attrs = { ATTR_IS("perm", 4, 2, 0, 3, 1) } },
        { "Transpose", 13, .in = { R3(2, 3, 4) } },
        { "Reshape", 13, .in = { R4(2, 3, 4, 5), { INTS, 1, { 2 }, { 0, -1 } } } },
        { "Flatten", 13, .in = { R4(2, 3, 4, 5) } },
        { "Squeeze", 13, .in = { R4(2, 1, 4, 1), { INTS, 1, { 1 }, { 1 } } } },
        { "Unsqueeze", 13, .in = { R2(2, 4), { INTS, 1, { 1 }, { 1 } } } },
        { "Identity", 13, .in = { R4(2, 3, 4, 5) } },
        { "Dropout", 13, .in = { R4(2, 3, 4, 5) } },
        { "Gather", 13, .in = { R3(2, 5, 3), { INTS, 2, { 2, 2 }, { 0, 4, 4, -3 } } }, .attrs = { ATTR_I("axis", 1) } },
        { "Gather", 13, .in = { R2(6, 4), { INTS32, 1, { 5 }, { 1, 1, 0, 5, 1 } } } },
        { "Gather", 13, .in = { R3(2, 5, 3), { INTS, 0, { 0 }, { -1 } } }, .attrs = { ATTR_I("axis", 1) } },
    };
    (void)state;
    RUN(table);
}

static void stored_statistics(void **state)
{
    const grad_case table[] = {
        { "BatchNormalization", 15, .in = { R4(3, 5, 4, 4), { POSITIVE, 1, { 5 }, { 0 } }, R1(5), R1(5), { POSITIVE, 1, { 5 }, { 0 } } } },
        { "BatchNormalization", 15, .in = { R4(3, 5, 4, 4), { POSITIVE, 1, { 5 }, { 0 } }, R1(5), R1(5), { POSITIVE, 1, { 5 }, { 0 } } }, .clamp_lo = 0, .clamp_hi = INFINITY },
        { "BatchNormalization", 15, .in = { R2(7, 5), { POSITIVE, 1, { 5 }, { 0 } }, R1(5), R1(5), { POSITIVE, 1, { 5 }, { 0 } } } },
    };
    (void)state;
    RUN(table);
}

#define BOTH ATTR_S("direction", "bidirectional")
static void recurrent(void **state)
{
    const grad_case table[] = {
        { "RNN", 14, .in = { R3(4, 2, 3), R3(1, 5, 3), R3(1, 5, 5), R2(1, 10), { 0 }, R3(1, 2, 5) }, .out_len = 2 },
        { "LSTM", 14, .in = { R3(4, 2, 3), R3(1, 20, 3), R3(1, 20, 5), R2(1, 40) }, .out_len = 1 },
        { "LSTM", 14, .in = { R3(4, 3, 3), R3(2, 20, 3), R3(2, 20, 5), R2(2, 40), { INTS32, 1, { 3 }, { 4, 0, 2 } }, R3(2, 3, 5), R3(2, 3, 5), R2(2, 15) },
          .out_len = 3, .attrs = { BOTH } },
        { "LSTM", 14, .in = { R3(2, 4, 3), R3(1, 20, 3), R3(1, 20, 5), { 0 }, { 0 }, R3(2, 1, 5) }, .out_len = 3, .no_dy = 1,
          .attrs = { ATTR_S("direction", "reverse"), ATTR_I("layout", 1), ATTR_I("input_forget", 1), ATTR_F("clip", 0.7f) } },
        { "GRU", 14, .in = { R3(4, 2, 3), R3(1, 15, 3), R3(1, 15, 5), R2(1, 30) }, .out_len = 1 },
        { "GRU", 14, .in = { R3(4, 3, 3), R3(2, 15, 3), R3(2, 15, 5), R2(2, 30), { INTS32, 1, { 3 }, { 4, 0, 2 } }, R3(2, 3, 5) },
          .out_len = 2, .attrs = { BOTH } },
        { "GRU", 14, .in = { R3(4, 3, 3), R3(2, 15, 3), R3(2, 15, 5), R2(2, 30), { INTS32, 1, { 3 }, { 2, 4, 3 } }, R3(2, 3, 5) },
          .out_len = 2, .attrs = { BOTH, ATTR_I("linear_before_reset", 1) } },
        { "GRU", 14, .in = { R3(2, 4, 3), R3(1, 15, 3), R3(1, 15, 5) }, .out_len = 2, .no_dy = 1,
          .attrs = { ATTR_S("direction", "reverse"), ATTR_I("layout", 1) } },
    };
    (void)state;
    RUN(table);
}

static void activations(void **state)
{
    static const char *const names[] = { "Affine", "Elu", "HardSigmoid", "LeakyRelu", "Relu", "ScaledTanh", "Sigmoid", "Softplus", "Softsign", "Tanh",
                                         "ThresholdedRelu" };
    static const float alpha[1] = { 0.6f };
    (void)state;
    for (size_t i = 0; i < IT_LEN(names); i++) {
        const char *const one[1] = { names[i] };
        const grad_case c = { "RNN", 14, .in = { R3(3, 2, 3), R3(1, 5, 3), R3(1, 5, 5), R2(1, 10) }, .out_len = 2,
                              .attrs = { { .name = "activations", .kind = IT_ATTR_STRINGS, .strings = one, .len = 1 },
                                         { .name = "activation_alpha", .kind = IT_ATTR_FLOATS, .floats = alpha, .len = 1 } } };
        check_gradient(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(convolution), cmocka_unit_test(transposed_convolution), cmocka_unit_test(matrices), cmocka_unit_test(two_operands),
        cmocka_unit_test(one_operand), cmocka_unit_test(pools),                  cmocka_unit_test(moves),    cmocka_unit_test(stored_statistics),
        cmocka_unit_test(recurrent),     cmocka_unit_test(activations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
