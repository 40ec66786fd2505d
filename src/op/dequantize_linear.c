/* SPDX-License-Identifier: Apache-2.0 */
/* DequantizeLinear: y = (x - zero) * scale, of the scale's type; one scale, one along an axis, or one a block. */
#include "op/quant_linear.h"

#define CODES (IT_T(IT_U4) | IT_T(IT_I4) | IT_T(IT_U8) | IT_T(IT_I8) | IT_T(IT_U16) | IT_T(IT_I16) | IT_T(IT_I32))

static intact_status dequantize_linear_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    it_q_axis axis;
    const it_tensor *zero = it_elem_in(n, in, 2);
    IT_TRY(it_elem_check(n, in, 0, CODES, err));
    IT_TRY(it_elem_check(n, in, 1, IT_T(IT_F32) | IT_T(IT_F16), err));
    if (zero && zero->type != in[0]->type)
        return it_node_fail(n, err, INTACT_E_SHAPE, "the zero point has type %s, x %s; they must agree", it_type_name(zero->type),
                            it_type_name(in[0]->type));
    it_shape_copy(&out[0], in[0]);
    out[0].type = in[1]->type;
    return it_q_axis_of(n, in, &axis, err);
}

static void row(const it_tensor *x, int64_t at, int64_t len, float scale, int64_t zero, float *y)
{
    switch (x->type) {
#define ROW(id, T)                                                                                                                \
    case id:                                                                                                                      \
        for (int64_t i = 0; i < len; i++) y[i] = (float)(((const T *)x->data)[at + i] - (int32_t)zero) * scale;                   \
        break;
        ROW(IT_U4, uint8_t)
        ROW(IT_I4, int8_t)
        ROW(IT_U8, uint8_t)
        ROW(IT_I8, int8_t)
        ROW(IT_U16, uint16_t)
        ROW(IT_I16, int16_t)
#undef ROW
    default: /* the difference of two int32 may not fit */
        for (int64_t i = 0; i < len; i++) y[i] = (float)(((const int32_t *)x->data)[at + i] - zero) * scale;
        break;
    }
}

static intact_status dequantize_linear_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out,
                                               intact_error *err)
{
    const it_tensor *zero = it_elem_in(n, in, 2);
    it_q_axis a;
    void *to = out[0]->data;
    int64_t len = it_tensor_len(in[0]);
    IT_TRY(it_q_axis_of(n, in, &a, err));
    if (out[0]->type == IT_F16) IT_TRY(it_elem_scratch(c, n, (size_t)len, sizeof(float), &to, err));
    int64_t part = a.block ? 1 : a.inner;
    for (int64_t at = 0, o = 0; o < a.outer; o++)
        for (int64_t k = 0; k < a.len; k++)
            for (int64_t i = 0; i < a.inner; i += part, at += part) {
                int64_t q = it_q_index(&a, o, k, i);
                row(in[0], at, part, (float)it_tensor_get(in[1], q), zero ? it_tensor_get_int(zero, q) : 0, (float *)to + at);
            }
    if (out[0]->type == IT_F16) it_elem_narrow(to, out[0]->data, len);
    return INTACT_OK;
}

const it_op it_op_dequantize_linear = {
    .name = "dequantize_linear", .onnx = "DequantizeLinear", .since = 10, .in_min = 2, .in_max = 3, .out_min = 1, .out_max = 1,
    .args_bytes = sizeof(it_q_args), .parse = it_q_parse, .infer = dequantize_linear_infer, .forward = dequantize_linear_forward,
    .absorbed = true, .hint = IT_Q_HINT,
};

/* ONNX Runtime's own, for 16 and 4 bits before opset 21. */
const it_op it_op_ms_dequantize_linear = {
    .name = "ms_dequantize_linear", .onnx = "DequantizeLinear", .domain = "com.microsoft", .since = 1, .in_min = 2, .in_max = 3, .out_min = 1, .out_max = 1,
    .args_bytes = sizeof(it_q_args), .parse = it_q_parse, .infer = dequantize_linear_infer, .forward = dequantize_linear_forward,
    .absorbed = true, .hint = IT_Q_HINT,
};
