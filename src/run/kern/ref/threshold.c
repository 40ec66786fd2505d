/* SPDX-License-Identifier: Apache-2.0 */
/* threshold: the definition of counting the thresholds that a code passes, with a row of them for each channel. */
#include "run/kern/kern_level.h"

static inline uint8_t level_of(const it_steps *k, size_t c, int32_t x)
{
    uint32_t passed = 0;
    for (uint32_t i = 0; i < k->len; i++)
        passed += x > k->over[i * k->pitch + c];
    return k->levels[passed];
}

void it_kern_threshold_u8_ref(const uint8_t *x, uint8_t *y, size_t rows, size_t n, const it_steps *k)
{
    for (size_t r = 0; r < rows; r++, x += n, y += n)
        for (size_t c = 0; c < n; c++)
            y[c] = level_of(k, c, x[c]);
}

void it_kern_threshold_s16_ref(const int16_t *x, uint8_t *y, size_t rows, size_t n, const it_steps *k)
{
    for (size_t r = 0; r < rows; r++, x += n, y += n)
        for (size_t c = 0; c < n; c++)
            y[c] = level_of(k, c, x[c]);
}
