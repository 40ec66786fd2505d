/* SPDX-License-Identifier: Apache-2.0 */
/* HardSwish: y = x * clip(x / 6 + 1 / 2, 0, 1). */
#include "op/unary_back.h"

IT_UNARY(hard_swish, x * IT_CLAMP_01(x / 6 + R(0.5)))

IT_UNARY_BACK(hard_swish, 1, 0, g * IT_PICK(x <= -3, R(0), IT_PICK(x >= 3, R(1), x / 3 + R(0.5))))

const it_op it_op_hard_swish = {
    IT_UNARY_FIELDS(hard_swish), .onnx = "HardSwish", .since = 14,
    .quant = IT_LUT_QUANT(IT_Q_FREE, 0, 0),
    .back = &hard_swish_back,
};
