/* SPDX-License-Identifier: Apache-2.0 */
/* Softplus: y = ln(1 + e^x), in the form that does not overflow. */
#include "op/unary.h"

IT_UNARY(softplus, IT_SOFTPLUS(x))

const it_op it_op_softplus = {
    IT_UNARY_FIELDS(softplus), .onnx = "Softplus", .since = 1,
    .quant = IT_LUT_QUANT(IT_Q_FREE, 0, 0),
};
