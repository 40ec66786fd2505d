/* SPDX-License-Identifier: Apache-2.0 */
/* x86.h: what the x86 convolutions share: the order of channels in lanes, and copies that widen u8 to s16. */
#ifndef IT_KERN_X86_H
#define IT_KERN_X86_H

#include <string.h>

#include "run/kern/kern_level.h"

/* Which of a panel's channels stands in a lane: the order in which packing 32-bit lanes to bytes leaves channels in sequence within a
** 128-bit block. */
static inline uint32_t panel_channel(uint32_t vecs, uint32_t vec, uint32_t lane) { return lane / 4 * vecs * 4 + vec * 4 + lane % 4; }

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
