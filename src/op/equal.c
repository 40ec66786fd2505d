/* SPDX-License-Identifier: Apache-2.0 */
/* equal: y = a == b, elementwise with broadcasting; NaN equals nothing. */
#include "op/walk.h"

#define IT_COMPARE_EXPR (a == b)
IT_COMPARE(equal)

const it_op it_op_equal = {
    .name = "equal", .onnx = "Equal", .since = 7,
    .in_min = 2, .in_max = 2, .out_min = 1, .out_max = 1,
    .infer = it_compare_infer, .forward = equal_forward,
    .hint = "comparisons belong behind the network; inside it, Sign, Clip or HardSigmoid of a Sub has an integer form",
};
