/* SPDX-License-Identifier: Apache-2.0 */
/* QLinearConcat of ONNX Runtime: tensors of codes one after another. Inputs: y_scale, y_zero, then x, x_scale, x_zero of each. */
#include "op/quant_form.h"

static const it_q_form FORM = {.base = &it_op_concat, .in = {2}, .step = 3, .y = 0};

const it_op it_op_q_linear_concat = {
    IT_Q_FORM_FIELDS(q_linear_concat, 5, -1), .onnx = "QLinearConcat",
};
