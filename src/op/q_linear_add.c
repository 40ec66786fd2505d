/* SPDX-License-Identifier: Apache-2.0 */
/* QLinearAdd of ONNX Runtime: the sum of two tensors of codes. Inputs: a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero. */
#include "op/quant_form.h"

static const it_q_form FORM = {.base = &it_op_add, .in = {0, 3}, .in_len = 2, .y = 6};

const it_op it_op_q_linear_add = {
    IT_Q_FORM_FIELDS(q_linear_add, 7, 8), .onnx = "QLinearAdd",
};
