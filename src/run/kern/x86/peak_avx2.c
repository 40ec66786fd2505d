/* SPDX-License-Identifier: Apache-2.0 */
/* peak_avx2: the probe: six pairs of vpmaddwd and vpaddd a turn, as this level's convolutions multiply (16 products of s16 each). */
#include <immintrin.h>

#include "run/kern/kern_level.h"

enum { SUMS = 6, MACS = 16 };

uint64_t it_kern_peak_u8_avx2(uint32_t turns)
{
    __m256i x = _mm256_set1_epi32(0x00c3004f), w = _mm256_set1_epi32((int32_t)0xff9e0039), p = x, q = x, r = x;
    __m256i a = _mm256_setzero_si256(), b = a, c = a, d = a, e = a, f = a;
#define DOT(product, sum) "vpmaddwd %[w], %[x], %[" #product "]\n vpaddd %[" #product "], %" #sum ", %" #sum "\n"
    for (uint32_t t = 0; t < turns; t++)
        __asm__ volatile(DOT(p, 0) DOT(q, 1) DOT(r, 2) DOT(p, 3) DOT(q, 4) DOT(r, 5)
                         : "+x"(a), "+x"(b), "+x"(c), "+x"(d), "+x"(e), "+x"(f), [p] "+x"(p), [q] "+x"(q), [r] "+x"(r)
                         : [x] "x"(x), [w] "x"(w));
#undef DOT
    return (uint64_t)turns * SUMS * MACS;
}
