/* SPDX-License-Identifier: Apache-2.0 */
/* Max: the largest of the inputs, element by element; NaN when one is. */
#include "op/binary.h"

#define BINARY_NAME(suffix) max_##suffix
#define LOOP(id, suffix, type) IT_BINARY(BINARY_NAME(suffix), type, x > z || x != x ? x : z)
IT_EACH_REAL(LOOP)
#undef LOOP
#define LOOP(id, suffix, type) IT_BINARY(BINARY_NAME(suffix), type, x > z ? x : z)
IT_EACH_SIGNED(LOOP)
IT_EACH_UNSIGNED(LOOP)
#undef LOOP
static it_binary_table TABLE = {IT_EACH_REAL(IT_BINARY_ENTRY) IT_EACH_SIGNED(IT_BINARY_ENTRY) IT_EACH_UNSIGNED(IT_BINARY_ENTRY)};

IT_BINARY_SCALARS(max, x > z ? x : z)

static intact_status max_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    return it_variadic_infer(n, in, IT_T_NUMBER, out, err);
}

static intact_status max_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out, intact_error *err)
{
    return it_variadic_forward(c, n, in, out[0], TABLE, 1, err);
}

static intact_status max_lower(it_lower *lw, const it_node *n, intact_error *err)
{
    if (n->in_len == 1) return it_lower_pass(lw, n, err);
    if (n->in_len != 2 || (!n->in[0]->is_const && !n->in[1]->is_const))
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED,
                            "the maximum of %d computed tensors has no integer form; of one and a constant it has, and so has "
                            "Add(a, Relu(Sub(b, a)))", n->in_len);
    return it_lower_channel_table(lw, n, max_with_right, max_with_left, err);
}

const it_op it_op_max = {
    .name = "max", .onnx = "Max", .since = 1, .in_min = 1, .in_max = -1, .out_min = 1, .out_max = 1,
    .infer = max_infer, .forward = max_forward, .lower = max_lower,
    .quant = IT_BINARY_QUANT,
    .layout = IT_LAYOUT_ANY,
};
