/* SPDX-License-Identifier: Apache-2.0 */
/* lut: the definition of the table lookup of 8-bit codes. */
#include "run/kern/kern_level.h"

void it_kern_lut_u8_ref(const uint8_t *x, uint8_t *y, size_t n, const uint8_t table[256])
{
    for (size_t i = 0; i < n; i++)
        y[i] = table[x[i]];
}
