/* SPDX-License-Identifier: Apache-2.0 */
/* Cosh: y = hyperbolic cosine of x. */
#include "op/unary.h"

IT_UNARY(cosh, cosh(x))

const it_op it_op_cosh = {
    IT_UNARY_FIELDS(cosh), .onnx = "Cosh", .since = 9,
    .quant = IT_LUT_QUANT(IT_Q_FREE, 0, 0),
};
