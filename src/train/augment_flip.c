/* SPDX-License-Identifier: Apache-2.0 */
/* augment_flip: left and right change places, half of the time. */
#include "train/augment.h"

static void flip(uint32_t amount, it_rng *r, uint8_t *px, uint8_t *spare, uint32_t h, uint32_t w, uint32_t c)
{
    (void)amount;
    (void)spare;
    if (!it_rng_below(r, 2)) return;
    for (size_t y = 0; y < h; y++)
        for (size_t x = 0; x < w / 2; x++)
            for (size_t k = 0; k < c; k++) {
                uint8_t *a = px + (y * w + x) * c + k, *b = px + (y * w + w - 1 - x) * c + k, keep = *a;
                *a = *b;
                *b = keep;
            }
}

const it_augmentation it_augmentation_flip = { .name = "flip", .what = "left and right change places", .pixels = flip };
