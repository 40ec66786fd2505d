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

#define PASS(name) extern const it_pass it_pass_##name;
#include "pass/pass_list.h"
#undef PASS

#endif
