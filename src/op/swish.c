/* SPDX-License-Identifier: Apache-2.0 */
/* swish (our own, made by a pass from x * Sigmoid(x)): y = x / (1 + e^-x). */
#include "op/unary_back.h"

IT_UNARY(swish, x * IT_SIGMOID(x))

IT_UNARY_BACK(swish, 1, 0, g * IT_SIGMOID(x) * (1 + x * (1 - IT_SIGMOID(x))))

const it_op it_op_swish = {
    IT_UNARY_FIELDS(swish), .since = 1,
    .quant = IT_LUT_QUANT(IT_Q_FREE, 0, 0),
    .back = &swish_back,
};
