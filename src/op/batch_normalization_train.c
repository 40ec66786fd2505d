/* SPDX-License-Identifier: Apache-2.0 */
/* batch_normalization_train: normalization by the statistics of a whole batch that comes in blocks, with the fused clamp, forward and backward.
** With u = x - mean, s = 1 / sqrt(var + epsilon), N values a channel and g the gradient behind the clamp's mask:
** y = clamp(u s scale + bias)   dbias = sum g   dscale = s sum g u   dx = scale s (g - dbias / N - u s^2 (sum g u) / N) */
#include <math.h>

#include "op/batch_normalization.h"
#include "op/elem.h"
#include "op/levels.h"

#define CHUNK 256 /* channels at a time: their constants stay in the first-level cache */

/* A tensor as rows of all channels (channels-last, or one position a sample), or as planes of one channel. */
typedef struct view { int64_t channels, rows, samples, len; bool planes; } view;

static view view_of(const it_tensor *t)
{
    view v = { .channels = t->rank > 1 ? t->dim[1] : 1, .samples = t->rank > 0 ? t->dim[0] : 1, .len = 1 };
    for (int i = 2; i < t->rank; i++)
        v.len *= t->dim[i];
    v.rows = v.samples * v.len;
    v.planes = t->layout != IT_NHWC && v.len > 1;
    return v;
}

/* ---- sums ---- */

/* Four rows are added before the accumulators are touched. */
IT_INLINE void gather_rows_body(const float *x, int64_t rows, int64_t step, int64_t len, double *restrict sum, double *restrict square)
{
    int64_t r = 0;
    for (; r + 4 <= rows; r += 4, x += 4 * step)
        IT_IVDEP for (int64_t c = 0; c < len; c++)
        {
            double v0 = (double)x[c], v1 = (double)x[step + c], v2 = (double)x[2 * step + c], v3 = (double)x[3 * step + c];
            sum[c] += (v0 + v1) + (v2 + v3);
            square[c] += (v0 * v0 + v1 * v1) + (v2 * v2 + v3 * v3);
        }
    for (; r < rows; r++, x += step)
        for (int64_t c = 0; c < len; c++) {
            double v = (double)x[c];
            sum[c] += v;
            square[c] += v * v;
        }
}
IT_LEVELS(gather_rows, (const float *x, int64_t rows, int64_t step, int64_t len, double *restrict sum, double *restrict square),
          (x, rows, step, len, sum, square))

/* Eight sums side by side, the tail into the first ones. */
IT_INLINE void gather_plane_body(const float *x, int64_t len, double *restrict sum, double *restrict square)
{
    double s[8] = { 0 }, q[8] = { 0 };
    for (int64_t i = 0; i < len / 8; i++)
        for (int k = 0; k < 8; k++) {
            double v = (double)x[8 * i + k];
            s[k] += v;
            q[k] += v * v;
        }
    for (int64_t i = len / 8 * 8; i < len; i++) {
        s[i % 8] += (double)x[i];
        q[i % 8] += (double)x[i] * (double)x[i];
    }
    for (int k = 0; k < 8; k++) {
        *sum += s[k];
        *square += q[k];
    }
}
IT_LEVELS(gather_plane, (const float *x, int64_t len, double *restrict sum, double *restrict square), (x, len, sum, square))

/* Constants of a stretch of channels: forward y = u a + b; backward dx = k (g - j - u l). */
typedef struct slopes { float mean[CHUNK], a[CHUNK], b[CHUNK], k[CHUNK], j[CHUNK], l[CHUNK]; } slopes;

/* The clamp as the backward passes see it: y is computed again, which costs less than reading it. */
typedef struct mask { float lo, hi; bool on; } mask;
/* Two selects, for loops with branches do not vectorize. */
IT_INLINE float inside(float y, float lo, float hi, float g)
{
    g = y > lo ? g : 0.0f;
    return y < hi ? g : 0.0f;
}
#define MASKED(u, a, b, g) (on ? inside((u) * (a) + (b), lo, hi, (g)) : (g))

/* Four rows in single precision, their sums in double; u is x less the mean, rounded. */
IT_INLINE void back_rows_loop(const float *x, const float *dy, float lo, float hi, bool on, int64_t rows, int64_t step, int64_t len, const slopes *s,
                              double *restrict sum_g, double *restrict sum_gu)
{
    const float *restrict mean = s->mean, *restrict a = s->a, *restrict b = s->b;
    int64_t r = 0;
    for (; r + 4 <= rows; r += 4, x += 4 * step, dy += 4 * step)
        IT_IVDEP for (int64_t c = 0; c < len; c++)
        {
            float u0 = x[c] - mean[c], u1 = x[step + c] - mean[c], u2 = x[2 * step + c] - mean[c], u3 = x[3 * step + c] - mean[c];
            float g0 = MASKED(u0, a[c], b[c], dy[c]), g1 = MASKED(u1, a[c], b[c], dy[step + c]);
            float g2 = MASKED(u2, a[c], b[c], dy[2 * step + c]), g3 = MASKED(u3, a[c], b[c], dy[3 * step + c]);
            sum_g[c] += (double)((g0 + g1) + (g2 + g3));
            sum_gu[c] += (double)((g0 * u0 + g1 * u1) + (g2 * u2 + g3 * u3));
        }
    for (; r < rows; r++, x += step, dy += step)
        for (int64_t c = 0; c < len; c++) {
            float u = x[c] - mean[c], g = MASKED(u, a[c], b[c], dy[c]), p = g * u;
            sum_g[c] += (double)g;
            sum_gu[c] += (double)p;
        }
}
IT_INLINE void back_rows_body(const float *x, const float *dy, const mask *m, int64_t rows, int64_t step, int64_t len, const slopes *s,
                              double *restrict sum_g, double *restrict sum_gu)
{
    if (m->on)
        back_rows_loop(x, dy, m->lo, m->hi, true, rows, step, len, s, sum_g, sum_gu);
    else
        back_rows_loop(x, dy, 0, 0, false, rows, step, len, s, sum_g, sum_gu);
}
IT_LEVELS(back_rows, (const float *x, const float *dy, const mask *m, int64_t rows, int64_t step, int64_t len, const slopes *s, double *restrict sum_g,
                      double *restrict sum_gu),
          (x, dy, m, rows, step, len, s, sum_g, sum_gu))

IT_INLINE void back_plane_loop(const float *x, const float *dy, float lo, float hi, bool on, int64_t len, float mean, float a, float b,
                               double *restrict sum_g, double *restrict sum_gu)
{
    double sg[8] = { 0 }, su[8] = { 0 };
    for (int64_t i = 0; i < len; i++) {
        float u = x[i] - mean, g = MASKED(u, a, b, dy[i]), p = g * u;
        sg[i % 8] += (double)g;
        su[i % 8] += (double)p;
    }
    for (int k = 0; k < 8; k++) {
        *sum_g += sg[k];
        *sum_gu += su[k];
    }
}
IT_INLINE void back_plane_body(const float *x, const float *dy, const mask *m, int64_t len, const slopes *s, int64_t c, double *restrict sum_g,
                               double *restrict sum_gu)
{
    if (m->on)
        back_plane_loop(x, dy, m->lo, m->hi, true, len, s->mean[c], s->a[c], s->b[c], sum_g, sum_gu);
    else
        back_plane_loop(x, dy, 0, 0, false, len, s->mean[c], 0, 0, sum_g, sum_gu);
}
IT_LEVELS(back_plane, (const float *x, const float *dy, const mask *m, int64_t len, const slopes *s, int64_t c, double *restrict sum_g,
                       double *restrict sum_gu),
          (x, dy, m, len, s, c, sum_g, sum_gu))

/* ---- values ---- */

IT_INLINE void forward_rows_body(const float *x, float *y, int64_t rows, int64_t step, int64_t len, const float *restrict mean, const float *restrict a,
                                 const float *restrict b, float lo, float hi)
{
    for (int64_t r = 0; r < rows; r++, x += step, y += step)
        IT_IVDEP for (int64_t c = 0; c < len; c++)
        {
            float v = (x[c] - mean[c]) * a[c] + b[c];
            v = v < lo ? lo : v;
            y[c] = v > hi ? hi : v;
        }
}
IT_LEVELS(forward_rows, (const float *x, float *y, int64_t rows, int64_t step, int64_t len, const float *restrict mean, const float *restrict a,
                         const float *restrict b, float lo, float hi),
          (x, y, rows, step, len, mean, a, b, lo, hi))

IT_INLINE void forward_plane_body(const float *x, float *y, int64_t len, float mean, float a, float b, float lo, float hi)
{
    IT_IVDEP for (int64_t i = 0; i < len; i++)
    {
        float v = (x[i] - mean) * a + b;
        v = v < lo ? lo : v;
        y[i] = v > hi ? hi : v;
    }
}
IT_LEVELS(forward_plane, (const float *x, float *y, int64_t len, float mean, float a, float b, float lo, float hi), (x, y, len, mean, a, b, lo, hi))

IT_INLINE void dx_rows_loop(const float *x, const float *dy, float lo, float hi, bool on, float *dx, int64_t rows, int64_t step, int64_t len,
                            const slopes *s)
{
    const float *restrict mean = s->mean, *restrict a = s->a, *restrict b = s->b, *restrict k = s->k, *restrict j = s->j, *restrict l = s->l;
    for (int64_t r = 0; r < rows; r++, x += step, dy += step, dx += step)
        IT_IVDEP for (int64_t c = 0; c < len; c++)
        {
            float u = x[c] - mean[c], g = MASKED(u, a[c], b[c], dy[c]);
            dx[c] = (g - j[c] - u * l[c]) * k[c];
        }
}
IT_INLINE void dx_rows_body(const float *x, const float *dy, const mask *m, float *dx, int64_t rows, int64_t step, int64_t len, const slopes *s)
{
    if (m->on)
        dx_rows_loop(x, dy, m->lo, m->hi, true, dx, rows, step, len, s);
    else
        dx_rows_loop(x, dy, 0, 0, false, dx, rows, step, len, s);
}
IT_LEVELS(dx_rows, (const float *x, const float *dy, const mask *m, float *dx, int64_t rows, int64_t step, int64_t len, const slopes *s),
          (x, dy, m, dx, rows, step, len, s))

IT_INLINE void dx_plane_loop(const float *x, const float *dy, float lo, float hi, bool on, float *dx, int64_t len, const slopes *s, int64_t c)
{
    const float mean = s->mean[c], a = s->a[c], b = s->b[c], k = s->k[c], j = s->j[c], l = s->l[c];
    IT_IVDEP for (int64_t i = 0; i < len; i++)
    {
        float u = x[i] - mean, g = MASKED(u, a, b, dy[i]);
        dx[i] = (g - j - u * l) * k;
    }
}
IT_INLINE void dx_plane_body(const float *x, const float *dy, const mask *m, float *dx, int64_t len, const slopes *s, int64_t c)
{
    if (m->on)
        dx_plane_loop(x, dy, m->lo, m->hi, true, dx, len, s, c);
    else
        dx_plane_loop(x, dy, 0, 0, false, dx, len, s, c);
}
IT_LEVELS(dx_plane, (const float *x, const float *dy, const mask *m, float *dx, int64_t len, const slopes *s, int64_t c), (x, dy, m, dx, len, s, c))

/* ---- the operator ---- */

/* Of a channel: the batch's mean and population variance. */
static void statistics(const double *sums, int64_t channels, int64_t c, double count, double *mean, double *var)
{
    double v;
    *mean = sums[c] / count;
    v = sums[channels + c] / count - *mean * *mean; /* doubles: 10 digits are left where the mean is a thousand deviations */
    *var = v > 0 ? v : 0;
}

static double deviation(const it_node *n, double var) { return sqrt(var + (double)((const it_bn_args *)n->args)->epsilon); }

static int64_t part(const view *v, int64_t at) { return v->channels - at < CHUNK ? v->channels - at : CHUNK; }

static mask mask_of(const it_node *n)
{
    return (mask){ .lo = n->clamp_lo, .hi = n->clamp_hi, .on = n->clamp_lo != -INFINITY || n->clamp_hi != INFINITY };
}

/* What forward and the mask need. */
static void slopes_forward(const it_node *n, const it_tensor *const *in, const double *sums, double count, int64_t channels, int64_t at, int64_t len,
                           slopes *s)
{
    const float *scale = in[IT_BN_SCALE]->data, *bias = in[IT_BN_BIAS]->data;
    for (int64_t c = 0; c < len; c++) {
        double mean, var, slope;
        statistics(sums, channels, at + c, count, &mean, &var);
        slope = (double)scale[at + c] / deviation(n, var);
        s->mean[c] = (float)mean;
        s->a[c] = (float)slope;
        s->b[c] = (float)((double)bias[at + c] + ((double)s->mean[c] - mean) * slope); /* what rounding the mean took away */
    }
}

static int64_t bn_sums(const it_node *n, const it_tensor *const *in)
{
    (void)n;
    return 2 * view_of(in[0]).channels;
}

static void bn_gather(const it_node *n, const it_tensor *const *in, double *sums)
{
    const view v = view_of(in[0]);
    const float *x = in[0]->data;
    (void)n;
    if (!v.planes) {
        for (int64_t at = 0; at < v.channels; at += CHUNK)
            gather_rows(x + at, v.rows, v.channels, part(&v, at), sums + at, sums + v.channels + at);
        return;
    }
    for (int64_t p = 0; p < v.samples * v.channels; p++)
        gather_plane(x + p * v.len, v.len, &sums[p % v.channels], &sums[v.channels + p % v.channels]);
}

static void bn_forward(const it_node *n, const it_tensor *const *in, const double *sums, double count, it_tensor *const *out)
{
    const view v = view_of(in[0]);
    const float *x = in[0]->data;
    float *y = out[0]->data;
    slopes k;
    for (int64_t at = 0; at < v.channels; at += CHUNK) {
        int64_t len = part(&v, at);
        slopes_forward(n, in, sums, count, v.channels, at, len, &k);
        if (!v.planes)
            forward_rows(x + at, y + at, v.rows, v.channels, len, k.mean, k.a, k.b, n->clamp_lo, n->clamp_hi);
        for (int64_t s = 0; v.planes && s < v.samples; s++)
            for (int64_t c = 0; c < len; c++) {
                int64_t p = (s * v.channels + at + c) * v.len;
                forward_plane(x + p, y + p, v.len, k.mean[c], k.a[c], k.b[c], n->clamp_lo, n->clamp_hi);
            }
    }
}

static void bn_gather_back(const it_node *n, const it_tensor *const *in, const it_tensor *const *out, const it_tensor *dy, const double *sums,
                           double count, double *back)
{
    const view v = view_of(in[0]);
    const float *x = in[0]->data, *g = dy->data;
    const mask m = mask_of(n);
    slopes k;
    (void)out;
    for (int64_t at = 0; at < v.channels; at += CHUNK) {
        int64_t len = part(&v, at);
        slopes_forward(n, in, sums, count, v.channels, at, len, &k);
        if (!v.planes)
            back_rows(x + at, g + at, &m, v.rows, v.channels, len, &k, back + at, back + v.channels + at);
        for (int64_t s = 0; v.planes && s < v.samples; s++)
            for (int64_t c = 0; c < len; c++) {
                int64_t p = (s * v.channels + at + c) * v.len;
                back_plane(x + p, g + p, &m, v.len, &k, c, &back[at + c], &back[v.channels + at + c]);
            }
    }
}

/* sum g u for u less the exact mean. */
static double sum_gu(const double *back, int64_t channels, int64_t c, double mean)
{
    return back[channels + c] + back[c] * ((double)(float)mean - mean);
}

static void slopes_back(const it_node *n, const it_tensor *const *in, const double *sums, const double *back, double count, int64_t channels,
                        int64_t at, int64_t len, slopes *s)
{
    const float *scale = in[IT_BN_SCALE]->data;
    slopes_forward(n, in, sums, count, channels, at, len, s);
    for (int64_t c = 0; c < len; c++) {
        double mean, var, d, l;
        statistics(sums, channels, at + c, count, &mean, &var);
        d = deviation(n, var);
        l = sum_gu(back, channels, at + c, mean) / (d * d * count);
        s->k[c] = (float)((double)scale[at + c] / d);
        s->l[c] = (float)l;
        s->j[c] = (float)(back[at + c] / count + ((double)s->mean[c] - mean) * l);
    }
}

static void bn_backward(const it_node *n, const it_tensor *const *in, const it_tensor *const *out, const it_tensor *dy, const double *sums,
                        const double *back, double count, it_tensor *dx)
{
    const view v = view_of(in[0]);
    const float *x = in[0]->data, *g = dy->data;
    const mask m = mask_of(n);
    float *to = dx->data;
    slopes k;
    (void)out;
    for (int64_t at = 0; at < v.channels; at += CHUNK) {
        int64_t len = part(&v, at);
        slopes_back(n, in, sums, back, count, v.channels, at, len, &k);
        if (!v.planes)
            dx_rows(x + at, g + at, &m, to + at, v.rows, v.channels, len, &k);
        for (int64_t s = 0; v.planes && s < v.samples; s++)
            for (int64_t c = 0; c < len; c++) {
                int64_t p = (s * v.channels + at + c) * v.len;
                dx_plane(x + p, g + p, &m, to + p, v.len, &k, c);
            }
    }
}

static void bn_finish(const it_node *n, const it_tensor *const *in, const double *sums, const double *back, double count, it_tensor *const *dp)
{
    const it_bn_args *a = n->args;
    const int64_t channels = view_of(in[0]).channels;
    float *run_mean = in[IT_BN_MEAN]->data, *run_var = in[IT_BN_VAR]->data;
    const double keep = (double)a->momentum;
    for (int64_t c = 0; c < channels; c++) {
        double mean, var;
        statistics(sums, channels, c, count, &mean, &var);
        if (back && dp && dp[IT_BN_SCALE])
            ((float *)dp[IT_BN_SCALE]->data)[c] = (float)(sum_gu(back, channels, c, mean) / deviation(n, var));
        if (back && dp && dp[IT_BN_BIAS])
            ((float *)dp[IT_BN_BIAS]->data)[c] = (float)back[c];
        run_mean[c] = (float)((double)run_mean[c] * keep + mean * (1 - keep));
        run_var[c] = (float)((double)run_var[c] * keep + var * (1 - keep));
    }
}

static void bn_assume(const it_node *n, const it_tensor *const *in, double count, double *sums)
{
    const float *mean = in[IT_BN_MEAN]->data, *var = in[IT_BN_VAR]->data;
    const int64_t channels = view_of(in[0]).channels;
    (void)n;
    for (int64_t c = 0; c < channels; c++) {
        sums[c] = count * (double)mean[c];
        sums[channels + c] = count * ((double)var[c] + (double)mean[c] * (double)mean[c]);
    }
}

const it_across it_bn_across = {
    .sums = bn_sums, .gather = bn_gather, .forward = bn_forward, .gather_back = bn_gather_back, .backward = bn_backward, .finish = bn_finish, .assume = bn_assume,
    .running = 1u << IT_BN_MEAN | 1u << IT_BN_VAR,
};
