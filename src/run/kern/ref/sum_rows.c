/* SPDX-License-Identifier: Apache-2.0 */
/* sum_rows: the definition of the sum of many rows that average pooling is made of. */
#include "run/kern/kern_level.h"

void it_kern_sum_rows_u8_ref(const uint8_t *x, size_t pitch, size_t rows, int32_t *acc, size_t n)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < n; i++)
            acc[i] += x[r * pitch + i];
}
