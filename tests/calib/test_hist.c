/* SPDX-License-Identifier: Apache-2.0 */
/* test_hist.c: a histogram's bytes depend on the values alone, and are what the definition says. */
#include "calib/helpers.h"

#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define N 60000

static void naive(it_hist *h, const float *x, size_t n)
{
    it_hist_init(h);
    double largest = 0.0;
    for (size_t i = 0; i < n; i++)
        if (isfinite(x[i]) && fabs((double)x[i]) > largest) largest = fabs((double)x[i]);
    int k = -126;
    while (ldexp(IT_HIST_BINS, k) <= largest) k++;
    if (largest > 0.0) h->k = k;
    for (size_t i = 0; i < n; i++) {
        double a = fabs((double)x[i]);
        if (!isfinite(a)) {
            h->bad++;
            continue;
        }
        float v = x[i] == 0.0f ? 0.0f : x[i];
        h->zeros += a == 0.0;
        if (h->count == 0 || v < h->min) h->min = v;
        if (h->count == 0 || v > h->max) h->max = v;
        h->count++;
        (x[i] < 0.0f ? h->neg : h->pos)[largest > 0.0 ? (int)floor(ldexp(a, -k)) : 0]++;
    }
}

static void assert_same(const it_hist *a, const it_hist *b)
{
    assert_int_equal(a->k, b->k);
    assert_true(a->count == b->count && a->zeros == b->zeros && a->bad == b->bad);
    assert_memory_equal(&a->min, &b->min, sizeof(float));
    assert_memory_equal(&a->max, &b->max, sizeof(float));
    assert_memory_equal(a->pos, b->pos, sizeof(a->pos));
    assert_memory_equal(a->neg, b->neg, sizeof(a->neg));
}

static void equals_the_definition(void **state)
{
    (void)state;
    static it_hist want, got;
    float *x = malloc(N * sizeof(float));
    it_rng r;
    it_rng_seed(&r, 1);
    for (int kind = 0; kind < TEST_KINDS; kind++) {
        for (size_t n = 0; n <= N; n = n < 3 ? n + 1 : n * 5 + 7) {
            test_fill(&r, x, n, kind);
            naive(&want, x, n);
            it_hist_init(&got);
            it_hist_add(&got, x, n);
            assert_same(&want, &got);
        }
    }
    free(x);
}

static void shuffle(it_rng *r, float *x, size_t n)
{
    for (size_t i = n; i > 1; i--) {
        size_t j = it_rng_below(r, i);
        float t = x[i - 1];
        x[i - 1] = x[j];
        x[j] = t;
    }
}

/* Any order, any cut into calls, any tree of merges: the same bytes. */
static void any_split_any_order(void **state)
{
    (void)state;
    static it_hist want, part[5], got;
    float *x = malloc(N * sizeof(float));
    it_rng r;
    it_rng_seed(&r, 2);
    for (int round = 0; round < 24; round++) {
        size_t n = it_rng_below(&r, N) + 1;
        test_fill(&r, x, n, round % TEST_KINDS);
        naive(&want, x, n);
        shuffle(&r, x, n);
        for (size_t p = 0; p < IT_LEN(part); p++) it_hist_init(&part[p]);
        for (size_t at = 0; at < n;) {
            size_t len = it_rng_below(&r, round % 2 ? 9000 : 300) + 1;
            if (len > n - at) len = n - at;
            it_hist_add(&part[it_rng_below(&r, IT_LEN(part))], x + at, len);
            at += len;
        }
        it_hist_init(&got);
        if (round % 3 == 0) {
            for (size_t p = 0; p < IT_LEN(part); p++) it_hist_merge(&got, &part[p]);
        } else {
            it_hist_merge(&part[3], &part[1]);
            it_hist_merge(&part[0], &part[4]);
            it_hist_merge(&part[0], &part[3]);
            it_hist_merge(&got, &part[2]);
            it_hist_merge(&got, &part[0]);
        }
        assert_same(&want, &got);
    }
    free(x);
}

static void counts_what_is_not_finite(void **state)
{
    (void)state;
    static it_hist h;
    it_hist_init(&h);
    float bad[4] = {NAN, INFINITY, -INFINITY, -NAN}, good[5] = {-0.0f, 0.0f, 3.0f, -1.5f, 0.25f};
    it_hist_add(&h, bad, 4);
    assert_true(h.bad == 4 && h.count == 0 && h.min == 0.0f && h.max == 0.0f && h.k == INT_MIN);
    it_hist_add(&h, good, 2);
    assert_true(h.count == 2 && h.zeros == 2 && h.pos[0] == 2 && h.neg[0] == 0 && h.k == INT_MIN);
    it_hist_add(&h, good + 2, 3);
    assert_true(h.count == 5 && h.min == -1.5f && h.max == 3.0f && h.k == -9);
    assert_true(h.pos[0] == 2 && h.pos[3 << 9] == 1 && h.pos[128] == 1 && h.neg[768] == 1);
}

static void takes_the_extremes_of_float(void **state)
{
    (void)state;
    static it_hist want, got;
    float x[8] = {3.4028235e38f, -3.4028235e38f, 1e-45f, -1e-45f, 1.1754944e-38f, 0x1p127f, -0x1p-149f, 0x1.fffffep126f};
    for (size_t from = 0; from < 8; from++) {
        for (size_t n = 1; n <= 8 - from; n++) {
            naive(&want, x + from, n);
            it_hist_init(&got);
            for (size_t i = 0; i < n; i++) it_hist_add(&got, x + from + n - 1 - i, 1);
            assert_same(&want, &got);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_the_definition),
        cmocka_unit_test(any_split_any_order),
        cmocka_unit_test(counts_what_is_not_finite),
        cmocka_unit_test(takes_the_extremes_of_float),
    };
    return cmocka_run_group_tests_name("hist", tests, NULL, NULL);
}
