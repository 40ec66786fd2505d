/* SPDX-License-Identifier: Apache-2.0 */
/* x86.h: what the x86 convolutions share: the order of channels in lanes, how shifts are packed, and copies that widen u8 to s16. */
#ifndef IT_KERN_X86_H
#define IT_KERN_X86_H

#include <string.h>

#include "run/kern/conv.h"

/* The four bytes at p. */
static inline int32_t load_four(const uint8_t *p)
{
    int32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* Which of a panel's channels stands in a lane: the order in which packing 32-bit lanes to bytes leaves channels in sequence within a
** 128-bit block. */
static inline uint32_t panel_channel(uint32_t vecs, uint32_t vec, uint32_t lane) { return lane / 4 * vecs * 4 + vec * 4 + lane % 4; }

/* How the accumulators of a panel (or block) become codes. The high half of acc * m is enough for s >= 33. A smaller s is lifted to 33 by
** (acc << k) * m with k = 33 - s, equal as long as |acc| << k < 2^31, which pack knows from the weights; else all 64 bits are needed. */
typedef enum epi_mode {
    EPI_HIGH,
    EPI_LIFTED,
    EPI_FULL,
    EPI_CODES,       /* avx512vnni convolutions to u8: EPI_HIGH rounded in 16 bits (tile_avx512.h), */
    EPI_CODES_NARROW, /* and where no shift is above 39 */
    EPI_LEVELS        /* thresholds are counted */
} epi_mode;

static inline epi_mode epi_mode_of(int64_t acc_max, int32_t s)
{
    return s >= 33 ? EPI_HIGH : s > 2 && acc_max < ((int64_t)1 << 31) >> (33 - s) ? EPI_LIFTED : EPI_FULL;
}

/* A channel's shift as packed: s, in a lifted panel max(s, 33) and k above it. */
static inline int32_t epi_shift(epi_mode panel, int32_t s) { return panel == EPI_LIFTED && s < 33 ? 33 | (33 - s) << 8 : s; }

/* |bias| + x_max * sum |w|, w in steps of stride. */
static inline int64_t epi_acc_max(int32_t bias, uint32_t x_bytes_in, const int8_t *w, size_t len, size_t stride)
{
    int64_t sum = 0;
    for (size_t k = 0; k < len; k++)
        sum += w[k * stride] < 0 ? -w[k * stride] : w[k * stride];
    return (bias < 0 ? -(int64_t)bias : bias) + sum * (x_bytes_in == 1 ? 255 : 32768);
}

/* What the fixes of channel o may add to that. */
static inline int64_t epi_fix_max(const it_conv_geom *g, size_t o, uint32_t x_bytes_in)
{
    return (int64_t)it_fix_sum(g, o) * (x_bytes_in == 1 ? 255 : 32768);
}

/* n elements of in_bytes to elements of x_bytes: equal, or 1 and 2. */
static inline void copy_in(uint8_t *dst, const uint8_t *src, size_t n, uint32_t in_bytes, uint32_t x_bytes)
{
    if (in_bytes == x_bytes)
        memcpy(dst, src, n * x_bytes);
    else
        for (size_t i = 0; i < n; i++)
            ((int16_t *)dst)[i] = src[i];
}

static inline void fill_zero(uint8_t *dst, int32_t zero, size_t n, uint32_t x_bytes)
{
    if (x_bytes == 1)
        memset(dst, zero, n);
    else
        for (size_t i = 0; i < n; i++)
            ((int16_t *)dst)[i] = (int16_t)zero;
}

#endif
