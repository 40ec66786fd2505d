/* SPDX-License-Identifier: Apache-2.0 */
/* threshold.c: from a histogram and a threshold to a range. */
#include "calib/threshold.h"

#include <limits.h>
#include <math.h>

it_range it_range_clip(const it_hist *h, const it_calib_args *a, double alpha)
{
    float amax = it_hist_amax(h);
    float t = !(alpha < (double)amax) ? amax : alpha > 0.0 ? (float)alpha : 0.0f;
    if (a->symmetric) return (it_range){-t, t};
    it_range r = {0.0f, 0.0f};
    if (h->min < 0.0f) r.lo = h->min > -t ? h->min : -t;
    if (h->max > 0.0f) r.hi = h->max < t ? h->max : t;
    return r;
}

int it_hist_magnitudes(const it_hist *h, uint64_t bin[IT_HIST_BINS])
{
    int len = 0;
    for (int i = 0; i < IT_HIST_BINS; i++) {
        bin[i] = h->pos[i] + h->neg[i];
        if (bin[i]) len = i + 1;
    }
    return len;
}

double it_hist_edge(const it_hist *h, int i) { return h->k == INT_MIN ? 0.0 : ldexp(i, h->k); }
