/* SPDX-License-Identifier: Apache-2.0 */
/* check_max_u8: lengths around the vectors, random and extreme codes. */
#include "check.h"

int check_max_u8(const it_kern *ref, const it_kern *level, it_rng *r)
{
    int bad = 0;
    for (size_t n = 0; n < 400 && bad < 10; n++) {
        check_fence x = check_fence_new(n, 1, true), want = check_fence_new(n, 1, true), have = check_fence_new(n, 1, n % 2);
        check_fill_u8(r, x.data, n);
        check_fill_u8(r, want.data, n);
        memcpy(have.data, want.data, n);
        ref->max_u8(x.data, want.data, n);
        level->max_u8(x.data, have.data, n);
        if (memcmp(want.data, have.data, n) || !check_fence_ok(&have)) {
            fprintf(stderr, "max_u8 differs: n %zu\n", n);
            bad++;
        }
        check_fence_free(&x);
        check_fence_free(&want);
        check_fence_free(&have);
    }
    return bad;
}
