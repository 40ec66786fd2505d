/* SPDX-License-Identifier: Apache-2.0 */
/* dwconv_s16_avx512vnni: depthwise convolution of 16-bit inputs: two taps are interleaved, so that vpdpwssd sums them per channel.
**
** Inputs are read where they lie; taps beside the map read a pixel of padding, which stands in front of the packed weights. A block is 32
** channels, in two vectors that unpacking fills and packing puts in order again (panel_channel). A block as packed:
**
**   constants: words (epilogue) x 32 x 4 bytes | weights: pairs of taps x 2 vectors x 64 bytes
**
** At most TAPS_SAFE products, any |x w| <= 32767 * 128, fit 32 bits; with 64-bit accumulators that sum is widened by the multiplication:
** acc * m + 2^(s-1) = sum * m + C, with C = bias * m + 2^(s-1) from packing. A unit is a row of outputs. */
#include "run/kern/x86/epi_avx512.h"
#include "run/kern/x86/x86.h"

enum { BLOCK = 32, TAPS_MAX = 1024, TAPS_SAFE = 512, HEAD = 64 };

#define INLINE static inline __attribute__((always_inline))

typedef struct dw_plan {
    uint32_t blocks, taps, pairs, words;
    size_t pad_bytes, const_bytes, block_bytes;
} dw_plan;

/* bias and epi512's members; bias and thresholds; or m, C, s of a vector: 64 bits of even lanes, then of odd ones. */
static dw_plan plan_of(const it_conv_geom *g, const it_epi *e)
{
    dw_plan p = { .blocks = (g->in_c + BLOCK - 1) / BLOCK, .taps = g->kh * g->kw };
    p.pairs = (p.taps + 1) / 2;
    p.words = e->acc64 ? 5 : e->levels_len ? e->levels_len : 1 + sizeof(epi512) / 64;
    p.pad_bytes = HEAD + it_round_up((size_t)g->in_c * 2, 64);
    p.const_bytes = p.words * BLOCK * 4;
    p.block_bytes = p.const_bytes + p.pairs * (size_t)BLOCK * 4;
    return p;
}

static bool dw_can(const it_conv_geom *g, const it_epi *e)
{
    return g->in_c == g->out_c && g->group == g->in_c && g->fixes_len == 0 && (uint64_t)g->kh * g->kw <= (e->acc64 ? TAPS_SAFE : TAPS_MAX);
}

static size_t dw_packed_bytes(const it_conv_geom *g, const it_epi *e)
{
    dw_plan p = plan_of(g, e);
    return p.pad_bytes + p.blocks * p.block_bytes;
}

static uint32_t dw_units(const it_conv_geom *g, uint32_t batch) { return batch * g->out_h; }
static size_t dw_scratch_bytes(const it_conv_geom *g) { (void)g; return 0; }

/* ---- packing ---- */

static epi_mode layer_mode(const it_conv_geom *g, const it_epi *e, const int8_t *w, uint32_t taps)
{
    epi_mode mode = EPI_HIGH;
    for (uint32_t c = 0; c < g->in_c && !e->acc64 && !e->levels_len; c++)
        if (e->mult[c] != 0 && e->shift[c] < 33) {
            epi_mode needs = epi_mode_of(epi_acc_max(e->bias[c], 2, w + c, taps, g->in_c), e->shift[c]);
            mode = needs > mode ? needs : mode;
        }
    return mode;
}

/* The constants of channel c in lane i of vector v; at: those of its block. */
static void pack_consts(const it_epi *e, epi_mode mode, size_t c, uint32_t v, uint32_t i, uint8_t *at)
{
    int32_t *words = (int32_t *)at + v * 16 + i;
    if (e->acc64) {
        int64_t *wide = (int64_t *)(at + v * 320 + 64) + i % 2 * 8 + i / 2;
        int32_t s = e->mult[c] ? e->shift[c] : 1;
        ((int32_t *)(at + v * 320))[i] = e->mult[c];
        wide[0] = (int64_t)e->bias[c] * e->mult[c] + ((int64_t)1 << (s - 1));
        wide[16] = s;
        return;
    }
    words[0] = e->bias[c];
    for (uint32_t k = 0; k + 1 < e->levels_len; k++)
        words[(k + 1) * BLOCK] = e->thresholds[c * (e->levels_len - 1) + k];
    if (e->levels_len == 0) { /* for pack_scales */
        words[BLOCK] = e->mult[c];
        words[2 * BLOCK] = epi_shift(mode, e->mult[c] ? e->shift[c] : 33);
    }
}

/* A block's mult and shift to what multiplies: epi512 of its first vector, then of its second. */
static void pack_scales(int32_t *at)
{
    const epi512 scale[2] = { epi512_open(at + BLOCK, at + 2 * BLOCK), epi512_open(at + BLOCK + 16, at + 2 * BLOCK + 16) };
    memcpy(at + BLOCK, scale, sizeof scale);
}

static void dw_pack(const it_conv_geom *g, const it_epi *e, const int8_t *w, void *dst)
{
    const dw_plan p = plan_of(g, e);
    memset(dst, 0, dw_packed_bytes(g, e));
    const epi_mode mode = layer_mode(g, e, w, p.taps);
    *(int32_t *)dst = (int32_t)mode;
    fill_zero((uint8_t *)dst + HEAD, g->in_zero, g->in_c, 2);
    for (uint32_t c = 0; c < it_round_up(g->in_c, BLOCK); c++) {
        uint8_t *at = (uint8_t *)dst + p.pad_bytes + c / BLOCK * p.block_bytes;
        uint32_t v = c % 8 / 4, i = c % BLOCK / 8 * 4 + c % 4;
        if (c >= g->in_c) { /* lanes without a channel: any shift that gives 0 */
            if (e->acc64)
                ((int64_t *)(at + v * 320 + 64))[16 + i % 2 * 8 + i / 2] = 1;
            else if (e->levels_len == 0)
                ((int32_t *)at)[2 * BLOCK + v * 16 + i] = 33;
            continue;
        }
        pack_consts(e, mode, c, v, i, at);
        int16_t *pairs = (int16_t *)(at + p.const_bytes) + v * 32 + i * 2;
        for (uint32_t t = 0; t < p.taps; t++)
            pairs[t / 2 * 64 + t % 2] = w[(size_t)t * g->in_c + c];
    }
    for (uint32_t b = 0; b < p.blocks && !e->acc64 && e->levels_len == 0; b++)
        pack_scales((int32_t *)((uint8_t *)dst + p.pad_bytes + b * p.block_bytes));
}

/* ---- one block of a pixel or two ---- */

typedef struct dw_job {
    const it_epi *e;
    epi_mode mode;
    size_t in_step, out_step, other_step; /* bytes from a pixel to the next */
} dw_job;

INLINE __m512i load(const bool full, __mmask32 keep, uintptr_t p)
{
    return full ? _mm512_loadu_si512((const void *)p) : _mm512_maskz_loadu_epi16(keep, (const void *)p);
}

/* Two vectors of sums to 32 values in order, zero point not yet added. */
INLINE __m512i scaled32(const epi_mode mode, const int32_t *k, __m512i a, __m512i b)
{
    const epi512 *scale = (const epi512 *)(k + BLOCK);
    a = epi512_scale(mode, a, &scale[0]);
    b = epi512_scale(mode, b, &scale[1]);
    return _mm512_packs_epi32(a, b);
}

INLINE __m512i scaled64_half(__m512i sum, __m512i m, const int32_t *c)
{
    __m512i v = _mm512_add_epi64(_mm512_mul_epi32(sum, m), _mm512_loadu_si512(c));
    v = _mm512_srav_epi64(v, _mm512_loadu_si512(c + 32));
    return _mm512_max_epi64(_mm512_min_epi64(v, _mm512_set1_epi64(1 << 30)), _mm512_set1_epi64(-(1 << 30)));
}

INLINE __m512i scaled64_vec(__m512i sum, const int32_t *k)
{
    const __m512i m = _mm512_loadu_si512(k);
    __m512i even = scaled64_half(sum, m, k + 16);
    __m512i odd = scaled64_half(_mm512_srli_epi64(sum, 32), _mm512_srli_epi64(m, 32), k + 32);
    return _mm512_mask_shuffle_epi32(even, 0xaaaa, odd, _MM_PERM_CDAB);
}

/* How many thresholds each sum passed. */
static __m512i passed(const it_epi *e, const int32_t *k, __m512i a, __m512i b)
{
    const __m512i one = _mm512_set1_epi32(1);
    __m512i na = _mm512_setzero_si512(), nb = na;
    for (uint32_t t = 1; t < e->levels_len; t++) {
        na = _mm512_mask_add_epi32(na, _mm512_cmple_epi32_mask(_mm512_loadu_si512(k + t * BLOCK), a), na, one);
        nb = _mm512_mask_add_epi32(nb, _mm512_cmple_epi32_mask(_mm512_loadu_si512(k + t * BLOCK + 16), b), nb, one);
    }
    return _mm512_packs_epi32(na, nb);
}

/* All that is rare. n channels. */
static __attribute__((noinline)) void store_any(const dw_job *j, const int32_t *k, __m512i a, __m512i b, const uint8_t *other, uint8_t *y,
                                                uint32_t n)
{
    const it_epi *e = j->e;
    const epi512_pack pack = epi512_pack_open(e);
    const __mmask32 keep = (__mmask32)epi512_first(n);
    if (e->levels_len) {
        uint8_t levels[16] = { 0 };
        memcpy(levels, e->levels, e->levels_len);
        __m256i index = _mm512_cvtepi16_epi8(passed(e, k, a, b));
        __m256i table = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)levels));
        _mm256_mask_storeu_epi8(y, keep, _mm256_shuffle_epi8(table, index));
        return;
    }
    __m512i v = e->acc64 ? _mm512_packs_epi32(scaled64_vec(a, k), scaled64_vec(b, k + 80)) : scaled32(j->mode, k, a, b);
    v = epi512_clamp16(&pack, _mm512_adds_epi16(v, pack.zero16));
    if (e->out == INTACT_S16) {
        _mm512_mask_storeu_epi16(y, keep, v);
        return;
    }
    uint8_t q[BLOCK];
    _mm256_storeu_si256((__m256i *)q, _mm512_cvtepi16_epi8(v));
    if (e->add)
        it_kern_add_u8_avx512vnni(q, other, q, n, e->add);
    if (e->lut)
        it_kern_lut_u8_avx512vnni(q, q, n, e->lut);
    memcpy(y, q, n);
}

/* The same block of mr pixels, the first one's taps at x + offset[tap]; plain: requantization with EPI_HIGH alone. */
INLINE void block(const int mr, const bool full, const bool plain, const uint32_t pairs, const dw_job *j, const epi512_pack *pack,
                  const uint8_t *packed, size_t const_bytes, uintptr_t x, const size_t *offset, uint32_t n, const uint8_t *other,
                  uint8_t *y)
{
    const __mmask32 keep = (__mmask32)epi512_first(n);
    const int32_t *k = (const int32_t *)packed;
    const uint8_t *w = packed + const_bytes;
    const bool biased = plain || !j->e->acc64;
    __m512i a0 = biased ? _mm512_loadu_si512(k) : _mm512_setzero_si512(), b0 = biased ? _mm512_loadu_si512(k + 16) : a0, a1 = a0, b1 = b0;
    for (uint32_t t = 0; t < pairs; t++, w += 128) {
        const __m512i wa = _mm512_loadu_si512(w), wb = _mm512_loadu_si512(w + 64);
        __m512i even = load(full, keep, x + offset[2 * t]), odd = load(full, keep, x + offset[2 * t + 1]);
        a0 = _mm512_dpwssd_epi32(a0, _mm512_unpacklo_epi16(even, odd), wa);
        b0 = _mm512_dpwssd_epi32(b0, _mm512_unpackhi_epi16(even, odd), wb);
        if (mr == 2) {
            even = load(full, keep, x + j->in_step + offset[2 * t]), odd = load(full, keep, x + j->in_step + offset[2 * t + 1]);
            a1 = _mm512_dpwssd_epi32(a1, _mm512_unpacklo_epi16(even, odd), wa);
            b1 = _mm512_dpwssd_epi32(b1, _mm512_unpackhi_epi16(even, odd), wb);
        }
    }
    if (!plain) {
        store_any(j, k, a0, b0, other, y, n);
        if (mr == 2)
            store_any(j, k, a1, b1, other ? other + j->other_step : NULL, y + j->out_step, n);
        return;
    }
    __m512i v0 = epi512_clamp16(pack, _mm512_adds_epi16(scaled32(EPI_HIGH, k, a0, b0), pack->zero16));
    __m512i v1 = mr == 2 ? epi512_clamp16(pack, _mm512_adds_epi16(scaled32(EPI_HIGH, k, a1, b1), pack->zero16)) : v0;
    if (j->e->out == INTACT_S16) {
        _mm512_mask_storeu_epi16(y, keep, v0);
        if (mr == 2)
            _mm512_mask_storeu_epi16(y + j->out_step, keep, v1);
    } else {
        _mm256_mask_storeu_epi8(y, keep, _mm512_cvtepi16_epi8(v0));
        if (mr == 2)
            _mm256_mask_storeu_epi8(y + j->out_step, keep, _mm512_cvtepi16_epi8(v1));
    }
}

/* All channels of mr pixels. */
INLINE void pixels(const int mr, const bool plain, const uint32_t pairs, const dw_job *j, const dw_plan *p, uint32_t channels,
                   const uint8_t *packed, uintptr_t x, const size_t *offset, const uint8_t *other, uint8_t *y)
{
    const epi512_pack pack = epi512_pack_open(j->e);
    const uint32_t bytes = j->e->out == INTACT_S16 ? 2 : 1;
    uint32_t c = 0;
    for (; c + BLOCK <= channels; c += BLOCK, packed += p->block_bytes, x += BLOCK * 2, y += BLOCK * bytes) {
        block(mr, true, plain, pairs, j, &pack, packed, p->const_bytes, x, offset, BLOCK, other, y);
        other = other ? other + BLOCK : NULL;
    }
    if (c < channels)
        block(mr, false, plain, pairs, j, &pack, packed, p->const_bytes, x, offset, channels - c, other, y);
}

#define PIXELS(name, mr, plain, pairs)                                                                                                    \
    static __attribute__((noinline)) void name(const dw_job *j, const dw_plan *p, uint32_t channels, const uint8_t *packed, uintptr_t x,  \
                                               const size_t *offset, const uint8_t *other, uint8_t *y)                                    \
    {                                                                                                                                     \
        pixels(mr, plain, pairs, j, p, channels, packed, x, offset, other, y);                                                            \
    }
PIXELS(pixels_two_3x3, 2, true, 5)
PIXELS(pixels_two, 2, true, p->pairs)
PIXELS(pixels_one, 1, true, p->pairs)
PIXELS(pixels_two_any, 2, false, p->pairs)
PIXELS(pixels_one_any, 1, false, p->pairs)

/* ---- rows ---- */

/* Where a row of outputs finds its taps, in bytes from a pixel's first one, which may lie beside the map. */
typedef struct dw_taps {
    uintptr_t x, pad;                /* the first tap of the row's first pixel; the pixel of padding */
    int64_t ih;                      /* its row */
    bool rows_inside;
    uint32_t inside_from, inside_to; /* pixels whose columns all lie in the map */
    size_t inside[TAPS_MAX + 1], some[TAPS_MAX + 1];
} dw_taps;

/* Columns, which are the same for all rows. */
static void taps_open(const it_conv_geom *g, const dw_plan *p, uintptr_t pad, dw_taps *k)
{
    const uint64_t span = (uint64_t)(g->kw - 1) * g->dil_w + 1, reach = (uint64_t)g->in_w + g->pad_l;
    const uint64_t to = reach >= span ? (reach - span) / g->stride_w + 1 : 0, from = (g->pad_l + g->stride_w - 1) / g->stride_w;
    const size_t px = it_conv_in_pitch(g) * 2;
    k->pad = pad;
    k->inside_to = to < g->out_w ? (uint32_t)to : g->out_w;
    k->inside_from = from < k->inside_to ? (uint32_t)from : k->inside_to;
    for (uint32_t kh = 0; kh < g->kh; kh++)
        for (uint32_t kw = 0; kw < g->kw; kw++)
            k->inside[kh * g->kw + kw] = ((size_t)kh * g->dil_h * g->in_w + (size_t)kw * g->dil_w) * px;
    k->inside[p->taps] = 0; /* the last pair's second, where taps are odd: its weights are 0 */
}

static void taps_row(const it_conv_geom *g, const int16_t *x, uint32_t oh, dw_taps *k)
{
    const size_t px = it_conv_in_pitch(g) * 2;
    k->ih = (int64_t)oh * g->stride_h - g->pad_t;
    k->rows_inside = k->ih >= 0 && k->ih + (int64_t)(g->kh - 1) * g->dil_h < g->in_h;
    k->x = (uintptr_t)x + (size_t)k->ih * g->in_w * px - g->pad_l * px; /* modulo 2^64 */
}

/* A pixel some of whose taps are padding. */
static void taps_some(const it_conv_geom *g, const dw_plan *p, uint32_t ow, uintptr_t x, dw_taps *k)
{
    const int64_t first = (int64_t)ow * g->stride_w - g->pad_l;
    for (uint32_t kh = 0; kh < g->kh; kh++) {
        const int64_t ih = k->ih + (int64_t)kh * g->dil_h;
        for (uint32_t kw = 0; kw < g->kw; kw++) {
            const int64_t iw = first + (int64_t)kw * g->dil_w;
            const bool in = ih >= 0 && ih < g->in_h && iw >= 0 && iw < g->in_w;
            k->some[kh * g->kw + kw] = in ? k->inside[kh * g->kw + kw] : k->pad - x;
        }
    }
    k->some[p->taps] = k->pad - x;
}

static void dw_row(const it_conv_geom *g, const dw_plan *p, const dw_job *j, const uint8_t *packed, const it_conv_io *io, dw_taps *k,
                   uint32_t unit)
{
    const size_t sample = (size_t)g->in_h * g->in_w * it_conv_in_pitch(g), pixel = (size_t)unit * g->out_w;
    const bool plain = it_epi_plain(j->e) && !j->e->acc64 && j->mode == EPI_HIGH;
    taps_row(g, (const int16_t *)io->x + unit / g->out_h * sample, unit % g->out_h, k);
    for (uint32_t ow = 0, n; ow < g->out_w; ow += n) {
        const uint8_t *other = j->e->add ? (const uint8_t *)io->other + (pixel + ow) * j->other_step : NULL;
        uint8_t *y = (uint8_t *)io->y + (pixel + ow) * j->out_step;
        const uintptr_t x = k->x + ow * j->in_step;
        const bool inside = k->rows_inside && ow >= k->inside_from && ow < k->inside_to;
        n = inside && ow + 1 < k->inside_to ? 2 : 1;
        if (!inside)
            taps_some(g, p, ow, x, k);
        const size_t *offset = inside ? k->inside : k->some;
        if (n == 2 && plain && p->pairs == 5)
            pixels_two_3x3(j, p, g->in_c, packed, x, offset, other, y);
        else if (n == 2 && plain)
            pixels_two(j, p, g->in_c, packed, x, offset, other, y);
        else if (n == 2)
            pixels_two_any(j, p, g->in_c, packed, x, offset, other, y);
        else if (plain)
            pixels_one(j, p, g->in_c, packed, x, offset, other, y);
        else
            pixels_one_any(j, p, g->in_c, packed, x, offset, other, y);
    }
}

static void dw_run(const it_conv_geom *g, const it_epi *e, const void *packed, const it_conv_io *io, uint32_t unit_begin, uint32_t unit_end,
                   void *scratch)
{
    const dw_plan p = plan_of(g, e);
    const dw_job j = { .e = e, .mode = (epi_mode)*(const int32_t *)packed, .in_step = g->stride_w * it_conv_in_pitch(g) * 2,
                       .out_step = it_conv_out_pitch(g) * (e->out == INTACT_S16 ? 2 : 1), .other_step = it_conv_other_pitch(g) };
    dw_taps k;
    (void)scratch;
    taps_open(g, &p, (uintptr_t)packed + HEAD, &k);
    for (uint32_t u = unit_begin; u < unit_end; u++)
        dw_row(g, &p, &j, (const uint8_t *)packed + p.pad_bytes, io, &k, u);
}

const it_kern_conv it_kern_dwconv_s16_avx512vnni = CONV_VERSION("dwconv_s16_avx512vnni_2x32", dw_can, dw);
