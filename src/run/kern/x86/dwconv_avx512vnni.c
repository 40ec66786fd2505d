/* SPDX-License-Identifier: Apache-2.0 */
/* dwconv_avx512vnni: u8 depthwise convolution. A quad holds four columns of a block's channels, interleaved by unpacks, so that vpdpbusd
** sums four taps of a channel; unpacking leaves channels in the lane order that packing undoes (panel_channel).
**
** A block is 64 channels of a pixel; the last one of a layer, when it has at most 32 (16), is those of 2 (4) pixels: a fold. Each input row
** becomes quads once, in a ring of the rows that an output row needs. Two forms:
**
**   wide  (fold * stride is 1 or 2): quad j has columns 2j to 2j + 3 (of a fold: and those behind them); if it is 1, a quad serves two
**         pixels, for which the weights of a group are packed twice, as w0 w1 w2 w3 and as 0 w0 w1 w2. The next group is in quad j + 2.
**   steps (all else): quads [j * groups, (j + 1) * groups) have all columns of fold j of output pixels
**
** A block as packed: dw_head, then weights by kernel row, group, pixel of the quad: 256 bytes each. A unit is a slab of blocks over a band
** of output rows; a row is worked on in segments, so that the ring stays in L1. */
#include <string.h>

#include "run/kern/narrow.h"
#include "run/kern/x86/epi_avx512.h"
#include "run/kern/x86/x86.h"

enum { BLOCK = 64, QUAD = 256, TAPS_MAX = 1024, RING_BYTES = 24 * 1024, SEGMENT_MIN = 4, TALL = 28 };

/* EPI_NARROW: hi32(acc * m) with so few bits of m that rounding, zero point and shift can follow after packing to 16 bits (narrow.h). */
enum { EPI_NARROW = EPI_FULL + 1 };

#define INLINE static inline __attribute__((always_inline))

typedef struct dw_head {
    int32_t mode, unused[15];
    __m512i bias[4];
    union {
        epi512 scale[4];
        struct {
            __m512i m[4], m_odd[4], add16[2], shift16[2];
        } narrow;
    };
} dw_head;

typedef struct dw_plan {
    uint32_t blocks, tail_fold; /* fold of the last block */
    uint32_t groups, groups_two; /* of four taps in a kernel row; where quads serve two pixels */
    uint32_t slab, slabs, band_rows, bands, span;
    size_t block_bytes;
} dw_plan;

/* One block of a layer in its form. */
typedef struct dw_form {
    bool wide, two;            /* two: a quad serves two pixels */
    uint32_t n, fold, pixels;  /* channels; output pixels that stand side by side in a register; output pixels of a step */
    uint32_t groups, group_quads, step_quads;
    uint32_t steps, segment;   /* of an output row; at once */
    size_t row_bytes;          /* of the ring */
} dw_form;

static bool wide_form(const it_conv_geom *g, uint32_t fold) { return g->dil_w == 1 && (uint64_t)fold * g->stride_w <= 2; }

static dw_plan plan_of(const it_conv_geom *g)
{
    dw_plan p = { .blocks = (g->in_c + BLOCK - 1) / BLOCK };
    uint32_t tail = g->in_c - (p.blocks - 1) * BLOCK;
    p.tail_fold = tail <= 16 && g->out_w > 2 ? 4 : tail <= 32 && g->out_w > 1 ? 2 : 1;
    p.groups = (g->kw + 3) / 4;
    p.groups_two = (g->kw + 4) / 4;
    p.span = (g->kh - 1) * g->dil_h + 1;
    p.slab = g->out_h >= TALL ? 2 : 1;
    p.slabs = (p.blocks + p.slab - 1) / p.slab;
    p.bands = (g->out_h + TALL / 2) / TALL;
    p.bands = p.bands > 0 ? p.bands : 1;
    while (p.bands * p.slabs < 8 && g->out_h / p.bands >= 8)
        p.bands *= 2;
    p.band_rows = (g->out_h + p.bands - 1) / p.bands;
    p.bands = (g->out_h + p.band_rows - 1) / p.band_rows;
    const bool two = wide_form(g, 1) && g->stride_w == 1;
    p.block_bytes = sizeof(dw_head) + (size_t)g->kh * (two ? 2 * p.groups_two : p.groups) * QUAD;
    return p;
}

static dw_form form_of(const dw_plan *p, const it_conv_geom *g, uint32_t b)
{
    dw_form f = { .fold = b + 1 == p->blocks ? p->tail_fold : 1 };
    f.n = b + 1 == p->blocks ? g->in_c - b * BLOCK : BLOCK;
    f.wide = wide_form(g, f.fold);
    f.two = f.wide && f.fold * g->stride_w == 1;
    f.pixels = f.two ? 2 : f.fold;
    f.groups = f.two ? p->groups_two : p->groups;
    f.group_quads = f.wide ? 2 : 1;
    f.step_quads = f.wide ? 1 : f.groups;
    f.steps = (g->out_w + f.pixels - 1) / f.pixels;
    size_t fits = RING_BYTES / ((size_t)p->span * f.step_quads * QUAD);
    f.segment = fits > f.steps ? f.steps : fits < SEGMENT_MIN ? SEGMENT_MIN : (uint32_t)fits;
    f.row_bytes = ((size_t)f.segment * f.step_quads + (f.wide ? 2 * (f.groups - 1) : 0)) * QUAD;
    return f;
}

static bool dw_can(const it_conv_geom *g, const it_epi *e)
{
    return g->in_c == g->out_c && !e->acc64 && it_epi_plain(e) && (uint64_t)g->kh * g->kw <= TAPS_MAX;
}

static size_t dw_packed_bytes(const it_conv_geom *g, const it_epi *e)
{
    (void)e;
    dw_plan p = plan_of(g);
    return p.blocks * p.block_bytes;
}

static uint32_t dw_units(const it_conv_geom *g, uint32_t batch)
{
    dw_plan p = plan_of(g);
    return batch * p.bands * p.slabs;
}

static size_t dw_scratch_bytes(const it_conv_geom *g)
{
    dw_plan p = plan_of(g);
    dw_form first = form_of(&p, g, 0), last = form_of(&p, g, p.blocks - 1);
    return p.span * (first.row_bytes > last.row_bytes ? first.row_bytes : last.row_bytes);
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
    if (!d->narrow) {
        h->mode = (int32_t)d->mode;
        for (int i = 0; i < BLOCK; i++)
            d->shift[i] = epi_shift(d->mode, d->shift[i]);
        for (int v = 0; v < 4; v++)
            h->scale[v] = epi512_open(d->mult + v * 16, d->shift + v * 16);
        return;
    }
    int16_t add[BLOCK], shift[BLOCK]; /* as packing two vectors orders them */
    for (int i = 0; i < BLOCK; i++) {
        int v = i / 16, l = i % 16, to = v / 2 * 32 + l / 4 * 8 + v % 2 * 4 + l % 4;
        shift[to] = (int16_t)d->shift_narrow[i];
        add[to] = (int16_t)((e->zero * 2 + 1) << (shift[to] - 1));
    }
    h->mode = EPI_NARROW;
    for (int v = 0; v < 4; v++) {
        h->narrow.m[v] = _mm512_loadu_si512(d->mult_narrow + v * 16);
        h->narrow.m_odd[v] = _mm512_srli_epi64(h->narrow.m[v], 32);
    }
    for (int v = 0; v < 2; v++) {
        h->narrow.add16[v] = _mm512_loadu_si512(add + v * 32);
        h->narrow.shift16[v] = _mm512_loadu_si512(shift + v * 32);
    }
}

/* The tap in byte `byte` of a group, kw: none. */
static uint32_t tap_of(const it_conv_geom *g, uint32_t group, uint32_t pixel, uint32_t byte)
{
    uint32_t column = group * 4 + byte;
    return column >= pixel && column - pixel < g->kw ? column - pixel : g->kw;
}

static void pack_block(const dw_plan *p, const it_conv_geom *g, const it_epi *e, const int8_t *w, uint32_t b, uint8_t *block)
{
    dw_form f = form_of(p, g, b);
    dw_scales d = { .mode = EPI_HIGH, .narrow = e->out == INTACT_U8 };
    const uint32_t per_quad = f.two ? 2 : 1;
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
        for (uint32_t k = 0; k < g->kh * f.groups * per_quad; k++)
            for (uint32_t byte = 0; byte < 4; byte++) {
                uint32_t tap = tap_of(g, k / per_quad % f.groups, k % per_quad, byte);
                if (tap < g->kw)
                    to[k * (size_t)QUAD + byte] = w[((size_t)(k / per_quad / f.groups) * g->kw + tap) * g->in_c + c];
            }
    }
    dw_head h;
    pack_head(&h, &d, e);
    memcpy(block, &h, sizeof h);
}

static void dw_pack(const it_conv_geom *g, const it_epi *e, const int8_t *w, void *dst)
{
    dw_plan p = plan_of(g);
    memset(dst, 0, p.blocks * p.block_bytes);
    for (uint32_t b = 0; b < p.blocks; b++)
        pack_block(&p, g, e, w, b, (uint8_t *)dst + b * p.block_bytes);
}

/* ---- input rows to quads ---- */

typedef struct quad { __m512i v[4]; } quad; /* a block's channels in 32-bit lanes, panel order */
typedef struct bytes2 { __m512i lo, hi; } bytes2;

INLINE bytes2 bytes_of(__m512i a, __m512i b)
{
    return (bytes2){ _mm512_unpacklo_epi8(a, b), _mm512_unpackhi_epi8(a, b) };
}

INLINE void quad_put(uint8_t *to, const bytes2 *ab, const bytes2 *cd)
{
    _mm512_store_si512(to, _mm512_unpacklo_epi16(ab->lo, cd->lo));
    _mm512_store_si512(to + 64, _mm512_unpackhi_epi16(ab->lo, cd->lo));
    _mm512_store_si512(to + 128, _mm512_unpacklo_epi16(ab->hi, cd->hi));
    _mm512_store_si512(to + 192, _mm512_unpackhi_epi16(ab->hi, cd->hi));
}

/* Quads of one row: from step `first` on, `steps` of them. */
typedef struct dw_fill {
    const uint8_t *src; /* the block's channels of the row's first pixel; NULL: the row is padding */
    uint8_t *dst;
    uint32_t first, steps;
    uint32_t from, to; /* quads (wide) or steps [from, to) need no look at the row's ends */
} dw_fill;

static void fill_padding(const it_conv_geom *g, const dw_form *f, const dw_fill *r)
{
    memset(r->dst, g->in_zero, ((size_t)r->steps * f->step_quads + (f->wide ? 2 * (f->groups - 1) : 0)) * QUAD);
}

/* The channels of `fold` pixels, `px` bytes apart. whole: BLOCK / fold channels each. */
INLINE __m512i fold_load(uint32_t fold, bool whole, __mmask64 keep, const uint8_t *p, size_t px)
{
    if (fold == 1 || (whole && px == BLOCK / fold))
        return whole ? _mm512_loadu_si512(p) : _mm512_maskz_loadu_epi8(keep, p);
    if (fold == 2 && whole)
        return _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)p)),
                                  _mm256_loadu_si256((const __m256i *)(p + px)), 1);
    if (fold == 2)
        return _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_maskz_loadu_epi8((__mmask32)keep, p)),
                                  _mm256_maskz_loadu_epi8((__mmask32)keep, p + px), 1);
    __m128i v[4];
    for (uint32_t i = 0; i < 4; i++)
        v[i] = whole ? _mm_loadu_si128((const __m128i *)(p + i * px)) : _mm_maskz_loadu_epi8((__mmask16)keep, p + i * px);
    __m512i v01 = _mm512_inserti32x4(_mm512_castsi128_si512(v[0]), v[1], 1), v012 = _mm512_inserti32x4(v01, v[2], 2);
    return _mm512_inserti32x4(v012, v[3], 3);
}

/* The same from column `at` on, `pitch` columns apart, where some may lie outside of the row. */
static inline __m512i fold_load_border(const it_conv_geom *g, const dw_form *f, const uint8_t *src, int64_t at, uint32_t pitch)
{
    __m512i v = _mm512_set1_epi8((char)g->in_zero);
    const uint32_t part = BLOCK / f->fold;
    const __mmask64 keep = epi512_first(f->n);
    if (f->n == part && pitch * it_conv_in_pitch(g) == part) { /* one run of bytes, `before` and `behind` of it outside */
        int64_t before = at < 0 ? -at : 0, behind = at + f->fold - g->in_w;
        if (before >= f->fold || behind >= f->fold)
            return v;
        __mmask64 valid = ~(__mmask64)0 << (before * part);
        valid &= behind > 0 ? ~(__mmask64)0 >> (behind * part) : ~(__mmask64)0;
        return _mm512_mask_loadu_epi8(v, valid, (const void *)((uintptr_t)src + (uintptr_t)(at * (int64_t)part)));
    }
    for (uint32_t i = 0; i < f->fold; i++, at += pitch)
        if (at >= 0 && at < g->in_w) /* only bytes of the column are read, though the address lies before them */
            v = _mm512_mask_loadu_epi8(v, keep << (i * part), (const void *)((uintptr_t)src + (size_t)at * it_conv_in_pitch(g) - i * part));
    return v;
}

/* Sets from and to. Item i reads columns [at + i * pitch, at + i * pitch + reach]. */
static void find_inside(const it_conv_geom *g, const dw_form *f, dw_fill *r)
{
    const int64_t pitch = f->wide ? 2 : (int64_t)f->fold * g->stride_w, at = r->first * pitch - g->pad_l + (f->wide ? 2 : 0);
    const int64_t reach = f->wide ? f->fold : (int64_t)(f->fold - 1) * g->stride_w + (int64_t)(g->kw - 1) * g->dil_w;
    const int64_t n = f->wide ? r->steps + 2 * (f->groups - 1) : r->steps;
    int64_t from = at < 0 ? (-at + pitch - 1) / pitch : 0, room = (int64_t)g->in_w - 1 - reach - at, to = room < 0 ? 0 : room / pitch + 1;
    r->from = from < n ? (uint32_t)from : (uint32_t)n;
    r->to = to > n ? (uint32_t)n : to < r->from ? r->from : (uint32_t)to;
}

INLINE void fill_wide_as(const it_conv_geom *g, const dw_form *f, const dw_fill *r, uint32_t fold, bool whole)
{
    const __mmask64 keep = epi512_first(f->n);
    const size_t px = it_conv_in_pitch(g);
    const uint32_t quads = r->steps + 2 * (f->groups - 1);
    int64_t at = 2 * (int64_t)r->first - g->pad_l;
    uint32_t j = 0;
    bytes2 ab = bytes_of(fold_load_border(g, f, r->src, at, 1), fold_load_border(g, f, r->src, at + 1, 1));
    uint8_t *to = r->dst;
    for (at += 2; j < quads;) {
        for (; j < r->from || (j >= r->to && j < quads); j++, at += 2, to += QUAD) {
            bytes2 cd = bytes_of(fold_load_border(g, f, r->src, at, 1), fold_load_border(g, f, r->src, at + 1, 1));
            quad_put(to, &ab, &cd);
            ab = cd;
        }
        const uint8_t *p = r->src + (size_t)at * px;
        for (; j < r->to; j++, at += 2, to += QUAD, p += 2 * px) {
            bytes2 cd = bytes_of(fold_load(fold, whole, keep, p, px), fold_load(fold, whole, keep, p + px, px));
            quad_put(to, &ab, &cd);
            ab = cd;
        }
    }
}

static void fill_step_border(const it_conv_geom *g, const dw_form *f, const uint8_t *src, int64_t at, uint8_t *to)
{
    for (uint32_t k = 0; k < f->groups; k++, to += QUAD) {
        __m512i v[4];
        for (uint32_t i = 0; i < 4; i++) /* columns behind the last tap meet weights of 0 */
            v[i] = fold_load_border(g, f, src, at + (int64_t)(k * 4 + i) * g->dil_w, g->stride_w);
        bytes2 ab = bytes_of(v[0], v[1]), cd = bytes_of(v[2], v[3]);
        quad_put(to, &ab, &cd);
    }
}

INLINE void fill_steps_as(const it_conv_geom *g, const dw_form *f, const dw_fill *r, uint32_t fold, bool whole)
{
    const __mmask64 keep = epi512_first(f->n);
    const size_t px = it_conv_in_pitch(g), tap = g->dil_w * px, pitch = g->stride_w * px;
    const int64_t step = (int64_t)fold * g->stride_w, at = r->first * step - g->pad_l;
    for (uint32_t j = 0; j < r->steps; j++) {
        uint8_t *to = r->dst + (size_t)j * f->groups * QUAD;
        if (j < r->from || j >= r->to) {
            fill_step_border(g, f, r->src, at + j * step, to);
            continue;
        }
        const uint8_t *p = r->src + (size_t)(at + j * step) * px;
        uint32_t taps = g->kw;
        for (uint32_t k = 0; k < f->groups; k++, to += QUAD, p += 4 * tap, taps -= 4) { /* a missing tap repeats one; its weight is 0 */
            __m512i v0 = fold_load(fold, whole, keep, p, pitch), v1 = taps > 1 ? fold_load(fold, whole, keep, p + tap, pitch) : v0;
            __m512i v2 = taps > 2 ? fold_load(fold, whole, keep, p + 2 * tap, pitch) : v0;
            __m512i v3 = taps > 3 ? fold_load(fold, whole, keep, p + 3 * tap, pitch) : v0;
            bytes2 ab = bytes_of(v0, v1), cd = bytes_of(v2, v3);
            quad_put(to, &ab, &cd);
        }
    }
}

static void fill(const it_conv_geom *g, const dw_form *f, const dw_fill *r)
{
    if (!r->src)
        fill_padding(g, f, r);
    else if (f->wide && f->fold == 2)
        f->n == BLOCK / 2 ? fill_wide_as(g, f, r, 2, true) : fill_wide_as(g, f, r, 2, false);
    else if (f->wide)
        f->n == BLOCK ? fill_wide_as(g, f, r, 1, true) : fill_wide_as(g, f, r, 1, false);
    else if (f->fold == 4)
        f->n == BLOCK / 4 ? fill_steps_as(g, f, r, 4, true) : fill_steps_as(g, f, r, 4, false);
    else if (f->fold == 2)
        fill_steps_as(g, f, r, 2, false);
    else
        fill_steps_as(g, f, r, 1, false);
}

/* ---- output rows ---- */

typedef struct dw_row {
    const dw_form *f;
    const uint8_t *ring, *block;
    const size_t *offset; /* [kh]: where the ring's row of each kernel row begins */
    uint32_t kh, steps, pixels; /* pixels: that exist, of all steps */
    size_t px_bytes;      /* of an output pixel */
    uint8_t *y;
} dw_row;

INLINE void quad_dot(quad *acc, const quad *x, const uint8_t *w)
{
    for (int v = 0; v < 4; v++)
        acc->v[v] = _mm512_dpbusd_epi32(acc->v[v], x->v[v], _mm512_load_si512(w + v * 64));
}

/* What gcc would load again for every output, as y might overlap it. */
#define IN_REGISTER(v) __asm__("" : "+v"(v))

typedef struct narrow { __m512i m[4], m_odd[4], add16[2], shift16[2]; } narrow;

INLINE narrow narrow_open(const dw_head *h)
{
    narrow k;
    for (int v = 0; v < 4; v++) {
        k.m[v] = h->narrow.m[v];
        k.m_odd[v] = h->narrow.m_odd[v];
        IN_REGISTER(k.m[v]);
        IN_REGISTER(k.m_odd[v]);
    }
    for (int v = 0; v < 2; v++) {
        k.add16[v] = h->narrow.add16[v];
        k.shift16[v] = h->narrow.shift16[v];
        IN_REGISTER(k.add16[v]);
        IN_REGISTER(k.shift16[v]);
    }
    return k;
}

INLINE __m512i narrow_high(const narrow *k, const quad *acc, int v)
{
    __m512i even = _mm512_mul_epi32(acc->v[v], k->m[v]);
    __m512i odd = _mm512_mul_epi32(_mm512_srli_epi64(acc->v[v], 32), k->m_odd[v]);
    return _mm512_mask_shuffle_epi32(odd, 0x5555, even, _MM_PERM_CDAB);
}

INLINE __m512i narrow_pair(const narrow *k, const quad *acc, int pair)
{
    __m512i v = _mm512_packs_epi32(narrow_high(k, acc, 2 * pair), narrow_high(k, acc, 2 * pair + 1));
    return _mm512_srav_epi16(_mm512_adds_epi16(v, k->add16[pair]), k->shift16[pair]);
}

/* The 64 codes of a block. */
INLINE __m512i quad_codes(const dw_head *h, const narrow *c, const quad *acc, const epi512_pack *k, int mode,
                                                                bool clamps)
{
    __m512i v;
    if (mode == EPI_NARROW)
        v = _mm512_packus_epi16(narrow_pair(c, acc, 0), narrow_pair(c, acc, 1));
    else {
        __m512i q[4];
        for (int i = 0; i < 4; i++)
            q[i] = epi512_scale((epi_mode)mode, acc->v[i], &h->scale[i]);
        v = _mm512_packus_epi16(epi512_pair(k, q[0], q[1]), epi512_pair(k, q[2], q[3]));
    }
    return clamps ? _mm512_min_epu8(_mm512_max_epu8(v, k->lo8), k->hi8) : v;
}

/* s16 codes, fold by fold through memory: outputs of 16 bits are rare. */
static void quad_store_wide(const dw_head *h, const quad *acc, const epi512_pack *k, const dw_row *r, uint8_t *y, uint32_t pixels)
{
    _Alignas(64) uint8_t codes[2 * BLOCK];
    const uint32_t part = BLOCK / r->f->fold * 2;
    __m512i q[4];
    for (int i = 0; i < 4; i++)
        q[i] = epi512_scale((epi_mode)h->mode, acc->v[i], &h->scale[i]);
    epi512_store_s16(4, k, q, codes, ~(__mmask64)0);
    for (uint32_t i = 0; i < pixels; i++)
        memcpy(y + i * r->px_bytes, codes + i * part, r->f->n * 2);
}

/* The first `pixels` of a fold to memory. */
INLINE void fold_store(uint32_t fold, uint32_t n, uint8_t *y, size_t px, uint32_t pixels, __m512i v)
{
    if (fold == 1) {
        _mm512_mask_storeu_epi8(y, pixels ? epi512_first(n) : 0, v);
    } else if (n == BLOCK / fold && px == n) {
        _mm512_mask_storeu_epi8(y, epi512_first(pixels * (uint32_t)px), v);
    } else if (fold == 2) {
        const __mmask32 keep = (__mmask32)epi512_first(n);
        _mm256_mask_storeu_epi8(y, keep, _mm512_castsi512_si256(v));
        if (pixels > 1)
            _mm256_mask_storeu_epi8(y + px, keep, _mm512_extracti64x4_epi64(v, 1));
    } else {
        const __mmask16 keep = (__mmask16)epi512_first(n);
        _mm_mask_storeu_epi8(y, keep, _mm512_castsi512_si128(v));
        if (pixels > 1)
            _mm_mask_storeu_epi8(y + px, keep, _mm512_extracti32x4_epi32(v, 1));
        if (pixels > 2)
            _mm_mask_storeu_epi8(y + 2 * px, keep, _mm512_extracti32x4_epi32(v, 2));
        if (pixels > 3)
            _mm_mask_storeu_epi8(y + 3 * px, keep, _mm512_extracti32x4_epi32(v, 3));
    }
}

INLINE void row_as(const dw_row *r, const it_epi *e, uint32_t kh, uint32_t groups, bool two, uint32_t fold,
                                                         int mode, bool wide_out, bool clamps)
{
    const dw_head *head = (const dw_head *)r->block;
    const uint8_t *x = r->ring, *w = r->block + sizeof *head;
    const epi512_pack k = epi512_pack_open(e);
    const uint32_t n = r->f->n, per_step = two ? 2 : fold;
    const size_t group_bytes = r->f->group_quads * QUAD, step_bytes = r->f->step_quads * QUAD, px = r->px_bytes;
    const narrow c = narrow_open(head);
    uint32_t left = r->pixels;
    uint8_t *y = r->y;
    for (uint32_t i = 0; i < r->steps; i++, x += step_bytes, y += per_step * px, left -= per_step) {
        quad a = { { head->bias[0], head->bias[1], head->bias[2], head->bias[3] } }, b = a;
        const uint8_t *wk = w;
        for (uint32_t h = 0; h < kh; h++)
            for (uint32_t q = 0; q < groups; q++, wk += two ? 2 * QUAD : QUAD) {
                const uint8_t *at = x + r->offset[h] + q * group_bytes;
                quad in;
                for (int v = 0; v < 4; v++) {
                    in.v[v] = _mm512_load_si512(at + v * 64);
                    IN_REGISTER(in.v[v]);
                }
                quad_dot(&a, &in, wk);
                if (two)
                    quad_dot(&b, &in, wk + QUAD);
            }
        if (wide_out) {
            quad_store_wide(head, &a, &k, r, y, two || left < fold ? (left < fold ? left : fold) : fold);
            if (two && left > 1)
                quad_store_wide(head, &b, &k, r, y + px, 1);
            if (left < per_step)
                break;
            continue;
        }
        __m512i codes = quad_codes(head, &c, &a, &k, mode, clamps);
        if (two) {
            fold_store(1, n, y, px, 1, codes);
            fold_store(1, n, y + px, px, left > 1, quad_codes(head, &c, &b, &k, mode, clamps));
        } else
            fold_store(fold, n, y, px, left < fold ? left : fold, codes);
        if (left < per_step)
            break;
    }
}

INLINE void row_by_form(const dw_row *r, const it_epi *e, int mode, bool clamps)
{
    const dw_form *f = r->f;
    if (f->two && r->kh == 3 && f->groups == 1)
        row_as(r, e, 3, 1, true, 1, mode, false, clamps);
    else if (f->two && r->kh == 5 && f->groups == 2)
        row_as(r, e, 5, 2, true, 1, mode, false, clamps);
    else if (f->two)
        row_as(r, e, r->kh, f->groups, true, 1, mode, false, clamps);
    else if (f->fold == 4 && r->kh == 3 && f->groups == 1)
        row_as(r, e, 3, 1, false, 4, mode, false, clamps);
    else if (f->fold == 4)
        row_as(r, e, r->kh, f->groups, false, 4, mode, false, clamps);
    else if (f->fold == 2 && r->kh == 3 && f->groups == 1)
        row_as(r, e, 3, 1, false, 2, mode, false, clamps);
    else if (f->fold == 2)
        row_as(r, e, r->kh, f->groups, false, 2, mode, false, clamps);
    else if (r->kh == 3 && f->groups == 1)
        row_as(r, e, 3, 1, false, 1, mode, false, clamps);
    else if (r->kh == 5 && f->groups == 2)
        row_as(r, e, 5, 2, false, 1, mode, false, clamps);
    else
        row_as(r, e, r->kh, f->groups, false, 1, mode, false, clamps);
}

static void row(const dw_row *r, const it_epi *e)
{
    const int mode = ((const dw_head *)r->block)->mode;
    const bool clamps = e->lo > 0 || e->hi < 255;
    if (e->out == INTACT_S16)
        row_as(r, e, r->kh, r->f->groups, r->f->two, r->f->fold, mode, true, false);
    else if (mode == EPI_NARROW && !clamps)
        row_by_form(r, e, EPI_NARROW, false);
    else if (mode == EPI_NARROW)
        row_by_form(r, e, EPI_NARROW, true);
    else
        row_as(r, e, r->kh, r->f->groups, r->f->two, r->f->fold, mode, false, true);
}

/* ---- units ---- */

typedef struct dw_unit {
    uint32_t oh, oh_end;
    const uint8_t *x; /* of the sample */
    uint8_t *y, *ring;
    size_t y_bytes;   /* of an element */
} dw_unit;

/* Steps [step, step + f->segment) of block b. */
static void run_segment(const dw_plan *p, const it_conv_geom *g, const it_epi *e, const uint8_t *block, const dw_form *f, const dw_unit *u,
                        uint32_t b, uint32_t step)
{
    size_t offset[TAPS_MAX];
    const uint32_t steps = f->steps - step < f->segment ? f->steps - step : f->segment, ow = step * f->pixels, span = p->span;
    dw_fill in = { .first = step, .steps = steps };
    find_inside(g, f, &in);
    dw_row r = { .f = f, .ring = u->ring, .block = block, .offset = offset, .kh = g->kh, .steps = steps };
    r.pixels = g->out_w - ow < steps * f->pixels ? g->out_w - ow : steps * f->pixels;
    r.px_bytes = it_conv_out_pitch(g) * u->y_bytes;
    /* rows are counted from -pad_t; row `next`, for the ring's place `slot`, is the first that did not enter yet, `top` an output row's */
    int64_t top = (int64_t)u->oh * g->stride_h, next = top;
    uint32_t slot = 0;
    for (uint32_t oh = u->oh; oh < u->oh_end; oh++, top += g->stride_h) {
        if (next < top) {
            next = top;
            slot = 0;
        }
        const uint32_t top_slot = next - top <= slot ? slot - (uint32_t)(next - top) : slot + span - (uint32_t)(next - top);
        for (; next < top + span; next++, slot = slot + 1 == span ? 0 : slot + 1) {
            const int64_t ih = next - g->pad_t;
            in.src = ih >= 0 && ih < g->in_h ? u->x + (size_t)ih * g->in_w * it_conv_in_pitch(g) + (size_t)b * BLOCK : NULL;
            in.dst = u->ring + slot * f->row_bytes;
            fill(g, f, &in);
        }
        for (uint32_t h = 0, at = top_slot; h < g->kh; h++) {
            offset[h] = at * f->row_bytes;
            at += g->dil_h;
            at -= at >= span ? span : 0; /* dil_h < span, or there is one row only */
        }
        r.y = u->y + (((size_t)oh * g->out_w + ow) * it_conv_out_pitch(g) + (size_t)b * BLOCK) * u->y_bytes;
        row(&r, e);
    }
}

static void dw_run(const it_conv_geom *g, const it_epi *e, const void *packed, const it_conv_io *io, uint32_t unit_begin,
                   uint32_t unit_end, void *scratch)
{
    dw_plan p = plan_of(g);
    dw_unit u = { .ring = scratch, .y_bytes = e->out == INTACT_S16 ? 2 : 1 };
    for (uint32_t i = unit_begin; i < unit_end; i++) {
        uint32_t slab = i % p.slabs, band = i / p.slabs % p.bands, sample = i / p.slabs / p.bands;
        u.oh = band * p.band_rows;
        u.oh_end = u.oh + p.band_rows < g->out_h ? u.oh + p.band_rows : g->out_h;
        u.x = (const uint8_t *)io->x + (size_t)sample * g->in_h * g->in_w * it_conv_in_pitch(g);
        u.y = (uint8_t *)io->y + (size_t)sample * g->out_h * g->out_w * it_conv_out_pitch(g) * u.y_bytes;
        for (uint32_t b = slab * p.slab; b < p.blocks && b < (slab + 1) * p.slab; b++) {
            dw_form f = form_of(&p, g, b);
            for (uint32_t step = 0; step < f.steps; step += f.segment)
                run_segment(&p, g, e, (const uint8_t *)packed + b * p.block_bytes, &f, &u, b, step);
        }
    }
}

const it_kern_conv it_kern_dwconv_u8_avx512vnni = { "dwconv_u8_avx512vnni_2x64", dw_can, dw_packed_bytes, dw_pack, dw_units,
                                                    dw_scratch_bytes, dw_run };
