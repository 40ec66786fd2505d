/* SPDX-License-Identifier: Apache-2.0 */
/* ptq.h: post-training quantization: which values share parameters, their ranges from calibration, the weights' codes. */
#ifndef IT_PTQ_H
#define IT_PTQ_H

#include "base/job.h"
#include "calib/calib.h"
#include "data/feed.h"
#include "op/op.h"
#include "ptq/recipe.h"

/* Values that share one set of quantization parameters: an operator's output and what max pool, reshape, ... hand on; a concat and those
** of its inputs that nobody else reads. */
typedef struct it_group {
    const it_value *first;      /* the member that names the group */
    intact_type type;           /* U8, or S16 for network outputs and the logits, dense layer and global pooling before them */
    bool fixed;                 /* range known without data: sigmoid, softmax, raw pixels */
    it_range range;             /* of a fixed group; the calibrator's answer otherwise */
    it_hist *hist;              /* what calibration saw; NULL for fixed groups */
    uint64_t clipped;           /* values of hist outside range, to the bin */
    it_act_plan plan;           /* resolved from the recipe by it_ptq_plan_acts */
    uint8_t levels[IT_QUANT_LEVELS_MAX]; /* fitted by it_ptq_assign_acts, levels_len of them; none: 0 */
    int levels_len;
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
/* Whether everybody who writes or reads the group can take 16 bits. */
bool it_groups_can_s16(const it_groups *gs, const it_graph *g, int group);
bool it_groups_can_u8(const it_groups *gs, const it_graph *g, int group); /* the same of 8 */
/* Appends a note; E_NOMEM without an error record when out of memory. */
INTACT_MUST_USE intact_status it_groups_note(it_groups *gs, const char *layer, const char *fmt, ...) IT_PRINTF(3, 4);

/* Weights, biases and the parameters of batch normalizations are finite; fails (E_DATA) with layer and weight. it_ptq_collect begins with it. */
INTACT_MUST_USE intact_status it_ptq_check_weights(const it_graph *g, intact_error *err);
/* Runs the float network over the feed, batch after batch, and fills the histograms and gs->notes. Results do not depend on the pool. */
typedef struct it_collect_result { uint64_t samples, skipped; char skipped_why[700]; } it_collect_result;
INTACT_MUST_USE intact_status it_ptq_collect(it_groups *gs, const it_graph *g, const it_feed *feed, const it_job *job, it_collect_result *out, intact_error *err);

/* The same with further samples: out and the histograms go on, nothing is noted. */
INTACT_MUST_USE intact_status it_ptq_collect_more(it_groups *gs, const it_graph *g, const it_feed *feed, const it_job *job, it_collect_result *out, intact_error *err);

/* Notes on what the histograms make doubtful: few samples, values that never change, lone outliers. it_ptq_collect ends with it. */
INTACT_MUST_USE intact_status it_ptq_doubts(it_groups *gs, uint64_t samples, intact_error *err);

/* A multiply-accumulate layer: its operator has a weight, and it is constant. */
bool it_ptq_is_mac(const it_node *n);
static inline it_value *it_ptq_weight(const it_node *n) { return n->in[n->op->quant.weight_in]; }
/* The layer's bias, NULL when it has none. */
static inline it_value *it_ptq_bias(const it_node *n)
{
    int k = n->op->quant.bias_in;
    return k > 0 && k < n->in_len ? n->in[k] : NULL;
}

/* ---- a quantization: everything its steps and methods work on ---- */

typedef struct it_ptq {
    const intact_alloc *alloc;
    it_graph *g;              /* read, inferred, passes run; edited: v->q, and copies of weights and biases */
    it_recipe *recipe;        /* what was searched for is written into it */
    const it_feed *feed;      /* calibration samples */
    const it_job *job;
    it_groups groups;
    it_collect_result collected;
    char chosen[200]; /* what "auto" found, a sentence to be told; empty: there was no search */
    struct it_trail *trail;   /* of patches.h, while layers are done one after another */
    struct { it_ptq_note *items; size_t len, cap; } notes; /* what methods had to change, or could not do: for the user */
    /* Called before calibration with the groups made: the caller may fix ranges that it knows (raw pixels). NULL: nothing to say. */
    void (*know_ranges)(void *user, it_groups *gs);
    void *know_user;
} it_ptq;

/* Methods' prepare, groups, calibration, activations, then layer after layer weights and methods' layer. Fills v->q of every value. g, recipe,
** feed, job (and know_ranges) are set, the rest is zero. it_ptq_release in any case. */
INTACT_MUST_USE intact_status it_ptq_run(it_ptq *p, intact_error *err);
void it_ptq_release(it_ptq *p);
/* Images: pixels can be 0..255 in every channel, which fixes the range of the group of g's first input (ptq/pixels.c). Arrays: nothing is known. */
void it_ptq_know_pixels(it_groups *gs, const it_graph *g, const it_feed *feed);
/* Appends to p->notes; layer lives as long as the graph. E_NOMEM (no error record) when out of memory. */
INTACT_MUST_USE intact_status it_ptq_say(it_ptq *p, const char *layer, const char *fmt, ...) IT_PRINTF(3, 4);

/* No samples: ranges are the recipe's. */
static inline bool it_ptq_has_data(const it_ptq *p) { return p->feed && p->feed->len > 0; }

/* Calibration with the calibrator "auto": histograms of most samples, then trials on the held-aside rest tell which calibrator serves the network, and
** which values need another; the recipe says so afterwards in place of "auto". Ends with histograms of all samples and p->groups planned. */
bool it_ptq_searches(const it_ptq *p);
INTACT_MUST_USE intact_status it_ptq_choose(it_ptq *p, intact_error *err);

/* The steps, for those who repeat some: groups.plan from recipe and bits of kept layers; ranges by the calibrators, then v->q of every grouped
** value; v->q with scales, zero points and codes of the n-th layer's weight. */
INTACT_MUST_USE intact_status it_ptq_plan_acts(it_groups *gs, const it_graph *g, const it_recipe *r, intact_error *err);
/* Without calibration data: every planned group must have a range that is known or given; fails (ARG) with the first that has none. */
INTACT_MUST_USE intact_status it_ptq_check_given(const it_groups *gs, intact_error *err);
INTACT_MUST_USE intact_status it_ptq_assign_acts(it_groups *gs, it_graph *g, intact_error *err);
/* The same for one group. */
INTACT_MUST_USE intact_status it_ptq_assign_group(it_groups *gs, it_graph *g, int group, intact_error *err);
INTACT_MUST_USE intact_status it_ptq_assign_weight(it_ptq *p, it_node *n, const it_weight_plan *plan, intact_error *err);
/* Input k of n as a constant of n's own, in the graph's memory: its content may be written. NULL when out of memory. */
it_value *it_ptq_own(it_graph *g, it_node *n, int k);
/* The bias of n as its own float constant of channels values (zeros when it had none); fails where the operator takes none. */
INTACT_MUST_USE intact_status it_ptq_own_bias(it_graph *g, it_node *n, it_value **out, intact_error *err);

#endif
