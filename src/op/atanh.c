/* SPDX-License-Identifier: Apache-2.0 */
/* Atanh: y = inverse hyperbolic tangent of x. */
#include "op/unary.h"

IT_UNARY(atanh, atanh(x))

const it_op it_op_atanh = {
    IT_UNARY_FIELDS(atanh), .onnx = "Atanh", .since = 9,
    .quant = IT_LUT_QUANT(IT_Q_FREE, 0, 0),
};
