/* SPDX-License-Identifier: Apache-2.0 */
/* precision.h: mixed precision: which operands products take, and the loss's scale, which moves gradients to where few bits hold them. */
#ifndef IT_TRAIN_PRECISION_H
#define IT_TRAIN_PRECISION_H

#include "op/op.h"

#define IT_SCALE_START 32768  /* 2^15 */
#define IT_SCALE_PATIENCE 2000
#define IT_SCALE_MOST 16777216 /* 2^24: no gradient needs more, and its inverse is exact */
#define IT_SCALE_SKIPS 50     /* in a row: halving will not help */

/* By how much the loss is multiplied before the backward pass; gradients are divided by it before anything looks at them. A gradient that is
** not finite halves a dynamic scale, many good steps in a row double it. */
typedef struct it_scaling_spec {
    enum { IT_SCALE_NONE = 0, IT_SCALE_STATIC, IT_SCALE_DYNAMIC } kind;
    double start;      /* 0: IT_SCALE_START */
    uint32_t patience; /* good steps in a row; 0: IT_SCALE_PATIENCE */
} it_scaling_spec;

/* Floats, so that a checkpoint keeps it like any array of the trainer; whole numbers far below 2^24. */
typedef struct it_scaling { float scale, good, skips, pad; } it_scaling;

void it_scaling_begin(const it_scaling_spec *s, it_scaling *now);
/* What a step whose gradient was finite, or was not, makes of it. */
void it_scaling_step(const it_scaling_spec *s, it_scaling *now, bool finite);

/* "f32", "bf16", "f16"; bf16 becomes the form that is faster here. False: no such name. */
bool it_products_find(const char *name, it_products *out);
extern const char *const it_products_names[]; /* NULL at the end */

#endif
