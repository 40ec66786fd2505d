/* SPDX-License-Identifier: Apache-2.0 */
/* tile: the whole tensor repeated along each axis. */
#include "op/move.h"

static intact_status tile_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    const it_tensor *x = in[0];
    int64_t repeat[IT_RANK_MAX], dim[IT_RANK_MAX];
    int len;
    bool known;

    if (it_move_unknown(n, in, out))
        return INTACT_OK;
    IT_TRY(it_move_ints(n, in, 1, "repeats", repeat, IT_RANK_MAX, &len, &known, err));
    if (len != x->rank)
        return it_node_fail(n, err, INTACT_E_SHAPE, "repeats has %d entries; the input has %d dimensions", len, x->rank);
    if (!known) {
        it_move_set_unknown(n, in, out);
        return INTACT_OK;
    }
    for (int k = 0; k < len; k++) {
        if (repeat[k] < 0 || __builtin_mul_overflow(repeat[k], x->dim[k], &dim[k]))
            return it_node_fail(n, err, INTACT_E_SHAPE, "axis %d of size %lld cannot be repeated %lld times", k, (long long)x->dim[k],
                                (long long)repeat[k]);
    }
    return it_move_shape(n, out, x->type, x->rank, dim, err);
}

/* Each axis becomes two: the repeats, which do not move in the source, and the elements. Axes come in the order given. */
static int tile_split(const it_tensor *x, const it_tensor *y, const int *order, const int64_t *to, const int64_t *from, int64_t *dim,
                      int64_t *d, int64_t *s)
{
    int len = 0;

    for (int j = 0; j < x->rank; j++) {
        int k = order[j];
        dim[len] = x->dim[k] ? y->dim[k] / x->dim[k] : 0;
        d[len] = to[k] * x->dim[k];
        s[len++] = 0;
        dim[len] = x->dim[k];
        d[len] = to[k];
        s[len++] = from[k];
    }
    return len;
}

static intact_status tile_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out, intact_error *err)
{
    const it_tensor *x = in[0], *y = out[0];
    int64_t to[IT_RANK_MAX], from[IT_RANK_MAX], dim[2 * IT_RANK_MAX], d[2 * IT_RANK_MAX], s[2 * IT_RANK_MAX];
    int order[IT_RANK_MAX];

    IT_TRY(it_move_verify(c, n, in, out, err));
    it_move_order(x, order);
    it_move_strides(x, from);
    it_move_strides(y, to);
    it_move_items(y->data, x->data, it_type_bytes(x->type), tile_split(x, y, order, to, from, dim, d, s), dim, d, s);
    return INTACT_OK;
}

static intact_status tile_lower(it_lower *lw, const it_node *n, intact_error *err)
{
    const it_tensor *x = &n->in[0]->t, *y = &n->out[0]->t;
    int64_t to[IT_RANK_MAX], from[IT_RANK_MAX], dim[2 * IT_RANK_MAX], d[2 * IT_RANK_MAX], s[2 * IT_RANK_MAX];
    int order[IT_RANK_MAX], len;
    uint32_t tx, ty;

    if (x->dim[0] != y->dim[0])
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "the batch axis is repeated; the integer form repeats inside a sample only");
    it_move_runtime_order(x->rank, order);
    it_move_runtime_strides(x, from);
    it_move_runtime_strides(y, to);
    len = tile_split(x, y, order, to, from, dim, d, s);
    IT_TRY(it_move_source(lw, n, 0, &tx, err));
    IT_TRY(it_move_target(lw, n, n->in[0], n->out[0], &ty, err));
    IT_TRY(it_move_copy(lw, n, tx, ty, len - 2, dim + 2, s + 2, 0, err));
    return it_move_finish(lw, n, n->in[0], n->out[0], ty, err);
}

const it_op it_op_tile = {
    .name = "tile", .onnx = "Tile", .since = 6,
    .in_min = 2, .in_max = 2, .out_min = 1, .out_max = 1,
    .infer = tile_infer, .forward = tile_forward, .lower = tile_lower,
    .quant = { .out = IT_Q_SAME, .in_types = IT_MOVE_TYPES, .out_types = IT_MOVE_TYPES },
};
