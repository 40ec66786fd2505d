/* SPDX-License-Identifier: Apache-2.0 */
/* max_pool: the largest value of each window, padding ignored; optionally where it was. */
#include "op/pooling.h"

static intact_status max_pool_parse(it_parse *p)
{
    it_pooling_args *a = p->n->args;
    int64_t order;
    IT_TRY(it_window_parse(p, &a->win));
    IT_TRY(it_attr_int(p, "storage_order", 0, &order));
    a->column_major = order == 1;
    return INTACT_OK;
}

static intact_status max_pool_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    if (in[0]->type != IT_U8 && in[0]->type != IT_I8)
        IT_TRY(it_nn_float_only(n, in[0], err));
    IT_TRY(it_pooling_infer(n, in[0], false, out, err));
    if (n->out_len > 1 && n->out[1]) {
        it_shape_copy(&out[1], &out[0]);
        out[1].type = IT_I64;
    }
    return INTACT_OK;
}

static intact_status max_pool_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out, intact_error *err)
{
    it_window win;
    IT_TRY(it_pooling_window(n, in[0], false, &win, err));
    return it_pooling_run(c, n, IT_POOLING_MAX, &win, in[0], out[0], n->out_len > 1 && out[1] ? out[1]->data : NULL, err);
}

static intact_status max_pool_lower(it_lower *lw, const it_node *n, intact_error *err)
{
    return it_pooling_lower(lw, n, IT_POOLING_MAX, false, err);
}

IT_POOLING_BACK(max_pool, IT_POOLING_MAX, false, 1)

const it_op it_op_max_pool = {
    .name = "max_pool", .onnx = "MaxPool", .since = 1,
    .in_min = 1, .in_max = 1, .out_min = 1, .out_max = 2,
    .args_bytes = sizeof(it_pooling_args),
    .parse = max_pool_parse, .infer = max_pool_infer, .forward = max_pool_forward, .lower = max_pool_lower,
    .quant = { .clamps = true, .out = IT_Q_SAME, .in_types = 1u << INTACT_U8 | 1u << INTACT_S16, .out_types = 1u << INTACT_U8 | 1u << INTACT_S16 },
    .layout = IT_LAYOUT_NHWC, .back = &max_pool_back,
};
