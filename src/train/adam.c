/* SPDX-License-Identifier: Apache-2.0 */
/* adam.c: Adam with bias correction. */
#include "train/adam.h"

#include <math.h>

it_adam it_adam_new(float rate) { return (it_adam){ .rate = rate, .beta1 = 0.9f, .beta2 = 0.999f, .epsilon = 1e-8f, .power1 = 1, .power2 = 1 }; }

void it_adam_step(it_adam *a)
{
    a->power1 *= (double)a->beta1;
    a->power2 *= (double)a->beta2;
}

void it_adam_apply(const it_adam *a, float *x, const float *gradient, float *m, float *v, size_t n)
{
    const float root = (float)sqrt(1 - a->power2), rate = (float)((double)a->rate / (1 - a->power1));
    for (size_t i = 0; i < n; i++) {
        m[i] += (1 - a->beta1) * (gradient[i] - m[i]);
        v[i] += (1 - a->beta2) * (gradient[i] * gradient[i] - v[i]);
        x[i] -= rate * m[i] / (sqrtf(v[i]) / root + a->epsilon);
    }
}
