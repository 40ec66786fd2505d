/* SPDX-License-Identifier: Apache-2.0 */
/* requantize.c: codes of one scale and zero point to another; u8 goes through a table made while loading. */
#include "run/check.h"
#include "run/table.h"

typedef struct requantize_state {
    it_table t;
    bool wide; /* x is s16: no table */
    it_requantize_args a;
    int32_t x_zero, y_zero;
    _Alignas(2) uint8_t entries[256 * sizeof(int16_t)];
} requantize_state;

static intact_status requantize_check(const it_prog *p, const it_pinstr *i, intact_error *err)
{
    const it_ptensor *x = it_in(p, i, 0), *y = it_out(p, i, 0);
    const it_requantize_args *a = i->args;
    IT_TRY(it_check_type(i, "x", x, IT_ON_CODES, err));
    IT_TRY(it_check_type(i, "y", y, IT_ON_CODES, err));
    if (it_ptensor_elements(x) != it_ptensor_elements(y))
        return it_check_fail(i, INTACT_E_SHAPE, err, "x has %llu elements, y %llu; they must be as many",
                             (unsigned long long)it_ptensor_elements(x), (unsigned long long)it_ptensor_elements(y));
    return it_check_clamp(i, y, a->lo, a->hi, err);
}

static int32_t requantize(const requantize_state *s, int32_t x)
{
    return it_requant((int64_t)x - s->x_zero, s->a.mult, (int32_t)s->a.shift, s->y_zero, s->a.lo, s->a.hi);
}

static intact_status requantize_prepare(it_prep *prep, const it_prog *p, const it_pinstr *i, intact_error *err)
{
    const it_ptensor *x = it_in(p, i, 0), *y = it_out(p, i, 0);
    requantize_state *s;
    IT_STATE_NEW(prep, s, i, err);
    s->a = *(const it_requantize_args *)i->args;
    s->x_zero = x->zero_point;
    s->y_zero = y->zero_point;
    s->wide = x->type == INTACT_S16;
    s->t = (it_table){ .y = y->type, .entries = s->entries, .elements = it_ptensor_elements(x), .kern = prep->kern->lut_u8 };
    it_table_place(&s->t, prep, p, i);
    for (int32_t k = 0; k < 256; k++)
        it_store(s->entries, y->type, (size_t)k, requantize(s, k));
    return INTACT_OK;
}

/* Constants in locals and the type known: y may be x, so that loads of the state would stay in the loop. */
IT_INLINE void requantize_range(const requantize_state *s, const int16_t *x, void *y, it_range r, intact_type type)
{
    const int64_t m = s->a.mult, half = (int64_t)1 << (s->a.shift - 1); /* z_x of s16 is 0: |x * m| < 2^46 */
    const int32_t shift = (int32_t)s->a.shift, zero = s->y_zero, lo = s->a.lo, hi = s->a.hi;
    for (size_t j = r.at; j < r.at + r.len; j++)
        it_store(y, type, j, it_clamp_s32(((x[j] * m + half) >> shift) + zero, lo, hi));
}

static void requantize_blocks(void *work, uint32_t begin, uint32_t end, uint32_t thread)
{
    const it_work *w = work;
    const requantize_state *s = w->state;
    it_range r = it_flat_range(begin, end, s->t.elements * w->f->batch);
    (void)thread;
    if (s->t.y == INTACT_S16)
        requantize_range(s, w->f->in[0], w->f->out[0], r, INTACT_S16);
    else
        requantize_range(s, w->f->in[0], w->f->out[0], r, INTACT_U8);
}

static void requantize_run(const void *state, const it_frame *f)
{
    const requantize_state *s = state;
    if (s->wide)
        it_flat_for(f, s->t.elements * f->batch, 4, requantize_blocks, s);
    else
        it_table_run(&s->t, f);
}

static const it_field requantize_fields[] = {
    IT_FIELD(it_requantize_args, mult, I32, -(int64_t)INT32_MAX, INT32_MAX),
    IT_FIELD(it_requantize_args, shift, U32, 1, 62),
    IT_FIELD(it_requantize_args, lo, I32, IT_CODE_LO, IT_CODE_HI),
    IT_FIELD(it_requantize_args, hi, I32, IT_CODE_LO, IT_CODE_HI),
};

const it_instr it_instr_requantize = {
    .name = "requantize", .code = 14, .in_min = 1, .in_max = 1, .out_len = 1,
    .args_bytes = sizeof(it_requantize_args), .fields = requantize_fields, .fields_len = IT_LEN(requantize_fields),
    .check = requantize_check, .prepare = requantize_prepare, .run = requantize_run, .inplace = true, .pitches = it_table_pitches,
};
