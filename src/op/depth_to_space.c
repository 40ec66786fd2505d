/* SPDX-License-Identifier: Apache-2.0 */
/* depth_to_space: channels rearranged into blocks of space, depth first (DCR) or column-row first (CRD). */
#include "op/blocks.h"

#include <string.h>

intact_status it_blocks_parse(it_parse *p)
{
    it_blocks_args *a = p->n->args;

    IT_TRY(it_attr_int(p, "blocksize", 0, &a->size));
    if (a->size < 1 || a->size > 1 << 20)
        return it_node_fail(p->n, p->err, INTACT_E_FORMAT, "blocksize is %lld; 1 to 1048576 is needed", (long long)a->size);
    return INTACT_OK;
}

intact_status it_blocks_rank(const it_node *n, const it_tensor *x, intact_error *err)
{
    if (x->rank != 4)
        return it_node_fail(n, err, INTACT_E_SHAPE, "the input has %d dimensions; 4 (n, c, h, w) are needed", x->rank);
    return INTACT_OK;
}

void it_blocks_space(const it_blocks_args *a, const it_tensor *deep, const int64_t *deep_axis, const int64_t *wide_axis, int64_t dim[6],
                     int64_t deep_stride[6], int64_t wide_stride[6])
{
    int64_t b = a->size, c = deep->dim[1] / (b * b);
    int64_t d[6] = { deep->dim[0], deep->dim[2], b, deep->dim[3], b, c };
    int64_t ds[6] = { deep_axis[0], deep_axis[2], (a->crd ? b : b * c) * deep_axis[1], deep_axis[3], (a->crd ? 1 : c) * deep_axis[1],
                      (a->crd ? b * b : 1) * deep_axis[1] };
    int64_t ws[6] = { wide_axis[0], b * wide_axis[2], wide_axis[2], b * wide_axis[3], wide_axis[3], wide_axis[1] };

    memcpy(dim, d, sizeof(d));
    memcpy(deep_stride, ds, sizeof(ds));
    memcpy(wide_stride, ws, sizeof(ws));
}

static intact_status depth_to_space_parse(it_parse *p)
{
    it_blocks_args *a = p->n->args;
    const char *mode = "DCR";

    if (p->n->opset >= 11)
        IT_TRY(it_attr_str(p, "mode", "DCR", &mode));
    a->crd = strcmp(mode, "CRD") == 0;
    if (!a->crd && strcmp(mode, "DCR") != 0)
        return it_node_fail(p->n, p->err, INTACT_E_FORMAT, "mode is \"%s\"; DCR and CRD are known", mode);
    return it_blocks_parse(p);
}

static intact_status depth_to_space_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    const it_blocks_args *a = n->args;
    const it_tensor *x = in[0];
    int64_t b = a->size;

    if (it_move_unknown(n, in, out))
        return INTACT_OK;
    IT_TRY(it_blocks_rank(n, x, err));
    if (x->dim[1] % (b * b) != 0)
        return it_node_fail(n, err, INTACT_E_SHAPE, "%lld channels cannot be divided into blocks of %lld by %lld", (long long)x->dim[1],
                            (long long)b, (long long)b);
    return it_move_shape(n, out, x->type, 4, (int64_t[]){ x->dim[0], x->dim[1] / (b * b), x->dim[2] * b, x->dim[3] * b }, err);
}

static intact_status depth_to_space_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out,
                                            intact_error *err)
{
    int64_t dim[6], from[6], to[6], deep[IT_RANK_MAX], wide[IT_RANK_MAX];

    (void)c;
    (void)err;
    it_move_strides(in[0], deep);
    it_move_strides(out[0], wide);
    it_blocks_space(n->args, in[0], deep, wide, dim, from, to);
    it_move_items(out[0]->data, in[0]->data, it_type_bytes(in[0]->type), 6, dim, to, from);
    return INTACT_OK;
}

static intact_status depth_to_space_lower(it_lower *lw, const it_node *n, intact_error *err)
{
    int64_t dim[6], from[6], to[6], deep[IT_RANK_MAX], wide[IT_RANK_MAX];
    uint32_t x, y;

    it_move_runtime_strides(&n->in[0]->t, deep);
    it_move_runtime_strides(&n->out[0]->t, wide);
    it_blocks_space(n->args, &n->in[0]->t, deep, wide, dim, from, to);
    IT_TRY(it_move_source(lw, n, 0, &x, err));
    IT_TRY(it_move_target(lw, n, n->in[0], n->out[0], &y, err));
    IT_TRY(it_move_copy(lw, n, x, y, 5, dim + 1, from + 1, 0, err)); /* h, i, w, j, c is the output's channels-last order */
    return it_move_finish(lw, n, n->in[0], n->out[0], y, err);
}

const it_op it_op_depth_to_space = {
    .name = "depth_to_space", .onnx = "DepthToSpace", .since = 1,
    .in_min = 1, .in_max = 1, .out_min = 1, .out_max = 1,
    .args_bytes = sizeof(it_blocks_args),
    .parse = depth_to_space_parse, .infer = depth_to_space_infer, .forward = depth_to_space_forward, .lower = depth_to_space_lower,
    .quant = { .out = IT_Q_SAME, .in_types = IT_MOVE_TYPES, .out_types = IT_MOVE_TYPES },
    .layout = IT_LAYOUT_NHWC,
};
