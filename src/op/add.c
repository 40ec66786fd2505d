/* SPDX-License-Identifier: Apache-2.0 */
/* Add: y = a + b. Integers wrap. */
#include "op/binary_back.h"

#define BINARY_NAME(suffix) add_##suffix
#define LOOP(id, suffix, type) IT_BINARY(BINARY_NAME(suffix), type, x + z)
IT_EACH_REAL(LOOP)
#undef LOOP
#define LOOP(id, suffix, type) IT_BINARY(BINARY_NAME(suffix), type, (uint64_t)x + (uint64_t)z)
IT_EACH_SIGNED(LOOP)
IT_EACH_UNSIGNED(LOOP)
#undef LOOP
static it_binary_table TABLE = {IT_EACH_REAL(IT_BINARY_ENTRY) IT_EACH_SIGNED(IT_BINARY_ENTRY) IT_EACH_UNSIGNED(IT_BINARY_ENTRY)};

IT_BINARY_SCALARS(add, x + z)

static intact_status add_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    return it_binary_infer(n, in, IT_T_NUMBER, out, err);
}

static intact_status add_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out, intact_error *err)
{
    return it_binary_forward(c, n, in[0], in[1], out[0], TABLE, err);
}

static intact_status add_lower(it_lower *lw, const it_node *n, intact_error *err)
{
    return it_lower_sum_of_two(lw, n, 1, add_with_right, add_with_left, err);
}

IT_BINARY_BACKS(add, 0, 3, g, g)

const it_op it_op_add = {
    .name = "add", .onnx = "Add", .since = 1, .in_min = 2, .in_max = 2, .out_min = 1, .out_max = 1,
    .infer = add_infer, .forward = add_forward, .lower = add_lower,
    .quant = IT_BINARY_QUANT_CLAMPS,
    .layout = IT_LAYOUT_ANY, .back = &add_back, .inplace = true,
};
