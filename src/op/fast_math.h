/* SPDX-License-Identifier: Apache-2.0 */
/* fast_math.h: functions for loops over floats: branch-free so that compilers vectorize them, and the same bits on every machine.
** Polynomials are minimax fits of our own; the relative errors are the largest measured over a seventh of all floats. */
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

/* Relative error below 1e-7; denormal results and infinities included. */
static inline float it_exp_f32(float x)
{
    float s1, s2, p = it_exp_parts(x, &s1, &s2);
    return (p + 1.0f) * s1 * s2;
}

/* e^x - 1 for x <= 88; relative error below 1.3e-7, near 0 too. */
static inline float it_expm1_f32(float x)
{
    float s1, s2, p = it_exp_parts(x, &s1, &s2), s = s1 * s2;
    return p * s + (s - 1.0f);
}

/* Relative error below 1.5e-7. */
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

/* Natural logarithm of normal x > 0 (below that about -87): 2 artanh((m - 1) / (m + 1)) of x = m 2^n with m within a factor of sqrt 2 of 1.
** Error below 1.5e-7 of the larger of 1 and the result. */
static inline float it_log_f32(float x)
{
    uint32_t bits;
    x = x < 1.17549435e-38f ? 1.17549435e-38f : x;
    memcpy(&bits, &x, sizeof(bits));
    uint32_t above = bits - 0x3f3504f3u; /* sqrt(1/2) */
    float n = (float)((int32_t)above >> 23), m = it_float_of_bits((above & 0x7fffffu) + 0x3f3504f3u);
    float s = (m - 1.0f) / (m + 1.0f), z = s * s;
    float q = 0.22222222f;
    q = q * z + 0.28571429f;
    q = q * z + 0.4f;
    q = q * z + 0.66666667f;
    return n * 0.69314718f + (q * z * s + 2.0f * s);
}

/* Relative error below 1.5e-7. */
static inline float it_sigmoid_f32(float x) { return 1.0f / (1.0f + it_exp_f32(-x)); }
static inline double it_sigmoid_f64(double x) { return 1.0 / (1.0 + exp(-x)); }

/* 1 - erf(a) for a >= 0.97: e^(-a^2) times a polynomial in 1 / (a + 2.5). Relative error below 2e-5, at a = 9. */
static inline float it_erfc_tail_f32(float a)
{
    float u = 1.0f / (a + 2.5f);
    float q = -71.74605f;
    q = q * u + 60.336823f;
    q = q * u + 0.42236164f;
    q = q * u + 8.4113359f;
    q = q * u + 3.0946496f;
    q = q * u + 1.41758585f;
    q = q * u + 0.56404573f;
    q = q * u + 9.476261e-8f;
    return it_exp_f32(-a * a) * q;
}

/* erf(x) / x for |x| <= 1, z = x^2. */
static inline float it_erf_slope_f32(float z)
{
    float q = 7.853847e-05f;
    q = q * z - 0.0008010189f;
    q = q * z + 0.0051883273f;
    q = q * z - 0.026853811f;
    q = q * z + 0.112835854f;
    q = q * z - 0.37612626f;
    return q * z + 1.1283791f;
}

/* Relative error below 1.8e-7. */
static inline float it_erf_f32(float x)
{
    float a = fabsf(x), near = it_erf_slope_f32(x * x) * a, far = 1.0f - it_erfc_tail_f32(a);
    return copysignf(a < 1.0f ? near : far, x);
}

/* x/2 (1 + erf(x / sqrt 2)); for negative x from 1 - erf, which keeps its digits. Relative error below 2e-5. */
static inline float it_gelu_f32(float x)
{
    float v = x * 0.70710678f, a = fabsf(v), half = 0.5f * x;
    float near = half + half * v * it_erf_slope_f32(v * v);
    float tail = a < 10.0f ? half * it_erfc_tail_f32(a) : 0.0f, far = x < 0.0f ? tail : x - tail;
    return a < 1.0f ? near : far;
}
static inline double it_gelu_f64(double x) { return 0.5 * x * erfc(-x * 0.70710678118654752440); }

/* ln(1 + e^x) = max(x, 0) + ln(1 + e) with e = e^-|x|, the latter as 2 artanh(e / (2 + e)). Relative error below 2.6e-7. */
static inline float it_softplus_f32(float x)
{
    float e = it_exp_f32(-fabsf(x)), s = e / (2.0f + e), z = s * s;
    float q = 0.14089112f;
    q = q * z + 0.13980316f;
    q = q * z + 0.20012455f;
    q = q * z + 0.33333158f;
    q = q * z + 1.0f;
    return (x < 0.0f ? 0.0f : x) + 2.0f * s * q;
}
static inline double it_softplus_f64(double x) { return (x < 0 ? 0 : x) + log1p(exp(-fabs(x))); }

/* The function of x's type. */
#define IT_EXP(x) _Generic((x), float: it_exp_f32, double: (exp))(x)
#define IT_EXPM1(x) _Generic((x), float: it_expm1_f32, double: (expm1))(x)
#define IT_TANH(x) _Generic((x), float: it_tanh_f32, double: (tanh))(x)
#define IT_GELU(x) _Generic((x), float: it_gelu_f32, double: it_gelu_f64)(x)
#define IT_ERF(x) _Generic((x), float: it_erf_f32, double: (erf))(x)
#define IT_SOFTPLUS(x) _Generic((x), float: it_softplus_f32, double: it_softplus_f64)(x)
#define IT_SIGMOID(x) _Generic((x), float: it_sigmoid_f32, double: it_sigmoid_f64)(x)

#endif
