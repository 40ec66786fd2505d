/* SPDX-License-Identifier: Apache-2.0 */
/* threshold.h: what calibrators share: the histogram of magnitudes and the step from a threshold to a range. */
#ifndef IT_THRESHOLD_H
#define IT_THRESHOLD_H

#include "calib/calib.h"

/* Largest magnitude seen; 0 when nothing or only zeros were. */
static inline float it_hist_amax(const it_hist *h) { return h->max > -h->min ? h->max : -h->min; }

/* Values beyond +-alpha are given up: [max(min, -alpha), min(max, alpha)] with 0 inside, or +-min(alpha, amax) when symmetric. */
it_range it_range_clip(const it_hist *h, const it_calib_args *a, double alpha);
/* pos[i] + neg[i], and the number of bins up to the last one that holds anything. */
int it_hist_magnitudes(const it_hist *h, uint64_t bin[IT_HIST_BINS]);
/* Edge i of the bins: i * 2^k; 0 while k is not known. */
double it_hist_edge(const it_hist *h, int i);

#endif
