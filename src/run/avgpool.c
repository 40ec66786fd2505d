/* SPDX-License-Identifier: Apache-2.0 */
/* avgpool.c: mean over a window: exact integer sum, then one requantization whose multiplier holds 1/n. */
#include <inttypes.h>
#include <string.h>

#include "run/check.h"
#include "run/rows.h"

enum { CHANNELS_AT_ONCE = 1024 }; /* sums kept in scratch */

typedef struct avgpool_state {
    it_avgpool_args a;
    uint32_t x[3], y[3]; /* h, w, c */
    intact_type x_type, y_type;
    int32_t x_zero, y_zero;
    const int32_t *mult, *shift;
    bool by_count; /* mult and shift are indexed by the number of valid elements - 1 */
    uint32_t blocks; /* of CHANNELS_AT_ONCE */
    it_fn_sum_rows_u8 *kern;
    it_fn_requant_s32 *kern_requant;
} avgpool_state;

static intact_status avgpool_check(const it_prog *p, const it_pinstr *i, intact_error *err)
{
    const it_ptensor *x = it_in(p, i, 0), *y = it_out(p, i, 0);
    const it_avgpool_args *a = i->args;
    IT_TRY(it_check_type(i, "x", x, IT_ON_CODES, err));
    IT_TRY(it_check_type(i, "y", y, IT_ON_CODES, err));
    IT_TRY(it_check_clamp(i, y, a->lo, a->hi, err));
    uint32_t xs[3], ys[3];
    it_ptensor_nhwc(x, xs);
    it_ptensor_nhwc(y, ys);
    if (x->rank != 3 && x->rank != 4)
        return it_check_fail(i, INTACT_E_SHAPE, err, "x has %u dimensions; 4 (or 3) are needed", x->rank);
    if (y->rank != x->rank && !(y->rank == 2 && ys[2] == xs[2]))
        return it_check_fail(i, INTACT_E_SHAPE, err, "x has %u dimensions, y %u; they must be as many (or y is (1, C))", x->rank, y->rank);
    if (xs[2] != ys[2])
        return it_check_fail(i, INTACT_E_SHAPE, err, "x has %u channels, y %u; they must be as many", xs[2], ys[2]);
    IT_TRY(it_check_window(i, "height", &(it_window){ xs[0], ys[0], a->kh, a->stride_h, 1, a->pad_t, a->pad_b }, err));
    IT_TRY(it_check_window(i, "width", &(it_window){ xs[1], ys[1], a->kw, a->stride_w, 1, a->pad_l, a->pad_r }, err));
    uint64_t taps = (uint64_t)a->kh * a->kw, taps_max = x->type == INTACT_U8 ? 1u << 23 : 1u << 16; /* sums below 2^31 */
    if (taps > taps_max)
        return it_check_fail(i, INTACT_E_UNSUPPORTED, err, "a window of %" PRIu64 " elements; at most %" PRIu64 " fit into 32-bit sums",
                             taps, taps_max);
    uint64_t len = it_const(p, a->mult)->len == 1 ? 1 : taps;
    return it_check_scales(p, i, a->mult, a->shift, len, false, err);
}

static intact_status avgpool_prepare(it_prep *prep, const it_prog *p, const it_pinstr *i, intact_error *err)
{
    const it_ptensor *x = it_in(p, i, 0), *y = it_out(p, i, 0);
    avgpool_state *s;
    IT_STATE_NEW(prep, s, i, err);
    s->a = *(const it_avgpool_args *)i->args;
    it_ptensor_nhwc(x, s->x);
    it_ptensor_nhwc(y, s->y);
    s->x_type = x->type;
    s->y_type = y->type;
    s->x_zero = x->zero_point;
    s->y_zero = y->zero_point;
    s->mult = it_const(p, s->a.mult)->data;
    s->shift = it_const(p, s->a.shift)->data;
    s->by_count = it_const(p, s->a.mult)->len > 1;
    s->kern = prep->kern->sum_rows_u8;
    s->kern_requant = prep->kern->requant_s32;
    s->blocks = (s->x[2] + CHANNELS_AT_ONCE - 1) / CHANNELS_AT_ONCE;
    prep->scratch_bytes = CHANNELS_AT_ONCE * sizeof(int32_t);
    return INTACT_OK;
}

static uint64_t avgpool_macs(const it_prog *p, const it_pinstr *i)
{
    const it_avgpool_args *a = i->args;
    return it_ptensor_elements(it_out(p, i, 0)) * a->kh * a->kw; /* below 2^31 * 2^23 */
}

/* Adds n codes of each of the pixels that begin at x[at] to acc. */
static void sum_into(const avgpool_state *s, const void *x, size_t at, size_t pixels, int32_t *acc, size_t n)
{
    if (s->x_type == INTACT_U8) {
        s->kern((const uint8_t *)x + at, s->x[2], pixels, acc, n);
        return;
    }
    const int16_t *from = (const int16_t *)x + at;
    for (; pixels > 0; pixels--, from += s->x[2])
        for (size_t j = 0; j < n; j++)
            acc[j] += from[j];
}

/* The part of a window that lies inside [0, in): [begin, end). */
static void inside(uint32_t o, uint32_t stride, uint32_t k, uint32_t pad, uint32_t in, uint32_t *begin, uint32_t *end)
{
    int64_t at = (int64_t)o * stride - pad, to = at + k;
    *begin = at < 0 ? 0 : at < in ? (uint32_t)at : in;
    *end = to < *begin ? *begin : to < in ? (uint32_t)to : in;
}

/* Channels [c, c + n) of output pixel `pixel`, counted through the batch. */
static void pool_pixel(const avgpool_state *s, const it_frame *f, uint64_t pixel, uint32_t c, uint32_t n, int32_t *acc)
{
    uint32_t h0, h1, w0, w1, oh = (uint32_t)(pixel / s->y[1] % s->y[0]), ow = (uint32_t)(pixel % s->y[1]);
    inside(oh, s->a.stride_h, s->a.kh, s->a.pad_t, s->x[0], &h0, &h1);
    inside(ow, s->a.stride_w, s->a.kw, s->a.pad_l, s->x[1], &w0, &w1);
    const size_t sample = (size_t)(pixel / s->y[1] / s->y[0]) * s->x[0] * s->x[1];
    memset(acc, 0, n * sizeof *acc);
    const bool whole = w0 == 0 && w1 == s->x[1]; /* rows follow one another */
    for (uint32_t h = h0; h < h1; h += whole ? h1 - h0 : 1)
        sum_into(s, f->in[0], (sample + (size_t)h * s->x[1] + w0) * s->x[2] + c, whole ? (size_t)(h1 - h0) * (w1 - w0) : w1 - w0, acc, n);
    /* n * 255 < 2^31 (n * 32767 < 2^31 for s16): the sum and its zero-point term fit 32 bits, and so does their difference */
    const uint32_t count = (h1 - h0) * (w1 - w0), at = s->by_count && count > 0 ? count - 1 : 0;
    const it_requant_consts k = { (int32_t)count * s->x_zero, s->mult[at], s->shift[at], s->y_zero, s->a.lo, s->a.hi, s->y_type };
    s->kern_requant(acc, (uint8_t *)f->out[0] + (pixel * s->y[2] + c) * intact_type_bytes(s->y_type), n, &k);
}

static void avgpool_units(void *work, uint32_t begin, uint32_t end, uint32_t thread)
{
    const it_work *w = work;
    const avgpool_state *s = w->state;
    for (uint32_t u = begin; u < end; u++) {
        uint32_t c = u % s->blocks * CHANNELS_AT_ONCE, left = s->x[2] - c;
        pool_pixel(s, w->f, u / s->blocks, c, left < CHANNELS_AT_ONCE ? left : CHANNELS_AT_ONCE, it_scratch(w->f, thread));
    }
}

static void avgpool_run(const void *state, const it_frame *f)
{
    const avgpool_state *s = state;
    uint64_t units = (uint64_t)f->batch * s->y[0] * s->y[1] * s->blocks;
    uint64_t channels = s->x[2] < CHANNELS_AT_ONCE ? s->x[2] : CHANNELS_AT_ONCE;
    it_rows_for(f, units, channels * s->a.kh * s->a.kw * intact_type_bytes(s->x_type), avgpool_units, s);
}

static const it_field avgpool_fields[] = {
    IT_FIELD(it_avgpool_args, kh, U32, 1, IT_EXTENT_MAX),
    IT_FIELD(it_avgpool_args, kw, U32, 1, IT_EXTENT_MAX),
    IT_FIELD(it_avgpool_args, stride_h, U32, 1, IT_EXTENT_MAX),
    IT_FIELD(it_avgpool_args, stride_w, U32, 1, IT_EXTENT_MAX),
    IT_FIELD(it_avgpool_args, pad_t, U32, 0, IT_EXTENT_MAX),
    IT_FIELD(it_avgpool_args, pad_l, U32, 0, IT_EXTENT_MAX),
    IT_FIELD(it_avgpool_args, pad_b, U32, 0, IT_EXTENT_MAX),
    IT_FIELD(it_avgpool_args, pad_r, U32, 0, IT_EXTENT_MAX),
    IT_FIELD_CONST(it_avgpool_args, mult, CONST, RUN),
    IT_FIELD_CONST(it_avgpool_args, shift, CONST, RUN),
    IT_FIELD(it_avgpool_args, lo, I32, IT_CODE_LO, IT_CODE_HI),
    IT_FIELD(it_avgpool_args, hi, I32, IT_CODE_LO, IT_CODE_HI),
};

const it_instr it_instr_avgpool = {
    .name = "avgpool", .code = 7, .in_min = 1, .in_max = 1, .out_len = 1,
    .args_bytes = sizeof(it_avgpool_args), .fields = avgpool_fields, .fields_len = IT_LEN(avgpool_fields),
    .check = avgpool_check, .macs = avgpool_macs, .prepare = avgpool_prepare, .run = avgpool_run,
};
