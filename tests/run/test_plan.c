/* SPDX-License-Identifier: Apache-2.0 */
/* test_plan.c: properties of memory plans: nothing alive overlaps, offsets are aligned, the size is near the bound. */
#include "run/helpers.h"

#include <stdlib.h>
#include <string.h>

static bool overlap(const it_slot *a, const it_slot *b)
{
    bool time = a->first <= b->last && b->first <= a->last;
    return time && a->offset < b->offset + b->bytes && b->offset < a->offset + a->bytes;
}

static it_plan_size check_plan(it_slot *s, size_t len)
{
    it_plan_size size, only;
    size_t end = 0;
    assert_int_equal(it_plan(s, len, NULL, &size, NULL), INTACT_OK);
    assert_int_equal(it_plan_bound(s, len, NULL, &only, NULL), INTACT_OK);
    for (size_t i = 0; i < len; i++) {
        assert_int_equal(s[i].offset % 64, 0);
        end = s[i].offset + s[i].bytes > end ? s[i].offset + s[i].bytes : end;
        for (size_t j = 0; j < i; j++)
            assert_false(overlap(&s[i], &s[j]));
    }
    assert_true(end <= size.peak && size.peak < end + 64);
    assert_true(size.peak >= size.bound && size.bound == only.bound && size.at == only.at);
    size_t sum = 0;
    for (size_t i = 0; i < len; i++)
        sum += s[i].first <= size.at && size.at <= s[i].last ? s[i].bytes : 0;
    assert_int_equal(sum, size.bound);
    return size;
}

static void random_lifetimes(void **state)
{
    (void)state;
    it_rng r;
    it_rng_seed(&r, 5);
    uint64_t peaks = 0, bounds = 0;
    for (int round = 0; round < 400; round++) {
        it_slot s[120];
        size_t len = 1 + it_rng_below(&r, IT_LEN(s)), steps = 1 + it_rng_below(&r, 60);
        for (size_t i = 0; i < len; i++) {
            uint32_t first = (uint32_t)it_rng_below(&r, steps);
            uint32_t life = it_rng_below(&r, 5) == 0 ? (uint32_t)it_rng_below(&r, steps) : (uint32_t)it_rng_below(&r, 4);
            s[i] = (it_slot){ .first = first, .last = first + life, .bytes = 64 * it_rng_below(&r, it_rng_below(&r, 3) ? 2000 : 20) };
        }
        const it_plan_size size = check_plan(s, len);
        peaks += size.peak;
        bounds += size.bound;
    }
    assert_true(peaks * 1000 <= bounds * 1006); /* measured: 0.3 % above the bound, which is not always reachable */
}

static void chain_takes_two_buffers(void **state)
{
    (void)state;
    it_slot s[50];
    for (uint32_t i = 0; i < IT_LEN(s); i++)
        s[i] = (it_slot){ .first = i, .last = i + 1, .bytes = i % 2 ? 6400 : 12800 };
    assert_int_equal(check_plan(s, IT_LEN(s)).peak, 19200);
}

static void odd_sizes(void **state)
{
    (void)state;
    it_slot s[] = { { 0, 9, 1, 0 }, { 0, 9, 65, 0 }, { 0, 9, 0, 0 }, { 3, 3, 1, 0 }, { 4, 4, 1, 0 } };
    assert_int_equal(check_plan(s, IT_LEN(s)).peak, 64 + 128 + 64);
    it_plan_size size = { 1, 1, 1 };
    assert_int_equal(it_plan(NULL, 0, NULL, &size, NULL), INTACT_OK);
    assert_true(size.peak == 0 && size.bound == 0);
    it_slot huge[] = { { 0, 1, SIZE_MAX / 4, 0 }, { 0, 1, SIZE_MAX / 4, 0 } };
    assert_int_equal(it_plan(huge, 2, NULL, &size, NULL), INTACT_E_NOMEM);
    huge[0].bytes = SIZE_MAX - 3;
    assert_int_equal(it_plan(huge, 2, NULL, &size, NULL), INTACT_E_NOMEM);
}

/* Bounds by the definition would take len^2 here: the plan is near the greatest sum that a sweep finds. */
static void many_slots(void **state)
{
    (void)state;
    enum { N = 6000 };
    it_slot *s = malloc(N * sizeof *s);
    it_rng r;
    it_rng_seed(&r, 6);
    for (int round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < N; i++) {
            const uint32_t life = (uint32_t)it_rng_below(&r, it_rng_below(&r, 20) ? 6 : 600);
            s[i] = (it_slot){ .first = i, .last = i + (round == 1 ? N : life), .bytes = it_rng_below(&r, 5000) };
        }
        const it_plan_size size = check_plan(s, N);
        assert_true(size.peak * 4 <= size.bound * 5 + 4 * 64 * N * (round == 1));
    }
    free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_lifetimes),
        cmocka_unit_test(chain_takes_two_buffers),
        cmocka_unit_test(odd_sizes),
        cmocka_unit_test(many_slots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
