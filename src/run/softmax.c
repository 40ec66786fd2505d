/* SPDX-License-Identifier: Apache-2.0 */
/* softmax.c: over the last dimension, through a table of exponentials and one integer division a value. */
#include <inttypes.h>

#include "run/check.h"
#include "run/rows.h"

typedef struct softmax_state {
    const uint32_t *e; /* exp(-S_x * d) in Q31, d the (shifted) distance from the maximum */
    uint32_t last;     /* largest index of e */
    uint32_t d_shift, y_one;
    uint32_t c;
    uint64_t rows; /* per sample */
    intact_type x, y;
} softmax_state;

static intact_status softmax_check(const it_prog *p, const it_pinstr *i, intact_error *err)
{
    const it_ptensor *x = it_in(p, i, 0), *y = it_out(p, i, 0);
    const it_softmax_args *a = i->args;
    IT_TRY(it_check_type(i, "x", x, IT_ON_CODES, err));
    IT_TRY(it_check_type(i, "y", y, IT_ON_CODES, err));
    IT_TRY(it_check_same_shape(i, x, y, err));
    if (x->rank < 2 || y->zero_point != 0)
        return it_check_fail(i, INTACT_E_SHAPE, err, "x has %u dimensions, y zero point %d; at least 2 and 0 are needed", x->rank,
                             y->zero_point);
    if (a->y_one > (y->type == INTACT_U8 ? 255 : IT_CODE_HI))
        return it_check_fail(i, INTACT_E_SHAPE, err, "one is %d, which y cannot hold", a->y_one);
    const it_pconst *t = it_const(p, a->table);
    IT_TRY(it_check_const(p, i, "table", a->table, INTACT_S32, x->type == INTACT_U8 ? 256 : t->len, err));
    if (x->type == INTACT_U8 && a->d_shift != 0)
        return it_check_fail(i, INTACT_E_FORMAT, err, "d_shift is %u; it is 0 for u8", a->d_shift);
    if (((const int32_t *)t->data)[0] == 0) /* the maximum's own term: no sum is 0 */
        return it_check_fail(i, INTACT_E_FORMAT, err, "entry 0 of the table is 0; it stands for exp(0)");
    return INTACT_OK;
}

static intact_status softmax_prepare(it_prep *prep, const it_prog *p, const it_pinstr *i, intact_error *err)
{
    const it_ptensor *x = it_in(p, i, 0);
    const it_softmax_args *a = i->args;
    softmax_state *s;
    IT_STATE_NEW(prep, s, i, err);
    s->e = it_const(p, a->table)->data;
    s->last = (uint32_t)it_const(p, a->table)->len - 1;
    s->d_shift = a->d_shift;
    s->y_one = (uint32_t)a->y_one;
    s->c = x->dims[x->rank - 1];
    s->rows = it_ptensor_elements(x) / s->c;
    s->x = x->type;
    s->y = it_out(p, i, 0)->type;
    return INTACT_OK;
}

static uint32_t term(const softmax_state *s, int32_t max, int32_t x)
{
    uint32_t d = (uint32_t)(max - x) >> s->d_shift;
    return s->e[d < s->last ? d : s->last];
}

/* Sums: fewer than 2^31 terms below 2^32. e * y_one < 2^47. A term is part of the sum, so y <= y_one. */
IT_INLINE void softmax_row(const softmax_state *s, const void *x, void *y, size_t at, intact_type tx, intact_type ty)
{
    int32_t max = it_load(x, tx, at);
    for (size_t j = 1; j < s->c; j++) {
        int32_t v = it_load(x, tx, at + j);
        max = v > max ? v : max;
    }
    uint64_t sum = 0;
    for (size_t j = 0; j < s->c; j++)
        sum += term(s, max, it_load(x, tx, at + j));
    for (size_t j = 0; j < s->c; j++)
        it_store(y, ty, at + j, (int32_t)(((uint64_t)term(s, max, it_load(x, tx, at + j)) * s->y_one + sum / 2) / sum));
}

static void softmax_rows(void *work, uint32_t begin, uint32_t end, uint32_t thread)
{
    const it_work *w = work;
    const softmax_state *s = w->state;
    (void)thread;
    for (uint64_t r = begin; r < end; r++)
        softmax_row(s, w->f->in[0], w->f->out[0], r * s->c, s->x, s->y);
}

static void softmax_run(const void *state, const it_frame *f)
{
    const softmax_state *s = state;
    it_rows_for(f, s->rows * f->batch, 16ull * s->c, softmax_rows, s);
}

static const it_field softmax_fields[] = {
    IT_FIELD_CONST(it_softmax_args, table, CONST, RUN),
    IT_FIELD(it_softmax_args, d_shift, U32, 0, 16),
    IT_FIELD(it_softmax_args, y_one, I32, 1, IT_CODE_HI),
};

const it_instr it_instr_softmax = {
    .name = "softmax", .code = 15, .in_min = 1, .in_max = 1, .out_len = 1,
    .args_bytes = sizeof(it_softmax_args), .fields = softmax_fields, .fields_len = IT_LEN(softmax_fields),
    .check = softmax_check, .prepare = softmax_prepare, .run = softmax_run, .inplace = true,
};
