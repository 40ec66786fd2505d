/* SPDX-License-Identifier: Apache-2.0 */
/* QLinearLeakyRelu of ONNX Runtime: LeakyRelu of codes. Inputs: x, x_scale, x_zero, y_scale, y_zero. */
#include "op/quant_form.h"

static const it_q_form FORM = {.base = &it_op_leaky_relu, .in = {0}, .in_len = 1, .y = 3};

const it_op it_op_q_linear_leaky_relu = {
    IT_Q_FORM_FIELDS(q_linear_leaky_relu, 4, 5), .onnx = "QLinearLeakyRelu",
};
