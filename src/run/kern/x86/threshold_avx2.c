/* SPDX-License-Identifier: Apache-2.0 */
/* threshold_avx2: thresholds counted for 32 channels at once, row after row; the reference does what is left of a row. */
#include <immintrin.h>

#include "run/kern/kern_level.h"

typedef struct sixteens { __m256i a, b; } sixteens;

static inline __m256i load(const void *p) { return _mm256_loadu_si256((const __m256i *)p); }

/* over: of these channels. -1 for each step that is passed. */
static inline __m256i levels_of(sixteens x, const int16_t *over, size_t pitch, uint32_t len, __m256i levels)
{
    __m256i a = _mm256_setzero_si256(), b = a;
    for (uint32_t i = 0; i < len; i++, over += pitch) {
        a = _mm256_add_epi16(a, _mm256_cmpgt_epi16(x.a, load(over)));
        b = _mm256_add_epi16(b, _mm256_cmpgt_epi16(x.b, load(over + 16)));
    }
    __m256i passed = _mm256_permute4x64_epi64(_mm256_packs_epi16(a, b), 0xd8);
    return _mm256_shuffle_epi8(levels, _mm256_sub_epi8(_mm256_setzero_si256(), passed));
}

static inline __m256i table(const it_steps *k) { return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)k->levels)); }

void it_kern_threshold_u8_avx2(const uint8_t *x, uint8_t *y, size_t rows, size_t n, const it_steps *k)
{
    const __m256i levels = table(k);
    size_t c = 0;
    for (; c + 32 <= n; c += 32)
        for (size_t at = c; at < rows * n; at += n) {
            sixteens v = { _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(x + at))),
                           _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(x + at + 16))) };
            _mm256_storeu_si256((__m256i *)(y + at), levels_of(v, k->over + c, k->pitch, k->len, levels));
        }
    it_steps rest = *k;
    rest.over += c;
    for (size_t r = 0; c < n && r < rows; r++)
        it_kern_threshold_u8_ref(x + r * n + c, y + r * n + c, 1, n - c, &rest);
}

void it_kern_threshold_s16_avx2(const int16_t *x, uint8_t *y, size_t rows, size_t n, const it_steps *k)
{
    const __m256i levels = table(k);
    size_t c = 0;
    for (; c + 32 <= n; c += 32)
        for (size_t at = c; at < rows * n; at += n) {
            sixteens v = { load(x + at), load(x + at + 16) };
            _mm256_storeu_si256((__m256i *)(y + at), levels_of(v, k->over + c, k->pitch, k->len, levels));
        }
    it_steps rest = *k;
    rest.over += c;
    for (size_t r = 0; c < n && r < rows; r++)
        it_kern_threshold_s16_ref(x + r * n + c, y + r * n + c, 1, n - c, &rest);
}
