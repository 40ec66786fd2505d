/* SPDX-License-Identifier: Apache-2.0 */
/* add: the definition of the quantized sum: both products and the rounding constant are added in 64 bits, then rounded once. */
#include "run/kern/kern_level.h"

void it_kern_add_u8_ref(const uint8_t *a, const uint8_t *b, uint8_t *y, size_t n, const it_add_consts *k)
{
    int64_t round = (int64_t)1 << (k->shift - 1);
    for (size_t i = 0; i < n; i++) {
        int64_t v = (int64_t)(a[i] - k->z_a) * k->m_a + (int64_t)(b[i] - k->z_b) * k->m_b; /* below 2^40 */
        y[i] = (uint8_t)it_clamp_s32(((v + round) >> k->shift) + k->z_y, k->lo, k->hi);
    }
}
