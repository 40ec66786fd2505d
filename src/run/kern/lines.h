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

/* Finds the line of each b, proved on every a. False: one b has none. Takes a few ten microseconds. */
bool it_lines_find(const it_mul_consts *k, it_lines *lines);

#endif
