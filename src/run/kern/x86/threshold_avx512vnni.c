/* SPDX-License-Identifier: Apache-2.0 */
/* threshold_avx512vnni: thresholds counted for 64 channels at once, row after row; what is left of a row is masked. */
#include <immintrin.h>

#include "run/kern/kern_level.h"

/* The channels that there are, of 64. */
typedef struct lanes { __mmask32 a, b; __mmask64 all; } lanes;

static inline lanes lanes_of(size_t n)
{
    const uint64_t all = n >= 64 ? ~(uint64_t)0 : ((uint64_t)1 << n) - 1;
    return (lanes){ (__mmask32)all, (__mmask32)(all >> 32), (__mmask64)all };
}

/* A masked load costs one operation more, so whole blocks do without; whole is a constant after inlining. */
#define INLINE static inline __attribute__((always_inline))
INLINE __m512i load16(const bool whole, __mmask32 m, const int16_t *p)
{
    return whole ? _mm512_loadu_si512(p) : _mm512_maskz_loadu_epi16(m, p);
}

/* over: of these channels. */
INLINE __m512i levels_of(const bool whole, __m512i xa, __m512i xb, lanes m, const int16_t *over, const it_steps *k, __m512i levels)
{
    const __m512i one = _mm512_set1_epi16(1);
    __m512i a = _mm512_setzero_si512(), b = a;
    for (uint32_t i = 0; i < k->len; i++, over += k->pitch) {
        a = _mm512_mask_add_epi16(a, _mm512_cmpgt_epi16_mask(xa, load16(whole, m.a, over)), a, one);
        b = _mm512_mask_add_epi16(b, _mm512_cmpgt_epi16_mask(xb, load16(whole, m.b, over + 32)), b, one);
    }
    __m512i passed = _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7), _mm512_packs_epi16(a, b));
    return _mm512_shuffle_epi8(levels, passed);
}

/* 64 channels of every row, or the last ones. x: u8, or s16 where wide. */
INLINE void block(const bool wide, const bool whole, const uint8_t *x, uint8_t *y, size_t rows, size_t n, size_t c, const it_steps *k)
{
    const lanes m = lanes_of(n - c);
    const __m512i levels = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)k->levels));
    for (size_t at = c; at < rows * n; at += n) {
        __m512i xa, xb;
        if (wide) {
            xa = load16(whole, m.a, (const int16_t *)x + at);
            xb = load16(whole, m.b, (const int16_t *)x + at + 32);
        } else {
            __m512i v = whole ? _mm512_loadu_si512(x + at) : _mm512_maskz_loadu_epi8(m.all, x + at);
            xa = _mm512_cvtepu8_epi16(_mm512_castsi512_si256(v));
            xb = _mm512_cvtepu8_epi16(_mm512_extracti64x4_epi64(v, 1));
        }
        __m512i v = levels_of(whole, xa, xb, m, k->over + c, k, levels);
        if (whole)
            _mm512_storeu_si512(y + at, v);
        else
            _mm512_mask_storeu_epi8(y + at, m.all, v);
    }
}

INLINE void blocks(const bool wide, const uint8_t *x, uint8_t *y, size_t rows, size_t n, const it_steps *k)
{
    size_t c = 0;
    for (; c + 64 <= n; c += 64)
        block(wide, true, x, y, rows, n, c, k);
    if (c < n)
        block(wide, false, x, y, rows, n, c, k);
}

void it_kern_threshold_u8_avx512vnni(const uint8_t *x, uint8_t *y, size_t rows, size_t n, const it_steps *k)
{
    blocks(false, x, y, rows, n, k);
}

void it_kern_threshold_s16_avx512vnni(const int16_t *x, uint8_t *y, size_t rows, size_t n, const it_steps *k)
{
    blocks(true, (const uint8_t *)x, y, rows, n, k);
}
