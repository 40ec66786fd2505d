/* SPDX-License-Identifier: Apache-2.0 */
/* Round: the nearest integer, ties to even. */
#include "op/unary.h"

IT_UNARY(round, rint(x))

const it_op it_op_round = {
    IT_UNARY_FIELDS(round), .onnx = "Round", .since = 11,
    .quant = IT_LUT_QUANT(IT_Q_FREE, 0, 0),
};
