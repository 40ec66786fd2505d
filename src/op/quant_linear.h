/* SPDX-License-Identifier: Apache-2.0 */
/* quant_linear.h: what QuantizeLinear, DequantizeLinear and the QLinear operators share: where scales lie, and rounding into codes. */
#ifndef IT_QUANT_LINEAR_H
#define IT_QUANT_LINEAR_H

#include "op/elem.h"

#define IT_Q_HINT "a network quantized throughout becomes integer as it is (scales and zero points are constants); of others give the float network"

/* Element (outer, k, inner) of a tensor has scale k, or (outer, k / block, inner) when block is not 0. One scale: outer = len = 1. */
typedef struct it_q_axis { int64_t outer, len, inner, block; } it_q_axis;

typedef struct it_q_args { int64_t axis, block, dtype; } it_q_args;
intact_status it_q_parse(it_parse *p);
/* Shapes of scale (input 1) and zero point (input 2, may be left out) against x. */
INTACT_MUST_USE intact_status it_q_axis_of(const it_node *n, const it_tensor *const *in, it_q_axis *out, intact_error *err);
static inline int64_t it_q_index(const it_q_axis *a, int64_t outer, int64_t k, int64_t inner)
{
    return a->block ? (outer * ((a->len + a->block - 1) / a->block) + k / a->block) * a->inner + inner : k;
}

/* Input k has one element of a type in the set (all: any shape will do). */
INTACT_MUST_USE intact_status it_q_one(const it_node *n, const it_tensor *const *in, int k, const char *what, uint32_t types,
                                       intact_error *err);

void it_q_limits(it_type t, float *lo, float *hi); /* of integers of 4, 8 and 16 bits */
/* round(v) + zero within lo..hi, ties to even, without a call so that loops vectorize. */
static inline float it_q_code(float v, float zero, float lo, float hi)
{
    const float magic = 12582912.0f; /* 1.5 * 2^23: adding it rounds |v| < 2^22 */
    v = v > -200000.0f ? v : -200000.0f; /* beyond every 16-bit code and zero point; NaN too */
    v = v < 200000.0f ? v : 200000.0f;
    v = (v + magic) - magic + zero;
    v = v > lo ? v : lo;
    return v < hi ? v : hi;
}
/* y[i] = code of x[i] / scale. */
void it_q_row(const float *x, void *y, it_type type, int64_t len, float scale, float zero);
/* y[i] = code of acc[i] * mult (QLinear operators). */
void it_q_scale_row(const int32_t *acc, void *y, it_type type, int64_t len, float mult, float zero);
/* to[i] = from[i] - zero, from 8-bit integers. */
void it_q_widen(const it_tensor *from, int64_t at, int64_t len, int32_t zero, int32_t *to);

#endif
