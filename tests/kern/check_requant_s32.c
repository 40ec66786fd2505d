/* SPDX-License-Identifier: Apache-2.0 */
/* check_requant_s32: both types, every shift, values at the ends of 32 bits, tails. */
#include "check.h"

int check_requant_s32(const it_kern *ref, const it_kern *level, it_rng *r)
{
    int bad = 0;
    for (int i = 0; i < 600 && bad < 10; i++) {
        const size_t n = check_pick(r, 0, 200), bytes = i % 2 ? 2 : 1;
        it_requant_consts k = { .z_x = i % 3 ? (int32_t)check_pick(r, 0, 1 << 20) : 0,
                                .mult = (int32_t)((1u << 30) + it_rng_below(r, 1u << 30)),
                                .shift = (int32_t)(i % 4 ? check_pick(r, 1, 62) : check_pick(r, 38, 50)),
                                .z_y = bytes == 1 ? (int32_t)check_pick(r, 0, 255) : 0,
                                .y = bytes == 1 ? INTACT_U8 : INTACT_S16 };
        if (i % 11 == 0)
            k.mult = i % 2 ? 0 : INT32_MAX;
        k.lo = bytes == 1 ? (int32_t)check_pick(r, 0, 40) : -(int32_t)check_pick(r, 0, 32767);
        k.hi = bytes == 1 ? (int32_t)check_pick(r, 40, 255) : (int32_t)check_pick(r, 0, 32767);
        check_fence x = check_fence_new(n * 4, 4, true), want = check_fence_new(n * bytes, bytes, true);
        check_fence have = check_fence_new(n * bytes, bytes, i % 3 != 0);
        int32_t *from = (int32_t *)x.data;
        for (size_t j = 0; j < n; j++) {
            const int32_t v = (int32_t)(it_rng_next(r) >> (i % 7 * 4 + 33)); /* below 2^31, often much */
            from[j] = i % 13 == 0 ? (j % 2 ? INT32_MAX : -INT32_MAX + k.z_x) : (j % 3 ? v : -v) / (k.z_x ? 2 : 1);
        }
        ref->requant_s32(from, want.data, n, &k);
        level->requant_s32(from, have.data, n, &k);
        if (memcmp(want.data, have.data, n * bytes) || !check_fence_ok(&have)) {
            fprintf(stderr, "requant_s32 differs: n %zu z_x %d m %d shift %d z_y %d clamp %d..%d\n", n, k.z_x, k.mult, k.shift, k.z_y, k.lo,
                    k.hi);
            bad++;
        }
        check_fence_free(&x);
        check_fence_free(&want);
        check_fence_free(&have);
    }
    return bad;
}
