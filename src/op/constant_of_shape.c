/* SPDX-License-Identifier: Apache-2.0 */
/* constant_of_shape: a tensor of the shape that the input lists, filled with the attribute value (0.0f by default). args is the value. */
#include <string.h>

#include "op/move.h"

static intact_status constant_of_shape_parse(it_parse *p)
{
    static const float zero;
    it_tensor *t = p->n->args;
    const it_attr *a = it_attr_find(p, "value");
    *t = (it_tensor){.type = IT_F32, .rank = 1, .dim = {1}, .data = (void *)(uintptr_t)&zero};
    if (!a) return INTACT_OK;
    if (a->kind != IT_ATTR_TENSOR || it_tensor_len(&a->tensor) != 1)
        return it_node_fail(p->n, p->err, INTACT_E_FORMAT, "attribute value must be a tensor of one element");
    *t = a->tensor;
    return INTACT_OK;
}

static intact_status constant_of_shape_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    const it_tensor *value = n->args;
    int64_t dim[IT_RANK_MAX];
    int rank;
    bool known;
    IT_TRY(it_move_ints(n, in, 0, "the shape", dim, IT_RANK_MAX, &rank, &known, err));
    out[0].type = value->type;
    out[0].rank = IT_RANK_UNKNOWN;
    return known ? it_move_shape(n, &out[0], value->type, rank, dim, err) : INTACT_OK;
}

static intact_status constant_of_shape_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out,
                                               intact_error *err)
{
    (void)c;
    (void)in;
    (void)err;
    const it_tensor *value = n->args;
    it_move_fill(out[0]->data, value->data, it_type_bytes(value->type), it_tensor_len(out[0]));
    return INTACT_OK;
}

const it_op it_op_constant_of_shape = {
    .name = "constant_of_shape", .onnx = "ConstantOfShape", .since = 9,
    .in_min = 1, .in_max = 1, .out_min = 1, .out_max = 1,
    .args_bytes = sizeof(it_tensor), .parse = constant_of_shape_parse, .infer = constant_of_shape_infer,
    .forward = constant_of_shape_forward,
    .hint = "fix the input's shape, so that it is computed when the network is read, or store a constant",
};
