/* SPDX-License-Identifier: Apache-2.0 */
/* check_sum_u8: lengths around the vectors, sums of either sign. */
#include "check.h"

int check_sum_u8(const it_kern *ref, const it_kern *level, it_rng *r)
{
    int bad = 0;
    for (size_t n = 0; n < 400 && bad < 10; n++) {
        check_fence x = check_fence_new(n, 1, true), want = check_fence_new(n * 4, 4, true), have = check_fence_new(n * 4, 4, n % 2);
        check_fill_u8(r, x.data, n);
        for (size_t i = 0; i < n; i++)
            ((int32_t *)want.data)[i] = (int32_t)((uint32_t)it_rng_next(r) >> 1) - (1 << 30);
        memcpy(have.data, want.data, n * 4);
        ref->sum_u8(x.data, (int32_t *)want.data, n);
        level->sum_u8(x.data, (int32_t *)have.data, n);
        if (memcmp(want.data, have.data, n * 4) || !check_fence_ok(&have)) {
            fprintf(stderr, "sum_u8 differs: n %zu\n", n);
            bad++;
        }
        check_fence_free(&x);
        check_fence_free(&want);
        check_fence_free(&have);
    }
    return bad;
}
