/* SPDX-License-Identifier: Apache-2.0 */
/* range_mse.c: the range, shrunk on both sides alike, whose rounding and clipping cost least. Choukroun et al. 2019; the steps are those of
** Li et al. 2021 (BRECQ): 80 factors from 1.00 down, |error|^2.4 summed. */
#include <math.h>

#include "ptq/method.h"

#define STEP 0.01f
#define CANDIDATES 80
#define NORM 2.4f

/* Of the grid that weights.c makes of r. */
static double error_of(const float *w, size_t n, it_range r, int bits, bool affine)
{
    float top = (float)((1 << (bits - 1)) - 1), lo = -top, zero = 0, scale = fmaxf(r.hi, -r.lo) / top;
    if (affine) {
        scale = (r.hi - r.lo) / (float)((1 << bits) - 1);
        lo = (float)-(1 << (bits - 1));
        zero = floorf(-r.lo / scale + 0.5f) + lo;
    }
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        float q = rintf(w[i] / scale) + zero;
        q = q < lo ? lo : q > top ? top : q;
        sum += (double)powf(fabsf(w[i] - scale * (q - zero)), NORM);
    }
    return sum;
}

static it_range mse_range(const float *w, size_t n, int bits, bool affine)
{
    it_range whole = it_weight_range_max.range(w, n, bits, affine), best = whole;
    double least = INFINITY;
    if (!(whole.hi - whole.lo > 0))
        return whole;
    for (int i = 0; i < CANDIDATES; i++) {
        float f = 1.0f - STEP * (float)i;
        it_range r = { f * whole.lo, f * whole.hi };
        double e = error_of(w, n, r, bits, affine);
        if (e < least) {
            least = e;
            best = r;
        }
    }
    return best;
}

const it_weight_range it_weight_range_mse = { .name = "mse", .summary = "the least error of rounding and clipping together", .range = mse_range };
