/* SPDX-License-Identifier: Apache-2.0 */
/* range_max.c: every weight fits. What Wu et al. 2020, section 4.1, find enough for weights, per channel. */
#include "ptq/method.h"

static it_range max_range(const float *w, size_t n, int bits, bool affine)
{
    it_range r = { 0, 0 };
    (void)bits, (void)affine;
    for (size_t i = 0; i < n; i++) {
        r.lo = w[i] < r.lo ? w[i] : r.lo;
        r.hi = w[i] > r.hi ? w[i] : r.hi;
    }
    return r;
}

const it_weight_range it_weight_range_max = { .name = "max", .summary = "the largest magnitude fits", .range = max_range };
