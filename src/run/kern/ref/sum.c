/* SPDX-License-Identifier: Apache-2.0 */
/* sum: the definition of the running sum that average pooling is made of. */
#include "run/kern/kern_level.h"

void it_kern_sum_u8_ref(const uint8_t *x, int32_t *acc, size_t n)
{
    for (size_t i = 0; i < n; i++)
        acc[i] += x[i];
}
