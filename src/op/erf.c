/* SPDX-License-Identifier: Apache-2.0 */
/* Erf: the error function. */
#include "op/unary.h"

IT_UNARY(erf, IT_ERF(x))

const it_op it_op_erf = {
    IT_UNARY_FIELDS(erf), .onnx = "Erf", .since = 9,
    .quant = IT_LUT_QUANT(IT_Q_FREE, 0, 0),
};
