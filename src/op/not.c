/* SPDX-License-Identifier: Apache-2.0 */
/* not: y = not x, of bools. */
#include "op/elem.h"

static intact_status not_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    IT_TRY(it_elem_check(n, in, 0, IT_T(IT_BOOL), err));
    return it_infer_same(n, in, out, err);
}

static intact_status not_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out, intact_error *err)
{
    (void)c;
    (void)n;
    (void)err;
    const uint8_t *x = in[0]->data;
    uint8_t *y = out[0]->data;
    int64_t len = it_tensor_len(in[0]);
    for (int64_t i = 0; i < len; i++) y[i] = !x[i];
    return INTACT_OK;
}

const it_op it_op_not = {
    .name = "not", .onnx = "Not", .since = 1,
    .in_min = 1, .in_max = 1, .out_min = 1, .out_max = 1,
    .infer = not_infer, .forward = not_forward, .inplace = true,
    .hint = "as numbers: Mul is And, Max with a constant and Add followed by Clip are Or, 1 - x is Not",
};
