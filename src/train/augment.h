/* SPDX-License-Identifier: Apache-2.0 */
/* augment.h: images changed at random, so that no two epochs show the same ones. All from one generator: same state, same image. */
#ifndef IT_TRAIN_AUGMENT_H
#define IT_TRAIN_AUGMENT_H

#include "base/base.h"

typedef struct it_augment {
    uint32_t crop;   /* moved by up to this many pixels each way, black coming in; 0: stays */
    bool flip;       /* left and right change places, half of the time */
    uint32_t cutout; /* side of a square around a random place that becomes the mean; 0: none. DeVries and Taylor 2017 */
} it_augment;

/* "crop=4,flip,cutout=8", "none"; unknown words offer the nearest. */
INTACT_MUST_USE intact_status it_augment_parse(const char *text, it_augment *out, intact_error *err);
/* px: (h,w,c) bytes; spare: as large. */
void it_augment_pixels(const it_augment *a, it_rng *r, uint8_t *px, uint8_t *spare, uint32_t h, uint32_t w, uint32_t c);
/* x: (c,h,w) network values, of which 0 is the mean. */
void it_augment_values(const it_augment *a, it_rng *r, float *x, uint32_t h, uint32_t w, uint32_t c);

#endif
