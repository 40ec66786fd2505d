/* SPDX-License-Identifier: Apache-2.0 */
/* Celu: y = x for x > 0, else alpha (e^(x / alpha) - 1). */
#include "op/unary.h"

typedef struct celu_args { float alpha; } celu_args;

static intact_status celu_parse(it_parse *p)
{
    celu_args *a = p->n->args;
    return it_attr_float(p, "alpha", 1.0f, &a->alpha);
}

IT_UNARY_ARGS(celu, celu_args, IT_PICK(x < 0, R(a.alpha) * IT_EXPM1(x / R(a.alpha)), x))

const it_op it_op_celu = {
    IT_UNARY_FIELDS(celu), .onnx = "Celu", .since = 12,
    .args_bytes = sizeof(celu_args), .parse = celu_parse,
    .quant = IT_LUT_QUANT(IT_Q_FREE, 0, 0),
};
