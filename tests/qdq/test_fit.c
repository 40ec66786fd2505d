/* SPDX-License-Identifier: Apache-2.0 */
/* Multipliers of layers that came quantized give the codes of float arithmetic, rounded half to even: for all sums where one multiplier can, for
** nearly all elsewhere. */
#include <math.h>
#include <stdlib.h>

#include "api/api.h"
#include "qdq/helpers.h"

static int32_t clamped(double v, int32_t lo, int32_t hi) { return v < lo ? lo : v > hi ? hi : (int32_t)v; }

static int32_t by_float(const it_fit *f, int64_t sum) { return clamped((double)nearbyintf((float)sum * f->scale), f->first, f->last); }

static int32_t by_integers(const it_fit *f, const it_mult *m, int64_t sum)
{
    return clamped((double)((sum * m->m + ((int64_t)1 << (m->s - 1))) >> m->s), f->first, f->last);
}

/* Of the sums around each threshold up to code `most` from zero, those with another code; all others have the same one, since both are monotonic. */
static int others(const it_fit *f, const it_mult *m, int32_t most)
{
    int count = 0;
    for (int32_t j = f->first > -most ? f->first : -most; j < f->last && j < most; j++) {
        int64_t at = (int64_t)floor((j + 0.5) / (double)f->scale);
        for (int64_t sum = at - 8; sum <= at + 8; sum++)
            count += sum >= f->sum_lo && sum <= f->sum_hi && by_float(f, sum) != by_integers(f, m, sum);
    }
    return count;
}

static float uniform(it_rng *r, double lo, double hi) { return (float)(lo + (hi - lo) * (double)(it_rng_next(r) >> 40) / 0x1p24); }

/* 2^-least-range .. 2^-least; in statements, because arguments are evaluated in any order. */
static float draw_scale(it_rng *r, uint64_t range, int least)
{
    int down = (int)it_rng_below(r, range) + least;
    return ldexpf(uniform(r, 0.5, 1), -down);
}

static void test_layers(void **state)
{
    (void)state;
    it_rng r;
    enum { CHANNELS = 2000 };
    static const int32_t MOST[] = { 32, 256 };
    int before[2] = { 0 }, after[2] = { 0 }, whole = 0;
    it_rng_seed(&r, 500);
    for (int i = 0; i < CHANNELS; i++) {
        int32_t zero = (int32_t)it_rng_below(&r, 256);
        it_fit f = { .scale = draw_scale(&r, 8, 6), .first = -zero, .last = 255 - zero };
        it_mult m, k;
        f.sum_lo = (int64_t)(f.first / (double)f.scale * 1.5) - 10;
        f.sum_hi = (int64_t)(f.last / (double)f.scale * 1.5) + 10;
        assert_int_equal(it_mult_of((double)f.scale, 31, &m, "m", NULL), INTACT_OK);
        k = m;
        it_lower_fit(&f, &k);
        assert_int_equal(k.s, m.s);
        assert_in_range(k.m, 1 << 30, INT32_MAX);
        assert_true(fabs((double)k.m - m.m) <= m.m * 0x1p-17);
        for (int n = 0; n < 2; n++) {
            before[n] += others(&f, &m, MOST[n]);
            after[n] += others(&f, &k, MOST[n]);
        }
        whole += others(&f, &k, 256) == 0;
    }
    print_message("other codes at thresholds: %d before, %d after; near zero %d and %d; channels without any: %d of %d\n", before[1], after[1], before[0],
                  after[0], whole, CHANNELS);
    assert_true(before[0] > 100 && 3 * after[0] < before[0]);
    assert_true(after[1] < before[1]);
}

/* A program's multipliers as scales of floats: of those near it the one that gives most of its codes. */
static void test_weights(void **state)
{
    (void)state;
    it_rng r;
    int before = 0, after = 0;
    it_rng_seed(&r, 505);
    for (int i = 0; i < 1000; i++) {
        float s_x = uniform(&r, 0.01, 0.05), s_y = uniform(&r, 0.02, 0.08), s_w = draw_scale(&r, 6, 7), got;
        int32_t zero = (int32_t)it_rng_below(&r, 256);
        it_fit f = { .sum_lo = -100000, .sum_hi = 100000, .first = -zero, .last = 255 - zero };
        it_mult m;
        assert_int_equal(it_mult_of((double)s_x * (double)s_w / (double)s_y, 31, &m, "m", NULL), INTACT_OK);
        got = it_lower_fit_weight(&f, &m, s_x, s_w, s_y);
        assert_true(fabsf(got / s_w - 1) < 0x1p-17f);
        f.scale = s_x * s_w / s_y;
        before += others(&f, &m, 32);
        f.scale = s_x * got / s_y;
        after += others(&f, &m, 32);
    }
    print_message("other codes near zero: %d before, %d after\n", before, after);
    assert_true(before > 20 && 3 * after < before);
}

/* A scale that makes ties by itself: half to even cannot be had everywhere, and nothing else changes. Sums that cannot occur do not count. */
static void test_ties(void **state)
{
    (void)state;
    it_fit f = { .scale = 0.125f, .sum_lo = -3000, .sum_hi = 3000, .first = -100, .last = 155 };
    it_mult m;
    assert_int_equal(it_mult_of(0.125, 31, &m, "m", NULL), INTACT_OK);
    it_lower_fit(&f, &m);
    for (int64_t sum = f.sum_lo; sum <= f.sum_hi; sum++)
        assert_true(sum % 8 == 4 || sum % 8 == -4 || by_float(&f, sum) == by_integers(&f, &m, sum));
    it_mult k = m;
    f.sum_lo = f.sum_hi = 7;
    it_lower_fit(&f, &k);
    assert_int_equal(k.m, m.m);
}

/* Multipliers at the ends of their range, tiny and large scales. */
static void test_extremes(void **state)
{
    (void)state;
    static const float SCALES[] = { 0x1p-31f, 0x1.fffffep-20f, 0x1p-9f, 1, 0x1.8p3f, 0x1p29f };
    for (size_t i = 0; i < IT_LEN(SCALES); i++) {
        it_fit f = { .scale = SCALES[i], .sum_lo = -INT32_MAX, .sum_hi = INT32_MAX, .first = -128, .last = 127 };
        it_mult m, k;
        assert_int_equal(it_mult_of((double)f.scale, 31, &m, "m", NULL), INTACT_OK);
        k = m;
        it_lower_fit(&f, &k);
        assert_in_range(k.m, 1 << 30, INT32_MAX);
        for (int64_t sum = f.sum_lo; sum <= f.sum_hi; sum += 1234567)
            assert_true(abs(by_float(&f, sum) - by_integers(&f, &k, sum)) <= 1);
    }
    static const float OTHERS[] = { 0, INFINITY, NAN, 0x1p-140f, 1.001f };
    for (size_t i = 0; i < IT_LEN(OTHERS); i++) { /* scales that floats do not hold */
        it_fit f = { .scale = OTHERS[i], .sum_lo = -INT32_MAX, .sum_hi = INT32_MAX, .first = 0, .last = 255 };
        it_mult m = { .m = 1 << 30, .s = i == 3 ? 62 : 30 }, none = { .m = 0, .s = 62 };
        it_lower_fit(&f, &m);
        assert_int_equal(m.m, 1 << 30);
        it_lower_fit(&f, &none);
        assert_int_equal(none.m, 0);
    }
}

/* ---- additions ---- */

static int others_sum(const it_fit_sum *f, const it_add_args *g)
{
    int count = 0;
    float a = f->scale_a / f->scale_y, b = f->scale_b / f->scale_y, fixed = (float)f->zero_y - (a * (float)f->zero_a + b * (float)f->zero_b);
    for (int32_t i = 0; i < 256; i++)
        for (int32_t k = 0; k < 256; k++) {
            double want = (double)nearbyintf(fmaf((float)i, a, fmaf((float)k, b, fixed)));
            int64_t sum = (int64_t)(i - f->zero_a) * g->m_a + (int64_t)(k - f->zero_b) * g->m_b;
            count += clamped(want, g->lo, g->hi) != clamped((double)(f->zero_y + ((sum + ((int64_t)1 << (g->shift - 1))) >> g->shift)), g->lo, g->hi);
        }
    return count;
}

static void test_additions(void **state)
{
    (void)state;
    it_rng r;
    int plain = 0, fitted = 0;
    it_rng_seed(&r, 510);
    for (int i = 0; i < 40; i++) {
        it_fit_sum f = { uniform(&r, 0.01, 0.05), uniform(&r, 0.01, 0.05), uniform(&r, 0.02, 0.06), (int32_t)it_rng_below(&r, 256),
                         (int32_t)it_rng_below(&r, 256), (int32_t)it_rng_below(&r, 256) };
        double a = (double)f.scale_a / (double)f.scale_y, b = (double)f.scale_b / (double)f.scale_y;
        it_add_args g = { .shift = a < 1 && b < 1 ? 31 : 28, .hi = 255 }, k;
        g.m_a = (int32_t)round(ldexp(a, (int)g.shift));
        g.m_b = (int32_t)round(ldexp(b, (int)g.shift));
        k = g;
        it_lower_fit_sum(&f, &k);
        int before = others_sum(&f, &g), after = others_sum(&f, &k);
        assert_true(after <= before);
        plain += before;
        fitted += after;
    }
    print_message("other codes of 40 * 65536 pairs: %d before, %d after\n", plain, fitted);
    assert_true(plain > 0 && fitted * 4 <= plain);
    it_fit_sum f = { 1, 1, 2, 0, 0, 0 }; /* ties all over: left as it is */
    it_add_args g = { .m_a = 1 << 30, .m_b = 1 << 30, .shift = 31, .hi = 255 };
    it_lower_fit_sum(&f, &g);
    assert_int_equal(g.m_a, 1 << 30);
    assert_int_equal(g.m_b, 1 << 30);
}

/* ---- the border ---- */

static void test_border(void **state)
{
    (void)state;
    static const struct { float x; int32_t up, even; } CASES[] = {
        { 0.5f, 101, 100 }, { 1.5f, 102, 102 }, { -0.5f, 100, 100 }, { -1.5f, 99, 98 },
        { 1e30f, 255, 255 }, { -INFINITY, 0, 0 }, { NAN, 0, 0 }, { 2.4f, 102, 102 },
    };
    for (size_t i = 0; i < IT_LEN(CASES); i++) {
        assert_int_equal(it_border_code(CASES[i].x * 0.25f, 0.25f, 100, INTACT_U8, false), CASES[i].up);
        assert_int_equal(it_border_code(CASES[i].x * 0.25f, 0.25f, 100, INTACT_U8, true), CASES[i].even);
    }
    assert_int_equal(it_border_code(-1e9f, 0.25f, 0, INTACT_S16, true), -32767);
    /* pixels less a half: in floats they are ties, and doubles see the scale's own rounding */
    float scale = 2.0f / 255, pixel = 101 / 127.5f - 1;
    assert_int_equal(it_border_code(pixel, scale, 128, INTACT_U8, true), 128 + (int32_t)nearbyintf(pixel / scale));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layers), cmocka_unit_test(test_weights), cmocka_unit_test(test_ties), cmocka_unit_test(test_extremes),
        cmocka_unit_test(test_additions), cmocka_unit_test(test_border),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
