/* SPDX-License-Identifier: Apache-2.0 */
/* dw_avx512.h: u8 depthwise convolution in 512-bit vectors. A quad holds four columns of a block's channels, interleaved by unpacks, so
** that vpdpbusd sums four taps of a channel; unpacking leaves channels in the lane order that packing undoes (panel_channel).
**
** A step is two neighbouring output pixels of a block (stride 1), or one, or a fold's two or four. Its columns are walked downwards, which
** is a strip: each input row becomes quads once. Kernels of 3x3 keep three rows of quads in registers, those of 5x5 make all quads of a
** strip first, others keep a ring in scratch. Columns and rows outside of the input read its zero point. A strip's accumulators go to
** scratch and become codes in a loop of their own: its chains are long, and together with the multiplications few of them would be on
** their way at a time. A unit is a slab of blocks over a band of output rows, or a part of their columns. */
#ifndef IT_KERN_X86_DW_AVX512_H
#define IT_KERN_X86_DW_AVX512_H

#include "run/kern/x86/after_avx512.h"
#include "run/kern/x86/dw_strip_avx512.h"

/* ---- codes to memory and what they meet there ---- */

/* The channels of the first `pixels` pixels of a fold, px bytes apart. */
INLINE __m512i fold_read(const dw_form *f, const uint8_t *p, size_t px, uint32_t pixels)
{
    const __mmask64 keep = epi512_first(f->n);
    if (f->fold == 1)
        return _mm512_maskz_loadu_epi8(keep, p);
    if (px == f->n && f->n == BLOCK / f->fold)
        return _mm512_maskz_loadu_epi8(epi512_first(pixels * f->n), p);
    const uint32_t part = BLOCK / f->fold;
    __m512i v = _mm512_setzero_si512();
    for (uint32_t i = 0; i < pixels; i++) /* only bytes of the pixel are read, though the address lies before them */
        v = _mm512_mask_loadu_epi8(v, keep << (i * part), (const void *)((uintptr_t)p + i * px - i * part));
    return v;
}

INLINE void fold_write(const dw_form *f, uint8_t *y, size_t px, uint32_t pixels, __m512i v)
{
    const uint32_t n = f->n, fold = f->fold;
    if (fold == 1) {
        _mm512_mask_storeu_epi8(y, epi512_first(n), v);
    } else if (n == BLOCK / fold && px == n) {
        _mm512_mask_storeu_epi8(y, epi512_first(pixels * n), v);
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

/* ---- accumulators to codes ---- */

/* A strip's accumulators on their way to y. */
typedef struct dw_after {
    const dw_form *f;
    const dw_plan *p;
    const uint8_t *block, *acc, *other; /* other: where y's first byte is, in it */
    uint8_t *y;
    uint32_t rows, pixels;              /* pixels: that exist of the step */
    size_t px, row, other_px, other_row; /* bytes */
} dw_after;

typedef struct narrow { __m512i m[4], m_odd[4], factor[2], zero16; } narrow;

/* What gcc would load again for every output, as y might overlap it. */
#define IN_REGISTER(v) __asm__("" : "+v"(v))

INLINE narrow narrow_open(const dw_head *h, const it_epi *e)
{
    narrow k;
    for (int v = 0; v < 4; v++) {
        k.m[v] = h->narrow.m[v];
        k.m_odd[v] = h->narrow.m_odd[v];
        IN_REGISTER(k.m[v]);
        IN_REGISTER(k.m_odd[v]);
    }
    for (int v = 0; v < 2; v++) {
        k.factor[v] = h->narrow.factor[v];
        IN_REGISTER(k.factor[v]);
    }
    k.zero16 = _mm512_set1_epi16((int16_t)e->zero);
    return k;
}

/* vmovshdup from memory needs no port of the vectors'. */
INLINE __m512i narrow_high(const narrow *k, const uint8_t *acc, int v)
{
    __m512i odd, even = _mm512_mul_epi32(_mm512_load_si512(acc + v * 64), k->m[v]);
    __asm__("vmovshdup %1, %0" : "=v"(odd) : "m"(*(const uint8_t(*)[64])(acc + v * 64)));
    return _mm512_mask_shuffle_epi32(_mm512_mul_epi32(odd, k->m_odd[v]), 0x5555, even, _MM_PERM_CDAB);
}

/* Rounded, |v| <= 2^14: the zero point cannot overflow. */
INLINE __m512i narrow_pair(const narrow *k, const uint8_t *acc, int pair)
{
    __m512i v = _mm512_packs_epi32(narrow_high(k, acc, 2 * pair), narrow_high(k, acc, 2 * pair + 1));
    return _mm512_add_epi16(_mm512_mulhrs_epi16(v, k->factor[pair]), k->zero16);
}

/* The 64 codes of a block, clamped to 0 to 255. */
INLINE __m512i narrow_codes(const narrow *k, const uint8_t *acc)
{
    return _mm512_packus_epi16(narrow_pair(k, acc, 0), narrow_pair(k, acc, 1));
}

INLINE quad quad_load(const uint8_t *p)
{
    return (quad){ { _mm512_load_si512(p), _mm512_load_si512(p + 64), _mm512_load_si512(p + 128), _mm512_load_si512(p + 192) } };
}

/* levels[how many thresholds are <= acc]. */
static inline __m512i level_codes(const uint8_t *block, const dw_plan *p, const it_epi *e, const quad *acc)
{
    const uint8_t *t = block + p->thresholds_at;
    const __m512i one = _mm512_set1_epi32(1);
    uint8_t levels[16] = { 0 };
    memcpy(levels, e->levels, e->levels_len);
    quad n = { { _mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512() } };
    for (uint32_t k = 0; k + 1 < e->levels_len; k++, t += QUAD)
        for (int v = 0; v < 4; v++)
            n.v[v] = _mm512_mask_add_epi32(n.v[v], _mm512_cmple_epi32_mask(_mm512_load_si512(t + v * 64), acc->v[v]), n.v[v], one);
    __m512i passed = _mm512_packus_epi16(_mm512_packs_epi32(n.v[0], n.v[1]), _mm512_packs_epi32(n.v[2], n.v[3]));
    return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)levels)), passed);
}

INLINE void scale_quad(const dw_head *h, const quad *acc, __m512i q[4])
{
    if (h->mode == EPI_HIGH)
        for (int i = 0; i < 4; i++)
            q[i] = epi512_scale(EPI_HIGH, acc->v[i], &h->scale[i]);
    else
        for (int i = 0; i < 4; i++)
            q[i] = epi512_scale((epi_mode)h->mode, acc->v[i], &h->scale[i]);
}

/* The first n channels of `pixels` parts to s16 codes, `px` bytes from pixel to pixel: outputs of 16 bits are rare. */
static void store_s16(const dw_head *h, const quad *acc, const epi512_pack *k, const dw_form *f, uint8_t *y, size_t px, uint32_t pixels)
{
    _Alignas(64) uint8_t codes[2 * BLOCK];
    __m512i q[4];
    scale_quad(h, acc, q);
    epi512_store_s16(4, k, q, codes, ~(__mmask64)0);
    for (uint32_t i = 0; i < pixels; i++)
        memcpy(y + i * px, codes + i * (BLOCK / f->fold * 2), f->n * 2);
}

/* Of any mode, not yet clamped to less than 0 to 255. */
static inline __m512i codes_any(const dw_after *a, const it_epi *e, const uint8_t *acc, const epi512_pack *k)
{
    const quad q = quad_load(acc);
    if (e->levels_len)
        return level_codes(a->block, a->p, e, &q);
    __m512i v[4];
    scale_quad((const dw_head *)a->block, &q, v);
    return _mm512_packus_epi16(epi512_pair(k, v[0], v[1]), epi512_pair(k, v[2], v[3]));
}

/* joined: 64 codes that go to one place. */
INLINE void finish_as(const dw_after *a, const it_epi *e, bool is_narrow, bool clamps, bool joined, bool sums, bool looks)
{
    const dw_head *h = (const dw_head *)a->block;
    const narrow k = narrow_open(h, e);
    const epi512_pack pack = epi512_pack_open(e);
    const after512 post = after512_open(sums || looks ? e : NULL);
    const uint32_t outs = a->f->outs, regs = outs == 2 ? a->pixels : 1, pixels = outs == 2 ? 1 : a->pixels;
    const uint8_t *acc = a->acc, *other = a->other;
    uint8_t *y = a->y;
    for (uint32_t r = 0; r < a->rows; r++, acc += outs * QUAD, y += a->row, other = sums ? other + a->other_row : other)
        for (uint32_t i = 0; i < regs; i++) {
            __m512i v = is_narrow ? narrow_codes(&k, acc + i * QUAD) : codes_any(a, e, acc + i * QUAD, &pack);
            if (clamps)
                v = _mm512_min_epu8(_mm512_max_epu8(v, pack.lo8), pack.hi8);
            if (sums)
                v = after512_sum(&post, v, fold_read(a->f, other + i * a->other_px, a->other_px, pixels));
            if (looks)
                v = after512_lut(post.lut, v);
            if (joined)
                _mm512_storeu_si512(y + i * a->px, v);
            else
                fold_write(a->f, y + i * a->px, a->px, pixels, v);
        }
}

static void finish_s16(const dw_after *a, const it_epi *e)
{
    const epi512_pack k = epi512_pack_open(e);
    const uint32_t outs = a->f->outs, regs = outs == 2 ? a->pixels : 1, pixels = outs == 2 ? 1 : a->pixels;
    for (uint32_t r = 0; r < a->rows; r++)
        for (uint32_t i = 0; i < regs; i++) {
            const quad q = quad_load(a->acc + (r * outs + i) * QUAD);
            store_s16((const dw_head *)a->block, &q, &k, a->f, a->y + r * a->row + i * a->px, a->px, pixels);
        }
}

static void finish(const dw_after *a, const it_epi *e)
{
    const bool is_narrow = ((const dw_head *)a->block)->mode == EPI_NARROW;
    const bool joined = a->f->n * a->f->fold == BLOCK && (a->f->fold == 1 || (a->px == a->f->n && a->pixels == a->f->fold));
    const bool clamps = !e->levels_len && (e->lo != 0 || e->hi != 255), direct = is_narrow && !clamps && !e->add;
    if (e->out == INTACT_S16)
        finish_s16(a, e);
    else if (direct && !e->lut && joined)
        finish_as(a, e, true, false, true, false, false);
    else if (direct && !e->lut)
        finish_as(a, e, true, false, false, false, false);
    else if (direct && joined)
        finish_as(a, e, true, false, true, false, true);
    else if (direct)
        finish_as(a, e, true, false, false, false, true);
    else if (is_narrow)
        finish_as(a, e, true, clamps, false, e->add != NULL, e->lut != NULL);
    else
        finish_as(a, e, false, clamps, false, e->add != NULL, e->lut != NULL);
}

/* ---- units ---- */

static bool dw_can(const it_conv_geom *g, const it_epi *e)
{
    if (g->in_c != g->out_c || g->fixes_len > 0 || e->acc64 || g->kw > WIDE_MAX || (uint64_t)g->kh * g->kw > TAPS_MAX)
        return false;
    return !e->add || after512_sums(e->add);
}

static size_t dw_packed_bytes(const it_conv_geom *g, const it_epi *e)
{
    dw_plan p = plan_of(g, e);
    return p.blocks * p.block_bytes;
}

static void dw_pack(const it_conv_geom *g, const it_epi *e, const int8_t *w, void *dst)
{
    dw_plan p = plan_of(g, e);
    memset(dst, 0, p.blocks * p.block_bytes);
    for (uint32_t b = 0; b < p.blocks; b++)
        pack_block(&p, g, e, w, b, (uint8_t *)dst + b * p.block_bytes);
}

static uint32_t dw_units(const it_conv_geom *g, uint32_t batch)
{
    dw_plan p = plan_of(g, NULL);
    return batch * p.bands * p.slabs * p.parts;
}

/* Scratch: 64 zero points | accumulators of a strip | ring. */
static size_t acc_bytes(const dw_plan *p) { return (size_t)p->rows * 2 * QUAD; }

static size_t dw_scratch_bytes(const it_conv_geom *g)
{
    dw_plan p = plan_of(g, NULL);
    const bool paired = g->kh == 5 && g->kw == 5 && g->dil_h == 1 && g->stride_h <= 2; /* in some blocks at least */
    const size_t ring = (size_t)p.span * ((g->kw + 4) / 4), strip5 = paired ? ((size_t)(p.rows - 1) * g->stride_h + 5) * 2 : 0;
    return BLOCK + acc_bytes(&p) + (ring > strip5 ? ring : strip5) * QUAD;
}

typedef struct dw_unit {
    const it_conv_io *io;
    uint32_t sample, oh;
    const uint8_t *x;            /* of the sample */
    uint8_t *none, *acc, *ring;  /* scratch */
} dw_unit;

/* Output columns from ow on of block b. */
static void run_step(const dw_plan *p, const it_epi *e, const dw_unit *u, dw_strip *s, uint32_t b, uint32_t ow)
{
    const it_conv_geom *g = s->g;
    const dw_form *f = s->f;
    const size_t y_bytes = e->out == INTACT_S16 ? 2 : 1, px = it_conv_out_pitch(g) * y_bytes, other_px = it_conv_other_pitch(g);
    const size_t pixel = ((size_t)u->sample * g->out_h + u->oh) * g->out_w + ow;
    dw_after a = { .f = f, .p = p, .block = s->block, .acc = u->acc, .rows = s->rows, .px = px, .row = px * g->out_w,
                   .other_px = other_px, .other_row = other_px * g->out_w };
    a.pixels = g->out_w - ow < f->pixels ? g->out_w - ow : f->pixels;
    a.y = (uint8_t *)u->io->y + pixel * px + (size_t)b * BLOCK * y_bytes;
    if (e->add)
        a.other = (const uint8_t *)u->io->other + pixel * other_px + (size_t)b * BLOCK;
    s->acc = u->acc;
    strip_run(s, u->x + (size_t)b * BLOCK, b, u->oh, ow);
    finish(&a, e);
}

static void dw_run(const it_conv_geom *g, const it_epi *e, const void *packed, const it_conv_io *io, uint32_t unit_begin,
                   uint32_t unit_end, void *scratch)
{
    const dw_plan p = plan_of(g, e);
    dw_unit u = { .io = io, .none = scratch };
    u.acc = u.none + BLOCK;
    u.ring = u.acc + acc_bytes(&p);
    memset(u.none, g->in_zero, BLOCK);
    dw_strip s = { .g = g, .none = u.none, .ring = u.ring };
    for (uint32_t i = unit_begin; i < unit_end; i++) {
        const uint32_t slab = i % p.slabs, part = i / p.slabs % p.parts, band = i / p.slabs / p.parts % p.bands;
        u.sample = i / p.slabs / p.parts / p.bands;
        u.oh = band * p.rows;
        s.rows = g->out_h - u.oh < p.rows ? g->out_h - u.oh : p.rows;
        u.x = (const uint8_t *)io->x + (size_t)u.sample * g->in_h * g->in_w * it_conv_in_pitch(g);
        for (uint32_t b = slab * p.slab; b < p.blocks && b < (slab + 1) * p.slab; b++) {
            const dw_form f = form_of(&p, g, b);
            s.f = &f;
            s.block = (const uint8_t *)packed + b * p.block_bytes;
            for (uint32_t ow = part * p.width; ow < g->out_w && ow < (part + 1) * p.width; ow += f.pixels)
                run_step(&p, e, &u, &s, b, ow);
        }
    }
}

#endif
