/* SPDX-License-Identifier: Apache-2.0 */
/* Div: y = a / b. Integers truncate toward zero; the least one divided by -1 stays what it is. */
#include "op/binary_back.h"

#define BINARY_NAME(suffix) div_##suffix
#define LOOP(id, suffix, type) IT_BINARY(BINARY_NAME(suffix), type, x / z)
IT_EACH_REAL(LOOP)
#undef LOOP
#define LOOP(id, suffix, type) IT_BINARY(BINARY_NAME(suffix), type, z == -1 ? 0 - (uint64_t)x : (uint64_t)(x / z))
IT_EACH_SIGNED(LOOP)
#undef LOOP
#define LOOP(id, suffix, type) IT_BINARY(BINARY_NAME(suffix), type, x / z)
IT_EACH_UNSIGNED(LOOP)
#undef LOOP
static it_binary_table TABLE = {IT_EACH_REAL(IT_BINARY_ENTRY) IT_EACH_SIGNED(IT_BINARY_ENTRY) IT_EACH_UNSIGNED(IT_BINARY_ENTRY)};

IT_BINARY_SCALARS(div, x / z)

static intact_status div_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    return it_binary_infer(n, in, IT_T_NUMBER, out, err);
}

static intact_status div_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out, intact_error *err)
{
    IT_TRY(it_binary_no_zero(n, in[1], err));
    return it_binary_forward(c, n, in[0], in[1], out[0], TABLE, err);
}

static intact_status div_lower(it_lower *lw, const it_node *n, intact_error *err)
{
    return it_lower_product(lw, n, true, div_with_right, div_with_left, err);
}

IT_BINARY_BACKS(div, 3, 0, g / Z, -g * X / (Z * Z))

const it_op it_op_div = {
    .name = "div", .onnx = "Div", .since = 1, .in_min = 2, .in_max = 2, .out_min = 1, .out_max = 1,
    .infer = div_infer, .forward = div_forward, .lower = div_lower,
    .quant = IT_BINARY_QUANT,
    .layout = IT_LAYOUT_ANY, .back = &div_back, .inplace = true,
};
