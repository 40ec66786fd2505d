/* SPDX-License-Identifier: Apache-2.0 */
/* Exp: y = e^x. */
#include "op/unary.h"

IT_UNARY(exp, IT_EXP(x))

const it_op it_op_exp = {
    IT_UNARY_FIELDS(exp), .onnx = "Exp", .since = 1,
    .quant = IT_LUT_QUANT(IT_Q_FREE, 0, 0),
};
