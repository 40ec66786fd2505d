/* SPDX-License-Identifier: Apache-2.0 */
/* transpose: output axis k is input axis perm[k]; without perm the axes are reversed. */
#include "op/back.h"
#include "op/move.h"

typedef struct transpose_args { const int64_t *perm; size_t len; } transpose_args;

static intact_status transpose_parse(it_parse *p)
{
    transpose_args *a = p->n->args;

    IT_TRY(it_attr_ints(p, "perm", &a->perm, &a->len));
    if (it_attr_has(p, "perm") && a->len == 0)
        return it_node_fail(p->n, p->err, INTACT_E_FORMAT, "perm has 0 entries; it needs one for every axis, or to be left out");
    return INTACT_OK;
}

/* Checked in infer: perm names every axis of x once. */
static int source_axis(const transpose_args *a, int rank, int k)
{
    return a->perm ? (int)a->perm[k] : rank - 1 - k;
}

static intact_status transpose_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    const transpose_args *a = n->args;
    const it_tensor *x = in[0];
    int64_t dim[IT_RANK_MAX];
    bool seen[IT_RANK_MAX] = { false };

    if (it_move_unknown(n, in, out))
        return INTACT_OK;
    if (a->perm && a->len != (size_t)x->rank)
        return it_node_fail(n, err, INTACT_E_SHAPE, "perm has %zu entries; the input has %d dimensions", a->len, x->rank);
    for (int k = 0; k < x->rank; k++) {
        int64_t from = a->perm ? a->perm[k] : x->rank - 1 - k;
        if (from < 0 || from >= x->rank || seen[from])
            return it_node_fail(n, err, INTACT_E_SHAPE, "perm[%d] is %lld; every axis 0..%d must appear once", k, (long long)from,
                                x->rank - 1);
        seen[from] = true;
        dim[k] = x->dim[from];
    }
    return it_move_shape(n, out, x->type, x->rank, dim, err);
}

static intact_status transpose_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out,
                                       intact_error *err)
{
    const transpose_args *a = n->args;
    int64_t to[IT_RANK_MAX], from[IT_RANK_MAX], perm[IT_RANK_MAX];

    (void)c;
    (void)err;
    it_move_strides(out[0], to);
    it_move_strides(in[0], from);
    for (int k = 0; k < in[0]->rank; k++)
        perm[k] = from[source_axis(a, in[0]->rank, k)];
    it_move_items(out[0]->data, in[0]->data, it_type_bytes(in[0]->type), in[0]->rank, out[0]->dim, to, perm);
    return INTACT_OK;
}

static intact_status transpose_lower(it_lower *lw, const it_node *n, intact_error *err)
{
    const transpose_args *a = n->args;
    const it_tensor *x = &n->in[0]->t;
    int64_t from[IT_RANK_MAX], stride[IT_RANK_MAX];

    if (source_axis(a, x->rank, 0) != 0)
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED,
                            "the batch axis moves; the integer form needs perm[0] = 0, this perm begins with %d",
                            source_axis(a, x->rank, 0));
    it_move_runtime_strides(x, from);
    for (int k = 0; k < x->rank; k++)
        stride[k] = from[source_axis(a, x->rank, k)];
    return it_move_emit(lw, n, 0, stride, 0, err);
}

static intact_status transpose_run_back(it_back_ctx *c, const it_node *n, const it_tensor *const *in, const it_tensor *const *out, const it_tensor *const *dy,
                                      it_tensor *const *dx, intact_error *err)
{
    const transpose_args *a = n->args;
    int64_t to[IT_RANK_MAX], from[IT_RANK_MAX], perm[IT_RANK_MAX];

    (void)c, (void)out, (void)err;
    if (!dx[0])
        return INTACT_OK;
    it_move_strides(dx[0], to);
    it_move_strides(dy[0], from);
    for (int k = 0; k < in[0]->rank; k++)
        perm[source_axis(a, in[0]->rank, k)] = from[k];
    it_move_items(dx[0]->data, dy[0]->data, it_type_bytes(dy[0]->type), in[0]->rank, dx[0]->dim, to, perm);
    return INTACT_OK;
}

static const it_backward transpose_back = { .gives = 1, .run = transpose_run_back };

const it_op it_op_transpose = {
    .name = "transpose", .onnx = "Transpose", .since = 1,
    .in_min = 1, .in_max = 1, .out_min = 1, .out_max = 1,
    .args_bytes = sizeof(transpose_args),
    .parse = transpose_parse, .infer = transpose_infer, .forward = transpose_forward, .lower = transpose_lower,
    .quant = { .out = IT_Q_SAME, .in_types = IT_MOVE_TYPES, .out_types = IT_MOVE_TYPES },
    .back = &transpose_back,
};
