/* SPDX-License-Identifier: Apache-2.0 */
/* size: the number of elements of the input, an int64 scalar. */
#include "op/op.h"

static intact_status size_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    (void)n;
    (void)in;
    (void)err;
    out[0].type = IT_I64;
    out[0].rank = 0;
    return INTACT_OK;
}

static intact_status size_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out, intact_error *err)
{
    (void)c;
    (void)n;
    (void)err;
    *(int64_t *)out[0]->data = it_tensor_len(in[0]);
    return INTACT_OK;
}

const it_op it_op_size = {
    .name = "size", .onnx = "Size", .since = 1,
    .in_min = 1, .in_max = 1, .out_min = 1, .out_max = 1,
    .infer = size_infer, .forward = size_forward, .shape_only = true,
    .hint = "fix the input's shape, so that shapes are computed when the network is read",
};
