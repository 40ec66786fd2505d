/* SPDX-License-Identifier: Apache-2.0 */
/* epi_avx2.h: requantization and thresholds in 256-bit vectors and stores of the codes; the arithmetic is explained in epi_avx512.h. */
#ifndef IT_KERN_X86_EPI_AVX2_H
#define IT_KERN_X86_EPI_AVX2_H

#include <immintrin.h>
#include "run/kern/x86/x86.h"

typedef struct epi256 {
    __m256i m, m_odd, round, shift, lift;
} epi256;

/* shift: as epi_shift() packs it. */
static inline epi256 epi256_open(const int32_t *mult, const int32_t *shift)
{
    __m256i m = _mm256_loadu_si256((const __m256i *)mult), packed = _mm256_loadu_si256((const __m256i *)shift);
    __m256i s = _mm256_and_si256(packed, _mm256_set1_epi32(0xff));
    __m256i round = _mm256_sllv_epi32(_mm256_set1_epi32(1), _mm256_sub_epi32(s, _mm256_set1_epi32(33)));
    return (epi256){ m, _mm256_srli_epi64(m, 32), round, _mm256_sub_epi32(s, _mm256_set1_epi32(32)),
                     _mm256_srli_epi32(packed, 8) };
}

static inline __m256i epi256_high(__m256i acc, const epi256 *c)
{
    __m256i even = _mm256_mul_epi32(acc, c->m), odd = _mm256_mul_epi32(_mm256_srli_epi64(acc, 32), c->m_odd);
    __m256i hi = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa);
    return _mm256_srav_epi32(_mm256_add_epi32(hi, c->round), c->shift);
}

/* Four of the lanes in 64 bits, cut to +-2^30. AVX2 has no arithmetic 64-bit shift: with 2^62 added nothing is negative, and 2^62 is
** a multiple of 2^s, so v >> s = ((v + 2^62) >> s) - (2^62 >> s), unsigned: |product| < 2^62, so all stays below 2^64. */
static inline __m256i epi256_half(__m256i product, __m256i shift32)
{
    const __m256i one = _mm256_set1_epi64x(1), lift = _mm256_set1_epi64x((int64_t)1 << 62);
    const __m256i most = _mm256_set1_epi64x(1 << 30), least = _mm256_set1_epi64x(-(1 << 30));
    __m256i low = _mm256_srai_epi32(_mm256_slli_epi64(shift32, 32), 31); /* high half: sign of s - 32 */
    __m256i s = _mm256_add_epi64(_mm256_blend_epi32(shift32, low, 0xaa), _mm256_set1_epi64x(32));
    __m256i v = _mm256_add_epi64(product, _mm256_sllv_epi64(one, _mm256_sub_epi64(s, one)));
    v = _mm256_sub_epi64(_mm256_srlv_epi64(_mm256_add_epi64(v, lift), s), _mm256_srlv_epi64(lift, s));
    v = _mm256_blendv_epi8(v, most, _mm256_cmpgt_epi64(v, most));
    return _mm256_blendv_epi8(v, least, _mm256_cmpgt_epi64(least, v));
}

static inline __m256i epi256_full(__m256i acc, const epi256 *c)
{
    __m256i even = epi256_half(_mm256_mul_epi32(acc, c->m), c->shift);
    __m256i odd = epi256_half(_mm256_mul_epi32(_mm256_srli_epi64(acc, 32), c->m_odd), _mm256_srli_epi64(c->shift, 32));
    return _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa);
}

/* mode is a constant after inlining. */
static inline __attribute__((always_inline)) __m256i epi256_scale(epi_mode mode, __m256i acc, const epi256 *c)
{
    if (mode == EPI_FULL)
        return epi256_full(acc, c);
    return epi256_high(mode == EPI_LIFTED ? _mm256_sllv_epi32(acc, c->lift) : acc, c);
}

typedef struct epi256_pack {
    __m256i zero16, lo16, hi16;
} epi256_pack;

static inline epi256_pack epi256_pack_open(const it_epi *e)
{
    return (epi256_pack){ _mm256_set1_epi16((int16_t)e->zero), _mm256_set1_epi16((int16_t)e->lo), _mm256_set1_epi16((int16_t)e->hi) };
}

/* Two vectors of 32 bits to one of 16, zero point added, clamped. */
static inline __m256i epi256_codes(const epi256_pack *k, __m256i a, __m256i b)
{
    __m256i v = _mm256_adds_epi16(_mm256_packs_epi32(a, b), k->zero16);
    return _mm256_min_epi16(_mm256_max_epi16(v, k->lo16), k->hi16);
}

/* n <= 16 channels of two vectors in panel order (x86.h). */
static inline void epi256_store_x16(const epi256_pack *k, __m256i a, __m256i b, bool wide, uint8_t *y, uint32_t n)
{
    __m256i v = epi256_codes(k, a, b);
    if (!wide)
        v = _mm256_permute4x64_epi64(_mm256_packus_epi16(v, v), 0x08);
    if (n == 16 && wide)
        _mm256_storeu_si256((__m256i *)y, v);
    else if (n == 16)
        _mm_storeu_si128((__m128i *)y, _mm256_castsi256_si128(v));
    else {
        uint8_t all[32];
        _mm256_storeu_si256((__m256i *)all, v);
        memcpy(y, all, n * (wide ? 2 : 1));
    }
}

/* n <= 8 channels of one vector. */
static inline void epi256_store_x8(const epi256_pack *k, __m256i a, bool wide, uint8_t *y, uint32_t n)
{
    __m256i v = epi256_codes(k, a, a);
    uint8_t all[32];
    if (wide)
        v = _mm256_permute4x64_epi64(v, 0x08);
    else
        v = _mm256_permutevar8x32_epi32(_mm256_packus_epi16(v, v), _mm256_setr_epi32(0, 4, 0, 0, 0, 0, 0, 0));
    _mm256_storeu_si256((__m256i *)all, v);
    memcpy(y, all, n * (wide ? 2 : 1));
}

/* A tile of at most two vectors: the tile_epi_fn of the 256-bit levels (tile.h). */
static inline __attribute__((always_inline)) void epi256_pixels(const int nv, const epi_mode mode, const bool wide, const int32_t *acc,
                                                                const int32_t *consts, const it_epi *e, uint32_t px, uint8_t *y,
                                                                size_t y_pixel_bytes, uint32_t channels)
{
    epi256 c0 = epi256_open(consts, consts + nv * 8), c1 = epi256_open(consts + (nv - 1) * 8, consts + (2 * nv - 1) * 8);
    epi256_pack k = epi256_pack_open(e);
    for (uint32_t i = 0; i < px; i++, acc += nv * 8, y += y_pixel_bytes) {
        __m256i a = _mm256_loadu_si256((const __m256i *)acc), b = _mm256_loadu_si256((const __m256i *)(acc + (nv - 1) * 8));
        a = epi256_scale(mode, a, &c0);
        if (nv == 2)
            epi256_store_x16(&k, a, epi256_scale(mode, b, &c1), wide, y, channels);
        else
            epi256_store_x8(&k, a, wide, y, channels);
    }
}

static inline __attribute__((always_inline)) void epi256_by_mode(const int nv, epi_mode mode, bool wide, const int32_t *acc,
                                                                 const int32_t *consts, const it_epi *e, uint32_t px, uint8_t *y,
                                                                 size_t y_pixel_bytes, uint32_t channels)
{
    if (mode == EPI_HIGH && !wide)
        epi256_pixels(nv, EPI_HIGH, false, acc, consts, e, px, y, y_pixel_bytes, channels);
    else if (mode == EPI_LIFTED && !wide)
        epi256_pixels(nv, EPI_LIFTED, false, acc, consts, e, px, y, y_pixel_bytes, channels);
    else
        epi256_pixels(nv, mode, wide, acc, consts, e, px, y, y_pixel_bytes, channels);
}

/* Levels by number, filled up to 16. */
static inline __m256i epi256_table(const it_epi *e)
{
    uint8_t all[IT_LEVELS_MAX] = { 0 };
    memcpy(all, e->levels, e->levels_len);
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)all));
}

/* n <= 16 bytes. */
static inline void epi256_store_bytes(__m128i v, uint8_t *y, uint32_t n)
{
    uint8_t all[16];
    if (n == 16) {
        _mm_storeu_si128((__m128i *)y, v);
    } else if (n == 8) {
        _mm_storel_epi64((__m128i *)y, v);
    } else {
        _mm_storeu_si128((__m128i *)all, v);
        memcpy(y, all, n);
    }
}

/* Two pixels at a time. thresholds: nv * 8 lanes of the first, then of the second, ... A comparison gives -1 where one is not reached. */
static inline __attribute__((always_inline)) void epi256_levels(const int nv, const int32_t *acc, const int32_t *thresholds,
                                                                const it_epi *e, uint32_t px, uint8_t *y, size_t y_pixel_bytes,
                                                                uint32_t channels)
{
    const __m256i levels = epi256_table(e), all = _mm256_set1_epi32((int32_t)e->levels_len - 1);
    const __m256i one_vector = _mm256_setr_epi32(0, 4, 0, 4, 2, 6, 2, 6);
    for (uint32_t i = 0; i < px; i += 2, acc += nv * 16, y += 2 * y_pixel_bytes) {
        const int32_t *next = i + 1 < px ? acc + nv * 8 : acc, *t = thresholds, *end = t + (e->levels_len - 1) * (size_t)nv * 8;
        const __m256i a0 = _mm256_loadu_si256((const __m256i *)acc), a1 = _mm256_loadu_si256((const __m256i *)next);
        const __m256i b0 = nv == 2 ? _mm256_loadu_si256((const __m256i *)(acc + 8)) : a0;
        const __m256i b1 = nv == 2 ? _mm256_loadu_si256((const __m256i *)(next + 8)) : a1;
        __m256i p0 = all, p1 = all, q0 = all, q1 = all;
        for (; t != end; t += nv * 8) {
            const __m256i ta = _mm256_loadu_si256((const __m256i *)t);
            p0 = _mm256_add_epi32(p0, _mm256_cmpgt_epi32(ta, a0));
            p1 = _mm256_add_epi32(p1, _mm256_cmpgt_epi32(ta, a1));
            if (nv == 2) {
                const __m256i tb = _mm256_loadu_si256((const __m256i *)(t + 8));
                q0 = _mm256_add_epi32(q0, _mm256_cmpgt_epi32(tb, b0));
                q1 = _mm256_add_epi32(q1, _mm256_cmpgt_epi32(tb, b1));
            }
        }
        __m256i v = _mm256_packus_epi16(_mm256_packs_epi32(p0, nv == 2 ? q0 : p0), _mm256_packs_epi32(p1, nv == 2 ? q1 : p1));
        v = nv == 2 ? _mm256_permute4x64_epi64(v, 0xd8) : _mm256_permutevar8x32_epi32(v, one_vector);
        v = _mm256_shuffle_epi8(levels, v);
        epi256_store_bytes(_mm256_castsi256_si128(v), y, channels);
        if (i + 1 < px)
            epi256_store_bytes(_mm256_extracti128_si256(v, 1), y + y_pixel_bytes, channels);
    }
}

static inline void epi256_tile(const int32_t *acc, const int32_t *consts, const it_epi *e, uint32_t vecs, uint32_t px, epi_mode mode,
                               uint8_t *y, size_t y_pixel_bytes, uint32_t channels)
{
    if (mode == EPI_LEVELS && vecs == 1)
        epi256_levels(1, acc, consts, e, px, y, y_pixel_bytes, channels);
    else if (mode == EPI_LEVELS)
        epi256_levels(2, acc, consts, e, px, y, y_pixel_bytes, channels);
    else if (vecs == 1)
        epi256_by_mode(1, mode, e->out == INTACT_S16, acc, consts, e, px, y, y_pixel_bytes, channels);
    else
        epi256_by_mode(2, mode, e->out == INTACT_S16, acc, consts, e, px, y, y_pixel_bytes, channels);
}

#endif
