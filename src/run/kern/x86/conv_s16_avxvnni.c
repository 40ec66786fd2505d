/* SPDX-License-Identifier: Apache-2.0 */
/* conv_s16_avxvnni: convolution and dense of 16-bit inputs in two planes of bytes (tile16.h), each with vpdpbusd on 256-bit vectors. */
#include "run/kern/x86/tile16_avx2.h"

#define V __m256i
#define VL 8
#define PLANES 2
#define V_ZERO _mm256_setzero_si256()
#define V_STORE(p, v) _mm256_store_si256((__m256i *)(p), v)
#define V_BCAST(p) _mm256_set1_epi32(load_four(p))
#define V_WEIGHT(p) _mm256_loadu_si256((const __m256i *)(p))
#define V_WEIGHT_BYTES 32
#define V_DOT(acc, x, w) dot(acc, x, w)

/* As an intrinsic, gcc 12 moves accumulators between registers, and to memory. */
static inline __attribute__((always_inline)) __m256i dot(__m256i acc, __m256i x, __m256i w)
{
    __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(acc) : "x"(x), "x"(w));
    return acc;
}

#include "run/kern/x86/mac16.h"

TILE16(1, 1) TILE16(2, 1) TILE16(3, 1) TILE16(4, 1) TILE16(5, 1) TILE16(6, 1)
TILE16(1, 2) TILE16(2, 2) TILE16(3, 2)
TILE16(1, 3) TILE16(2, 3) TILE16_HALVES(3, 3, 2)
TILE16(1, 4) TILE16_HALVES(2, 4, 2) TILE16_HALVES(3, 4, 2)

static tile16_fn *const tiles[TILE16_VEC_MAX + 1][TILE16_PX_MAX + 1] = {
    { NULL },
    { NULL, tile16_1x1, tile16_2x1, tile16_3x1, tile16_4x1, tile16_5x1, tile16_6x1 },
    { NULL, tile16_1x2, tile16_2x2, tile16_3x2 },
    { NULL, tile16_1x3, tile16_2x3, tile16_3x3 },
    { NULL, tile16_1x4, tile16_2x4, tile16_3x4 },
};

static void copy(uint8_t *dst, size_t plane, const int16_t *x, size_t n)
{
    const __m256i low = _mm256_set1_epi16(0xff), sign = _mm256_set1_epi8((char)0x80);
    size_t i = 0;
    for (; i + 32 <= n; i += 32) {
        __m256i a = tile16_load(x + i), b = tile16_load(x + i + 16);
        __m256i l = _mm256_packus_epi16(_mm256_and_si256(a, low), _mm256_and_si256(b, low));
        __m256i h = _mm256_packus_epi16(_mm256_srli_epi16(a, 8), _mm256_srli_epi16(b, 8));
        _mm256_storeu_si256((__m256i *)(dst + i), _mm256_permute4x64_epi64(l, 0xd8));
        _mm256_storeu_si256((__m256i *)(dst + plane + i), _mm256_xor_si256(_mm256_permute4x64_epi64(h, 0xd8), sign));
    }
    for (; i < n; i++) {
        dst[i] = (uint8_t)x[i];
        dst[plane + i] = (uint8_t)((uint16_t)x[i] >> 8 ^ 0x80);
    }
}

static void codes32(const int32_t *acc, const tile16_out *o, uint32_t px, uint8_t *y) { tile16_codes32(2, 8, acc, o, px, y); }
static void codes64(const int32_t *acc, const tile16_out *o, uint32_t px, uint8_t *y) { tile16_codes64(8, acc, o, px, y); }

static const tile16_level level = { .lanes = VL, .granule = 4, .planes = 2, .split = 8, .px_max = { 0, 6, 3, 3, 3 }, .tiles = tiles,
                                    .copy = copy, .codes32 = codes32, .codes64 = codes64, .add = it_kern_add_u8_avx2,
                                    .lut = it_kern_lut_u8_ref };
TILE16_KERNS(avxvnni, "avxvnni_3x16", level)
