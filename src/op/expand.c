/* SPDX-License-Identifier: Apache-2.0 */
/* expand: the input broadcast together with a shape (so dimensions of the shape may be 1 where the input's are not). */
#include "op/move.h"
#include "op/walk.h"

static intact_status expand_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    it_tensor shape = {.type = in[0]->type};
    const it_tensor *both[2] = {in[0], &shape};
    bool known;
    IT_TRY(it_move_ints(n, in, 1, "the shape", shape.dim, IT_RANK_MAX, &shape.rank, &known, err));
    out[0].type = in[0]->type;
    out[0].rank = IT_RANK_UNKNOWN;
    if (!known) return INTACT_OK;
    IT_TRY(it_shape_check(&shape, n->name, err));
    return it_broadcast(n, both, 2, &out[0], err);
}

#define COPY(T)                                                                                                                   \
    for (int64_t i = 0; i < r.row; i++) ((T *)out[0]->data)[r.y + i] = ((const T *)in[0]->data)[r.at[0] + i * r.step[0]]

static intact_status expand_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out, intact_error *err)
{
    (void)c;
    (void)n;
    (void)err;
    it_walk r;
    for (it_walk_begin(&r, out[0], in, 1); r.rows; it_walk_next(&r))
        switch (it_type_bytes(in[0]->type)) {
        case 1: COPY(uint8_t); break;
        case 2: COPY(uint16_t); break;
        case 4: COPY(uint32_t); break;
        default: COPY(uint64_t); break;
        }
    return INTACT_OK;
}

/* A broadcast axis stands still in the source. */
static intact_status expand_lower(it_lower *lw, const it_node *n, intact_error *err)
{
    const it_tensor *x = &n->in[0]->t, *y = &n->out[0]->t;
    int64_t stride[IT_RANK_MAX];
    if (x->rank != y->rank || x->dim[0] != y->dim[0])
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED,
                            "%d dimensions become %d, batch %lld becomes %lld; the integer form keeps both", x->rank,
                            y->rank, (long long)x->dim[0], (long long)y->dim[0]);
    it_move_runtime_strides(x, stride);
    for (int k = 0; k < x->rank; k++)
        if (x->dim[k] != y->dim[k]) stride[k] = 0;
    return it_move_emit(lw, n, 0, stride, 0, err);
}

const it_op it_op_expand = {
    .name = "expand", .onnx = "Expand", .since = 8,
    .in_min = 2, .in_max = 2, .out_min = 1, .out_max = 1,
    .infer = expand_infer, .forward = expand_forward, .lower = expand_lower,
    .quant = {.out = IT_Q_SAME, .in_types = IT_MOVE_TYPES, .out_types = IT_MOVE_TYPES},
};
