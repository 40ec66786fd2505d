/* SPDX-License-Identifier: Apache-2.0 */
/* QGemm of ONNX Runtime: the matrix product of codes. Inputs: a, a_scale, a_zero, b, b_scale, b_zero, c (int32), y_scale, y_zero. */
#include "op/quant_form.h"

static const it_q_form FORM = {.base = &it_op_gemm, .in = {0, 3}, .in_len = 2, .bias = 6, .y = 7, .float_out = true};

const it_op it_op_q_gemm = {
    IT_Q_FORM_FIELDS(q_gemm, 6, 9), .onnx = "QGemm",
};
