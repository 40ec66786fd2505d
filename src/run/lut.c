/* SPDX-License-Identifier: Apache-2.0 */
/* lut.c: any function of one value: 256 entries for u8, 513 points with linear interpolation for s16. */
#include <inttypes.h>

#include "run/check.h"
#include "run/table.h"

enum { POINTS_U8 = 256, POINTS_S16 = 513 };

typedef struct lut_state {
    it_table t;
    bool wide; /* x is s16 */
} lut_state;

static intact_status lut_check(const it_prog *p, const it_pinstr *i, intact_error *err)
{
    const it_ptensor *x = it_in(p, i, 0), *y = it_out(p, i, 0);
    const it_lut_args *a = i->args;
    IT_TRY(it_check_type(i, "x", x, IT_ON_CODES, err));
    IT_TRY(it_check_type(i, "y", y, IT_ON_CODES, err));
    IT_TRY(it_check_same_shape(i, x, y, err));
    uint64_t len = x->type == INTACT_U8 ? POINTS_U8 : POINTS_S16;
    IT_TRY(it_check_const(p, i, "table", a->table, y->type, len, err));
    for (uint64_t k = 0; y->type == INTACT_S16 && k < len; k++)
        if (((const int16_t *)it_const(p, a->table)->data)[k] < IT_CODE_LO)
            return it_check_fail(i, INTACT_E_FORMAT, err, "entry %" PRIu64 " of the table is -32768; codes are -32767..32767", k);
    return INTACT_OK;
}

static intact_status lut_prepare(it_prep *prep, const it_prog *p, const it_pinstr *i, intact_error *err)
{
    const it_ptensor *x = it_in(p, i, 0);
    lut_state *s;
    IT_STATE_NEW(prep, s, i, err);
    s->t = (it_table){ .y = it_out(p, i, 0)->type, .entries = it_const(p, ((const it_lut_args *)i->args)->table)->data,
                       .elements = it_ptensor_elements(x), .kern = prep->kern->lut_u8 };
    it_table_place(&s->t, prep, p, i);
    s->wide = x->type == INTACT_S16;
    return INTACT_OK;
}

/* x + 32768 is in 0..65535: point at = 0..511 and fraction f = 0..127 of the way to the next. */
IT_INLINE void interpolate(const it_table *t, const int16_t *x, size_t at, size_t n, void *y, intact_type type)
{
    for (size_t j = at; j < at + n; j++) {
        const uint32_t u = (uint32_t)(x[j] + 32768), k = u >> 7;
        const int32_t f = (int32_t)(u & 127);
        it_store(y, type, j, (it_load(t->entries, type, k) * (128 - f) + it_load(t->entries, type, k + 1) * f + 64) >> 7);
    }
}

static void lut_wide_blocks(void *work, uint32_t begin, uint32_t end, uint32_t thread)
{
    const it_work *w = work;
    const lut_state *s = w->state;
    it_range r = it_flat_range(begin, end, s->t.elements * w->f->batch);
    (void)thread;
    if (s->t.y == INTACT_S16)
        interpolate(&s->t, w->f->in[0], r.at, r.len, w->f->out[0], INTACT_S16);
    else
        interpolate(&s->t, w->f->in[0], r.at, r.len, w->f->out[0], INTACT_U8);
}

static void lut_run(const void *state, const it_frame *f)
{
    const lut_state *s = state;
    if (s->wide)
        it_flat_for(f, s->t.elements * f->batch, 8, lut_wide_blocks, s);
    else
        it_table_run(&s->t, f);
}

/* A table is the last step of an epilogue. */
static bool lut_join(const it_prog *p, const it_pinstr *i, it_epi *e, it_add_consts *add)
{
    (void)add;
    if (e->levels_len || e->lut)
        return false;
    e->lut = it_const(p, ((const it_lut_args *)i->args)->table)->data;
    return true;
}

static const it_field lut_fields[] = { IT_FIELD_CONST(it_lut_args, table, CONST, RUN) };

const it_instr it_instr_lut = {
    .name = "lut", .code = 12, .in_min = 1, .in_max = 1, .out_len = 1,
    .args_bytes = sizeof(it_lut_args), .fields = lut_fields, .fields_len = IT_LEN(lut_fields),
    .check = lut_check, .prepare = lut_prepare, .run = lut_run, .inplace = true, .pitches = it_table_pitches,
    .join = lut_join, .kernel_at = offsetof(it_kern, lut_u8),
};
