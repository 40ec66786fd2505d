/* SPDX-License-Identifier: Apache-2.0 */
/* Tanh: y = tanh x. */
#include "op/unary_back.h"

IT_UNARY(tanh, IT_TANH(x))

IT_UNARY_BACK(tanh, 0, 1, g * (1 - y * y))

const it_op it_op_tanh = {
    IT_UNARY_FIELDS(tanh), .onnx = "Tanh", .since = 1,
    .quant = IT_LUT_QUANT(IT_Q_FIXED, -1, 1),
    .back = &tanh_back,
};
