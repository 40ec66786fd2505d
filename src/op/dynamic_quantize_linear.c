/* SPDX-License-Identifier: Apache-2.0 */
/* DynamicQuantizeLinear: x as uint8 over its own range, which is widened to hold 0; also gives scale and zero point. */
#include <math.h>

#include "op/quant_linear.h"

static intact_status dynamic_quantize_linear_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    IT_TRY(it_elem_check(n, in, 0, IT_T(IT_F32), err));
    it_shape_copy(&out[0], in[0]);
    out[0].type = IT_U8;
    if (n->out_len > 1) out[1].type = IT_F32;
    if (n->out_len > 2) out[2].type = IT_U8;
    return INTACT_OK;
}

static intact_status dynamic_quantize_linear_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out,
                                                     intact_error *err)
{
    (void)c;
    (void)err;
    const float *x = in[0]->data;
    int64_t len = it_tensor_len(in[0]);
    float lo = 0, hi = 0;
    for (int64_t i = 0; i < len; i++) {
        lo = x[i] < lo ? x[i] : lo;
        hi = x[i] > hi ? x[i] : hi;
    }
    float scale = hi > lo ? (hi - lo) / 255.0f : 1.0f, zero = it_q_code(-lo / scale, 0, 0, 255);
    if (out[0]) it_q_row(x, out[0]->data, IT_U8, len, scale, zero);
    if (n->out_len > 1 && out[1]) *(float *)out[1]->data = scale;
    if (n->out_len > 2 && out[2]) *(uint8_t *)out[2]->data = (uint8_t)zero;
    return INTACT_OK;
}

const it_op it_op_dynamic_quantize_linear = {
    .name = "dynamic_quantize_linear", .onnx = "DynamicQuantizeLinear", .since = 11, .in_min = 1, .in_max = 1, .out_min = 1, .out_max = 3,
    .infer = dynamic_quantize_linear_infer, .forward = dynamic_quantize_linear_forward,
    .absorbed = true, .hint = "with --calib its ranges become fixed ones",
};
