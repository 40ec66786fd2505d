/* SPDX-License-Identifier: Apache-2.0 */
/* QLinearGlobalAveragePool of ONNX Runtime: the average of codes over all positions. Inputs: x, x_scale, x_zero, y_scale, y_zero. */
#include "op/quant_form.h"

static const it_q_form FORM = {.base = &it_op_global_average_pool, .in = {0}, .in_len = 1, .y = 3};

const it_op it_op_q_linear_global_average_pool = {
    IT_Q_FORM_FIELDS(q_linear_global_average_pool, 5, 5), .onnx = "QLinearGlobalAveragePool",
};
