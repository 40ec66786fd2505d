/* SPDX-License-Identifier: Apache-2.0 */
/* walk.c: broadcasting as rows, and the comparisons built on it. */
#include "op/walk.h"

void it_walk_begin(it_walk *r, const it_tensor *out, const it_tensor *const *in, int len)
{
    int64_t stride[3][IT_RANK_MAX];
    *r = (it_walk){.len = len, .row = 1, .rows = it_tensor_len(out) > 0};
    for (int i = 0; i < len; i++) it_broadcast_strides(in[i], out, stride[i]);
    /* Outermost first; a dimension that continues its neighbour in every input joins it. */
    for (int k = 0; k < out->rank; k++) {
        if (out->dim[k] == 1) continue;
        bool joins = r->rank > 0;
        for (int i = 0; i < len && joins; i++) joins = r->stride[i][r->rank - 1] == stride[i][k] * out->dim[k];
        if (!joins) r->dim[r->rank++] = 1;
        r->dim[r->rank - 1] *= out->dim[k];
        for (int i = 0; i < len; i++) r->stride[i][r->rank - 1] = stride[i][k];
    }
    if (r->rank) {
        r->row = r->dim[--r->rank];
        for (int i = 0; i < len; i++) r->step[i] = r->stride[i][r->rank];
    }
    for (int k = 0; k < r->rank; k++) r->rows *= r->dim[k];
}

void it_walk_next(it_walk *r)
{
    r->rows--;
    r->y += r->row;
    for (int k = r->rank - 1; k >= 0; k--) {
        for (int i = 0; i < r->len; i++) r->at[i] += r->stride[i][k];
        if (++r->index[k] < r->dim[k]) return;
        for (int i = 0; i < r->len; i++) r->at[i] -= r->stride[i][k] * r->dim[k];
        r->index[k] = 0;
    }
}

static intact_status infer(const it_node *n, const it_tensor *const *in, uint32_t types, it_tensor *out, intact_error *err)
{
    IT_TRY(it_elem_check_same(n, in, 2, types, err));
    IT_TRY(it_broadcast(n, in, 2, &out[0], err));
    out[0].type = IT_BOOL;
    return INTACT_OK;
}

intact_status it_compare_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    return infer(n, in, IT_T_NUMBER | IT_T(IT_BOOL), out, err);
}

intact_status it_logic_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    return infer(n, in, IT_T(IT_BOOL), out, err);
}

void it_compare_run(const it_tensor *const *in, const it_tensor *out, it_compare_row *row)
{
    size_t item = it_type_bytes(in[0]->type);
    it_walk r;
    for (it_walk_begin(&r, out, in, 2); r.rows; it_walk_next(&r))
        row(in[0]->type, (const char *)in[0]->data + (size_t)r.at[0] * item, (const char *)in[1]->data + (size_t)r.at[1] * item,
            (uint8_t *)out->data + r.y, r.row, r.step[0], r.step[1]);
}
