/* SPDX-License-Identifier: Apache-2.0 */
/* test_merge_copies.c: chains of random slices and transposes read the same elements before and after copies of copies become one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lower/build.h"
#include "run/instr.h"

enum { DIMS = 6, ELEMENTS = 720, CHAIN = 4 };

/* A copy of n elements as slice and permutation of random factors; returns how many elements it leaves. */
static uint32_t random_copy(it_rng *r, uint32_t n, it_copy_args *a)
{
    uint32_t d[DIMS] = { 1, 1, 1, 1, 1, 1 }, left = n;
    int32_t s[DIMS], stride = 1;
    for (int k = 0; k < 3; k++) {
        uint32_t f = 1 + (uint32_t)it_rng_below(r, 6);
        d[k] = left % f == 0 ? f : 1;
        left /= d[k];
    }
    d[3] = left;
    for (int k = 0; k < DIMS; k++) {
        s[k] = stride;
        stride *= (int32_t)d[k];
    }
    for (int k = 3; k > 0; k--) { /* shuffled */
        int j = (int)it_rng_below(r, (uint64_t)k + 1);
        uint32_t dk = d[k];
        int32_t sk = s[k];
        d[k] = d[j], s[k] = s[j];
        d[j] = dk, s[j] = sk;
    }
    *a = (it_copy_args){ d[0], d[1], d[2], d[3], d[4], d[5], s[0], s[1], s[2], s[3], s[4], s[5], 0 };
    if (d[1] > 1 && it_rng_below(r, 3) == 0) { /* the second half */
        a->d1 = d[1] / 2;
        a->offset = (d[1] - d[1] / 2) * (uint32_t)s[1];
    }
    return n / d[1] * a->d1;
}

static void copy(const it_copy_args *a, const int32_t *x, int32_t *y)
{
    const uint32_t d[DIMS] = { a->d0, a->d1, a->d2, a->d3, a->d4, a->d5 };
    const int32_t s[DIMS] = { a->s0, a->s1, a->s2, a->s3, a->s4, a->s5 };
    uint32_t n = 1;
    for (int k = 0; k < DIMS; k++)
        n *= d[k];
    for (uint32_t i = 0; i < n; i++) {
        int64_t at = a->offset;
        for (uint32_t k = DIMS, rest = i; k-- > 0; rest /= d[k])
            at += (int64_t)(rest % d[k]) * s[k];
        y[i] = x[at];
    }
}

/* The program's last tensor when its input holds 0, 1, 2, ... */
static void run(const it_prog *p, int32_t (*t)[ELEMENTS])
{
    for (int i = 0; i < ELEMENTS; i++)
        t[0][i] = i;
    for (size_t i = 0; i < p->instrs.len; i++)
        copy(p->instrs.items[i].args, t[p->instrs.items[i].in[0]], t[p->instrs.items[i].out[0]]);
}

static void test_chains(void **state)
{
    static const uint32_t index[CHAIN + 1] = { 0, 1, 2, 3, 4 };
    static int32_t want[CHAIN + 1][ELEMENTS], have[CHAIN + 1][ELEMENTS];
    int merged = 0;
    (void)state;
    for (uint64_t seed = 1; seed <= 500; seed++) {
        it_prog p;
        it_rng r;
        intact_error err;
        it_copy_args args[CHAIN];
        uint32_t n = ELEMENTS;
        it_prog_init(&p, NULL);
        it_rng_seed(&r, seed);
        for (int k = 0; k < CHAIN; k++) {
            n = random_copy(&r, n, &args[k]);
            assert_true(IT_VEC_ROOM(p.arena.alloc, p.instrs));
            p.instrs.items[p.instrs.len++] = (it_pinstr){ .kind = &it_instr_copy, .name = "copy", .in_len = 1, .out_len = 1, .in = &index[k],
                                                          .out = &index[k + 1], .args = &args[k] };
        }
        p.outputs = (uint32_t *)(uintptr_t)&index[CHAIN];
        p.outputs_len = 1;
        run(&p, want);
        assert_int_equal(it_lower_merge_copies(&p, &err), INTACT_OK);
        merged += CHAIN - (int)p.instrs.len;
        run(&p, have);
        assert_memory_equal(want[CHAIN], have[CHAIN], n * sizeof(int32_t));
        p.outputs = NULL;
        it_prog_release(&p);
    }
    assert_true(merged > 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_chains) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
