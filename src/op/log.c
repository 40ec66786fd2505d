/* SPDX-License-Identifier: Apache-2.0 */
/* Log: y = ln x. */
#include "op/unary.h"

IT_UNARY(log, log(x))

const it_op it_op_log = {
    IT_UNARY_FIELDS(log), .onnx = "Log", .since = 1,
    .quant = IT_LUT_QUANT(IT_Q_FREE, 0, 0),
};
