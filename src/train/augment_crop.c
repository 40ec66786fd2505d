/* SPDX-License-Identifier: Apache-2.0 */
/* augment_crop: moved by up to so many pixels each way, black coming in. */
#include <string.h>

#include "train/augment.h"

static void move(uint8_t *px, uint8_t *spare, int64_t h, int64_t w, int64_t c, int64_t down, int64_t right)
{
    const int64_t first = right > 0 ? right : 0, last = w + (right < 0 ? right : 0);
    memcpy(spare, px, (size_t)(h * w * c));
    memset(px, 0, (size_t)(h * w * c));
    for (int64_t y = 0; y < h && first < last; y++)
        if (y >= down && y < h + down) memcpy(px + (y * w + first) * c, spare + ((y - down) * w + first - right) * c, (size_t)((last - first) * c));
}

static void crop(uint32_t amount, it_rng *r, uint8_t *px, uint8_t *spare, uint32_t h, uint32_t w, uint32_t c)
{
    const int64_t down = (int64_t)it_rng_below(r, 2 * amount + 1) - amount, right = (int64_t)it_rng_below(r, 2 * amount + 1) - amount;
    move(px, spare, h, w, c, down, right);
}

const it_augmentation it_augmentation_crop = { .name = "crop", .what = "moved by up to so many pixels each way", .number = true, .pixels = crop };
