/* SPDX-License-Identifier: Apache-2.0 */
/* LeakyRelu: y = x for x >= 0, else alpha x. */
#include "op/unary_back.h"

typedef struct leaky_relu_args { float alpha; } leaky_relu_args;

static intact_status leaky_relu_parse(it_parse *p)
{
    leaky_relu_args *a = p->n->args;
    return it_attr_float(p, "alpha", 0.01f, &a->alpha);
}

IT_UNARY_ARGS(leaky_relu, leaky_relu_args, IT_PICK(x < 0, R(a.alpha) * x, x))

IT_UNARY_BACK_ARGS(leaky_relu, 1, 0, leaky_relu_args, IT_PICK(x < 0, R(a.alpha) * g, g))

const it_op it_op_leaky_relu = {
    IT_UNARY_FIELDS(leaky_relu), .onnx = "LeakyRelu", .since = 1,
    .args_bytes = sizeof(leaky_relu_args), .parse = leaky_relu_parse,
    .quant = IT_LUT_QUANT(IT_Q_FREE, 0, 0),
    .back = &leaky_relu_back,
};
