/* SPDX-License-Identifier: Apache-2.0 */
/* compress: the slices along an axis (of the flattened input without one) whose condition is true. */
#include "op/move.h"

#include <string.h>

typedef struct compress_args { int64_t axis; bool has_axis; } compress_args;

static intact_status compress_parse(it_parse *p)
{
    compress_args *a = p->n->args;

    a->has_axis = it_attr_has(p, "axis");
    return it_attr_int(p, "axis", 0, &a->axis);
}

/* The axis' length and what lies around it. */
static intact_status compress_geometry(const it_node *n, const it_tensor *x, int *axis, int64_t *outer, int64_t *len, int64_t *inner,
                                       intact_error *err)
{
    const compress_args *a = n->args;

    *axis = -1;
    *outer = *inner = 1;
    *len = it_tensor_len(x);
    if (!a->has_axis)
        return INTACT_OK;
    IT_TRY(it_axis(n, a->axis, x->rank, axis, err));
    *len = x->dim[*axis];
    for (int k = 0; k < x->rank; k++) {
        *outer *= k < *axis ? x->dim[k] : 1;
        *inner *= k > *axis ? x->dim[k] : 1;
    }
    return INTACT_OK;
}

static intact_status compress_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    const it_tensor *x = in[0], *condition = in[1];
    const uint8_t *keep = condition->data;
    int64_t outer, len, inner, kept = 0, dim[IT_RANK_MAX];
    int axis;

    if (it_move_unknown(n, in, out))
        return INTACT_OK;
    IT_TRY(compress_geometry(n, x, &axis, &outer, &len, &inner, err));
    if (condition->type != IT_BOOL || condition->rank != 1)
        return it_node_fail(n, err, INTACT_E_SHAPE, "the condition has type %s and %d dimensions; a list of bool is needed",
                            it_type_name(condition->type), condition->rank);
    if (!keep && condition->dim[0] > 0) {
        it_move_set_unknown(n, in, out);
        return INTACT_OK;
    }
    for (int64_t i = 0; i < condition->dim[0]; i++) {
        if (keep[i] && i >= len)
            return it_node_fail(n, err, INTACT_E_SHAPE, "condition %lld is true, but there are only %lld slices", (long long)i,
                                (long long)len);
        kept += keep[i] != 0;
    }
    memcpy(dim, x->dim, sizeof(dim));
    dim[axis < 0 ? 0 : axis] = kept;
    return it_move_shape(n, out, x->type, axis < 0 ? 1 : x->rank, dim, err);
}

static intact_status compress_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out, intact_error *err)
{
    const uint8_t *keep = in[1]->data, *from = in[0]->data;
    uint8_t *to = out[0]->data;
    int64_t outer, len, inner;
    size_t row;
    int axis;

    IT_TRY(it_move_verify(c, n, in, out, err));
    IT_TRY(compress_geometry(n, in[0], &axis, &outer, &len, &inner, err));
    row = (size_t)inner * it_type_bytes(in[0]->type);
    for (int64_t o = 0; o < outer; o++, from += (size_t)len * row) {
        for (int64_t i = 0; i < len && i < in[1]->dim[0]; i++) {
            if (!keep[i])
                continue;
            memcpy(to, from + (size_t)i * row, row);
            to += row;
        }
    }
    return INTACT_OK;
}

const it_op it_op_compress = {
    .name = "compress", .onnx = "Compress", .since = 9,
    .in_min = 2, .in_max = 2, .out_min = 1, .out_max = 1,
    .args_bytes = sizeof(compress_args),
    .parse = compress_parse, .infer = compress_infer, .forward = compress_forward,
    .hint = "a Gather with constant indices lowers to copies",
};
