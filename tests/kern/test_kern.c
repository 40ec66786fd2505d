/* SPDX-License-Identifier: Apache-2.0 */
/* test_kern.c: every kernel of every level that this machine has against the reference. INTACT_SEED repeats a run. */
#include <setjmp.h>
#include <stdlib.h>
#include <time.h>

#include "base/cpu.h"
#include "check.h"

#include <cmocka.h>

static uint64_t seed;

/* The reference against facts computed by hand, so that not everything leans on it. */
static void test_reference(void **state)
{
    (void)state;
    const it_kern *k = it_kern_of(INTACT_CPU_SCALAR);
    const uint8_t x[4] = { 10, 20, 30, 40 };
    const int8_t w[4] = { 1, -2, 3, -128 };
    const int32_t bias = 5000, mult = 1 << 30, shift = 33; /* 2^-3 */
    it_conv_geom g = { .in_h = 1, .in_w = 1, .in_c = 4, .out_h = 1, .out_w = 1, .out_c = 1, .group = 1, .kh = 1, .kw = 1, .stride_h = 1,
                       .stride_w = 1, .dil_h = 1, .dil_w = 1 };
    it_epi e = { .bias = &bias, .mult = &mult, .shift = &shift, .zero = 100, .lo = 0, .hi = 255, .out = INTACT_U8 };
    _Alignas(64) uint8_t packed[64];
    uint8_t y = 0;
    assert_true(k->dense_u8->packed_bytes(&g, &e) <= sizeof packed);
    k->dense_u8->pack(&g, &e, w, packed);
    k->dense_u8->run(&g, &e, packed, &(it_conv_io){ .x = x, .y = &y, .batch = 1 }, 0, k->dense_u8->units(&g, 1), NULL);
    assert_int_equal(y, 93); /* 5000 + 10 - 40 + 90 - 5120 = -60; a tie, -7.5, rounds to -7; 100 - 7 */
}

static void test_tree(void **state)
{
    (void)state;
    for (int c = INTACT_CPU_SCALAR; c < INTACT_CPU_COUNT; c++) {
        const it_kern *k = it_kern_of((intact_cpu)c);
        assert_int_equal(intact_cpu_parse(intact_cpu_name((intact_cpu)c)), c);
        if (!k)
            continue;
        assert_int_equal(k->cpu, c);
        assert_ptr_equal(it_kern_parent(k), c == INTACT_CPU_SCALAR ? NULL : it_kern_of(it_cpu_parent((intact_cpu)c)));
#define KERN(name, type) assert_non_null(k->name);
#include "run/kern/kern_list.h"
#undef KERN
    }
    assert_null(it_kern_of(INTACT_CPU_COUNT));
    assert_int_equal(intact_cpu_parse("avx9"), INTACT_CPU_COUNT);
    assert_true(intact_cpu_has(it_cpu_best()));
    assert_true(intact_cpu_has(INTACT_CPU_SCALAR));
}

static void test_levels(void **state)
{
    (void)state;
    const it_kern *ref = it_kern_of(INTACT_CPU_SCALAR);
    int bad = 0;
    for (int c = INTACT_CPU_SCALAR; c < INTACT_CPU_COUNT; c++) {
        const it_kern *k = it_kern_of((intact_cpu)c);
        if (!k || !intact_cpu_has((intact_cpu)c))
            continue;
        const it_kern *above = it_kern_parent(k);
#define KERN(name, type)                                                                                                                  \
    if (!above || k->name != above->name) {                                                                                               \
        it_rng r;                                                                                                                         \
        it_rng_seed(&r, seed);                                                                                                            \
        int n = check_##name(ref, k, &r);                                                                                                 \
        printf("%-12s %-10s %s\n", intact_cpu_name((intact_cpu)c), #name, n ? "DIFFERS" : "equal");                                       \
        bad += n;                                                                                                                         \
    }
#include "run/kern/kern_list.h"
#undef KERN
    }
    assert_int_equal(bad, 0);
}

int main(void)
{
    const char *given = getenv("INTACT_SEED");
    seed = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    printf("seed %llu\n", (unsigned long long)seed);
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_tree), cmocka_unit_test(test_reference), cmocka_unit_test(test_levels) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
