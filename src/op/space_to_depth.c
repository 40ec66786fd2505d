/* SPDX-License-Identifier: Apache-2.0 */
/* space_to_depth: blocks of space rearranged into channels; the inverse of depth_to_space in DCR order. */
#include "op/blocks.h"

static intact_status space_to_depth_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    const it_blocks_args *a = n->args;
    const it_tensor *x = in[0];
    int64_t b = a->size, c;

    if (it_move_unknown(n, in, out))
        return INTACT_OK;
    IT_TRY(it_blocks_rank(n, x, err));
    if (x->dim[2] % b != 0 || x->dim[3] % b != 0)
        return it_node_fail(n, err, INTACT_E_SHAPE, "%lld by %lld cannot be divided into blocks of %lld by %lld", (long long)x->dim[2],
                            (long long)x->dim[3], (long long)b, (long long)b);
    if (__builtin_mul_overflow(x->dim[1], b * b, &c))
        return it_node_fail(n, err, INTACT_E_SHAPE, "%lld channels times %lld squared is too much", (long long)x->dim[1], (long long)b);
    return it_move_shape(n, out, x->type, 4, (int64_t[]){ x->dim[0], c, x->dim[2] / b, x->dim[3] / b }, err);
}

static intact_status space_to_depth_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out,
                                            intact_error *err)
{
    int64_t dim[6], from[6], to[6], deep[IT_RANK_MAX], wide[IT_RANK_MAX];

    (void)c;
    (void)err;
    it_move_strides(out[0], deep);
    it_move_strides(in[0], wide);
    it_blocks_space(n->args, out[0], deep, wide, dim, to, from);
    it_move_items(out[0]->data, in[0]->data, it_type_bytes(in[0]->type), 6, dim, to, from);
    return INTACT_OK;
}

static intact_status space_to_depth_lower(it_lower *lw, const it_node *n, intact_error *err)
{
    static const int order[5] = { 1, 3, 2, 4, 5 }; /* h, w, i, j, c: the output's channels-last order */
    int64_t dim[6], from[6], to[6], deep[IT_RANK_MAX], wide[IT_RANK_MAX], d[5], s[5];
    uint32_t x, y;

    it_move_runtime_strides(&n->out[0]->t, deep);
    it_move_runtime_strides(&n->in[0]->t, wide);
    it_blocks_space(n->args, &n->out[0]->t, deep, wide, dim, to, from);
    for (int k = 0; k < 5; k++) {
        d[k] = dim[order[k]];
        s[k] = from[order[k]];
    }
    IT_TRY(it_move_source(lw, n, 0, &x, err));
    IT_TRY(it_move_target(lw, n, n->in[0], n->out[0], &y, err));
    IT_TRY(it_move_copy(lw, n, x, y, 5, d, s, 0, err));
    return it_move_finish(lw, n, n->in[0], n->out[0], y, err);
}

const it_op it_op_space_to_depth = {
    .name = "space_to_depth", .onnx = "SpaceToDepth", .since = 1,
    .in_min = 1, .in_max = 1, .out_min = 1, .out_max = 1,
    .args_bytes = sizeof(it_blocks_args),
    .parse = it_blocks_parse, .infer = space_to_depth_infer, .forward = space_to_depth_forward, .lower = space_to_depth_lower,
    .quant = { .out = IT_Q_SAME, .in_types = IT_MOVE_TYPES, .out_types = IT_MOVE_TYPES },
    .layout = IT_LAYOUT_NHWC,
};
