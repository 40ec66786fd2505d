/* SPDX-License-Identifier: Apache-2.0 */
/* shape: the dimensions start..end-1 of the input, as int64; both may count from the end (opset 15; all of them before). */
#include "op/op.h"

typedef struct it_shape_args { int64_t start, end; } it_shape_args;

static intact_status shape_parse(it_parse *p)
{
    it_shape_args *a = p->n->args;
    a->end = INT64_MAX;
    if (p->n->opset < 15) return INTACT_OK;
    IT_TRY(it_attr_int(p, "start", 0, &a->start));
    return it_attr_int(p, "end", INT64_MAX, &a->end);
}

static int64_t bound(int64_t at, int rank)
{
    if (at < 0) at += rank;
    return at < 0 ? 0 : at > rank ? rank : at;
}

static intact_status shape_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    (void)err;
    const it_shape_args *a = n->args;
    int64_t len = bound(a->end, in[0]->rank) - bound(a->start, in[0]->rank);
    out[0].type = IT_I64;
    out[0].rank = 1;
    out[0].dim[0] = len < 0 ? 0 : len;
    return INTACT_OK;
}

static intact_status shape_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out, intact_error *err)
{
    (void)c;
    (void)err;
    const it_shape_args *a = n->args;
    int64_t from = bound(a->start, in[0]->rank), *y = out[0]->data;
    for (int64_t i = 0; i < out[0]->dim[0]; i++) y[i] = in[0]->dim[from + i];
    return INTACT_OK;
}

const it_op it_op_shape = {
    .name = "shape", .onnx = "Shape", .since = 1,
    .in_min = 1, .in_max = 1, .out_min = 1, .out_max = 1,
    .args_bytes = sizeof(it_shape_args), .parse = shape_parse, .infer = shape_infer, .forward = shape_forward, .shape_only = true,
    .hint = "fix the input's shape, so that shapes are computed when the network is read",
};
