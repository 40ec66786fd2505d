/* SPDX-License-Identifier: Apache-2.0 */
/* Sigmoid: y = 1 / (1 + e^-x). */
#include "op/unary_back.h"

IT_UNARY(sigmoid, IT_SIGMOID(x))

IT_UNARY_BACK(sigmoid, 0, 1, g * y * (1 - y))

const it_op it_op_sigmoid = {
    IT_UNARY_FIELDS(sigmoid), .onnx = "Sigmoid", .since = 1,
    .quant = IT_LUT_QUANT(IT_Q_FIXED, 0, 1),
    .back = &sigmoid_back,
};
