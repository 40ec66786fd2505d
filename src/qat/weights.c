/* SPDX-License-Identifier: Apache-2.0 */
/* weights.c: fake quantization of weights, channel by channel, and what steps are made from. */
#include <math.h>
#include <string.h>

#include "op/levels.h"
#include "ptq/method.h"
#include "qat/method.h"

enum { LANES = 8, CHUNK = 1024 };

IT_INLINE float floor_of(float t)
{
    const float whole = 0x1.8p23f; /* |t| < 2^22 */
    const float r = (t + whole) - whole, left = t - r;
    uint32_t bits;
    memcpy(&bits, &left, sizeof bits); /* its sign, without a branch that would keep the loop from being vectorized */
    return r - (float)(int32_t)(bits >> 31);
}

/* The nearest code to v = w / step: whole, or of the odd ones (2 floor(v / 2) + 1 is the odd number whose neighbours are farther than 1). */
IT_INLINE float code_of(float v, float top, bool odd)
{
    v = v < -top ? -top : v;
    v = v > top ? top : v;
    if (!odd) return floor_of(v + 0.5f);
    const float c = 2 * floor_of(0.5f * v) + 1;
    return c > top ? top : c;
}

/* A run of one channel. */
IT_INLINE void run_body(const float *restrict x, float *restrict y, int64_t len, float step, float top, bool odd)
{
    const float inv = 1 / step;
    if (odd)
        for (int64_t i = 0; i < len; i++) y[i] = code_of(x[i] * inv, top, true) * step;
    else
        for (int64_t i = 0; i < len; i++) y[i] = code_of(x[i] * inv, top, false) * step;
}
IT_LEVELS(run, (const float *restrict x, float *restrict y, int64_t len, float step, float top, bool odd), (x, y, len, step, top, odd))

/* One number of each channel. */
IT_INLINE void row_body(const float *restrict x, float *restrict y, int64_t len, const float *restrict step, float top, bool odd)
{
    if (odd)
        for (int64_t i = 0; i < len; i++) y[i] = code_of(x[i] * (1 / step[i]), top, true) * step[i];
    else
        for (int64_t i = 0; i < len; i++) y[i] = code_of(x[i] * (1 / step[i]), top, false) * step[i];
}
IT_LEVELS(row, (const float *restrict x, float *restrict y, int64_t len, const float *restrict step, float top, bool odd), (x, y, len, step, top, odd))

static void put_codes(const it_qat_weight *w, const float *x, int8_t *codes)
{
    int64_t i = 0;
    for (int64_t o = 0; o < w->outer; o++)
        for (int64_t c = 0; c < w->channels; c++) {
            const float inv = 1 / w->step[c];
            for (int64_t j = 0; j < w->inner; j++, i++) codes[i] = (int8_t)code_of(x[i] * inv, (float)w->top, w->odd);
        }
}

void it_fake_weight(const it_qat_weight *w, const float *x, float *y, int8_t *codes)
{
    if (codes) put_codes(w, x, codes);
    for (int64_t o = 0; y && o < w->outer; o++) {
        const int64_t at = o * w->channels * w->inner;
        if (w->inner == 1)
            row(x + at, y + at, w->channels, w->step, (float)w->top, w->odd);
        else
            for (int64_t c = 0; c < w->channels; c++) run(x + at + c * w->inner, y + at + c * w->inner, w->inner, w->step[c], (float)w->top, w->odd);
    }
}

/* ---- backward ---- */

/* v where in, else 0: by bits, for a choice between numbers that are computed becomes a branch. */
IT_INLINE float keep_if(bool in, float v)
{
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    bits &= 0u - (uint32_t)in;
    memcpy(&v, &bits, sizeof v);
    return v;
}

IT_INLINE float pass_one(float x, float *grad, float inv, float top, bool odd)
{
    const float v = x * inv, d = *grad;
    const bool in = (v >= -top) & (v <= top);
    *grad = keep_if(in, d);
    return d * (code_of(v, top, odd) - keep_if(in, v));
}

IT_INLINE float add_up(const float *restrict part, int64_t n)
{
    float lane[LANES] = { 0 }, sum = 0;
    for (int64_t i = 0; i < n / LANES; i++)
        for (int k = 0; k < LANES; k++) lane[k] += part[i * LANES + k];
    for (int64_t i = n / LANES * LANES; i < n; i++) lane[i % LANES] += part[i];
    for (int k = 0; k < LANES; k++) sum += lane[k];
    return sum;
}

IT_INLINE void pass_run_body(const float *restrict x, float *restrict grad, int64_t len, float step, float top, bool odd, float *restrict sum)
{
    const float inv = 1 / step;
    float part[CHUNK];
    for (int64_t at = 0; at < len; at += CHUNK) {
        const int64_t n = len - at < CHUNK ? len - at : CHUNK;
        if (odd)
            for (int64_t i = 0; i < n; i++) part[i] = pass_one(x[at + i], &grad[at + i], inv, top, true);
        else
            for (int64_t i = 0; i < n; i++) part[i] = pass_one(x[at + i], &grad[at + i], inv, top, false);
        *sum += add_up(part, n);
    }
}
IT_LEVELS(pass_run, (const float *restrict x, float *restrict grad, int64_t len, float step, float top, bool odd, float *restrict sum),
          (x, grad, len, step, top, odd, sum))

IT_INLINE void pass_row_body(const float *restrict x, float *restrict grad, int64_t len, const float *restrict step, float top, bool odd, float *restrict sum)
{
    for (int64_t i = 0; i < len; i++) sum[i] += pass_one(x[i], &grad[i], 1 / step[i], top, odd);
}
IT_LEVELS(pass_row, (const float *restrict x, float *restrict grad, int64_t len, const float *restrict step, float top, bool odd, float *restrict sum),
          (x, grad, len, step, top, odd, sum))

void it_fake_weight_pass(const it_qat_weight *w, const float *x, float *grad)
{
    float *sum = w->sums;
    memset(sum, 0, (size_t)w->channels * sizeof *sum);
    for (int64_t o = 0; o < w->outer; o++) {
        const int64_t at = o * w->channels * w->inner;
        if (w->inner == 1) {
            pass_row(x + at, grad + at, w->channels, w->step, (float)w->top, w->odd, sum);
            continue;
        }
        for (int64_t c = 0; c < w->channels; c++)
            pass_run(x + at + c * w->inner, grad + at + c * w->inner, w->inner, w->step[c], (float)w->top, w->odd, &sum[c]);
    }
}

/* ---- what steps are made from ---- */

it_weight_moments it_qat_moments(const it_qat_weight *w, const float *x, int64_t c)
{
    it_weight_moments m = { 0 };
    for (int64_t o = 0; o < w->outer; o++) {
        const float *p = x + (o * w->channels + c) * w->inner;
        for (int64_t j = 0; j < w->inner; j++) {
            const float a = fabsf(p[j]);
            m.largest = a > m.largest ? a : m.largest;
            m.mean += (double)a;
            m.square += (double)a * (double)a;
        }
    }
    const double n = (double)(w->outer * w->inner);
    m.mean /= n;
    m.square /= n;
    return m;
}

void it_qat_spread(it_qat_weight *w, const float *alpha)
{
    float most = 0, all = 0;
    for (int64_t c = 0; c < w->channels; c++) {
        most = alpha[c] > most ? alpha[c] : most;
        all = fmaxf(all, alpha[c] / (w->unfold ? w->unfold[c] : 1));
    }
    for (int64_t c = 0; c < w->channels; c++) {
        const float a = w->per_tensor ? all * (w->unfold ? w->unfold[c] : 1) : alpha[c] > most * 0x1p-40f ? alpha[c] : most;
        w->step[c] = a > 0 && a / (float)w->top > 0 ? a / (float)w->top : 1 / (float)w->top;
    }
}

float it_qat_best_alpha(const it_qat_weight *w, const float *x, int64_t c)
{
    float *room = w->room;
    size_t n = 0;
    for (int64_t o = 0; o < w->outer; o++) {
        memcpy(room + n, x + (o * w->channels + c) * w->inner, (size_t)w->inner * sizeof *room);
        n += (size_t)w->inner;
    }
    const it_range r = it_weight_range_mse.range(room, n, w->bits, false);
    return fmaxf(r.hi, -r.lo);
}
