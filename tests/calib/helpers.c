/* SPDX-License-Identifier: Apache-2.0 */
/* helpers.c: random values for the calibration tests. */
#include "calib/helpers.h"

#include <math.h>

double test_uniform(it_rng *r) { return (double)(it_rng_next(r) >> 11) * 0x1p-53; }

double test_normal(it_rng *r) { return sqrt(-2.0 * log(1.0 - test_uniform(r))) * cos(6.283185307179586 * test_uniform(r)); }

void test_fill(it_rng *r, float *x, size_t n, int kind)
{
    for (size_t i = 0; i < n; i++) {
        double v = test_normal(r), u = test_uniform(r);
        switch (kind) {
        case 0: break;
        case 1: v = v > 0 ? v : 0; break;                              /* after a ReLU */
        case 2: v = u < 0.001 ? 40.0 * v : v; break;                   /* outliers */
        case 3: v = v > 0 ? v * (u < 0.0005 ? 60.0 : 1.0) : -0.0; break;
        case 4: v = v / (1.0 + exp(-v)); break;                        /* swish */
        case 5: v = floor(u * 3.0); break;                             /* three values */
        case 6: v = ldexp(v, (int)(u * 250.0) - 140); break;           /* all magnitudes, denormals included */
        default: v = u < 0.01 ? (u < 0.005 ? (double)NAN : (v > 0 ? (double)INFINITY : -(double)INFINITY)) : v; break;
        }
        x[i] = (float)v;
    }
}
