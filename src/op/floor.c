/* SPDX-License-Identifier: Apache-2.0 */
/* Floor: the largest integer not above x. */
#include "op/unary.h"

IT_UNARY(floor, floor(x))

const it_op it_op_floor = {
    IT_UNARY_FIELDS(floor), .onnx = "Floor", .since = 1,
    .quant = IT_LUT_QUANT(IT_Q_FREE, 0, 0),
};
