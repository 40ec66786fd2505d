/* SPDX-License-Identifier: Apache-2.0 */
/* QLinearMatMul: matrix product of codes, requantized. Inputs: a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero. */
#include "op/quant_mac.h"

enum { A, A_SCALE, A_ZERO, B, B_SCALE, B_ZERO, Y_SCALE, Y_ZERO };

static intact_status q_linear_mat_mul_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    static const int codes[4] = {A, A_ZERO, B, B_ZERO};
    const uint32_t scale = n->opset < 21 ? IT_T(IT_F32) : IT_T(IT_F32) | IT_T(IT_F16);
    for (int k = 0; k < 4; k++) IT_TRY(it_elem_check(n, in, codes[k], IT_T_CODE8, err));
    IT_TRY(it_elem_check(n, in, A_SCALE, scale, err));
    IT_TRY(it_elem_check(n, in, B_SCALE, scale, err));
    IT_TRY(it_q_one(n, in, Y_SCALE, "scale of y", scale, err));
    IT_TRY(it_q_one(n, in, Y_ZERO, "zero point of y", IT_T_CODE8, err));
    out[0].type = in[Y_ZERO]->type;
    IT_TRY(it_qmat_infer(n, in[A], in[B], &out[0], err));
    IT_TRY(it_qmat_check(n, in[A_SCALE], in[A], true, "scale of a", err));
    IT_TRY(it_qmat_check(n, in[A_ZERO], in[A], true, "zero point of a", err));
    IT_TRY(it_qmat_check(n, in[B_SCALE], in[B], false, "scale of b", err));
    return it_qmat_check(n, in[B_ZERO], in[B], false, "zero point of b", err);
}

/* One row of codes; scales of b may differ from column to column. */
static void store_row(const it_qmat *q, const it_tensor *const *in, int64_t row, it_type type, uint8_t *y)
{
    float a = (float)it_tensor_get(in[A_SCALE], it_qmat_index(q, in[A_SCALE], true, row));
    float y_scale = (float)it_tensor_get(in[Y_SCALE], 0), zero = (float)it_tensor_get(in[Y_ZERO], 0);
    int64_t part = it_tensor_len(in[B_SCALE]) == 1 ? q->n : 1;
    for (int64_t j = 0; j < q->n; j += part) {
        float b = (float)it_tensor_get(in[B_SCALE], it_qmat_index(q, in[B_SCALE], false, j));
        it_q_scale_row(q->acc + j, y + j, type, part, a * b / y_scale, zero);
    }
}

static intact_status q_linear_mat_mul_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out,
                                              intact_error *err)
{
    it_qmat q;
    uint8_t *y = out[0]->data;
    IT_TRY(it_qmat_prepare(c, n, in[A], in[A_ZERO], in[B], in[B_ZERO], out[0], &q, err));
    for (int64_t s = 0; s < q.stack; s++) {
        it_qmat_load(&q, s);
        for (int64_t i = 0; i < q.m; i++, y += q.n) {
            it_qmat_row(&q, i);
            store_row(&q, in, i, out[0]->type, y);
        }
    }
    return INTACT_OK;
}

static const it_q_form FORM = {.base = &it_op_mat_mul, .in = {A, B}, .in_len = 2, .y = Y_SCALE};

const it_op it_op_q_linear_mat_mul = {
    .name = "q_linear_mat_mul", .onnx = "QLinearMatMul", .since = 10, .in_min = 8, .in_max = 8, .out_min = 1, .out_max = 1,
    .infer = q_linear_mat_mul_infer, .forward = q_linear_mat_mul_forward,
    .form = &FORM,
    .absorbed = true, .hint = IT_Q_HINT,
};
