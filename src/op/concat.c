/* SPDX-License-Identifier: Apache-2.0 */
/* concat: the inputs one after another along an axis; in integers those that have others get the output's scale and zero point first. */
#include "op/back.h"
#include "op/move.h"

#include <string.h>

typedef struct concat_args { int64_t axis; } concat_args;

static intact_status concat_parse(it_parse *p)
{
    if (!it_attr_has(p, "axis"))
        return it_node_fail(p->n, p->err, INTACT_E_FORMAT, "attribute \"axis\" is missing");
    return it_attr_int(p, "axis", 1, &((concat_args *)p->n->args)->axis);
}

static intact_status concat_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    const concat_args *a = n->args;
    const it_tensor *x = in[0];
    int64_t dim[IT_RANK_MAX];
    int axis;

    if (it_move_unknown(n, in, out))
        return INTACT_OK;
    IT_TRY(it_axis(n, a->axis, x->rank, &axis, err));
    memcpy(dim, x->dim, sizeof(dim));
    for (int k = 1; k < n->in_len; k++) {
        if (!in[k])
            return it_node_fail(n, err, INTACT_E_SHAPE, "input %d is left out", k);
        IT_TRY(it_move_same_type(n, in, k, err));
        if (in[k]->rank != x->rank)
            return it_node_fail(n, err, INTACT_E_SHAPE, "input %d has %d dimensions, input 0 has %d", k, in[k]->rank, x->rank);
        for (int j = 0; j < x->rank; j++) {
            if (j != axis && in[k]->dim[j] != x->dim[j])
                return it_node_fail(n, err, INTACT_E_SHAPE,
                                    "input %d has size %lld along axis %d, input 0 has %lld; only axis %d may differ", k,
                                    (long long)in[k]->dim[j], j, (long long)x->dim[j], axis);
        }
        if (__builtin_add_overflow(dim[axis], in[k]->dim[axis], &dim[axis]))
            return it_node_fail(n, err, INTACT_E_SHAPE, "the sizes along axis %d add up beyond 2^63", axis);
    }
    return it_move_shape(n, out, x->type, x->rank, dim, err);
}

static intact_status concat_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out, intact_error *err)
{
    const concat_args *a = n->args;
    int64_t to[IT_RANK_MAX], from[IT_RANK_MAX];
    size_t item = it_type_bytes(in[0]->type);
    uint8_t *at = out[0]->data;
    int axis;

    (void)c;
    IT_TRY(it_axis(n, a->axis, in[0]->rank, &axis, err));
    it_move_strides(out[0], to);
    for (int k = 0; k < n->in_len; k++) {
        it_move_strides(in[k], from);
        it_move_items(at, in[k]->data, item, in[k]->rank, in[k]->dim, to, from);
        at += in[k]->dim[axis] * to[axis] * (int64_t)item;
    }
    return INTACT_OK;
}

static intact_status concat_lower(it_lower *lw, const it_node *n, intact_error *err)
{
    const concat_args *a = n->args;
    int axis, rank = n->out[0]->t.rank;
    uint32_t *x = it_alloc_new(lw->alloc, (size_t)n->in_len * sizeof(*x)), y;
    intact_status st = INTACT_OK;

    if (!x)
        return it_fail_nomem(err, n->name, (size_t)n->in_len * sizeof(*x));
    st = it_axis(n, a->axis, rank, &axis, err);
    if (st == INTACT_OK && axis == 0)
        st = it_node_fail(n, err, INTACT_E_UNSUPPORTED,
                          "the inputs are joined along the batch axis; the integer form joins inside a sample only");
    for (int k = 0; st == INTACT_OK && k < n->in_len; k++)
        st = it_move_source_as(lw, n, k, n->out[0], &x[k], err);
    if (st == INTACT_OK)
        st = it_lower_tensor(lw, n->out[0], &y, err);
    if (st == INTACT_OK)
        st = it_lower_emit(lw, &it_instr_concat, n->name, x, (uint32_t)n->in_len, &y, 1,
                           &(it_concat_args){ .axis = (uint32_t)it_runtime_axis(rank, axis) }, err);
    it_alloc_free(lw->alloc, x, (size_t)n->in_len * sizeof(*x));
    return st;
}

static intact_status concat_run_back(it_back_ctx *c, const it_node *n, const it_tensor *const *in, const it_tensor *const *out, const it_tensor *const *dy,
                                      it_tensor *const *dx, intact_error *err)
{
    const concat_args *a = n->args;
    int64_t to[IT_RANK_MAX], from[IT_RANK_MAX];
    size_t item = it_type_bytes(dy[0]->type);
    const uint8_t *at = dy[0]->data;
    int axis;

    (void)c;
    IT_TRY(it_axis(n, a->axis, out[0]->rank, &axis, err));
    it_move_strides(dy[0], from);
    for (int k = 0; k < n->in_len; k++) {
        if (dx[k]) {
            it_move_strides(dx[k], to);
            it_move_items(dx[k]->data, at, item, dx[k]->rank, dx[k]->dim, to, from);
        }
        at += in[k]->dim[axis] * from[axis] * (int64_t)item;
    }
    return INTACT_OK;
}

static const it_backward concat_back = { .gives = UINT32_MAX, .run = concat_run_back };

const it_op it_op_concat = {
    .name = "concat", .onnx = "Concat", .since = 4,
    .in_min = 1, .in_max = -1, .out_min = 1, .out_max = 1,
    .args_bytes = sizeof(concat_args),
    .parse = concat_parse, .infer = concat_infer, .forward = concat_forward, .lower = concat_lower,
    .quant = { .out = IT_Q_SHARED, .in_types = IT_MOVE_TYPES, .out_types = IT_MOVE_TYPES },
    .layout = IT_LAYOUT_ANY,
    .back = &concat_back,
};
