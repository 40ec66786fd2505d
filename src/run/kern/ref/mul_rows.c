/* SPDX-License-Identifier: Apache-2.0 */
/* mul_rows: the definition of the product of every row with one row (attention gates). */
#include "run/kern/kern_level.h"

void it_kern_mul_rows_u8_ref(const uint8_t *a, const uint8_t *b, uint8_t *y, size_t rows, size_t n, const it_mul_consts *k)
{
    for (size_t r = 0; r < rows; r++)
        it_kern_mul_u8_ref(a + r * n, b, y + r * n, n, k);
}
