/* SPDX-License-Identifier: Apache-2.0 */
/* Mul: y = a b. Integers wrap. */
#include "op/binary_back.h"

#define BINARY_NAME(suffix) mul_##suffix
#define LOOP(id, suffix, type) IT_BINARY(BINARY_NAME(suffix), type, x * z)
IT_EACH_REAL(LOOP)
#undef LOOP
#define LOOP(id, suffix, type) IT_BINARY(BINARY_NAME(suffix), type, (uint64_t)x * (uint64_t)z)
IT_EACH_SIGNED(LOOP)
IT_EACH_UNSIGNED(LOOP)
#undef LOOP
static it_binary_table TABLE = {IT_EACH_REAL(IT_BINARY_ENTRY) IT_EACH_SIGNED(IT_BINARY_ENTRY) IT_EACH_UNSIGNED(IT_BINARY_ENTRY)};

IT_BINARY_SCALARS(mul, x * z)

static intact_status mul_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    return it_binary_infer(n, in, IT_T_NUMBER, out, err);
}

static intact_status mul_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out, intact_error *err)
{
    return it_binary_forward(c, n, in[0], in[1], out[0], TABLE, err);
}

static intact_status mul_lower(it_lower *lw, const it_node *n, intact_error *err)
{
    return it_lower_product(lw, n, false, mul_with_right, mul_with_left, err);
}

IT_BINARY_BACKS(mul, 3, 0, g * Z, g * X)

const it_op it_op_mul = {
    .name = "mul", .onnx = "Mul", .since = 1, .in_min = 2, .in_max = 2, .out_min = 1, .out_max = 1,
    .infer = mul_infer, .forward = mul_forward, .lower = mul_lower,
    .quant = IT_BINARY_QUANT_CLAMPS,
    .layout = IT_LAYOUT_ANY, .back = &mul_back, .inplace = true,
};
