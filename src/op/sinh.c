/* SPDX-License-Identifier: Apache-2.0 */
/* Sinh: y = hyperbolic sine of x. */
#include "op/unary.h"

IT_UNARY(sinh, sinh(x))

const it_op it_op_sinh = {
    IT_UNARY_FIELDS(sinh), .onnx = "Sinh", .since = 9,
    .quant = IT_LUT_QUANT(IT_Q_FREE, 0, 0),
};
