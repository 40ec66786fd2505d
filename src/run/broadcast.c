/* SPDX-License-Identifier: Apache-2.0 */
/* broadcast.c: see broadcast.h. */
#include "run/broadcast.h"

#include <string.h>

#include "run/check.h"

enum { FILL = 1024 }; /* elements of b that one code is spread over */

intact_status it_broadcast_check(const it_prog *p, const it_pinstr *i, int32_t lo, int32_t hi, intact_error *err)
{
    const it_ptensor *a = it_in(p, i, 0), *b = it_in(p, i, 1), *y = it_out(p, i, 0);
    IT_TRY(it_check_type(i, "a", a, IT_ON_CODES, err));
    IT_TRY(it_check_type(i, "b", b, IT_ON_CODES, err));
    IT_TRY(it_check_type(i, "y", y, IT_ON_CODES, err));
    IT_TRY(it_check_same_shape(i, a, y, err));
    if (a->rank != b->rank)
        return it_check_fail(i, INTACT_E_SHAPE, err, "a has %u dimensions, b %u; they must be as many", a->rank, b->rank);
    for (uint32_t k = 0; k < a->rank; k++)
        if (b->dims[k] != a->dims[k] && b->dims[k] != 1)
            return it_check_fail(i, INTACT_E_SHAPE, err, "dimension %u is %u in a, %u in b; b needs the same or 1", k, a->dims[k],
                                 b->dims[k]);
    return it_check_clamp(i, y, lo, hi, err);
}

it_broadcast it_broadcast_of(const it_prog *p, const it_pinstr *i)
{
    const it_ptensor *a = it_in(p, i, 0), *b = it_in(p, i, 1);
    it_broadcast c = { .rows = 1, .a_elements = it_ptensor_elements(a), .b_elements = it_ptensor_elements(b) };
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
    c.shared = !c.same && c.b_step == 1 && c.b_elements == c.inner;
    return c;
}

/* row counts through all samples of a batch. */
static uint64_t broadcast_at(const it_broadcast *c, uint64_t row)
{
    uint64_t at = row / c->rows * c->b_elements, r = row % c->rows;
    for (uint32_t k = 0; k < c->len; k++) {
        at += r % c->dims[k] * c->b_stride[k];
        r /= c->dims[k];
    }
    return at;
}

it_pair it_pair_of(const it_prog *p, const it_pinstr *i)
{
    it_pair s = { .c = it_broadcast_of(p, i), .a = it_in(p, i, 0)->type, .b = it_in(p, i, 1)->type, .y = it_out(p, i, 0)->type };
    s.codes = s.a == INTACT_U8 && s.b == INTACT_U8 && s.y == INTACT_U8;
    return s;
}

/* One code of b for all n elements. */
static void row_spread(const it_pair *p, const uint8_t *a, uint8_t b, uint8_t *y, size_t n)
{
    uint8_t many[FILL];
    memset(many, b, n < FILL ? n : FILL);
    for (size_t j = 0; j < n; j += FILL)
        p->row_u8(p, a + j, many, y + j, n - j < FILL ? n - j : FILL);
}

static void pair_row(const it_pair *p, const it_frame *f, size_t a_at, size_t b_at, size_t n)
{
    const uint8_t *a = f->in[0], *b = f->in[1];
    uint8_t *y = f->out[0];
    if (!p->codes)
        p->row(p, a, a_at, b, b_at, y, n);
    else if (p->c.b_step == 1)
        p->row_u8(p, a + a_at, b + b_at, y + a_at, n);
    else
        row_spread(p, a + a_at, b[b_at], y + a_at, n);
}

static void pair_flat(void *work, uint32_t begin, uint32_t end, uint32_t thread)
{
    const it_work *w = work;
    const it_pair *p = w->state;
    const it_range r = it_flat_range(begin, end, p->c.a_elements * w->f->batch);
    (void)thread;
    pair_row(p, w->f, r.at, r.at, r.len);
}

static void pair_rows(void *work, uint32_t begin, uint32_t end, uint32_t thread)
{
    const it_work *w = work;
    const it_pair *p = w->state;
    (void)thread;
    for (uint64_t row = begin; row < end; row++)
        pair_row(p, w->f, row * p->c.inner, broadcast_at(&p->c, row), p->c.inner);
}

static void pair_shared_rows(void *work, uint32_t begin, uint32_t end, uint32_t thread)
{
    const it_work *w = work;
    const it_pair *p = w->state;
    const size_t n = p->c.inner;
    (void)thread;
    for (uint64_t row = begin; row < end;) {
        const uint64_t sample = row / p->c.rows, last = (sample + 1) * p->c.rows, to = last < end ? last : end;
        p->rows_u8(p, (const uint8_t *)w->f->in[0] + row * n, (const uint8_t *)w->f->in[1] + sample * n, (uint8_t *)w->f->out[0] + row * n,
                   to - row, n);
        row = to;
    }
}

void it_pair_run(const it_pair *p, const it_frame *f)
{
    const uint64_t cost = p->codes ? 3 : 16; /* plain C takes as long as a kernel for that many bytes */
    if (p->c.same)
        it_flat_for(f, p->c.a_elements * f->batch, cost, pair_flat, p);
    else
        it_rows_for(f, p->c.rows * f->batch, cost * p->c.inner, p->codes && p->rows_u8 ? pair_shared_rows : pair_rows, p);
}

uint32_t it_pair_inplace(const it_pinstr *i)
{
    (void)i;
    return 3;
}
