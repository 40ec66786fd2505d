/* SPDX-License-Identifier: Apache-2.0 */
/* MatMulInteger: y = (a - a_zero) x (b - b_zero) in int32. Inputs: a, b, a_zero (one or one a row), b_zero (one or one a column). */
#include <string.h>

#include "op/quant_mac.h"

static intact_status mat_mul_integer_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    for (int k = 0; k < n->in_len; k++)
        if (k < 2 || in[k]) IT_TRY(it_elem_check(n, in, k, IT_T_CODE8, err));
    out[0].type = IT_I32;
    IT_TRY(it_qmat_infer(n, in[0], in[1], &out[0], err));
    IT_TRY(it_qmat_check(n, it_elem_in(n, in, 2), in[0], true, "zero point of a", err));
    return it_qmat_check(n, it_elem_in(n, in, 3), in[1], false, "zero point of b", err);
}

static intact_status mat_mul_integer_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out,
                                             intact_error *err)
{
    it_qmat q;
    int32_t *y = out[0]->data;
    IT_TRY(it_qmat_prepare(c, n, in[0], it_elem_in(n, in, 2), in[1], it_elem_in(n, in, 3), out[0], &q, err));
    for (int64_t s = 0; s < q.stack; s++) {
        it_qmat_load(&q, s);
        for (int64_t i = 0; i < q.m; i++, y += q.n) {
            it_qmat_row(&q, i);
            memcpy(y, q.acc, (size_t)q.n * sizeof(*y));
        }
    }
    return INTACT_OK;
}

const it_op it_op_mat_mul_integer = {
    .name = "mat_mul_integer", .onnx = "MatMulInteger", .since = 10, .in_min = 2, .in_max = 4, .out_min = 1, .out_max = 1,
    .infer = mat_mul_integer_infer, .forward = mat_mul_integer_forward,
    .absorbed = true, .hint = IT_Q_HINT,
};
