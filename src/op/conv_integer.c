/* SPDX-License-Identifier: Apache-2.0 */
/* ConvInteger: y = the convolution of (x - x_zero) with (w - w_zero), in int32. Inputs: x, w, x_zero, w_zero. */
#include <string.h>

#include "op/quant_mac.h"

static intact_status conv_integer_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    const it_tensor *w_zero = it_elem_in(n, in, 3);
    IT_TRY(it_elem_check(n, in, 0, IT_T_CODE8, err));
    IT_TRY(it_elem_check(n, in, 1, IT_T_CODE8, err));
    IT_TRY(it_q_one(n, in, 2, "zero point of x", IT_T_CODE8, err));
    out[0].type = IT_I32;
    IT_TRY(it_qconv_infer(n, in[0], in[1], &out[0], err));
    if (!w_zero) return INTACT_OK;
    IT_TRY(it_elem_check(n, in, 3, IT_T_CODE8, err));
    if (it_tensor_len(w_zero) != 1 && it_tensor_len(w_zero) != in[1]->dim[0])
        return it_node_fail(n, err, INTACT_E_SHAPE, "%lld zero points of the weight; one, or one for each of %lld outputs, is needed",
                            (long long)it_tensor_len(w_zero), (long long)in[1]->dim[0]);
    return INTACT_OK;
}

static intact_status conv_integer_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out,
                                          intact_error *err)
{
    it_qconv q;
    int32_t *y = out[0]->data;
    IT_TRY(it_qconv_prepare(c, n, in[0], it_elem_in(n, in, 2), in[1], it_elem_in(n, in, 3), &q, err));
    for (int64_t s = 0; s < in[0]->dim[0]; s++) {
        it_qconv_load(&q, s);
        for (int64_t o = 0; o < in[1]->dim[0]; o++) {
            int64_t len = it_qconv_plane(&q, o, 0);
            memcpy(y, q.acc, (size_t)len * sizeof(*y));
            y += len;
        }
    }
    return INTACT_OK;
}

const it_op it_op_conv_integer = {
    .name = "conv_integer", .onnx = "ConvInteger", .since = 10, .in_min = 2, .in_max = 4, .out_min = 1, .out_max = 1,
    .args_bytes = sizeof(it_qconv_args), .parse = it_qconv_parse, .infer = conv_integer_infer, .forward = conv_integer_forward,
    .absorbed = true, .hint = IT_Q_HINT,
};
