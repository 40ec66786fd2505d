/* SPDX-License-Identifier: Apache-2.0 */
/* elem_rows_avx512vnni: elementwise kernels over rows that share something; columns of 64 codes, tails masked. */
#include "run/kern/narrow.h"
#include "run/kern/x86/epi_avx512.h"

static inline __m512i load_first(const uint8_t *p, size_t n)
{
    return n >= 64 ? _mm512_loadu_si512(p) : _mm512_maskz_loadu_epi8(epi512_first((uint32_t)n), p);
}

static inline void store_first(uint8_t *p, size_t n, __m512i v)
{
    if (n >= 64)
        _mm512_storeu_si512(p, v);
    else
        _mm512_mask_storeu_epi8(p, epi512_first((uint32_t)n), v);
}

/* ---- mul ---- */

enum { PERIOD_MAX = 4096 };

typedef struct mul_column { /* what 64 columns of all rows share */
    __m512i b0, b1; /* less its zero point, in unpacked order */
    __m512i z_a, m, add16, lo, hi;
    __m128i shift;
} mul_column;

static inline __attribute__((always_inline)) __m512i mul_high(__m512i product, __m512i m)
{
    __m512i even = _mm512_mul_epi32(product, m), odd = _mm512_mul_epi32(_mm512_srli_epi64(product, 32), m);
    return _mm512_mask_shuffle_epi32(odd, 0x5555, even, _MM_PERM_CDAB);
}

static inline __attribute__((always_inline)) __m512i mul_half(__m512i a, __m512i b, const mul_column *c)
{
    __m512i low = _mm512_mullo_epi16(a, b), high = _mm512_mulhi_epi16(a, b);
    __m512i v = _mm512_packs_epi32(mul_high(_mm512_unpacklo_epi16(low, high), c->m), mul_high(_mm512_unpackhi_epi16(low, high), c->m));
    return _mm512_sra_epi16(_mm512_adds_epi16(v, c->add16), c->shift);
}

static inline __attribute__((always_inline)) __m512i mul_codes(__m512i a, const mul_column *c)
{
    const __m512i none = _mm512_setzero_si512();
    __m512i front = mul_half(_mm512_sub_epi16(_mm512_unpacklo_epi8(a, none), c->z_a), c->b0, c);
    __m512i back = mul_half(_mm512_sub_epi16(_mm512_unpackhi_epi8(a, none), c->z_a), c->b1, c);
    return _mm512_min_epu8(_mm512_max_epu8(_mm512_packus_epi16(front, back), c->lo), c->hi);
}

/* Rows of n elements, `last` of the row behind them too, columns of b one after another. */
static void mul_columns(const uint8_t *a, const uint8_t *b, uint8_t *y, size_t rows, size_t n, size_t last, const it_mul_consts *k)
{
    const __m512i none = _mm512_setzero_si512(), z_b = _mm512_set1_epi16((int16_t)k->z_b);
    mul_column c = { .z_a = _mm512_set1_epi16((int16_t)k->z_a), .m = _mm512_set1_epi32(k->mult_narrow),
                     .add16 = _mm512_set1_epi16((int16_t)((2 * k->z_y + 1) << (k->shift_narrow - 1))), .lo = _mm512_set1_epi8((char)k->lo),
                     .hi = _mm512_set1_epi8((char)k->hi), .shift = _mm_cvtsi32_si128(k->shift_narrow) };
    for (size_t j = 0; j < n; j += 64) {
        const size_t wide = n - j;
        __m512i vb = load_first(b + j, wide);
        c.b0 = _mm512_sub_epi16(_mm512_unpacklo_epi8(vb, none), z_b);
        c.b1 = _mm512_sub_epi16(_mm512_unpackhi_epi8(vb, none), z_b);
        size_t at = j;
        for (size_t r = 0; r < rows; r++, at += n)
            store_first(y + at, wide, mul_codes(load_first(a + at, wide), &c));
        if (j < last)
            store_first(y + at, last - j < wide ? last - j : wide, mul_codes(load_first(a + at, last - j < wide ? last - j : wide), &c));
    }
}

void it_kern_mul_rows_u8_avx512vnni(const uint8_t *a, const uint8_t *b, uint8_t *y, size_t rows, size_t n, const it_mul_consts *k)
{
    uint8_t wide_b[PERIOD_MAX];
    if (k->mult_narrow == 0) {
        for (size_t r = 0; r < rows; r++)
            it_kern_mul_u8_avx512vnni(a + r * n, b, y + r * n, n, k);
        return;
    }
    size_t joined = 1; /* rows that fill whole vectors together */
    while (joined < 64 && joined * n % 64 != 0)
        joined++;
    if (joined == 1 || joined > rows || joined * n > PERIOD_MAX) {
        mul_columns(a, b, y, rows, n, 0, k);
        return;
    }
    for (size_t r = 0; r < joined; r++)
        memcpy(wide_b + r * n, b, n);
    mul_columns(a, wide_b, y, rows / joined, joined * n, rows % joined * n, k);
}

/* ---- sums ---- */

enum { SUM16_ROWS = 256 }; /* of codes up to 255 that 16 bits hold */

static inline void sum_widen(int32_t *acc, __m512i v, size_t n)
{
    __m512i low = _mm512_cvtepu16_epi32(_mm512_castsi512_si256(v)), high = _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(v, 1));
    __mmask32 keep = (__mmask32)epi512_first((uint32_t)n);
    __mmask16 k0 = (__mmask16)keep, k1 = (__mmask16)(keep >> 16);
    _mm512_mask_storeu_epi32(acc, k0, _mm512_add_epi32(low, _mm512_maskz_loadu_epi32(k0, acc)));
    if (n > 16)
        _mm512_mask_storeu_epi32(acc + 16, k1, _mm512_add_epi32(high, _mm512_maskz_loadu_epi32(k1, acc + 16)));
}

/* At most 64 columns. */
static void sum_column(const uint8_t *x, size_t pitch, size_t rows, int32_t *acc, size_t n)
{
    const __m512i none = _mm512_setzero_si512(), front = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11);
    const __m512i back = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
    while (rows > 0) {
        const size_t some = rows < SUM16_ROWS ? rows : SUM16_ROWS;
        __m512i lo = none, hi = none;
        for (size_t r = 0; r < some; r++, x += pitch) {
            __m512i v = load_first(x, n);
            lo = _mm512_add_epi16(lo, _mm512_unpacklo_epi8(v, none));
            hi = _mm512_add_epi16(hi, _mm512_unpackhi_epi8(v, none));
        }
        sum_widen(acc, _mm512_permutex2var_epi64(lo, front, hi), n < 32 ? n : 32);
        if (n > 32)
            sum_widen(acc + 32, _mm512_permutex2var_epi64(lo, back, hi), n - 32);
        rows -= some;
    }
}

void it_kern_sum_rows_u8_avx512vnni(const uint8_t *x, size_t pitch, size_t rows, int32_t *acc, size_t n)
{
    if (pitch == n && n <= 32 && rows >= 4) { /* rows side by side in a vector */
        const size_t joined = 64 / n;
        int32_t wide[64] = { 0 };
        sum_column(x, joined * n, rows / joined, wide, joined * n);
        for (size_t i = 0; i < joined * n; i++)
            acc[i % n] += wide[i];
        x += rows / joined * joined * n;
        rows %= joined;
    }
    for (size_t j = 0; j < n; j += 64)
        sum_column(x + j, pitch, rows, acc + j, n - j < 64 ? n - j : 64);
}

/* ---- maxima ---- */

void it_kern_max_taps_u8_avx512vnni(const uint8_t *x, size_t step, size_t tap_step, uint32_t taps, uint8_t *y, size_t outs, size_t n)
{
    for (size_t o = 0; o < outs; o++, x += step, y += n)
        for (size_t j = 0; j < n; j += 64) {
            __m512i v = load_first(x + j, n - j);
            for (uint32_t k = 1; k < taps; k++)
                v = _mm512_max_epu8(v, load_first(x + k * tap_step + j, n - j));
            store_first(y + j, n - j, v);
        }
}
