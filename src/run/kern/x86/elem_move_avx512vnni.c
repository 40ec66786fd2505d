/* SPDX-License-Identifier: Apache-2.0 */
/* elem_move_avx512vnni: copies of rows and channel shuffles. */
#include "run/kern/x86/elem_avx512.h"

enum { LONG_ROW = 1024 }; /* from here on the library's memcpy is as good */

/* The rows by one or two moves of a vector type, the second of which may overlap the first. */
#define COPY_TWICE(wide, type, load, store) \
    do { \
        const size_t last = n - (wide); \
        if (last == 0) \
            for (; rows > 0; rows--, x += x_pitch, y += y_pitch) \
                store((type *)(void *)y, load((const type *)(const void *)x)); \
        else \
            for (; rows > 0; rows--, x += x_pitch, y += y_pitch) { \
                const type v0 = load((const type *)(const void *)x), v1 = load((const type *)(const void *)(x + last)); \
                store((type *)(void *)y, v0); \
                store((type *)(void *)(y + last), v1); \
            } \
    } while (0)

/* n >= 64; the last vector may overlap the one before it. */
static void copy_wide(const uint8_t *x, ptrdiff_t x_pitch, uint8_t *y, ptrdiff_t y_pitch, size_t rows, size_t n)
{
    for (; rows > 0; rows--, x += x_pitch, y += y_pitch) {
        const __m512i last = _mm512_loadu_si512(x + n - 64);
        for (size_t j = 0; j + 64 < n; j += 64)
            _mm512_storeu_si512(y + j, _mm512_loadu_si512(x + j));
        _mm512_storeu_si512(y + n - 64, last);
    }
}

void it_kern_copy_rows_u8_avx512vnni(const uint8_t *x, ptrdiff_t x_pitch, uint8_t *y, ptrdiff_t y_pitch, size_t rows, size_t n)
{
    if (rows == 0 || n == 0)
        return;
    if ((x_pitch == (ptrdiff_t)n && y_pitch == (ptrdiff_t)n) || rows == 1) {
        memcpy(y, x, rows * n);
    } else if (n < 16) {
        const __mmask16 keep = (__mmask16)first_of(n);
        for (; rows > 0; rows--, x += x_pitch, y += y_pitch)
            _mm_mask_storeu_epi8(y, keep, _mm_maskz_loadu_epi8(keep, x));
    } else if (n < 32) {
        COPY_TWICE(16, __m128i, _mm_loadu_si128, _mm_storeu_si128);
    } else if (n < 64) {
        COPY_TWICE(32, __m256i, _mm256_loadu_si256, _mm256_storeu_si256);
    } else if (n < LONG_ROW) {
        copy_wide(x, x_pitch, y, y_pitch, rows, n);
    } else {
        it_kern_copy_rows_u8_ref(x, x_pitch, y, y_pitch, rows, n);
    }
}

/* The first n <= 64 bytes of a and b in turns. */
static inline __attribute__((always_inline)) void interleave_vectors(__m512i a, __m512i b, uint8_t *y, size_t n)
{
    const __m512i front = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11), back = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
    const __m512i lo = _mm512_unpacklo_epi8(a, b), hi = _mm512_unpackhi_epi8(a, b);
    store_first(y, 2 * n, _mm512_permutex2var_epi64(lo, front, hi));
    if (n > 32)
        store_first(y + 64, 2 * n - 64, _mm512_permutex2var_epi64(lo, back, hi));
}

void it_kern_interleave_u8_avx512vnni(const uint8_t *x, ptrdiff_t step, ptrdiff_t x_pitch, uint8_t *y, size_t rows, size_t n)
{
    for (; rows > 0; rows--, x += x_pitch, y += 2 * n)
        for (size_t j = 0; j < n; j += 64) {
            const size_t some = n - j < 64 ? n - j : 64;
            interleave_vectors(load_first(x + j, some), load_first(x + step + (ptrdiff_t)j, some), y + 2 * j, some);
        }
}
