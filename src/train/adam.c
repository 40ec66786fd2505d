/* SPDX-License-Identifier: Apache-2.0 */
/* adam.c: Adam with bias correction. */
#include "train/adam.h"

#include <math.h>

#include "op/levels.h"

it_adam it_adam_new(float rate) { return (it_adam){ .rate = rate, .beta1 = 0.9f, .beta2 = 0.999f, .epsilon = 1e-8f, .power1 = 1, .power2 = 1 }; }

void it_adam_step(it_adam *a)
{
    a->power1 *= (double)a->beta1;
    a->power2 *= (double)a->beta2;
}

IT_INLINE void apply_body(float *restrict x, const float *restrict gradient, float *restrict m, float *restrict v, size_t n, const it_adam *a, float rate, float root)
{
    const float keep1 = 1 - a->beta1, keep2 = 1 - a->beta2, epsilon = a->epsilon;
    for (size_t i = 0; i < n; i++) {
        m[i] += keep1 * (gradient[i] - m[i]);
        v[i] += keep2 * (gradient[i] * gradient[i] - v[i]);
        x[i] -= rate * m[i] / (sqrtf(v[i]) / root + epsilon);
    }
}
IT_LEVELS(apply, (float *restrict x, const float *restrict gradient, float *restrict m, float *restrict v, size_t n, const it_adam *a, float rate, float root),
          (x, gradient, m, v, n, a, rate, root))

void it_adam_apply(const it_adam *a, float *x, const float *gradient, float *m, float *v, size_t n)
{
    apply(x, gradient, m, v, n, a, (float)((double)a->rate / (1 - a->power1)), (float)sqrt(1 - a->power2));
}
