/* SPDX-License-Identifier: Apache-2.0 */
/* pixels.c: raw interleaved pixels to codes: normalization and channel order as one table a channel. */
#include "run/check.h"
#include "run/rows.h"

typedef struct pixels_state {
    uint32_t x_c, y_c;
    uint64_t pixels; /* per sample */
    const uint8_t *table; /* [y_c * 256] */
    const int32_t *source;
} pixels_state;

static intact_status pixels_check(const it_prog *p, const it_pinstr *i, intact_error *err)
{
    const it_ptensor *x = it_in(p, i, 0), *y = it_out(p, i, 0);
    const it_pixels_args *a = i->args;
    IT_TRY(it_check_type(i, "x", x, IT_ON_U8, err));
    IT_TRY(it_check_type(i, "y", y, IT_ON_U8, err));
    if (x->rank < 2 || x->rank != y->rank)
        return it_check_fail(i, INTACT_E_SHAPE, err, "x has %u dimensions, y %u; they must be as many, at least 2", x->rank, y->rank);
    for (uint32_t k = 0; k + 1 < x->rank; k++)
        if (x->dims[k] != y->dims[k])
            return it_check_fail(i, INTACT_E_SHAPE, err, "dimension %u is %u in x, %u in y; only channels may differ", k, x->dims[k],
                                 y->dims[k]);
    uint32_t x_c = x->dims[x->rank - 1], y_c = y->dims[y->rank - 1];
    IT_TRY(it_check_const(p, i, "table", a->table, INTACT_U8, (uint64_t)y_c * 256, err));
    IT_TRY(it_check_const(p, i, "source", a->source, INTACT_S32, y_c, err));
    const int32_t *source = it_const(p, a->source)->data;
    for (uint32_t c = 0; c < y_c; c++)
        if (source[c] < 0 || (uint32_t)source[c] >= x_c)
            return it_check_fail(i, INTACT_E_FORMAT, err, "channel %u comes from channel %d of x, which has %u", c, source[c], x_c);
    return INTACT_OK;
}

static intact_status pixels_prepare(it_prep *prep, const it_prog *p, const it_pinstr *i, intact_error *err)
{
    const it_ptensor *x = it_in(p, i, 0), *y = it_out(p, i, 0);
    const it_pixels_args *a = i->args;
    pixels_state *s;
    IT_STATE_NEW(prep, s, i, err);
    s->x_c = x->dims[x->rank - 1];
    s->y_c = y->dims[y->rank - 1];
    s->pixels = it_ptensor_elements(x) / s->x_c;
    s->table = it_const(p, a->table)->data;
    s->source = it_const(p, a->source)->data;
    return INTACT_OK;
}

static void pixels_three(const pixels_state *s, const uint8_t *x, uint8_t *y, size_t n)
{
    const uint8_t *t0 = s->table, *t1 = t0 + 256, *t2 = t1 + 256;
    const int32_t s0 = s->source[0], s1 = s->source[1], s2 = s->source[2];
    for (size_t j = 0; j < n; j++, x += 3, y += 3) {
        y[0] = t0[x[s0]];
        y[1] = t1[x[s1]];
        y[2] = t2[x[s2]];
    }
}

static void pixels_blocks(void *work, uint32_t begin, uint32_t end, uint32_t thread)
{
    const it_work *w = work;
    const pixels_state *s = w->state;
    it_range r = it_flat_range(begin, end, s->pixels * w->f->batch);
    const uint8_t *x = (const uint8_t *)w->f->in[0] + r.at * s->x_c;
    uint8_t *y = (uint8_t *)w->f->out[0] + r.at * s->y_c;
    (void)thread;
    if (s->x_c == 3 && s->y_c == 3)
        pixels_three(s, x, y, r.len);
    else
        for (size_t j = 0; j < r.len; j++, x += s->x_c, y += s->y_c)
            for (uint32_t c = 0; c < s->y_c; c++)
                y[c] = s->table[c * 256 + x[s->source[c]]];
}

static void pixels_run(const void *state, const it_frame *f)
{
    const pixels_state *s = state;
    it_flat_for(f, s->pixels * f->batch, s->x_c + s->y_c, pixels_blocks, s);
}

static const it_field pixels_fields[] = { IT_FIELD_CONST(it_pixels_args, table, CONST, RUN), IT_FIELD_CONST(it_pixels_args, source, CONST, RUN) };

const it_instr it_instr_pixels = {
    .name = "pixels", .code = 13, .in_min = 1, .in_max = 1, .out_len = 1,
    .args_bytes = sizeof(it_pixels_args), .fields = pixels_fields, .fields_len = IT_LEN(pixels_fields),
    .check = pixels_check, .prepare = pixels_prepare, .run = pixels_run,
};
