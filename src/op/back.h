/* SPDX-License-Identifier: Apache-2.0 */
/* back.h: what an operator supplies for training: reverse-mode differentiation, and statistics over a whole batch. */
#ifndef IT_BACK_H
#define IT_BACK_H

#include "op/op.h"

typedef struct it_back_ctx {
    const intact_alloc *alloc;
    it_op_state **state;  /* the node's cache of the backward pass, as it_run_ctx has one of the forward pass */
    it_arena *scratch;    /* released after each node */
    uint64_t weights_at;  /* another number when parameters have changed: reordered copies of them hold until then */
    it_products products;
    uint32_t rounded;     /* bit k: input k is rounded to them already */
} it_back_ctx;

/* The chain rule for one node on a block of samples. in and out have the shapes and layouts of the forward pass; content only where a bit of
** reads_in or reads_out says so, NULL data elsewhere. dy[k]: the gradient of the loss with respect to output k before the fused clamp (the
** caller has masked it), NULL: zero; never all NULL. dx[k], where not NULL, is to be filled (all of it) with the gradient with respect to input k, same shape and
** layout as in[k]; of parameters it is the sum over the block. Constants that are no parameters and integer inputs are never asked for. */
typedef struct it_backward {
    uint32_t reads_in, reads_out; /* bit k: content of input k, of output k (after its clamp) */
    uint32_t gives;               /* bit k: run can give dx[k]; never ask for others (Clip's bounds, indices). An operator of any number of inputs sets all bits */
    uint32_t pass;                /* bit k: where in[k] has as many elements as out[0], dx[k] is dy[0]'s bytes: the caller may share the memory and not ask */
    uint32_t inplace;             /* bit k: dx[k]->data may be dy[0]->data where both have as many elements (dy[0] is lost then; for one k only) */
    intact_status (*run)(it_back_ctx *c, const it_node *n, const it_tensor *const *in, const it_tensor *const *out, const it_tensor *const *dy, it_tensor *const *dx,
                         intact_error *err);
    /* Which layouts: as it_op.layout says of forward; dy and dx have those of out and in. */
} it_backward;

/* float32 only. An operator whose training form looks at the whole batch (batch normalization). A batch comes in blocks of samples, from several workers and several
** processes: gather adds a block's sums, the caller adds those of all blocks in order, then forward is called for each block; the same backwards. Sums are doubles, so that their order hardly
** matters and a large mean does not eat the variance. */
typedef struct it_across {
    int64_t (*sums)(const it_node *n, const it_tensor *const *in);                       /* how many doubles, forward and backward each */
    void (*gather)(const it_node *n, const it_tensor *const *in, double *sums);          /* adds block in[0]'s */
    /* out[0] of a block, the fused clamp included; count: values a channel of the whole batch. */
    void (*forward)(const it_node *n, const it_tensor *const *in, const double *sums, double count, it_tensor *const *out);
    /* Adds a block's backward sums. dy as the following nodes gave it: the clamp's mask (where the answer is strictly inside) is applied
    ** here. out[0] without content: the answer is computed again from in[0], so that what was done to out[0] since does not matter. dx may be dy. */
    void (*gather_back)(const it_node *n, const it_tensor *const *in, const it_tensor *const *out, const it_tensor *dy, const double *sums, double count, double *back);
    void (*backward)(const it_node *n, const it_tensor *const *in, const it_tensor *const *out, const it_tensor *dy, const double *sums, const double *back, double count,
                     it_tensor *dx); /* the same mask */
    /* Once a step: gradients of the parameters (dp[k] for input k, NULL: not wanted) and the running statistics (inputs that are constants but no parameters, written in place). */
    void (*finish)(const it_node *n, const it_tensor *const *in, const double *sums, const double *back, double count, it_tensor *const *dp);
    void (*assume)(const it_node *n, const it_tensor *const *in, double count, double *sums); /* the sums of a batch that has the running statistics */
    uint32_t running; /* bit k: input k is a running statistic, not a parameter */
} it_across;

/* ---- helpers (op/back.c) ---- */

INTACT_MUST_USE intact_status it_back_float(const it_node *n, const it_tensor *t, intact_error *err); /* float or double */
/* run of operators that hand input 0's bytes on, and all of it. */
intact_status it_back_bytes(it_back_ctx *c, const it_node *n, const it_tensor *const *in, const it_tensor *const *out, const it_tensor *const *dy,
                            it_tensor *const *dx, intact_error *err);
extern const it_backward it_back_view;
/* dx = dy summed over the dimensions that x, which has dx's shape and layout, is broadcast along. */
INTACT_MUST_USE intact_status it_back_reduce(it_back_ctx *c, const it_node *n, const it_tensor *x, const it_tensor *dy, it_tensor *dx, intact_error *err);

#endif
