/* SPDX-License-Identifier: Apache-2.0 */
/* cast_like: input 0's elements as input 1's type. */
#include "op/cast.h"

static intact_status cast_like_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    (void)n;
    (void)err;
    it_shape_copy(&out[0], in[0]);
    out[0].type = in[1]->type;
    return INTACT_OK;
}

static intact_status cast_like_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out,
                                       intact_error *err)
{
    (void)c;
    (void)n;
    (void)err;
    it_cast_run(in[0], out[0]);
    return INTACT_OK;
}

const it_op it_op_cast_like = {
    .name = "cast_like", .onnx = "CastLike", .since = 15,
    .in_min = 2, .in_max = 2, .out_min = 1, .out_max = 1,
    .infer = cast_like_infer, .forward = cast_like_forward,
    .hint = "keep activations float32 in the network; types are chosen here",
};
