/* SPDX-License-Identifier: Apache-2.0 */
/* arm.h: what the Arm kernels share: requantization in vectors of four, and stores of a vector's first elements.
**
** (acc * m + 2^(s-1)) >> s of docs/NUMERICS.md. sqdmulh gives floor(acc * m / 2^31), and 2^(s-1) is a multiple of 2^31 from s = 32 on, so
** srshl by s - 31 rounds exactly as the definition does: EPI_HIGH. (sqrdmulh would round twice.) A smaller s needs the whole product,
** below 2^62: smull and a 64-bit srshl, which rounds before anything is cut off: EPI_FULL. */
#ifndef IT_KERN_ARM_H
#define IT_KERN_ARM_H

#include <arm_neon.h>
#include <string.h>

#include "run/kern/kern_level.h"

typedef enum epi_mode { EPI_HIGH, EPI_FULL } epi_mode;

/* What a channel with (m, s) asks for. m = 0 gives 0 at any shift. */
static inline epi_mode epi_mode_of(int32_t m, int32_t s) { return m == 0 || s >= 32 ? EPI_HIGH : EPI_FULL; }

/* The count for srshl, which shifts right where it is negative. */
static inline int32_t epi_shift(epi_mode mode, int32_t m, int32_t s) { return m == 0 ? -1 : mode == EPI_HIGH ? 31 - s : -s; }

/* mode is a constant after inlining. */
static inline __attribute__((always_inline)) int32x4_t epi_scale(const epi_mode mode, int32x4_t acc, int32x4_t m, int32x4_t shift)
{
    if (mode == EPI_HIGH)
        return vrshlq_s32(vqdmulhq_s32(acc, m), shift);
    int64x2_t low = vrshlq_s64(vmull_s32(vget_low_s32(acc), vget_low_s32(m)), vmovl_s32(vget_low_s32(shift)));
    int64x2_t high = vrshlq_s64(vmull_high_s32(acc, m), vmovl_high_s32(shift));
    return vqmovn_high_s64(vqmovn_s64(low), high);
}

typedef struct epi_pack { int16x8_t zero, lo, hi; } epi_pack;

static inline epi_pack epi_pack_of(int32_t zero, int32_t lo, int32_t hi)
{
    return (epi_pack){ vdupq_n_s16((int16_t)zero), vdupq_n_s16((int16_t)lo), vdupq_n_s16((int16_t)hi) };
}

/* Eight scaled sums to codes. Saturation to 16 bits comes before the zero point: u8 codes are far inside, s16 codes have zero point 0. */
static inline int16x8_t epi_codes(const epi_pack *k, int32x4_t a, int32x4_t b)
{
    int16x8_t v = vqaddq_s16(vqmovn_high_s32(vqmovn_s32(a), b), k->zero);
    return vminq_s16(vmaxq_s16(v, k->lo), k->hi);
}

/* The first n < 16 bytes of v. */
static inline void store_first(uint8_t *y, uint8x16_t v, uint32_t n)
{
    if (n & 8) {
        vst1_u8(y, vget_low_u8(v));
        y += 8;
        v = vextq_u8(v, v, 8);
    }
    if (n & 4) {
        uint32_t four = vgetq_lane_u32(vreinterpretq_u32_u8(v), 0);
        memcpy(y, &four, sizeof four);
        y += 4;
        v = vextq_u8(v, v, 4);
    }
    if (n & 2) {
        uint16_t two = vgetq_lane_u16(vreinterpretq_u16_u8(v), 0);
        memcpy(y, &two, sizeof two);
        y += 2;
        v = vextq_u8(v, v, 2);
    }
    if (n & 1)
        vst1q_lane_u8(y, v, 0);
}

/* n <= 8 codes of either type. */
static inline __attribute__((always_inline)) void store_codes(uint8_t *y, int16x8_t v, uint32_t n, const bool wide)
{
    if (wide && n == 8)
        vst1q_s16((int16_t *)y, v);
    else if (wide)
        store_first(y, vreinterpretq_u8_s16(v), 2 * n);
    else if (n == 8)
        vst1_u8(y, vqmovun_s16(v));
    else
        store_first(y, vcombine_u8(vqmovun_s16(v), vdup_n_u8(0)), n);
}

#endif
