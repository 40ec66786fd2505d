/* SPDX-License-Identifier: Apache-2.0 */
/* state.h: one quantization-aware training, for the files that carry out its parts (qat.c, probe.c, hooks.c, finish.c). */
#ifndef IT_QAT_STATE_H
#define IT_QAT_STATE_H

#include "op/batch_normalization.h"
#include "ptq/ptq.h"
#include "qat/method.h"

struct it_qat {
    const intact_alloc *alloc;
    it_arena arena;
    const it_qat_method *method;
    it_qat_options o;
    it_graph *g;              /* the one that is trained */
    it_recipe recipe;
    bool averages;            /* some value's range follows averages */
    struct { it_qat_act *items; size_t len, cap; } acts;
    struct { it_qat_weight *items; size_t len, cap; } weights;
    int *act_of;              /* [value id of g]: of acts; -1: it is left as it is */
    int *weight_of;
    /* Of the folded network: names of the values that acts belong to, for export. */
    struct { struct it_qat_name { const char *value; size_t act; } *items; size_t len, cap; } names;
    struct { const char **items; size_t len, cap; } low; /* layers whose inputs may have few bits */
    it_train_own *own; size_t own_len;
    float *least;             /* [own]: what a learned step or end is kept above */
    /* checkpoint: steps, then averages of acts */
    struct it_qat_kept { uint64_t steps; it_qat_average average[]; } *kept;
    size_t kept_bytes;
    it_graph coded;           /* the trained network with codes, from which the last result borrows; alloc NULL: none */
    it_train *t;
    it_train_hooks hooks;
};

/* The inference network of g (folded, without its softmax, streams split), not quantized. out borrows from g. */
INTACT_MUST_USE intact_status it_qat_fold(it_qat *q, const it_graph *g, it_graph *out, intact_error *err);
/* The folded network calibrated; quantizers and names filled from what that found, the Requantize nodes put into g (probe.c). */
INTACT_MUST_USE intact_status it_qat_probe(it_qat *q, intact_error *err);
void it_qat_set_hooks(it_qat *q);
/* w->unfold from a normalization's scale and running variance. */
void it_qat_unfold(it_qat_weight *w, const float *gamma, const float *var);

#endif
