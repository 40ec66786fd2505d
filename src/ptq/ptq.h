/* SPDX-License-Identifier: Apache-2.0 */
/* ptq.h: post-training quantization: which values share parameters, their ranges from calibration, the weights' codes. */
#ifndef IT_PTQ_H
#define IT_PTQ_H

#include "base/job.h"
#include "calib/calib.h"
#include "data/feed.h"
#include "op/op.h"

/* Values that share one set of quantization parameters: an operator's output and what max pool, reshape, ... hand on; a concat and those
** of its inputs that nobody else reads. */
typedef struct it_group {
    const it_value *first;      /* the member that names the group */
    intact_type type;           /* U8, or S16 for network outputs and the logits, dense layer and global pooling before them */
    bool fixed;                 /* range known without data: sigmoid, softmax, raw pixels */
    it_range range;             /* of a fixed group; the calibrator's answer otherwise */
    it_hist *hist;              /* what calibration saw; NULL for fixed groups */
    uint64_t clipped;           /* values of hist outside range, to the bin */
} it_group;

/* layer: a value's name, "calibration", ...; lives as long as the graph. */
typedef struct it_ptq_note { const char *layer; char text[240]; } it_ptq_note;

typedef struct it_groups {
    int *of;                    /* [value id]: group, -1 for constants and integer-typed values */
    size_t of_len;
    struct { it_group *items; size_t len, cap; } g;
    struct { it_ptq_note *items; size_t len, cap; } notes; /* what calibration data make doubtful: for the user */
    const intact_alloc *alloc;
} it_groups;

/* Groups of an inferred, passed graph. Fails (E_UNSUPPORTED) on an operator without integer form, naming it and what would work. */
INTACT_MUST_USE intact_status it_groups_make(it_groups *gs, const it_graph *g, const intact_alloc *a, intact_error *err);
void it_groups_release(it_groups *gs);

/* Weights, biases and the parameters of batch normalizations are finite; fails (E_DATA) with layer and weight. it_ptq_collect begins with it. */
INTACT_MUST_USE intact_status it_ptq_check_weights(const it_graph *g, intact_error *err);
/* Runs the float network over the feed, batch after batch, and fills the histograms and gs->notes. Results do not depend on the pool. */
typedef struct it_collect_result { uint64_t samples, skipped; char skipped_why[700]; } it_collect_result;
INTACT_MUST_USE intact_status it_ptq_collect(it_groups *gs, const it_graph *g, const it_feed *feed, const it_job *job, it_collect_result *out, intact_error *err);

typedef struct it_ptq_options {
    const it_calib *calib;
    double percentile;
    bool symmetric_acts, per_tensor_weights;
    int weight_bits, act_bits; /* 2..8 */
    const char *keep8;         /* "first,last,NAME,..." or "none" */
} it_ptq_options;

/* Notes on what the histograms make doubtful: few samples, values that never change, lone outliers. it_ptq_collect ends with it. */
INTACT_MUST_USE intact_status it_ptq_doubts(it_groups *gs, uint64_t samples, intact_error *err);

/* Ranges by the calibrator, then v->q of every grouped value. */
INTACT_MUST_USE intact_status it_ptq_assign_acts(it_groups *gs, it_graph *g, const it_ptq_options *o, intact_error *err);
/* v->q with scales and codes of every constant weight: round to nearest (ties to even) of w / scale, symmetric. */
INTACT_MUST_USE intact_status it_ptq_assign_weights(it_graph *g, const it_ptq_options *o, intact_error *err);
/* Whether the options leave this multiply-accumulate node (the i-th of n) at 8 bits. */
bool it_ptq_kept(const it_ptq_options *o, const it_node *n, size_t i, size_t len);
/* Every name in keep8 must exist. */
INTACT_MUST_USE intact_status it_ptq_check_keep(const it_graph *g, const it_ptq_options *o, intact_error *err);

#endif
