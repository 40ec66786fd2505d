/* SPDX-License-Identifier: Apache-2.0 */
/* HardSigmoid: y = alpha x + beta, within 0 and 1. */
#include "op/unary_back.h"

typedef struct hard_sigmoid_args { float alpha, beta; } hard_sigmoid_args;

static intact_status hard_sigmoid_parse(it_parse *p)
{
    hard_sigmoid_args *a = p->n->args;
    IT_TRY(it_attr_float(p, "alpha", 0.2f, &a->alpha));
    return it_attr_float(p, "beta", 0.5f, &a->beta);
}

IT_UNARY_ARGS(hard_sigmoid, hard_sigmoid_args, IT_CLAMP_01(R(a.alpha) * x + R(a.beta)))

IT_UNARY_BACK_ARGS(hard_sigmoid, 0, 1, hard_sigmoid_args, y > 0 && y < 1 ? R(a.alpha) * g : R(0))

const it_op it_op_hard_sigmoid = {
    IT_UNARY_FIELDS(hard_sigmoid), .onnx = "HardSigmoid", .since = 1,
    .args_bytes = sizeof(hard_sigmoid_args), .parse = hard_sigmoid_parse,
    .quant = IT_LUT_QUANT(IT_Q_FIXED, 0, 1),
    .back = &hard_sigmoid_back,
};
