/* SPDX-License-Identifier: Apache-2.0 */
/* fit.c: fitting one channel. Sums run in 16 lanes that are added in order, so every CPU level gives the same bits. */
#include "ptq/fit.h"

#include <math.h>
#include <string.h>

#include "op/levels.h"

enum { LANES = 16 };

static double total(const float *lanes)
{
    double sum = 0;
    for (int l = 0; l < LANES; l++)
        sum += (double)lanes[l];
    return sum;
}

IT_INLINE float difference(float t, float want, float lo, float hi)
{
    t = t < lo ? lo : t;
    t = t > hi ? hi : t;
    return t - want;
}

/* x with by: the same with z + by * x in place of z. */
IT_INLINE void loss_body(const float *restrict z, const float *restrict x, float by, const it_fit_rows *f, it_fitted at, float *restrict lanes)
{
    const float *restrict want = f->want;
    const float lo = f->lo, hi = f->hi, gain = at.gain, shift = at.shift;
    float s[LANES] = { 0 };
    size_t i = 0;
    for (; i + LANES <= f->rows; i += LANES)
        for (int l = 0; l < LANES; l++) {
            float d = difference(gain * (z[i + (size_t)l] + by * x[i + (size_t)l]) + shift, want[i + (size_t)l], lo, hi);
            s[l] += d * d;
        }
    for (int l = 0; i < f->rows; i++, l++) {
        float d = difference(gain * (z[i] + by * x[i]) + shift, want[i], lo, hi);
        s[l] += d * d;
    }
    memcpy(lanes, s, sizeof s);
}
IT_LEVELS(loss, (const float *restrict z, const float *restrict x, float by, const it_fit_rows *f, it_fitted at, float *restrict lanes), (z, x, by, f, at, lanes))

static double loss_with(const it_fit_rows *f, const float *z, const float *x, float by, it_fitted at)
{
    float lanes[LANES];
    loss(z, x, by, f, at, lanes);
    return total(lanes);
}

double it_fit_loss(const it_fit_rows *f, const float *z, it_fitted at) { return loss_with(f, z, z, 0, at); }

enum { S_N, S_Z, S_ZZ, S_E, S_EZ, SUMS };

/* Sums over the rows where the answer moves with gain and shift, or ought to: e is what is missing there. */
IT_INLINE void sums_body(const float *restrict z, const it_fit_rows *f, it_fitted at, float (*restrict lanes)[LANES])
{
    const float *restrict want = f->want;
    const float lo = f->lo, hi = f->hi;
    float s[SUMS][LANES] = { { 0 } };
    for (size_t i = 0; i < f->rows; i += LANES) {
        const size_t len = f->rows - i < LANES ? f->rows - i : LANES;
        float a[LANES] = { 0 }, w[LANES] = { 0 }, on[LANES] = { 0 };
        for (size_t l = 0; l < len; l++)
            a[l] = z[i + l], w[l] = want[i + l], on[l] = 1;
        for (int l = 0; l < LANES; l++) {
            float t = at.gain * a[l] + at.shift;
            float open = ((t > lo) & (t < hi)) ? 1.0f : 0.0f, wanted = ((w[l] > lo) & (w[l] < hi)) ? 1.0f : 0.0f;
            float m = (open > wanted ? open : wanted) * on[l], e = m * (w[l] - t);
            s[S_N][l] += m;
            s[S_Z][l] += m * a[l];
            s[S_ZZ][l] += m * a[l] * a[l];
            s[S_E][l] += e;
            s[S_EZ][l] += e * a[l];
        }
    }
    memcpy(lanes, s, sizeof s);
}
IT_LEVELS(sums, (const float *restrict z, const it_fit_rows *f, it_fitted at, float (*restrict lanes)[LANES]), (z, f, at, lanes))

/* The least squares step of the rows that count; false where there is none. */
static bool step(const it_fit_rows *f, const float *z, it_fitted *at)
{
    float lanes[SUMS][LANES];
    double s[SUMS], gain = 0, shift = 0;
    sums(z, f, *at, lanes);
    for (int i = 0; i < SUMS; i++)
        s[i] = total(lanes[i]);
    if (f->scales && f->shifts) {
        double det = s[S_N] * s[S_ZZ] - s[S_Z] * s[S_Z];
        if (!(det > 1e-9 * s[S_N] * s[S_ZZ]))
            return false;
        gain = (s[S_N] * s[S_EZ] - s[S_Z] * s[S_E]) / det;
        shift = (s[S_ZZ] * s[S_E] - s[S_Z] * s[S_EZ]) / det;
    } else if (f->scales && s[S_ZZ] > 0) {
        gain = s[S_EZ] / s[S_ZZ];
    } else if (f->shifts && s[S_N] > 0) {
        shift = s[S_E] / s[S_N];
    }
    at->gain += (float)gain;
    at->shift += (float)shift;
    return isfinite(at->gain) && isfinite(at->shift);
}

it_fitted it_fit_steps(const it_fit_rows *f, const float *z, it_fitted at, int steps)
{
    const float low = at.gain / 2, top = at.gain * 2;
    double least = it_fit_loss(f, z, at);
    for (int i = 0; i < steps; i++) {
        it_fitted next = at;
        if (!step(f, z, &next) || next.gain < low || next.gain > top)
            break;
        double got = it_fit_loss(f, z, next);
        if (!(got < least))
            break;
        bool settled = got > 0.9999 * least;
        at = next;
        least = got;
        if (settled)
            break;
    }
    return at;
}

/* ---- codes of short windows ---- */

enum { SWEEPS = 12 };
static const float STARTS[] = { 1, 0.9f, 0.8f, 0.7f, 0.6f, 1.1f, 0.5f };

static void answers_of(const it_fit_rows *f, const it_fit_codes *c, const float *codes)
{
    memset(c->z, 0, f->rows * sizeof *c->z);
    for (int k = 0; k < c->k; k++)
        for (size_t i = 0; i < f->rows; i++)
            c->z[i] += codes[k] * c->x[(size_t)k * f->rows + i];
}

/* One code up or down, wherever that helps, until nothing does. */
double it_fit_descend(const it_fit_rows *f, const it_fit_codes *c, float *codes, it_fitted *at, int sweeps)
{
    answers_of(f, c, codes);
    *at = it_fit_steps(f, c->z, *at, 4);
    double least = it_fit_loss(f, c->z, *at);
    for (int sweep = 0; sweep < sweeps; sweep++) {
        bool moved = false;
        for (int k = 0; k < c->k; k++)
            for (float by = -1; by <= 1; by += 2) {
                const float *x = c->x + (size_t)k * f->rows;
                float to = codes[k] + by;
                double got = to < c->low || to > c->top ? INFINITY : loss_with(f, c->z, x, by, *at);
                if (!(got < least))
                    continue;
                codes[k] = to;
                for (size_t i = 0; i < f->rows; i++)
                    c->z[i] += by * x[i];
                least = got;
                moved = true;
            }
        *at = it_fit_steps(f, c->z, *at, 3);
        least = it_fit_loss(f, c->z, *at);
        if (!moved)
            break;
    }
    return least;
}

double it_fit_search(const it_fit_rows *f, const it_fit_codes *c, float *codes, it_fitted *at)
{
    const it_fitted from = *at;
    double least = INFINITY;
    for (size_t i = 0; i < (f->scales ? sizeof STARTS / sizeof *STARTS : 1); i++) {
        it_fitted now = { from.gain * STARTS[i], from.shift };
        for (int k = 0; k < c->k; k++) {
            c->q[k] = nearbyintf(c->w[k] / (c->scale * STARTS[i]));
            c->q[k] = c->q[k] < c->low ? c->low : c->q[k] > c->top ? c->top : c->q[k];
        }
        double got = it_fit_descend(f, c, c->q, &now, SWEEPS);
        if (got < least) {
            least = got;
            *at = now;
            memcpy(codes, c->q, (size_t)c->k * sizeof *codes);
        }
    }
    return least;
}
