/* SPDX-License-Identifier: Apache-2.0 */
/* scatter_elements: a copy of the data with y[i][at[i][j][k]][k] set to, or combined with, updates[i][j][k] (here along axis 1). */
#include "op/scatter.h"

#include <string.h>

intact_status it_scatter_elements_parse(it_parse *p)
{
    it_scatter_args *a = p->n->args;

    IT_TRY(it_attr_int(p, "axis", 0, &a->axis));
    return it_scatter_parse(p, &a->how);
}

intact_status it_scatter_elements_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    const it_scatter_args *a = n->args;
    const it_tensor *x = in[0], *at = in[1];
    int axis;

    if (it_move_unknown(n, in, out))
        return INTACT_OK;
    IT_TRY(it_axis(n, a->axis, x->rank, &axis, err));
    IT_TRY(it_move_same_type(n, in, 2, err));
    if (at->type != IT_I64 && at->type != IT_I32)
        return it_node_fail(n, err, INTACT_E_SHAPE, "the indices have type %s; int64 or int32 is needed", it_type_name(at->type));
    if (at->rank != x->rank || !it_tensor_same_shape(at, in[2]))
        return it_node_fail(
            n, err, INTACT_E_SHAPE,
            "data, indices and updates have %d, %d and %d dimensions; indices and updates need one shape of the data's rank", x->rank,
            at->rank, in[2]->rank);
    for (int k = 0; k < x->rank; k++) {
        if (k != axis && at->dim[k] > x->dim[k])
            return it_node_fail(n, err, INTACT_E_SHAPE, "the indices have size %lld along axis %d, the data %lld", (long long)at->dim[k], k,
                                (long long)x->dim[k]);
    }
    return it_move_shape(n, out, x->type, x->rank, x->dim, err);
}

intact_status it_scatter_elements_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out,
                                          intact_error *err)
{
    const it_scatter_args *a = n->args;
    const it_tensor *x = in[0], *at = in[1];
    int64_t stride[IT_RANK_MAX], index[IT_RANK_MAX] = { 0 }, len = it_tensor_len(at), base = 0;
    size_t item = it_type_bytes(x->type);
    int axis;

    IT_TRY(it_axis(n, a->axis, x->rank, &axis, err));
    IT_TRY(it_move_bytes(c, n, in, out, err));
    it_move_strides(x, stride);
    for (int64_t e = 0; e < len; e++) {
        int64_t i = it_tensor_get_int(at, e);
        if (!it_move_index(&i, x->dim[axis]))
            return it_node_fail(n, err, INTACT_E_SHAPE, "index %lld at position %lld is outside -%lld..%lld",
                                (long long)it_tensor_get_int(at, e), (long long)e, (long long)x->dim[axis], (long long)x->dim[axis] - 1);
        it_scatter_combine(x->type, a->how, (uint8_t *)out[0]->data + (base + i * stride[axis]) * (int64_t)item,
                           (const uint8_t *)in[2]->data + (size_t)e * item, 1);
        for (int k = x->rank - 1; k >= 0; k--) { /* base: the offset of the other axes */
            int64_t step = k == axis ? 0 : stride[k];
            base += step;
            if (++index[k] < at->dim[k])
                break;
            base -= step * at->dim[k];
            index[k] = 0;
        }
    }
    return INTACT_OK;
}

const it_op it_op_scatter_elements = {
    .name = "scatter_elements", .onnx = "ScatterElements", .since = 11,
    .in_min = 3, .in_max = 3, .out_min = 1, .out_max = 1,
    .args_bytes = sizeof(it_scatter_args),
    .parse = it_scatter_elements_parse, .infer = it_scatter_elements_infer, .forward = it_scatter_elements_forward,
    .hint = "a Concat or a Pad writes at constant places in integers",
};
