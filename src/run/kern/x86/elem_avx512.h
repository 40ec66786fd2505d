/* SPDX-License-Identifier: Apache-2.0 */
/* elem_avx512.h: what the elementwise kernels of the 512-bit levels share: the first n of 64 codes, rows along lines (lines.h). */
#ifndef IT_KERN_X86_ELEM_AVX512_H
#define IT_KERN_X86_ELEM_AVX512_H

#include <immintrin.h>
#include <string.h>

#include "run/kern/kern_level.h"
#include "run/kern/lines.h"

static inline __mmask64 first_of(size_t n) { return n >= 64 ? ~(__mmask64)0 : ((__mmask64)1 << n) - 1; }

static inline __m512i load_first(const uint8_t *p, size_t n)
{
    return n >= 64 ? _mm512_loadu_si512(p) : _mm512_maskz_loadu_epi8(first_of(n), p);
}

static inline void store_first(uint8_t *p, size_t n, __m512i v)
{
    if (n >= 64)
        _mm512_storeu_si512(p, v);
    else
        _mm512_mask_storeu_epi8(p, first_of(n), v);
}

/* Lines of 64 columns, in the order of two unpacks. */
typedef struct line_columns { __m512i factor[2], offset[2], shift[2], tail; } line_columns;

static inline line_columns line_columns_of(__m512i factor_low, __m512i factor_high, __m512i offset_low, __m512i offset_high, __m512i tail,
                                           __m512i shift)
{
    const __m512i none = _mm512_setzero_si512();
    return (line_columns){
        { _mm512_unpacklo_epi8(factor_low, factor_high), _mm512_unpackhi_epi8(factor_low, factor_high) },
        { _mm512_unpacklo_epi8(offset_low, offset_high), _mm512_unpackhi_epi8(offset_low, offset_high) },
        { _mm512_unpacklo_epi8(shift, none), _mm512_unpackhi_epi8(shift, none) },
        tail,
    };
}

static inline __attribute__((always_inline)) __m512i line_codes(const line_columns *c, __m512i a, __m512i lo, __m512i hi)
{
    const __m512i x = _mm512_xor_si512(a, _mm512_set1_epi8(-128));
    __m512i v0 = _mm512_mulhi_epi16(_mm512_unpacklo_epi8(c->tail, x), c->factor[0]);
    __m512i v1 = _mm512_mulhi_epi16(_mm512_unpackhi_epi8(c->tail, x), c->factor[1]);
    v0 = _mm512_srav_epi16(_mm512_adds_epi16(v0, c->offset[0]), c->shift[0]);
    v1 = _mm512_srav_epi16(_mm512_adds_epi16(v1, c->offset[1]), c->shift[1]);
    return _mm512_min_epu8(_mm512_max_epu8(_mm512_packus_epi16(v0, v1), lo), hi);
}

/* Column `wide` <= 64 codes wide of rows n codes apart. */
static inline __attribute__((always_inline)) void line_rows(const line_columns *c, const uint8_t *a, uint8_t *y, size_t rows, size_t n,
                                                            size_t wide, const it_mul_consts *k)
{
    const __m512i lo = _mm512_set1_epi8((char)k->lo), hi = _mm512_set1_epi8((char)k->hi);
    if (wide == 64) {
        for (size_t r = 0, at = 0; r < rows; r++, at += n)
            _mm512_storeu_si512(y + at, line_codes(c, _mm512_loadu_si512(a + at), lo, hi));
        return;
    }
    const __mmask64 keep = first_of(wide);
    for (size_t r = 0, at = 0; r < rows; r++, at += n)
        _mm512_mask_storeu_epi8(y + at, keep, line_codes(c, _mm512_maskz_loadu_epi8(keep, a + at), lo, hi));
}

/* Rows of n codes times b, `last` codes of one more row behind them; columns finds the lines of up to 64 codes of b. */
typedef line_columns line_columns_fn(const it_lines *lines, const uint8_t *b, size_t n);
static inline __attribute__((always_inline)) void line_columns_rows(line_columns_fn *columns, const uint8_t *a, const uint8_t *b,
                                                                    uint8_t *y, size_t rows, size_t n, size_t last, const it_mul_consts *k)
{
    for (size_t j = 0; j < n; j += 64) {
        const size_t wide = n - j < 64 ? n - j : 64;
        const line_columns c = columns(k->lines, b + j, wide);
        line_rows(&c, a + j, y + j, rows, n, wide, k);
        if (j < last)
            line_rows(&c, a + rows * n + j, y + rows * n + j, 1, n, last - j < wide ? last - j : wide, k);
    }
}

/* The whole of mul_rows where there are lines: rows are joined until they fill whole vectors. */
static inline __attribute__((always_inline)) void line_mul_rows(line_columns_fn *columns, const uint8_t *a, const uint8_t *b, uint8_t *y,
                                                                size_t rows, size_t n, const it_mul_consts *k)
{
    enum { JOINED_MAX = 4096 };
    uint8_t wide_b[JOINED_MAX];
    size_t joined = 1;
    while (joined < 64 && joined * n % 64 != 0)
        joined++;
    if (joined == 1 || joined > rows || joined * n > JOINED_MAX) {
        line_columns_rows(columns, a, b, y, rows, n, 0, k);
        return;
    }
    for (size_t r = 0; r < joined; r++)
        memcpy(wide_b + r * n, b, n);
    line_columns_rows(columns, a, wide_b, y, rows / joined, joined * n, rows % joined * n, k);
}

#endif
