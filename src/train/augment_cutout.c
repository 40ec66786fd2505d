/* SPDX-License-Identifier: Apache-2.0 */
/* augment_cutout: a square of so many pixels around a random place becomes the mean. DeVries and Taylor 2017. */
#include "train/augment.h"

static void cutout(uint32_t amount, it_rng *r, float *x, uint32_t h, uint32_t w, uint32_t c)
{
    const int64_t side = amount, top = (int64_t)it_rng_below(r, h) - side / 2, left = (int64_t)it_rng_below(r, w) - side / 2;
    for (int64_t k = 0; k < c; k++)
        for (int64_t i = top < 0 ? 0 : top; i < top + side && i < h; i++)
            for (int64_t j = left < 0 ? 0 : left; j < left + side && j < w; j++) x[(k * h + i) * w + j] = 0;
}

const it_augmentation it_augmentation_cutout = { .name = "cutout", .what = "a square of so many pixels is left out", .number = true, .values = cutout };
