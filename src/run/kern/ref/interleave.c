/* SPDX-License-Identifier: Apache-2.0 */
/* interleave: the definition of two runs of codes taken in turns (channel shuffles). */
#include "run/kern/kern_level.h"

void it_kern_interleave_u8_ref(const uint8_t *x, ptrdiff_t step, ptrdiff_t x_pitch, uint8_t *y, size_t rows, size_t n)
{
    for (size_t r = 0; r < rows; r++, y += 2 * n) {
        const uint8_t *a = x + (ptrdiff_t)r * x_pitch, *b = a + step;
        for (size_t i = 0; i < n; i++) {
            y[2 * i] = a[i];
            y[2 * i + 1] = b[i];
        }
    }
}
