/* SPDX-License-Identifier: Apache-2.0 */
/* check_add_u8: all pairs of codes at once, tails, in place, multipliers of either sign and every shift, the ends of 16-bit digits. */
#include "check.h"

static void add(const it_kern *kern, const uint8_t *a, const uint8_t *b, uint8_t *y, size_t n, const void *k)
{
    kern->add_u8(a, b, y, n, k);
}

static int one(const it_kern *ref, const it_kern *level, size_t n, bool all, const it_add_consts *k, int in_place, it_rng *r)
{
    if (check_pairs(add, ref, level, n, all, k, in_place, r))
        return 0;
    fprintf(stderr, "add_u8 differs: n %zu z %d %d m %d %d shift %d z_y %d clamp %d..%d\n", n, k->z_a, k->z_b, k->m_a, k->m_b, k->shift,
            k->z_y, k->lo, k->hi);
    return 1;
}

static int32_t multiplier(it_rng *r)
{
    static const int32_t extremes[] = {0, 1, -1, INT32_MAX, -INT32_MAX, 0x7fff7fff, 0x7fff8000, -0x7fff8000, 32767, 32768, -32768, 65536};
    if (it_rng_below(r, 3) == 0) return extremes[it_rng_below(r, IT_LEN(extremes))];
    int32_t m = (int32_t)((1u << 30) + it_rng_below(r, 1u << 30)) >> it_rng_below(r, 12);
    return it_rng_below(r, 4) ? m : -m;
}

int check_add_u8(const it_kern *ref, const it_kern *level, it_rng *r)
{
    int bad = 0;
    for (int i = 0; i < 400 && bad < 10; i++) {
        it_add_consts k = {.z_a = (int32_t)check_pick(r, 0, 255),
                           .z_b = (int32_t)check_pick(r, 0, 255),
                           .m_a = multiplier(r),
                           .m_b = multiplier(r),
                           .shift = (int32_t)(i % 2 ? check_pick(r, 1, 62) : check_pick(r, 29, 32)),
                           .z_y = (int32_t)check_pick(r, 0, 255),
                           .lo = (int32_t)check_pick(r, 0, 60),
                           .hi = (int32_t)check_pick(r, 60, 255)};
        if (i % 16 < 3) { /* the ends of what is done in 16-bit digits */
            k.z_a = i % 2 ? 255 : 0;
            k.z_b = i % 3 ? 255 : 0;
            k.m_a = it_rng_below(r, 2) ? 0x7fff7fff : -INT32_MAX;
            k.m_b = it_rng_below(r, 2) ? 0x7fff7fff : -INT32_MAX;
            k.shift = (int32_t)check_pick(r, 25, 33);
        }
        bool all = i % 8 == 0;
        bad += one(ref, level, all ? 65536 : check_pick(r, 0, 300), all, &k, i % 3, r);
    }
    return bad;
}
