/* SPDX-License-Identifier: Apache-2.0 */
/* peak_avx512vnni: the probe: twelve independent 512-bit vpdpbusd a turn, more than two units of five cycles can hold. */
#include <immintrin.h>

#include "run/kern/kern_level.h"

enum { SUMS = 12, MACS = 64 };

uint64_t it_kern_peak_u8_avx512vnni(uint32_t turns)
{
    __m512i x = _mm512_set1_epi32(0x5ac3914f), w = _mm512_set1_epi32((int32_t)0x9e3779b9), a = _mm512_setzero_si512();
    __m512i b = a, c = a, d = a, e = a, f = a, g = a, h = a, i = a, j = a, k = a, l = a;
    for (uint32_t t = 0; t < turns; t++)
        __asm__ volatile("vpdpbusd %[w], %[x], %0\n vpdpbusd %[w], %[x], %1\n vpdpbusd %[w], %[x], %2\n vpdpbusd %[w], %[x], %3\n"
                         "vpdpbusd %[w], %[x], %4\n vpdpbusd %[w], %[x], %5\n vpdpbusd %[w], %[x], %6\n vpdpbusd %[w], %[x], %7\n"
                         "vpdpbusd %[w], %[x], %8\n vpdpbusd %[w], %[x], %9\n vpdpbusd %[w], %[x], %10\n vpdpbusd %[w], %[x], %11"
                         : "+v"(a), "+v"(b), "+v"(c), "+v"(d), "+v"(e), "+v"(f), "+v"(g), "+v"(h), "+v"(i), "+v"(j), "+v"(k), "+v"(l)
                         : [x] "v"(x), [w] "v"(w));
    return (uint64_t)turns * SUMS * MACS;
}
