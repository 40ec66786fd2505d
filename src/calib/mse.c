/* SPDX-License-Identifier: Apache-2.0 */
/* mse: the range, shrunk on both sides alike, whose quantization error is smallest. Choukroun et al. 2019. */
#include "calib/threshold.h"

#include <math.h>

#define STEP 0.01     /* candidates are 1.00, 0.99, ... */
#define CANDIDATES 96 /* ... 0.05 of the range seen */

/* Integral of (u - round(u))^2 from 0 to t >= 0. */
static double sawtooth(double t)
{
    double n = rint(t), r = t - n;
    return n / 12.0 + r * r * r / 3.0;
}

/* Sum of squared errors on one side of zero, values spread evenly over their bins: levels are the multiples of scale up to top, values
** above get top. bin[0] is without exact zeros, which cost nothing. */
static double side_error(const uint64_t *bin, int len, double width, double zeros, double scale, double top)
{
    double sum = 0.0, below = 0.0, cube = scale * scale * scale, at_top = cube * sawtooth(top / scale);
    for (int i = 0; i < len; i++) {
        double x = (i + 1) * width, over = x - top;
        double here = over <= 0.0 ? cube * sawtooth(x / scale) : at_top + over * over * over / 3.0;
        sum += ((double)bin[i] - (i == 0 ? zeros : 0.0)) * (here - below);
        below = here;
    }
    return sum / width;
}

static int used(const uint64_t *bin)
{
    int len = IT_HIST_BINS;
    while (len > 0 && bin[len - 1] == 0) len--;
    return len;
}

static double error_of(const it_hist *h, const it_calib_args *a, double lo, double hi, int pos_len, int neg_len)
{
    double levels = ldexp(1.0, a->bits) - 1.0, width = it_hist_edge(h, 1), zero = 0.0, scale;
    if (a->symmetric) {
        double half = ldexp(1.0, a->bits - 1) - 1.0;
        scale = hi / half;
        zero = half;
        levels = 2.0 * half;
    } else {
        scale = (hi - lo) / levels;
        zero = rint(-lo / scale);
    }
    return side_error(h->pos, pos_len, width, (double)h->zeros, scale, (levels - zero) * scale) +
           side_error(h->neg, neg_len, width, 0.0, scale, zero * scale);
}

static it_range mse_range(const it_hist *h, const it_calib_args *a)
{
    it_range whole = it_range_clip(h, a, it_hist_amax(h)), best = whole;
    double least = INFINITY;
    int pos_len = used(h->pos), neg_len = used(h->neg);
    if (!(whole.hi > whole.lo) || a->bits < 2 || a->bits > 16) return whole;
    for (int i = 0; i < CANDIDATES; i++) {
        double f = 1.0 - STEP * i, e = error_of(h, a, f * (double)whole.lo, f * (double)whole.hi, pos_len, neg_len);
        if (!(e < least)) continue;
        least = e;
        best = (it_range){(float)(f * (double)whole.lo), (float)(f * (double)whole.hi)};
    }
    return best;
}

const it_calib it_calib_mse = {.name = "mse", .range = mse_range};
