/* SPDX-License-Identifier: Apache-2.0 */
/* requant: the definition of sums that become codes with one multiplier (average pooling). */
#include "run/kern/kern_level.h"

void it_kern_requant_s32_ref(const int32_t *x, void *y, size_t n, const it_requant_consts *k)
{
    for (size_t i = 0; i < n; i++) {
        const int32_t q = it_requant((int64_t)x[i] - k->z_x, k->mult, k->shift, k->z_y, k->lo, k->hi);
        if (k->y == INTACT_S16)
            ((int16_t *)y)[i] = (int16_t)q;
        else
            ((uint8_t *)y)[i] = (uint8_t)q;
    }
}
