/* SPDX-License-Identifier: Apache-2.0 */
/* arm.h: what the Arm kernels share: requantization in vectors of four, thresholds, what follows, and stores of a vector's first elements.
**
** (acc * m + 2^(s-1)) >> s of docs/NUMERICS.md. sqdmulh gives floor(acc * m / 2^31), and 2^(s-1) is a multiple of 2^31 from s = 32 on, so
** srshl by s - 31 rounds exactly as the definition does: EPI_HIGH. (sqrdmulh would round twice.) A smaller s needs the whole product,
** below 2^62: smull and a 64-bit srshl, which rounds before anything is cut off: EPI_FULL. */
#ifndef IT_KERN_ARM_H
#define IT_KERN_ARM_H

#include <arm_neon.h>
#include <string.h>

#include "run/kern/conv.h"

typedef enum epi_mode { EPI_HIGH, EPI_FULL, EPI_LEVELS /* thresholds instead */ } epi_mode;

/* What a channel with (m, s) asks for. m = 0 gives 0 at any shift. */
static inline epi_mode epi_mode_of(int32_t m, int32_t s) { return m == 0 || s >= 32 ? EPI_HIGH : EPI_FULL; }

/* 32-bit constants of a channel as packed: bias, multiplier, shift; or bias and thresholds. */
static inline uint32_t epi_words(const it_epi *e) { return e->levels_len ? e->levels_len : 3; }

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

/* n <= 8 bytes. */
static inline void store_bytes(uint8_t *y, uint8x8_t v, uint32_t n)
{
    if (n == 8)
        vst1_u8(y, v);
    else
        store_first(y, vcombine_u8(v, vdup_n_u8(0)), n);
}

/* n <= 8 codes of either type. */
static inline __attribute__((always_inline)) void store_codes(uint8_t *y, int16x8_t v, uint32_t n, const bool wide)
{
    if (wide && n == 8)
        vst1q_s16((int16_t *)y, v);
    else if (wide)
        store_first(y, vreinterpretq_u8_s16(v), 2 * n);
    else
        store_bytes(y, vqmovun_s16(v), n);
}

/* Levels by number: tbl reads 16 of them. */
static inline uint8x16_t epi_table(const it_epi *e)
{
    uint8_t all[IT_LEVELS_MAX] = { 0 };
    memcpy(all, e->levels, e->levels_len);
    return vld1q_u8(all);
}

/* Eight sums to levels. t, u: thresholds of the first and the second four, those of a step `pitch` from the step's before. A comparison
** gives -1. */
static inline uint8x8_t epi_levels(int32x4_t a, int32x4_t b, const int32_t *t, const int32_t *u, size_t pitch, uint32_t steps,
                                   uint8x16_t table)
{
    uint32x4_t low = vdupq_n_u32(0), high = low;
    for (uint32_t k = 0; k < steps; k++, t += pitch, u += pitch) {
        low = vsubq_u32(low, vcgeq_s32(a, vld1q_s32(t)));
        high = vsubq_u32(high, vcgeq_s32(b, vld1q_s32(u)));
    }
    return vqtbl1_u8(table, vmovn_u16(vmovn_high_u32(vmovn_u32(low), high)));
}

/* Rows of n bytes, each behind the one before or apart. */
static inline void copy_apart(uint8_t *to, size_t to_pitch, const uint8_t *from, size_t from_pitch, size_t rows, size_t n)
{
    if (to_pitch == n && from_pitch == n)
        memcpy(to, from, rows * n);
    else if (n == 16)
        for (; rows > 0; rows--, to += to_pitch, from += from_pitch)
            vst1q_u8(to, vld1q_u8(from));
    else
        for (; rows > 0; rows--, to += to_pitch, from += from_pitch)
            memcpy(to, from, n);
}

/* add and lut: px rows of n codes that lie together at q become the outputs. room: as large as they. */
static inline void epi_finish(const it_epi *e, uint8_t *q, uint8_t *room, size_t px, size_t n, const uint8_t *other, size_t other_pitch,
                              uint8_t *y, size_t y_pitch)
{
    if (e->add) {
        copy_apart(room, n, other, other_pitch, px, n);
        it_kern_add_u8_neon(q, room, q, px * n, e->add);
    }
    if (e->lut)
        it_kern_lut_u8_neon(q, q, px * n, e->lut);
    copy_apart(y, y_pitch, q, n, px, n);
}

#endif
