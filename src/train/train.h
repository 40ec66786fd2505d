/* SPDX-License-Identifier: Apache-2.0 */
/* train.h: the float trainer: forward, loss, backward and update of one network. Samples of a batch go in blocks through everything between
** two operators that look at the whole batch, so that what a block computes stays in the cache (train/tape.h). Same seed, same bits at a
** given number of threads; batch statistics do not depend on it at all. */
#ifndef IT_TRAIN_H
#define IT_TRAIN_H

#include "base/pool.h"
#include "op/op.h"
#include "train/comm.h"
#include "train/loss.h"
#include "train/optimizer.h"
#include "train/precision.h"

typedef struct it_train it_train;

/* A part of the flat arrays of parameters: a constant of the network, or one that a hook brought. */
typedef struct it_train_param {
    const char *name;
    const it_value *v;   /* NULL: a hook's own */
    size_t at, len;      /* in the flat arrays */
    float *w, *grad;
    float *used;         /* what the network reads */
    bool apart;          /* used is memory of its own: hooks->wants said so; else it is w */
    bool decays;         /* weight decay applies */
    float rate;          /* times the learning rate; 1 */
} it_train_param;

/* Parameters that a hook brings along; the optimizer moves them with the others. */
typedef struct it_train_own { const char *name; size_t len; const float *init; bool decays; float rate; } it_train_own;

typedef struct it_train_block {
    uint32_t worker;
    int64_t first, len;  /* samples of the batch */
    bool training;
} it_train_block;

enum { IT_TRAIN_HOOKED = 1, IT_TRAIN_LEARNS = 2 };

/* What a quantization-aware method does. Every member may be NULL but wants. Functions called from workers must not share state but by worker. */
typedef struct it_train_hooks {
    void *user;
    /* Asked once for each value that the loss depends on. A constant parameter with IT_TRAIN_HOOKED gets memory of its own for what the
    ** network uses; of another value, forward and backward are called. IT_TRAIN_LEARNS: its gradient is wanted even where nothing before it learns. */
    uint32_t (*wants)(void *user, const it_value *v);
    /* When parameters have changed, before the network reads them: fills the used arrays of the parameters asked for. */
    intact_status (*weights)(void *user, it_train *t, intact_error *err);
    /* A block of v: y from x, all of it; plain or channels last. */
    intact_status (*forward)(void *user, const it_value *v, const it_train_block *b, const it_tensor *x, it_tensor *y, intact_error *err);
    /* dy, the gradient with respect to y, becomes that with respect to x in place; adds to the worker's gradients of own parameters. */
    intact_status (*backward)(void *user, const it_value *v, const it_train_block *b, const it_tensor *x, const it_tensor *y, it_tensor *dy, intact_error *err);
    bool reads_y;        /* backward needs y's content; x's it always has */
    /* The parameters' gradients of the batch are there, with respect to what the network used; clipping and the update follow. */
    intact_status (*gradients)(void *user, it_train *t, intact_error *err);
    intact_status (*stepped)(void *user, it_train *t, intact_error *err);
    const it_train_own *own;
    size_t own_len;
} it_train_hooks;

typedef struct it_train_options {
    size_t batch;                    /* the most samples of a step */
    size_t block;                    /* samples of a block; 0: chosen from the network, never from the number of threads */
    it_pool *pool;                   /* borrowed; its threads are the workers */
    it_loss_spec loss;
    it_optimizer_spec optimizer;
    double decay;                    /* weight decay */
    bool decay_all;                  /* of biases and normalizations too */
    double clip;                     /* largest norm of all gradients; 0: no limit */
    double average;                  /* exponential moving average of weights: its decay (0.999), (1 + n) / (10 + n) after n steps where that is less; 0: none */
    bool fixed_statistics;           /* batch normalization by its running statistics, which stay as they are */
    bool (*frozen)(void *user, const it_value *v); /* constants that are no parameters; NULL: none */
    void *frozen_user;
    const it_train_hooks *hooks;     /* NULL: none; borrowed */
    const it_comm *comm;             /* processes that share each batch, every one with a part of it; NULL: this one alone. Borrowed */
    bool sync_statistics;            /* batch normalization over the parts of all processes, not each its own */
    it_products products;            /* operands of convolutions and matrix products; master weights and all else stay float32 */
    bool compact;                    /* what one pass computes and another reads again is kept in bfloat16, and so used from the start, in evaluations too; not with
                                     ** hooks */
    it_scaling_spec scaling;         /* of the loss, so that small gradients survive IT_PRODUCTS_F16 */
    bool profile;
} it_train_options;

typedef struct it_train_batch {
    size_t len;
    const void *const *in;           /* one array per graph input, plain, samples first */
    const int32_t *label;            /* classes, -1: leave the sample out; or */
    const float *target;             /* numbers, as many as the network's answers */
    const float *teacher;            /* answers of a teacher before its softmax; NULL: none */
} it_train_batch;

typedef struct it_train_result {
    double loss;                     /* mean over the samples that count */
    size_t right, count;             /* labels at the top; samples that count */
    double norm;                     /* of the gradient before clipping */
    double scale;                    /* the loss was scaled by */
    bool skipped;                    /* the scaled gradient was not finite: nothing has moved but the scale; norm is not finite */
} it_train_result;

/* The graph is inferred, sorted and without operators for other ends (passes free_batch, fold_constants, fold_moves, fuse_clamp);
** it is kept while the trainer lives. The loss is taken at output 0, before a last Softmax when the loss asks for logits. */
INTACT_MUST_USE intact_status it_train_new(it_graph *g, const it_train_options *o, it_train **out, intact_error *err);
void it_train_free(it_train *t);

/* Forward, backward, update with the learning rate. When loss or gradient are not finite it fails (E_DATA) and no parameter has moved. */
INTACT_MUST_USE intact_status it_train_step(it_train *t, const it_train_batch *b, double rate, it_train_result *r, intact_error *err);
/* Forward with running statistics; b->label and b->target may both be NULL. */
INTACT_MUST_USE intact_status it_train_eval(it_train *t, const it_train_batch *b, it_train_result *r, intact_error *err);
/* The answers of the last step or eval, plain, samples first. */
const float *it_train_answers(const it_train *t, size_t *per_sample);

/* From the next step on batch normalizations take their running statistics, and leave them as they are; or no longer. (What options.fixed_statistics
** says of a whole run.) */
void it_train_freeze(it_train *t, bool frozen);

/* Running statistics become those of all batches given: begin, add for each, end. */
void it_train_restat_begin(it_train *t);
INTACT_MUST_USE intact_status it_train_restat_add(it_train *t, const it_train_batch *b, intact_error *err);
void it_train_restat_end(it_train *t);

/* Where each process has running statistics of its own, theirs become the mean of all: before evaluation and before anything is kept. */
INTACT_MUST_USE intact_status it_train_share_statistics(it_train *t, intact_error *err);

it_train_param *it_train_params(it_train *t, size_t *len);
const it_train_param *it_train_param_of(const it_train *t, const it_value *v); /* NULL: not one */
const float *it_train_stat_of(const it_train *t, const it_value *v);             /* a running statistic as it stands; other constants: their content */
const it_train_param *it_train_own_param(const it_train *t, size_t i);         /* hooks->own[i] */
float *it_train_worker_grad(it_train *t, uint32_t worker, const it_train_param *p); /* a hook's own: add to it in backward */
const it_comm *it_train_comm(const it_train *t); /* of options */
uint32_t it_train_workers(const it_train *t);

/* Parameters were changed from outside. */
void it_train_touch(it_train *t);
/* The averaged weights take the weights' place and the reverse. Nothing without options.average. */
void it_train_swap_average(it_train *t);
/* Weights and running statistics as they stand become the graph's constants. */
INTACT_MUST_USE intact_status it_train_store(it_train *t, intact_error *err);

/* What training changes of the network, as it stands now: parameters, then running statistics; false: there is no i-th. */
typedef struct it_train_learned { const it_value *v; const float *data; size_t len; bool running; } it_train_learned;
bool it_train_learned_at(const it_train *t, size_t i, it_train_learned *out);

/* Everything that a step changes, for checkpoints; arrays may be written to, then it_train_touch. */
typedef struct it_train_state {
    struct { const char *name; float *data; size_t len; } array[6]; /* data NULL: the trainer has none */
    size_t arrays;
    it_optimizer_state *optimizer;
} it_train_state;
it_train_state it_train_state_of(it_train *t);

/* Of options.profile: nanoseconds of processor time by phase (forward, sums, backward, backward of sums) and node since the start, all workers together. */
typedef struct it_train_time { const it_node *n; int64_t ns[4]; } it_train_time;
const it_train_time *it_train_times(const it_train *t, size_t *len, int64_t *loss_ns, int64_t *update_ns);
void it_train_times_clear(it_train *t);
size_t it_train_bytes(const it_train *t); /* of buffers and parameters, all workers */

#endif
