/* SPDX-License-Identifier: Apache-2.0 */
/* peak: the plain form of the probe: four sums in general registers. */
#include "run/kern/kern_level.h"

uint64_t it_kern_peak_u8_ref(uint32_t turns)
{
    uint32_t x = 201, w = (uint32_t)-77, a = 0, b = 0, c = 0, d = 0;
    for (uint32_t i = 0; i < turns; i++) {
        __asm__ volatile("" : "+r"(x), "+r"(w)); /* or the compiler multiplies once */
        a += x * w;
        b += (x + 1) * w;
        c += x * (w + 1);
        d += (x + 1) * (w + 1);
    }
    __asm__ volatile("" : : "r"(a), "r"(b), "r"(c), "r"(d));
    return (uint64_t)turns * 4;
}
