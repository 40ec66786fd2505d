/* SPDX-License-Identifier: Apache-2.0 */
/* peak_avxvnni: the probe: twelve independent 256-bit vpdpbusd a turn. */
#include <immintrin.h>

#include "run/kern/kern_level.h"

enum { SUMS = 12, MACS = 32 };

uint64_t it_kern_peak_u8_avxvnni(uint32_t turns)
{
    __m256i x = _mm256_set1_epi32(0x5ac3914f), w = _mm256_set1_epi32((int32_t)0x9e3779b9), a = _mm256_setzero_si256();
    __m256i b = a, c = a, d = a, e = a, f = a, g = a, h = a, i = a, j = a, k = a, l = a;
#define DOT(n) "%{vex%} vpdpbusd %[w], %[x], %" #n "\n"
    for (uint32_t t = 0; t < turns; t++)
        __asm__ volatile(DOT(0) DOT(1) DOT(2) DOT(3) DOT(4) DOT(5) DOT(6) DOT(7) DOT(8) DOT(9) DOT(10) DOT(11)
                         : "+x"(a), "+x"(b), "+x"(c), "+x"(d), "+x"(e), "+x"(f), "+x"(g), "+x"(h), "+x"(i), "+x"(j), "+x"(k), "+x"(l)
                         : [x] "x"(x), [w] "x"(w));
#undef DOT
    return (uint64_t)turns * SUMS * MACS;
}
