/* SPDX-License-Identifier: Apache-2.0 */
/* check_mul_u8: all pairs of codes at once, tails, in place, every shift. */
#include "check.h"

static void mul(const it_kern *kern, const uint8_t *a, const uint8_t *b, uint8_t *y, size_t n, const void *k)
{
    kern->mul_u8(a, b, y, n, k);
}

static int one(const it_kern *ref, const it_kern *level, size_t n, bool all, const it_mul_consts *k, int in_place, it_rng *r)
{
    if (check_pairs(mul, ref, level, n, all, k, in_place, r))
        return 0;
    fprintf(stderr, "mul_u8 differs: n %zu z %d %d m %d shift %d z_y %d clamp %d..%d\n", n, k->z_a, k->z_b, k->mult, k->shift, k->z_y,
            k->lo, k->hi);
    return 1;
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
