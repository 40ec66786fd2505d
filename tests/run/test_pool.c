/* SPDX-License-Identifier: Apache-2.0 */
/* test_pool.c: every unit runs once, no thread twice at once, loops follow each other at any speed, idle pools sleep. */
#include "run/helpers.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/pool.h"

typedef struct loop {
    uint8_t *seen;
    atomic_int busy[64];
    uint64_t sum[64]; /* per thread, plain: a data race would be seen by the thread sanitizer */
    uint32_t threads;
    atomic_bool wrong;
} loop;

static void visit(void *user, uint32_t begin, uint32_t end, uint32_t thread)
{
    loop *l = user;
    if (thread >= l->threads || begin >= end || atomic_fetch_add(&l->busy[thread], 1) != 0) {
        atomic_store(&l->wrong, true);
        return;
    }
    for (uint32_t k = begin; k < end; k++) {
        l->seen[k]++;
        l->sum[thread] += k;
    }
    atomic_fetch_sub(&l->busy[thread], 1);
}

static void check_one(it_pool *p, uint32_t n, uint32_t chunk, bool even)
{
    loop l = { .seen = calloc(n + 1, 1), .threads = it_pool_threads(p) };
    (even ? it_pool_for_even : it_pool_for)(p, n, chunk, visit, &l);
    uint64_t sum = 0;
    for (uint32_t k = 0; k < 64; k++)
        sum += l.sum[k];
    assert_false(atomic_load(&l.wrong));
    assert_int_equal(sum, (uint64_t)n * (n ? n - 1 : 0) / 2);
    for (uint32_t k = 0; k < n; k++)
        assert_int_equal(l.seen[k], 1);
    free(l.seen);
}

static void check_loop(it_pool *p, uint32_t n, uint32_t chunk)
{
    check_one(p, n, chunk, false);
    check_one(p, n, chunk, true);
}

static void every_unit_once(void **state)
{
    static const uint32_t threads[] = { 0, 1, 2, 3, 8, 33 }, sizes[] = { 0, 1, 2, 7, 64, 1000 }, chunks[] = { 0, 1, 3, 64, 5000 };
    (void)state;
    for (size_t t = 0; t < IT_LEN(threads); t++) {
        it_pool *p;
        assert_int_equal(it_pool_new(NULL, threads[t], &p, NULL), INTACT_OK);
        assert_int_equal(it_pool_threads(p), threads[t] ? threads[t] : 1);
        for (size_t n = 0; n < IT_LEN(sizes); n++)
            for (size_t c = 0; c < IT_LEN(chunks); c++)
                check_loop(p, sizes[n], chunks[c]);
        it_pool_free(p);
    }
    it_pool_free(NULL);
}

static void quick_and_slow_succession(void **state)
{
    (void)state;
    it_pool *p;
    assert_int_equal(it_pool_new(NULL, 3, &p, NULL), INTACT_OK);
    for (int k = 0; k < 3000; k++) {
        check_loop(p, (uint32_t)(k % 17), 1);
        if (k % 500 == 0)
            nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL); /* long enough for all to fall asleep */
    }
    it_pool_free(p);
}

static void backwards(void *user, uint32_t count, void (*fn)(void *arg, uint32_t k), void *arg)
{
    for (uint32_t k = count + (user ? 1 : 0); k-- > 0;) /* one too many is ignored */
        fn(arg, k);
}

static void outside_threads(void **state)
{
    (void)state;
    int extra = 0;
    for (uint32_t threads = 1; threads <= 9; threads += 4)
        for (int k = 0; k < 2; k++) {
            it_pool *p;
            intact_pool outside = { .threads = threads, .run = backwards, .user = k ? &extra : NULL };
            assert_int_equal(it_pool_outside(NULL, &outside, &p, NULL), INTACT_OK);
            assert_int_equal(it_pool_threads(p), threads);
            for (uint32_t n = 0; n < 40; n++)
                for (uint32_t chunk = 0; chunk < 5; chunk++)
                    check_loop(p, n, chunk);
            it_pool_free(p);
        }
}

typedef struct huge { atomic_uint_least64_t sum, calls; } huge;
static void count_units(void *user, uint32_t begin, uint32_t end, uint32_t thread)
{
    huge *h = user;
    (void)thread;
    atomic_fetch_add(&h->sum, end - begin);
    atomic_fetch_add(&h->calls, 1);
}

/* More units than a loop has steps. */
static void four_billion_units(void **state)
{
    (void)state;
    it_pool *p;
    assert_int_equal(it_pool_new(NULL, 2, &p, NULL), INTACT_OK);
    static const uint32_t sizes[] = { UINT32_MAX, UINT32_MAX - 1, 1u << 31, 1u << 24, (1u << 24) - 1, 1000000007 };
    for (size_t k = 0; k < IT_LEN(sizes); k++) {
        huge h = { 0 };
        it_pool_for_even(p, sizes[k], 1, count_units, &h);
        assert_true(atomic_load(&h.sum) == sizes[k] && atomic_load(&h.calls) < 200);
        h = (huge){ 0 };
        it_pool_for(p, sizes[k], 1u << 20, count_units, &h);
        assert_true(atomic_load(&h.sum) == sizes[k]);
    }
    it_pool_free(p);
}

/* New pools that are freed at once, or after one loop: threads may not even have begun. */
static void short_lives(void **state)
{
    (void)state;
    for (int k = 0; k < 100; k++) {
        it_pool *p;
        assert_int_equal(it_pool_new(NULL, 4, &p, NULL), INTACT_OK);
        if (k % 2)
            check_loop(p, 9, 1);
        it_pool_free(p);
    }
}

static void idle_pools_sleep(void **state)
{
    (void)state;
    it_pool *p;
    assert_int_equal(it_pool_new(NULL, 4, &p, NULL), INTACT_OK);
    check_loop(p, 100, 1);
    nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
    struct timespec a, b;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
    nanosleep(&(struct timespec){ .tv_nsec = 100000000 }, NULL);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
    assert_true((b.tv_sec - a.tv_sec) * 1000000000 + b.tv_nsec - a.tv_nsec < 20000000);
    it_pool_free(p);
}

static void refusals(void **state)
{
    (void)state;
    it_pool *p;
    intact_error e;
    assert_int_equal(it_pool_new(NULL, 100000, &p, &e), INTACT_E_ARG);
    fail_at f = { .left = 0 };
    assert_int_equal(it_pool_new(&(intact_alloc){ fail_grow, &f }, 2, &p, &e), INTACT_E_NOMEM);
    f.left = 1; /* one allocation makes the pool, and loops make none */
    assert_int_equal(it_pool_new(&(intact_alloc){ fail_grow, &f }, 2, &p, &e), INTACT_OK);
    check_loop(p, 100, 1);
    assert_int_equal(f.calls, 2);
    it_pool_free(p);
    assert_int_equal(f.live, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_unit_once), cmocka_unit_test(quick_and_slow_succession), cmocka_unit_test(short_lives),
        cmocka_unit_test(idle_pools_sleep), cmocka_unit_test(refusals),           cmocka_unit_test(outside_threads),
        cmocka_unit_test(four_billion_units),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
