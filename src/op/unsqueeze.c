/* SPDX-License-Identifier: Apache-2.0 */
/* unsqueeze: inserts dimensions of 1 at the given axes of the output. */
#include "op/back.h"
#include "op/move.h"

typedef struct unsqueeze_args { const int64_t *axes; size_t axes_len; } unsqueeze_args; /* before opset 13; an input since */

static intact_status unsqueeze_parse(it_parse *p)
{
    unsqueeze_args *a = p->n->args;

    if (p->n->opset >= 13)
        return INTACT_OK;
    IT_TRY(it_attr_ints(p, "axes", &a->axes, &a->axes_len));
    if (!a->axes)
        return it_node_fail(p->n, p->err, INTACT_E_FORMAT, "attribute \"axes\" is missing; opset %d needs it", p->n->opset);
    return INTACT_OK;
}

static intact_status unsqueeze_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    const unsqueeze_args *a = n->args;
    const it_tensor *x = in[0];
    int64_t list[IT_RANK_MAX], dim[IT_RANK_MAX];
    const int64_t *axes = a->axes;
    int len = a->axes_len > IT_RANK_MAX ? IT_RANK_MAX + 1 : (int)a->axes_len, rank, axis, next = 0;
    bool one[IT_RANK_MAX] = { false }, known = true;

    if (it_move_unknown(n, in, out))
        return INTACT_OK;
    if (it_move_has(n, in, 1)) {
        IT_TRY(it_move_ints(n, in, 1, "axes", list, IT_RANK_MAX, &len, &known, err));
        axes = list;
    } else if (!axes) {
        return it_node_fail(n, err, INTACT_E_SHAPE, "input 1, the axes, is missing; opset %d needs it", n->opset);
    }
    rank = x->rank + len;
    if (rank > IT_RANK_MAX)
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "the output would have %d dimensions; at most %d are supported", rank,
                            IT_RANK_MAX);
    if (!known) {
        it_move_set_unknown(n, in, out);
        return INTACT_OK;
    }
    for (int k = 0; k < len; k++) {
        IT_TRY(it_axis(n, axes[k], rank, &axis, err));
        if (one[axis])
            return it_node_fail(n, err, INTACT_E_SHAPE, "axis %d appears twice in axes", axis);
        one[axis] = true;
    }
    for (int k = 0; k < rank; k++)
        dim[k] = one[k] ? 1 : x->dim[next++];
    return it_move_shape(n, out, x->type, rank, dim, err);
}

const it_op it_op_unsqueeze = {
    .name = "unsqueeze", .onnx = "Unsqueeze", .since = 1,
    .in_min = 1, .in_max = 2, .out_min = 1, .out_max = 1,
    .args_bytes = sizeof(unsqueeze_args),
    .parse = unsqueeze_parse, .infer = unsqueeze_infer, .forward = it_move_bytes, .lower = it_lower_reshape,
    .quant = { .out = IT_Q_SAME, .in_types = IT_MOVE_TYPES, .out_types = IT_MOVE_TYPES },
    .view = true, .back = &it_back_view,
};
