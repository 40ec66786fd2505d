/* SPDX-License-Identifier: Apache-2.0 */
/* Softsign: y = x / (1 + |x|). */
#include "op/unary.h"

IT_UNARY(softsign, x / (1 + fabs(x)))

const it_op it_op_softsign = {
    IT_UNARY_FIELDS(softsign), .onnx = "Softsign", .since = 1,
    .quant = IT_LUT_QUANT(IT_Q_FREE, 0, 0),
};
