/* SPDX-License-Identifier: Apache-2.0 */
/* dw_pack_avx512.h: the 512-bit depthwise convolution's plan and its packed blocks.
**
** A block is 64 channels of a pixel; the last one of a layer, when it has at most 32 (16), is those of 2 (4) pixels: a fold. A block as
** packed: dw_head, then weights by kernel row, group of four columns, pixel of the quad: 256 bytes each; then thresholds. 5x5: a group in
** each row, then pairs of rows. */
#ifndef IT_KERN_X86_DW_PACK_AVX512_H
#define IT_KERN_X86_DW_PACK_AVX512_H

#include <string.h>

#include "run/kern/narrow.h"
#include "run/kern/x86/epi_avx512.h"

enum { BLOCK = 64, QUAD = 256, TAPS_MAX = 1024, WIDE_MAX = 60 /* columns of a kernel */, BAND_MAX = 28, UNITS_MIN = 8 };

/* u8 by hi32(acc * m) with so few bits of m that rounding can follow after packing to 16 bits (narrow.h). */
enum { EPI_NARROW = 100 /* behind those of epi_mode */ };

#define INLINE static inline __attribute__((always_inline))

typedef struct dw_head {
    int32_t mode, unused[15];
    __m512i bias[4];
    union {
        epi512 scale[4];
        struct {
            __m512i m[4], m_odd[4], factor[2]; /* factor: 2^(15-t), as packing orders them */
        } narrow;
    };
} dw_head;

typedef struct dw_plan {
    uint32_t blocks, tail_fold; /* fold of the last block */
    uint32_t slab, slabs, rows, bands, width, parts; /* a unit: blocks, output rows, output columns */
    uint32_t span;              /* input rows of an output row */
    size_t thresholds_at, block_bytes; /* in a block */
} dw_plan;

typedef struct quad { __m512i v[4]; } quad; /* a block's channels in 32-bit lanes, panel order */

/* One block of a layer in its form. */
typedef struct dw_form {
    bool two;                  /* a quad serves two pixels, for which the weights are packed twice: w0 w1 w2 w3 and 0 w0 w1 w2 */
    uint32_t n, fold;          /* channels; output pixels that stand side by side in a register */
    uint32_t outs, pixels;     /* registers, output pixels of a step */
    uint32_t columns, groups;  /* of the input under a step's output pixel (or two); quads that hold them */
    bool paired;               /* 5x5: columns 4 and 5 of two kernel rows make a quad */
} dw_form;

static dw_plan plan_of(const it_conv_geom *g, const it_epi *e)
{
    dw_plan p = { .blocks = (g->in_c + BLOCK - 1) / BLOCK };
    uint32_t tail = g->in_c - (p.blocks - 1) * BLOCK;
    p.tail_fold = tail <= 16 && g->out_w > 2 ? 4 : tail <= 32 && g->out_w > 1 ? 2 : 1;
    p.span = (g->kh - 1) * g->dil_h + 1;
    p.slab = g->out_h >= BAND_MAX ? 2 : 1;
    p.slabs = (p.blocks + p.slab - 1) / p.slab;
    const uint32_t rows_max = g->kh > 3 && g->stride_h > 1 ? BAND_MAX / 2 : BAND_MAX; /* a strip's quads stay in L1 */
    p.bands = (g->out_h + rows_max - 1) / rows_max;
    p.rows = (g->out_h + p.bands - 1) / p.bands;
    p.bands = (g->out_h + p.rows - 1) / p.rows;
    for (p.parts = 1; p.bands * p.slabs * p.parts < UNITS_MIN && g->out_w / p.parts >= 8;)
        p.parts *= 2;
    p.width = (uint32_t)it_round_up((g->out_w + p.parts - 1) / p.parts, 4);
    p.parts = (g->out_w + p.width - 1) / p.width;
    const bool two = g->stride_w == 1 && g->dil_w == 1;
    p.thresholds_at = sizeof(dw_head) + (size_t)g->kh * (two ? 2 * ((g->kw + 4) / 4) : (g->kw + 3) / 4) * QUAD;
    p.block_bytes = p.thresholds_at + (e && e->levels_len ? (size_t)(e->levels_len - 1) * QUAD : 0);
    return p;
}

static dw_form form_of(const dw_plan *p, const it_conv_geom *g, uint32_t b)
{
    dw_form f = { .fold = b + 1 == p->blocks ? p->tail_fold : 1 };
    f.n = b + 1 == p->blocks ? g->in_c - b * BLOCK : BLOCK;
    f.two = g->stride_w == 1 && g->dil_w == 1 && f.fold == 1;
    f.outs = f.two ? 2 : 1;
    f.pixels = f.two ? 2 : f.fold;
    f.columns = g->kw + f.two;
    f.groups = (f.columns + 3) / 4;
    f.paired = g->kh == 5 && g->kw == 5 && g->dil_h == 1 && (g->stride_h == 1 || (g->stride_h == 2 && !f.two));
    return f;
}

/* ---- packing ---- */

typedef struct dw_scales {
    int32_t bias[BLOCK], mult[BLOCK], shift[BLOCK], mult_narrow[BLOCK], shift_narrow[BLOCK];
    epi_mode mode;
    bool narrow;
} dw_scales;

static uint32_t lane_of(uint32_t channel) { return channel / 16 * 4 + channel % 4; }
static uint32_t vec_of(uint32_t channel) { return channel % 16 / 4; }

/* Channel c of the layer, place i (vector * 16 + lane) of the block. */
static void scale_channel(dw_scales *d, const it_conv_geom *g, const it_epi *e, const int8_t *w, uint32_t c, uint32_t i)
{
    d->bias[i] = e->bias[c];
    if (e->levels_len)
        return;
    d->mult[i] = e->mult[c];
    if (e->mult[c] == 0)
        return;
    int64_t acc_max = epi_acc_max(e->bias[c], 1, w + c, (size_t)g->kh * g->kw, g->in_c);
    d->shift[i] = e->shift[c];
    if (e->shift[c] < 33) {
        epi_mode needs = epi_mode_of(acc_max, e->shift[c]);
        d->mode = needs > d->mode ? needs : d->mode;
        d->narrow = false;
    }
    if (!d->narrow)
        return;
    if (e->shift[c] <= IT_NARROW_TO)
        d->mult_narrow[i] = it_narrow_mult(e->mult[c], e->shift[c], acc_max, e->lo - e->zero, e->hi - e->zero, &d->shift_narrow[i]);
    d->narrow = d->mult_narrow[i] != 0;
}

static void pack_head(dw_head *h, dw_scales *d, const it_epi *e)
{
    memset(h, 0, sizeof *h);
    for (int v = 0; v < 4; v++)
        h->bias[v] = _mm512_loadu_si512(d->bias + v * 16);
    h->mode = e->levels_len ? EPI_LEVELS : d->narrow ? EPI_NARROW : (int32_t)d->mode;
    if (e->levels_len)
        return;
    if (!d->narrow) {
        for (int i = 0; i < BLOCK; i++)
            d->shift[i] = epi_shift(d->mode, d->shift[i]);
        for (int v = 0; v < 4; v++)
            h->scale[v] = epi512_open(d->mult + v * 16, d->shift + v * 16);
        return;
    }
    int16_t factor[BLOCK];
    for (int i = 0; i < BLOCK; i++) {
        int v = i / 16, l = i % 16, to = v / 2 * 32 + l / 4 * 8 + v % 2 * 4 + l % 4;
        factor[to] = (int16_t)(1 << (15 - d->shift_narrow[i]));
    }
    for (int v = 0; v < 4; v++) {
        h->narrow.m[v] = _mm512_loadu_si512(d->mult_narrow + v * 16);
        h->narrow.m_odd[v] = _mm512_srli_epi64(h->narrow.m[v], 32);
    }
    for (int v = 0; v < 2; v++)
        h->narrow.factor[v] = _mm512_loadu_si512(factor + v * 32);
}

/* The tap in byte `byte` of weight quad k. */
typedef struct dw_tap { bool exists; uint32_t row, column; } dw_tap;

static uint32_t quads_of(const it_conv_geom *g, const dw_form *f) { return f->outs * (f->paired ? 5 + 3 : g->kh * f->groups); }

static dw_tap tap_of(const it_conv_geom *g, const dw_form *f, uint32_t k, uint32_t byte)
{
    const uint32_t pixel = k % f->outs, i = k / f->outs;
    uint32_t row = i / f->groups, column = i % f->groups * 4 + byte;
    if (f->paired) {
        row = i < 5 ? i : (i - 5) * 2 + byte / 2;
        column = i < 5 ? byte : 4 + byte % 2;
    }
    return (dw_tap){ row < g->kh && column >= pixel && column - pixel < g->kw, row, column - pixel };
}

static void pack_block(const dw_plan *p, const it_conv_geom *g, const it_epi *e, const int8_t *w, uint32_t b, uint8_t *block)
{
    dw_form f = form_of(p, g, b);
    dw_scales d = { .mode = EPI_HIGH, .narrow = e->out == INTACT_U8 };
    for (int i = 0; i < BLOCK; i++) { /* of lanes without a channel, and where m is 0: any shift gives 0 */
        d.bias[i] = d.mult[i] = d.mult_narrow[i] = 0;
        d.shift[i] = 33;
        d.shift_narrow[i] = 1;
    }
    for (uint32_t i = 0; i < BLOCK; i++) {
        uint32_t c = i % (BLOCK / f.fold), at = vec_of(i) * 16 + lane_of(i);
        if (c >= f.n)
            continue;
        c += b * BLOCK;
        scale_channel(&d, g, e, w, c, at);
        int8_t *to = (int8_t *)block + sizeof(dw_head) + (size_t)at * 4;
        for (uint32_t k = 0; k < quads_of(g, &f); k++)
            for (uint32_t byte = 0; byte < 4; byte++) {
                const dw_tap tap = tap_of(g, &f, k, byte);
                if (tap.exists)
                    to[k * (size_t)QUAD + byte] = w[((size_t)tap.row * g->kw + tap.column) * g->in_c + c];
            }
        for (uint32_t k = 0; k + 1 < e->levels_len; k++)
            ((int32_t *)(block + p->thresholds_at))[k * BLOCK + at] = e->thresholds[(size_t)c * (e->levels_len - 1) + k];
    }
    dw_head h;
    pack_head(&h, &d, e);
    memcpy(block, &h, sizeof h);
}

#endif
