/* SPDX-License-Identifier: Apache-2.0 */
/* requantize: y = x with quantization parameters of its own (pass/split_streams.c). Written to a file it is an Identity. */
#include "op/back.h"
#include "op/lower.h"

const it_op it_op_requantize = {
    .name = "requantize", .onnx = "Identity", .since = 1,
    .in_min = 1, .in_max = 1, .out_min = 1, .out_max = 1,
    .infer = it_infer_same, .lower = it_lower_pass,
    .quant = { .out = IT_Q_FREE, .in_types = 1u << INTACT_U8 | 1u << INTACT_S16, .out_types = 1u << INTACT_U8 | 1u << INTACT_S16 },
    .layout = IT_LAYOUT_ANY, .view = true, .back = &it_back_view,
};
