/* SPDX-License-Identifier: Apache-2.0 */
/* export_count.c: multi-thresholds as comparisons: y = levels[how many of the channel's thresholds are <= v]. */
#include "format/export.h"

/* v: int32 (N, C, ...) of any rank; rows of `steps` thresholds, one a channel or one for all. */
static it_value *count(it_exporter *e, it_value *v, int rank, const int32_t *thresholds, int64_t rows, int64_t steps)
{
    int64_t dim[IT_RANK_MAX + 1], axis = 2;
    for (int k = 0; k <= rank; k++)
        dim[k] = k == 1 ? rows : k == 2 ? steps : 1;
    if (rank + 1 > IT_RANK_MAX)
        return it_export_fail(e, "%d dimensions; comparing with thresholds needs one more, and %d is the limit", rank, IT_RANK_MAX), NULL;
    it_value *at = it_export_dims(e, "_steps_axis", &axis, 1), *t = it_export_const(e, "_thresholds", IT_I32, rank + 1, dim, thresholds);
    v = it_export_node(e, "Unsqueeze", IT_EX_IN(v, at), NULL);
    v = it_export_node(e, "GreaterOrEqual", IT_EX_IN(v, t), NULL);
    v = it_export_cast(e, v, IT_I32);
    return it_export_node(e, "ReduceSum", IT_EX_IN(v, at), IT_EX_ATTRS(IT_EX_INT("keepdims", 0)));
}

static it_value *level_of(it_exporter *e, it_value *n, const it_pconst *levels)
{
    const uint8_t *v = levels->data;
    const int64_t len = (int64_t)levels->len;
    bool same = true;
    for (int64_t k = 0; k < len; k++)
        same &= v[k] == k;
    if (same)
        return it_export_cast(e, n, IT_U8);
    it_value *table = it_export_const(e, "_levels", IT_U8, 1, &len, v);
    return it_export_node(e, "Gather", IT_EX_IN(table, n), NULL);
}

void it_export_counted(it_exporter *e, const it_pinstr *i)
{
    it_export_mac m;
    const it_ptensor *y = it_out(e->p, i, 0);
    if (it_in(e->p, i, 0)->type != INTACT_U8) {
        it_export_fail(e, "thresholds on a layer that reads s16; ONNX has no integer form of it");
        return;
    }
    if (!it_export_mac_of(e, i, &m))
        return;
    if (!m.bytes) {
        it_export_fail(e, "thresholds on a layer whose weights leave 8 bits; ONNX has no integer form of it");
        return;
    }
    const it_pconst *levels = it_const(e->p, m.levels);
    const bool dense = i->kind == &it_instr_dense;
    const int64_t out = dense ? (int64_t)it_ptensor_elements(y) : y->dims[y->rank - 1];
    int64_t dim[4] = { 1, out, 1, 1 };
    int rank = dense ? 2 : (int)y->rank;
    it_value *zero = it_export_zero(e, i->in[0]), *acc;
    if (dense) {
        it_value *w = it_export_node(e, "Transpose", IT_EX_IN(m.weight), NULL);
        acc = it_export_node(e, "MatMulInteger", IT_EX_IN(it_export_flat(e, i->in[0]), w, zero), NULL);
    } else {
        it_export_window w;
        it_attr attrs[6];
        if (!it_export_window_of(e, i, &w))
            return;
        acc = it_export_node(e, "ConvInteger", IT_EX_IN(it_export_codes(e, i->in[0]), m.weight, zero), it_export_conv_attrs(e, i, &w, attrs));
    }
    it_value *shape = it_export_dims(e, "_bias_shape", dim, rank);
    acc = it_export_node(e, "Add", IT_EX_IN(acc, it_export_node(e, "Reshape", IT_EX_IN(m.bias, shape), NULL)), NULL);
    acc = level_of(e, count(e, acc, rank, it_const(e->p, m.thresholds)->data, out, (int64_t)levels->len - 1), levels);
    it_export_set_all(e, i->out[0], dense && y->rank != 2 ? it_export_from_rows(e, i->out[0], acc) : acc);
}

/* u8: tables would do as well, but comparisons say what is meant, and one instruction has one form. */
void it_export_threshold(it_exporter *e, const it_pinstr *i)
{
    const it_threshold_args *a = i->args;
    const it_pconst *levels = it_const(e->p, a->levels), *t = it_const(e->p, a->thresholds);
    const it_ptensor *x = it_in(e->p, i, 0);
    const int64_t steps = (int64_t)levels->len - 1, rows = (int64_t)t->len / steps;
    it_value *v = it_export_cast(e, it_export_codes(e, i->in[0]), IT_I32);
    int64_t dim[2] = { 1, 1 };
    if (x->rank < 2)
        v = it_export_reshape(e, v, 2, dim);
    v = level_of(e, count(e, v, x->rank < 2 ? 2 : (int)x->rank, t->data, rows, steps), levels);
    it_export_set_all(e, i->out[0], x->rank < 2 ? it_export_reshape(e, v, 1, dim) : v);
}
