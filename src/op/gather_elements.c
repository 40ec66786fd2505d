/* SPDX-License-Identifier: Apache-2.0 */
/* gather_elements: y[i][j][k] = x[i][at[i][j][k]][k] (here along axis 1), one index for each element. */
#include "op/move.h"

typedef struct gather_elements_args { int64_t axis; } gather_elements_args;

static intact_status gather_elements_parse(it_parse *p)
{
    return it_attr_int(p, "axis", 0, &((gather_elements_args *)p->n->args)->axis);
}

static intact_status gather_elements_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    const gather_elements_args *a = n->args;
    const it_tensor *x = in[0], *at = in[1];
    int axis;

    if (it_move_unknown(n, in, out))
        return INTACT_OK;
    IT_TRY(it_axis(n, a->axis, x->rank, &axis, err));
    if (at->type != IT_I64 && at->type != IT_I32)
        return it_node_fail(n, err, INTACT_E_SHAPE, "the indices have type %s; int64 or int32 is needed", it_type_name(at->type));
    if (at->rank != x->rank)
        return it_node_fail(n, err, INTACT_E_SHAPE, "the indices have %d dimensions, the data %d; they must agree", at->rank, x->rank);
    for (int k = 0; k < x->rank; k++) {
        if (k != axis && at->dim[k] > x->dim[k])
            return it_node_fail(n, err, INTACT_E_SHAPE, "the indices have size %lld along axis %d, the data %lld", (long long)at->dim[k], k,
                                (long long)x->dim[k]);
    }
    return it_move_shape(n, out, x->type, at->rank, at->dim, err);
}

static intact_status gather_elements_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out,
                                             intact_error *err)
{
    const gather_elements_args *a = n->args;
    const it_tensor *x = in[0], *at = in[1];
    int64_t stride[IT_RANK_MAX], index[IT_RANK_MAX] = { 0 }, len = it_tensor_len(at), base = 0;
    size_t item = it_type_bytes(x->type);
    int axis;

    (void)c;
    IT_TRY(it_axis(n, a->axis, x->rank, &axis, err));
    it_move_strides(x, stride);
    for (int64_t e = 0; e < len; e++) {
        int64_t i = it_tensor_get_int(at, e);
        if (!it_move_index(&i, x->dim[axis]))
            return it_node_fail(n, err, INTACT_E_SHAPE, "index %lld at position %lld is outside -%lld..%lld",
                                (long long)it_tensor_get_int(at, e), (long long)e, (long long)x->dim[axis], (long long)x->dim[axis] - 1);
        it_move_fill((uint8_t *)out[0]->data + (size_t)e * item, (const uint8_t *)x->data + (base + i * stride[axis]) * (int64_t)item, item,
                     1);
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

const it_op it_op_gather_elements = {
    .name = "gather_elements", .onnx = "GatherElements", .since = 11,
    .in_min = 2, .in_max = 2, .out_min = 1, .out_max = 1,
    .args_bytes = sizeof(gather_elements_args),
    .parse = gather_elements_parse, .infer = gather_elements_infer, .forward = gather_elements_forward,
    .hint = "a Gather with constant indices lowers to copies",
};
