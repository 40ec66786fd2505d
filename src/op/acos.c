/* SPDX-License-Identifier: Apache-2.0 */
/* Acos: y = arc cosine of x. */
#include "op/unary.h"

IT_UNARY(acos, acos(x))

const it_op it_op_acos = {
    IT_UNARY_FIELDS(acos), .onnx = "Acos", .since = 7,
    .quant = IT_LUT_QUANT(IT_Q_FREE, 0, 0),
};
