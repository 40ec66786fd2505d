/* SPDX-License-Identifier: Apache-2.0 */
/* Mean: y = the sum of the inputs divided by how many they are. */
#include "op/binary.h"

#define BINARY_NAME(suffix) mean_##suffix
#define LOOP(id, suffix, type) IT_BINARY(BINARY_NAME(suffix), type, x + z)
IT_EACH_REAL(LOOP)
#undef LOOP
static it_binary_table TABLE = {IT_EACH_REAL(IT_BINARY_ENTRY)};

static intact_status mean_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    return it_variadic_infer(n, in, IT_T_FLOAT, out, err);
}

static intact_status mean_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out, intact_error *err)
{
    return it_variadic_forward(c, n, in, out[0], TABLE, n->in_len, err);
}

static intact_status mean_lower(it_lower *lw, const it_node *n, intact_error *err)
{
    if (n->in_len == 1) return it_lower_pass(lw, n, err);
    return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "the mean of %d tensors has no integer form; use Add and a Mul by a constant",
                        n->in_len);
}

const it_op it_op_mean = {
    .name = "mean", .onnx = "Mean", .since = 1, .in_min = 1, .in_max = -1, .out_min = 1, .out_max = 1,
    .infer = mean_infer, .forward = mean_forward, .lower = mean_lower,
    .quant = IT_BINARY_QUANT,
    .layout = IT_LAYOUT_ANY,
};
