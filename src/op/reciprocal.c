/* SPDX-License-Identifier: Apache-2.0 */
/* Reciprocal: y = 1 / x. */
#include "op/unary.h"

IT_UNARY(reciprocal, 1 / x)

const it_op it_op_reciprocal = {
    IT_UNARY_FIELDS(reciprocal), .onnx = "Reciprocal", .since = 1,
    .quant = IT_LUT_QUANT(IT_Q_FREE, 0, 0),
};
