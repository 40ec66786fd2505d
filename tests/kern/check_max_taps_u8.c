/* SPDX-License-Identifier: Apache-2.0 */
/* check_max_taps_u8: lengths around vectors, taps that overlap between outputs. */
#include "check.h"

int check_max_taps_u8(const it_kern *ref, const it_kern *level, it_rng *r)
{
    int bad = 0;
    for (int i = 0; i < 400 && bad < 10; i++) {
        size_t n = check_pick(r, 1, 140), step = n * check_pick(r, 1, 3), tap_step = n * check_pick(r, 1, 2), outs = check_pick(r, 1, 20);
        uint32_t taps = check_pick(r, 1, 5);
        size_t bytes = (outs - 1) * step + (taps - 1) * tap_step + n;
        check_fence x = check_fence_new(bytes, 1, true), want = check_fence_new(outs * n, 1, true), have = check_fence_new(outs * n, 1, true);
        check_fill_u8(r, x.data, bytes);
        ref->max_taps_u8(x.data, step, tap_step, taps, want.data, outs, n);
        level->max_taps_u8(x.data, step, tap_step, taps, have.data, outs, n);
        if (memcmp(want.data, have.data, outs * n) || !check_fence_ok(&have)) {
            fprintf(stderr, "max_taps_u8 differs: %zu of %zu, steps %zu, %u taps %zu apart\n", outs, n, step, taps, tap_step);
            bad++;
        }
        check_fence_free(&x);
        check_fence_free(&want);
        check_fence_free(&have);
    }
    return bad;
}
