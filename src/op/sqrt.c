/* SPDX-License-Identifier: Apache-2.0 */
/* Sqrt: y = square root of x. */
#include "op/unary.h"

IT_UNARY(sqrt, sqrt(x))

const it_op it_op_sqrt = {
    IT_UNARY_FIELDS(sqrt), .onnx = "Sqrt", .since = 1,
    .quant = IT_LUT_QUANT(IT_Q_FREE, 0, 0),
};
