/* SPDX-License-Identifier: Apache-2.0 */
/* feed.h: samples of a data set as a network takes them: pixels for the integer program, NCHW floats for the float network. */
#ifndef IT_FEED_H
#define IT_FEED_H

#include "data/data.h"

#define IT_FEED_BATCH 8 /* fixed: results of float convolutions may depend on the batch size, and must not on the threads */

typedef struct it_feed {
    const it_dataset *data;
    it_preprocess pre;
    const size_t *pick;   /* sample numbers; NULL: 0, 1, 2, ... */
    size_t len;           /* samples in all */
    int32_t label_offset;
    uint32_t rank;        /* of the network's input without the batch; images: 3 */
    uint32_t dim[8];      /* NCHW order without N: (C,H,W), (K), ... */
    size_t elements;      /* product of dim */
    bool arrays;          /* samples are float arrays (.npy), not images */
    float *table;         /* [C][256]: pixel to network value; NULL for arrays */
    const intact_alloc *alloc;
    bool io_ends;         /* a file that cannot be read any more is a failure, not a sample left out: long runs must not go on with what is left */
    /* Told about every unreadable sample, from whichever thread meets it; NULL: nobody is. */
    void (*on_skip)(void *user, const char *place, const char *why);
    void *on_skip_user;
} it_feed;

/* dims: the network's input with its batch in front (rank as there). pick and data are borrowed. */
INTACT_MUST_USE intact_status it_feed_open(it_feed *f, const intact_alloc *a, const it_dataset *d, const it_preprocess *pre, const size_t *pick, size_t len,
                                           int32_t label_offset, uint32_t rank, const int64_t *dims, intact_error *err);
void it_feed_close(it_feed *f);

typedef struct it_batch {
    uint32_t len;                   /* good samples, in order */
    uint32_t skipped;               /* unreadable ones */
    size_t sample[IT_FEED_BATCH];
    int32_t label[IT_FEED_BATCH];   /* offset added; -1: none */
    char skipped_why[700];          /* of the first skipped: "place: message" */
} it_batch;

/* Samples first..first+7 as prepared pixels (u8, HWC, one after another) and, when floats is not NULL, as network values (NCHW). Either
** buffer holds IT_FEED_BATCH samples; pixels is NULL for arrays. Unreadable samples are counted and left out; other failures end. */
INTACT_MUST_USE intact_status it_feed_batch(const it_feed *f, size_t first, uint8_t *pixels, float *floats, it_batch *out, intact_error *err);
/* An already prepared image to NCHW floats. */
void it_feed_floats(const it_feed *f, const uint8_t *pixels, float *out);

#endif
