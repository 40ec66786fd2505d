/* SPDX-License-Identifier: Apache-2.0 */
/* test_arena.c: items of every size are apart, aligned and writable, in small, own, reserved and huge blocks; failed allocations lose nothing. */
#include "run/helpers.h"

#include <string.h>

enum { ITEMS = 400, HUGE_BYTES = 2 << 20 };

static void take_and_check(it_arena *a, uint64_t seed)
{
    uint8_t *item[ITEMS];
    size_t len[ITEMS];
    it_rng r;
    it_rng_seed(&r, seed);
    for (int k = 0; k < ITEMS; k++) {
        const bool raw = it_rng_below(&r, 2);
        len[k] = (size_t)it_rng_below(&r, k % 50 == 0 ? 3000000 : k % 7 == 0 ? 9000 : 200);
        item[k] = raw ? it_arena_raw(a, len[k]) : it_arena_new(a, len[k]);
        assert_non_null(item[k]);
        assert_int_equal((uintptr_t)item[k] % (raw || len[k] >= 4096 ? 64 : 16), 0);
        for (size_t i = 0; !raw && i < len[k]; i++)
            if (item[k][i] != 0)
                fail_msg("byte %zu of item %d is not zero", i, k);
        memset(item[k], k, len[k]);
    }
    for (int k = 0; k < ITEMS; k++)
        for (size_t i = 0; i < len[k]; i++)
            if (item[k][i] != (uint8_t)k)
                fail_msg("byte %zu of item %d was overwritten", i, k);
}

static void items_are_apart(void **state)
{
    (void)state;
    static const size_t reserves[] = { 0, 1, 100000, HUGE_BYTES, 20000000 };
    for (size_t k = 0; k < IT_LEN(reserves); k++) {
        fail_at f = { .left = -1 };
        intact_alloc alloc = { fail_grow, &f };
        it_arena a;
        it_arena_init(&a, &alloc);
        if (reserves[k])
            assert_true(it_arena_reserve(&a, reserves[k]));
        take_and_check(&a, k + 1);
        it_arena_release(&a);
        assert_int_equal(f.live, 0);
    }
}

static void reserved_room_is_used(void **state)
{
    (void)state;
    fail_at f = { .left = 1 };
    intact_alloc alloc = { fail_grow, &f };
    it_arena a;
    it_arena_init(&a, &alloc);
    assert_true(it_arena_reserve(&a, 3 * HUGE_BYTES));
    uint8_t *first = it_arena_raw(&a, HUGE_BYTES);
    assert_non_null(first);
    assert_int_equal((uintptr_t)first % HUGE_BYTES, 0);
    assert_ptr_equal(it_arena_raw(&a, HUGE_BYTES), first + HUGE_BYTES);
    assert_ptr_equal(it_arena_new(&a, HUGE_BYTES), first + 2 * HUGE_BYTES);
    assert_null(it_arena_raw(&a, 2 * HUGE_BYTES)); /* more than what aligning left over, and there is no memory for another block */
    assert_false(it_arena_reserve(&a, 64));
    assert_null(it_arena_raw(&a, SIZE_MAX));
    assert_false(it_arena_reserve(&a, SIZE_MAX));
    memset(first, 1, 3 * HUGE_BYTES);
    it_arena_release(&a);
    assert_int_equal(f.live, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(items_are_apart), cmocka_unit_test(reserved_room_is_used) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
