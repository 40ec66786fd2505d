/* SPDX-License-Identifier: Apache-2.0 */
/* Tan: y = tan x. */
#include "op/unary.h"

IT_UNARY(tan, tan(x))

const it_op it_op_tan = {
    IT_UNARY_FIELDS(tan), .onnx = "Tan", .since = 7,
    .quant = IT_LUT_QUANT(IT_Q_FREE, 0, 0),
};
