/* SPDX-License-Identifier: Apache-2.0 */
/* conv256.h: u8 convolution and dense in 256-bit vectors: all but V_DOT, which the level's file defines before, and its tile_level. */
#include <immintrin.h>

#include "run/kern/x86/epi_avx2.h"
#include "run/kern/x86/tile_run.h"

#define V __m256i
#define VL 8
#define V_LOAD(p) _mm256_loadu_si256((const __m256i *)(p))
#define V_STORE(p, v) _mm256_storeu_si256((__m256i *)(p), v)
#define V_BCAST(p) _mm256_set1_epi32(load_four(p))
#define TILE_EDGES 0
#define TILE_LARGE 0

#include "run/kern/x86/tile_mac.h"

TILE(1, 1) TILE(2, 1) TILE(3, 1) TILE(4, 1) TILE(5, 1) TILE(6, 1) TILE(7, 1) TILE(8, 1)
TILE(1, 2) TILE(2, 2) TILE(3, 2) TILE(4, 2) TILE(5, 2) TILE(6, 2)

static tile_fn *const tiles[3][TILE_PX_MAX + 1] = {
    { NULL },
    { NULL, tile_1x1, tile_2x1, tile_3x1, tile_4x1, tile_5x1, tile_6x1, tile_7x1, tile_8x1 },
    { NULL, tile_1x2, tile_2x2, tile_3x2, tile_4x2, tile_5x2, tile_6x2 },
};

static void epi(const int32_t *acc, const tile_out *o, const void *state, uint32_t px, uint8_t *y)
{
    (void)state;
    epi256_tile(acc, o->consts, o->e, o->vecs, px, o->mode, y, o->pixel_bytes, o->channels);
}
