/* SPDX-License-Identifier: Apache-2.0 */
/* QuantizeLinear: y = saturate(round(x / scale) + zero), ties to even; one scale, one along an axis, or one a block. */
#include "op/quant_linear.h"

#define CODES (IT_T(IT_U4) | IT_T(IT_I4) | IT_T(IT_U8) | IT_T(IT_I8) | IT_T(IT_U16) | IT_T(IT_I16))

/* ONNX's numbers of the types that output_dtype may ask for. */
static intact_status type_of(const it_node *n, const it_tensor *zero, it_type *out, intact_error *err)
{
    static const struct { int64_t onnx; it_type type; } TYPES[] = {{0, IT_U8}, {2, IT_U8}, {3, IT_I8}, {4, IT_U16}, {5, IT_I16}, {21, IT_U4}, {22, IT_I4}};
    const it_q_args *a = n->args;
    for (size_t i = 0; i < IT_LEN(TYPES); i++) {
        if (TYPES[i].onnx != a->dtype) continue;
        *out = zero ? zero->type : TYPES[i].type;
        if (a->dtype && TYPES[i].type != *out)
            return it_node_fail(n, err, INTACT_E_SHAPE, "output_dtype is %s, the zero point's type %s; they must agree",
                                it_type_name(TYPES[i].type), it_type_name(*out));
        return INTACT_OK;
    }
    return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "output_dtype %lld; integers of 4, 8 and 16 bits are supported", (long long)a->dtype);
}

static intact_status quantize_linear_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    it_q_axis axis;
    it_shape_copy(&out[0], in[0]);
    IT_TRY(it_elem_check(n, in, 0, IT_T(IT_F32) | IT_T(IT_F16) | IT_T(IT_I32), err));
    IT_TRY(it_elem_check(n, in, 1, IT_T(IT_F32) | IT_T(IT_F16) | IT_T(IT_I32), err));
    if (it_elem_in(n, in, 2)) IT_TRY(it_elem_check(n, in, 2, CODES, err));
    IT_TRY(type_of(n, it_elem_in(n, in, 2), &out[0].type, err));
    return it_q_axis_of(n, in, &axis, err);
}

static intact_status quantize_linear_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out,
                                             intact_error *err)
{
    const it_tensor *zero = it_elem_in(n, in, 2);
    it_tensor x;
    it_q_axis a;
    IT_TRY(it_elem_cast(c, n, in[0], IT_F32, &x, err));
    IT_TRY(it_q_axis_of(n, in, &a, err));
    const float *from = x.data;
    char *to = out[0]->data;
    int64_t size = (int64_t)it_type_bytes(out[0]->type), part = a.block ? 1 : a.inner;
    for (int64_t at = 0, o = 0; o < a.outer; o++)
        for (int64_t k = 0; k < a.len; k++)
            for (int64_t i = 0; i < a.inner; i += part, at += part) {
                int64_t q = it_q_index(&a, o, k, i);
                it_q_row(from + at, to + at * size, out[0]->type, part, (float)it_tensor_get(in[1], q),
                         zero ? (float)it_tensor_get(zero, q) : 0.0f);
            }
    return INTACT_OK;
}

const it_op it_op_quantize_linear = {
    .name = "quantize_linear", .onnx = "QuantizeLinear", .since = 10, .in_min = 2, .in_max = 3, .out_min = 1, .out_max = 1,
    .args_bytes = sizeof(it_q_args), .parse = it_q_parse, .infer = quantize_linear_infer, .forward = quantize_linear_forward,
    .absorbed = true, .hint = IT_Q_HINT,
};

/* ONNX Runtime's own, for 16 and 4 bits before opset 21. */
const it_op it_op_ms_quantize_linear = {
    .name = "ms_quantize_linear", .onnx = "QuantizeLinear", .domain = "com.microsoft", .since = 1, .in_min = 2, .in_max = 3, .out_min = 1, .out_max = 1,
    .args_bytes = sizeof(it_q_args), .parse = it_q_parse, .infer = quantize_linear_infer, .forward = quantize_linear_forward,
    .absorbed = true, .hint = IT_Q_HINT,
};
