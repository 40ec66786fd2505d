/* SPDX-License-Identifier: Apache-2.0 */
/* QLinearSigmoid of ONNX Runtime: the sigmoid of codes. Inputs: x, x_scale, x_zero, y_scale, y_zero. */
#include "op/quant_form.h"

static const it_q_form FORM = {.base = &it_op_sigmoid, .in = {0}, .in_len = 1, .y = 3};

const it_op it_op_q_linear_sigmoid = {
    IT_Q_FORM_FIELDS(q_linear_sigmoid, 4, 5), .onnx = "QLinearSigmoid",
};
