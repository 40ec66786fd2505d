/* SPDX-License-Identifier: Apache-2.0 */
/* peak_neon: the probe: twelve independent smlal by lane a turn, as this level's convolutions multiply (4 products of s16 each). */
#include <arm_neon.h>

#include "run/kern/kern_level.h"

enum { SUMS = 12, MACS = 4 };

uint64_t it_kern_peak_u8_neon(uint32_t turns)
{
    int16x8_t x = vdupq_n_s16(195), w = vdupq_n_s16(-71);
    int32x4_t a = vdupq_n_s32(0), b = a, c = a, d = a, e = a, f = a, g = a, h = a, i = a, j = a, k = a, l = a;
#define MAC(n) "smlal %" #n ".4s, %[w].4h, %[x].h[0]\n"
    for (uint32_t t = 0; t < turns; t++)
        __asm__ volatile(MAC(0) MAC(1) MAC(2) MAC(3) MAC(4) MAC(5) MAC(6) MAC(7) MAC(8) MAC(9) MAC(10) MAC(11)
                         : "+w"(a), "+w"(b), "+w"(c), "+w"(d), "+w"(e), "+w"(f), "+w"(g), "+w"(h), "+w"(i), "+w"(j), "+w"(k), "+w"(l)
                         : [x] "x"(x), [w] "w"(w)); /* "x": only registers 0 to 15 have lanes of 16 bits to name */
#undef MAC
    return (uint64_t)turns * SUMS * MACS;
}
