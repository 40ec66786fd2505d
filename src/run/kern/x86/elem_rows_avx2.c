/* SPDX-License-Identifier: Apache-2.0 */
/* elem_rows_avx2: elementwise kernels over rows that share something, 32 codes at once; the reference does the tails. */
#include <immintrin.h>
#include <string.h>

#include "run/kern/kern_level.h"
#include "run/kern/lines.h"

static inline __m256i load(const uint8_t *p) { return _mm256_loadu_si256((const __m256i *)p); }
static inline void store(uint8_t *p, __m256i v) { _mm256_storeu_si256((__m256i *)p, v); }

/* ---- mul ---- */

enum { JOINED_MAX = 2048 };

/* Lines of 32 columns, in the order of two unpacks. v >> shift is the high half of v * 2^(16 - shift). */
typedef struct line_columns { __m256i factor[2], offset[2], scale[2], tail; } line_columns;

static line_columns columns_of(const it_lines *l, const uint8_t *b)
{
    uint8_t t[6 * 32];
    it_lines_gather(l, b, 32, 32, t);
    const __m256i powers = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, -128, 64, 32, 16, 8, 4, 2, 1, 0, 0, 0, 0, 0, 0, 0));
    const __m256i f0 = load(t), f1 = load(t + 32), o0 = load(t + 64), o1 = load(t + 96), none = _mm256_setzero_si256();
    const __m256i s = _mm256_shuffle_epi8(powers, load(t + 160)); /* the high byte of 2^(16 - shift) */
    return (line_columns){
        { _mm256_unpacklo_epi8(f0, f1), _mm256_unpackhi_epi8(f0, f1) }, { _mm256_unpacklo_epi8(o0, o1), _mm256_unpackhi_epi8(o0, o1) },
        { _mm256_unpacklo_epi8(none, s), _mm256_unpackhi_epi8(none, s) }, load(t + 128),
    };
}

static inline __m256i line_codes(const line_columns *c, __m256i a, __m256i lo, __m256i hi)
{
    const __m256i x = _mm256_xor_si256(a, _mm256_set1_epi8(-128));
    __m256i v0 = _mm256_mulhi_epi16(_mm256_unpacklo_epi8(c->tail, x), c->factor[0]);
    __m256i v1 = _mm256_mulhi_epi16(_mm256_unpackhi_epi8(c->tail, x), c->factor[1]);
    v0 = _mm256_mulhi_epi16(_mm256_adds_epi16(v0, c->offset[0]), c->scale[0]);
    v1 = _mm256_mulhi_epi16(_mm256_adds_epi16(v1, c->offset[1]), c->scale[1]);
    return _mm256_min_epu8(_mm256_max_epu8(_mm256_packus_epi16(v0, v1), lo), hi);
}

/* Rows of n elements, n a multiple of 32. */
static void mul_columns(const uint8_t *a, const uint8_t *b, uint8_t *y, size_t rows, size_t n, const it_mul_consts *k)
{
    const __m256i lo = _mm256_set1_epi8((char)k->lo), hi = _mm256_set1_epi8((char)k->hi);
    for (size_t j = 0; j < n; j += 32) {
        const line_columns c = columns_of(k->lines, b + j);
        for (size_t r = 0, at = j; r < rows; r++, at += n)
            store(y + at, line_codes(&c, load(a + at), lo, hi));
    }
}

void it_kern_mul_rows_u8_avx2(const uint8_t *a, const uint8_t *b, uint8_t *y, size_t rows, size_t n, const it_mul_consts *k)
{
    uint8_t wide_b[JOINED_MAX];
    size_t joined = 1, done = 0; /* joined: rows that fill whole vectors together */
    while (joined < 32 && joined * n % 32 != 0)
        joined++;
    if (k->lines && joined * n <= JOINED_MAX && joined <= rows) {
        for (size_t r = 0; r < joined; r++)
            memcpy(wide_b + r * n, b, n);
        mul_columns(a, wide_b, y, rows / joined, joined * n, k);
        done = rows / joined * joined;
    }
    for (size_t r = done; r < rows; r++)
        it_kern_mul_u8_avx2(a + r * n, b, y + r * n, n, k);
}

/* ---- sums ---- */

enum { SUM16_ROWS = 256 }; /* of codes up to 255 that 16 bits hold */

static inline void sum_widen(int32_t *acc, __m128i v)
{
    _mm256_storeu_si256((__m256i *)acc, _mm256_add_epi32(_mm256_loadu_si256((const __m256i *)acc), _mm256_cvtepu16_epi32(v)));
}

/* 32 columns. */
static void sum_column(const uint8_t *x, size_t pitch, size_t rows, int32_t *acc)
{
    const __m256i none = _mm256_setzero_si256();
    while (rows > 0) {
        const size_t some = rows < SUM16_ROWS ? rows : SUM16_ROWS;
        __m256i lo = none, hi = none;
        for (size_t r = 0; r < some; r++, x += pitch) {
            __m256i v = load(x);
            lo = _mm256_add_epi16(lo, _mm256_unpacklo_epi8(v, none));
            hi = _mm256_add_epi16(hi, _mm256_unpackhi_epi8(v, none));
        }
        sum_widen(acc, _mm256_castsi256_si128(lo));
        sum_widen(acc + 8, _mm256_castsi256_si128(hi));
        sum_widen(acc + 16, _mm256_extracti128_si256(lo, 1));
        sum_widen(acc + 24, _mm256_extracti128_si256(hi, 1));
        rows -= some;
    }
}

/* Fewer columns than that. */
static void sum_rest(const uint8_t *x, int32_t *acc, size_t n)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256i v = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(x + i)));
        _mm256_storeu_si256((__m256i *)(acc + i), _mm256_add_epi32(v, _mm256_loadu_si256((const __m256i *)(acc + i))));
    }
    for (; i < n; i++)
        acc[i] += x[i];
}

void it_kern_sum_rows_u8_avx2(const uint8_t *x, size_t pitch, size_t rows, int32_t *acc, size_t n)
{
    size_t j = 0;
    for (; j + 32 <= n; j += 32)
        sum_column(x + j, pitch, rows, acc + j);
    for (size_t r = 0; j < n && r < rows; r++)
        sum_rest(x + r * pitch + j, acc + j, n - j);
}

/* ---- maxima ---- */

void it_kern_max_taps_u8_avx2(const uint8_t *x, size_t step, size_t tap_step, uint32_t taps, uint8_t *y, size_t outs, size_t n)
{
    if (n < 16) {
        it_kern_max_taps_u8_ref(x, step, tap_step, taps, y, outs, n);
        return;
    }
    for (size_t o = 0; o < outs; o++, x += step, y += n)
        for (size_t j = 0; j < n;) { /* the last vector may overlap the one before it */
            if (n - j >= 32 || n >= 32) {
                const size_t at = n - j >= 32 ? j : n - 32;
                __m256i v = load(x + at);
                for (uint32_t k = 1; k < taps; k++)
                    v = _mm256_max_epu8(v, load(x + k * tap_step + at));
                store(y + at, v);
                j = at + 32;
            } else {
                const size_t at = n - j >= 16 ? j : n - 16;
                __m128i v = _mm_loadu_si128((const __m128i *)(x + at));
                for (uint32_t k = 1; k < taps; k++)
                    v = _mm_max_epu8(v, _mm_loadu_si128((const __m128i *)(x + k * tap_step + at)));
                _mm_storeu_si128((__m128i *)(y + at), v);
                j = at + 16;
            }
        }
}
