/* SPDX-License-Identifier: Apache-2.0 */
/* copy_rows: the definition of the copy of many rows (slices, padding). */
#include <string.h>

#include "run/kern/kern_level.h"

void it_kern_copy_rows_u8_ref(const uint8_t *x, ptrdiff_t x_pitch, uint8_t *y, ptrdiff_t y_pitch, size_t rows, size_t n)
{
    for (size_t r = 0; r < rows; r++)
        memcpy(y + (ptrdiff_t)r * y_pitch, x + (ptrdiff_t)r * x_pitch, n);
}
