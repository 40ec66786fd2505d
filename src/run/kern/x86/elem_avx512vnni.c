/* SPDX-License-Identifier: Apache-2.0 */
/* elem_avx512vnni: elementwise kernels on 64 codes at once; tails are masked. */
#include "run/kern/x86/elem.h"
#include "run/kern/x86/elem_avx512.h"
#include "run/kern/x86/epi_avx512.h"

typedef struct add_vectors { __m512i low, high, c_low, c_high, shift, zero16, lo, hi; } add_vectors;

/* 16 pairs (a, b) of s16 to 16 sums before the zero point. */
static inline __attribute__((always_inline)) __m512i add_pairs(const bool folded, __m512i ab, const add_vectors *d)
{
    __m512i v = _mm512_srai_epi32(_mm512_dpwssd_epi32(d->c_low, ab, d->low), 16);
    if (!folded)
        v = _mm512_add_epi32(v, d->c_high);
    return _mm512_srav_epi32(_mm512_dpwssd_epi32(v, ab, d->high), d->shift);
}

static inline __attribute__((always_inline)) __m512i add_codes(const bool folded, __m512i a, __m512i b, const add_vectors *d)
{
    const __m512i none = _mm512_setzero_si512(), ab0 = _mm512_unpacklo_epi8(a, b), ab1 = _mm512_unpackhi_epi8(a, b);
    __m512i q0 = add_pairs(folded, _mm512_unpacklo_epi8(ab0, none), d), q1 = add_pairs(folded, _mm512_unpackhi_epi8(ab0, none), d);
    __m512i q2 = add_pairs(folded, _mm512_unpacklo_epi8(ab1, none), d), q3 = add_pairs(folded, _mm512_unpackhi_epi8(ab1, none), d);
    q0 = _mm512_adds_epi16(_mm512_packs_epi32(q0, q1), d->zero16);
    q2 = _mm512_adds_epi16(_mm512_packs_epi32(q2, q3), d->zero16);
    return _mm512_min_epu8(_mm512_max_epu8(_mm512_packus_epi16(q0, q2), d->lo), d->hi);
}

static inline __attribute__((always_inline)) void add_all(const bool folded, const uint8_t *a, const uint8_t *b, uint8_t *y, size_t n,
                                                          const add_vectors *d)
{
    size_t i = 0;
    for (; i + 64 <= n; i += 64)
        _mm512_storeu_si512(y + i, add_codes(folded, _mm512_loadu_si512(a + i), _mm512_loadu_si512(b + i), d));
    if (i < n)
        store_first(y + i, n - i, add_codes(folded, load_first(a + i, n - i), load_first(b + i, n - i), d));
}

void it_kern_add_u8_avx512vnni(const uint8_t *a, const uint8_t *b, uint8_t *y, size_t n, const it_add_consts *k)
{
    const add_digits d = add_digits_of(k);
    if (!d.fits) {
        it_kern_add_u8_ref(a, b, y, n, k);
        return;
    }
    const add_vectors v = { _mm512_set1_epi32(d.low), _mm512_set1_epi32(d.high), _mm512_set1_epi32(d.c_low), _mm512_set1_epi32(d.c_high),
                            _mm512_set1_epi32(d.shift), _mm512_set1_epi16((int16_t)d.zero), _mm512_set1_epi8((char)k->lo),
                            _mm512_set1_epi8((char)k->hi) };
    if (d.folded)
        add_all(true, a, b, y, n, &v);
    else
        add_all(false, a, b, y, n, &v);
}

void it_kern_mul_u8_avx512vnni(const uint8_t *a, const uint8_t *b, uint8_t *y, size_t n, const it_mul_consts *k)
{
    int32_t mult[16], shift[16];
    for (int i = 0; i < 16; i++) {
        mult[i] = k->mult;
        shift[i] = k->mult == 0 ? 33 : k->shift;
    }
    if (shift[0] < 33) {
        it_kern_mul_u8_ref(a, b, y, n, k);
        return;
    }
    epi512 c = epi512_open(mult, shift);
    const __m512i none = _mm512_setzero_si512(), lo = _mm512_set1_epi8((char)k->lo), hi = _mm512_set1_epi8((char)k->hi);
    const __m512i z_a = _mm512_set1_epi16((int16_t)k->z_a), z_b = _mm512_set1_epi16((int16_t)k->z_b);
    epi512_pack pack = { .zero16 = _mm512_set1_epi16((int16_t)k->z_y) };
    for (size_t i = 0; i < n; i += 64) {
        __m512i va = load_first(a + i, n - i), vb = load_first(b + i, n - i);
        __m512i a0 = _mm512_sub_epi16(_mm512_unpacklo_epi8(va, none), z_a), a1 = _mm512_sub_epi16(_mm512_unpackhi_epi8(va, none), z_a);
        __m512i b0 = _mm512_sub_epi16(_mm512_unpacklo_epi8(vb, none), z_b), b1 = _mm512_sub_epi16(_mm512_unpackhi_epi8(vb, none), z_b);
        __m512i l0 = _mm512_mullo_epi16(a0, b0), h0 = _mm512_mulhi_epi16(a0, b0);
        __m512i l1 = _mm512_mullo_epi16(a1, b1), h1 = _mm512_mulhi_epi16(a1, b1);
        __m512i q0 = epi512_high(_mm512_unpacklo_epi16(l0, h0), &c), q1 = epi512_high(_mm512_unpackhi_epi16(l0, h0), &c);
        __m512i q2 = epi512_high(_mm512_unpacklo_epi16(l1, h1), &c), q3 = epi512_high(_mm512_unpackhi_epi16(l1, h1), &c);
        __m512i v = _mm512_packus_epi16(epi512_pair(&pack, q0, q1), epi512_pair(&pack, q2, q3));
        store_first(y + i, n - i, _mm512_min_epu8(_mm512_max_epu8(v, lo), hi));
    }
}

/* The table as 128 words; even and odd bytes of x in turn. A word is found by the upper seven bits of the code, its byte by the last. */
void it_kern_lut_u8_avx512vnni(const uint8_t *x, uint8_t *y, size_t n, const uint8_t table[256])
{
    const __m512i t0 = _mm512_loadu_si512(table), t1 = _mm512_loadu_si512(table + 64), t2 = _mm512_loadu_si512(table + 128);
    const __m512i t3 = _mm512_loadu_si512(table + 192), eight = _mm512_set1_epi16(8), low = _mm512_set1_epi16(0xff);
    for (size_t i = 0; i < n; i += 64) {
        __m512i v = load_first(x + i, n - i), even = _mm512_srli_epi16(_mm512_and_si512(v, low), 1), odd = _mm512_srli_epi16(v, 9);
        __m512i even8 = _mm512_and_si512(_mm512_slli_epi16(v, 3), eight), odd8 = _mm512_and_si512(_mm512_srli_epi16(v, 5), eight);
        __mmask32 even_far = _mm512_test_epi16_mask(v, _mm512_set1_epi16(0x80)), odd_far = _mm512_movepi16_mask(v);
        __m512i e = _mm512_permutex2var_epi16(t0, even, t1), o = _mm512_permutex2var_epi16(t0, odd, t1);
        e = _mm512_mask_mov_epi16(e, even_far, _mm512_permutex2var_epi16(t2, even, t3));
        o = _mm512_mask_mov_epi16(o, odd_far, _mm512_permutex2var_epi16(t2, odd, t3));
        e = _mm512_and_si512(_mm512_srlv_epi16(e, even8), low);
        o = _mm512_andnot_si512(low, _mm512_sllv_epi16(o, _mm512_sub_epi16(eight, odd8)));
        store_first(y + i, n - i, _mm512_or_si512(e, o));
    }
}
