/* SPDX-License-Identifier: Apache-2.0 */
/* elem_move_neon: channel shuffles; the last vector may overlap the one before it. */
#include <arm_neon.h>

#include "run/kern/kern_level.h"

static inline void interleave16(const uint8_t *a, const uint8_t *b, uint8_t *y)
{
    vst2q_u8(y, (uint8x16x2_t){ { vld1q_u8(a), vld1q_u8(b) } });
}

void it_kern_interleave_u8_neon(const uint8_t *x, ptrdiff_t step, ptrdiff_t x_pitch, uint8_t *y, size_t rows, size_t n)
{
    if (n < 16) {
        it_kern_interleave_u8_ref(x, step, x_pitch, y, rows, n);
        return;
    }
    for (; rows > 0; rows--, x += x_pitch, y += 2 * n) {
        size_t j = 0;
        for (; j + 16 <= n; j += 16)
            interleave16(x + j, x + step + (ptrdiff_t)j, y + 2 * j);
        if (j < n)
            interleave16(x + n - 16, x + step + (ptrdiff_t)(n - 16), y + 2 * (n - 16));
    }
}
