/* SPDX-License-Identifier: Apache-2.0 */
/* Asin: y = arc sine of x. */
#include "op/unary.h"

IT_UNARY(asin, asin(x))

const it_op it_op_asin = {
    IT_UNARY_FIELDS(asin), .onnx = "Asin", .since = 7,
    .quant = IT_LUT_QUANT(IT_Q_FREE, 0, 0),
};
