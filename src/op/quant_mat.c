/* SPDX-License-Identifier: Apache-2.0 */
/* Integer matrix product with numpy's rules for vectors and stacks. */
#include "op/quant_mac.h"

/* a as (stack, m, k), b as (stack, k, n): a vector is a row of a, a column of b. */
static int64_t rows_of(const it_tensor *a) { return a->rank == 1 ? 1 : a->dim[a->rank - 2]; }
static int64_t columns_of(const it_tensor *b) { return b->rank == 1 ? 1 : b->dim[b->rank - 1]; }
static int64_t depth_of(const it_tensor *b) { return b->rank == 1 ? b->dim[0] : b->dim[b->rank - 2]; }

static it_tensor stack_of(const it_tensor *t)
{
    it_tensor s = *t;
    s.rank = t->rank > 2 ? t->rank - 2 : 0;
    return s;
}

intact_status it_qmat_infer(const it_node *n, const it_tensor *a, const it_tensor *b, it_tensor *out, intact_error *err)
{
    char ta[128], tb[128];
    if (a->rank < 1 || b->rank < 1 || a->dim[a->rank - 1] != depth_of(b))
        return it_node_fail(n, err, INTACT_E_SHAPE, "%s and %s cannot be multiplied as matrices", it_tensor_print(a, ta, sizeof(ta)),
                            it_tensor_print(b, tb, sizeof(tb)));
    it_tensor sa = stack_of(a), sb = stack_of(b);
    IT_TRY(it_broadcast(n, (const it_tensor *const[]){&sa, &sb}, 2, out, err));
    if (a->rank > 1) out->dim[out->rank++] = rows_of(a); /* ranks are at most 8, the stack's at most 6 */
    if (b->rank > 1) out->dim[out->rank++] = columns_of(b);
    return INTACT_OK;
}

intact_status it_qmat_check(const it_node *n, const it_tensor *t, const it_tensor *of, bool rows, const char *what, intact_error *err)
{
    char buf[128], tof[128];
    int64_t each = rows ? rows_of(of) : columns_of(of);
    bool fits = !t || it_tensor_len(t) == 1 || (t->rank == 1 && t->dim[0] == each);
    if (!fits && t->rank == of->rank && t->rank >= 2) {
        fits = t->dim[t->rank - 1] == (rows ? 1 : each) && t->dim[t->rank - 2] == (rows ? each : 1);
        for (int k = 0; k < t->rank - 2; k++) fits = fits && t->dim[k] == of->dim[k];
    }
    if (fits) return INTACT_OK;
    return it_node_fail(n, err, INTACT_E_SHAPE, "the %s is %s for %s; it must have one element, or one a %s", what,
                        it_tensor_print(t, buf, sizeof(buf)), it_tensor_print(of, tof, sizeof(tof)), rows ? "row" : "column");
}

intact_status it_qmat_prepare(it_run_ctx *c, const it_node *n, const it_tensor *a, const it_tensor *a_zero, const it_tensor *b,
                              const it_tensor *b_zero, const it_tensor *y, it_qmat *q, intact_error *err)
{
    it_tensor sa = stack_of(a), sb = stack_of(b), sy;
    void *room;
    *q = (it_qmat){.a = a, .b = b, .a_zero = a_zero, .b_zero = b_zero, .m = rows_of(a), .n = columns_of(b), .k = depth_of(b)};
    sy = *y;
    sy.rank = y->rank - (a->rank > 1) - (b->rank > 1);
    q->rank = sy.rank;
    q->stack = it_tensor_len(&sy);
    for (int k = 0; k < sy.rank; k++) q->dim[k] = sy.dim[k];
    it_elem_strides(&sa, &sy, q->stride_a);
    it_elem_strides(&sb, &sy, q->stride_b);
    IT_TRY(it_elem_scratch(c, n, (size_t)(q->k * q->n), sizeof(int32_t), &room, err));
    q->wide = room;
    IT_TRY(it_elem_scratch(c, n, (size_t)q->n, sizeof(int32_t), &room, err));
    q->acc = room;
    return INTACT_OK;
}

int64_t it_qmat_index(const it_qmat *q, const it_tensor *t, bool rows, int64_t at)
{
    if (it_tensor_len(t) == 1) return 0;
    return t->rank == 1 ? at : (rows ? q->at_a * q->m : q->at_b * q->n) + at;
}

void it_qmat_load(it_qmat *q, int64_t matrix)
{
    q->at_a = q->at_b = 0;
    for (int k = q->rank - 1; k >= 0; k--) {
        q->at_a += matrix % q->dim[k] * q->stride_a[k];
        q->at_b += matrix % q->dim[k] * q->stride_b[k];
        matrix /= q->dim[k];
    }
    it_q_widen(q->b, q->at_b * q->k * q->n, q->k * q->n, 0, q->wide);
    for (int64_t j = 0; j < q->n && q->b_zero; j++) {
        int32_t zero = (int32_t)it_tensor_get_int(q->b_zero, it_qmat_index(q, q->b_zero, false, j));
        for (int64_t k = 0; k < q->k && zero; k++) q->wide[k * q->n + j] -= zero;
    }
}

void it_qmat_row(it_qmat *q, int64_t row)
{
    uint32_t *acc = (uint32_t *)q->acc;
    int32_t zero = q->a_zero ? (int32_t)it_tensor_get_int(q->a_zero, it_qmat_index(q, q->a_zero, true, row)) : 0;
    for (int64_t j = 0; j < q->n; j++) acc[j] = 0;
    for (int64_t k = 0; k < q->k; k++) {
        int32_t v;
        it_q_widen(q->a, (q->at_a * q->m + row) * q->k + k, 1, zero, &v);
        const int32_t *b = q->wide + k * q->n;
        for (int64_t j = 0; j < q->n && v; j++) acc[j] += (uint32_t)v * (uint32_t)b[j];
    }
}
