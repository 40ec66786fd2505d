/* SPDX-License-Identifier: Apache-2.0 */
/* after_avx512.h: what may follow requantization, on 64 codes in a register: the sum with another tensor's codes, a table.
**
** The sum in 16-bit digits as elem.h explains it, with the zero point of y in the constant: (v >> s) + z_y = (v + z_y * 2^s) >> s.
** With 17 <= s <= 38 the upper part stays in 32 bits: 2 * 255 * 2^15 of the products, as much of the zero points of a and b, 2^21 of
** the rounding, 255 * 2^22 of z_y: below 2^31. A dot product with (0, 1) adds the upper half of a sum, which is its shift by 16. */
#ifndef IT_KERN_X86_AFTER_AVX512_H
#define IT_KERN_X86_AFTER_AVX512_H

#include "run/kern/x86/elem.h"
#include "run/kern/x86/epi_avx512.h"

typedef struct after512 {
    bool sum, clamped;
    const uint8_t *lut; /* NULL: none */
    __m512i m_low, m_high, c_low, c_high, shift, lo, hi;
} after512;

static inline bool after512_sums(const it_add_consts *k) { return k->shift <= 38 && add_digits_of(k).fits; }

/* e NULL: nothing. A sum is one that after512_sums() takes. */
static inline after512 after512_open(const it_epi *e)
{
    after512 a = { .lut = e ? e->lut : NULL };
    if (!e || !e->add)
        return a;
    const it_add_consts *k = e->add;
    const add_digits d = add_digits_of(k);
    a.sum = true;
    a.clamped = k->lo != 0 || k->hi != 255;
    a.m_low = _mm512_set1_epi32(d.low);
    a.m_high = _mm512_set1_epi32(d.high);
    a.c_low = _mm512_set1_epi32(d.c_low & 0xffff); /* here nothing is folded into it */
    a.c_high = _mm512_set1_epi32(d.c_high + k->z_y * (1 << d.shift));
    a.shift = _mm512_set1_epi32(d.shift);
    a.lo = _mm512_set1_epi8((char)k->lo);
    a.hi = _mm512_set1_epi8((char)k->hi);
    return a;
}

/* From memory, where a copy of a register would take a multiplier's turn. */
static inline __attribute__((always_inline)) __m512i after512_load(const __m512i *p)
{
    __m512i v;
    __asm__("vmovdqa64 %1, %0" : "=v"(v) : "m"(*p));
    return v;
}

/* n <= 2 registers at once: stage by stage, or one's long chain would leave the multipliers idle until the next one's begins. */
static inline __attribute__((always_inline)) void after512_sums_of(const int n, const after512 *k, __m512i *a, const __m512i *b)
{
    const __m512i none = _mm512_setzero_si512();
    __m512i q[2][4], high[2][4];
    for (int i = 0; i < n; i++) {
        __m512i front = _mm512_unpacklo_epi8(a[i], b[i]), back = _mm512_unpackhi_epi8(a[i], b[i]);
        q[i][0] = _mm512_unpacklo_epi8(front, none);
        q[i][1] = _mm512_unpackhi_epi8(front, none);
        q[i][2] = _mm512_unpacklo_epi8(back, none);
        q[i][3] = _mm512_unpackhi_epi8(back, none);
    }
    for (int i = 0; i < n; i++)
        for (int j = 0; j < 4; j++) {
            high[i][j] = _mm512_dpwssd_epi32(after512_load(&k->c_high), q[i][j], k->m_high);
            q[i][j] = _mm512_dpwssd_epi32(after512_load(&k->c_low), q[i][j], k->m_low);
        }
    for (int i = 0; i < n; i++)
        for (int j = 0; j < 4; j++)
            q[i][j] = _mm512_srav_epi32(_mm512_dpwssd_epi32(high[i][j], q[i][j], _mm512_set1_epi32(1 << 16)), k->shift);
    for (int i = 0; i < n; i++)
        a[i] = _mm512_packus_epi16(_mm512_packs_epi32(q[i][0], q[i][1]), _mm512_packs_epi32(q[i][2], q[i][3]));
    for (int i = 0; i < n && k->clamped; i++)
        a[i] = _mm512_min_epu8(_mm512_max_epu8(a[i], k->lo), k->hi);
}

static inline __attribute__((always_inline)) __m512i after512_sum(const after512 *k, __m512i a, __m512i b)
{
    after512_sums_of(1, k, &a, &b);
    return a;
}

/* The table as 128 words: a word is found by the upper seven bits of a code, its byte by the last. Even and odd bytes in turn. */
static inline __attribute__((always_inline)) __m512i after512_lut(const uint8_t *table, __m512i v)
{
#ifdef __AVX512VBMI__
    const __m512i first = _mm512_permutex2var_epi8(_mm512_loadu_si512(table), v, _mm512_loadu_si512(table + 64));
    const __m512i second = _mm512_permutex2var_epi8(_mm512_loadu_si512(table + 128), v, _mm512_loadu_si512(table + 192));
    return _mm512_mask_mov_epi8(first, _mm512_movepi8_mask(v), second);
#else
    const __m512i t0 = _mm512_loadu_si512(table), t1 = _mm512_loadu_si512(table + 64), t2 = _mm512_loadu_si512(table + 128);
    const __m512i t3 = _mm512_loadu_si512(table + 192), eight = _mm512_set1_epi16(8), low = _mm512_set1_epi16(0xff);
    __m512i even = _mm512_srli_epi16(_mm512_and_si512(v, low), 1), odd = _mm512_srli_epi16(v, 9);
    __m512i even8 = _mm512_and_si512(_mm512_slli_epi16(v, 3), eight), odd8 = _mm512_andnot_si512(_mm512_srli_epi16(v, 5), eight);
    __mmask32 even_far = _mm512_test_epi16_mask(v, _mm512_set1_epi16(0x80)), odd_far = _mm512_movepi16_mask(v);
    __m512i e = _mm512_permutex2var_epi16(t0, even, t1), o = _mm512_permutex2var_epi16(t0, odd, t1);
    e = _mm512_mask_mov_epi16(e, even_far, _mm512_permutex2var_epi16(t2, even, t3));
    o = _mm512_mask_mov_epi16(o, odd_far, _mm512_permutex2var_epi16(t2, odd, t3));
    e = _mm512_and_si512(_mm512_srlv_epi16(e, even8), low);
    return _mm512_or_si512(e, _mm512_andnot_si512(low, _mm512_sllv_epi16(o, odd8)));
#endif
}

#endif
