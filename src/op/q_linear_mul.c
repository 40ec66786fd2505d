/* SPDX-License-Identifier: Apache-2.0 */
/* QLinearMul of ONNX Runtime: the product of two tensors of codes. Inputs: a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero. */
#include "op/quant_form.h"

static const it_q_form FORM = {.base = &it_op_mul, .in = {0, 3}, .in_len = 2, .y = 6};

const it_op it_op_q_linear_mul = {
    IT_Q_FORM_FIELDS(q_linear_mul, 7, 8), .onnx = "QLinearMul",
};
