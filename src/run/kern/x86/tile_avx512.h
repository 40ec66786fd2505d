/* SPDX-License-Identifier: Apache-2.0 */
/* tile_avx512.h: the epilogue of the 512-bit tiles: accumulators from memory to codes.
**
** Codes in u8 need v = (acc * m + 2^(s-1)) >> s only from -255 to 255; beyond, the clamp decides. With f = min(s - 32, 7) and
** h = hi32(acc * m) >> (s - 32 - f), v = (h + 2^(f-1)) >> f: floors of floors, for s >= 33. Saturated to 16 bits, h still tells every
** |v| <= 255 and stays beyond where it was; vpmulhrsw by 2^(15-f) is that sum and shift. So two vectors are rounded by one
** instruction, and where all s <= 39 nothing is shifted before.
**
** Four vectors at a time become 64 bytes. In panels of four, lanes are ordered so that this is a pixel's channels; in others lanes are in
** their natural order and a permutation of quarters leaves the vectors one behind the other, which are the codes of neighbouring
** pixels. Vectors of 512 bits occupy two ports, p0 (shifts, saturating sums, minima) and p5 (packs, permutations); multiplications
** and sums take either: 17 to 27 for four vectors. vmovshdup from memory costs none. */
#ifndef IT_KERN_X86_TILE_AVX512_H
#define IT_KERN_X86_TILE_AVX512_H

#include "run/kern/x86/epi_avx512.h"
#include "run/kern/x86/tile.h"

enum { CODES_SHIFT = 39, CODES_FRACTION = 7 };

static inline uint32_t codes_channel(uint32_t vecs, uint32_t vec, uint32_t lane)
{
    return vecs == 4 ? panel_channel(vecs, vec, lane) : vec * 16 + lane;
}

/* consts: mult, shift, rounding factors. */
static inline epi_mode codes_finish(epi_mode mode, uint32_t lanes, const it_epi *e, int32_t *consts)
{
    if (mode != EPI_HIGH || e->out != INTACT_U8)
        return mode;
    int32_t *shift = consts + lanes, *factor = shift + lanes;
    mode = EPI_CODES_NARROW;
    for (uint32_t i = 0; i < lanes; i++) {
        int32_t f = shift[i] < CODES_SHIFT ? shift[i] - 32 : CODES_FRACTION;
        if (shift[i] > CODES_SHIFT)
            mode = EPI_CODES;
        shift[i] -= 32 + f;
        factor[i] = 1 << (15 - f);
    }
    return mode;
}

typedef struct codes_vec {
    __m512i m, m_odd, shift;
    __m512i factor; /* of this vector and the next one of a pixel (after the last: the first), as packing orders them */
} codes_vec;

typedef struct codes {
    epi512_pack pack;
    __m512i order;       /* dwords of four packed vectors that become the first bytes */
    bool plain, clamped; /* plain: zero point 0, clamp 0 to 255 */
    codes_vec vec[TILE_VEC_MAX];
} codes;
_Static_assert(sizeof(codes) <= TILE_STATE, "the state of a panel");

static inline __attribute__((always_inline)) __m512i codes_high(const bool narrow, const int32_t *acc, const codes_vec *c)
{
    __m512i odd, even = _mm512_mul_epi32(_mm512_loadu_si512(acc), c->m);
    __asm__("vmovshdup %1, %0" : "=v"(odd) : "m"(*(const int32_t(*)[16])acc));
    odd = _mm512_mul_epi32(odd, c->m_odd);
    odd = _mm512_mask_shuffle_epi32(odd, 0x5555, even, _MM_PERM_CDAB);
    return narrow ? odd : _mm512_srav_epi32(odd, c->shift);
}

/* Four neighbouring vectors (n: only the first n count), the first being a pixel's vector `first`. */
static inline __attribute__((always_inline)) __m512i codes_four(const int nv, const int first, const int n, const bool narrow,
                                                                const bool plain, const int32_t *acc, const codes_vec *c, const codes *k)
{
    __m512i q0 = codes_high(narrow, acc, &c[first % nv]), q1 = q0, q2 = q0, q3 = q0;
    if (n > 1)
        q1 = codes_high(narrow, acc + 16, &c[(first + 1) % nv]);
    if (n > 2)
        q3 = q2 = codes_high(narrow, acc + 32, &c[(first + 2) % nv]);
    if (n > 3)
        q3 = codes_high(narrow, acc + 48, &c[(first + 3) % nv]);
    __m512i front = _mm512_mulhrs_epi16(_mm512_packs_epi32(q0, q1), c[first % nv].factor);
    __m512i back = _mm512_mulhrs_epi16(_mm512_packs_epi32(q2, q3), c[(first + 2) % nv].factor);
    if (!plain) {
        front = _mm512_adds_epi16(front, k->pack.zero16);
        back = _mm512_adds_epi16(back, k->pack.zero16);
    }
    __m512i v = _mm512_packus_epi16(front, back);
    if (!plain && k->clamped)
        v = _mm512_min_epu8(_mm512_max_epu8(v, k->pack.lo8), k->pack.hi8);
    return nv == 4 ? v : _mm512_permutexvar_epi32(k->order, v);
}

/* Four vectors: a pixel of four, or several of one or two. */
static inline __attribute__((always_inline)) void codes_store(const int nv, const tile_out *o, uint8_t *y, uint32_t px, __m512i v)
{
    uint32_t n = o->channels;
    if (nv == 4 && n == 64) {
        _mm512_storeu_si512(y, v);
    } else if (nv == 4) {
        _mm512_mask_storeu_epi8(y, epi512_first(n), v);
    } else if (n == o->pixel_bytes && n % 4 == 0) {
        _mm512_mask_storeu_epi8(y, epi512_first(px * n), v);
    } else if (nv == 2) {
        _mm256_mask_storeu_epi8(y, (__mmask32)epi512_first(n), _mm512_castsi512_si256(v));
        if (px > 1)
            _mm256_mask_storeu_epi8(y + o->pixel_bytes, (__mmask32)epi512_first(n), _mm512_extracti32x8_epi32(v, 1));
    } else {
        __mmask16 keep = (__mmask16)epi512_first(n);
        _mm_mask_storeu_epi8(y, keep, _mm512_castsi512_si128(v));
        if (px > 1)
            _mm_mask_storeu_epi8(y + o->pixel_bytes, keep, _mm512_extracti32x4_epi32(v, 1));
        if (px > 2)
            _mm_mask_storeu_epi8(y + 2 * o->pixel_bytes, keep, _mm512_extracti32x4_epi32(v, 2));
        if (px > 3)
            _mm_mask_storeu_epi8(y + 3 * o->pixel_bytes, keep, _mm512_extracti32x4_epi32(v, 3));
    }
}

static inline __attribute__((always_inline)) void codes_few(const int nv, const bool narrow, const bool plain, const int32_t *acc,
                                                            const codes_vec *c, const codes *k, const tile_out *o, uint32_t px,
                                                            uint8_t *y)
{
    uint32_t joined = 4 / nv;
    for (; px >= joined; px -= joined, acc += 64, y += joined * o->pixel_bytes)
        codes_store(nv, o, y, joined, codes_four(nv, 0, 4, narrow, plain, acc, c, k));
    if (px)
        codes_store(nv, o, y, px, codes_four(nv, 0, 4, narrow, plain, acc, c, k));
}

/* Other numbers of vectors, whole pixels one behind the other: one stream of bytes. */
static inline __attribute__((always_inline)) void codes_stream(const int nv, const bool narrow, const bool plain, const int32_t *acc,
                                                               const codes_vec *c, const codes *k, uint8_t *y, uint32_t px)
{
    const int block = nv % 2 ? nv : nv / 2; /* fours after which the pattern repeats */
    uint32_t bytes = px * (uint32_t)nv * 16, at = 0;
    for (; at + (uint32_t)block * 64 <= bytes; at += (uint32_t)block * 64) {
#pragma GCC unroll 9
        for (int i = 0; i < block; i++)
            _mm512_storeu_si512(y + at + i * 64, codes_four(nv, i * 4 % nv, 4, narrow, plain, acc + at + i * 64, c, k));
    }
#pragma GCC unroll 9
    for (int i = 0; i < block; i++)
        if (at + (uint32_t)i * 64 < bytes)
            _mm512_mask_storeu_epi8(y + at + i * 64, epi512_first(bytes - at - (uint32_t)i * 64),
                                    codes_four(nv, i * 4 % nv, 4, narrow, plain, acc + at + i * 64, c, k));
}

/* And with something between the pixels. */
static inline __attribute__((always_inline)) void codes_apart(const int nv, const bool narrow, const bool plain, const int32_t *acc,
                                                              const codes_vec *c, const codes *k, const tile_out *o, uint32_t px,
                                                            uint8_t *y)
{
    for (uint32_t i = 0; i < px; i++, acc += nv * 16, y += o->pixel_bytes)
#pragma GCC unroll 3
        for (int v = 0; v < nv; v += 4)
            _mm512_mask_storeu_epi8(y + v * 16, epi512_first(o->channels - (uint32_t)v * 16),
                                    codes_four(nv, v, nv - v < 4 ? nv - v : 4, narrow, plain, acc + v * 16, c, k));
}

static inline __attribute__((always_inline)) void codes_pixels(const int nv, const bool narrow, const bool plain, const int32_t *acc,
                                                               const codes *k, const tile_out *o, uint32_t px, uint8_t *y)
{
    codes_vec c[TILE_VEC_MAX];
    for (int i = 0; i < nv; i++)
        c[i] = k->vec[i];
    if (nv == 1 || nv == 2 || nv == 4)
        codes_few(nv, narrow, plain, acc, c, k, o, px, y);
    else if (o->channels == (uint32_t)nv * 16 && o->pixel_bytes == o->channels)
        codes_stream(nv, narrow, plain, acc, c, k, y, px);
    else
        codes_apart(nv, narrow, plain, acc, c, k, o, px, y);
}

/* Packing leaves in each 128-bit block a quarter of each of four vectors. Rows: dwords of a pixel, which are fewer than its lanes where
** one or two vectors have lanes without a channel and pixels follow each other without a gap. */
static inline __m512i codes_order(uint32_t nv, const tile_out *o)
{
    static const uint8_t order[8][16] = {
        { 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3 },
        { 0, 4, 1, 5, 2, 6, 3, 7, 0, 4, 1, 5, 2, 6, 3, 7 },
        { 0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11, 0, 4, 8, 1 },
        { 0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15 },
        { 0, 4, 8, 12, 1, 2, 6, 10, 14, 3, 0, 4, 8, 12, 1, 2 },
        { 0, 4, 8, 12, 1, 5, 2, 6, 10, 14, 3, 7, 0, 4, 8, 12 },
        { 0, 4, 8, 12, 1, 5, 9, 2, 6, 10, 14, 3, 7, 11, 0, 4 },
        { 0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15 },
    };
    uint32_t dwords = nv < 3 && o->channels == o->pixel_bytes && o->channels % 4 == 0 ? o->channels / 4 : nv == 2 ? 8 : 4;
    return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)order[dwords - 1]));
}

static inline void codes_open(const tile_out *o, void *state)
{
    if (o->mode != EPI_CODES && o->mode != EPI_CODES_NARROW)
        return;
    codes *k = state;
    uint32_t nv = o->vecs;
    k->pack = epi512_pack_open(o->e);
    k->order = codes_order(nv, o);
    k->clamped = o->e->lo != 0 || o->e->hi != 255;
    k->plain = o->e->zero == 0 && !k->clamped;
    const int32_t *shift = o->consts + nv * 16, *factor = shift + nv * 16;
    for (uint32_t i = 0; i < nv; i++) {
        codes_vec *c = &k->vec[i];
        c->m = _mm512_loadu_si512(o->consts + i * 16);
        c->m_odd = _mm512_srli_epi64(c->m, 32);
        c->shift = _mm512_loadu_si512(shift + i * 16);
        c->factor = _mm512_packs_epi32(_mm512_loadu_si512(factor + i * 16), _mm512_loadu_si512(factor + (i + 1) % nv * 16));
    }
}

#define CODES_CASE(nv) case nv: codes_pixels(nv, narrow, plain, acc, k, o, px, y); break;
#define CODES_FN(name, is_narrow, is_plain)                                                                                               \
    static __attribute__((noinline)) void name(const int32_t *acc, const codes *k, const tile_out *o, uint32_t px, uint8_t *y)           \
    {                                                                                                                                     \
        const bool narrow = is_narrow, plain = is_plain;                                                                                  \
        switch (o->vecs) {                                                                                                                \
            CODES_CASE(1) CODES_CASE(2) CODES_CASE(3) CODES_CASE(4) CODES_CASE(5) CODES_CASE(6) CODES_CASE(7) CODES_CASE(9)               \
        }                                                                                                                                 \
    }
CODES_FN(codes_narrow_plain, true, true)
CODES_FN(codes_narrow, true, false)
CODES_FN(codes_wide_plain, false, true)
CODES_FN(codes_wide, false, false)

/* All other panels: small shifts, s16. */
static inline void epi_any(const int32_t *acc, const tile_out *o, uint32_t px, uint8_t *y)
{
    const it_epi *e = o->e;
    const int32_t *consts = o->consts;
    uint32_t vecs = o->vecs;
    epi512_pack k = epi512_pack_open(e);
    const __m512i zero = _mm512_set1_epi32(e->zero), lo = _mm512_set1_epi32(e->lo), hi = _mm512_set1_epi32(e->hi);
    for (uint32_t i = 0; i < px; i++, y += o->pixel_bytes, acc += vecs * 16) {
        __m512i q[9];
        for (uint32_t j = 0; j < vecs; j++) {
            epi512 c = epi512_open(consts + j * 16, consts + (vecs + j) * 16);
            __m512i a = _mm512_loadu_si512(acc + j * 16);
            q[j] = o->mode == EPI_HIGH ? epi512_scale(EPI_HIGH, a, &c)
                 : o->mode == EPI_LIFTED ? epi512_scale(EPI_LIFTED, a, &c) : epi512_scale(EPI_FULL, a, &c);
        }
        if (vecs == 4 && e->out == INTACT_S16)
            epi512_store_s16(4, &k, q, y, epi512_first(o->channels));
        else if (vecs == 4)
            epi512_store_u8(4, &k, q, y, epi512_first(o->channels));
        else
            for (uint32_t j = 0; j < vecs && j * 16 < o->channels; j++) {
                __m512i v = _mm512_min_epi32(_mm512_max_epi32(_mm512_add_epi32(q[j], zero), lo), hi);
                __mmask16 keep = (__mmask16)epi512_first(o->channels - j * 16 < 16 ? o->channels - j * 16 : 16);
                if (e->out == INTACT_S16)
                    _mm512_mask_cvtepi32_storeu_epi16(y + j * 32, keep, v);
                else
                    _mm512_mask_cvtepi32_storeu_epi8(y + j * 16, keep, v);
            }
    }
}

static inline void codes_epi(const int32_t *acc, const tile_out *o, const void *state, uint32_t px, uint8_t *y)
{
    const codes *k = state;
    if (o->mode != EPI_CODES && o->mode != EPI_CODES_NARROW)
        epi_any(acc, o, px, y);
    else if (o->mode == EPI_CODES_NARROW && k->plain)
        codes_narrow_plain(acc, k, o, px, y);
    else if (o->mode == EPI_CODES_NARROW)
        codes_narrow(acc, k, o, px, y);
    else if (k->plain)
        codes_wide_plain(acc, k, o, px, y);
    else
        codes_wide(acc, k, o, px, y);
}

#endif
