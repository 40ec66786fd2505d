/* SPDX-License-Identifier: Apache-2.0 */
/* dense.h: matrix products: what Gemm and MatMul share. */
#ifndef IT_DENSE_H
#define IT_DENSE_H

#include "op/back.h"
#include "op/lower.h"
#include "op/nn.h"

INTACT_MUST_USE intact_status it_dense_check_type(const it_node *n, const it_tensor *a, const it_tensor *b, intact_error *err);

/* it_op_quant.linear of a product with the matrix in[1], whose outputs run along out_axis; x is (N, K). */
bool it_dense_linear(const it_node *n, const it_tensor *x, int out_axis, it_linear *out);

/* Lowers a layer with constant quantized weights in[1]: out_c rows read at stride out_stride, inner at k_stride. The weight scale is
** multiplied by alpha. bias (out_c floats) may be NULL. rows above 1: in 0 is (1, rows ..., k), each row a product of its own. */
typedef struct it_dense_lower { int64_t out_c, k, out_stride, k_stride, rows; double alpha; const float *bias; } it_dense_lower;
INTACT_MUST_USE intact_status it_dense_lower_emit(it_lower *lw, const it_node *n, const it_dense_lower *d, intact_error *err);

/* Operands of float32 products as c->products asks: *a and *b, of a_len and b_len numbers, become rounded copies. */
INTACT_MUST_USE intact_status it_dense_round(it_run_ctx *c, const it_node *n, const float **a, int64_t a_len, const float **b, int64_t b_len, intact_error *err);
/* The same for the backward pass: in 0, in 1 and the gradient into to; other types stay. */
INTACT_MUST_USE intact_status it_dense_round_back(it_back_ctx *c, const it_node *n, const it_tensor *const *in, const it_tensor *dy, it_tensor to[3],
                                                  intact_error *err);

#endif
