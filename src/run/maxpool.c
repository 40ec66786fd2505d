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
    it_fn_max_u8 *kern;
    it_fn_max_taps_u8 *kern_taps;
    uint32_t inside_from, inside_to; /* outputs of a row whose taps all lie in x; none but for u8 */
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
    s->kern = prep->kern->max_u8;
    s->kern_taps = prep->kern->max_taps_u8;
    if (s->type == INTACT_U8)
        find_inside(s);
    s->clamps = s->type == INTACT_U8 ? s->a.lo > 0 || s->a.hi < 255 : s->a.lo > IT_CODE_LO || s->a.hi < IT_CODE_HI;
    prep->scratch_bytes = (size_t)s->x[1] * s->x[2] * intact_type_bytes(s->type);
    return INTACT_OK;
}

/* y = max(y, x) over n codes. */
static void max_into(const maxpool_state *s, const void *x, void *y, size_t n)
{
    if (s->type == INTACT_U8) {
        s->kern(x, y, n);
        return;
    }
    const int16_t *from = x;
    int16_t *to = y;
    for (size_t j = 0; j < n; j++)
        to[j] = from[j] > to[j] ? from[j] : to[j];
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
    const size_t row = (size_t)s->x[1] * s->x[2], row_bytes = row * intact_type_bytes(s->type);
    const uint8_t *one = NULL;
    for (uint32_t k = 0; k < s->a.kh; k++) {
        int64_t ih = (int64_t)oh * s->a.stride_h + (int64_t)k * s->a.dil_h - s->a.pad_t;
        if (ih >= s->x[0])
            break;
        if (ih < 0)
            continue;
        const uint8_t *from = x + (size_t)ih * row_bytes;
        if (!one) {
            one = from;
            continue;
        }
        if (one != scratch)
            one = memcpy(scratch, one, row_bytes);
        max_into(s, from, scratch, row);
    }
    return one;
}

/* Output pixel ow from a row, taps outside of it left out. */
static void reduce_border(const maxpool_state *s, const uint8_t *row, uint32_t ow, uint8_t *y)
{
    const size_t c = s->x[2], pixel = c * intact_type_bytes(s->type);
    bool first = true;
    for (uint32_t k = 0; k < s->a.kw; k++) {
        int64_t iw = (int64_t)ow * s->a.stride_w + (int64_t)k * s->a.dil_w - s->a.pad_l;
        if (iw >= s->x[1])
            break;
        if (iw < 0)
            continue;
        if (first)
            memcpy(y, row + (size_t)iw * pixel, pixel);
        else
            max_into(s, row + (size_t)iw * pixel, y, c);
        first = false;
    }
    if (first)
        fill(s, y, c, s->a.lo);
}

static void reduce_columns(const maxpool_state *s, const uint8_t *row, uint8_t *y)
{
    const size_t c = s->x[2], pixel = c * intact_type_bytes(s->type);
    uint32_t ow = 0;
    for (; ow < s->inside_from; ow++)
        reduce_border(s, row, ow, y + ow * pixel);
    if (s->inside_from < s->inside_to) {
        const size_t at = (size_t)ow * s->a.stride_w - s->a.pad_l;
        s->kern_taps(row + at * c, s->a.stride_w * c, s->a.dil_w * c, s->a.kw, y + ow * c, s->inside_to - s->inside_from, c);
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
