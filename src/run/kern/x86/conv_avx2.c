/* SPDX-License-Identifier: Apache-2.0 */
/* conv_avx2: u8 convolution and dense with vpmaddwd: exact, where vpmaddubsw would saturate. u8 is widened to s16 in scratch. */
#include <immintrin.h>

#include "run/kern/x86/epi_avx2.h"
#include "run/kern/x86/tile_run.h"

#define V __m256i
#define VL 8
#define V_LOAD(p) _mm256_loadu_si256((const __m256i *)(p))
#define V_STORE(p, v) _mm256_storeu_si256((__m256i *)(p), v)
#define V_BCAST(p) _mm256_set1_epi32(bcast_load(p))
#define V_DOT(acc, x, w) _mm256_add_epi32(acc, _mm256_madd_epi16(x, w))

static inline int32_t bcast_load(const uint8_t *p)
{
    int32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

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

static const tile_level level_u8 = { .lanes = VL, .granule = 2, .in_bytes = 1, .x_bytes = 2, .vec_max = 2, .const_words = 2,
                                     .px_max = { 0, 8, 6 }, .tiles = tiles, .epi = epi, .add = it_kern_add_u8_avx2, .lut = it_kern_lut_u8_ref,
                                     .levels = true, .channel = panel_channel };
TILE_KERN(u8, level_u8)

const it_kern_conv it_kern_conv_u8_avx2 = { "conv_u8_avx2_6x16", u8_can, u8_packed_bytes, u8_pack, u8_units, u8_scratch_bytes, u8_run };
const it_kern_conv it_kern_dense_u8_avx2 = { "dense_u8_avx2_6x16", u8_dense_can, u8_packed_bytes, u8_pack, u8_units, u8_scratch_bytes,
                                             u8_run };
