/* SPDX-License-Identifier: Apache-2.0 */
/* adam.h: the Adam optimizer. Kingma and Ba 2015, algorithm 1. */
#ifndef IT_TRAIN_ADAM_H
#define IT_TRAIN_ADAM_H

#include "base/base.h"

typedef struct it_adam {
    float rate, beta1, beta2, epsilon;
    double power1, power2; /* beta1^t and beta2^t of the steps taken; 1 before the first */
} it_adam;

it_adam it_adam_new(float rate); /* beta 0.9 and 0.999, epsilon 1e-8 */
/* Counts a step; then it_adam_apply for every array of parameters. */
void it_adam_step(it_adam *a);
/* m, v: the moments of these n parameters, zero at first. */
void it_adam_apply(const it_adam *a, float *x, const float *gradient, float *m, float *v, size_t n);

#endif
