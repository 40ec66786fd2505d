/* SPDX-License-Identifier: Apache-2.0 */
/* check_interleave_u8: every length around vectors, the second run behind the first or before it, rows apart or overlapping. */
#include "check.h"

int check_interleave_u8(const it_kern *ref, const it_kern *level, it_rng *r)
{
    int bad = 0;
    for (int i = 0; i < 500 && bad < 10; i++) {
        const size_t n = i < 260 ? (size_t)i : check_pick(r, 0, 400), rows = check_pick(r, 0, 12), gap = n + check_pick(r, 0, 20);
        const size_t pitch = i % 3 ? gap + n : check_pick(r, 0, 300), bytes = rows ? (rows - 1) * pitch + gap + n : 0;
        check_fence x = check_fence_new(bytes, 1, i % 4 != 0), want = check_fence_new(2 * n * rows, 1, true);
        check_fence have = check_fence_new(2 * n * rows, 1, i % 2);
        check_fill_u8(r, x.data, bytes);
        const bool back = i % 5 == 0 && rows > 0;
        const uint8_t *from = back ? x.data + gap : x.data;
        const ptrdiff_t step = back ? -(ptrdiff_t)gap : (ptrdiff_t)gap;
        ref->interleave_u8(from, step, (ptrdiff_t)pitch, want.data, rows, n);
        level->interleave_u8(from, step, (ptrdiff_t)pitch, have.data, rows, n);
        if (memcmp(want.data, have.data, 2 * n * rows) || !check_fence_ok(&have)) {
            fprintf(stderr, "interleave_u8 differs: %zu rows of 2 x %zu, step %td, %zu apart\n", rows, n, step, pitch);
            bad++;
        }
        check_fence_free(&x);
        check_fence_free(&want);
        check_fence_free(&have);
    }
    return bad;
}
