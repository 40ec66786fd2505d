/* SPDX-License-Identifier: Apache-2.0 */
/* tape.h: the trainer's insides: what is computed when, and where it lies.
**
** The network is cut into segments at operators whose training form looks at the whole batch (it_op.across). Segment 0 begins with the inputs;
** such an operator gathers its sums in its input's segment and gives its output in the next one. A pass takes all blocks of samples through
** one segment; workers meet between passes. Forward passes go 0, 1, ... S-1, backward S-1, ... 0; the last forward and the first
** backward pass are one: a block goes up and comes down again before the next one.
**
** A time is a place in this order: pass direction, segment and node. Index 0 of a segment is the network's inputs, 1..N the nodes, N+1 the loss.
**   forward  of node i in segment s:  s * (N+2) + i
**   backward of node i in segment s:  (S + S-1-s) * (N+2) + N+1-i
** What is used within one pass only lies in the worker's own memory, a block of it; everything else lies in memory for the whole batch. In
** either, buffers whose times do not meet share bytes. */
#ifndef IT_TRAIN_TAPE_H
#define IT_TRAIN_TAPE_H

#include "op/back.h"
#include "train/train.h"

#define IT_TAPE_SIZES 10  /* different numbers of samples in a block that are prepared at once */
#define IT_TAPE_CHUNK 16384 /* parameters that one update call takes */
#define IT_TAPE_NO UINT32_MAX
#define IT_TAPE_LATE (-1)

typedef enum it_tape_place { IT_AT_NONE, IT_AT_CONST, IT_AT_INPUT, IT_AT_WHOLE, IT_AT_LOCAL } it_tape_place;

typedef struct it_tape_buf {
    it_tape_place place;
    size_t at;            /* bytes into the memory; IT_AT_INPUT: which input */
    size_t per_sample;    /* bytes */
    size_t fixed;         /* bytes beside: of what has no samples */
    uint32_t first, last; /* times of use; last < first: none */
    uint32_t root;        /* the buffer whose memory this is; itself */
    uint32_t packed;      /* options.compact: where it is kept for other passes than the one of time born; IT_TAPE_NO: not needed, or not allowed */
    uint32_t born;
    bool packs;
} it_tape_buf;

/* A value, or what a hook made of it. */
typedef struct it_tape_cell {
    const it_value *v;
    it_layout layout;
    bool live;            /* the loss depends on it, or forward writes it */
    uint32_t buf;
    int seg;
} it_tape_cell;

typedef struct it_tape_value {
    it_tape_cell cell[2];  /* as computed; as used, when hooked */
    bool hooked, learns;
    bool needs, reached;   /* something before it learns; the loss gives it a gradient */
    bool seen;             /* a contribution to its gradient has been planned */
    uint32_t grad;         /* its gradient's buffer, in the layout of its cells */
    uint32_t readers;      /* gradients that come together */
    uint32_t param;        /* IT_TAPE_NO: none */
    it_tensor fixed;       /* constants: the content that operators read */
} it_tape_value;

enum { IT_PHASE_FORWARD, IT_PHASE_SUMS, IT_PHASE_BACK, IT_PHASE_ACROSS, IT_PHASES };

typedef enum it_tape_dx {
    IT_DX_NONE,   /* not wanted */
    IT_DX_SHARED, /* dy's own memory holds it already */
    IT_DX_FIRST,  /* straight into the gradient */
    IT_DX_ADD,    /* into temp, then added to the gradient */
    IT_DX_TURN,   /* into temp, then in the other layout into the gradient */
    IT_DX_TURN_ADD,
    IT_DX_PARAM   /* into temp, then to the worker's sum */
} it_tape_dx;

typedef struct it_tape_in {
    it_layout layout;             /* as the operator takes it */
    uint32_t copy[IT_PHASES];     /* the buffer of the converted content; IT_TAPE_NO: as it lies */
    uint32_t unpack[IT_PHASES];   /* the buffer of unpacked content; IT_TAPE_NO: it was not packed */
    it_tape_dx dx;
    uint32_t temp, temp2;
} it_tape_in;

typedef struct it_tape_node {
    const it_node *n;
    int index;                    /* 1..N */
    int seg, gather;              /* gather: the segment of its sums; -1: not across */
    bool back;                    /* a gradient passes through */
    bool alias;                   /* nothing to compute: out[0] is in[0]'s bytes */
    bool clamp;
    it_tape_in *in;
    it_layout *out_layout;
    uint32_t unpack_out;          /* the buffer of output 0's unpacked content in the backward pass */
    size_t sums_at, sums_len;     /* of an across: among the batch's doubles */
} it_tape_node;

typedef struct it_tape_size {     /* shapes of every value for a block of n samples */
    int64_t n;                    /* 0: free */
    uint64_t used;
    it_tensor *shape;             /* [values] */
} it_tape_size;

typedef struct it_tape_worker {
    it_train *t;
    char *local;
    float *grad;                  /* as the flat parameters */
    bool *touched;                /* [params] */
    it_arena scratch;
    it_op_state **state;          /* [size][2][node]: forward, backward */
    const it_tensor **in;         /* of the node at work */
    it_tensor *in_mem, **out, *out_mem, **dx, *dx_mem;
    const it_tensor **dy, **out_const;
    it_tensor *dy_mem;
    int64_t *ns;                  /* [node][4]; loss last */
    intact_status st;
    intact_error err;
} it_tape_worker;

typedef struct it_tape_chunk { uint32_t param; int seg; size_t at, len; double squares; } it_tape_chunk; /* seg: IT_TAPE_LATE, or where its gradient is complete */

struct it_train {
    it_graph *g;
    const intact_alloc *alloc;
    it_train_options opt;
    it_arena arena;
    /* the plan */
    it_tape_value *values;        /* [value id] */
    it_tape_node *nodes;          /* [1..nodes_len] */
    size_t nodes_len, inputs_len;
    int segs;
    uint32_t span;                /* times of a segment: nodes_len + 2 */
    struct { it_tape_buf *items; size_t len, cap; } bufs;
    const it_value *answers;
    int answers_seg;
    uint32_t answers_copy;        /* plain copy for the loss; IT_TAPE_NO */
    uint32_t answers_grad;        /* where the loss writes when the gradient has another layout; IT_TAPE_NO */
    int64_t *block;               /* [seg] samples of a block */
    size_t widest_in, widest_out;
    /* memory */
    size_t whole_bytes, local_bytes;
    char *whole;
    it_tape_size sizes[IT_TAPE_SIZES];
    uint64_t size_clock;
    uint32_t workers;
    it_tape_worker *worker;
    double *sums[2], *total[2];   /* forward and backward: [block][sums_len], and added up [sums_all] */
    size_t sums_all, blocks_max;
    size_t *seg_sums;             /* [seg + 1] first of the segment's doubles */
    double *loss; size_t *right;  /* [block] */
    double *restat; double restat_count;
    float *stats_at_zero, *stats_before; /* [running_len] */
    /* parameters: flat arrays of flat_len floats */
    it_train_param *params; size_t params_len, own_at, flat_len;
    float *w, *used, *grad, *moment[2], *average;
    float *running; size_t running_len; /* running statistics, one after another in the order of values */
    struct { const it_value **items; size_t len, cap; } stats; /* the values that they are */
    it_tape_chunk *chunks; size_t chunks_len;
    it_optimizer_state optimizer;
    it_scaling scaling;
    float *running_before;        /* running statistics before the step, while gradients may not be finite */
    bool stored;                  /* the graph's constants are memory of this trainer's results */
    bool averaged;                /* w and average have changed places */
    uint64_t weights_at;
    bool stale;                   /* used arrays are to be filled */
    /* the step at work */
    const it_train_batch *batch;
    bool training, forward_only, frozen; /* frozen: batch normalization by running statistics, which stay */
    double *zeros;                /* [sums_all] */
    int pass, reducing;
    double weight;
    double samples;               /* whose sums batch normalization has: this process's, or everyone's */
    double rate, shrink;
    /* profile */
    it_train_time *times;
    int64_t loss_ns, update_ns;
};

static inline uint32_t it_tape_forward_time(const it_train *t, int seg, int index) { return (uint32_t)seg * t->span + (uint32_t)index; }
static inline uint32_t it_tape_back_time(const it_train *t, int seg, int index)
{
    return (uint32_t)(2 * t->segs - 1 - seg) * t->span + t->span - 1 - (uint32_t)index;
}
/* 0..2S-2; the last forward and the first backward one are the same. */
static inline int it_tape_pass(const it_train *t, uint32_t time)
{
    int p = (int)(time / t->span);
    return p < t->segs ? p : p - 1;
}
static inline int it_tape_pass_seg(const it_train *t, int pass) { return pass < t->segs ? pass : 2 * (t->segs - 1) - pass; }

static inline it_tape_cell *it_tape_used(it_train *t, const it_value *v) { it_tape_value *x = &t->values[v->id]; return &x->cell[x->hooked ? 1 : 0]; }
uint32_t it_tape_root(const it_train *t, uint32_t buf);

/* Which nodes and values, their segments, layouts and gradients (tape_graph.c); parameters (params.c); the memory (tape_memory.c). */
INTACT_MUST_USE intact_status it_tape_plan(it_train *t, intact_error *err);
INTACT_MUST_USE intact_status it_tape_buffers(it_train *t, intact_error *err);
INTACT_MUST_USE intact_status it_tape_place_all(it_train *t, intact_error *err);
INTACT_MUST_USE intact_status it_tape_params(it_train *t, intact_error *err);
INTACT_MUST_USE intact_status it_tape_params_alloc(it_train *t, intact_error *err);
void it_tape_params_free(it_train *t);
bool it_tape_is_param(const it_train *t, const it_node *n, int k);
/* A buffer used at that time; IT_TAPE_NO when memory is out. */
uint32_t it_tape_buf_new(it_train *t, size_t per_sample, size_t fixed);
void it_tape_use(it_train *t, uint32_t buf, uint32_t time);
/* The shapes for blocks of n samples; made when they are not there (not while workers run). */
INTACT_MUST_USE intact_status it_tape_size_of(it_train *t, int64_t n, int *out, intact_error *err);

/* One block through one segment (tape_forward.c, tape_backward.c). */
typedef struct it_tape_block { int64_t first, n; int size, seg; uint32_t index; } it_tape_block;
INTACT_MUST_USE intact_status it_tape_forward(it_tape_worker *w, const it_tape_block *b, intact_error *err);
INTACT_MUST_USE intact_status it_tape_backward(it_tape_worker *w, const it_tape_block *b, intact_error *err);
/* v's tensor for the block, of which cell; data NULL where it has no memory. */
it_tensor it_tape_tensor(const it_tape_worker *w, const it_tape_block *b, const it_tape_cell *c);
/* Bit k: input k lies in a buffer whose numbers are rounded to bfloat16, as it is packed. */
uint32_t it_tape_rounded(const it_train *t, const it_tape_node *p);
/* The content of x, a tensor of buffer buf, unpacked to where to lies. */
void it_tape_unpack(const it_tape_worker *w, const it_tape_block *b, uint32_t buf, uint32_t to, it_tensor *x);
void *it_tape_data(const it_tape_worker *w, const it_tape_block *b, uint32_t buf);
/* Input k as the node takes it, its content converted where it must be; content false: shape only. */
it_tensor it_tape_input(it_tape_worker *w, const it_tape_block *b, const it_tape_node *p, int k, int phase, bool content);
static inline double *it_tape_sums(const it_train *t, int dir, const it_tape_block *b, const it_tape_node *p) { return t->sums[dir] + b->index * t->sums_all + p->sums_at; }
/* Values a channel of the whole batch, x being a block's tensor. */
static inline double it_tape_count(const it_train *t, const it_tape_block *b, const it_tensor *x)
{
    return t->samples * (double)(it_tensor_len(x) / (b->n * (x->rank > 1 ? x->dim[1] : 1)));
}
int64_t it_tape_clock(const it_train *t); /* nanoseconds; 0 without profile */

/* update.c */
/* The workers' gradients of what is complete with segment seg (IT_TAPE_LATE: with the batch's end) become one; other processes' are added from then
** on. Without other processes everything is taken at the end. */
INTACT_MUST_USE intact_status it_train_grads_reduce(it_train *t, int seg, intact_error *err);
void it_train_update(it_train *t, double norm);
void it_train_average_own(it_train *t); /* hooks' own parameters, as hooks have left them */
double it_train_norm(it_train *t);
void it_train_unscale(it_train *t); /* the gradient, by the loss's scale */

#endif
