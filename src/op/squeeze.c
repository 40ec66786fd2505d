/* SPDX-License-Identifier: Apache-2.0 */
/* squeeze: drops dimensions of 1, those named or all of them. */
#include "op/back.h"
#include "op/move.h"

typedef struct squeeze_args { const int64_t *axes; size_t axes_len; } squeeze_args; /* before opset 13; an input since */

static intact_status squeeze_parse(it_parse *p)
{
    squeeze_args *a = p->n->args;

    return p->n->opset < 13 ? it_attr_ints(p, "axes", &a->axes, &a->axes_len) : INTACT_OK;
}

static intact_status squeeze_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    const squeeze_args *a = n->args;
    const it_tensor *x = in[0];
    int64_t list[IT_RANK_MAX], dim[IT_RANK_MAX];
    const int64_t *axes = a->axes;
    int len = (int)a->axes_len, rank = 0, axis;
    bool drop[IT_RANK_MAX] = { false }, known = true;

    if (it_move_unknown(n, in, out))
        return INTACT_OK;
    if (it_move_has(n, in, 1)) {
        IT_TRY(it_move_ints(n, in, 1, "axes", list, IT_RANK_MAX, &len, &known, err));
        axes = list;
    }
    if (!known) {
        it_move_set_unknown(n, in, out);
        return INTACT_OK;
    }
    for (int k = 0; k < len; k++) {
        IT_TRY(it_axis(n, axes[k], x->rank, &axis, err));
        if (x->dim[axis] != 1)
            return it_node_fail(n, err, INTACT_E_SHAPE, "axis %d has size %lld; only dimensions of 1 can be dropped", axis,
                                (long long)x->dim[axis]);
        drop[axis] = true;
    }
    for (int k = 0; k < x->rank; k++) {
        if (axes ? !drop[k] : x->dim[k] != 1)
            dim[rank++] = x->dim[k];
    }
    return it_move_shape(n, out, x->type, rank, dim, err);
}

const it_op it_op_squeeze = {
    .name = "squeeze", .onnx = "Squeeze", .since = 1,
    .in_min = 1, .in_max = 2, .out_min = 1, .out_max = 1,
    .args_bytes = sizeof(squeeze_args),
    .parse = squeeze_parse, .infer = squeeze_infer, .forward = it_move_bytes, .lower = it_lower_reshape,
    .quant = { .out = IT_Q_SAME, .in_types = IT_MOVE_TYPES, .out_types = IT_MOVE_TYPES },
    .view = true, .back = &it_back_view,
};
