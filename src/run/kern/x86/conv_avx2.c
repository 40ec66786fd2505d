/* SPDX-License-Identifier: Apache-2.0 */
/* conv_avx2: u8 convolution and dense with vpmaddwd: exact, where vpmaddubsw would saturate. u8 is widened to s16 in scratch. */
#define V_DOT(acc, x, w) _mm256_add_epi32(acc, _mm256_madd_epi16(x, w))

#include "run/kern/x86/conv256.h"

static const tile_level level = { .lanes = VL, .granule = 2, .in_bytes = 1, .x_bytes = 2, .vec_max = 2, .const_words = 2,
                                  .px_max = { 0, 8, 6 }, .tiles = tiles, .epi = epi, .add = it_kern_add_u8_avx2, .lut = it_kern_lut_u8_ref,
                                  .levels = true, .channel = panel_channel };
CONV_DENSE_FUNCTIONS(u8, tile, level)

const it_kern_conv it_kern_conv_u8_avx2 = CONV_VERSION("conv_u8_avx2_6x16", u8_can, u8);
const it_kern_conv it_kern_dense_u8_avx2 = CONV_VERSION("dense_u8_avx2_6x16", u8_dense_can, u8);
