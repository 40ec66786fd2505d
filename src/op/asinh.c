/* SPDX-License-Identifier: Apache-2.0 */
/* Asinh: y = inverse hyperbolic sine of x. */
#include "op/unary.h"

IT_UNARY(asinh, asinh(x))

const it_op it_op_asinh = {
    IT_UNARY_FIELDS(asinh), .onnx = "Asinh", .since = 9,
    .quant = IT_LUT_QUANT(IT_Q_FREE, 0, 0),
};
