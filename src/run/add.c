/* SPDX-License-Identifier: Apache-2.0 */
/* add.c: y = a + b, both multipliers sharing one shift and one rounding; b may be broadcast. Subtraction has a negative m_b. */
#include <string.h>

#include "run/broadcast.h"
#include "run/check.h"

typedef struct add_state {
    it_pair pair; /* first */
    it_add_consts k;
    it_fn_add_u8 *kern;
} add_state;

static intact_status add_check(const it_prog *p, const it_pinstr *i, intact_error *err)
{
    const it_add_args *g = i->args;
    return it_broadcast_check(p, i, g->lo, g->hi, err);
}

static it_add_consts add_consts(const it_prog *p, const it_pinstr *i)
{
    const it_add_args *g = i->args;
    return (it_add_consts){ .z_a = it_in(p, i, 0)->zero_point,
                            .z_b = it_in(p, i, 1)->zero_point,
                            .m_a = g->m_a,
                            .m_b = g->m_b,
                            .shift = (int32_t)g->shift,
                            .z_y = it_out(p, i, 0)->zero_point,
                            .lo = g->lo,
                            .hi = g->hi };
}

/* One sum, without broadcast, before any table. */
static bool add_join(const it_prog *p, const it_pinstr *i, it_epi *e, it_add_consts *add)
{
    const it_ptensor *a = it_in(p, i, 0), *b = it_in(p, i, 1);
    if (e->levels_len || e->lut || e->add || a->rank != b->rank || memcmp(a->dims, b->dims, a->rank * sizeof *a->dims) != 0)
        return false;
    *add = add_consts(p, i);
    e->add = add;
    return true;
}

/* a + b = b + a, with everything that belongs to each. */
static void add_swap(void *args)
{
    it_add_args *g = args;
    const int32_t m_a = g->m_a;
    g->m_a = g->m_b;
    g->m_b = m_a;
}

/* |a - z_a| < 2^16 and |m| < 2^31: the sum of both products and the rounding term is below 2^62. */
IT_INLINE void add_row_as(const add_state *s, const void *a, size_t a_at, const void *b, size_t b_at, void *y, size_t n, intact_type ta,
                          intact_type tb, intact_type ty)
{
    const it_add_consts k = s->k;
    const int64_t half = (int64_t)1 << (k.shift - 1);
    const size_t step = s->pair.c.b_step;
    for (size_t j = 0; j < n; j++) {
        int64_t v = (int64_t)(it_load(a, ta, a_at + j) - k.z_a) * k.m_a + (int64_t)(it_load(b, tb, b_at + j * step) - k.z_b) * k.m_b;
        it_store(y, ty, a_at + j, it_clamp_s32(((v + half) >> k.shift) + k.z_y, k.lo, k.hi));
    }
}

static void add_row(const it_pair *p, const void *a, size_t a_at, const void *b, size_t b_at, void *y, size_t n)
{
    const add_state *s = (const add_state *)p;
    if (p->a == INTACT_S16 && p->b == INTACT_S16 && p->y == INTACT_S16)
        add_row_as(s, a, a_at, b, b_at, y, n, INTACT_S16, INTACT_S16, INTACT_S16);
    else
        add_row_as(s, a, a_at, b, b_at, y, n, p->a, p->b, p->y);
}

static void add_row_u8(const it_pair *p, const uint8_t *a, const uint8_t *b, uint8_t *y, size_t n)
{
    const add_state *s = (const add_state *)p;
    s->kern(a, b, y, n, &s->k);
}

static intact_status add_prepare(it_prep *prep, const it_prog *p, const it_pinstr *i, intact_error *err)
{
    add_state *s;
    IT_STATE_NEW(prep, s, i, err);
    s->pair = it_pair_of(p, i);
    s->pair.row = add_row;
    s->pair.row_u8 = add_row_u8;
    s->k = add_consts(p, i);
    s->kern = prep->kern->add_u8;
    if (s->pair.codes)
        prep->kernel = "add_u8";
    return INTACT_OK;
}

static void add_run(const void *state, const it_frame *f) { it_pair_run(&((const add_state *)state)->pair, f); }

static const it_field add_fields[] = {
    IT_FIELD(it_add_args, m_a, I32, -(int64_t)INT32_MAX, INT32_MAX),
    IT_FIELD(it_add_args, m_b, I32, -(int64_t)INT32_MAX, INT32_MAX),
    IT_FIELD(it_add_args, shift, U32, 1, 62),
    IT_FIELD(it_add_args, lo, I32, IT_CODE_LO, IT_CODE_HI),
    IT_FIELD(it_add_args, hi, I32, IT_CODE_LO, IT_CODE_HI),
};

const it_instr it_instr_add = {
    .name = "add", .code = 4, .in_min = 2, .in_max = 2, .out_len = 1,
    .args_bytes = sizeof(it_add_args), .fields = add_fields, .fields_len = IT_LEN(add_fields),
    .check = add_check, .prepare = add_prepare, .run = add_run, .inplace_of = it_pair_inplace,
    .join = add_join, .kernel_at = offsetof(it_kern, add_u8), .swap = add_swap,
};
