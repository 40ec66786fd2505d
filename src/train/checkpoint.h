/* SPDX-License-Identifier: Apache-2.0 */
/* checkpoint.h: a training run in a file, written so that a reader finds either the old one or the new one, whole. */
#ifndef IT_TRAIN_CHECKPOINT_H
#define IT_TRAIN_CHECKPOINT_H

#include "train/train.h"

/* Where a run stands, beside what the trainer holds. */
typedef struct it_checkpoint {
    uint64_t step;              /* taken since the start */
    uint64_t seed, batch, samples, total; /* what the run was started with; a run that resumes must have the same */
    double loss_sum;            /* of the epoch at work */
    uint64_t right, count;
    void *extra;                /* a method's own state: given to write, filled by read; both sides must agree on its length */
    size_t extra_len;
} it_checkpoint;

INTACT_MUST_USE intact_status it_checkpoint_write(it_train *t, const it_checkpoint *c, const char *path, intact_error *err);
/* seed, batch, samples and total are compared, the rest is read. Nothing is changed when it fails. */
INTACT_MUST_USE intact_status it_checkpoint_read(it_train *t, it_checkpoint *c, const char *path, intact_error *err);

#endif
