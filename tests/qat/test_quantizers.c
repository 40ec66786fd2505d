/* SPDX-License-Identifier: Apache-2.0 */
/* test_quantizers.c: fake quantization number by number against plain arithmetic, and its gradients against finite differences of what straight-through
** estimation differentiates: rounding taken as adding a constant. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "qat/method.h"

enum { LEN = 3011 };

static float uniform(it_rng *r, float lo, float hi) { return lo + (hi - lo) * (float)it_rng_below(r, 1u << 20) / (float)(1u << 20); }

static void fill(it_rng *r, float *x, int len, float lo, float hi)
{
    for (int i = 0; i < len; i++) x[i] = uniform(r, lo, hi);
}

static it_qat_act act_of(int bits, int zero, float scale) { return (it_qat_act){ .name = "x", .rounds = true, .bits = bits, .top = (1 << bits) - 1, .zero = zero, .scale = scale, .features = 100 }; }

/* ---- rounding ---- */

static float plain_code(float x, const it_qat_act *a)
{
    float t = x * (1 / a->scale) + ((float)a->zero + 0.5f);
    t = t < 0 ? 0 : t > (float)a->top + 0.5f ? (float)a->top + 0.5f : t;
    return floorf(t) - (float)a->zero;
}

/* The same bits at any place of a vector, so at every CPU level. */
static void rounding(void **state)
{
    static float x[LEN], y[LEN];
    it_rng r;
    (void)state;
    it_rng_seed(&r, 1);
    for (int bits = 2; bits <= 8; bits++)
        for (int zero = 0; zero < 1 << bits; zero += bits < 8 ? 1 : 37) {
            const it_qat_act a = act_of(bits, zero, 0.037f);
            fill(&r, x, LEN, -12, 12);
            for (int i = 0; i < 40; i++) x[i] = a.scale * ((float)i - 20 + 0.5f); /* ties */
            it_fake_round(&a, x, y, LEN);
            for (int i = 0; i < LEN; i++) assert_true(y[i] == plain_code(x[i], &a) * a.scale);
        }
}

static void ties_go_up_and_nan_stays(void **state)
{
    const it_qat_act a = act_of(4, 5, 0.5f);
    const float x[] = { -0.75f, -0.25f, 0.25f, 0.75f, -100, 100, NAN };
    const float want[] = { -0.5f, 0, 0.5f, 1.0f, -2.5f, 5 };
    float y[IT_LEN(x)];
    (void)state;
    it_fake_round(&a, x, y, IT_LEN(x));
    for (size_t i = 0; i < IT_LEN(want); i++) assert_true(y[i] == want[i]);
    assert_true(isnan(y[6]));
}

static it_qat_weight weight_of(int top, bool odd, int64_t channels, int64_t inner, int64_t outer, float *step, float *sums)
{
    return (it_qat_weight){ .bits = 4, .top = top, .odd = odd, .channels = channels, .inner = inner, .outer = outer, .step = step, .sums = sums };
}

static float nearest(float v, int top, bool odd)
{
    float best = INFINITY, at = 0;
    for (int c = -top; c <= top; c++) {
        if (odd && c % 2 == 0) continue;
        if (fabsf((float)c - v) <= best) best = fabsf((float)c - v), at = (float)c; /* the upper one of two */
    }
    return at;
}

static void weights(void **state)
{
    static const struct { int top; bool odd; } GRIDS[] = { { 1, false }, { 3, true }, { 7, false }, { 15, true }, { 127, false } };
    static float x[LEN], y[LEN], step[9], sums[9];
    static int8_t codes[LEN];
    it_rng r;
    (void)state;
    it_rng_seed(&r, 2);
    for (size_t g = 0; g < IT_LEN(GRIDS); g++)
        for (int inner = 1; inner < 30; inner += 14) {
            it_qat_weight w = weight_of(GRIDS[g].top, GRIDS[g].odd, 9, inner, 7, step, sums);
            const int len = 9 * 7 * inner;
            fill(&r, step, 9, 0.01f, 0.3f);
            fill(&r, x, len, -2, 2);
            it_fake_weight(&w, x, y, codes);
            for (int i = 0; i < len; i++) {
                const int c = i / inner % 9;
                assert_true(y[i] == step[c] * (float)codes[i]);
                assert_int_equal(codes[i], (int)nearest(x[i] * (1 / step[c]), w.top, w.odd));
            }
        }
}

/* ---- gradients ---- */

/* sum d y with y = scale clip(x / scale + round(x0 / scale0) - x0 / scale0), whose rounding error is a constant. */
static double surrogate(const it_qat_act *a, double scale, const float *x, const float *d, int len)
{
    double sum = 0, lo = -a->zero, hi = a->top - a->zero;
    for (int i = 0; i < len; i++) {
        const double v0 = (double)x[i] / (double)a->scale, v = (double)x[i] / scale;
        const bool in = v0 >= lo && v0 <= hi;
        sum += (double)d[i] * scale * (in ? v + (double)plain_code(x[i], a) - v0 : v0 < lo ? lo : hi);
    }
    return sum;
}

static void step_gradient(void **state)
{
    static float x[LEN], d[LEN], dx[LEN];
    it_rng r;
    (void)state;
    it_rng_seed(&r, 3);
    for (int zero = 0; zero < 16; zero += 7) {
        const it_qat_act a = act_of(4, zero, 0.21f);
        fill(&r, x, LEN, -3, 5);
        fill(&r, d, LEN, -1, 1);
        memcpy(dx, d, sizeof d);
        const double got = it_fake_pass_step(&a, x, dx, LEN), h = 1e-4;
        const double want = (surrogate(&a, (double)a.scale + h, x, d, LEN) - surrogate(&a, (double)a.scale - h, x, d, LEN)) / (2 * h);
        assert_true(fabs(got - want) < 1e-4 * LEN);
        for (int i = 0; i < LEN; i++) {
            const float lo = a.scale * -(float)zero, hi = a.scale * (float)(15 - zero);
            assert_true(dx[i] == (x[i] >= lo && x[i] <= hi ? d[i] : 0));
        }
    }
}

static void clip_gradient(void **state)
{
    static float x[LEN], d[LEN], dx[LEN];
    const it_qat_act a = act_of(4, 0, 0.2f);
    const float alpha = a.scale * 15;
    double want = 0;
    it_rng r;
    (void)state;
    it_rng_seed(&r, 4);
    fill(&r, x, LEN, -1, 5);
    fill(&r, d, LEN, -1, 1);
    x[7] = alpha; /* belongs to the end */
    memcpy(dx, d, sizeof d);
    const double got = it_fake_pass_clip(&a, x, dx, LEN);
    for (int i = 0; i < LEN; i++) {
        want += x[i] >= alpha ? (double)d[i] : 0; /* of sum d clip(x, 0, alpha) */
        assert_true(dx[i] == (x[i] >= 0 && x[i] < alpha ? d[i] : 0));
    }
    assert_true(fabs(got - want) < 1e-3);
    assert_true(dx[7] == 0);
}

static void end_points_pass(void **state)
{
    const it_qat_act a = act_of(8, 100, 0.1f);
    const float lo = a.scale * -100, hi = a.scale * 155;
    const float x[] = { lo, hi, nextafterf(lo, -INFINITY), nextafterf(hi, INFINITY) };
    float d[] = { 1, 1, 1, 1 };
    (void)state;
    it_fake_pass(&a, x, d, 4);
    assert_true(d[0] == 1 && d[1] == 1 && d[2] == 0 && d[3] == 0);
}

static double weight_surrogate(const it_qat_weight *w, int channel, double step, const float *x, const float *d, int len)
{
    double sum = 0;
    for (int i = 0; i < len; i++) {
        if (i / w->inner % w->channels != channel) continue;
        const double v0 = (double)x[i] / (double)w->step[channel], v = (double)x[i] / step, top = w->top;
        sum += (double)d[i] * step * (fabs(v0) <= top ? v + (double)nearest((float)v0, w->top, w->odd) - v0 : v0 < 0 ? -top : top);
    }
    return sum;
}

static void weight_gradient(void **state)
{
    static float x[LEN], d[LEN], dx[LEN], step[5], sums[5];
    it_rng r;
    (void)state;
    it_rng_seed(&r, 5);
    for (int odd = 0; odd < 2; odd++)
        for (int inner = 1; inner < 40; inner += 19) {
            it_qat_weight w = weight_of(odd ? 3 : 7, odd, 5, inner, 6, step, sums);
            const int len = 5 * 6 * inner;
            fill(&r, step, 5, 0.1f, 0.3f);
            fill(&r, x, len, -1.5f, 1.5f);
            fill(&r, d, len, -1, 1);
            memcpy(dx, d, sizeof d);
            it_fake_weight_pass(&w, x, dx);
            for (int c = 0; c < 5; c++) {
                const double s = (double)step[c], h = 1e-5;
                const double want = (weight_surrogate(&w, c, s + h, x, d, len) - weight_surrogate(&w, c, s - h, x, d, len)) / (2 * h);
                assert_true(fabs((double)sums[c] - want) < 1e-4 * len);
            }
            for (int i = 0; i < len; i++) assert_true(dx[i] == (fabsf(x[i] * (1 / step[i / inner % 5])) <= (float)w.top ? d[i] : 0));
        }
}

/* ---- ranges ---- */

static void ranges(void **state)
{
    static float x[LEN];
    it_rng r;
    float lo = INFINITY, hi = -INFINITY;
    it_qat_act a = act_of(8, 3, 0.5f);
    (void)state;
    it_rng_seed(&r, 6);
    fill(&r, x, LEN, -1, 2);
    x[LEN - 1] = -3;
    x[17] = 9;
    it_fake_range(x, LEN, &lo, &hi);
    assert_true(lo == -3 && hi == 9);
    it_qat_set_range(&a, lo, hi);
    assert_int_equal(a.zero, 64);
    assert_true(fabsf(a.scale - 12.0f / 255) < 1e-6f);
    it_qat_set_range(&a, 0, 0); /* nothing was there to see: nothing changes */
    assert_int_equal(a.zero, 64);
    it_qat_set_range(&a, 1, 2); /* 0 belongs to every range */
    assert_int_equal(a.zero, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rounding), cmocka_unit_test(ties_go_up_and_nan_stays), cmocka_unit_test(weights), cmocka_unit_test(step_gradient), cmocka_unit_test(clip_gradient),
        cmocka_unit_test(end_points_pass), cmocka_unit_test(weight_gradient), cmocka_unit_test(ranges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
