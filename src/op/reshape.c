/* SPDX-License-Identifier: Apache-2.0 */
/* reshape: the same elements in the same order under a new shape; 0 keeps a dimension (unless allowzero), -1 takes what is left. */
#include "op/back.h"
#include "op/move.h"

typedef struct reshape_args { int64_t allowzero; } reshape_args;

static intact_status reshape_parse(it_parse *p)
{
    reshape_args *a = p->n->args;

    return p->n->opset >= 14 ? it_attr_int(p, "allowzero", 0, &a->allowzero) : INTACT_OK;
}

static intact_status reshape_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    const reshape_args *a = n->args;
    const it_tensor *x = in[0];
    int64_t dim[IT_RANK_MAX], rest = 1, len;
    int rank, open = -1;
    bool known;

    if (it_move_unknown(n, in, out))
        return INTACT_OK;
    IT_TRY(it_move_ints(n, in, 1, "shape", dim, IT_RANK_MAX, &rank, &known, err));
    if (!known) {
        it_move_set_unknown(n, in, out);
        return INTACT_OK;
    }
    len = it_tensor_len(x);
    for (int k = 0; k < rank; k++) {
        if (dim[k] == 0 && !a->allowzero) {
            if (k >= x->rank)
                return it_node_fail(n, err, INTACT_E_SHAPE, "shape[%d] is 0, which copies the input's dimension, but the input has only %d",
                                    k, x->rank);
            dim[k] = x->dim[k];
        }
        if (dim[k] == -1 && open >= 0)
            return it_node_fail(n, err, INTACT_E_SHAPE, "shape has -1 at %d and at %d; only one may be left open", open, k);
        if (dim[k] < -1)
            return it_node_fail(n, err, INTACT_E_SHAPE, "shape[%d] is %lld; -1, 0 or a size is needed", k, (long long)dim[k]);
        if (dim[k] == -1)
            open = k;
        else if (__builtin_mul_overflow(rest, dim[k], &rest))
            return it_node_fail(n, err, INTACT_E_SHAPE, "shape asks for more than 2^63 elements; the input has %lld", (long long)len);
    }
    if (open >= 0) {
        if (rest == 0 || len % rest != 0)
            return it_node_fail(n, err, INTACT_E_SHAPE, "%lld elements cannot be divided into rows of %lld", (long long)len,
                                (long long)rest);
        dim[open] = len / rest;
    } else if (rest != len) {
        return it_node_fail(n, err, INTACT_E_SHAPE, "shape asks for %lld elements; the input has %lld", (long long)rest, (long long)len);
    }
    return it_move_shape(n, out, x->type, rank, dim, err);
}

const it_op it_op_reshape = {
    .name = "reshape", .onnx = "Reshape", .since = 5,
    .in_min = 2, .in_max = 2, .out_min = 1, .out_max = 1,
    .args_bytes = sizeof(reshape_args),
    .parse = reshape_parse, .infer = reshape_infer, .forward = it_move_bytes, .lower = it_lower_reshape,
    .quant = { .out = IT_Q_SAME, .in_types = IT_MOVE_TYPES, .out_types = IT_MOVE_TYPES },
    .view = true, .back = &it_back_view,
};
