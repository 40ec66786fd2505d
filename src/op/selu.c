/* SPDX-License-Identifier: Apache-2.0 */
/* Selu: y = gamma x for x > 0, else gamma alpha (e^x - 1). */
#include "op/unary.h"

typedef struct selu_args { float alpha, gamma; } selu_args;

static intact_status selu_parse(it_parse *p)
{
    selu_args *a = p->n->args;
    IT_TRY(it_attr_float(p, "alpha", 1.67326319217681884765625f, &a->alpha));
    return it_attr_float(p, "gamma", 1.05070102214813232421875f, &a->gamma);
}

IT_UNARY_ARGS(selu, selu_args, R(a.gamma) * IT_PICK(x < 0, R(a.alpha) * IT_EXPM1(x), x))

const it_op it_op_selu = {
    IT_UNARY_FIELDS(selu), .onnx = "Selu", .since = 1,
    .args_bytes = sizeof(selu_args), .parse = selu_parse,
    .quant = IT_LUT_QUANT(IT_Q_FREE, 0, 0),
};
