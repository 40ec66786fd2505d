/* SPDX-License-Identifier: Apache-2.0 */
/* broadcast.c: see broadcast.h. */
#include "run/broadcast.h"

#include "run/check.h"

intact_status it_broadcast_check(const it_pinstr *i, const it_ptensor *a, const it_ptensor *b, intact_error *err)
{
    if (a->rank != b->rank)
        return it_check_fail(i, INTACT_E_SHAPE, err, "a has %u dimensions, b %u; they must be as many", a->rank, b->rank);
    for (uint32_t k = 0; k < a->rank; k++)
        if (b->dims[k] != a->dims[k] && b->dims[k] != 1)
            return it_check_fail(i, INTACT_E_SHAPE, err, "dimension %u is %u in a, %u in b; b needs the same or 1", k, a->dims[k],
                                 b->dims[k]);
    return INTACT_OK;
}

it_broadcast it_broadcast_of(const it_ptensor *a, const it_ptensor *b)
{
    it_broadcast c = { .rows = 1, .b_elements = it_ptensor_elements(b) };
    /* groups of neighbouring dimensions that b has all, or that b has none of; dimensions of 1 belong to any */
    uint64_t n[INTACT_RANK_MAX], stride[INTACT_RANK_MAX], b_at = 1;
    bool has[INTACT_RANK_MAX];
    uint32_t len = 0;
    for (uint32_t k = a->rank; k-- > 1;) {
        if (a->dims[k] == 1)
            continue;
        bool in_b = b->dims[k] != 1;
        if (len == 0 || has[len - 1] != in_b) {
            n[len] = 1;
            has[len] = in_b;
            stride[len++] = in_b ? b_at : 0;
        }
        n[len - 1] *= a->dims[k];
        b_at *= b->dims[k];
    }
    c.inner = len ? n[0] : 1;
    c.b_step = len ? has[0] : 1;
    c.same = len == 0 || (len == 1 && has[0]);
    for (uint32_t k = 1; k < len; k++) {
        c.dims[c.len] = (uint32_t)n[k];
        c.b_stride[c.len++] = stride[k];
        c.rows *= n[k];
    }
    return c;
}
