/* SPDX-License-Identifier: Apache-2.0 */
/* Sin: y = sin x. */
#include "op/unary.h"

IT_UNARY(sin, sin(x))

const it_op it_op_sin = {
    IT_UNARY_FIELDS(sin), .onnx = "Sin", .since = 7,
    .quant = IT_LUT_QUANT(IT_Q_FIXED, -1, 1),
};
