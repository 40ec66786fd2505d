/* SPDX-License-Identifier: Apache-2.0 */
/* Atan: y = arc tangent of x. */
#include "op/unary.h"

IT_UNARY(atan, atan(x))

const it_op it_op_atan = {
    IT_UNARY_FIELDS(atan), .onnx = "Atan", .since = 7,
    .quant = IT_LUT_QUANT(IT_Q_FREE, 0, 0),
};
