/* SPDX-License-Identifier: Apache-2.0 */
/* Abs: y = |x|. Integers wrap. */
#include "op/unary.h"

IT_UNARY(abs_real, fabs(x))

static intact_status abs_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    IT_TRY(it_elem_check(n, in, 0, IT_T_NUMBER, err));
    it_shape_copy(&out[0], in[0]);
    return INTACT_OK;
}

static intact_status abs_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out, intact_error *err)
{
    int64_t len = it_tensor_len(in[0]);
    switch (in[0]->type) {
#define LOOP(id, suffix, type)                                                                      \
    case id: {                                                                                      \
        const type *x = in[0]->data;                                                                \
        type *y = out[0]->data;                                                                     \
        IT_IVDEP for (int64_t i = 0; i < len; i++) y[i] = (type)(x[i] > 0 ? (uint64_t)x[i] : 0 - (uint64_t)x[i]);\
        return INTACT_OK;                                                                           \
    }
        IT_EACH_SIGNED(LOOP)
        IT_EACH_UNSIGNED(LOOP)
#undef LOOP
    default: return abs_real_forward(c, n, in, out, err);
    }
}

const it_op it_op_abs = {
    .name = "abs", .onnx = "Abs", .since = 1, .in_min = 1, .in_max = 1, .out_min = 1, .out_max = 1,
    .infer = abs_infer, .forward = abs_forward, .lower = it_lower_scalar, .scalar = abs_real_scalar,
    .quant = IT_LUT_QUANT(IT_Q_FREE, 0, 0),
    .layout = IT_LAYOUT_ANY, .inplace = true,
};
