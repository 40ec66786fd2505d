/* SPDX-License-Identifier: Apache-2.0 */
/* qat.h: quantization-aware training: a trainer's hooks that round weights and values where an integer program will store them, and from what was
** learned the quantized network, code for code.
**
** The network that is trained keeps its BatchNormalization: a layer computes u = conv(Q(w), x), then gamma (u - mean) / sigma + beta with the batch's
** statistics. Weights are rounded before folding, so no batch's statistics touch the grid. Folding gives the weight f_c Q(w_c) with f_c = gamma_c / sigma_c:
** the same codes (negated where f_c < 0) at the scale |f_c| step_c. With one step s for the folded weights (per tensor) step_c = s sigma_c / |gamma_c|
** of the running sigma. That is folding with correction, Krishnamoorthi 2018, equations 22 to 27: there Q(gamma W / sigma) x * sigma / sigma_B enters
** the sum, and gamma / sigma Q'(W) x * sigma / sigma_B = gamma / sigma_B Q'(W) x is what batch normalization makes of Q'(W) x here. */
#ifndef IT_QAT_H
#define IT_QAT_H

#include "base/job.h"
#include "data/feed.h"
#include "ptq/recipe.h"
#include "train/train.h"

typedef struct it_qat it_qat;
typedef struct it_qat_method it_qat_method;

typedef struct it_qat_options {
    const it_qat_method *method;
    int weight_bits, act_bits;  /* 2..8 */
    const char *from;           /* the calibrator whose ranges training begins with ("max", "mse", ...; "best-ptq": the best found by trials), and
                                ** that ste keeps; NULL: the method's own choice */
    const char *keep;           /* layers that keep 8 bits, weights and input: "first,last" (NULL: these), names with * and ?, "none" */
    bool per_tensor;            /* one weight step a layer instead of one a channel */
    uint32_t delay;             /* steps before activations are rounded */
    const it_feed *feed;        /* calibration samples; read by it_qat_new only */
    const it_job *job;
    it_pool *pool;              /* the trainer's; borrowed */
} it_qat_options;

extern const it_qat_method *const it_qat_method_all[]; /* NULL at the end; from qat_list.h */
INTACT_MUST_USE intact_status it_qat_find(const char *name, const it_qat_method **out, intact_error *err);
const char *it_qat_name(const it_qat_method *m);
const char *it_qat_summary(const it_qat_method *m);

/* Passes that a network needs before it is trained with hooks: those of quantization but folding. */
INTACT_MUST_USE intact_status it_qat_prepare(it_graph *g, intact_error *err);
/* Calibrates and puts Requantize nodes into g (prepared; kept while the it_qat lives). */
INTACT_MUST_USE intact_status it_qat_new(it_graph *g, const it_qat_options *o, it_qat **out, intact_error *err);
void it_qat_free(it_qat *q);
/* For the trainer of g; at most as many workers as the pool has threads. */
const it_train_hooks *it_qat_hooks(it_qat *q);
/* What a checkpoint holds beside the trainer's arrays; may be written to. */
void it_qat_state(it_qat *q, void **data, size_t *len);
size_t it_qat_state_bytes(const it_qat *q);
/* It moves to room of as many bytes, aligned to 8, which must outlive q's use. */
void it_qat_state_at(it_qat *q, void *room);
/* The quantized network as it stands: folded, every value and weight with its parameters, ready for it_lower_build. g becomes what t holds
** (it_train_store); out borrows from g and q: to be released, on success, before the next call and before them. */
INTACT_MUST_USE intact_status it_qat_finish(it_qat *q, it_train *t, it_graph *out, intact_error *err);
/* What bits went where: belongs to q. */
const it_recipe *it_qat_recipe(const it_qat *q);
typedef struct it_qat_counts { size_t weights, values, low_weights, low_values; } it_qat_counts; /* low: of fewer than 8 bits */
it_qat_counts it_qat_count(const it_qat *q);

#endif
