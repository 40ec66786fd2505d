/* SPDX-License-Identifier: Apache-2.0 */
/* peak_neondot: the probe: twelve independent sdot by lane a turn. */
#include <arm_neon.h>

#include "run/kern/kern_level.h"

enum { SUMS = 12, MACS = 16 };

uint64_t it_kern_peak_u8_neondot(uint32_t turns)
{
    int8x16_t x = vdupq_n_s8(67), w = vdupq_n_s8(-71);
    int32x4_t a = vdupq_n_s32(0), b = a, c = a, d = a, e = a, f = a, g = a, h = a, i = a, j = a, k = a, l = a;
#define MAC(n) "sdot %" #n ".4s, %[w].16b, %[x].4b[0]\n"
    for (uint32_t t = 0; t < turns; t++)
        __asm__ volatile(MAC(0) MAC(1) MAC(2) MAC(3) MAC(4) MAC(5) MAC(6) MAC(7) MAC(8) MAC(9) MAC(10) MAC(11)
                         : "+w"(a), "+w"(b), "+w"(c), "+w"(d), "+w"(e), "+w"(f), "+w"(g), "+w"(h), "+w"(i), "+w"(j), "+w"(k), "+w"(l)
                         : [x] "w"(x), [w] "w"(w));
#undef MAC
    return (uint64_t)turns * SUMS * MACS;
}
