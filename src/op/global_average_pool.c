/* SPDX-License-Identifier: Apache-2.0 */
/* global_average_pool: the mean of each channel over all positions. */
#include "op/pooling.h"

static intact_status global_average_pool_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    IT_TRY(it_nn_float_only(n, in[0], err));
    return it_pooling_infer(n, in[0], true, out, err);
}

static intact_status global_average_pool_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out,
                                         intact_error *err)
{
    it_window win;
    IT_TRY(it_pooling_window(n, in[0], true, &win, err));
    return it_pooling_run(c, n, IT_POOLING_AVERAGE, &win, in[0], out[0], NULL, err);
}

static intact_status global_average_pool_lower(it_lower *lw, const it_node *n, intact_error *err)
{
    return it_pooling_lower(lw, n, IT_POOLING_AVERAGE, true, err);
}

IT_POOLING_BACK(global_average_pool, IT_POOLING_AVERAGE, true, 0)

const it_op it_op_global_average_pool = {
    .name = "global_average_pool", .onnx = "GlobalAveragePool", .since = 1,
    .in_min = 1, .in_max = 1, .out_min = 1, .out_max = 1,
    .args_bytes = sizeof(it_pooling_args), /* all zero: no attributes */
    .infer = global_average_pool_infer, .forward = global_average_pool_forward, .lower = global_average_pool_lower,
    .quant = { .role = IT_ROLE_POOL, .clamps = true, .out = IT_Q_FREE, .in_types = 1u << INTACT_U8 | 1u << INTACT_S16, .out_types = 1u << INTACT_U8 | 1u << INTACT_S16 },
    .layout = IT_LAYOUT_NHWC, .back = &global_average_pool_back,
};
