/* SPDX-License-Identifier: Apache-2.0 */
/* helpers.h: a trainer on a small network with random images, for the trainer's tests. */
#ifndef IT_TESTS_TRAIN_H
#define IT_TESTS_TRAIN_H

#include "train/train.h"

typedef struct rig {
    it_graph g;
    it_pool *pool;
    it_train *t;
    it_train_batch b;
    const void *in[1];
    float *x;
    int32_t *label;
    size_t pixels;
} rig;

typedef struct rig_spec {
    const char *arch;
    int64_t input[3], classes;
    size_t batch;
    uint32_t threads, seed;
    const it_train_options *o; /* loss, optimizer, pool and batch are filled in where they are missing */
    const intact_alloc *alloc;
    bool no_clamps; /* what was fused into layers is left out: the network is smooth */
} rig_spec;

/* The architecture with scales and biases that are not 1 and 0, ready to train. */
intact_status rig_graph(it_graph *g, const rig_spec *s, intact_error *err);
void rig_open(rig *r, const rig_spec *s);
void rig_close(rig *r);
it_train_result rig_step(rig *r, double rate); /* fails the test when it fails */
double rig_loss(rig *r);                       /* of a step that moves nothing */
/* An allocator that fails once, at call fail_at, and knows what is not given back. */
typedef struct counting { long calls, fail_at, live; } counting;
void *count_grow(void *user, void *p, size_t bytes_old, size_t bytes_new);
void must(intact_status st, const intact_error *err);

#endif
