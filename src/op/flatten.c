/* SPDX-License-Identifier: Apache-2.0 */
/* flatten: two dimensions, the product of those before an axis and of those from it on. */
#include "op/back.h"
#include "op/move.h"

typedef struct flatten_args { int64_t axis; } flatten_args;

static intact_status flatten_parse(it_parse *p)
{
    return it_attr_int(p, "axis", 1, &((flatten_args *)p->n->args)->axis);
}

static intact_status flatten_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    const flatten_args *a = n->args;
    const it_tensor *x = in[0];
    int64_t axis = a->axis < 0 ? a->axis + x->rank : a->axis, dim[2] = { 1, 1 };

    if (it_move_unknown(n, in, out))
        return INTACT_OK;
    if (axis < 0 || axis > x->rank) /* rank itself is allowed: everything in front */
        return it_node_fail(n, err, INTACT_E_SHAPE, "axis %lld is outside -%d..%d", (long long)a->axis, x->rank, x->rank);
    for (int k = 0; k < x->rank; k++)
        dim[k >= axis] *= x->dim[k];
    return it_move_shape(n, out, x->type, 2, dim, err);
}

const it_op it_op_flatten = {
    .name = "flatten", .onnx = "Flatten", .since = 1,
    .in_min = 1, .in_max = 1, .out_min = 1, .out_max = 1,
    .args_bytes = sizeof(flatten_args),
    .parse = flatten_parse, .infer = flatten_infer, .forward = it_move_bytes, .lower = it_lower_reshape,
    .quant = { .out = IT_Q_SAME, .in_types = IT_MOVE_TYPES, .out_types = IT_MOVE_TYPES },
    .view = true, .back = &it_back_view,
};
