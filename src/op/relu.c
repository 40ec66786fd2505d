/* SPDX-License-Identifier: Apache-2.0 */
/* Relu: y = max(x, 0). Signed integers since opset 14. A pass folds it into the clamp of the layer before. */
#include "op/unary_back.h"

IT_UNARY(relu_real, x < 0 ? R(0) : x)

static intact_status relu_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    IT_TRY(it_elem_check(n, in, 0, IT_T_FLOAT | IT_T_SIGNED, err));
    it_shape_copy(&out[0], in[0]);
    return INTACT_OK;
}

static intact_status relu_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out, intact_error *err)
{
    int64_t len = it_tensor_len(in[0]);
    switch (in[0]->type) {
#define LOOP(id, suffix, type)                                                                      \
    case id: {                                                                                      \
        const type *x = in[0]->data;                                                                \
        type *y = out[0]->data;                                                                     \
        IT_IVDEP for (int64_t i = 0; i < len; i++) y[i] = x[i] > 0 ? x[i] : 0;                      \
        return INTACT_OK;                                                                           \
    }
        IT_EACH_SIGNED(LOOP)
#undef LOOP
    default: return relu_real_forward(c, n, in, out, err);
    }
}

IT_UNARY_BACK(relu, 0, 1, y > 0 ? g : R(0))

const it_op it_op_relu = {
    .name = "relu", .onnx = "Relu", .since = 1, .in_min = 1, .in_max = 1, .out_min = 1, .out_max = 1,
    .infer = relu_infer, .forward = relu_forward, .lower = it_lower_scalar, .scalar = relu_real_scalar,
    .quant = IT_LUT_QUANT(IT_Q_FREE, 0, 0),
    .layout = IT_LAYOUT_ANY, .inplace = true,
    .back = &relu_back,
};
