/* SPDX-License-Identifier: Apache-2.0 */
/* report.h: what a report says, as plain records, and the two forms it takes: a page and JSON (docs/REPORT.md). Texts are borrowed; a
** number that nobody measured is NAN; arrays of len 0 leave their section out. */
#ifndef IT_REPORT_H
#define IT_REPORT_H

#include "base/base.h"

#define IT_REPORT_BARS 64

/* Bars of equal width from..to, and the range that codes cover. */
typedef struct it_report_hist {
    uint64_t bar[IT_REPORT_BARS], count; /* count 0: nothing was seen, or the range was known without looking */
    double from, to, lo, hi;             /* lo = hi = 0: no range is drawn */
} it_report_hist;

/* Ratios are signal to noise in dB, INFINITY where nothing is lost. */
typedef struct it_report_layer {
    const char *name, *op, *value;    /* the node; its operator; the value that it computes */
    int weight_bits;                  /* 0: it has no weights */
    const char *weight_how;           /* "per channel, symmetric" */
    double weight_db, weight_clipped; /* codes against floats; share of weights cut off at the largest code */
    it_report_hist weights;
    int bits;                         /* of the value */
    const char *how;                  /* "affine, mse" */
    bool known;                       /* the range was known without data */
    double lo, hi, min, max, scale;   /* range of the codes; what calibration saw */
    int32_t zero_point;
    double clipped;                   /* share of values outside lo..hi */
    double db, input_db;              /* the quantized network's value against the float network's; the worst of its inputs */
    double own_db, own_clip;          /* the float network's value against its own codes; share of that noise from values outside lo..hi */
    it_report_hist acts;
    const char *cause;                /* it_report_advise: what most of the noise comes from; NULL: unknown */
} it_report_layer;

typedef struct it_report_eval {
    bool measured;
    const char *data;
    uint64_t n, labelled, only_float, only_integer;
    double agreement, top1_float, top1_integer, top5_float, top5_integer, loss, loss_error, db; /* fractions; loss_error: McNemar's standard error */
} it_report_eval;

/* What becomes of the answer when this layer alone is quantized. */
typedef struct it_report_sensitivity { const char *layer, *cause, *line; double weights_db, acts_db, both_db, drop; } it_report_sensitivity;
typedef struct it_report_step {
    const char *what, *change;
    double bytes, accuracy, agreement, db, seconds;
    bool holds, failed;      /* failed: change says why */
    double drop, drop_error; /* fractions; McNemar's standard error */
    bool equal, chosen;      /* equal: it loses as little as the least, within two standard errors */
} it_report_step;
typedef struct it_report_point { const char *label; double bytes, accuracy; bool chosen; } it_report_point;
typedef struct it_report_note { const char *layer, *text; } it_report_note;
/* What to try next: why, and the line of a recipe that does it ("" where a sentence is all). */
typedef struct it_report_advice { const char *layer, *why, *where, *line; } it_report_advice;

typedef struct it_report {
    const char *network, *output, *network_sha, *calib_sha, *preprocess, *recipe; /* recipe: JSON */
    uint64_t network_bytes, file_bytes, peak_bytes, samples, skipped, measured_samples;
    const char *bound;       /* what steps have to hold; NULL: nothing */
    uint64_t sensitivity_samples;
    double output_db; /* on the measured_samples of the calibration set */
    it_report_eval eval;
    const char *done[16];
    size_t done_len;
    it_report_layer *layers;
    it_report_sensitivity *sensitivity;
    it_report_step *steps;
    it_report_point *points;
    it_report_note *notes;
    it_report_advice *advice;
    size_t layers_len, sensitivity_len, steps_len, points_len, notes_len, advice_len;
} it_report;

/* Fills cause of every layer, and advice, in a's memory. */
INTACT_MUST_USE intact_status it_report_advise(it_report *r, it_arena *a, intact_error *err);
/* Writes the page, or the JSON, to path. */
INTACT_MUST_USE intact_status it_report_write_html(const it_report *r, const char *path, const intact_alloc *a, intact_error *err);
INTACT_MUST_USE intact_status it_report_write_json(const it_report *r, const char *path, const intact_alloc *a, intact_error *err);

/* What most of a value's noise comes from, by the ratios known; NULL when none is. Shared with the comparison of two networks. */
const char *it_report_cause(double own_db, double own_clip, double weight_db, double input_db);

#endif
