/* SPDX-License-Identifier: Apache-2.0 */
/* dot512.h: vpdpbusd for the inner loops. */
#ifndef IT_KERN_X86_DOT512_H
#define IT_KERN_X86_DOT512_H

#include <immintrin.h>

/* As an intrinsic, gcc 12 moves accumulators between registers, and to memory. */
static inline __attribute__((always_inline)) __m512i dot512(__m512i acc, __m512i x, __m512i w)
{
    __asm__("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(x), "v"(w));
    return acc;
}

#endif
