/* SPDX-License-Identifier: Apache-2.0 */
/* average_pool: the mean of each window over its valid elements, or with count_include_pad over the padding as well. */
#include "op/pooling.h"

static intact_status average_pool_parse(it_parse *p)
{
    it_pooling_args *a = p->n->args;
    int64_t count;
    IT_TRY(it_window_parse(p, &a->win));
    IT_TRY(it_attr_int(p, "count_include_pad", 0, &count));
    a->count_include_pad = count != 0;
    return INTACT_OK;
}

static intact_status average_pool_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    IT_TRY(it_nn_float_only(n, in[0], err));
    return it_pooling_infer(n, in[0], false, out, err);
}

static intact_status average_pool_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out,
                                          intact_error *err)
{
    it_window win;
    IT_TRY(it_pooling_window(n, in[0], false, &win, err));
    return it_pooling_run(c, n, IT_POOLING_AVERAGE, &win, in[0], out[0], NULL, err);
}

static intact_status average_pool_lower(it_lower *lw, const it_node *n, intact_error *err)
{
    return it_pooling_lower(lw, n, IT_POOLING_AVERAGE, false, err);
}

IT_POOLING_BACK(average_pool, IT_POOLING_AVERAGE, false, 0)

const it_op it_op_average_pool = {
    .name = "average_pool", .onnx = "AveragePool", .since = 1,
    .in_min = 1, .in_max = 1, .out_min = 1, .out_max = 1,
    .args_bytes = sizeof(it_pooling_args),
    .parse = average_pool_parse, .infer = average_pool_infer, .forward = average_pool_forward, .lower = average_pool_lower,
    .quant = { .role = IT_ROLE_POOL, .clamps = true, .out = IT_Q_FREE, .in_types = 1u << INTACT_U8 | 1u << INTACT_S16, .out_types = 1u << INTACT_U8 | 1u << INTACT_S16 },
    .layout = IT_LAYOUT_NHWC, .back = &average_pool_back,
};
