/* SPDX-License-Identifier: Apache-2.0 */
/* loop.h: a training run: epochs of shuffled batches, a schedule, checkpoints, and somebody who is told. */
#ifndef IT_TRAIN_LOOP_H
#define IT_TRAIN_LOOP_H

#include "train/pipe.h"
#include "train/schedule.h"
#include "train/train.h"

typedef struct it_loop_state {
    uint64_t epoch, epochs;      /* of the step that was taken; from 0 */
    uint64_t step, steps;        /* taken in all; of the run */
    uint64_t epoch_step, epoch_steps;
    double rate;                 /* of the step that was taken */
    double loss;                 /* mean over the epoch so far */
    double norm;                 /* of the last gradient */
    uint64_t right, count;       /* over the epoch so far, as the network stood at each step */
    uint64_t skipped;            /* unreadable samples since the loop began */
    double seconds;              /* since the loop began */
    double waited;               /* of these, for data */
    uint64_t images;             /* since the loop began */
    uint64_t saved;              /* the step that the checkpoint stands at */
} it_loop_state;

typedef struct it_loop_spec {
    it_train *train;
    const it_feed *feed;
    size_t batch;
    uint64_t seed;
    uint32_t epochs, feeders;    /* feeders: threads that make batches; 0: 1 */
    it_augment augment;
    const it_comm *comm;         /* the trainer's */
    it_schedule_spec schedule;   /* total is set by the loop: epochs times batches of an epoch */
    const char *checkpoint;      /* NULL: none. Written before the first step too: a run that cannot write it ends before the work */
    uint64_t checkpoint_steps;   /* besides the end of each epoch; 0: only there */
    bool resume;                 /* begin where the checkpoint stands; it must be there */
    const char *from;            /* the checkpoint to resume from; NULL: the one that is written */
    void *extra; size_t extra_len; /* a method's own state, in the checkpoint too */
    void *user;
    /* Answers of a teacher for a batch, as many as the network's; NULL: none. */
    intact_status (*teach)(void *user, const float *x, size_t len, float *answers, intact_error *err);
    intact_status (*on_resume)(void *user, const it_loop_state *s, intact_error *err); /* the checkpoint was read, extra filled; epochs and steps of s are of the run so far */
    int (*on_step)(void *user, const it_loop_state *s);                          /* non-zero: stop (E_CANCELLED), after a checkpoint */
    intact_status (*on_epoch)(void *user, const it_loop_state *s, intact_error *err); /* evaluation; before the epoch's checkpoint */
} it_loop_spec;

INTACT_MUST_USE intact_status it_loop_run(const it_loop_spec *s, it_loop_state *out, intact_error *err);

#endif
