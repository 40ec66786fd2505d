/* SPDX-License-Identifier: Apache-2.0 */
/* check_lut_u8: every code in every place of a vector, tails, in place. */
#include "check.h"

int check_lut_u8(const it_kern *ref, const it_kern *level, it_rng *r)
{
    int bad = 0;
    for (size_t n = 0; n < 600 && bad < 10; n += n < 300 ? 1 : 37) {
        check_fence x = check_fence_new(n, 1, true), want = check_fence_new(n, 1, true), have = check_fence_new(n, 1, true);
        check_fence table = check_fence_new(256, 1, true);
        for (size_t i = 0; i < 256; i++)
            table.data[i] = (uint8_t)it_rng_next(r);
        for (size_t i = 0; i < n; i++)
            x.data[i] = (uint8_t)(i * 7 + n);
        ref->lut_u8(x.data, want.data, n, table.data);
        memcpy(have.data, x.data, n);
        level->lut_u8(n % 2 ? have.data : x.data, have.data, n, table.data);
        if (memcmp(want.data, have.data, n) || !check_fence_ok(&have)) {
            fprintf(stderr, "lut_u8 differs: n %zu\n", n);
            bad++;
        }
        check_fence_free(&x);
        check_fence_free(&want);
        check_fence_free(&have);
        check_fence_free(&table);
    }
    return bad;
}
