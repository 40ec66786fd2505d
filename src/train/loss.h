/* SPDX-License-Identifier: Apache-2.0 */
/* loss.h: what training minimizes. Each src/train/loss_<name>.c ends in one it_loss, with a line in loss_list.h. */
#ifndef IT_TRAIN_LOSS_H
#define IT_TRAIN_LOSS_H

#include "ir/ir.h"

typedef struct it_loss_spec {
    const struct it_loss *loss;
    double smoothing;    /* of labels, 0..1: that share is spread over all classes */
    double alpha;        /* share of the teacher's part, 0..1; read only with a teacher */
    double temperature;  /* of the teacher's part; 0: 1 */
} it_loss_spec;

/* A block of samples. Only one of label and target is set. */
typedef struct it_loss_block {
    const it_loss_spec *spec;
    int64_t len, per_sample; /* samples; answers of one */
    const float *y;          /* the network's answers */
    const int32_t *label;    /* one a sample, -1: does not count */
    const float *target;
    const float *teacher;    /* as y; NULL: none */
    double weight;           /* of a sample in the mean: 1 / samples that count */
    float *dy;               /* the gradient of the mean, to be filled; NULL: not wanted */
    double loss;             /* sum over the block, unweighted: set by run */
    size_t right;            /* samples whose largest answer (the first of equals) is at the label's place: set by run */
} it_loss_block;

typedef struct it_loss {
    const char *name, *what;
    bool logits;  /* takes answers before a Softmax */
    bool labels;  /* takes classes; else numbers */
    intact_status (*run)(it_loss_block *b, intact_error *err);
} it_loss;

extern const it_loss *const it_loss_all[]; /* NULL at the end; from loss_list.h */
const it_loss *it_loss_find(const char *name);

#define LOSS(name) extern const it_loss it_loss_##name;
#include "train/loss_list.h"
#undef LOSS

#endif
