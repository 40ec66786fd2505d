/* SPDX-License-Identifier: Apache-2.0 */
/* eye_like: a matrix of the input's shape with ones on diagonal k. */
#include "op/move.h"

#include <string.h>

typedef struct eye_like_args { int64_t k; int type; /* -1: the input's */ } eye_like_args;

static intact_status eye_like_parse(it_parse *p)
{
    eye_like_args *a = p->n->args;
    int64_t code;
    it_type type;

    a->type = -1;
    IT_TRY(it_attr_int(p, "k", 0, &a->k));
    if (!it_attr_has(p, "dtype"))
        return INTACT_OK;
    IT_TRY(it_attr_int(p, "dtype", 0, &code));
    if (!it_type_of_onnx(code, &type) || it_type_is_4bit(type))
        return it_node_fail(p->n, p->err, INTACT_E_UNSUPPORTED, "dtype %lld (%s) is not supported", (long long)code,
                            it_type_onnx_name(code));
    a->type = (int)type;
    return INTACT_OK;
}

static intact_status eye_like_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    const eye_like_args *a = n->args;
    it_type type = a->type < 0 ? in[0]->type : (it_type)a->type;

    if (it_move_unknown(n, in, out)) {
        out[0].type = type;
        return INTACT_OK;
    }
    if (in[0]->rank != 2)
        return it_node_fail(n, err, INTACT_E_SHAPE, "the input has %d dimensions; two are needed", in[0]->rank);
    return it_move_shape(n, out, type, 2, in[0]->dim, err);
}

static intact_status eye_like_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out, intact_error *err)
{
    const eye_like_args *a = n->args;
    const it_tensor *y = out[0];
    int64_t h = y->dim[0], w = y->dim[1], k = a->k > w ? w : a->k < -h ? -h : a->k;

    (void)c;
    (void)in;
    (void)err;
    memset(y->data, 0, it_tensor_bytes(y));
    for (int64_t r = k < 0 ? -k : 0; r < h && r + k < w; r++)
        it_tensor_set(y, r * w + r + k, 1);
    return INTACT_OK;
}

const it_op it_op_eye_like = {
    .name = "eye_like", .onnx = "EyeLike", .since = 9,
    .in_min = 1, .in_max = 1, .out_min = 1, .out_max = 1,
    .args_bytes = sizeof(eye_like_args),
    .parse = eye_like_parse, .infer = eye_like_infer, .forward = eye_like_forward,
    .shape_only = true,
    .hint = "a constant of the same shape folds into the layer that reads it",
};
