/* SPDX-License-Identifier: Apache-2.0 */
/* exec.h: the float executor: one network, one thread of use. Shapes are inferred as it goes, so batch and shape inputs may change
** from run to run. Runs oneDNN with one thread: workers each have an executor of their own. */
#ifndef IT_EXEC_H
#define IT_EXEC_H

#include "op/op.h"

typedef struct it_exec it_exec;

typedef struct it_exec_options {
    /* Called with each value as soon as it is computed (graph inputs first; constants never); t may be NHWC, valid during the call. */
    intact_status (*hook)(void *user, const it_value *v, const it_tensor *t, intact_error *err);
    void *hook_user;
    /* Simulated quantization: of a value with v->q for which this says true, every number is replaced by that of its code as soon as it is
    ** computed (before the hook), a constant weight by scale * code when the executor is made (and what methods tuned stands in for the rest). NULL: all in float. Weights
    ** are read from v->q once, when the executor is made; what it says of other values may change between runs. */
    bool (*simulates)(void *user, const it_value *v);
    void *simulates_user;
} it_exec_options;

INTACT_MUST_USE intact_status it_exec_new(const it_graph *g, const it_exec_options *opt, it_exec **out, intact_error *err);
void it_exec_free(it_exec *e);
/* in: one tensor per graph input (plain layout), shapes and data. Afterwards it_exec_output(e, i) holds the graph outputs, plain, valid
** until the next run. */
INTACT_MUST_USE intact_status it_exec_run(it_exec *e, const it_tensor *in, size_t in_len, intact_error *err);

/* A run in parts, for many runs with a common beginning. begin takes the inputs; advance runs every node before node to (node count: all, and
** the outputs are there); resume, with e and base executors of one graph, drops what e holds, takes what base holds now and runs the rest:
** base stays where it is and must outlive the use of e's outputs. What base has computed already is not rounded again. */
INTACT_MUST_USE intact_status it_exec_begin(it_exec *e, const it_tensor *in, size_t in_len, intact_error *err);
INTACT_MUST_USE intact_status it_exec_advance(it_exec *e, size_t to, intact_error *err);
INTACT_MUST_USE intact_status it_exec_resume(it_exec *e, const it_exec *base, intact_error *err);
/* Instead of begin: these values' contents are as given (kept by the caller while the run lasts, any layout), node at is the next. */
void it_exec_begin_at(it_exec *e, size_t at, const it_value *const *v, const it_tensor *t, size_t len);
/* What v holds between two nodes, in the layout it was computed in; NULL when it is not computed yet, or nobody reads it any more. */
const it_tensor *it_exec_value(const it_exec *e, const it_value *v);
/* From the next node on constant v, float32, has this content (kept by the caller while e lives); NULL: its own. */
void it_exec_replace(it_exec *e, const it_value *v, const float *data);
const it_tensor *it_exec_output(const it_exec *e, size_t i);
size_t it_exec_peak_bytes(const it_exec *e);

#endif
