/* SPDX-License-Identifier: Apache-2.0 */
/* dw_strip_avx512.h: the 512-bit depthwise convolution's multiplications: a strip of the input becomes accumulators. */
#ifndef IT_KERN_X86_DW_STRIP_AVX512_H
#define IT_KERN_X86_DW_STRIP_AVX512_H

#include "run/kern/x86/dw_pack_avx512.h"

/* How a register's 64 bytes are read: at one place, its first channels only, or the parts of a fold from two (four) places. */
typedef enum strip_read { READ_WHOLE, READ_FIRST, READ_TWO, READ_TWO_FIRST, READ_FOUR, READ_FOUR_FIRST } strip_read;

INLINE uint32_t parts_of(strip_read read) { return read <= READ_FIRST ? 1 : read <= READ_TWO_FIRST ? 2 : 4; }

/* The input columns under a step. Where all lie inside of the input they have one pointer, else each part of each its own. */
typedef struct dw_columns {
    const uint8_t *first;         /* in the next row that exists */
    size_t tap, part, row;        /* bytes to the next column, to the next part, to the next row */
    __mmask64 keep;               /* channels of a part */
    const uint8_t **each;         /* [column * parts + part], NULL: all inside */
    size_t *each_row;             /* 0: a zero point, for all rows */
} dw_columns;

typedef struct dw_strip {
    const it_conv_geom *g;
    const dw_form *f;
    const uint8_t *block, *none;  /* none: 64 bytes of the input's zero point */
    strip_read read;
    dw_columns in;
    int64_t ih;                   /* the next input row */
    uint32_t rows;                /* output rows */
    uint8_t *ring, *acc;          /* of quads; where accumulators go: row after row, a quad for each register of the step */
    const uint8_t *each[4 * (WIDE_MAX + 4)];
    size_t each_row[4 * (WIDE_MAX + 4)];
} dw_strip;

/* ---- input columns to quads ---- */

typedef struct bytes2 { __m512i lo, hi; } bytes2;

INLINE bytes2 bytes_of(__m512i a, __m512i b)
{
    return (bytes2){ _mm512_unpacklo_epi8(a, b), _mm512_unpackhi_epi8(a, b) };
}

INLINE quad interleave(const bytes2 *a, const bytes2 *b)
{
    return (quad){ { _mm512_unpacklo_epi16(a->lo, b->lo), _mm512_unpackhi_epi16(a->lo, b->lo), _mm512_unpacklo_epi16(a->hi, b->hi),
                     _mm512_unpackhi_epi16(a->hi, b->hi) } };
}

INLINE quad quad_of(const __m512i c[4])
{
    const bytes2 ab = bytes_of(c[0], c[1]), cd = bytes_of(c[2], c[3]);
    return interleave(&ab, &cd);
}

INLINE __m512i column_read(strip_read read, const uint8_t *const p[4], __mmask64 keep)
{
    if (read == READ_WHOLE)
        return _mm512_loadu_si512(p[0]);
    if (read == READ_FIRST)
        return _mm512_maskz_loadu_epi8(keep, p[0]);
    if (read == READ_TWO || read == READ_TWO_FIRST) {
        __m256i v[2];
        for (int i = 0; i < 2; i++)
            v[i] = read == READ_TWO ? _mm256_loadu_si256((const __m256i *)p[i]) : _mm256_maskz_loadu_epi8((__mmask32)keep, p[i]);
        return _mm512_inserti64x4(_mm512_castsi256_si512(v[0]), v[1], 1);
    }
    __m128i v[4];
    for (int i = 0; i < 4; i++)
        v[i] = read == READ_FOUR ? _mm_loadu_si128((const __m128i *)p[i]) : _mm_maskz_loadu_epi8((__mmask16)keep, p[i]);
    __m256i low = _mm256_inserti128_si256(_mm256_castsi128_si256(v[0]), v[1], 1);
    return _mm512_inserti64x4(_mm512_castsi256_si512(low), _mm256_inserti128_si256(_mm256_castsi128_si256(v[2]), v[3], 1), 1);
}

INLINE __m512i column_at(strip_read read, bool inside, const dw_columns *in, uint32_t i)
{
    const uint8_t *const p = in->first + i * in->tap, *const places[4] = { p, p + in->part, p + 2 * in->part, p + 3 * in->part };
    return column_read(read, inside ? places : in->each + i * parts_of(read), in->keep);
}

/* Group k of the columns' row, of which `some` columns exist; a missing one repeats another: its weight is 0. */
INLINE quad quad_read(strip_read read, bool inside, const dw_columns *in, uint32_t k, uint32_t some)
{
    __m512i c[4];
    for (uint32_t i = 0; i < 4; i++) {
        if (i >= some)
            c[i] = c[0];
        else
            c[i] = column_at(read, inside, in, k * 4 + i);
    }
    return quad_of(c);
}

INLINE void columns_down(dw_columns *in, bool inside, uint32_t each)
{
    in->first += in->row;
    for (uint32_t i = 0; !inside && i < each; i++)
        in->each[i] += in->each_row[i];
}

/* A step of block b at output column ow for rows from output row oh on; x: the block's channels of the sample. */
static void strip_open(dw_strip *s, const uint8_t *x, uint32_t b, uint32_t oh, uint32_t ow)
{
    const it_conv_geom *g = s->g;
    const dw_form *f = s->f;
    const size_t px = it_conv_in_pitch(g), part = BLOCK / f->fold;
    const int64_t first = (int64_t)ow * g->stride_w - g->pad_l, reach = (int64_t)(f->fold - 1) * g->stride_w;
    const int64_t last = first + reach + (int64_t)(f->columns - 1) * g->dil_w;
    s->ih = (int64_t)oh * g->stride_h - g->pad_t;
    const uint8_t *row = x + (size_t)(s->ih > 0 && s->ih < g->in_h ? s->ih : 0) * g->in_w * px;
    const bool inside = first >= 0 && last < g->in_w;
    const uint32_t parts = inside && f->n == part && g->stride_w * px == part ? 1 : f->fold;
    /* the channels behind a part are the next pixel's, and meet weights of 0 */
    const bool beyond = inside && px == g->in_c && last * (int64_t)px + (int64_t)(b * BLOCK + part) <= (int64_t)(g->in_w * px);
    s->read = (parts == 1 ? READ_WHOLE : parts == 2 ? READ_TWO : READ_FOUR) + (f->n < part && !beyond);
    s->in = (dw_columns){ .tap = g->dil_w * px, .part = g->stride_w * px, .row = g->in_w * px, .keep = epi512_first(f->n) };
    s->in.first = row + (first > 0 ? (size_t)first * px : 0);
    if (inside)
        return;
    s->in.each = s->each;
    s->in.each_row = s->each_row;
    for (uint32_t t = 0, at = 0; t < f->columns; t++)
        for (uint32_t i = 0; i < parts; i++, at++) {
            const int64_t column = first + (int64_t)i * g->stride_w + (int64_t)t * g->dil_w;
            const bool exists = column >= 0 && column < g->in_w;
            s->each[at] = exists ? row + (size_t)column * px : s->none;
            s->each_row[at] = exists ? s->in.row : 0;
        }
}

/* ---- strips ---- */

INLINE void quad_dot(quad *acc, const quad *x, const uint8_t *w)
{
    for (int v = 0; v < 4; v++)
        acc->v[v] = _mm512_dpbusd_epi32(acc->v[v], x->v[v], _mm512_load_si512(w + v * 64));
}

INLINE void acc_store(uint8_t **to, const quad *acc)
{
    for (int v = 0; v < 4; v++)
        _mm512_store_si512(*to + v * 64, acc->v[v]);
    *to += QUAD;
}

/* A strip on its way, as far as registers hold it. */
typedef struct walk3 {
    dw_columns in;
    const uint8_t *none, *block;
    int64_t ih, in_h;
    uint8_t *acc;
} walk3;

/* The quad of the next row, of zero points above and below the input. */
INLINE quad quad_next(strip_read read, bool inside, uint32_t columns, walk3 *s)
{
    const int64_t ih = s->ih++;
    if (ih < 0 || ih >= s->in_h) {
        const __m512i none = _mm512_load_si512(s->none);
        return (quad){ { none, none, none, none } };
    }
    const quad q = quad_read(read, inside, &s->in, 0, columns);
    columns_down(&s->in, inside, columns * parts_of(read));
    return q;
}

INLINE void step3(walk3 *s, uint32_t outs, const quad *a, const quad *b, const quad *c)
{
    const dw_head *h = (const dw_head *)s->block;
    const uint8_t *w = s->block + sizeof *h;
    for (uint32_t k = 0; k < outs; k++, w += QUAD) {
        quad acc = { { h->bias[0], h->bias[1], h->bias[2], h->bias[3] } };
        quad_dot(&acc, a, w);
        quad_dot(&acc, b, w + outs * QUAD);
        quad_dot(&acc, c, w + 2 * outs * QUAD);
        acc_store(&s->acc, &acc);
    }
}

/* Kernels of 3x3: three rows of one quad each, in registers. */
INLINE void strip3_as(const dw_strip *strip, strip_read read, bool inside, uint32_t outs, uint32_t stride)
{
    const uint8_t *each[12 * 2];
    size_t each_row[12 * 2];
    walk3 s = { .in = strip->in, .none = strip->none, .block = strip->block, .ih = strip->ih, .in_h = strip->g->in_h, .acc = strip->acc };
    const uint32_t columns = outs == 2 ? 4 : 3;
    for (uint32_t i = 0; !inside && i < columns * parts_of(read); i++) {
        each[i] = strip->each[i];
        each_row[i] = strip->each_row[i];
    }
    s.in.each = each;
    s.in.each_row = each_row;
    quad a = quad_next(read, inside, columns, &s), b = a, c;
    if (stride == 1)
        b = quad_next(read, inside, columns, &s);
    for (uint32_t rows = strip->rows; rows > 0; rows--) {
        if (stride == 2)
            b = quad_next(read, inside, columns, &s);
        c = quad_next(read, inside, columns, &s);
        step3(&s, outs, &a, &b, &c);
        a = stride == 2 ? c : b;
        b = c;
    }
}

#define STRIP3(name, read, outs, stride)                                                                                                  \
    static __attribute__((noinline)) void name##_inside(const dw_strip *s) { strip3_as(s, read, true, outs, stride); }                   \
    static __attribute__((noinline)) void name##_border(const dw_strip *s) { strip3_as(s, read, false, outs, stride); }
STRIP3(strip3_two, READ_WHOLE, 2, 1)
STRIP3(strip3_two_first, READ_FIRST, 2, 1)
STRIP3(strip3_one, READ_WHOLE, 1, 1)
STRIP3(strip3_fold2, READ_TWO, 1, 1)
STRIP3(strip3_fold2_first, READ_TWO_FIRST, 1, 1)
STRIP3(strip3_fold4, READ_FOUR, 1, 1)
STRIP3(strip3_fold4_first, READ_FOUR_FIRST, 1, 1)
STRIP3(strip3_down2, READ_WHOLE, 1, 2)
STRIP3(strip3_down2_first, READ_FIRST, 1, 2)
STRIP3(strip3_down2_fold2, READ_TWO, 1, 2)
STRIP3(strip3_down2_fold2_first, READ_TWO_FIRST, 1, 2)
STRIP3(strip3_down2_fold4, READ_FOUR, 1, 2)
STRIP3(strip3_down2_fold4_first, READ_FOUR_FIRST, 1, 2)

#define PAIR(name) { name##_inside, name##_border }
static void strip3(const dw_strip *s)
{
    typedef void fn(const dw_strip *);
    static fn *const two[2][2] = { PAIR(strip3_two), PAIR(strip3_two_first) };
    static fn *const one[2][6][2] = {
        { PAIR(strip3_one), { NULL, NULL }, PAIR(strip3_fold2), PAIR(strip3_fold2_first), PAIR(strip3_fold4), PAIR(strip3_fold4_first) },
        { PAIR(strip3_down2), PAIR(strip3_down2_first), PAIR(strip3_down2_fold2), PAIR(strip3_down2_fold2_first),
          PAIR(strip3_down2_fold4), PAIR(strip3_down2_fold4_first) } };
    const bool border = s->in.each != NULL;
    (s->f->outs == 2 ? two[s->read][border] : one[s->g->stride_h - 1][s->read][border])(s);
}

/* ---- kernels of 5x5 ---- */

INLINE void quad_store(uint8_t *to, const quad *q)
{
    for (int v = 0; v < 4; v++)
        _mm512_store_si512(to + v * 64, q->v[v]);
}

/* All rows of the strip: two quads each, one of columns 0 to 3, one of columns 4 and 5 and of the same in the row below. */
INLINE void fill5_as(dw_strip *s, strip_read read, bool inside, uint32_t rows)
{
    const uint32_t parts = parts_of(read), columns = s->f->columns;
    bytes2 above = { _mm512_setzero_si512(), _mm512_setzero_si512() }, here;
    uint8_t *to = s->ring;
    for (uint32_t r = 0; r < rows; r++, to += 2 * QUAD) {
        const int64_t ih = s->ih++;
        if (ih < 0 || ih >= s->g->in_h) {
            here.lo = here.hi = _mm512_load_si512(s->none);
            quad_store(to, &(quad){ { here.lo, here.lo, here.lo, here.lo } });
        } else {
            const quad q = quad_read(read, inside, &s->in, 0, 4);
            quad_store(to, &q);
            const __m512i c4 = column_at(read, inside, &s->in, 4), c5 = columns > 5 ? column_at(read, inside, &s->in, 5) : c4;
            here = bytes_of(c4, c5);
            columns_down(&s->in, inside, columns * parts);
        }
        const quad q = interleave(&above, &here);
        if (r > 0)
            quad_store(to - QUAD, &q);
        above = here;
    }
    const quad q = interleave(&above, &above); /* the lower row meets weights of 0 */
    quad_store(to - QUAD, &q);
}

#define FILL5(name, read)                                                                                                                 \
    static void name##_inside(dw_strip *s, uint32_t rows) { fill5_as(s, read, true, rows); }                                             \
    static void name##_border(dw_strip *s, uint32_t rows) { fill5_as(s, read, false, rows); }
FILL5(fill5_whole, READ_WHOLE)
FILL5(fill5_first, READ_FIRST)
FILL5(fill5_two, READ_TWO)
FILL5(fill5_two_first, READ_TWO_FIRST)
FILL5(fill5_four, READ_FOUR)
FILL5(fill5_four_first, READ_FOUR_FIRST)

/* Vector by vector, so that five rows' quads stay in registers. */
INLINE void dots5_as(const dw_strip *s, uint32_t outs, uint32_t stride)
{
    for (uint32_t v = 0; v < 4; v++) {
        const uint8_t *w = s->block + sizeof(dw_head) + v * 64, *x = s->ring + v * 64;
        const __m512i bias = ((const dw_head *)s->block)->bias[v];
        uint8_t *to = s->acc + v * 64;
        __m512i row[5], pair[5];
        for (uint32_t h = 0; h < 5 - stride; h++, x += 2 * QUAD) {
            row[h + stride] = _mm512_load_si512(x);
            pair[h + stride] = _mm512_load_si512(x + QUAD);
        }
        for (uint32_t r = s->rows; r > 0; r--) {
            for (uint32_t h = 0; h < 5; h++) {
                row[h] = h + stride < 5 ? row[h + stride] : _mm512_load_si512(x + (h + stride - 5) * 2 * QUAD);
                pair[h] = h + stride < 5 ? pair[h + stride] : _mm512_load_si512(x + (h + stride - 5) * 2 * QUAD + QUAD);
            }
            x += stride * 2 * QUAD;
            for (uint32_t k = 0; k < outs; k++, to += QUAD) {
                __m512i acc = bias;
                for (uint32_t h = 0; h < 5; h++)
                    acc = _mm512_dpbusd_epi32(acc, row[h], _mm512_load_si512(w + (h * outs + k) * QUAD));
                for (uint32_t h = 0; h < 3; h++)
                    acc = _mm512_dpbusd_epi32(acc, pair[2 * h], _mm512_load_si512(w + ((5 + h) * outs + k) * QUAD));
                _mm512_store_si512(to, acc);
            }
        }
    }
}

static __attribute__((noinline)) void dots5_two(const dw_strip *s) { dots5_as(s, 2, 1); }
static __attribute__((noinline)) void dots5_one(const dw_strip *s) { dots5_as(s, 1, 1); }
static __attribute__((noinline)) void dots5_down2(const dw_strip *s) { dots5_as(s, 1, 2); }

static void strip5(dw_strip *s)
{
    static void (*const by_read[6][2])(dw_strip *, uint32_t) = { PAIR(fill5_whole), PAIR(fill5_first), PAIR(fill5_two),
                                                                 PAIR(fill5_two_first), PAIR(fill5_four), PAIR(fill5_four_first) };
    by_read[s->read][s->in.each != NULL](s, (s->rows - 1) * s->g->stride_h + 5);
    if (s->f->outs == 2)
        dots5_two(s);
    else if (s->g->stride_h == 1)
        dots5_one(s);
    else
        dots5_down2(s);
}

/* ---- strips of other kernels ---- */

INLINE void ring_row_as(strip_read read, bool inside, dw_strip *s, uint8_t *to)
{
    const uint32_t columns = s->f->columns;
    for (uint32_t k = 0; k < s->f->groups; k++, to += QUAD) {
        const uint32_t some = columns - k * 4 < 4 ? columns - k * 4 : 4;
        const quad q = some == 4 ? quad_read(read, inside, &s->in, k, 4)
                     : some == 3 ? quad_read(read, inside, &s->in, k, 3)
                     : some == 2 ? quad_read(read, inside, &s->in, k, 2) : quad_read(read, inside, &s->in, k, 1);
        for (int v = 0; v < 4; v++)
            _mm512_store_si512(to + v * 64, q.v[v]);
    }
    columns_down(&s->in, inside, columns * parts_of(read));
}

#define RING_ROW(name, read)                                                                                                              \
    static void name##_inside(dw_strip *s, uint8_t *to) { ring_row_as(read, true, s, to); }                                              \
    static void name##_border(dw_strip *s, uint8_t *to) { ring_row_as(read, false, s, to); }
RING_ROW(ring_whole, READ_WHOLE)
RING_ROW(ring_first, READ_FIRST)
RING_ROW(ring_two, READ_TWO)
RING_ROW(ring_two_first, READ_TWO_FIRST)
RING_ROW(ring_four, READ_FOUR)
RING_ROW(ring_four_first, READ_FOUR_FIRST)

static void ring_row(dw_strip *s, uint8_t *to)
{
    static void (*const by_read[6][2])(dw_strip *, uint8_t *) = { PAIR(ring_whole), PAIR(ring_first), PAIR(ring_two), PAIR(ring_two_first),
                                                                  PAIR(ring_four), PAIR(ring_four_first) };
    const int64_t ih = s->ih++;
    if (ih < 0 || ih >= s->g->in_h)
        memset(to, s->g->in_zero, (size_t)s->f->groups * QUAD);
    else
        by_read[s->read][s->in.each != NULL](s, to);
}

/* One output row of a step; at: where the ring's row of each kernel row begins. */
INLINE void ring_step(dw_strip *s, const uint8_t *const *at, uint32_t kh, uint32_t groups, uint32_t outs)
{
    const dw_head *h = (const dw_head *)s->block;
    const uint8_t *w = s->block + sizeof *h;
    quad acc[2];
    for (uint32_t k = 0; k < outs; k++)
        acc[k] = (quad){ { h->bias[0], h->bias[1], h->bias[2], h->bias[3] } };
    for (uint32_t i = 0; i < kh; i++)
        for (uint32_t q = 0; q < groups; q++, w += outs * QUAD) {
            quad in;
            for (int v = 0; v < 4; v++)
                in.v[v] = _mm512_load_si512(at[i] + q * QUAD + v * 64);
            for (uint32_t k = 0; k < outs; k++)
                quad_dot(&acc[k], &in, w + k * QUAD);
        }
    for (uint32_t k = 0; k < outs; k++)
        acc_store(&s->acc, &acc[k]);
}

/* To the next output row: rows that no kernel row needs are passed over. */
static void strip_down(dw_strip *s, uint32_t *have, uint32_t *top, uint32_t span)
{
    const uint32_t stride = s->g->stride_h, drop = stride < span ? stride : span;
    *top = (*top + drop) % span;
    *have -= drop;
    for (uint32_t skip = stride - drop; skip > 0; skip--) {
        const int64_t ih = s->ih++;
        if (ih >= 0 && ih < s->g->in_h)
            columns_down(&s->in, !s->in.each, s->f->columns * parts_of(s->read));
    }
}

static void strip_ring(dw_strip *s)
{
    const uint8_t *at[TAPS_MAX];
    const uint32_t span = (s->g->kh - 1) * s->g->dil_h + 1, kh = s->g->kh, groups = s->f->groups, outs = s->f->outs;
    const size_t row_bytes = (size_t)groups * QUAD;
    uint32_t have = 0, top = 0; /* rows in the ring from `top` on */
    for (uint32_t rows = s->rows; rows > 0; rows--) {
        for (; have < span; have++)
            ring_row(s, s->ring + (top + have) % span * row_bytes);
        for (uint32_t h = 0, slot = top; h < kh; h++) {
            at[h] = s->ring + slot * row_bytes;
            slot += s->g->dil_h;
            slot -= slot >= span ? span : 0; /* dil_h < span, or there is one row only */
        }
        if (outs == 2)
            ring_step(s, at, kh, groups, 2);
        else
            ring_step(s, at, kh, groups, 1);
        strip_down(s, &have, &top, span);
    }
}

/* Accumulators of `rows` output rows from oh on, of a step of block b at ow; x: the block's channels of the sample. */
static void strip_run(dw_strip *s, const uint8_t *x, uint32_t b, uint32_t oh, uint32_t ow)
{
    const it_conv_geom *g = s->g;
    strip_open(s, x, b, oh, ow);
    const bool turns = g->kh == 3 && g->kw == 3 && g->dil_h == 1 && (g->stride_h == 1 || (g->stride_h == 2 && !s->f->two));
    if (s->f->paired)
        strip5(s);
    else if (turns && (s->f->two || s->read != READ_FIRST || g->stride_h == 2))
        strip3(s);
    else
        strip_ring(s);
}

#endif
