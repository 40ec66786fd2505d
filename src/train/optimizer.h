/* SPDX-License-Identifier: Apache-2.0 */
/* optimizer.h: how gradients move parameters. Each src/train/optimizer_<name>.c ends in one it_optimizer, with a line in optimizer_list.h. */
#ifndef IT_TRAIN_OPTIMIZER_H
#define IT_TRAIN_OPTIMIZER_H

#include "base/base.h"

typedef struct it_optimizer_spec {
    const struct it_optimizer *optimizer;
    double momentum;                /* sgd */
    bool nesterov;
    double beta1, beta2, epsilon;   /* adam, adamw; beta1 0 and beta2 0: 0.9, 0.999, 1e-8 */
} it_optimizer_spec;

typedef struct it_optimizer_state {
    uint64_t steps;                 /* taken, the present one included */
    double power1, power2;          /* beta1^steps, beta2^steps */
} it_optimizer_state;

/* One step on n numbers. g may be changed. m: the optimizer's moments, zero at first. */
typedef struct it_update {
    const it_optimizer_spec *spec;
    const it_optimizer_state *state;
    double rate, decay;
    float *w, *g, *m[2];
    size_t n;
} it_update;

typedef struct it_optimizer {
    const char *name, *what;
    double rate;                    /* what one begins with when nobody says otherwise */
    int moments;                    /* arrays as long as the parameters: 0..2 */
    void (*apply)(const it_update *u);
} it_optimizer;

extern const it_optimizer *const it_optimizer_all[]; /* NULL at the end; from optimizer_list.h */
const it_optimizer *it_optimizer_find(const char *name);

#define OPTIMIZER(name) extern const it_optimizer it_optimizer_##name;
#include "train/optimizer_list.h"
#undef OPTIMIZER

#endif
