/* SPDX-License-Identifier: Apache-2.0 */
/* mul.c: y = a * b, element by element, with one rounding; b may be broadcast (attention gates). */
#include "run/broadcast.h"
#include "run/check.h"
#include "run/kern/narrow.h"
#include "run/rows.h"

typedef struct mul_state {
    it_mul_consts k;
    it_fn_mul_u8 *kern; /* NULL: not all of a, b, y are u8 */
    it_fn_mul_rows_u8 *kern_rows; /* NULL: not all are u8, or the rows of a sample do not share one row of b */
    it_broadcast c;
    intact_type a, b, y;
    uint64_t elements;
} mul_state;

static intact_status mul_check(const it_prog *p, const it_pinstr *i, intact_error *err)
{
    const it_ptensor *a = it_in(p, i, 0), *b = it_in(p, i, 1), *y = it_out(p, i, 0);
    const it_mul_args *g = i->args;
    IT_TRY(it_check_type(i, "a", a, IT_ON_CODES, err));
    IT_TRY(it_check_type(i, "b", b, IT_ON_CODES, err));
    IT_TRY(it_check_type(i, "y", y, IT_ON_CODES, err));
    IT_TRY(it_check_same_shape(i, a, y, err));
    IT_TRY(it_broadcast_check(i, a, b, err));
    return it_check_clamp(i, y, g->lo, g->hi, err);
}

static intact_status mul_prepare(it_prep *prep, const it_prog *p, const it_pinstr *i, intact_error *err)
{
    const it_ptensor *a = it_in(p, i, 0), *b = it_in(p, i, 1), *y = it_out(p, i, 0);
    const it_mul_args *g = i->args;
    mul_state *s;
    IT_STATE_NEW(prep, s, i, err);
    s->k = (it_mul_consts){ .z_a = a->zero_point, .z_b = b->zero_point, .mult = g->mult, .shift = (int32_t)g->shift, .z_y = y->zero_point,
                            .lo = g->lo, .hi = g->hi };
    s->c = it_broadcast_of(a, b);
    s->a = a->type;
    s->b = b->type;
    s->y = y->type;
    s->elements = it_ptensor_elements(a);
    if (s->a == INTACT_U8 && s->b == INTACT_U8 && s->y == INTACT_U8) {
        s->kern = prep->kern->mul_u8;
        prep->kernel = "mul_u8";
        if (!s->c.same && s->c.b_step == 1 && s->c.b_elements == s->c.inner) {
            s->kern_rows = prep->kern->mul_rows_u8;
            prep->kernel = "mul_rows_u8";
            if (s->k.shift >= IT_NARROW_FROM && s->k.shift <= IT_NARROW_TO) /* 255 * 255: the largest product */
                s->k.mult_narrow = it_narrow_mult(s->k.mult, s->k.shift, 65025, s->k.lo - s->k.z_y, s->k.hi - s->k.z_y, &s->k.shift_narrow);
        }
    }
    return INTACT_OK;
}

/* |a - z_a| < 2^15, so the product of both is below 2^30; times |m| < 2^31 and plus the rounding term of 2^61 it stays below 2^62. */
IT_INLINE void mul_row_as(const mul_state *s, const void *a, size_t a_at, const void *b, size_t b_at, void *y, size_t n, intact_type ta,
                          intact_type tb, intact_type ty)
{
    const it_mul_consts k = s->k;
    const int64_t half = (int64_t)1 << (k.shift - 1);
    const size_t step = s->c.b_step;
    for (size_t j = 0; j < n; j++) {
        int64_t v = (int64_t)((it_load(a, ta, a_at + j) - k.z_a) * (it_load(b, tb, b_at + j * step) - k.z_b)) * k.mult;
        it_store(y, ty, a_at + j, it_clamp_s32(((v + half) >> k.shift) + k.z_y, k.lo, k.hi));
    }
}

static void mul_row(const mul_state *s, const void *a, size_t a_at, const void *b, size_t b_at, void *y, size_t n)
{
    if (s->kern && s->c.b_step == 1)
        s->kern((const uint8_t *)a + a_at, (const uint8_t *)b + b_at, (uint8_t *)y + a_at, n, &s->k);
    else if (s->a == INTACT_S16 && s->b == INTACT_S16 && s->y == INTACT_S16)
        mul_row_as(s, a, a_at, b, b_at, y, n, INTACT_S16, INTACT_S16, INTACT_S16);
    else if (s->a == INTACT_U8 && s->b == INTACT_U8)
        mul_row_as(s, a, a_at, b, b_at, y, n, INTACT_U8, INTACT_U8, s->y);
    else
        mul_row_as(s, a, a_at, b, b_at, y, n, s->a, s->b, s->y);
}

static void mul_flat(void *work, uint32_t begin, uint32_t end, uint32_t thread)
{
    const it_work *w = work;
    const mul_state *s = w->state;
    it_range r = it_flat_range(begin, end, s->elements * w->f->batch);
    (void)thread;
    mul_row(s, w->f->in[0], r.at, w->f->in[1], r.at, w->f->out[0], r.len);
}

static void mul_rows(void *work, uint32_t begin, uint32_t end, uint32_t thread)
{
    const it_work *w = work;
    const mul_state *s = w->state;
    (void)thread;
    for (uint64_t row = begin; row < end; row++)
        mul_row(s, w->f->in[0], row * s->c.inner, w->f->in[1], it_broadcast_at(&s->c, row), w->f->out[0], s->c.inner);
}

static void mul_shared_rows(void *work, uint32_t begin, uint32_t end, uint32_t thread)
{
    const it_work *w = work;
    const mul_state *s = w->state;
    (void)thread;
    for (uint64_t row = begin; row < end;) {
        uint64_t sample = row / s->c.rows, to = (sample + 1) * s->c.rows < end ? (sample + 1) * s->c.rows : end;
        s->kern_rows((const uint8_t *)w->f->in[0] + row * s->c.inner, (const uint8_t *)w->f->in[1] + sample * s->c.inner,
                     (uint8_t *)w->f->out[0] + row * s->c.inner, to - row, s->c.inner, &s->k);
        row = to;
    }
}

static void mul_run(const void *state, const it_frame *f)
{
    const mul_state *s = state;
    if (s->c.same)
        it_flat_for(f, s->elements * f->batch, 3, mul_flat, s);
    else
        it_rows_for(f, s->c.rows * f->batch, 3 * s->c.inner, s->kern_rows ? mul_shared_rows : mul_rows, s);
}

static const it_field mul_fields[] = {
    IT_FIELD(it_mul_args, mult, I32, -(int64_t)INT32_MAX, INT32_MAX),
    IT_FIELD(it_mul_args, shift, U32, 1, 62),
    IT_FIELD(it_mul_args, lo, I32, IT_CODE_LO, IT_CODE_HI),
    IT_FIELD(it_mul_args, hi, I32, IT_CODE_LO, IT_CODE_HI),
};

const it_instr it_instr_mul = {
    .name = "mul", .code = 5, .in_min = 2, .in_max = 2, .out_len = 1,
    .args_bytes = sizeof(it_mul_args), .fields = mul_fields, .fields_len = IT_LEN(mul_fields),
    .check = mul_check, .prepare = mul_prepare, .run = mul_run, .inplace = true,
};
