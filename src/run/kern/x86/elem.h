/* SPDX-License-Identifier: Apache-2.0 */
/* elem.h: the constants of the vector sum of two codes, which does 64-bit arithmetic in two 32-bit halves.
**
** v = a * m_a + b * m_b + c with c = 2^(s-1) - z_a * m_a - z_b * m_b, then v >> s. Each m is split into signed 16-bit digits
** (high * 2^16 + low), so that a pair (a, b) needs two dot products of s16 pairs:
**
**   low = a * low_a + b * low_b + c % 2^16            |low| <= 2 * 255 * 2^15 + 2^16 < 2^25
**   v >> 16 = a * high_a + b * high_b + (c >> 16) + (low >> 16)
**
** exact since shifts round down, and below 2^31 as long as s <= 47. Smaller than 17 or larger than 47, s is left to the reference, and
** so are multipliers whose high digit would be 2^15 (m > 0x7fff7fff).
**
** With t = s - 16 the constant is c >> 16 = q * 2^t + r, |r| <= 2^(t-1). Where t is 10 to 15 (s is about 30 for common scales), r * 2^16,
** at most 2^30, is added to the constant of low, and q to the zero point after packing to 16 bits: without it v >> 16 is below
** 2^24 + 2^14 + 2^10, hence v >> s below 2^15, and nothing saturates before q is added. That saves an addition in 32-bit lanes. */
#ifndef IT_KERN_X86_ELEM_H
#define IT_KERN_X86_ELEM_H

#include "run/kern/kern_level.h"

typedef struct add_digits {
    bool fits;
    int32_t low, high; /* s16 pairs: digits of m_a below those of m_b */
    int32_t c_low, c_high;
    int32_t shift;     /* s - 16 */
    bool folded;       /* r is in c_low, q in zero, and c_high not needed */
    int32_t zero;      /* z_y, plus q where folded */
} add_digits;

static inline int32_t pair_of(int32_t a, int32_t b) { return (int32_t)((uint32_t)(uint16_t)a | (uint32_t)(uint16_t)b << 16); }

static inline add_digits add_digits_of(const it_add_consts *k)
{
    add_digits d = { .fits = k->shift >= 17 && k->shift <= 47 && k->m_a <= 0x7fff7fff && k->m_b <= 0x7fff7fff };
    if (!d.fits)
        return d;
    int32_t low_a = (int16_t)k->m_a, low_b = (int16_t)k->m_b;
    int64_t c = ((int64_t)1 << (k->shift - 1)) - (int64_t)k->z_a * k->m_a - (int64_t)k->z_b * k->m_b;
    d.low = pair_of(low_a, low_b);
    d.high = pair_of((int32_t)(((int64_t)k->m_a - low_a) >> 16), (int32_t)(((int64_t)k->m_b - low_b) >> 16));
    d.c_low = (int32_t)(c & 0xffff);
    d.c_high = (int32_t)(c >> 16);
    d.shift = k->shift - 16;
    d.zero = k->z_y;
    if (d.shift >= 10 && d.shift <= 15) {
        const int32_t half = 1 << (d.shift - 1), q = (d.c_high + half) >> d.shift, r = d.c_high - q * (1 << d.shift);
        d.folded = q >= -16384 && q <= 16384; /* with the zero point: 16 bits */
        d.c_low += d.folded ? r * (1 << 16) : 0;
        d.zero += d.folded ? q : 0;
    }
    return d;
}

#endif
