/* SPDX-License-Identifier: Apache-2.0 */
/* percentile: the magnitude that p percent of the values do not exceed. Wu et al. 2020, section 3.3. */
#include "calib/threshold.h"

/* The left edge of the first bin whose share of the values, with all bins below it, reaches p. Where that edge is 0 although
** something is not (mostly zeros), the bin's right edge: a range of nothing would erase the tensor. p = 100 keeps everything. */
static it_range percentile_range(const it_hist *h, const it_calib_args *a)
{
    uint64_t bin[IT_HIST_BINS], sum = 0;
    int len = it_hist_magnitudes(h, bin);
    if (a->percentile >= 100.0) return it_range_clip(h, a, it_hist_amax(h));
    for (int i = 0; i < len; i++) {
        sum += bin[i];
        if ((double)sum * 100.0 >= (double)h->count * a->percentile) return it_range_clip(h, a, it_hist_edge(h, i > 0 ? i : 1));
    }
    return it_range_clip(h, a, it_hist_amax(h));
}

/* Those that Wu et al. 2020 compare. */
static const double TRIES[] = {99.9, 99.99, 99.999, 99.9999};

const it_calib it_calib_percentile = {
    .name = "percentile", .has_parameter = true, .parameter_default = 99.99, .tries = TRIES, .tries_len = IT_LEN(TRIES), .range = percentile_range,
};
