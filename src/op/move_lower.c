/* SPDX-License-Identifier: Apache-2.0 */
/* move_lower.c: moves of elements as copy instructions, in the runtime's channels-last order. */
#include "op/move.h"

#include <stdio.h>

intact_status it_move_source(it_lower *lw, const it_node *n, int k, uint32_t *x, intact_error *err)
{
    if (n->in[k]->is_const)
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "input %d, \"%.80s\", is a constant; the integer form moves activations only. "
                            "Fold the constant into the layer that reads it", k, n->in[k]->name);
    if (n->in[k]->t.rank < 2)
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED,
                            "input %d has %d dimensions; the integer form needs a batch and at least one more", k, n->in[k]->t.rank);
    return it_lower_tensor(lw, n->in[k], x, err);
}

bool it_move_same_quant(const it_value *a, const it_value *b)
{
    return !a->q || !b->q || it_lower_same_quant(a->q, b->q); /* it_lower_tensor() reports a missing one */
}

intact_status it_move_target(it_lower *lw, const it_node *n, const it_value *from, const it_value *to, uint32_t *y, intact_error *err)
{
    uint32_t dims[INTACT_RANK_MAX];

    if (to->t.rank < 2)
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED,
                            "the output \"%.80s\" has %d dimensions; the integer form needs a batch and at least one more", to->name,
                            to->t.rank);
    if (it_move_same_quant(from, to))
        return it_lower_tensor(lw, to, y, err);
    it_runtime_dims(&to->t, dims);
    return it_lower_temp(lw, to->name, from->q->type, (uint32_t)to->t.rank, dims, from->q->scale[0], from->q->zero[0], y, err);
}

static intact_status requantize(it_lower *lw, const it_node *n, const it_quant *qx, uint32_t x, const it_quant *qy, uint32_t y,
                                intact_error *err)
{
    char where[sizeof ((intact_error *)0)->where];
    it_requantize_args a;
    it_mult m;

    snprintf(where, sizeof(where), "%.120s (%.30s)", n->name, n->op->onnx);
    IT_TRY(it_mult_of((double)qx->scale[0] / (double)qy->scale[0], 31, &m, where, err));
    a.mult = m.m;
    a.shift = (uint32_t)m.s;
    a.lo = qy->type == INTACT_S16 ? -32767 : 0;
    a.hi = qy->type == INTACT_S16 ? 32767 : qy->bits >= 2 && qy->bits < 8 ? (1 << qy->bits) - 1 : 255;
    return it_lower_emit(lw, &it_instr_requantize, n->name, &x, 1, &y, 1, &a, err);
}

intact_status it_move_source_as(it_lower *lw, const it_node *n, int k, const it_value *as, uint32_t *x, intact_error *err)
{
    const it_value *v = n->in[k];
    uint32_t dims[INTACT_RANK_MAX], tmp;

    IT_TRY(it_move_source(lw, n, k, x, err));
    if (it_move_same_quant(v, as))
        return INTACT_OK;
    it_runtime_dims(&v->t, dims);
    IT_TRY(it_lower_temp(lw, v->name, as->q->type, (uint32_t)v->t.rank, dims, as->q->scale[0], as->q->zero[0], &tmp, err));
    IT_TRY(requantize(lw, n, v->q, *x, as->q, tmp, err));
    *x = tmp;
    return INTACT_OK;
}

intact_status it_move_finish(it_lower *lw, const it_node *n, const it_value *from, const it_value *to, uint32_t y, intact_error *err)
{
    return it_move_same_quant(from, to) ? INTACT_OK : it_lower_requantize(lw, n, y, from->q, to, err);
}

void it_move_runtime_order(int rank, int order[IT_RANK_MAX])
{
    for (int k = 0; k < rank; k++)
        order[it_runtime_axis(rank, k)] = k;
}

void it_move_runtime_strides(const it_tensor *t, int64_t stride[IT_RANK_MAX])
{
    int order[IT_RANK_MAX];
    int64_t s = 1;

    it_move_runtime_order(t->rank, order);
    for (int k = t->rank - 1; k > 0; k--) {
        stride[order[k]] = s;
        s *= t->dim[order[k]];
    }
    stride[0] = 0;
}

intact_status it_move_copy(it_lower *lw, const it_node *n, uint32_t x, uint32_t y, int len, const int64_t *dim, const int64_t *stride,
                           int64_t offset, intact_error *err)
{
    int64_t d[6] = { 1, 1, 1, 1, 1, 1 }, s[6] = { 0 };
    int kept = 0;

    for (int k = 0; k < len; k++) {
        if (dim[k] == 1)
            continue;
        if (dim[k] < 1 || dim[k] > INT32_MAX || stride[k] > INT32_MAX || stride[k] < -INT32_MAX)
            return it_node_fail(n, err, INTACT_E_UNSUPPORTED,
                                "a dimension of %lld with %lld elements between neighbours; the integer form needs "
                                "both between 1 and 2^31",
                                (long long)dim[k], (long long)stride[k]);
        if (kept > 0 && s[kept - 1] == stride[k] * dim[k] && d[kept - 1] * dim[k] <= INT32_MAX) {
            d[kept - 1] *= dim[k];
            s[kept - 1] = stride[k];
            continue;
        }
        if (kept == 6)
            return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "the move has more than six dimensions that do not join; split it in two");
        d[kept] = dim[k];
        s[kept++] = stride[k];
    }
    if (offset < 0 || offset > INT32_MAX)
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "the move begins %lld elements into its input; 2^31 is the limit",
                            (long long)offset);
    /* right-aligned, so that the innermost loop is the last dimension */
    for (int k = 5, j = kept - 1; k >= 0; k--, j--) {
        d[k] = j >= 0 ? d[j] : 1;
        s[k] = j >= 0 ? s[j] : 0;
    }
    return it_lower_emit(lw, &it_instr_copy, n->name, &x, 1, &y, 1,
                         &(it_copy_args){ .d0 = (uint32_t)d[0],
                                          .d1 = (uint32_t)d[1],
                                          .d2 = (uint32_t)d[2],
                                          .d3 = (uint32_t)d[3],
                                          .d4 = (uint32_t)d[4],
                                          .d5 = (uint32_t)d[5],
                                          .s0 = (int32_t)s[0],
                                          .s1 = (int32_t)s[1],
                                          .s2 = (int32_t)s[2],
                                          .s3 = (int32_t)s[3],
                                          .s4 = (int32_t)s[4],
                                          .s5 = (int32_t)s[5],
                                          .offset = (uint32_t)offset },
                         err);
}

intact_status it_move_emit(it_lower *lw, const it_node *n, int k, const int64_t *stride, int64_t offset, intact_error *err)
{
    const it_tensor *to = &n->out[k]->t;
    int64_t dim[IT_RANK_MAX], step[IT_RANK_MAX];
    int order[IT_RANK_MAX];
    uint32_t x, y;

    IT_TRY(it_move_source(lw, n, 0, &x, err));
    IT_TRY(it_move_target(lw, n, n->in[0], n->out[k], &y, err));
    it_move_runtime_order(to->rank, order);
    for (int j = 1; j < to->rank; j++) {
        dim[j - 1] = to->dim[order[j]];
        step[j - 1] = stride[order[j]];
    }
    IT_TRY(it_move_copy(lw, n, x, y, to->rank - 1, dim, step, offset, err));
    return it_move_finish(lw, n, n->in[0], n->out[k], y, err);
}
