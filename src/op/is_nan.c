/* SPDX-License-Identifier: Apache-2.0 */
/* IsNaN: true where x is not a number. */
#include <math.h>

#include "op/elem.h"

static intact_status is_nan_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    IT_TRY(it_elem_check(n, in, 0, IT_T_FLOAT, err));
    it_shape_copy(&out[0], in[0]);
    out[0].type = IT_BOOL;
    return INTACT_OK;
}

static intact_status is_nan_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out, intact_error *err)
{
    (void)c;
    (void)n;
    (void)err;
    uint8_t *y = out[0]->data;
    int64_t len = it_tensor_len(in[0]);
    for (int64_t i = 0; i < len; i++) {
        double x = it_tensor_get(in[0], i);
        y[i] = isnan(x) != 0;
    }
    return INTACT_OK;
}

const it_op it_op_is_nan = {
    .name = "is_nan", .onnx = "IsNaN", .since = 9, .in_min = 1, .in_max = 1, .out_min = 1, .out_max = 1,
    .infer = is_nan_infer, .forward = is_nan_forward,
    .hint = "integers are never NaN: remove the test from the network",
};
