/* SPDX-License-Identifier: Apache-2.0 */
/* conv_neon: u8 convolution and dense with smlal by lane on inputs and weights widened to s16: exact, one input x four channels an
** instruction. */
#include "run/kern/arm/tile.h"

#define X int16x8_t
#define X_STEPS 8
#define X_LOAD(p) vld1q_s16((const int16_t *)(p))
#define X_DUP(p) vld1q_dup_s16((const int16_t *)(p))
#define STEP_EACH STEP(0) STEP(1) STEP(2) STEP(3) STEP(4) STEP(5) STEP(6) STEP(7)
#define W int16x8_t
#define W_LOAD(p) vld1q_s16((const int16_t *)(p))
#define W_QUARTERS 2
#define MAC_0(acc, x, lane) vmlal_laneq_s16(acc, vget_low_s16(w0), x, lane)
#define MAC_1(acc, x, lane) vmlal_high_laneq_s16(acc, w0, x, lane)
#define MAC_2(acc, x, lane) vmlal_laneq_s16(acc, vget_low_s16(w2), x, lane)
#define MAC_3(acc, x, lane) vmlal_high_laneq_s16(acc, w2, x, lane)

#include "run/kern/arm/tile_mac.h"

TILE(1, 2) TILE(2, 2) TILE(3, 2) TILE(4, 2) TILE(5, 2) TILE(6, 2) TILE(7, 2) TILE(8, 2)
TILE(1, 4) TILE(2, 4) TILE(3, 4) TILE(4, 4) TILE(5, 4) TILE(6, 4)

static tile_fn *const tiles[3][TILE_PX_MAX + 1] = {
    { NULL },
    { NULL, tile_1x2, tile_2x2, tile_3x2, tile_4x2, tile_5x2, tile_6x2, tile_7x2, tile_8x2 },
    { NULL, tile_1x4, tile_2x4, tile_3x4, tile_4x4, tile_5x4, tile_6x4 },
};

static const tile_level level = { .lanes = 8, .lane_bytes = 2, .granule = 1, .x_bytes = 2, .vec_max = 2, .px_max = { 0, 8, 6 },
                                  .tiles = tiles };
CONV_DENSE_FUNCTIONS(u8, tile, level)

const it_kern_conv it_kern_conv_u8_neon = CONV_VERSION("conv_u8_neon_6x16", u8_can, u8);
const it_kern_conv it_kern_dense_u8_neon = CONV_VERSION("dense_u8_neon_6x16", u8_dense_can, u8);
