/* SPDX-License-Identifier: Apache-2.0 */
/* Mish: y = x tanh(ln(1 + e^x)). */
#include "op/unary.h"

/* With e = e^x, tanh(ln(1 + e)) = (e^2 + 2e) / (e^2 + 2e + 2); from x = 20 on the quotient is 1 in either precision of the result. */
static inline float mish_gate_f32(float x)
{
    float e = it_exp_f32(x > 20.0f ? 20.0f : x), w = e * (e + 2.0f);
    return w / (w + 2.0f);
}

static inline double mish_gate_f64(double x)
{
    double e = (exp)(x > 40.0 ? 40.0 : x), w = e * (e + 2.0);
    return w / (w + 2.0);
}

IT_UNARY(mish, x * _Generic((x), float: mish_gate_f32, double: mish_gate_f64)(x))

const it_op it_op_mish = {
    IT_UNARY_FIELDS(mish), .onnx = "Mish", .since = 18,
    .quant = IT_LUT_QUANT(IT_Q_FREE, 0, 0),
};
