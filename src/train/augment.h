/* SPDX-License-Identifier: Apache-2.0 */
/* augment.h: images changed at random, so that no two epochs show the same ones. All from one generator: same state, same image. Each
** src/train/augment_<name>.c ends in one it_augmentation, with a line in augment_list.h. */
#ifndef IT_TRAIN_AUGMENT_H
#define IT_TRAIN_AUGMENT_H

#include "base/base.h"

enum {
#define AUGMENT(name) IT_AUGMENT_##name,
#include "train/augment_list.h"
#undef AUGMENT
    IT_AUGMENT_COUNT
};

typedef struct it_augment { uint32_t amount[IT_AUGMENT_COUNT]; } it_augment; /* 0: not done; 1 where no number is taken */

typedef struct it_augmentation {
    const char *name, *what;
    bool number; /* takes a number of pixels, 1 to 4096 */
    /* One of the two. px: (h,w,c) bytes; spare: as large. x: (c,h,w) network values, of which 0 is the mean. */
    void (*pixels)(uint32_t amount, it_rng *r, uint8_t *px, uint8_t *spare, uint32_t h, uint32_t w, uint32_t c);
    void (*values)(uint32_t amount, it_rng *r, float *x, uint32_t h, uint32_t w, uint32_t c);
} it_augmentation;

extern const it_augmentation *const it_augment_all[]; /* NULL at the end */

/* "crop=4,flip,cutout=8", "none"; unknown words offer the nearest. */
INTACT_MUST_USE intact_status it_augment_parse(const char *text, it_augment *out, intact_error *err);
void it_augment_print(const it_augment *a, char *buf, size_t len); /* canonical text that parses to the same */
bool it_augment_any(const it_augment *a);
void it_augment_pixels(const it_augment *a, it_rng *r, uint8_t *px, uint8_t *spare, uint32_t h, uint32_t w, uint32_t c);
void it_augment_values(const it_augment *a, it_rng *r, float *x, uint32_t h, uint32_t w, uint32_t c);

#define AUGMENT(name) extern const it_augmentation it_augmentation_##name;
#include "train/augment_list.h"
#undef AUGMENT

#endif
