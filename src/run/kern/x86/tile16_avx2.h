/* SPDX-License-Identifier: Apache-2.0 */
/* tile16_avx2.h: the epilogue of 16-bit inputs in 256-bit vectors (tile16.h): sums of one or two parts to codes. */
#ifndef IT_KERN_X86_TILE16_AVX2_H
#define IT_KERN_X86_TILE16_AVX2_H

#include "run/kern/x86/epi_avx2.h"
#include "run/kern/x86/tile16.h"

static inline __m256i tile16_load(const void *p) { return _mm256_loadu_si256((const __m256i *)p); }

/* Eight channels in their order, fewer at a layer's end. */
static inline __attribute__((always_inline)) void tile16_store8(const epi256_pack *k, bool wide, __m256i q, uint8_t *y, uint32_t n)
{
    __m128i v = _mm_packs_epi32(_mm256_castsi256_si128(q), _mm256_extracti128_si256(q, 1));
    v = _mm_adds_epi16(v, _mm256_castsi256_si128(k->zero16));
    v = _mm_min_epi16(_mm_max_epi16(v, _mm256_castsi256_si128(k->lo16)), _mm256_castsi256_si128(k->hi16));
    if (!wide)
        v = _mm_packus_epi16(v, v);
    if (n >= 8 && wide)
        _mm_storeu_si128((__m128i *)y, v);
    else if (n >= 8)
        _mm_storel_epi64((__m128i *)y, v);
    else {
        uint8_t all[16];
        _mm_storeu_si128((__m128i *)all, v);
        memcpy(y, all, n * (wide ? 2 : 1));
    }
}

/* Sixteen, from two vectors. */
static inline __attribute__((always_inline)) void tile16_store16(const epi256_pack *k, bool wide, __m256i a, __m256i b, uint8_t *y,
                                                                 uint32_t n)
{
    __m256i v = _mm256_permute4x64_epi64(epi256_codes(k, a, b), 0xd8);
    if (!wide)
        v = _mm256_permute4x64_epi64(_mm256_packus_epi16(v, v), 0x08);
    if (n >= 16 && wide)
        _mm256_storeu_si256((__m256i *)y, v);
    else if (n >= 16)
        _mm_storeu_si128((__m128i *)y, _mm256_castsi256_si128(v));
    else {
        uint8_t all[32];
        _mm256_storeu_si256((__m256i *)all, v);
        memcpy(y, all, n * (wide ? 2 : 1));
    }
}

/* What a vector of channels needs. */
typedef struct tile16_vec {
    __m256i bias;
    epi256 scale;
} tile16_vec;

static inline tile16_vec tile16_open_vec(const tile16_out *o, uint32_t j)
{
    const int32_t *k = o->consts + j * 8;
    return (tile16_vec){ tile16_load(k), epi256_open(k + o->vecs * 8, k + o->vecs * 16) };
}

/* parts, split: constants after inlining. */
static inline __attribute__((always_inline)) __m256i tile16_scaled(int parts, int split, epi_mode mode, const int32_t *acc,
                                                                   const tile16_vec *c)
{
    __m256i v = _mm256_add_epi32(tile16_load(acc), c->bias);
    if (parts == 2)
        v = _mm256_add_epi32(v, _mm256_slli_epi32(tile16_load(acc + 8), split));
    return epi256_scale(mode, v, &c->scale);
}

static inline __attribute__((always_inline)) void tile16_codes32_as(int parts, int split, epi_mode mode, bool wide, const int32_t *acc,
                                                                    const tile16_out *o, uint32_t px, uint8_t *y)
{
    const epi256_pack pack = epi256_pack_open(o->e);
    const uint32_t step = o->vecs * 8 * (uint32_t)parts;
    uint32_t j = 0;
    for (; j + 2 <= o->vecs; j += 2) {
        const tile16_vec c0 = tile16_open_vec(o, j), c1 = tile16_open_vec(o, j + 1);
        const int32_t *from = acc + j * 8 * (uint32_t)parts;
        uint8_t *to = y + j * 8 * (wide ? 2 : 1);
        for (uint32_t i = 0; i < px; i++, from += step, to += o->pixel_bytes)
            tile16_store16(&pack, wide, tile16_scaled(parts, split, mode, from, &c0),
                           tile16_scaled(parts, split, mode, from + 8 * parts, &c1), to, o->channels - j * 8);
    }
    if (j < o->vecs) {
        const tile16_vec c = tile16_open_vec(o, j);
        const int32_t *from = acc + j * 8 * (uint32_t)parts;
        uint8_t *to = y + j * 8 * (wide ? 2 : 1);
        for (uint32_t i = 0; i < px; i++, from += step, to += o->pixel_bytes)
            tile16_store8(&pack, wide, tile16_scaled(parts, split, mode, from, &c), to, o->channels - j * 8);
    }
}

static inline __attribute__((always_inline)) void tile16_codes32(int parts, int split, const int32_t *acc, const tile16_out *o, uint32_t px,
                                                                 uint8_t *y)
{
    bool wide = o->e->out == INTACT_S16;
    if (o->mode == EPI_HIGH && wide)
        tile16_codes32_as(parts, split, EPI_HIGH, true, acc, o, px, y);
    else if (o->mode == EPI_HIGH)
        tile16_codes32_as(parts, split, EPI_HIGH, false, acc, o, px, y);
    else
        tile16_codes32_as(parts, split, o->mode, wide, acc, o, px, y);
}

/* ((h * m << split) + l * m + C) >> s of four lanes (those in the low halves), cut to +-2^30. The shift is made arithmetic as in
** epi256_half: the sum before it is from -2^62 on and below 2^63. */
static inline __attribute__((always_inline)) __m256i tile16_scale64(int split, __m256i h, __m256i l, __m256i m, const int32_t *c,
                                                                    const int32_t *s)
{
    const __m256i most = _mm256_set1_epi64x(1 << 30), least = _mm256_set1_epi64x(-(1 << 30)), lift = _mm256_set1_epi64x((int64_t)1 << 62);
    const __m256i shift = tile16_load(s);
    __m256i v = _mm256_add_epi64(_mm256_slli_epi64(_mm256_mul_epi32(h, m), split), _mm256_mul_epi32(l, m));
    v = _mm256_add_epi64(_mm256_add_epi64(v, tile16_load(c)), lift);
    v = _mm256_sub_epi64(_mm256_srlv_epi64(v, shift), _mm256_srlv_epi64(lift, shift));
    v = _mm256_blendv_epi8(v, most, _mm256_cmpgt_epi64(v, most));
    return _mm256_blendv_epi8(v, least, _mm256_cmpgt_epi64(least, v));
}

static inline __attribute__((always_inline)) void tile16_codes64(int split, const int32_t *acc, const tile16_out *o, uint32_t px,
                                                                 uint8_t *y)
{
    const epi256_pack pack = epi256_pack_open(o->e);
    bool wide = o->e->out == INTACT_S16;
    for (uint32_t j = 0; j < o->vecs; j++, acc += 16, y += wide ? 16 : 8) {
        const int32_t *k = o->consts + j * 40, *from = acc; /* m, C even, C odd, s even, s odd */
        const __m256i m = tile16_load(k);
        uint8_t *to = y;
        for (uint32_t i = 0; i < px; i++, from += o->vecs * 16, to += o->pixel_bytes) {
            __m256i l = tile16_load(from), h = tile16_load(from + 8);
            __m256i even = tile16_scale64(split, h, l, m, k + 8, k + 24);
            __m256i odd = tile16_scale64(split, _mm256_srli_epi64(h, 32), _mm256_srli_epi64(l, 32), _mm256_srli_epi64(m, 32), k + 16,
                                         k + 32);
            tile16_store8(&pack, wide, _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa), to, o->channels - j * 8);
        }
    }
}

#endif
