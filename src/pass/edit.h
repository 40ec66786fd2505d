/* SPDX-License-Identifier: Apache-2.0 */
/* edit.h: what passes share: looking at nodes, and changes that leave the graph's invariants standing. */
#ifndef IT_EDIT_H
#define IT_EDIT_H

#include "pass/pass.h"

/* ---- looking ---- */

bool it_edit_is(const it_node *n, const char *onnx);      /* n may be NULL */
bool it_edit_clamped(const it_node *n);                   /* a fused Relu or Clip follows the operator */
it_value *it_edit_in(const it_node *n, int k);            /* NULL when left out */
const it_attr *it_edit_attr(const it_node *n, const char *name);
int64_t it_edit_attr_int(const it_node *n, const char *name, int64_t def);
float it_edit_attr_float(const it_node *n, const char *name, float def);
bool it_edit_attr_str_is(const it_node *n, const char *name, const char *def, const char *want);
const float *it_edit_floats(const it_value *v);           /* content of a float32 constant without quantization; else NULL. v may be NULL */
bool it_edit_scalar(const it_value *v, double *out);      /* a constant float of one element */
bool it_edit_reads_once(const it_graph *g, const it_value *v, const it_node *n); /* n alone reads v, at one place; v is no graph output */

/* ---- changing ---- */

/* Readers of n's first output read `to`, and n goes. False, and nothing done, when a name or a quantization would be lost. */
bool it_edit_bypass(it_graph *g, it_node *n, it_value *to);
/* p gives n's first output instead of its own; n, which read p's, goes. */
void it_edit_take(it_graph *g, it_node *p, it_node *n);
/* A constant of a new name that begins with base; the content is copied. */
INTACT_MUST_USE intact_status it_edit_const(it_graph *g, const char *base, const it_tensor *t, it_value **out, intact_error *err);
/* Input k of n is v; missing inputs up to k are left out. */
INTACT_MUST_USE intact_status it_edit_set_in(it_graph *g, it_node *n, int k, it_value *v, intact_error *err);
/* Replaces or adds attributes and parses the node again. Names and contents of attrs must live as long as the graph does. */
INTACT_MUST_USE intact_status it_edit_set_attrs(it_graph *g, it_node *n, const it_attr *attrs, int len, intact_error *err);
/* n becomes another operator on other inputs; the outputs, the clamp and the place in the order stay. */
INTACT_MUST_USE intact_status it_edit_become(it_graph *g, it_node *n, const it_op *op, it_value *const *in, int in_len,
                                             const it_attr *attrs, int attrs_len, intact_error *err);

/* ---- inference at several batch sizes ---- */

/* What a pass sees at batch 1 alone must hold for every batch, so it looks at three. */
#define IT_PROBES 3
typedef struct it_probe {
    it_arena arena;
    int len;                  /* shapes known: IT_PROBES, or 1 when the network cannot run at another batch */
    it_tensor *t[IT_PROBES];  /* [value id]: shape, and content where inference knows it; [0] is as the graph was */
} it_probe;

/* The graph is left inferred as it was. Dimension 0 of an input varies when it is symbolic or 1. */
INTACT_MUST_USE intact_status it_probe_run(it_graph *g, it_probe *p, intact_error *err);
void it_probe_release(it_probe *p);
bool it_probe_same_shape(const it_probe *p, const it_value *a, const it_value *b); /* known and equal, the types too, at each batch */
/* Infers again with the inputs' present shapes: after a change. */
INTACT_MUST_USE intact_status it_edit_infer(it_graph *g, intact_error *err);

#endif
