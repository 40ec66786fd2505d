/* SPDX-License-Identifier: Apache-2.0 */
/* pass.c: the list of passes, run until none finds anything to do. */
#include "pass/edit.h"

#define ROUNDS_MAX 64 /* each round but the last removes something, so this is never reached unless two passes undo each other's work */

const it_pass *const it_pass_all[] = {
#define PASS(name) &it_pass_##name,
#include "pass/pass_list.h"
#undef PASS
    NULL
};

static intact_status run_one(it_graph *g, const it_pass *pass, size_t *changes, intact_error *err)
{
    size_t here = 0;
    IT_TRY(pass->run(g, &here, err));
    if (here == 0) return INTACT_OK;
    *changes += here;
    IT_TRY(it_graph_sort(g, err));
    IT_TRY(it_graph_verify(g, err));
    return it_edit_infer(g, err);
}

intact_status it_pass_all_run(it_graph *g, intact_error *err) { return it_pass_some_run(g, it_pass_all, err); }

intact_status it_pass_some_run(it_graph *g, const it_pass *const *list, intact_error *err)
{
    size_t changes = 1;
    for (int round = 0; round < ROUNDS_MAX && changes > 0; round++) {
        changes = 0;
        for (size_t i = 0; list[i]; i++) {
            intact_status st = run_one(g, list[i], &changes, err);
            if (st != INTACT_OK) return st;
        }
    }
    return INTACT_OK;
}

intact_status it_pass_learning_run(it_graph *g, intact_error *err)
{
    const it_pass *list[IT_LEN(it_pass_all)];
    for (size_t i = 0; i < IT_LEN(list); i++) list[i] = it_pass_all[i] == &it_pass_fold_identities ? &it_pass_fold_moves : it_pass_all[i];
    return it_pass_some_run(g, list, err);
}
