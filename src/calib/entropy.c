/* SPDX-License-Identifier: Apache-2.0 */
/* entropy: the threshold whose clipped and coarsened histogram stays closest, in Kullback-Leibler divergence, to the original. */
#include "calib/threshold.h"

#include <math.h>

/* For i bins kept, P is the histogram with what lies above added to its last bin; Q is the histogram without that, each of `groups`
** equal parts levelled over its bins that are not empty. Both are normalized; where P > 0 and Q = 0 the divergence is infinite.
** Bin j is in group floor(j * groups / i). With T = sum P and C = sum Q
**   KL = (1/T) [ sum P log P  -  sum P log Q ] + log(C/T)
** and Q is constant on a group, so prefix sums over the bins leave `groups` logarithms a candidate. */
typedef struct prefix {
    double sum[IT_HIST_BINS + 1];   /* of bin j' < j */
    double x_log_x[IT_HIST_BINS + 1];
    int used[IT_HIST_BINS + 1];     /* bins that are not empty */
} prefix;

static double x_log_x(double x) { return x > 0.0 ? x * log(x) : 0.0; }

static void prefix_of(const uint64_t *bin, int len, prefix *p)
{
    p->sum[0] = p->x_log_x[0] = 0.0;
    p->used[0] = 0;
    for (int j = 0; j < len; j++) {
        double b = (double)bin[j];
        p->sum[j + 1] = p->sum[j] + b;
        p->x_log_x[j + 1] = p->x_log_x[j] + x_log_x(b);
        p->used[j + 1] = p->used[j] + (bin[j] > 0);
    }
}

static double divergence(const prefix *p, int len, int i, int groups)
{
    double total = p->sum[len], kept = p->sum[i], tail = total - kept, last = kept - p->sum[i - 1];
    if (kept <= 0.0 || (last <= 0.0 && tail > 0.0)) return INFINITY;
    double p_log_p = p->x_log_x[i - 1] + x_log_x(last + tail), p_log_q = 0.0;
    for (int g = 0, from = 0; g < groups; g++) {
        int to = (int)(((int64_t)(g + 1) * i + groups - 1) / groups); /* first bin of group g + 1 */
        double mass = p->sum[to] - p->sum[from];
        if (mass > 0.0) p_log_q += (mass + (to == i ? tail : 0.0)) * log(mass / (p->used[to] - p->used[from]));
        from = to;
    }
    return (p_log_p - p_log_q) / total + log(kept / total);
}

/* The published search takes the last of the smallest; two that differ by no more than rounding count as equal. */
#define SAME 1e-12

static it_range entropy_range(const it_hist *h, const it_calib_args *a)
{
    uint64_t bin[IT_HIST_BINS];
    prefix p;
    double kl[IT_HIST_BINS + 1], best = INFINITY;
    int len = it_hist_magnitudes(h, bin);
    bool one_sided = !a->symmetric && h->min >= 0.0f;
    int groups = a->bits < 2 ? 2 : a->bits > 15 ? IT_HIST_BINS : 1 << (one_sided ? a->bits : a->bits - 1);
    if (len <= groups) return it_range_clip(h, a, it_hist_amax(h));
    bin[0] = bin[1]; /* the spike of exact zeros says nothing about the range */
    prefix_of(bin, len, &p);
    for (int i = groups; i <= len; i++) {
        kl[i] = divergence(&p, len, i, groups);
        if (kl[i] < best) best = kl[i];
    }
    int chosen = len;
    while (chosen > groups && !(kl[chosen] <= best + SAME)) chosen--;
    return it_range_clip(h, a, it_hist_edge(h, chosen));
}

const it_calib it_calib_entropy = {.name = "entropy", .range = entropy_range};
