/* SPDX-License-Identifier: Apache-2.0 */
/* elem_move_avx2: copies of rows and channel shuffles; the last vector may overlap the one before it. */
#include <immintrin.h>
#include <string.h>

#include "run/kern/kern_level.h"

enum { LONG_ROW = 512 }; /* from here on the library's memcpy is as good */

static inline __m128i load16(const uint8_t *p) { return _mm_loadu_si128((const __m128i *)p); }
static inline void store16(uint8_t *p, __m128i v) { _mm_storeu_si128((__m128i *)p, v); }
static inline __m256i load32(const uint8_t *p) { return _mm256_loadu_si256((const __m256i *)p); }
static inline void store32(uint8_t *p, __m256i v) { _mm256_storeu_si256((__m256i *)p, v); }

void it_kern_copy_rows_u8_avx2(const uint8_t *x, ptrdiff_t x_pitch, uint8_t *y, ptrdiff_t y_pitch, size_t rows, size_t n)
{
    if (n < 16 || n >= LONG_ROW || rows <= 1 || (x_pitch == (ptrdiff_t)n && y_pitch == (ptrdiff_t)n)) {
        if (rows > 0 && x_pitch == (ptrdiff_t)n && y_pitch == (ptrdiff_t)n)
            memcpy(y, x, rows * n);
        else
            it_kern_copy_rows_u8_ref(x, x_pitch, y, y_pitch, rows, n);
    } else if (n < 32) {
        for (; rows > 0; rows--, x += x_pitch, y += y_pitch) {
            const __m128i last = load16(x + n - 16);
            store16(y, load16(x));
            store16(y + n - 16, last);
        }
    } else {
        for (; rows > 0; rows--, x += x_pitch, y += y_pitch) {
            const __m256i last = load32(x + n - 32);
            for (size_t j = 0; j + 32 < n; j += 32)
                store32(y + j, load32(x + j));
            store32(y + n - 32, last);
        }
    }
}

static inline void interleave16(const uint8_t *a, const uint8_t *b, uint8_t *y)
{
    store16(y, _mm_unpacklo_epi8(load16(a), load16(b)));
    store16(y + 16, _mm_unpackhi_epi8(load16(a), load16(b)));
}

static inline void interleave32(const uint8_t *a, const uint8_t *b, uint8_t *y)
{
    const __m256i lo = _mm256_unpacklo_epi8(load32(a), load32(b)), hi = _mm256_unpackhi_epi8(load32(a), load32(b));
    store32(y, _mm256_permute2x128_si256(lo, hi, 0x20));
    store32(y + 32, _mm256_permute2x128_si256(lo, hi, 0x31));
}

void it_kern_interleave_u8_avx2(const uint8_t *x, ptrdiff_t step, ptrdiff_t x_pitch, uint8_t *y, size_t rows, size_t n)
{
    if (n < 16) {
        it_kern_interleave_u8_ref(x, step, x_pitch, y, rows, n);
        return;
    }
    for (; rows > 0; rows--, x += x_pitch, y += 2 * n) {
        size_t j = 0;
        for (; j + 32 <= n; j += 32)
            interleave32(x + j, x + step + (ptrdiff_t)j, y + 2 * j);
        if (j < n && n >= 32)
            interleave32(x + n - 32, x + step + (ptrdiff_t)(n - 32), y + 2 * (n - 32));
        else if (j < n) {
            interleave16(x, x + step, y);
            interleave16(x + n - 16, x + step + (ptrdiff_t)(n - 16), y + 2 * (n - 16));
        }
    }
}
