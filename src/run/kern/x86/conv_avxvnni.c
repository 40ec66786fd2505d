/* SPDX-License-Identifier: Apache-2.0 */
/* conv_avxvnni: u8 convolution and dense with the VEX form of vpdpbusd on 256-bit vectors. */
#define V_DOT(acc, x, w) _mm256_dpbusd_avx_epi32(acc, x, w)

#include "run/kern/x86/conv256.h"

static const tile_level level = { .lanes = VL, .granule = 4, .in_bytes = 1, .x_bytes = 1, .vec_max = 2, .const_words = 2,
                                  .px_max = { 0, 8, 6 }, .tiles = tiles, .fix = tile_fix_px, .epi = epi, .add = it_kern_add_u8_avx2,
                                  .lut = it_kern_lut_u8_ref, .levels = true, .channel = panel_channel };
CONV_DENSE_FUNCTIONS(u8, tile, level)

const it_kern_conv it_kern_conv_u8_avxvnni = CONV_VERSION("conv_u8_avxvnni_6x16", u8_can, u8);
const it_kern_conv it_kern_dense_u8_avxvnni = CONV_VERSION("dense_u8_avxvnni_6x16", u8_dense_can, u8);
