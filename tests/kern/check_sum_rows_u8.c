/* SPDX-License-Identifier: Apache-2.0 */
/* check_sum_rows_u8: lengths around vectors, rows side by side or apart, more rows than 16-bit sums hold. */
#include "check.h"

int check_sum_rows_u8(const it_kern *ref, const it_kern *level, it_rng *r)
{
    int bad = 0;
    for (int i = 0; i < 300 && bad < 10; i++) {
        size_t n = check_pick(r, 1, 140), pitch = n + (i % 2 ? 0 : check_pick(r, 0, 20));
        size_t rows = i % 4 ? check_pick(r, 0, 60) : check_pick(r, 250, 1300);
        size_t bytes = rows ? (rows - 1) * pitch + n : 0;
        check_fence x = check_fence_new(bytes, 1, true), want = check_fence_new(n * 4, 4, true), have = check_fence_new(n * 4, 4, true);
        check_fill_u8(r, x.data, bytes);
        for (size_t j = 0; j < n; j++)
            ((int32_t *)want.data)[j] = ((int32_t *)have.data)[j] = (int32_t)it_rng_below(r, 1000) - 500;
        ref->sum_rows_u8(x.data, pitch, rows, (int32_t *)want.data, n);
        level->sum_rows_u8(x.data, pitch, rows, (int32_t *)have.data, n);
        if (memcmp(want.data, have.data, n * 4) || !check_fence_ok(&have)) {
            fprintf(stderr, "sum_rows_u8 differs: %zu rows of %zu, %zu apart\n", rows, n, pitch);
            bad++;
        }
        check_fence_free(&x);
        check_fence_free(&want);
        check_fence_free(&have);
    }
    return bad;
}
