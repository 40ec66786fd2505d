/* SPDX-License-Identifier: Apache-2.0 */
/* pad.c: a tensor surrounded by a constant, by its edge or by its mirror image. */
#include <stdlib.h>
#include <string.h>

#include "run/check.h"
#include "run/rows.h"

enum { MODE_CONSTANT, MODE_EDGE, MODE_REFLECT };
enum { ONE_ROW_BYTES = 64 * 1024 }; /* so little is one row, not many */

/* Dimensions aligned to the right: (1, K) is n = 1, 1, K. */
typedef struct pad_state {
    uint32_t x[3], y[3], before[3];
    uint32_t mode;
    int32_t value;
    intact_type type;
    it_fn_copy_rows_u8 *kern;
} pad_state;

static pad_state pad_describe(const it_prog *p, const it_pinstr *i)
{
    const it_ptensor *x = it_in(p, i, 0), *y = it_out(p, i, 0);
    const it_pad_args *a = i->args;
    const uint32_t before[3] = { a->before_1, a->before_2, a->before_3 };
    pad_state s = { .x = { 1, 1, 1 }, .y = { 1, 1, 1 }, .mode = a->mode, .value = a->value, .type = x->type };
    for (uint32_t k = 1; k < x->rank && k < y->rank && k < 4; k++) {
        uint32_t to = 3 - x->rank + k;
        s.x[to] = x->dims[k];
        s.y[to] = y->dims[k];
        s.before[to] = before[k - 1];
    }
    return s;
}

static intact_status pad_check(const it_prog *p, const it_pinstr *i, intact_error *err)
{
    const it_ptensor *x = it_in(p, i, 0), *y = it_out(p, i, 0);
    const it_pad_args *a = i->args;
    IT_TRY(it_check_type(i, "x", x, IT_ON_CODES, err));
    IT_TRY(it_check_same_codes(i, x, y, err));
    IT_TRY(it_check_clamp(i, y, a->value, a->value, err));
    if (x->rank > 4 || x->rank != y->rank)
        return it_check_fail(i, INTACT_E_SHAPE, err, "x has %u dimensions, y %u; both need the same, at most 4", x->rank, y->rank);
    const uint32_t before[3] = { a->before_1, a->before_2, a->before_3 }, after[3] = { a->after_1, a->after_2, a->after_3 };
    for (uint32_t k = 1; k < 4; k++) {
        uint64_t n = k < x->rank ? x->dims[k] : 0, want = n + before[k - 1] + after[k - 1], have = k < x->rank ? y->dims[k] : 0;
        if (want != have)
            return it_check_fail(i, INTACT_E_SHAPE, err, "dimension %u of y is %llu; %llu with %u before and %u after is %llu", k,
                                 (unsigned long long)have, (unsigned long long)n, before[k - 1], after[k - 1], (unsigned long long)want);
        if (a->mode == MODE_REFLECT && n > 0 && (before[k - 1] >= n || after[k - 1] >= n))
            return it_check_fail(i, INTACT_E_SHAPE, err, "reflecting %u and %u elements of dimension %u, which has %llu; fewer are needed",
                                 before[k - 1], after[k - 1], k, (unsigned long long)n);
    }
    return INTACT_OK;
}

static intact_status pad_prepare(it_prep *prep, const it_prog *p, const it_pinstr *i, intact_error *err)
{
    pad_state *s;
    IT_STATE_NEW(prep, s, i, err);
    *s = pad_describe(p, i);
    if (s->mode == MODE_CONSTANT && s->x[2] == s->y[2]) { /* whole pixels: a row of pixels is one run */
        s->before[2] = s->before[1] * s->x[2];
        s->x[2] *= s->x[1];
        s->y[2] *= s->y[1];
        s->before[1] = 0;
        s->x[1] = s->y[1] = 1;
    } else if (s->mode == MODE_CONSTANT && s->x[0] == s->y[0] && s->x[1] == s->y[1] && it_ptensor_bytes(it_out(p, i, 0)) <= ONE_ROW_BYTES) {
        s->x[1] = s->y[1] = s->x[0] * s->x[1]; /* channels alone */
        s->x[0] = s->y[0] = 1;
    }
    s->kern = prep->kern->copy_rows_u8;
    return INTACT_OK;
}

/* Index in x of index o in y along one dimension; -1: the constant. */
static int64_t source(const pad_state *s, int k, uint32_t o)
{
    int64_t at = (int64_t)o - s->before[k], last = (int64_t)s->x[k] - 1;
    if (at >= 0 && at <= last)
        return at;
    return s->mode == MODE_CONSTANT ? -1 : s->mode == MODE_EDGE ? (at < 0 ? 0 : last) : at < 0 ? -at : 2 * last - at;
}

static void fill(const pad_state *s, void *y, size_t at, size_t n)
{
    if (s->type == INTACT_U8)
        memset((uint8_t *)y + at, s->value, n);
    else
        for (size_t j = 0; j < n; j++)
            ((int16_t *)y)[at + j] = (int16_t)s->value;
}

/* Elements [from, to) of a row of y, all outside the copied middle. */
static void pad_ends(const pad_state *s, const void *x, size_t x_at, void *y, size_t y_at, uint32_t from, uint32_t to)
{
    if (s->mode == MODE_CONSTANT)
        fill(s, y, y_at + from, to - from);
    else
        for (uint32_t j = from; j < to; j++)
            it_store(y, s->type, y_at + j, it_load(x, s->type, x_at + (size_t)source(s, 2, j)));
}

/* Row v of a plane y[1] rows high, from the plane of x that begins at x_at; the middle copied, its ends made. */
static void pad_row(const pad_state *s, const void *x, size_t x_at, void *y, size_t y_at, uint32_t v)
{
    const size_t bytes = intact_type_bytes(s->type);
    const int64_t from = source(s, 1, v);
    y_at += (size_t)v * s->y[2];
    if (from < 0) {
        fill(s, y, y_at, s->y[2]);
        return;
    }
    x_at += (size_t)from * s->x[2];
    pad_ends(s, x, x_at, y, y_at, 0, s->before[2]);
    memcpy((uint8_t *)y + (y_at + s->before[2]) * bytes, (const uint8_t *)x + x_at * bytes, s->x[2] * bytes);
    pad_ends(s, x, x_at, y, y_at, s->before[2] + s->x[2], s->y[2]);
}

static void pad_planes(void *work, uint32_t begin, uint32_t end, uint32_t thread)
{
    const it_work *w = work;
    const pad_state *s = w->state;
    const size_t bytes = intact_type_bytes(s->type), plane = (size_t)s->y[1] * s->y[2];
    const uint8_t *x = w->f->in[0];
    uint8_t *y = w->f->out[0];
    (void)thread;
    for (uint64_t r = begin; r < end; r++) {
        const int64_t h = source(s, 0, (uint32_t)(r % s->y[0]));
        const size_t x_at = (size_t)(r / s->y[0] * s->x[0] + (uint64_t)h) * s->x[1] * s->x[2];
        if (h < 0) {
            fill(s, y, r * plane, plane);
        } else if (s->mode == MODE_CONSTANT && s->x[1] > 1) { /* short rows: all of the plane, then the middle of each */
            fill(s, y, r * plane, plane);
            s->kern(x + x_at * bytes, (ptrdiff_t)(s->x[2] * bytes), y + (r * plane + (size_t)s->before[1] * s->y[2] + s->before[2]) * bytes,
                    (ptrdiff_t)(s->y[2] * bytes), s->x[1], s->x[2] * bytes);
        } else {
            for (uint32_t v = 0; v < s->y[1]; v++)
                pad_row(s, x, x_at, y, r * plane, v);
        }
    }
}

static void pad_run(const void *state, const it_frame *f)
{
    const pad_state *s = state;
    it_rows_for(f, (uint64_t)f->batch * s->y[0], 2ull * s->y[1] * s->y[2] * intact_type_bytes(s->type), pad_planes, s);
}

static const it_field pad_fields[] = {
    IT_FIELD(it_pad_args, before_1, U32, 0, INT32_MAX),
    IT_FIELD(it_pad_args, before_2, U32, 0, INT32_MAX),
    IT_FIELD(it_pad_args, before_3, U32, 0, INT32_MAX),
    IT_FIELD(it_pad_args, after_1, U32, 0, INT32_MAX),
    IT_FIELD(it_pad_args, after_2, U32, 0, INT32_MAX),
    IT_FIELD(it_pad_args, after_3, U32, 0, INT32_MAX),
    IT_FIELD(it_pad_args, mode, U32, MODE_CONSTANT, MODE_REFLECT),
    IT_FIELD(it_pad_args, value, I32, IT_CODE_LO, IT_CODE_HI),
};

const it_instr it_instr_pad = {
    .name = "pad", .code = 9, .in_min = 1, .in_max = 1, .out_len = 1,
    .args_bytes = sizeof(it_pad_args), .fields = pad_fields, .fields_len = IT_LEN(pad_fields),
    .check = pad_check, .prepare = pad_prepare, .run = pad_run,
};
