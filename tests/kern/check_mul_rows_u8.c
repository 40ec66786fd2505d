/* SPDX-License-Identifier: Apache-2.0 */
/* check_mul_rows_u8: rows of every length below two vectors and some longer ones, in place, with and without lines. */
#include "check.h"
#include "run/kern/lines.h"

static int one(const it_kern *ref, const it_kern *level, size_t rows, size_t n, const it_mul_consts *k, bool in_place, it_rng *r)
{
    check_fence a = check_fence_new(rows * n, 1, true), b = check_fence_new(n, 1, it_rng_below(r, 2));
    check_fence want = check_fence_new(rows * n, 1, true), have = check_fence_new(rows * n, 1, true);
    check_fill_u8(r, a.data, rows * n);
    check_fill_u8(r, b.data, n);
    ref->mul_rows_u8(a.data, b.data, want.data, rows, n, k);
    memcpy(have.data, a.data, rows * n);
    level->mul_rows_u8(in_place ? have.data : a.data, b.data, have.data, rows, n, k);
    int bad = memcmp(want.data, have.data, rows * n) != 0 || !check_fence_ok(&have);
    if (bad)
        fprintf(stderr, "mul_rows_u8 differs: %zu x %zu z %d %d m %d shift %d lines %d z_y %d clamp %d..%d\n", rows, n, k->z_a, k->z_b,
                k->mult, k->shift, k->lines != NULL, k->z_y, k->lo, k->hi);
    check_fence_free(&a);
    check_fence_free(&b);
    check_fence_free(&want);
    check_fence_free(&have);
    return bad;
}

int check_mul_rows_u8(const it_kern *ref, const it_kern *level, it_rng *r)
{
    static const uint32_t lengths[] = { 16, 24, 32, 64, 72, 96, 144, 240, 256, 480, 1152 };
    it_lines lines;
    int bad = 0, with_lines = 0;
    for (int i = 0; i < 600 && bad < 10; i++) {
        it_mul_consts k = { .z_a = (int32_t)check_pick(r, 0, 255),
                            .z_b = (int32_t)check_pick(r, 0, 255),
                            .mult = (int32_t)((1u << 30) + it_rng_below(r, 1u << 30)),
                            .shift = (int32_t)(i % 4 == 0 ? check_pick(r, 1, 62) : check_pick(r, 33, 44)),
                            .z_y = (int32_t)check_pick(r, 0, 255),
                            .lo = (int32_t)(i % 2 ? check_pick(r, 0, 60) : 0),
                            .hi = (int32_t)(i % 2 ? check_pick(r, 60, 255) : 255) };
        if (i % 9 == 0)
            k.mult = i % 2 ? -k.mult : i % 4 ? 0 : INT32_MAX;
        if (i % 5 != 0 && it_lines_find(&k, &lines))
            k.lines = &lines;
        with_lines += k.lines != NULL;
        uint32_t n = i % 3 ? check_pick(r, 1, 130) : lengths[it_rng_below(r, IT_LEN(lengths))];
        bad += one(ref, level, check_pick(r, 1, 70), n, &k, i % 3 == 0, r);
    }
    if (with_lines < 300)
        fprintf(stderr, "mul_rows_u8: only %d of 600 multipliers had lines\n", with_lines);
    return bad + (with_lines < 300);
}
