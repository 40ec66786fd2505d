/* SPDX-License-Identifier: Apache-2.0 */
/* Ceil: the smallest integer not below x. */
#include "op/unary.h"

IT_UNARY(ceil, ceil(x))

const it_op it_op_ceil = {
    IT_UNARY_FIELDS(ceil), .onnx = "Ceil", .since = 1,
    .quant = IT_LUT_QUANT(IT_Q_FREE, 0, 0),
};
