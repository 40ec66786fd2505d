/* SPDX-License-Identifier: Apache-2.0 */
/* exec_node.h: the executor's insides: what it keeps for each value and each node. */
#ifndef IT_EXEC_NODE_H
#define IT_EXEC_NODE_H

#include "exec/buffers.h"
#include "exec/exec.h"

/* A value's content, in one layout or in both: the other one is made when a reader first asks for it. */
typedef struct it_cell {
    it_tensor t[2];  /* [it_layout]; equal but for layout and data */
    bool ready[2];
    int block[2];    /* IT_NO_BLOCK: the bytes are the caller's or a constant's */
    int prefer[2];   /* the block of the last run */
    it_layout first; /* as it was computed */
    int last;        /* index of the last node that reads it; nodes.len for graph outputs and constants */
} it_cell;

typedef struct it_cell_node {
    it_op_state *state;
    it_tensor *in, *out; /* shapes and layouts of the last run */
    bool seen;           /* they are valid */
    bool by_content;     /* the output's shape may change while the inputs' shapes stay */
} it_cell_node;

struct it_exec {
    const it_graph *g;
    const intact_alloc *alloc;
    it_exec_options opt;
    it_arena arena, scratch;
    it_buffers buffers;
    it_cell *cells;        /* [value id] */
    it_cell_node *nodes;   /* [node index] */
    const it_tensor **in;  /* of the node that runs; as many as the widest has */
    it_tensor *in_mem, *out_mem, **out;
    size_t at;             /* the next node of the present run */
};

/* The value's content in that layout, converted when needed. */
INTACT_MUST_USE intact_status it_exec_cell(it_exec *e, const it_value *v, it_layout layout, const it_tensor **out, intact_error *err);
void it_exec_drop(it_exec *e, it_cell *c);
INTACT_MUST_USE intact_status it_exec_node(it_exec *e, int index, intact_error *err);

/* Whether v is to be rounded to its codes (exec/simulate.c). */
bool it_exec_simulates(const it_exec *e, const it_value *v);
/* The numbers of t, v's content, become those of their codes. */
void it_exec_round(const it_value *v, const it_tensor *t);
/* A constant weight's content from its codes, in e's arena. */
INTACT_MUST_USE intact_status it_exec_dequantize(it_exec *e, const it_value *v, it_tensor *out, intact_error *err);

#endif
