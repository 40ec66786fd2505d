/* SPDX-License-Identifier: Apache-2.0 */
/* epi_avx512.h: requantization of 32-bit accumulators in 512-bit vectors, and stores of the codes.
**
** v = (acc * m + 2^(s-1)) >> s, before zero point and clamp. For s >= 33 the low half of the product never reaches the result:
** v = (hi32(acc * m) + 2^(s-33)) >> (s-32), and |hi32| <= 2^30, 2^(s-33) <= 2^29 do not overflow. The zero point is added to v
** saturated to 16 bits: what saturates is on its side of the clamp anyway. */
#ifndef IT_KERN_X86_EPI_AVX512_H
#define IT_KERN_X86_EPI_AVX512_H

#include <immintrin.h>

#include "run/kern/x86/x86.h"

typedef struct epi512 {
    __m512i m, m_odd, round, shift, lift;
} epi512;

/* shift: as epi_shift() packs it. */
static inline epi512 epi512_open(const int32_t *mult, const int32_t *shift)
{
    __m512i m = _mm512_loadu_si512(mult), packed = _mm512_loadu_si512(shift), s = _mm512_and_si512(packed, _mm512_set1_epi32(0xff));
    __m512i round = _mm512_sllv_epi32(_mm512_set1_epi32(1), _mm512_sub_epi32(s, _mm512_set1_epi32(33)));
    return (epi512){ m, _mm512_srli_epi64(m, 32), round, _mm512_sub_epi32(s, _mm512_set1_epi32(32)),
                     _mm512_srli_epi32(packed, 8) };
}

static inline __m512i epi512_high(__m512i acc, const epi512 *c)
{
    __m512i even = _mm512_mul_epi32(acc, c->m), odd = _mm512_mul_epi32(_mm512_srli_epi64(acc, 32), c->m_odd);
    __m512i hi = _mm512_mask_shuffle_epi32(odd, 0x5555, even, _MM_PERM_CDAB);
    return _mm512_srav_epi32(_mm512_add_epi32(hi, c->round), c->shift);
}

/* Eight of the lanes in 64 bits; the result is cut to +-2^30, which every clamp then cuts further. shift holds s - 32. */
static inline __m512i epi512_half(__m512i product, __m512i shift32)
{
    __m512i s = _mm512_add_epi64(_mm512_cvtepi32_epi64(_mm512_cvtepi64_epi32(shift32)), _mm512_set1_epi64(32));
    __m512i round = _mm512_sllv_epi64(_mm512_set1_epi64(1), _mm512_sub_epi64(s, _mm512_set1_epi64(1)));
    __m512i v = _mm512_srav_epi64(_mm512_add_epi64(product, round), s);
    v = _mm512_min_epi64(v, _mm512_set1_epi64(1 << 30));
    return _mm512_max_epi64(v, _mm512_set1_epi64(-(1 << 30)));
}

static inline __m512i epi512_full(__m512i acc, const epi512 *c)
{
    __m512i even = epi512_half(_mm512_mul_epi32(acc, c->m), c->shift);
    __m512i odd = epi512_half(_mm512_mul_epi32(_mm512_srli_epi64(acc, 32), c->m_odd), _mm512_srli_epi64(c->shift, 32));
    return _mm512_mask_shuffle_epi32(even, 0xaaaa, odd, _MM_PERM_CDAB);
}

/* mode is a constant after inlining. */
static inline __attribute__((always_inline)) __m512i epi512_scale(epi_mode mode, __m512i acc, const epi512 *c)
{
    if (mode == EPI_FULL)
        return epi512_full(acc, c);
    return epi512_high(mode == EPI_LIFTED ? _mm512_sllv_epi32(acc, c->lift) : acc, c);
}

typedef struct epi512_pack {
    __m512i zero16, lo8, hi8, lo16, hi16;
} epi512_pack;

static inline epi512_pack epi512_pack_open(const it_epi *e)
{
    return (epi512_pack){ _mm512_set1_epi16((int16_t)e->zero), _mm512_set1_epi8((char)e->lo), _mm512_set1_epi8((char)e->hi),
                          _mm512_set1_epi16((int16_t)e->lo), _mm512_set1_epi16((int16_t)e->hi) };
}

static inline __mmask64 epi512_first(uint32_t n) { return n >= 64 ? ~(__mmask64)0 : ((__mmask64)1 << n) - 1; }

/* Two vectors of 32 bits to one of 16, zero point added; not yet clamped. */
static inline __m512i epi512_pair(const epi512_pack *k, __m512i a, __m512i b)
{
    return _mm512_adds_epi16(_mm512_packs_epi32(a, b), k->zero16);
}

static inline __m512i epi512_clamp16(const epi512_pack *k, __m512i v)
{
    return _mm512_min_epi16(_mm512_max_epi16(v, k->lo16), k->hi16);
}

/* The vectors q of a pixel, in panel order (x86.h), to those channels at y in keep; nv is a constant after inlining. Packing leaves
** in each 128-bit block the bytes of nv vectors, which the permutation closes up. */
static inline __attribute__((always_inline)) void epi512_store_u8(const int nv, const epi512_pack *k, const __m512i *q, uint8_t *y,
                                                                  __mmask64 keep)
{
    __m512i front = epi512_pair(k, q[0], q[nv > 1]), back = nv > 2 ? epi512_pair(k, q[2], q[nv - 1]) : front;
    __m512i v = _mm512_packus_epi16(front, back);
    if (nv == 3)
        v = _mm512_permutexvar_epi32(_mm512_setr_epi32(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 0, 0, 0, 0), v);
    else if (nv == 2)
        v = _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 2, 4, 6, 0, 0, 0, 0), v);
    else if (nv == 1)
        v = _mm512_permutexvar_epi32(_mm512_setr_epi32(0, 4, 8, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), v);
    _mm512_mask_storeu_epi8(y, keep, _mm512_min_epu8(_mm512_max_epu8(v, k->lo8), k->hi8));
}

static inline __attribute__((always_inline)) void epi512_store_s16(const int nv, const epi512_pack *k, const __m512i *q, uint8_t *y,
                                                                  __mmask64 keep)
{
    static const uint8_t order[5][16] = { /* quarters of 64 bits: 0 to 7 from the first two vectors, 8 to 15 from the others */
        { 0 }, { 0, 2, 4, 6 }, { 0, 1, 2, 3, 4, 5, 6, 7 }, { 0, 1, 8, 2, 3, 10, 4, 5, 12, 6, 7, 14 },
        { 0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15 } };
    __m512i front = epi512_clamp16(k, epi512_pair(k, q[0], q[nv > 1]));
    __m512i back = nv > 2 ? epi512_clamp16(k, epi512_pair(k, q[2], q[nv - 1])) : front;
    __m512i at0 = _mm512_cvtepu8_epi64(_mm_loadl_epi64((const __m128i *)order[nv]));
    __m512i at1 = _mm512_cvtepu8_epi64(_mm_loadl_epi64((const __m128i *)(order[nv] + 8)));
    _mm512_mask_storeu_epi16(y, (__mmask32)keep, _mm512_permutex2var_epi64(front, at0, back));
    if (nv > 2)
        _mm512_mask_storeu_epi16(y + 64, (__mmask32)(keep >> 32), _mm512_permutex2var_epi64(front, at1, back));
}

#endif
