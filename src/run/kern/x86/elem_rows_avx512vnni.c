/* SPDX-License-Identifier: Apache-2.0 */
/* elem_rows_avx512vnni: elementwise kernels over rows that share something; columns of 64 codes, tails masked. */
#include "run/kern/x86/elem_avx512.h"

/* ---- mul ---- */

static line_columns columns_of(const it_lines *l, const uint8_t *b, size_t n)
{
    uint8_t t[6 * 64] = { 0 };
    it_lines_gather(l, b, n, 64, t);
    return line_columns_of(_mm512_loadu_si512(t), _mm512_loadu_si512(t + 64), _mm512_loadu_si512(t + 128), _mm512_loadu_si512(t + 192),
                           _mm512_loadu_si512(t + 256), _mm512_loadu_si512(t + 320));
}

void it_kern_mul_rows_u8_avx512vnni(const uint8_t *a, const uint8_t *b, uint8_t *y, size_t rows, size_t n, const it_mul_consts *k)
{
    if (k->lines) {
        line_mul_rows(columns_of, a, b, y, rows, n, k);
        return;
    }
    for (size_t r = 0; r < rows; r++)
        it_kern_mul_u8_avx512vnni(a + r * n, b, y + r * n, n, k);
}

/* ---- sums ---- */

enum { SUM16_ROWS = 256 /* of codes up to 255 that 16 bits hold */, SUM_VECTORS = 4, SUM_JOINED_MAX = 2048 };

static inline void sum_widen(int32_t *acc, __m512i v, size_t n)
{
    __m512i low = _mm512_cvtepu16_epi32(_mm512_castsi512_si256(v)), high = _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(v, 1));
    __mmask32 keep = (__mmask32)first_of(n);
    __mmask16 k0 = (__mmask16)keep, k1 = (__mmask16)(keep >> 16);
    _mm512_mask_storeu_epi32(acc, k0, _mm512_add_epi32(low, _mm512_maskz_loadu_epi32(k0, acc)));
    if (n > 16)
        _mm512_mask_storeu_epi32(acc + 16, k1, _mm512_add_epi32(high, _mm512_maskz_loadu_epi32(k1, acc + 16)));
}

/* Sums of the words of 64 columns, even bytes below odd ones modulo 2^16, and of their odd bytes, to acc: the even bytes' own sum is
** what is left of the former without 2^8 times the latter. */
static inline void sum_store(int32_t *acc, __m512i words, __m512i odd, size_t n)
{
    const __m512i front = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11), back = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
    const __m512i even = _mm512_sub_epi16(words, _mm512_slli_epi16(odd, 8));
    const __m512i lo = _mm512_unpacklo_epi16(even, odd), hi = _mm512_unpackhi_epi16(even, odd);
    sum_widen(acc, _mm512_permutex2var_epi64(lo, front, hi), n < 32 ? n : 32);
    if (n > 32)
        sum_widen(acc + 32, _mm512_permutex2var_epi64(lo, back, hi), n - 32);
}

/* nv vectors of columns, of the last one n <= 64; nv is a constant after inlining. */
static inline __attribute__((always_inline)) void sum_vectors(const int nv, const uint8_t *x, size_t pitch, size_t rows, int32_t *acc,
                                                              size_t n)
{
    const __mmask64 keep = first_of(n);
    while (rows > 0) {
        const size_t some = rows < SUM16_ROWS ? rows : SUM16_ROWS;
        __m512i words[SUM_VECTORS], odd[SUM_VECTORS];
        for (int v = 0; v < nv; v++)
            words[v] = odd[v] = _mm512_setzero_si512();
        for (size_t r = 0; r < some; r++, x += pitch)
            for (int v = 0; v < nv; v++) {
                const __m512i one = v < nv - 1 ? _mm512_loadu_si512(x + v * 64) : _mm512_maskz_loadu_epi8(keep, x + v * 64);
                words[v] = _mm512_add_epi16(words[v], one);
                odd[v] = _mm512_add_epi16(odd[v], _mm512_srli_epi16(one, 8));
            }
        for (int v = 0; v < nv; v++)
            sum_store(acc + v * 64, words[v], odd[v], v < nv - 1 ? 64 : n);
        rows -= some;
    }
}

static void sum_columns(const uint8_t *x, size_t pitch, size_t rows, int32_t *acc, size_t n)
{
    for (; n > SUM_VECTORS * 64; n -= SUM_VECTORS * 64, x += SUM_VECTORS * 64, acc += SUM_VECTORS * 64)
        sum_vectors(SUM_VECTORS, x, pitch, rows, acc, 64);
    if (n > 192)
        sum_vectors(4, x, pitch, rows, acc, n - 192);
    else if (n > 128)
        sum_vectors(3, x, pitch, rows, acc, n - 128);
    else if (n > 64)
        sum_vectors(2, x, pitch, rows, acc, n - 64);
    else if (n > 0)
        sum_vectors(1, x, pitch, rows, acc, n);
}

void it_kern_sum_rows_u8_avx512vnni(const uint8_t *x, size_t pitch, size_t rows, int32_t *acc, size_t n)
{
    size_t joined = 1; /* rows that fill whole vectors together */
    while (joined < 64 && joined * n % 64 != 0)
        joined++;
    if (pitch == n && joined > 1 && joined * n <= SUM_JOINED_MAX && rows >= 4 * joined) {
        int32_t wide[SUM_JOINED_MAX];
        memset(wide, 0, joined * n * sizeof *wide);
        sum_columns(x, joined * n, rows / joined, wide, joined * n);
        for (size_t r = 0; r < joined; r++)
            for (size_t i = 0; i < n; i++)
                acc[i] += wide[r * n + i];
        x += rows / joined * joined * n;
        rows %= joined;
    }
    sum_columns(x, pitch, rows, acc, n);
}

/* ---- sums to codes ---- */

/* Eight values in 64 bits: x * m below 2^62, with the rounding term below 2^63. */
static inline __m512i requant_eight(__m512i product, __m512i half, __m128i shift, __m512i zero, __m512i lo, __m512i hi)
{
    const __m512i v = _mm512_add_epi64(_mm512_sra_epi64(_mm512_add_epi64(product, half), shift), zero);
    return _mm512_min_epi64(_mm512_max_epi64(v, lo), hi);
}

void it_kern_requant_s32_avx512vnni(const int32_t *x, void *y, size_t n, const it_requant_consts *k)
{
    const __m512i z_x = _mm512_set1_epi32(k->z_x), m = _mm512_set1_epi32(k->mult), half = _mm512_set1_epi64((int64_t)1 << (k->shift - 1));
    const __m512i zero = _mm512_set1_epi64(k->z_y), lo = _mm512_set1_epi64(k->lo), hi = _mm512_set1_epi64(k->hi);
    const __m128i shift = _mm_cvtsi32_si128(k->shift);
    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 keep = (__mmask16)first_of(n - i);
        const __m512i v = _mm512_sub_epi32(_mm512_maskz_loadu_epi32(keep, x + i), z_x);
        const __m512i even = requant_eight(_mm512_mul_epi32(v, m), half, shift, zero, lo, hi);
        const __m512i odd = requant_eight(_mm512_mul_epi32(_mm512_srli_epi64(v, 32), m), half, shift, zero, lo, hi);
        const __m512i q = _mm512_mask_shuffle_epi32(even, 0xaaaa, odd, _MM_PERM_CDAB);
        if (k->y == INTACT_S16)
            _mm512_mask_cvtepi32_storeu_epi16((int16_t *)y + i, keep, q);
        else
            _mm512_mask_cvtepi32_storeu_epi8((uint8_t *)y + i, keep, q);
    }
}

/* ---- maxima ---- */

/* One vector of 16, 32 or 64 codes of one output. */
#define MAX_ONE(name, type, load, max, store) \
    static inline __attribute__((always_inline)) void name(const uint32_t taps, const uint8_t *x, size_t tap_step, uint8_t *y) \
    { \
        type v = load((const type *)(const void *)x); \
        for (uint32_t k = 1; k < taps; k++) \
            v = max(v, load((const type *)(const void *)(x + k * tap_step))); \
        store((type *)(void *)y, v); \
    }
MAX_ONE(max_16, __m128i, _mm_loadu_si128, _mm_max_epu8, _mm_storeu_si128)
MAX_ONE(max_32, __m256i, _mm256_loadu_si256, _mm256_max_epu8, _mm256_storeu_si256)
MAX_ONE(max_64, __m512i, _mm512_loadu_si512, _mm512_max_epu8, _mm512_storeu_si512)

static void max_few(uint32_t taps, const uint8_t *x, size_t step, size_t tap_step, uint8_t *y, size_t outs, size_t n)
{
    const __mmask16 keep = (__mmask16)first_of(n);
    for (; outs > 0; outs--, x += step, y += n) {
        __m128i v = _mm_maskz_loadu_epi8(keep, x);
        for (uint32_t k = 1; k < taps; k++)
            v = _mm_max_epu8(v, _mm_maskz_loadu_epi8(keep, x + k * tap_step));
        _mm_mask_storeu_epi8(y, keep, v);
    }
}

/* The last vector of an output may overlap the one before it. */
static inline __attribute__((always_inline)) void max_taps(const uint32_t taps, const uint8_t *x, size_t step, size_t tap_step, uint8_t *y,
                                                           size_t outs, size_t n)
{
    if (n < 16)
        max_few(taps, x, step, tap_step, y, outs, n);
    else if (n < 32)
        for (; outs > 0; outs--, x += step, y += n) {
            max_16(taps, x, tap_step, y);
            max_16(taps, x + n - 16, tap_step, y + n - 16);
        }
    else if (n < 64)
        for (; outs > 0; outs--, x += step, y += n) {
            max_32(taps, x, tap_step, y);
            max_32(taps, x + n - 32, tap_step, y + n - 32);
        }
    else
        for (; outs > 0; outs--, x += step, y += n) {
            for (size_t j = 0; j + 64 < n; j += 64)
                max_64(taps, x + j, tap_step, y + j);
            max_64(taps, x + n - 64, tap_step, y + n - 64);
        }
}

void it_kern_max_taps_u8_avx512vnni(const uint8_t *x, size_t step, size_t tap_step, uint32_t taps, uint8_t *y, size_t outs, size_t n)
{
    if (taps == 3)
        max_taps(3, x, step, tap_step, y, outs, n);
    else if (taps == 2)
        max_taps(2, x, step, tap_step, y, outs, n);
    else
        max_taps(taps, x, step, tap_step, y, outs, n);
}
