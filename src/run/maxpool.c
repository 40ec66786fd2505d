/* SPDX-License-Identifier: Apache-2.0 */
/* maxpool.c: maximum over a window: first down the columns, whole rows at a time, then along the row. */
#include <string.h>

#include "run/check.h"
#include "run/rows.h"

typedef struct maxpool_state {
    it_maxpool_args a;
    uint32_t x[3], y[3]; /* h, w, c */
    intact_type type;
    bool clamps;
    it_fn_max_taps_u8 *kern;
    uint32_t inside_from, inside_to; /* outputs of a row whose taps all lie in x */
} maxpool_state;

static intact_status maxpool_check(const it_prog *p, const it_pinstr *i, intact_error *err)
{
    const it_ptensor *x = it_in(p, i, 0), *y = it_out(p, i, 0);
    const it_maxpool_args *a = i->args;
    IT_TRY(it_check_type(i, "x", x, IT_ON_CODES, err));
    IT_TRY(it_check_same_codes(i, x, y, err));
    IT_TRY(it_check_clamp(i, y, a->lo, a->hi, err));
    if (x->rank != y->rank || (x->rank != 3 && x->rank != 4))
        return it_check_fail(i, INTACT_E_SHAPE, err, "x has %u dimensions, y %u; both must have 4 (or 3)", x->rank, y->rank);
    uint32_t xs[3], ys[3];
    it_ptensor_nhwc(x, xs);
    it_ptensor_nhwc(y, ys);
    if (xs[2] != ys[2])
        return it_check_fail(i, INTACT_E_SHAPE, err, "x has %u channels, y %u; they must be as many", xs[2], ys[2]);
    IT_TRY(it_check_window(i, "height", &(it_window){ xs[0], ys[0], a->kh, a->stride_h, a->dil_h, a->pad_t, a->pad_b }, err));
    return it_check_window(i, "width", &(it_window){ xs[1], ys[1], a->kw, a->stride_w, a->dil_w, a->pad_l, a->pad_r }, err);
}

static void find_inside(maxpool_state *s)
{
    const uint64_t last = (uint64_t)(s->a.kw - 1) * s->a.dil_w; /* of a window's columns */
    const uint64_t from = ((uint64_t)s->a.pad_l + s->a.stride_w - 1) / s->a.stride_w, end = (uint64_t)s->x[1] + s->a.pad_l;
    const uint64_t to = end > last ? (end - last - 1) / s->a.stride_w + 1 : 0;
    s->inside_from = from < s->y[1] ? (uint32_t)from : s->y[1];
    s->inside_to = to > s->y[1] ? s->y[1] : to < s->inside_from ? s->inside_from : (uint32_t)to;
}

static intact_status maxpool_prepare(it_prep *prep, const it_prog *p, const it_pinstr *i, intact_error *err)
{
    maxpool_state *s;
    IT_STATE_NEW(prep, s, i, err);
    s->a = *(const it_maxpool_args *)i->args;
    it_ptensor_nhwc(it_in(p, i, 0), s->x);
    it_ptensor_nhwc(it_out(p, i, 0), s->y);
    s->type = it_in(p, i, 0)->type;
    s->kern = prep->kern->max_taps_u8;
    find_inside(s);
    s->clamps = s->type == INTACT_U8 ? s->a.lo > 0 || s->a.hi < 255 : s->a.lo > IT_CODE_LO || s->a.hi < IT_CODE_HI;
    prep->scratch_bytes = (size_t)s->x[1] * s->x[2] * intact_type_bytes(s->type);
    return INTACT_OK;
}

/* The largest of `taps` runs of n codes, tap_step apart, for each of `outs` outputs, whose first taps are step apart; in codes, too. */
static void max_taps(const maxpool_state *s, const void *x, size_t step, size_t tap_step, uint32_t taps, void *y, size_t outs, size_t n)
{
    if (s->type == INTACT_U8) {
        s->kern(x, step, tap_step, taps, y, outs, n);
        return;
    }
    const int16_t *from = x;
    int16_t *to = y;
    for (; outs > 0; outs--, from += step, to += n) {
        memcpy(to, from, n * sizeof *to);
        for (uint32_t k = 1; k < taps; k++)
            for (size_t j = 0; j < n; j++)
                to[j] = from[k * tap_step + j] > to[j] ? from[k * tap_step + j] : to[j];
    }
}

/* The taps of window o that lie in [0, in): the first of them and how many. */
typedef struct taps { uint32_t first, len; } taps;
static taps taps_inside(uint32_t o, uint32_t stride, uint32_t k, uint32_t dil, uint32_t pad, uint32_t in)
{
    const int64_t at = (int64_t)o * stride - pad, from = at < 0 ? (-at + dil - 1) / dil : 0, end = (in - at + dil - 1) / dil;
    const int64_t to = end < k ? end : k;
    return (taps){ (uint32_t)(from < to ? at + from * dil : 0), from < to ? (uint32_t)(to - from) : 0 };
}

static void fill(const maxpool_state *s, void *y, size_t n, int32_t code)
{
    for (size_t j = 0; j < n; j++)
        it_store(y, s->type, j, code);
}

static void clamp(const maxpool_state *s, void *y, size_t n)
{
    for (size_t j = 0; j < n; j++)
        it_store(y, s->type, j, it_clamp_s32(it_load(y, s->type, j), s->a.lo, s->a.hi));
}

/* The rows of x under one row of windows, reduced to one; NULL when all are padding. */
static const uint8_t *reduce_rows(const maxpool_state *s, const uint8_t *x, uint32_t oh, uint8_t *scratch)
{
    const size_t row = (size_t)s->x[1] * s->x[2];
    const taps t = taps_inside(oh, s->a.stride_h, s->a.kh, s->a.dil_h, s->a.pad_t, s->x[0]);
    const uint8_t *from = x + t.first * row * intact_type_bytes(s->type);
    if (t.len <= 1)
        return t.len ? from : NULL;
    max_taps(s, from, 0, s->a.dil_h * row, t.len, scratch, 1, row);
    return scratch;
}

/* Output pixel ow from a row, taps outside of it left out. */
static void reduce_border(const maxpool_state *s, const uint8_t *row, uint32_t ow, uint8_t *y)
{
    const size_t c = s->x[2];
    const taps t = taps_inside(ow, s->a.stride_w, s->a.kw, s->a.dil_w, s->a.pad_l, s->x[1]);
    if (t.len == 0)
        fill(s, y, c, s->a.lo);
    else
        max_taps(s, row + t.first * c * intact_type_bytes(s->type), 0, s->a.dil_w * c, t.len, y, 1, c);
}

static void reduce_columns(const maxpool_state *s, const uint8_t *row, uint8_t *y)
{
    const size_t c = s->x[2], pixel = c * intact_type_bytes(s->type);
    uint32_t ow = 0;
    for (; ow < s->inside_from; ow++)
        reduce_border(s, row, ow, y + ow * pixel);
    if (s->inside_from < s->inside_to) {
        const size_t at = (size_t)ow * s->a.stride_w - s->a.pad_l;
        max_taps(s, row + at * pixel, s->a.stride_w * c, s->a.dil_w * c, s->a.kw, y + ow * pixel, s->inside_to - s->inside_from, c);
        ow = s->inside_to;
    }
    for (; ow < s->y[1]; ow++)
        reduce_border(s, row, ow, y + ow * pixel);
}

static void maxpool_rows(void *work, uint32_t begin, uint32_t end, uint32_t thread)
{
    const it_work *w = work;
    const maxpool_state *s = w->state;
    const size_t bytes = intact_type_bytes(s->type), x_bytes = (size_t)s->x[0] * s->x[1] * s->x[2] * bytes,
                 y_row = (size_t)s->y[1] * s->y[2];
    for (uint64_t r = begin; r < end; r++) {
        uint8_t *y = (uint8_t *)w->f->out[0] + r * y_row * bytes;
        const uint8_t *row =
            reduce_rows(s, (const uint8_t *)w->f->in[0] + r / s->y[0] * x_bytes, (uint32_t)(r % s->y[0]), it_scratch(w->f, thread));
        if (row)
            reduce_columns(s, row, y);
        else
            fill(s, y, y_row, s->a.lo);
        if (s->clamps)
            clamp(s, y, y_row);
    }
}

static void maxpool_run(const void *state, const it_frame *f)
{
    const maxpool_state *s = state;
    uint64_t cost = ((uint64_t)s->x[1] * s->x[2] * s->a.kh + (uint64_t)s->y[1] * s->y[2] * s->a.kw) * intact_type_bytes(s->type);
    it_rows_for(f, (uint64_t)f->batch * s->y[0], cost, maxpool_rows, s);
}

static const it_field maxpool_fields[] = {
    IT_FIELD(it_maxpool_args, kh, U32, 1, IT_EXTENT_MAX),
    IT_FIELD(it_maxpool_args, kw, U32, 1, IT_EXTENT_MAX),
    IT_FIELD(it_maxpool_args, stride_h, U32, 1, IT_EXTENT_MAX),
    IT_FIELD(it_maxpool_args, stride_w, U32, 1, IT_EXTENT_MAX),
    IT_FIELD(it_maxpool_args, dil_h, U32, 1, IT_EXTENT_MAX),
    IT_FIELD(it_maxpool_args, dil_w, U32, 1, IT_EXTENT_MAX),
    IT_FIELD(it_maxpool_args, pad_t, U32, 0, IT_EXTENT_MAX),
    IT_FIELD(it_maxpool_args, pad_l, U32, 0, IT_EXTENT_MAX),
    IT_FIELD(it_maxpool_args, pad_b, U32, 0, IT_EXTENT_MAX),
    IT_FIELD(it_maxpool_args, pad_r, U32, 0, IT_EXTENT_MAX),
    IT_FIELD(it_maxpool_args, lo, I32, IT_CODE_LO, IT_CODE_HI),
    IT_FIELD(it_maxpool_args, hi, I32, IT_CODE_LO, IT_CODE_HI),
};

const it_instr it_instr_maxpool = {
    .name = "maxpool", .code = 6, .in_min = 1, .in_max = 1, .out_len = 1,
    .args_bytes = sizeof(it_maxpool_args), .fields = maxpool_fields, .fields_len = IT_LEN(maxpool_fields),
    .check = maxpool_check, .prepare = maxpool_prepare, .run = maxpool_run,
};
