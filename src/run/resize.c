/* SPDX-License-Identifier: Apache-2.0 */
/* resize.c: nearest and linear scaling of height and width through tables of source rows and weights. */
#include <string.h>

#include "run/check.h"
#include "run/rows.h"

enum { WEIGHT_BITS = 11, WEIGHT_ONE = 1 << WEIGHT_BITS };

typedef struct resize_state {
    uint32_t x[3], y[3]; /* h, w, c */
    intact_type type;
    const int32_t *h0, *h1, *wh, *w0, *w1, *ww;
} resize_state;

static intact_status check_axis(const it_prog *p, const it_pinstr *i, const char *what, uint32_t from0, uint32_t from1, uint32_t weight,
                                uint32_t in, uint32_t out, intact_error *err)
{
    IT_TRY(it_check_const(p, i, what, from0, INTACT_S32, out, err));
    IT_TRY(it_check_const(p, i, what, from1, INTACT_S32, out, err));
    IT_TRY(it_check_const(p, i, what, weight, INTACT_S32, out, err));
    const int32_t *a = it_const(p, from0)->data, *b = it_const(p, from1)->data, *w = it_const(p, weight)->data;
    for (uint32_t k = 0; k < out; k++)
        if (a[k] < 0 || (uint32_t)a[k] >= in || b[k] < 0 || (uint32_t)b[k] >= in || w[k] < 0 || w[k] > WEIGHT_ONE)
            return it_check_fail(i, INTACT_E_FORMAT, err, "%s %u of y is read at %d and %d with weight %d; x has %u, weights are 0..%d",
                                 what, k, a[k], b[k], w[k], in, WEIGHT_ONE);
    return INTACT_OK;
}

static intact_status resize_check(const it_prog *p, const it_pinstr *i, intact_error *err)
{
    const it_ptensor *x = it_in(p, i, 0), *y = it_out(p, i, 0);
    const it_resize_args *a = i->args;
    IT_TRY(it_check_type(i, "x", x, IT_ON_CODES, err));
    IT_TRY(it_check_same_codes(i, x, y, err));
    uint32_t xs[3], ys[3];
    it_ptensor_nhwc(x, xs);
    it_ptensor_nhwc(y, ys);
    if (x->rank != y->rank || (x->rank != 3 && x->rank != 4) || xs[2] != ys[2])
        return it_check_fail(i, INTACT_E_SHAPE, err,
                             "x has %u dimensions and %u channels, y %u and %u; they must be the same, with 4 (or 3) dimensions", x->rank,
                             xs[2], y->rank, ys[2]);
    IT_TRY(check_axis(p, i, "row", a->h0, a->h1, a->wh, xs[0], ys[0], err));
    return check_axis(p, i, "column", a->w0, a->w1, a->ww, xs[1], ys[1], err);
}

static intact_status resize_prepare(it_prep *prep, const it_prog *p, const it_pinstr *i, intact_error *err)
{
    const it_resize_args *a = i->args;
    resize_state *s;
    IT_STATE_NEW(prep, s, i, err);
    it_ptensor_nhwc(it_in(p, i, 0), s->x);
    it_ptensor_nhwc(it_out(p, i, 0), s->y);
    s->type = it_in(p, i, 0)->type;
    s->h0 = it_const(p, a->h0)->data;
    s->h1 = it_const(p, a->h1)->data;
    s->wh = it_const(p, a->wh)->data;
    s->w0 = it_const(p, a->w0)->data;
    s->w1 = it_const(p, a->w1)->data;
    s->ww = it_const(p, a->ww)->data;
    return INTACT_OK;
}

/* The four corners (top left, top right, bottom left, bottom right) of one output pixel, mixed. The weights add up to 2^22, so the
** result lies between the corners; u8 sums stay below 2^30, s16 sums need 64 bits. */
static void mix_u8(const uint8_t *const q[4], const int32_t w[4], uint8_t *y, size_t n)
{
    for (size_t j = 0; j < n; j++)
        y[j] = (uint8_t)((q[0][j] * w[0] + q[1][j] * w[1] + q[2][j] * w[2] + q[3][j] * w[3] + (1 << 21)) >> 22);
}

static void mix_s16(const int16_t *const q[4], const int32_t w[4], int16_t *y, size_t n)
{
    for (size_t j = 0; j < n; j++) {
        int64_t v = (int64_t)q[0][j] * w[0] + (int64_t)q[1][j] * w[1] + (int64_t)q[2][j] * w[2] + (int64_t)q[3][j] * w[3];
        y[j] = (int16_t)((v + (1 << 21)) >> 22);
    }
}

static void resize_row(const resize_state *s, const uint8_t *top, const uint8_t *bottom, int32_t wh, uint8_t *y)
{
    const size_t c = s->x[2], pixel = c * intact_type_bytes(s->type);
    for (uint32_t o = 0; o < s->y[1]; o++, y += pixel) {
        const size_t l = (size_t)s->w0[o] * pixel, r = (size_t)s->w1[o] * pixel;
        const int32_t ww = s->ww[o];
        const int32_t w[4] = { (WEIGHT_ONE - wh) * (WEIGHT_ONE - ww), (WEIGHT_ONE - wh) * ww, wh * (WEIGHT_ONE - ww), wh * ww };
        const uint8_t *const q[4] = { top + l, top + r, bottom + l, bottom + r };
        if ((wh == 0 || wh == WEIGHT_ONE) && (ww == 0 || ww == WEIGHT_ONE)) /* one of the four alone: (q * 2^22 + 2^21) >> 22 = q */
            memcpy(y, q[(wh ? 2 : 0) + (ww ? 1 : 0)], pixel);
        else if (s->type == INTACT_U8)
            mix_u8(q, w, y, c);
        else
            mix_s16((const int16_t *const[4]){ (const void *)q[0], (const void *)q[1], (const void *)q[2], (const void *)q[3] }, w,
                    (void *)y, c);
    }
}

static void resize_rows(void *work, uint32_t begin, uint32_t end, uint32_t thread)
{
    const it_work *w = work;
    const resize_state *s = w->state;
    const size_t bytes = intact_type_bytes(s->type), x_row = (size_t)s->x[1] * s->x[2] * bytes, y_row = (size_t)s->y[1] * s->y[2] * bytes;
    (void)thread;
    for (uint64_t r = begin; r < end; r++) {
        const uint8_t *x = (const uint8_t *)w->f->in[0] + r / s->y[0] * s->x[0] * x_row;
        uint32_t o = (uint32_t)(r % s->y[0]);
        resize_row(s, x + (size_t)s->h0[o] * x_row, x + (size_t)s->h1[o] * x_row, s->wh[o], (uint8_t *)w->f->out[0] + r * y_row);
    }
}

static void resize_run(const void *state, const it_frame *f)
{
    const resize_state *s = state;
    it_rows_for(f, (uint64_t)f->batch * s->y[0], 4ull * s->y[1] * s->y[2] * intact_type_bytes(s->type), resize_rows, s);
}

static const it_field resize_fields[] = {
    IT_FIELD_CONST(it_resize_args, h0, CONST, RUN), IT_FIELD_CONST(it_resize_args, h1, CONST, RUN), IT_FIELD_CONST(it_resize_args, wh, CONST, RUN),
    IT_FIELD_CONST(it_resize_args, w0, CONST, RUN), IT_FIELD_CONST(it_resize_args, w1, CONST, RUN), IT_FIELD_CONST(it_resize_args, ww, CONST, RUN),
};

const it_instr it_instr_resize = {
    .name = "resize", .code = 11, .in_min = 1, .in_max = 1, .out_len = 1,
    .args_bytes = sizeof(it_resize_args), .fields = resize_fields, .fields_len = IT_LEN(resize_fields),
    .check = resize_check, .prepare = resize_prepare, .run = resize_run,
};
