/* SPDX-License-Identifier: Apache-2.0 */
/* ThresholdedRelu: y = x above alpha, else 0. */
#include "op/unary.h"

typedef struct thresholded_relu_args { float alpha; } thresholded_relu_args;

static intact_status thresholded_relu_parse(it_parse *p)
{
    thresholded_relu_args *a = p->n->args;
    return it_attr_float(p, "alpha", 1.0f, &a->alpha);
}

IT_UNARY_ARGS(thresholded_relu, thresholded_relu_args, IT_PICK(x > R(a.alpha), x, R(0)))

const it_op it_op_thresholded_relu = {
    IT_UNARY_FIELDS(thresholded_relu), .onnx = "ThresholdedRelu", .since = 10,
    .args_bytes = sizeof(thresholded_relu_args), .parse = thresholded_relu_parse,
    .quant = IT_LUT_QUANT(IT_Q_FREE, 0, 0),
};
