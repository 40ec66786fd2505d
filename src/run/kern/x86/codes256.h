/* SPDX-License-Identifier: Apache-2.0 */
/* codes256.h: what the 256-bit levels give codes_mac.h; V_DOT, V_SPLITS and V_WIDE are the level's own. */
#include <immintrin.h>
#include <stdint.h>

#include "run/kern/kern_level.h"

#define V __m256i
#define V_LANES 2
#define V_ZERO _mm256_setzero_si256()
#define V_LOAD(p) _mm256_loadu_si256((const __m256i *)(p))
#define V_STORE(p, v) _mm256_storeu_si256((__m256i *)(p), v)
#define V_AND(a, b) _mm256_and_si256(a, b)
#define V_NIBBLE_MASK _mm256_set1_epi8(15)
#define V_HIGH_NIBBLES(v) _mm256_and_si256(_mm256_srli_epi16(v, 4), _mm256_set1_epi8(15))
#define V_SHUFFLE(table, v) _mm256_shuffle_epi8(table, v)
#define V_SIXTEEN(p) _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(p)))
#define V_ADD(a, b) _mm256_add_epi32(a, b)
#define V_IN_REGISTER(v) "+x"(v)
#define V_REDUCE(a, b, c, d) reduce(a, b, c, d)

/* Lane l, place j: the sum of the four numbers in lane l of vector j. */
static inline V reduce(V a, V b, V c, V d)
{
    V ab = _mm256_add_epi32(_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
    V cd = _mm256_add_epi32(_mm256_unpacklo_epi32(c, d), _mm256_unpackhi_epi32(c, d));
    return _mm256_add_epi32(_mm256_unpacklo_epi64(ab, cd), _mm256_unpackhi_epi64(ab, cd));
}

/* consts: bias, mult, shift of the block; y: `channels` outputs. */
static inline void codes_store(const it_epi *e, V sums, const int32_t *consts, uint8_t *y, uint32_t channels)
{
    int32_t acc[8];
    V_STORE(acc, _mm256_add_epi32(sums, V_LOAD(consts)));
    for (uint32_t c = 0; c < channels; c++) {
        int32_t q = it_requant(acc[c], consts[8 + c], consts[16 + c], e->zero, e->lo, e->hi);
        if (e->out == INTACT_S16)
            ((int16_t *)y)[c] = (int16_t)q;
        else
            y[c] = (uint8_t)q;
    }
}
