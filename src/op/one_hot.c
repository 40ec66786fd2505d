/* SPDX-License-Identifier: Apache-2.0 */
/* one_hot: a new axis of depth elements, `on` at the index and `off` elsewhere; an index outside gives `off` throughout. */
#include "op/move.h"

#include <math.h>
#include <string.h>

typedef struct one_hot_args { int64_t axis; } one_hot_args;

static intact_status one_hot_parse(it_parse *p)
{
    return it_attr_int(p, "axis", -1, &((one_hot_args *)p->n->args)->axis);
}

static intact_status one_hot_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    const one_hot_args *a = n->args;
    const it_tensor *at = in[0];
    int64_t dim[IT_RANK_MAX + 1];
    double depth;
    int axis;

    if (it_move_unknown(n, in, out)) {
        out[0].type = in[2]->type;
        return INTACT_OK;
    }
    IT_TRY(it_axis(n, a->axis, at->rank + 1, &axis, err));
    if (in[2]->rank != 1 || in[2]->dim[0] != 2 || it_tensor_len(in[1]) != 1)
        return it_node_fail(n, err, INTACT_E_SHAPE, "depth has %lld elements, values %lld; one and two (off, on) are needed",
                            (long long)it_tensor_len(in[1]), (long long)it_tensor_len(in[2]));
    if (!in[1]->data) {
        out[0] = (it_tensor){ .type = in[2]->type, .rank = IT_RANK_UNKNOWN };
        return INTACT_OK;
    }
    depth = it_tensor_get(in[1], 0);
    if (!(depth >= 0 && depth < 0x1p40))
        return it_node_fail(n, err, INTACT_E_SHAPE, "depth is %g; a size is needed", depth);
    for (int k = 0; k <= at->rank; k++)
        dim[k] = k == axis ? (int64_t)depth : at->dim[k < axis ? k : k - 1];
    return it_move_shape(n, out, in[2]->type, at->rank + 1, dim, err);
}

static intact_status one_hot_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out, intact_error *err)
{
    const one_hot_args *a = n->args;
    const it_tensor *at = in[0];
    const uint8_t *values = in[2]->data;
    size_t item = it_type_bytes(in[2]->type);
    int64_t inner = 1, depth, len = it_tensor_len(at);
    int axis;

    IT_TRY(it_move_verify(c, n, in, out, err));
    IT_TRY(it_axis(n, a->axis, at->rank + 1, &axis, err));
    depth = out[0]->dim[axis];
    for (int k = axis; k < at->rank; k++)
        inner *= at->dim[k];
    it_move_fill(out[0]->data, values, item, it_tensor_len(out[0]));
    for (int64_t e = 0; e < len; e++) {
        double v = it_type_is_float(at->type) ? trunc(it_tensor_get(at, e)) : 0;
        int64_t i = it_type_is_float(at->type) ? (v >= -0x1p40 && v <= 0x1p40 ? (int64_t)v : INT64_MAX) : it_tensor_get_int(at, e);
        if (it_move_index(&i, depth))
            memcpy((uint8_t *)out[0]->data + (size_t)((e / inner * depth + i) * inner + e % inner) * item, values + item, item);
    }
    return INTACT_OK;
}

const it_op it_op_one_hot = {
    .name = "one_hot", .onnx = "OneHot", .since = 9,
    .in_min = 3, .in_max = 3, .out_min = 1, .out_max = 1,
    .args_bytes = sizeof(one_hot_args),
    .parse = one_hot_parse, .infer = one_hot_infer, .forward = one_hot_forward,
    .hint = "feed the one-hot vector as an input",
};
