/* SPDX-License-Identifier: Apache-2.0 */
/* survey.h: what the float network's values are on calibration data before anything is quantized, channel by channel: for methods that rewrite the network. */
#ifndef IT_PTQ_SURVEY_H
#define IT_PTQ_SURVEY_H

#include "ptq/ptq.h"

/* The share of a value's numbers that may lie at a ReLU6's (Clip's) upper end where a method takes that end away. */
#define IT_SURVEY_RARE 1e-4
enum { IT_SURVEY_SAMPLES = 256 };

typedef struct it_survey_value {
    const it_value *v;     /* (N, C, ...) float32, not a constant */
    float top;             /* numbers of top and more are counted */
    int64_t channels;      /* the rest is the answer */
    uint64_t count, at_top;
    double *mean, *sd;     /* [channels] */
} it_survey_value;

typedef struct it_survey {
    it_survey_value *of;   /* filled by the caller: v and top */
    size_t len;
    const intact_alloc *alloc;
    double *room;
    size_t bytes;
} it_survey;

/* The first IT_SURVEY_SAMPLES samples, in batches of 8; sums are added in the samples' order, so results do not depend on the pool. Without values it
** reads nothing. it_survey_release in any case. */
INTACT_MUST_USE intact_status it_survey_run(const it_ptq *p, it_survey *s, intact_error *err);
void it_survey_release(it_survey *s);

#endif
