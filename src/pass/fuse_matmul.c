/* SPDX-License-Identifier: Apache-2.0 */
/* fuse_matmul: a matrix times a constant matrix becomes Gemm, whose bias then takes what is added per column (fold_batchnorm). */
#include "pass/edit.h"

static intact_status fuse_matmul_run(it_graph *g, size_t *changes, intact_error *err)
{
    for (size_t i = 0; i < g->nodes.len; i++) {
        it_node *n = g->nodes.items[i];
        if (!it_edit_is(n, "MatMul") || !it_edit_floats(n->in[1]) || n->in[1]->t.rank != 2 || n->in[0]->t.rank != 2) continue;
        if (n->in[0]->t.type != IT_F32) continue;
        it_value *in[2] = {n->in[0], n->in[1]};
        IT_TRY(it_edit_become(g, n, &it_op_gemm, in, 2, NULL, 0, err));
        ++*changes;
    }
    return INTACT_OK;
}

const it_pass it_pass_fuse_matmul = {
    .name = "fuse_matmul", .what = "turns products with a constant matrix into Gemm", .run = fuse_matmul_run,
};
