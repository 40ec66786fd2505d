/* SPDX-License-Identifier: Apache-2.0 */
/* Acosh: y = inverse hyperbolic cosine of x. */
#include "op/unary.h"

IT_UNARY(acosh, acosh(x))

const it_op it_op_acosh = {
    IT_UNARY_FIELDS(acosh), .onnx = "Acosh", .since = 9,
    .quant = IT_LUT_QUANT(IT_Q_FREE, 0, 0),
};
