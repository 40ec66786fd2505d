/* SPDX-License-Identifier: Apache-2.0 */
/* pass.h: graph rewrites. Each src/pass/<name>.c ends in one it_pass, with a line in pass_list.h; the list's order is the order of work. */
#ifndef IT_PASS_H
#define IT_PASS_H

#include "op/op.h"

typedef struct it_pass {
    const char *name;
    const char *what; /* one line for listings */
    intact_status (*run)(it_graph *g, size_t *changes, intact_error *err);
} it_pass;

extern const it_pass *const it_pass_all[]; /* NULL at the end */
/* All passes in order, repeated until nothing changes; the graph is sorted and verified after each. g must have been inferred. */
INTACT_MUST_USE intact_status it_pass_all_run(it_graph *g, intact_error *err);
/* The same with these passes alone; list ends with NULL. */
INTACT_MUST_USE intact_status it_pass_some_run(it_graph *g, const it_pass *const *list, intact_error *err);

/* The same network again, inferred at batch 1: values keep their numbers. Content of constants, attributes and quantization parameters stay from's, which
** must outlive the copy. to is initialised here; to be released on success only. */
INTACT_MUST_USE intact_status it_pass_clone(const it_graph *from, it_graph *to, intact_error *err);

/* A value that some of its readers want with parameters of its own: those read it through a Requantize (op/requantize.c), an Identity that is not one
** in integers. wants says so of a multiply-accumulate layer and what it reads; other readers, and graph outputs, keep the value as it is. Values
** whose readers are all of one kind are left alone. Layers see through operators that hand their input's codes on. Passes that fold identities undo it. */
INTACT_MUST_USE intact_status it_pass_split_streams(it_graph *g, bool (*wants)(void *user, const it_node *n), void *user, size_t *changes, intact_error *err);

/* For networks whose constants learn: fold_identities without what holds only while a constant is all 0 or all 1; in no list. */
extern const it_pass it_pass_fold_moves;
/* it_pass_all_run with fold_moves in place of fold_identities: what is left does not hang on what was learned. */
INTACT_MUST_USE intact_status it_pass_learning_run(it_graph *g, intact_error *err);

#define PASS(name) extern const it_pass it_pass_##name;
#include "pass/pass_list.h"
#undef PASS

#endif
