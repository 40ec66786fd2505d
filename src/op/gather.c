/* SPDX-License-Identifier: Apache-2.0 */
/* gather: slices of a tensor along one axis, chosen by a tensor of indices whose shape takes the axis's place. */
#include "op/back.h"
#include "op/move.h"

#include <string.h>

typedef struct gather_args { int64_t axis; } gather_args;

static intact_status gather_parse(it_parse *p)
{
    return it_attr_int(p, "axis", 0, &((gather_args *)p->n->args)->axis);
}

static intact_status gather_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    const gather_args *a = n->args;
    const it_tensor *x = in[0], *at = in[1];
    int64_t dim[2 * IT_RANK_MAX];
    int axis, rank = 0;

    if (it_move_unknown(n, in, out))
        return INTACT_OK;
    IT_TRY(it_axis(n, a->axis, x->rank, &axis, err));
    if (at->type != IT_I64 && at->type != IT_I32)
        return it_node_fail(n, err, INTACT_E_SHAPE, "the indices have type %s; int64 or int32 is needed", it_type_name(at->type));
    for (int k = 0; k < axis; k++)
        dim[rank++] = x->dim[k];
    for (int k = 0; k < at->rank; k++)
        dim[rank++] = at->dim[k];
    for (int k = axis + 1; k < x->rank; k++)
        dim[rank++] = x->dim[k];
    return it_move_shape(n, out, x->type, rank, dim, err);
}

/* Index i of at inside 0..len-1, or a failure that quotes it. */
static intact_status gather_index(const it_node *n, const it_tensor *at, int64_t i, int64_t len, int64_t *out, intact_error *err)
{
    *out = it_tensor_get_int(at, i);
    if (!it_move_index(out, len))
        return it_node_fail(n, err, INTACT_E_SHAPE, "index %lld at position %lld is outside -%lld..%lld",
                            (long long)it_tensor_get_int(at, i), (long long)i, (long long)len, (long long)len - 1);
    return INTACT_OK;
}

static intact_status gather_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out, intact_error *err)
{
    const gather_args *a = n->args;
    const it_tensor *x = in[0], *at = in[1];
    int64_t outer = 1, inner = 1, len = it_tensor_len(at), i;
    size_t row;
    int axis;

    (void)c;
    IT_TRY(it_axis(n, a->axis, x->rank, &axis, err));
    for (int k = 0; k < x->rank; k++) {
        outer *= k < axis ? x->dim[k] : 1;
        inner *= k > axis ? x->dim[k] : 1;
    }
    row = (size_t)inner * it_type_bytes(x->type);
    for (int64_t k = 0; k < len; k++) {
        const uint8_t *from;
        uint8_t *to = (uint8_t *)out[0]->data + (size_t)k * row;
        IT_TRY(gather_index(n, at, k, x->dim[axis], &i, err));
        from = (const uint8_t *)x->data + (size_t)i * row;
        for (int64_t o = 0; o < outer; o++, from += (size_t)x->dim[axis] * row, to += (size_t)len * row)
            memcpy(to, from, row);
    }
    return INTACT_OK;
}

/* One stretch of the indices, evenly spaced: first, first + step, ... as a copy into y (or a part of it, dim[axis..] set by the caller). */
static intact_status gather_copy(it_lower *lw, const it_node *n, uint32_t x, uint32_t y, int axis, const it_tensor *shape, int64_t first,
                                 int64_t step, intact_error *err)
{
    const it_tensor *from = &n->in[0]->t, *at = &n->in[1]->t;
    int64_t stride[IT_RANK_MAX], all[IT_RANK_MAX], dim[IT_RANK_MAX], s[IT_RANK_MAX], inner = step;
    int order[IT_RANK_MAX];

    it_move_runtime_strides(from, stride);
    for (int k = 0; k < axis; k++)
        all[k] = stride[k];
    for (int k = at->rank - 1; k >= 0; k--) {
        all[axis + k] = inner * stride[axis];
        inner *= shape->dim[axis + k];
    }
    for (int k = axis + 1; k < from->rank; k++)
        all[at->rank + k - 1] = stride[k];
    it_move_runtime_order(shape->rank, order);
    for (int k = 1; k < shape->rank; k++) {
        dim[k - 1] = shape->dim[order[k]];
        s[k - 1] = all[order[k]];
    }
    return it_move_copy(lw, n, x, y, shape->rank - 1, dim, s, first * stride[axis], err);
}

/* How many indices from position i on are evenly spaced, and by how much. */
static intact_status gather_stretch(const it_node *n, int64_t i, int64_t len, int64_t *first, int64_t *step, int64_t *count,
                                    intact_error *err)
{
    const it_tensor *at = &n->in[1]->t;
    int64_t total = it_tensor_len(at), before, next;

    IT_TRY(gather_index(n, at, i, len, first, err));
    before = *first;
    *step = 1;
    for (*count = 1; i + *count < total; ++*count) {
        IT_TRY(gather_index(n, at, i + *count, len, &next, err));
        if (*count == 1)
            *step = next - before;
        else if (next - before != *step)
            break;
        before = next;
    }
    return INTACT_OK;
}

/* Unevenly spaced indices in a list: one copy a stretch, then a concat. */
static intact_status gather_parts(it_lower *lw, const it_node *n, uint32_t x, uint32_t y, int axis, intact_error *err)
{
    const it_value *v = n->in[0], *out = n->out[0];
    const it_tensor *at = &n->in[1]->t;
    int64_t first, step, count;
    uint32_t part[64], dims[INTACT_RANK_MAX], len = 0;

    for (int64_t i = 0; i < at->dim[0]; i += count) {
        it_tensor shape = out->t;
        if (len == 64)
            return it_node_fail(n, err, INTACT_E_UNSUPPORTED,
                                "the indices fall into more than 64 evenly spaced stretches; the integer form takes 64");
        IT_TRY(gather_stretch(n, i, v->t.dim[axis], &first, &step, &count, err));
        shape.dim[axis] = count;
        it_runtime_dims(&shape, dims);
        IT_TRY(it_lower_temp(lw, out->name, v->q->type, (uint32_t)shape.rank, dims, v->q->scale[0], v->q->zero[0], &part[len], err));
        IT_TRY(gather_copy(lw, n, x, part[len++], axis, &shape, first, step, err));
    }
    return it_lower_emit(lw, &it_instr_concat, n->name, part, len, &y, 1,
                         &(it_concat_args){ .axis = (uint32_t)it_runtime_axis(out->t.rank, axis) }, err);
}

static intact_status gather_lower(it_lower *lw, const it_node *n, intact_error *err)
{
    const gather_args *a = n->args;
    const it_tensor *from = &n->in[0]->t, *at = &n->in[1]->t;
    int64_t first, step, count;
    uint32_t x, y;
    int axis;

    IT_TRY(it_axis(n, a->axis, from->rank, &axis, err));
    if (axis == 0 || !at->data || it_tensor_len(at) == 0)
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "%s; the integer form takes constant indices on an axis inside a sample",
                            axis == 0 ? "axis 0 is the batch" : "the indices are computed while running or empty");
    IT_TRY(it_move_source(lw, n, 0, &x, err));
    IT_TRY(it_move_target(lw, n, n->in[0], n->out[0], &y, err));
    IT_TRY(gather_stretch(n, 0, from->dim[axis], &first, &step, &count, err));
    if (count == it_tensor_len(at))
        IT_TRY(gather_copy(lw, n, x, y, axis, &n->out[0]->t, first, step, err));
    else if (at->rank == 1)
        IT_TRY(gather_parts(lw, n, x, y, axis, err));
    else
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED,
                            "the indices have %d dimensions and are unevenly spaced; the integer form needs a list", at->rank);
    return it_move_finish(lw, n, n->in[0], n->out[0], y, err);
}

static intact_status gather_run_back(it_back_ctx *c, const it_node *n, const it_tensor *const *in, const it_tensor *const *out, const it_tensor *const *dy,
                                      it_tensor *const *dx, intact_error *err)
{
    const gather_args *a = n->args;
    const it_tensor *x = in[0], *at = in[1];
    int64_t outer = 1, inner = 1, len = it_tensor_len(at), i;
    int axis;

    (void)c, (void)out;
    if (!dx[0])
        return INTACT_OK;
    IT_TRY(it_back_float(n, dy[0], err));
    IT_TRY(it_axis(n, a->axis, x->rank, &axis, err));
    memset(dx[0]->data, 0, it_tensor_bytes(dx[0]));
    for (int k = 0; k < x->rank; k++) {
        outer *= k < axis ? x->dim[k] : 1;
        inner *= k > axis ? x->dim[k] : 1;
    }
    for (int64_t k = 0; k < len; k++) {
        IT_TRY(gather_index(n, at, k, x->dim[axis], &i, err));
        for (int64_t o = 0; o < outer; o++) {
            int64_t from = (o * len + k) * inner, to = (o * x->dim[axis] + i) * inner;
            if (dy[0]->type == IT_F32)
                for (int64_t j = 0; j < inner; j++)
                    ((float *)dx[0]->data)[to + j] += ((const float *)dy[0]->data)[from + j];
            else
                for (int64_t j = 0; j < inner; j++)
                    ((double *)dx[0]->data)[to + j] += ((const double *)dy[0]->data)[from + j];
        }
    }
    return INTACT_OK;
}

static const it_backward gather_back = { .reads_in = 1u << 1, .gives = 1, .run = gather_run_back };

const it_op it_op_gather = {
    .name = "gather", .onnx = "Gather", .since = 1,
    .in_min = 2, .in_max = 2, .out_min = 1, .out_max = 1,
    .args_bytes = sizeof(gather_args),
    .parse = gather_parse, .infer = gather_infer, .forward = gather_forward, .lower = gather_lower,
    .quant = { .out = IT_Q_SAME, .in_types = IT_MOVE_TYPES, .out_types = IT_MOVE_TYPES },
    .back = &gather_back,
};
