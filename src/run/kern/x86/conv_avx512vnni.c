/* SPDX-License-Identifier: Apache-2.0 */
/* conv_avx512vnni: u8 convolution and dense with vpdpbusd on 512-bit vectors, tiles of up to 24 accumulators. */
#include <immintrin.h>

#include "run/kern/x86/dot512.h"
#include "run/kern/x86/fix_avx512.h"
#include "run/kern/x86/tile_avx512.h"
#include "run/kern/x86/tile_run.h"

#define V __m512i
#define VL 16
#define V_LOAD(p) _mm512_loadu_si512(p)
#define V_STORE(p, v) _mm512_storeu_si512(p, v)
#define V_BCAST(p) _mm512_set1_epi32(load_four(p))
#define V_DOT(acc, x, w) dot512(acc, x, w)
#define TILE_EDGES 1
#define TILE_LARGE 1

#include "run/kern/x86/tile_mac.h"

TILE(1, 1) TILE(2, 1) TILE(3, 1) TILE(4, 1) TILE(5, 1) TILE(6, 1) TILE(7, 1) TILE(8, 1)
TILE_TALL(9, 1) TILE_TALL(10, 1) TILE_TALL(11, 1) TILE_TALL(12, 1)
TILE_TALL(13, 1) TILE_TALL(14, 1) TILE_TALL(15, 1) TILE_TALL(16, 1)
TILE(1, 2) TILE(2, 2) TILE(3, 2) TILE(4, 2) TILE(5, 2) TILE(6, 2) TILE(7, 2) TILE(8, 2) TILE_TALL(9, 2) TILE_TALL(10, 2)
TILE(1, 3) TILE(2, 3) TILE(3, 3) TILE(4, 3) TILE(5, 3) TILE(6, 3) TILE(7, 3) TILE(8, 3)
TILE(1, 4) TILE(2, 4) TILE(3, 4) TILE(4, 4) TILE(5, 4) TILE(6, 4)
TILE_WIDE(1, 5) TILE_WIDE(2, 5) TILE_WIDE(3, 5) TILE_WIDE(4, 5)
TILE_WIDE(1, 6) TILE_WIDE(2, 6) TILE_WIDE(3, 6) TILE_WIDE(4, 6)
TILE_WIDE(1, 7) TILE_WIDE(2, 7) TILE_WIDE(3, 7)
TILE_WIDE(1, 9) TILE_WIDE(2, 9)

static tile_fn *const tiles[TILE_VEC_MAX + 1][TILE_PX_MAX + 1] = {
    { NULL },
    { NULL, tile_1x1, tile_2x1, tile_3x1, tile_4x1, tile_5x1, tile_6x1, tile_7x1, tile_8x1, tile_9x1, tile_10x1, tile_11x1, tile_12x1,
      tile_13x1, tile_14x1, tile_15x1, tile_16x1 },
    { NULL, tile_1x2, tile_2x2, tile_3x2, tile_4x2, tile_5x2, tile_6x2, tile_7x2, tile_8x2, tile_9x2, tile_10x2 },
    { NULL, tile_1x3, tile_2x3, tile_3x3, tile_4x3, tile_5x3, tile_6x3, tile_7x3, tile_8x3 },
    { NULL, tile_1x4, tile_2x4, tile_3x4, tile_4x4, tile_5x4, tile_6x4 },
    { NULL, tile_1x5, tile_2x5, tile_3x5, tile_4x5 },
    { NULL, tile_1x6, tile_2x6, tile_3x6, tile_4x6 },
    { NULL, tile_1x7, tile_2x7, tile_3x7 },
    { NULL },
    { NULL, tile_1x9, tile_2x9 },
};

static const tile_level level = { .lanes = VL, .granule = 4, .in_bytes = 1, .x_bytes = 1, .vec_max = 4, .wide_max = 9, .const_words = 3,
                                  .edges = true, .px_max = { 0, 16, 10, 8, 6, 4, 4, 3, 0, 2 }, .tiles = tiles, .fix = fix512, .open = codes_open,
                                  .epi = codes_epi, .fuses = codes_fuses, .add = it_kern_add_u8_avx512vnni,
                                  .lut = it_kern_lut_u8_avx512vnni, .levels = true, .channel = codes_channel, .finish = codes_finish };

CONV_DENSE_FUNCTIONS(conv_u8, tile, level)

const it_kern_conv it_kern_conv_u8_avx512vnni = CONV_VERSION("conv_u8_avx512vnni_6x64", conv_u8_can, conv_u8);
const it_kern_conv it_kern_dense_u8_avx512vnni = CONV_VERSION("dense_u8_avx512vnni_6x64", conv_u8_dense_can, conv_u8);
