/* SPDX-License-Identifier: Apache-2.0 */
/* conv_neondot: u8 convolution and dense with sdot by lane: four inputs x four channels an instruction. */
#include "run/kern/arm/tile.h"

#define X int8x16_t
#define X_STEPS 4
#define X_LOAD(p) vld1q_s8((const int8_t *)(p))
#define X_DUP(p) x_dup(p)
#define STEP_EACH STEP(0) STEP(1) STEP(2) STEP(3)
#define W int8x16_t
#define W_LOAD(p) vld1q_s8((const int8_t *)(p))
#define W_QUARTERS 1
#define MAC_0(acc, x, lane) vdotq_laneq_s32(acc, w0, x, lane)
#define MAC_1(acc, x, lane) vdotq_laneq_s32(acc, w1, x, lane)
#define MAC_2(acc, x, lane) vdotq_laneq_s32(acc, w2, x, lane)
#define MAC_3(acc, x, lane) vdotq_laneq_s32(acc, w3, x, lane)

static inline int8x16_t x_dup(const uint8_t *p)
{
    int32_t v;
    memcpy(&v, p, sizeof v);
    return vreinterpretq_s8_s32(vdupq_n_s32(v));
}

#include "run/kern/arm/tile_mac.h"

TILE(1, 1) TILE(2, 1) TILE(3, 1) TILE(4, 1) TILE(5, 1) TILE(6, 1) TILE(7, 1) TILE(8, 1)
TILE(1, 2) TILE(2, 2) TILE(3, 2) TILE(4, 2) TILE(5, 2) TILE(6, 2) TILE(7, 2) TILE(8, 2)
TILE(1, 3) TILE(2, 3) TILE(3, 3) TILE(4, 3) TILE(5, 3) TILE(6, 3)
TILE(1, 4) TILE(2, 4) TILE(3, 4) TILE(4, 4) TILE(5, 4) TILE(6, 4)

static tile_fn *const tiles[5][TILE_PX_MAX + 1] = {
    { NULL },
    { NULL, tile_1x1, tile_2x1, tile_3x1, tile_4x1, tile_5x1, tile_6x1, tile_7x1, tile_8x1 },
    { NULL, tile_1x2, tile_2x2, tile_3x2, tile_4x2, tile_5x2, tile_6x2, tile_7x2, tile_8x2 },
    { NULL, tile_1x3, tile_2x3, tile_3x3, tile_4x3, tile_5x3, tile_6x3 },
    { NULL, tile_1x4, tile_2x4, tile_3x4, tile_4x4, tile_5x4, tile_6x4 },
};

static const tile_level level = { .lanes = 4, .lane_bytes = 4, .granule = 4, .x_bytes = 1, .vec_max = 4, .px_max = { 0, 8, 8, 6, 6 },
                                  .tiles = tiles };
CONV_DENSE_FUNCTIONS(u8, tile, level)

const it_kern_conv it_kern_conv_u8_neondot = CONV_VERSION("conv_u8_neondot_6x16", u8_can, u8);
const it_kern_conv it_kern_dense_u8_neondot = CONV_VERSION("dense_u8_neondot_6x16", u8_dense_can, u8);
