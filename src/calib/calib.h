/* SPDX-License-Identifier: Apache-2.0 */
/* calib.h: streaming histograms and the calibrators that read a range off them. methods.md 1.2, 8.4. */
#ifndef IT_CALIB_H
#define IT_CALIB_H

#include "base/base.h"

#define IT_HIST_BINS 2048

/* Two histograms of 2048 bins of width 2^k from 0: |x| of the positive and of the negative values. k is the smallest that covers the largest
** |x| seen; when a value exceeds it, k grows and neighbouring bins merge: the content depends on the values alone, not on
** order, batches or threads. Not-a-number and infinities are counted, and fall into no bin. */
typedef struct it_hist {
    int k;                        /* bin i covers [i, i+1) * 2^k; INT_MIN while all values were zero */
    uint64_t pos[IT_HIST_BINS], neg[IT_HIST_BINS];
    uint64_t count, zeros, bad;   /* finite values (the sum of all bins); exact zeros (also in pos[0]); not finite (in no bin) */
    float min, max;               /* exact, of the finite values; both 0 while count is 0 */
} it_hist;

void it_hist_init(it_hist *h);
void it_hist_add(it_hist *h, const float *x, size_t n);
void it_hist_merge(it_hist *to, const it_hist *from); /* commutative and associative */

typedef struct it_range { float lo, hi; } it_range; /* always lo <= 0 <= hi */

typedef struct it_calib_args { int bits; bool symmetric; double percentile; } it_calib_args;
typedef struct it_calib {
    const char *name;    /* "max", "entropy", "percentile", "mse", "auto" */
    bool has_parameter;  /* percentile:99.99 */
    double parameter_default;
    bool searches;       /* stands for the best of the others, found by trials (ptq/choose.c); range is what the trials begin with */
    const double *tries; /* parameters that searches try, tries_len of them; without a parameter once */
    uint32_t tries_len;
    it_range (*range)(const it_hist *h, const it_calib_args *a);
} it_calib;

extern const it_calib *const it_calib_all[]; /* NULL at the end */
/* What searches try, in the list's order: the k-th; false: there are no more. */
bool it_calib_try(size_t k, const it_calib **out, double *parameter);
/* "percentile:99.99", the text that it_calib_parse() reads, into out. */
void it_calib_print(const it_calib *c, double parameter, char out[40]);
/* "percentile:99.99" to a calibrator and its parameter; unknown names offer the nearest. */
INTACT_MUST_USE intact_status it_calib_parse(const char *text, const it_calib **out, double *parameter, intact_error *err);

#define CALIB(name) extern const it_calib it_calib_##name;
#include "calib/calib_list.h"
#undef CALIB

#endif
