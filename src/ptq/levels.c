/* SPDX-License-Identifier: Apache-2.0 */
/* levels.c: a calibration histogram seen through a grid of codes. */
#include <limits.h>
#include <math.h>
#include <string.h>

#include "ptq/method.h"

/* n values spread evenly over lo..hi, in codes, which round to floor(u + 1/2) within 0..top. */
static void add_span(it_code_stats *of, double lo, double hi, double n, int top)
{
    double width = hi - lo;
    while (n > 0 && lo < hi) {
        double code = floor(lo + 0.5), c = code < 0 ? 0 : code > top ? top : code;
        double end = c >= top ? hi : fmin(hi, c + 0.5);
        if (!(end > lo))
            end = hi;
        it_code_stats *s = &of[(int)c];
        double part = n * (end - lo) / width;
        s->mass += part;
        s->sum += part * (lo + end) / 2;
        s->square += part * (lo * lo + lo * end + end * end) / 3;
        lo = end;
    }
}

void it_code_stats_of(const it_hist *h, float scale, int32_t zero, int top, it_code_stats out[256])
{
    const double zeros = (double)h->zeros, width = h->k == INT_MIN ? 0 : ldexp(1.0, h->k) / (double)scale;
    memset(out, 0, 256 * sizeof *out);
    out[zero].mass = zeros;
    out[zero].sum = zeros * zero;
    out[zero].square = zeros * zero * zero;
    for (int i = 0; width > 0 && i < IT_HIST_BINS; i++) {
        add_span(out, zero + i * width, zero + (i + 1) * width, (double)h->pos[i] - (i == 0 ? zeros : 0), top);
        add_span(out, zero - (i + 1) * width, zero - i * width, (double)h->neg[i], top);
    }
}
