/* SPDX-License-Identifier: Apache-2.0 */
/* check_mul_u8: all pairs of codes at once, tails, in place, every shift. */
#include "check.h"

/* in_place: 1: of a, 2: of b */
static int one(const it_kern *ref, const it_kern *level, size_t n, bool all_pairs, const it_mul_consts *k, int in_place, it_rng *r)
{
    check_fence a = check_fence_new(n, 1, true), b = check_fence_new(n, 1, it_rng_below(r, 2)), want = check_fence_new(n, 1, true);
    check_fence have = check_fence_new(n, 1, true);
    check_fill_u8(r, a.data, n);
    check_fill_u8(r, b.data, n);
    for (size_t i = 0; all_pairs && i < n; i++) {
        a.data[i] = (uint8_t)i;
        b.data[i] = (uint8_t)(i >> 8);
    }
    ref->mul_u8(a.data, b.data, want.data, n, k);
    memcpy(have.data, in_place == 2 ? b.data : a.data, n);
    level->mul_u8(in_place == 1 ? have.data : a.data, in_place == 2 ? have.data : b.data, have.data, n, k);
    int bad = memcmp(want.data, have.data, n) != 0 || !check_fence_ok(&have);
    if (bad)
        fprintf(stderr, "mul_u8 differs: n %zu z %d %d m %d shift %d z_y %d clamp %d..%d\n", n, k->z_a, k->z_b, k->mult, k->shift, k->z_y,
                k->lo, k->hi);
    check_fence_free(&a);
    check_fence_free(&b);
    check_fence_free(&want);
    check_fence_free(&have);
    return bad;
}

int check_mul_u8(const it_kern *ref, const it_kern *level, it_rng *r)
{
    int bad = 0;
    for (int i = 0; i < 400 && bad < 10; i++) {
        it_mul_consts k = {.z_a = (int32_t)check_pick(r, 0, 255),
                           .z_b = (int32_t)check_pick(r, 0, 255),
                           .mult = (int32_t)((1u << 30) + it_rng_below(r, 1u << 30)),
                           .shift = (int32_t)(i % 2 ? check_pick(r, 1, 62) : check_pick(r, 36, 42)),
                           .z_y = (int32_t)check_pick(r, 0, 255),
                           .lo = (int32_t)check_pick(r, 0, 60),
                           .hi = (int32_t)check_pick(r, 60, 255)};
        if (i % 10 == 5) k.mult = i % 20 == 5 ? 0 : INT32_MAX;
        bool all = i % 8 == 0;
        bad += one(ref, level, all ? 65536 : check_pick(r, 0, 300), all, &k, i % 3, r);
    }
    return bad;
}
