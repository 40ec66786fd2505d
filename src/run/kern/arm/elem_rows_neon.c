/* SPDX-License-Identifier: Apache-2.0 */
/* elem_rows_neon: elementwise kernels over rows, row by row. */
#include <string.h>

#include "run/kern/kern_level.h"

void it_kern_mul_rows_u8_neon(const uint8_t *a, const uint8_t *b, uint8_t *y, size_t rows, size_t n, const it_mul_consts *k)
{
    for (size_t r = 0; r < rows; r++)
        it_kern_mul_u8_neon(a + r * n, b, y + r * n, n, k);
}

void it_kern_sum_rows_u8_neon(const uint8_t *x, size_t pitch, size_t rows, int32_t *acc, size_t n)
{
    for (size_t r = 0; r < rows; r++)
        it_kern_sum_u8_neon(x + r * pitch, acc, n);
}

void it_kern_max_taps_u8_neon(const uint8_t *x, size_t step, size_t tap_step, uint32_t taps, uint8_t *y, size_t outs, size_t n)
{
    for (size_t o = 0; o < outs; o++, x += step, y += n) {
        memcpy(y, x, n);
        for (uint32_t k = 1; k < taps; k++)
            it_kern_max_u8_neon(x + k * tap_step, y, n);
    }
}
