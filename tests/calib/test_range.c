/* SPDX-License-Identifier: Apache-2.0 */
/* test_range.c: each calibrator against a slow version of its published definition, and on hand-made histograms. */
#include "calib/helpers.h"

#include <math.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define N 20000

static it_range range_of(const char *text, const it_hist *h, int bits, bool symmetric)
{
    const it_calib *c = NULL;
    it_calib_args a = {.bits = bits, .symmetric = symmetric};
    intact_error err;
    assert_int_equal(it_calib_parse(text, &c, &a.percentile, &err), INTACT_OK);
    return c->range(h, &a);
}

static void fill(it_hist *h, it_rng *r, size_t n, int kind)
{
    float *x = malloc(n * sizeof(float));
    test_fill(r, x, n, kind);
    it_hist_init(h);
    it_hist_add(h, x, n);
    free(x);
}

/* The published procedure, step by step: bins copied, the first replaced, outliers into the last bin, each group's mass spread
** over its non-empty bins, both normalized, infinite where P > 0 and Q = 0. */
static double slow_divergence(const double *bins, int len, int i, int groups)
{
    double *p = calloc((size_t)i, sizeof(double)), *q = calloc((size_t)i, sizeof(double)), sum_p = 0, sum_q = 0, kl = 0;
    for (int j = 0; j < i; j++) p[j] = bins[j];
    for (int j = i; j < len; j++) p[i - 1] += bins[j];
    double *mass = calloc((size_t)groups, sizeof(double)), *filled = calloc((size_t)groups, sizeof(double));
    for (int j = 0; j < i; j++) mass[j * groups / i] += bins[j], filled[j * groups / i] += bins[j] > 0;
    for (int j = 0; j < i; j++) q[j] = bins[j] > 0 ? mass[j * groups / i] / filled[j * groups / i] : 0;
    for (int j = 0; j < i; j++) sum_p += p[j], sum_q += q[j];
    for (int j = 0; j < i; j++)
        if (p[j] > 0) kl += q[j] > 0 ? p[j] / sum_p * log((p[j] / sum_p) / (q[j] / sum_q)) : (double)INFINITY;
    free(p);
    free(q);
    free(mass);
    free(filled);
    return kl;
}

static double slow_entropy(const it_hist *h, int groups)
{
    static double bins[IT_HIST_BINS], kl[IT_HIST_BINS + 1];
    int len = 0, chosen;
    double best = INFINITY;
    for (int i = 0; i < IT_HIST_BINS; i++) {
        bins[i] = (double)(h->pos[i] + h->neg[i]);
        if (bins[i] > 0) len = i + 1;
    }
    bins[0] = bins[1];
    for (int i = groups; i <= len; i++) {
        kl[i] = slow_divergence(bins, len, i, groups);
        if (kl[i] < best) best = kl[i];
    }
    for (chosen = len; kl[chosen] > best + 1e-11; chosen--) {}
    return ldexp(chosen, h->k);
}

static void entropy_is_the_published_one(void **state)
{
    (void)state;
    static it_hist h;
    it_rng r;
    it_rng_seed(&r, 3);
    for (int kind = 0; kind < 6; kind++) {
        for (int bits = 4; bits <= 8; bits += bits == 4 ? 1 : 3) {
            fill(&h, &r, kind % 2 ? N : 900, kind);
            bool one_sided = h.min >= 0.0f;
            it_range got = range_of("entropy", &h, bits, false);
            double want = slow_entropy(&h, 1 << (one_sided ? bits : bits - 1));
            if (h.max > 0) assert_true(got.hi == (float)fmin(want, (double)h.max));
            if (h.min < 0) assert_true(got.lo == (float)fmax(-want, (double)h.min));
            got = range_of("entropy", &h, bits, true);
            want = slow_entropy(&h, 1 << (bits - 1));
            assert_true(got.hi == (float)fmin(want, (double)fmaxf(h.max, -h.min)) && got.lo == -got.hi);
        }
    }
}

static void entropy_cuts_outliers(void **state)
{
    (void)state;
    static it_hist h;
    it_rng r;
    it_rng_seed(&r, 4);
    fill(&h, &r, 200000, 2);
    it_range all = range_of("max", &h, 8, false), cut = range_of("entropy", &h, 8, false);
    assert_true(all.hi == h.max && all.lo == h.min);
    assert_true(cut.hi < 0.6f * all.hi && cut.hi > 2.0f);
    fill(&h, &r, 200000, 3);
    all = range_of("max", &h, 8, false), cut = range_of("entropy", &h, 8, false);
    assert_true(all.lo == 0.0f && cut.lo == 0.0f && cut.hi < 0.6f * all.hi && cut.hi > 2.0f);
}

/* Bins of width 1. First bins 0, 1 and 1500 (one value): keeping fewer than 1501 bins puts the tail into an empty bin, which is infinite,
** so nothing is cut. Then bins 100 (300 values) and 1500 (one): keeping 101 or 1501 costs nothing, all else is infinite, and the last wins. */
static void entropy_by_hand(void **state)
{
    (void)state;
    static it_hist h;
    float x[7] = {1500, 1, 1, 1, 0, 0, 0};
    it_hist_init(&h);
    it_hist_add(&h, x, 7);
    assert_int_equal(h.k, 0);
    assert_true(range_of("entropy", &h, 8, false).hi == 1500.0f);
    it_hist_init(&h);
    for (int i = 0; i < 300; i++) it_hist_add(&h, &(float){100}, 1);
    it_hist_add(&h, &(float){1500}, 1);
    it_range r = range_of("entropy", &h, 4, false);
    assert_true(r.hi == 1500.0f);
}

static void percentile_is_the_left_edge(void **state)
{
    (void)state;
    static it_hist h;
    it_hist_init(&h);
    for (int i = 0; i < 1000; i++) it_hist_add(&h, &(float){(float)(i % 2 ? i + 1 : -(i + 1))}, 1); /* +-1..1000: bins of width 0.5 */
    assert_int_equal(h.k, -1);
    it_range r = range_of("percentile:99", &h, 8, false);
    assert_true(r.hi == 990.0f && r.lo == -990.0f);
    r = range_of("percentile:99.95", &h, 8, true);
    assert_true(r.hi == 1000.0f && r.lo == -1000.0f);
    r = range_of("percentile:100", &h, 8, false);
    assert_true(r.hi == 1000.0f && r.lo == -999.0f);
    float zeros[5000] = {0};
    it_hist_add(&h, zeros, 5000);
    r = range_of("percentile:50", &h, 8, false); /* the edge would be 0: one bin is kept */
    assert_true(r.hi == 0.5f && r.lo == -0.5f);
}

static double slow_error(const float *x, size_t n, double lo, double hi, int bits)
{
    double levels = ldexp(1, bits) - 1, scale = (hi - lo) / levels, zero = rint(-lo / scale), sum = 0;
    for (size_t i = 0; i < n; i++) {
        double q = rint((double)x[i] / scale) + zero;
        q = q < 0 ? 0 : q > levels ? levels : q;
        double d = (q - zero) * scale - (double)x[i];
        sum += d * d;
    }
    return sum;
}

/* The histogram's choice is as good, on the values themselves, as the best of all candidates, up to the bins' width. */
static void mse_is_near_the_best(void **state)
{
    (void)state;
    static it_hist h;
    float *x = malloc(N * sizeof(float));
    it_rng r;
    it_rng_seed(&r, 5);
    for (int kind = 0; kind < 5; kind++) {
        for (int bits = 2; bits <= 8; bits += 2) {
            test_fill(&r, x, N, kind);
            it_hist_init(&h);
            it_hist_add(&h, x, N);
            it_range got = range_of("mse", &h, bits, false), all = range_of("max", &h, bits, false);
            double best = INFINITY;
            for (int c = 5; c <= 100; c++) best = fmin(best, slow_error(x, N, 0.01 * c * (double)all.lo, 0.01 * c * (double)all.hi, bits));
            assert_true(slow_error(x, N, (double)got.lo, (double)got.hi, bits) <= 1.03 * best);
            assert_true(got.lo >= all.lo && got.hi <= all.hi);
        }
    }
    /* a normal distribution at 2 signed bits: levels -1, 0, 1 */
    test_fill(&r, x, N, 0);
    it_hist_init(&h);
    it_hist_add(&h, x, N);
    it_range sym = range_of("mse", &h, 2, true);
    assert_true(sym.lo == -sym.hi && sym.hi > 1.1f && sym.hi < 1.4f); /* three levels of a normal distribution: 1.224 */
    free(x);
}

static void every_range_is_sane(void **state)
{
    (void)state;
    static it_hist h;
    static const char *const names[] = {"max", "entropy", "percentile", "percentile:99.9", "percentile:0.001", "mse"};
    it_rng r;
    it_rng_seed(&r, 6);
    for (int round = 0; round < 160; round++) {
        fill(&h, &r, it_rng_below(&r, 40) * it_rng_below(&r, 40), round % TEST_KINDS);
        if (round == 0) it_hist_add(&h, (float[4]){0}, 4);
        if (round % 5 == 4) it_hist_add(&h, &(float){round % 2 ? 3.4e38f : -1e-44f}, 1);
        if (round % 7 == 0) { /* all values equal */
            it_hist_init(&h);
            for (int i = 0; i < 9; i++) it_hist_add(&h, &(float){(float)(round - 60) * 0.37f}, 1);
        }
        for (size_t c = 0; c < IT_LEN(names); c++) {
            for (int bits = 2; bits <= 16; bits += bits == 8 ? 8 : 1) {
                for (int symmetric = 0; symmetric < 2; symmetric++) {
                    it_range g = range_of(names[c], &h, bits, symmetric);
                    assert_true(isfinite(g.lo) && isfinite(g.hi) && g.lo <= 0.0f && g.hi >= 0.0f);
                    if (h.max > 0.0f || h.min < 0.0f) assert_true(g.hi > g.lo);
                    else assert_true(g.hi == 0.0f && g.lo == 0.0f);
                    if (symmetric) assert_true(g.lo == -g.hi);
                    else assert_true(g.lo >= fminf(h.min, 0.0f) && g.hi <= fmaxf(h.max, 0.0f));
                }
            }
        }
    }
}

static void names_parse(void **state)
{
    (void)state;
    const it_calib *c = NULL;
    double p = 0;
    intact_error err;
    assert_int_equal(it_calib_parse("percentile:99.999", &c, &p, &err), INTACT_OK);
    assert_true(c == &it_calib_percentile && fabs(p - 99.999) < 1e-9);
    assert_int_equal(it_calib_parse("percentile", &c, &p, &err), INTACT_OK);
    assert_true(p == 99.99);
    assert_int_equal(it_calib_parse("entopy", &c, &p, &err), INTACT_E_ARG);
    assert_non_null(strstr(err.message, "did you mean \"entropy\""));
    assert_int_equal(it_calib_parse("", &c, &p, &err), INTACT_E_ARG);
    assert_int_equal(it_calib_parse("max:3", &c, &p, &err), INTACT_E_ARG);
    static const char *const wrong[] = {"percentile:", "percentile:0", "percentile:100.5", "percentile:-1", "percentile:nan",
                                        "percentile:1e1",
                                        "percentile:9.9.9",
                                        "percentile:99999999999999999999", "percentile:."};
    for (size_t i = 0; i < IT_LEN(wrong); i++) assert_int_equal(it_calib_parse(wrong[i], &c, &p, &err), INTACT_E_ARG);
}

/* What searches try: every calibrator but those that search, each by a name that reads back as the same. */
static void tries_are_the_list(void **state)
{
    (void)state;
    const it_calib *c, *again;
    double p, q;
    bool seen[16] = {false};
    intact_error err;
    size_t k = 0;
    for (; it_calib_try(k, &c, &p); k++) {
        char text[40];
        it_calib_print(c, p, text);
        assert_int_equal(it_calib_parse(text, &again, &q, &err), INTACT_OK);
        assert_true(again == c && q == (c->has_parameter ? p : c->parameter_default) && !c->searches);
        for (size_t i = 0; it_calib_all[i]; i++) seen[i] = seen[i] || it_calib_all[i] == c;
    }
    assert_int_equal(k, 7);
    for (size_t i = 0; it_calib_all[i]; i++) assert_int_equal(seen[i], !it_calib_all[i]->searches);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entropy_is_the_published_one), cmocka_unit_test(entropy_cuts_outliers), cmocka_unit_test(entropy_by_hand),
        cmocka_unit_test(percentile_is_the_left_edge), cmocka_unit_test(mse_is_near_the_best),   cmocka_unit_test(every_range_is_sane),
        cmocka_unit_test(names_parse), cmocka_unit_test(tries_are_the_list),
    };
    return cmocka_run_group_tests_name("range", tests, NULL, NULL);
}
