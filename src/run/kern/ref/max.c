/* SPDX-License-Identifier: Apache-2.0 */
/* max: the definition of the running maximum that max pooling is made of. */
#include "run/kern/kern_level.h"

void it_kern_max_u8_ref(const uint8_t *x, uint8_t *y, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] > y[i] ? x[i] : y[i];
}
