/* SPDX-License-Identifier: Apache-2.0 */
/* and: y = a and b, of bools, elementwise with broadcasting. */
#include "op/walk.h"

static void and_row(it_type type, const void *a, const void *b, uint8_t *y, int64_t len, int64_t step_a, int64_t step_b)
{
    const uint8_t *u = a, *v = b;
    (void)type;
    for (int64_t i = 0; i < len; i++) y[i] = u[i * step_a] && v[i * step_b];
}
IT_COMPARE_FORWARD(and)

const it_op it_op_and = {
    .name = "and", .onnx = "And", .since = 7,
    .in_min = 2, .in_max = 2, .out_min = 1, .out_max = 1,
    .infer = it_logic_infer, .forward = and_forward,
    .hint = "as numbers: Mul is And, Max with a constant and Add followed by Clip are Or, 1 - x is Not",
};
