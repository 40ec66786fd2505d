/* SPDX-License-Identifier: Apache-2.0 */
/* max_taps: the definition of the largest of neighbouring pixels that max pooling is made of. */
#include "run/kern/kern_level.h"

void it_kern_max_taps_u8_ref(const uint8_t *x, size_t step, size_t tap_step, uint32_t taps, uint8_t *y, size_t outs, size_t n)
{
    for (size_t o = 0; o < outs; o++, x += step, y += n)
        for (size_t i = 0; i < n; i++) {
            uint8_t most = x[i];
            for (uint32_t k = 1; k < taps; k++)
                most = x[k * tap_step + i] > most ? x[k * tap_step + i] : most;
            y[i] = most;
        }
}
