/* SPDX-License-Identifier: Apache-2.0 */
/* lines.h: products with a code that many elements share, as straight lines in 16-bit arithmetic. For a fixed b
**
**   z_y + (((a - z_a) * (b - z_b) * m + 2^(s-1)) >> s) = (sat16((((a - 128) * 256 + tail) * factor >> 16) + offset)) >> shift
**
** for every a, as far as the clamp lets codes be seen; saturation does not show, since 32767 >> 7 is 255 and -32768 >> 7 below 0. */
#ifndef IT_KERN_LINES_H
#define IT_KERN_LINES_H

#include "run/kern/kern.h"

struct it_lines { /* by b; words as low and high bytes */
    uint8_t factor_low[256], factor_high[256], offset_low[256], offset_high[256];
    uint8_t tail[256], shift[256]; /* shift: 2 to 7 */
};

/* The lines of n columns, in six tables `pitch` apart, in the order of the members of it_lines. */
static inline void it_lines_gather(const it_lines *l, const uint8_t *b, size_t n, size_t pitch, uint8_t *tables)
{
    for (size_t i = 0; i < n; i++) {
        tables[i] = l->factor_low[b[i]];
        tables[pitch + i] = l->factor_high[b[i]];
        tables[2 * pitch + i] = l->offset_low[b[i]];
        tables[3 * pitch + i] = l->offset_high[b[i]];
        tables[4 * pitch + i] = l->tail[b[i]];
        tables[5 * pitch + i] = l->shift[b[i]];
    }
}

/* Finds the line of each b, proved on every a. False: one b has none. Takes a few ten microseconds. */
bool it_lines_find(const it_mul_consts *k, it_lines *lines);

#endif
