/* SPDX-License-Identifier: Apache-2.0 */
/* lp_pool: the p-norm of each window, (sum |x|^p)^(1/p), padding as zeros. */
#include "op/pooling.h"

static intact_status lp_pool_parse(it_parse *p)
{
    it_pooling_args *a = p->n->args;
    IT_TRY(it_window_parse(p, &a->win));
    IT_TRY(it_attr_int(p, "p", 2, &a->p));
    if (a->p < 1)
        return it_node_fail(p->n, p->err, INTACT_E_FORMAT, "p is %lld; it must be at least 1", (long long)a->p);
    return INTACT_OK;
}

static intact_status lp_pool_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    IT_TRY(it_nn_float_only(n, in[0], err));
    return it_pooling_infer(n, in[0], false, out, err);
}

static intact_status lp_pool_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out, intact_error *err)
{
    it_window win;
    IT_TRY(it_pooling_window(n, in[0], false, &win, err));
    return it_pooling_run(c, n, IT_POOLING_NORM, &win, in[0], out[0], NULL, err);
}

const it_op it_op_lp_pool = {
    .name = "lp_pool", .onnx = "LpPool", .since = 2,
    .in_min = 1, .in_max = 1, .out_min = 1, .out_max = 1,
    .args_bytes = sizeof(it_pooling_args),
    .parse = lp_pool_parse, .infer = lp_pool_infer, .forward = lp_pool_forward,
    .layout = IT_LAYOUT_NHWC,
    .hint = "use AveragePool or MaxPool",
};
