/* SPDX-License-Identifier: Apache-2.0 */
/* report.h (api): what a report of a quantization is made of, and the measuring behind its ratios. */
#ifndef IT_API_REPORT_H
#define IT_API_REPORT_H

#include "api/quantize.h"
#include "op/lower.h"
#include "ptq/ptq.h"

/* Sums over a value's numbers: of their squares in the float network; of the quantized network's errors; of the errors that the value's own codes
** make of the float network's numbers, and the part of these from numbers outside their range. */
typedef struct it_measure { double signal, error, own, clip; } it_measure;

/* Runs g in float and with all that has v->q simulated on the first samples of feed; out: [values of g], zeroed. done: samples read.
** Results do not depend on the pool. */
INTACT_MUST_USE intact_status it_api_measure(const it_graph *g, const it_feed *feed, const it_job *job, const intact_alloc *a, size_t samples, it_measure *out,
                                             uint64_t *done, intact_error *err);

typedef struct it_report_job {
    intact_ctx *c;
    const intact_quantize_options *o;
    const intact_quantize_result *out; /* sizes, samples */
    const char *model_path, *model_sha, *calib_sha;
    const it_graph *g;                 /* quantized */
    const it_recipe *recipe;
    const it_ptq *ptq;
    const it_feed *feed;               /* calibration samples; len 0: there were none */
    const it_lower *lower;             /* its notes */
    const it_quantize_hooks *hooks;    /* NULL: none */
} it_report_job;

/* Measures, evaluates where options name data, and writes the files that options name. The program is written already. */
INTACT_MUST_USE intact_status it_api_report(const it_report_job *j, intact_error *err);

#endif
