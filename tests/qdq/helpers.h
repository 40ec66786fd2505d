/* SPDX-License-Identifier: Apache-2.0 */
/* Networks that come quantized, built in memory, run in the float executor as they are, then absorbed, lowered and run in integers. */
#ifndef QDQ_HELPERS_H
#define QDQ_HELPERS_H

#include "lower/helpers.h"
#include "pass/absorb.h"

it_value *typed(net *t, it_type type, int rank, const int64_t *dim, const void *data); /* a constant */
it_value *number(net *t, float v);
it_value *code(net *t, it_type type, int32_t v);
/* Any operator, inputs may be left out (NULL). */
it_value *op_node(net *t, const it_op *op, it_value *const *in, int in_len, const it_attr *attrs);
it_value *quantize(net *t, it_value *x, it_type type, float scale, int32_t zero);
it_value *dequantize(net *t, it_value *x, it_type type, float scale, int32_t zero);
it_value *both(net *t, it_value *x, it_type type, float scale, int32_t zero);
/* The one input, quantized and dequantized with the parameters of t->x->q. */
it_value *input(net *t, it_type type, int rank, const int64_t *dim);

/* Weights: random codes lo..hi, a scale a channel along axis (-1: one), zero points 0. */
typedef struct coded { it_value *codes, *scale, *zero; it_type type; int axis; int64_t channels; } coded;
void weight_make(net *t, coded *w, it_type type, int rank, const int64_t *dim, int axis, int32_t lo, int32_t hi);
void weight_zero(coded *w, int64_t c, int32_t zero);
it_value *weight_real(net *t, const coded *w);
it_value *bias_codes(net *t, int64_t len, int32_t size);
it_value *bias_real(net *t, it_value *codes, const coded *w, double off); /* at off times the scale of the sums of t->x and w */

/* Makes y the output and keeps what the float executor answers in t->y_float. */
void run_float(net *t, it_value *y);
/* The same in integers, within so many steps of the output; absorb_and_check leaves a and t to the caller. */
void absorb_and_check(net *t, it_absorb *a, it_value *y, double steps);
void check(net *t, it_value *y, double steps);

#endif
