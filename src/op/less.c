/* SPDX-License-Identifier: Apache-2.0 */
/* less: y = a < b, elementwise with broadcasting. */
#include "op/walk.h"

#define IT_COMPARE_EXPR (a < b)
IT_COMPARE(less)

const it_op it_op_less = {
    .name = "less", .onnx = "Less", .since = 7,
    .in_min = 2, .in_max = 2, .out_min = 1, .out_max = 1,
    .infer = it_compare_infer, .forward = less_forward,
    .hint = "comparisons belong behind the network; inside it, Sign, Clip or HardSigmoid of a Sub has an integer form",
};
