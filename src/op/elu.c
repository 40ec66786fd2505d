/* SPDX-License-Identifier: Apache-2.0 */
/* Elu: y = x for x > 0, else alpha (e^x - 1). */
#include "op/unary.h"

typedef struct elu_args { float alpha; } elu_args;

static intact_status elu_parse(it_parse *p)
{
    elu_args *a = p->n->args;
    return it_attr_float(p, "alpha", 1.0f, &a->alpha);
}

IT_UNARY_ARGS(elu, elu_args, IT_PICK(x < 0, R(a.alpha) * IT_EXPM1(x), x))

const it_op it_op_elu = {
    IT_UNARY_FIELDS(elu), .onnx = "Elu", .since = 1,
    .args_bytes = sizeof(elu_args), .parse = elu_parse,
    .quant = IT_LUT_QUANT(IT_Q_FREE, 0, 0),
};
