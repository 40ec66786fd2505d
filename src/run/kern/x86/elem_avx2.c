/* SPDX-License-Identifier: Apache-2.0 */
/* elem_avx2: elementwise kernels on 32 codes at once; the reference does the tails. */
#include "run/kern/x86/elem.h"
#include "run/kern/x86/epi_avx2.h"

static inline __m256i load(const uint8_t *p) { return _mm256_loadu_si256((const __m256i *)p); }
static inline void store(uint8_t *p, __m256i v) { _mm256_storeu_si256((__m256i *)p, v); }

/* 8 pairs (a, b) of s16 to 8 sums before the zero point. */
static inline __m256i add_pairs(__m256i ab, const add_digits *d)
{
    __m256i low = _mm256_add_epi32(_mm256_madd_epi16(ab, _mm256_set1_epi32(d->low)), _mm256_set1_epi32(d->c_low));
    __m256i v = _mm256_srai_epi32(low, 16);
    if (!d->folded)
        v = _mm256_add_epi32(v, _mm256_set1_epi32(d->c_high));
    v = _mm256_add_epi32(v, _mm256_madd_epi16(ab, _mm256_set1_epi32(d->high)));
    return _mm256_srav_epi32(v, _mm256_set1_epi32(d->shift));
}

typedef struct finish { __m256i zero16, lo8, hi8; } finish;

/* Four vectors of eight in the order of two unpacks to 32 codes. */
static inline __m256i codes(const finish *f, __m256i q0, __m256i q1, __m256i q2, __m256i q3)
{
    __m256i front = _mm256_adds_epi16(_mm256_packs_epi32(q0, q1), f->zero16);
    __m256i back = _mm256_adds_epi16(_mm256_packs_epi32(q2, q3), f->zero16);
    return _mm256_min_epu8(_mm256_max_epu8(_mm256_packus_epi16(front, back), f->lo8), f->hi8);
}

static inline finish finish_of(int32_t zero, int32_t lo, int32_t hi)
{
    return (finish){ _mm256_set1_epi16((int16_t)zero), _mm256_set1_epi8((char)lo), _mm256_set1_epi8((char)hi) };
}

void it_kern_add_u8_avx2(const uint8_t *a, const uint8_t *b, uint8_t *y, size_t n, const it_add_consts *k)
{
    add_digits d = add_digits_of(k);
    finish f = finish_of(d.zero, k->lo, k->hi);
    const __m256i none = _mm256_setzero_si256();
    size_t i = 0;
    for (; d.fits && i + 32 <= n; i += 32) {
        __m256i va = load(a + i), vb = load(b + i), ab0 = _mm256_unpacklo_epi8(va, vb), ab1 = _mm256_unpackhi_epi8(va, vb);
        __m256i q0 = add_pairs(_mm256_unpacklo_epi8(ab0, none), &d), q1 = add_pairs(_mm256_unpackhi_epi8(ab0, none), &d);
        __m256i q2 = add_pairs(_mm256_unpacklo_epi8(ab1, none), &d), q3 = add_pairs(_mm256_unpackhi_epi8(ab1, none), &d);
        store(y + i, codes(&f, q0, q1, q2, q3));
    }
    it_kern_add_u8_ref(a + i, b + i, y + i, n - i, k);
}

void it_kern_mul_u8_avx2(const uint8_t *a, const uint8_t *b, uint8_t *y, size_t n, const it_mul_consts *k)
{
    int32_t mult[8], shift[8];
    for (int j = 0; j < 8; j++) {
        mult[j] = k->mult;
        shift[j] = k->mult == 0 ? 33 : k->shift;
    }
    epi256 c = epi256_open(mult, shift);
    finish f = finish_of(k->z_y, k->lo, k->hi);
    const __m256i none = _mm256_setzero_si256(), z_a = _mm256_set1_epi16((int16_t)k->z_a), z_b = _mm256_set1_epi16((int16_t)k->z_b);
    size_t i = 0;
    for (; shift[0] >= 33 && i + 32 <= n; i += 32) {
        __m256i va = load(a + i), vb = load(b + i);
        __m256i a0 = _mm256_sub_epi16(_mm256_unpacklo_epi8(va, none), z_a), a1 = _mm256_sub_epi16(_mm256_unpackhi_epi8(va, none), z_a);
        __m256i b0 = _mm256_sub_epi16(_mm256_unpacklo_epi8(vb, none), z_b), b1 = _mm256_sub_epi16(_mm256_unpackhi_epi8(vb, none), z_b);
        __m256i l0 = _mm256_mullo_epi16(a0, b0), h0 = _mm256_mulhi_epi16(a0, b0);
        __m256i l1 = _mm256_mullo_epi16(a1, b1), h1 = _mm256_mulhi_epi16(a1, b1);
        __m256i q0 = epi256_high(_mm256_unpacklo_epi16(l0, h0), &c), q1 = epi256_high(_mm256_unpackhi_epi16(l0, h0), &c);
        __m256i q2 = epi256_high(_mm256_unpacklo_epi16(l1, h1), &c), q3 = epi256_high(_mm256_unpackhi_epi16(l1, h1), &c);
        store(y + i, codes(&f, q0, q1, q2, q3));
    }
    it_kern_mul_u8_ref(a + i, b + i, y + i, n - i, k);
}
