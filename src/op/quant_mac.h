/* SPDX-License-Identifier: Apache-2.0 */
/* quant_mac.h: integer convolution and matrix product of ONNX's quantized operators, exact in 32 bits (wrapping as the specification
** does). */
#ifndef IT_QUANT_MAC_H
#define IT_QUANT_MAC_H

#include "op/quant_linear.h"

#define IT_T_CODE8 (IT_T(IT_U8) | IT_T(IT_I8))

/* ---- convolution: x (N,C,...), w (O,C/group,...) of 8-bit integers, one to three axes ---- */

typedef struct it_qconv_args { it_window win; int64_t group; } it_qconv_args;
intact_status it_qconv_parse(it_parse *p);
/* Checks x, w, fills out's shape. */
INTACT_MUST_USE intact_status it_qconv_infer(const it_node *n, const it_tensor *x, const it_tensor *w, it_tensor *out, intact_error *err);

typedef struct it_qconv { /* what a run needs */
    it_window win;
    const it_tensor *x, *w, *w_zero; /* w_zero: NULL, one, or one an output channel */
    int32_t x_zero;
    int64_t group, out_dim[3];
    int32_t *sample, *acc; /* scratch: one sample of x less its zero point; one plane of y */
} it_qconv;
INTACT_MUST_USE intact_status it_qconv_prepare(it_run_ctx *c, const it_node *n, const it_tensor *x, const it_tensor *x_zero,
                                               const it_tensor *w, const it_tensor *w_zero, it_qconv *q, intact_error *err);
void it_qconv_load(it_qconv *q, int64_t sample);
/* acc = bias + the plane of output channel o of the sample loaded. Elements of the plane are returned. */
int64_t it_qconv_plane(it_qconv *q, int64_t o, int32_t bias);

/* ---- matrix product, shapes as numpy's matmul ---- */

INTACT_MUST_USE intact_status it_qmat_infer(const it_node *n, const it_tensor *a, const it_tensor *b, it_tensor *out, intact_error *err);
/* A zero point or scale t of a (rows) or b (columns): one element, one a row or column, or one of each matrix of a stack. */
INTACT_MUST_USE intact_status it_qmat_check(const it_node *n, const it_tensor *t, const it_tensor *of, bool rows, const char *what,
                                            intact_error *err);

typedef struct it_qmat {
    const it_tensor *a, *b, *a_zero, *b_zero;
    int64_t m, n, k, stack;              /* stack: matrices of the output */
    int64_t at_a, at_b;                  /* index of the current matrix in a and b */
    int64_t stride_a[IT_RANK_MAX], stride_b[IT_RANK_MAX], dim[IT_RANK_MAX];
    int rank;                            /* of the stack */
    int32_t *wide, *acc;                 /* scratch: b's matrix (k,n) less its zero points; one row of the output */
} it_qmat;
INTACT_MUST_USE intact_status it_qmat_prepare(it_run_ctx *c, const it_node *n, const it_tensor *a, const it_tensor *a_zero,
                                              const it_tensor *b, const it_tensor *b_zero, const it_tensor *y, it_qmat *q,
                                              intact_error *err);
void it_qmat_load(it_qmat *q, int64_t matrix);  /* b's matrix of this one of the stack */
void it_qmat_row(it_qmat *q, int64_t row);      /* acc = row of the product */
/* Index into t, a scale or zero point of a (rows) or b, for the current matrix and this row or column. */
int64_t it_qmat_index(const it_qmat *q, const it_tensor *t, bool rows, int64_t at);

#endif
