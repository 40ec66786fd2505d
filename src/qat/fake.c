/* SPDX-License-Identifier: Apache-2.0 */
/* fake.c: fake quantization of activations, forward and backward, one pass over the numbers each. Sums run in sixteen lanes and chunks of fixed
** length, so that every CPU level gives the same bits. */
#include <math.h>
#include <string.h>

#include "op/levels.h"
#include "qat/method.h"

enum { LANES = 16, CHUNK = 1024 };

/* Whole numbers of less than 2^22: adding 1.5 * 2^23 rounds to even, one too large where that went up. Not-a-number stays. */
IT_INLINE float floor_of(float t)
{
    const float whole = 0x1.8p23f;
    const float r = (t + whole) - whole, left = t - r;
    uint32_t bits;
    memcpy(&bits, &left, sizeof bits); /* its sign, without a branch that would keep the loop from being vectorized */
    return r - (float)(int32_t)(bits >> 31);
}

/* Code less zero point of t = x / scale + zero + 1/2. */
IT_INLINE float code_of(float t, float top, float zero)
{
    t = t < 0 ? 0 : t;
    t = t > top ? top : t;
    return floor_of(t) - zero;
}

IT_INLINE void round_to_body(const float *restrict x, float *restrict y, int64_t len, float inv, float zero, float top, float scale)
{
    const float shift = zero + 0.5f, most = top + 0.5f;
    for (int64_t i = 0; i < len; i++) y[i] = code_of(x[i] * inv + shift, most, zero) * scale;
}
IT_LEVELS(round_to, (const float *restrict x, float *restrict y, int64_t len, float inv, float zero, float top, float scale), (x, y, len, inv, zero, top, scale))

void it_fake_round(const it_qat_act *a, const float *x, float *y, int64_t len) { round_to(x, y, len, 1 / a->scale, (float)a->zero, (float)a->top, a->scale); }

static float lowest(const it_qat_act *a) { return a->scale * (0 - (float)a->zero); }
static float highest(const it_qat_act *a) { return a->scale * (float)(a->top - a->zero); }

IT_INLINE void mask_body(const float *restrict x, float *restrict dy, int64_t len, float lo, float hi)
{
    for (int64_t i = 0; i < len; i++) dy[i] = ((x[i] >= lo) & (x[i] <= hi)) ? dy[i] : 0;
}
IT_LEVELS(mask, (const float *restrict x, float *restrict dy, int64_t len, float lo, float hi), (x, dy, len, lo, hi))

void it_fake_pass(const it_qat_act *a, const float *x, float *dy, int64_t len) { mask(x, dy, len, lowest(a), highest(a)); }

/* ---- with the gradient of a parameter ---- */

typedef struct grid { float inv, zero, top, lo, hi; } grid;

/* v where in, else 0: by bits, for a choice between numbers that are computed becomes a branch. */
IT_INLINE float keep_if(bool in, float v)
{
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    bits &= 0u - (uint32_t)in;
    memcpy(&v, &bits, sizeof v);
    return v;
}

/* y = scale (code - zero): its derivative with respect to scale is code - zero - x / scale inside, the end's code less zero outside. */
IT_INLINE float step_one(float x, float *dy, const grid *g)
{
    const float v = x * g->inv, r = code_of(v + (g->zero + 0.5f), g->top + 0.5f, g->zero), d = *dy;
    const bool in = (x >= g->lo) & (x <= g->hi);
    *dy = keep_if(in, d);
    return d * (r - keep_if(in, v));
}

/* Nothing below 0, nothing from the end on, which gets it. */
IT_INLINE float clip_one(float x, float *dy, const grid *g)
{
    const float d = *dy;
    *dy = ((x >= g->lo) & (x < g->hi)) ? d : 0;
    return x >= g->hi ? d : 0;
}

/* Sixteen sums side by side, so that loops vectorize and every CPU level gives the same bits. */
IT_INLINE double add_up(const float *restrict part, int64_t n)
{
    float lane[LANES] = { 0 };
    double sum = 0;
    for (int64_t i = 0; i < n / LANES; i++)
        for (int k = 0; k < LANES; k++) lane[k] += part[i * LANES + k];
    for (int64_t i = n / LANES * LANES; i < n; i++) lane[i % LANES] += part[i];
    for (int k = 0; k < LANES; k++) sum += (double)lane[k];
    return sum;
}

#define SUMS(name)                                                                                                         \
    IT_INLINE void name##_all_body(const float *restrict x, float *restrict dy, int64_t len, grid g, double *restrict sum) \
    {                                                                                                                      \
        float part[CHUNK];                                                                                                 \
        for (int64_t at = 0; at < len; at += CHUNK) {                                                                      \
            const int64_t n = len - at < CHUNK ? len - at : CHUNK;                                                         \
            for (int64_t i = 0; i < n; i++) part[i] = name##_one(x[at + i], &dy[at + i], &g);                              \
            *sum += add_up(part, n);                                                                                       \
        }                                                                                                                  \
    }                                                                                                                      \
    IT_LEVELS(name##_all, (const float *restrict x, float *restrict dy, int64_t len, grid g, double *restrict sum), (x, dy, len, g, sum))

SUMS(step)
SUMS(clip)

static grid grid_of(const it_qat_act *a) { return (grid){ 1 / a->scale, (float)a->zero, (float)a->top, lowest(a), highest(a) }; }

double it_fake_pass_step(const it_qat_act *a, const float *x, float *dy, int64_t len)
{
    double sum = 0;
    step_all(x, dy, len, grid_of(a), &sum);
    return sum;
}

double it_fake_pass_clip(const it_qat_act *a, const float *x, float *dy, int64_t len)
{
    double sum = 0;
    clip_all(x, dy, len, grid_of(a), &sum);
    return sum;
}

/* ---- ranges ---- */

IT_INLINE void range_body(const float *restrict x, int64_t len, float *lo, float *hi)
{
    float a[LANES], b[LANES];
    for (int k = 0; k < LANES; k++) a[k] = *lo, b[k] = *hi;
    for (int64_t i = 0; i < len / LANES; i++)
        for (int k = 0; k < LANES; k++) {
            const float v = x[i * LANES + k];
            a[k] = v < a[k] ? v : a[k];
            b[k] = v > b[k] ? v : b[k];
        }
    for (int64_t i = len / LANES * LANES; i < len; i++) {
        a[0] = x[i] < a[0] ? x[i] : a[0];
        b[0] = x[i] > b[0] ? x[i] : b[0];
    }
    for (int k = 0; k < LANES; k++) {
        *lo = a[k] < *lo ? a[k] : *lo;
        *hi = b[k] > *hi ? b[k] : *hi;
    }
}
IT_LEVELS(range, (const float *restrict x, int64_t len, float *lo, float *hi), (x, len, lo, hi))

void it_fake_range(const float *x, int64_t len, float *lo, float *hi) { range(x, len, lo, hi); }

/* Krishnamoorthi 2018, section 2, and the nudge of Jacob et al. 2018, section 3.1: the zero point is whole, the scale stays. */
void it_qat_set_range(it_qat_act *a, float lo, float hi)
{
    lo = lo < 0 ? lo : 0;
    hi = hi > 0 ? hi : 0;
    const float scale = (float)(((double)hi - (double)lo) / a->top);
    if (!(scale > 0) || !isfinite(scale)) return; /* nothing was seen but zeros: it stays as it was */
    const double zero = floor(-(double)lo / (double)scale + 0.5);
    a->scale = scale;
    a->zero = zero > a->top ? a->top : (int32_t)zero;
}
