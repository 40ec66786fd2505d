/* SPDX-License-Identifier: Apache-2.0 */
/* Cos: y = cos x. */
#include "op/unary.h"

IT_UNARY(cos, cos(x))

const it_op it_op_cos = {
    IT_UNARY_FIELDS(cos), .onnx = "Cos", .since = 7,
    .quant = IT_LUT_QUANT(IT_Q_FIXED, -1, 1),
};
