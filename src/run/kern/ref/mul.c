/* SPDX-License-Identifier: Apache-2.0 */
/* mul: the definition of the quantized product. */
#include "run/kern/kern_level.h"

void it_kern_mul_u8_ref(const uint8_t *a, const uint8_t *b, uint8_t *y, size_t n, const it_mul_consts *k)
{
    for (size_t i = 0; i < n; i++) {
        int32_t product = (a[i] - k->z_a) * (b[i] - k->z_b); /* within +-255^2 */
        y[i] = (uint8_t)it_requant(product, k->mult, k->shift, k->z_y, k->lo, k->hi);
    }
}
