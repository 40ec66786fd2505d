/* SPDX-License-Identifier: Apache-2.0 */
/* QLinearConv: convolution of codes, requantized. Inputs: x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, bias (int32). */
#include "op/quant_mac.h"

enum { X, X_SCALE, X_ZERO, W, W_SCALE, W_ZERO, Y_SCALE, Y_ZERO, BIAS };

static intact_status check_channels(const it_node *n, const it_tensor *t, int64_t channels, bool one, const char *what, intact_error *err)
{
    int64_t len = it_tensor_len(t);
    if ((one && len == 1) || len == channels) return INTACT_OK;
    return it_node_fail(n, err, INTACT_E_SHAPE, "the %s has %lld elements for %lld output channels", what, (long long)len,
                        (long long)channels);
}

static intact_status q_linear_conv_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    IT_TRY(it_elem_check(n, in, X, IT_T_CODE8, err));
    IT_TRY(it_elem_check(n, in, W, IT_T_CODE8, err));
    IT_TRY(it_q_one(n, in, X_SCALE, "scale of x", IT_T(IT_F32), err));
    IT_TRY(it_q_one(n, in, X_ZERO, "zero point of x", IT_T_CODE8, err));
    IT_TRY(it_elem_check(n, in, W_SCALE, IT_T(IT_F32), err));
    IT_TRY(it_elem_check(n, in, W_ZERO, IT_T_CODE8, err));
    IT_TRY(it_q_one(n, in, Y_SCALE, "scale of y", IT_T(IT_F32), err));
    IT_TRY(it_q_one(n, in, Y_ZERO, "zero point of y", IT_T_CODE8, err));
    out[0].type = in[Y_ZERO]->type;
    IT_TRY(it_qconv_infer(n, in[X], in[W], &out[0], err));
    IT_TRY(check_channels(n, in[W_SCALE], in[W]->dim[0], true, "scale of the weight", err));
    IT_TRY(check_channels(n, in[W_ZERO], in[W]->dim[0], true, "zero point of the weight", err));
    if (!it_elem_in(n, in, BIAS)) return INTACT_OK;
    IT_TRY(it_elem_check(n, in, BIAS, IT_T(IT_I32), err));
    return check_channels(n, in[BIAS], in[W]->dim[0], false, "bias", err);
}

static intact_status q_linear_conv_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out,
                                           intact_error *err)
{
    it_qconv q;
    uint8_t *y = out[0]->data;
    const it_tensor *bias = it_elem_in(n, in, BIAS), *w_scale = in[W_SCALE];
    float x_scale = *(const float *)in[X_SCALE]->data, y_scale = *(const float *)in[Y_SCALE]->data;
    IT_TRY(it_qconv_prepare(c, n, in[X], in[X_ZERO], in[W], in[W_ZERO], &q, err));
    for (int64_t s = 0; s < in[X]->dim[0]; s++) {
        it_qconv_load(&q, s);
        for (int64_t o = 0; o < in[W]->dim[0]; o++) {
            int64_t len = it_qconv_plane(&q, o, bias ? ((const int32_t *)bias->data)[o] : 0);
            float scale = ((const float *)w_scale->data)[it_tensor_len(w_scale) == 1 ? 0 : o];
            it_q_scale_row(q.acc, y, out[0]->type, len, x_scale * scale / y_scale, (float)it_tensor_get(in[Y_ZERO], 0));
            y += len;
        }
    }
    return INTACT_OK;
}

static const it_q_form FORM = {.base = &it_op_conv, .in = {X, W}, .in_len = 2, .bias = BIAS, .y = Y_SCALE};

const it_op it_op_q_linear_conv = {
    .name = "q_linear_conv", .onnx = "QLinearConv", .since = 10, .in_min = 8, .in_max = 9, .out_min = 1, .out_max = 1,
    .args_bytes = sizeof(it_qconv_args), .parse = it_qconv_parse, .infer = q_linear_conv_infer, .forward = q_linear_conv_forward,
    .form = &FORM,
    .absorbed = true, .hint = IT_Q_HINT,
};
