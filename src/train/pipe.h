/* SPDX-License-Identifier: Apache-2.0 */
/* pipe.h: batches of training samples made ahead by threads of their own: shuffled, read, prepared, changed at random. What a batch holds is
** decided by the seed, the epoch and the samples alone. */
#ifndef IT_TRAIN_PIPE_H
#define IT_TRAIN_PIPE_H

#include "data/feed.h"
#include "train/augment.h"

typedef struct it_pipe it_pipe;

typedef struct it_pipe_spec {
    const it_feed *feed;     /* borrowed; its samples are an epoch */
    size_t batch;
    uint64_t seed;
    it_augment augment;      /* of images */
    uint32_t threads;        /* 0: 1 */
    uint64_t first;          /* the batch to begin with, counted from the first epoch's first */
    uint64_t end;            /* one past the last */
    uint32_t part, parts;    /* of each batch the part-th of parts stretches alone is made; parts 0: all of it. A last batch of fewer samples than parts is left out */
} it_pipe_spec;

typedef struct it_pipe_batch {
    size_t len;              /* good samples */
    const float *x;          /* plain */
    const int32_t *label;
    const size_t *sample;
    uint32_t skipped;
} it_pipe_batch;

INTACT_MUST_USE intact_status it_pipe_open(const intact_alloc *a, const it_pipe_spec *s, it_pipe **out, intact_error *err);
void it_pipe_close(it_pipe *p);
/* The next batch, valid until the next call. Fails when a file could not be read as a whole or when no sample of a batch could. */
INTACT_MUST_USE intact_status it_pipe_next(it_pipe *p, it_pipe_batch *out, intact_error *err);
uint64_t it_pipe_steps(const it_pipe_spec *s); /* batches of an epoch; the last one may be short */
int64_t it_pipe_waited_ns(const it_pipe *p);   /* that next has spent waiting so far */

#endif
