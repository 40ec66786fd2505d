/* SPDX-License-Identifier: Apache-2.0 */
/* ArgMax: index of the largest value along an axis; of equal ones the first, or the last with select_last_index. */
#include "op/arg.h"

static intact_status arg_max_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out, intact_error *err)
{
    return it_arg_forward(c, n, in[0], out[0], false, err);
}

static intact_status arg_max_lower(it_lower *lw, const it_node *n, intact_error *err) { return it_arg_lower(lw, n, false, err); }

const it_op it_op_arg_max = {
    .name = "arg_max", .onnx = "ArgMax", .since = 1, .in_min = 1, .in_max = 1, .out_min = 1, .out_max = 1,
    .args_bytes = sizeof(it_arg_args), .parse = it_arg_parse, .infer = it_arg_infer, .forward = arg_max_forward, .lower = arg_max_lower,
    .quant = { .out = IT_Q_NONE, .in_types = IT_LUT_TYPES },
};
