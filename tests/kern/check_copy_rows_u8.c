/* SPDX-License-Identifier: Apache-2.0 */
/* check_copy_rows_u8: rows of every length around vectors, side by side or apart, backwards, none at all. */
#include "check.h"

int check_copy_rows_u8(const it_kern *ref, const it_kern *level, it_rng *r)
{
    int bad = 0;
    for (int i = 0; i < 600 && bad < 10; i++) {
        const size_t n = i < 300 ? (size_t)i : check_pick(r, 0, 700), rows = check_pick(r, 0, 30);
        const size_t x_pitch = n + (i % 3 ? 0 : check_pick(r, 0, 90)), y_pitch = n + (i % 5 ? 0 : check_pick(r, 0, 90));
        const size_t x_bytes = rows ? (rows - 1) * x_pitch + n : 0, y_bytes = rows ? (rows - 1) * y_pitch + n : 0;
        const bool at_end = i % 4 != 0, back = i % 7 == 0 && rows > 0; /* back: the last row of x first */
        check_fence x = check_fence_new(x_bytes, 1, at_end), want = check_fence_new(y_bytes, 1, at_end);
        check_fence have = check_fence_new(y_bytes, 1, at_end);
        check_fill_u8(r, x.data, x_bytes);
        const uint8_t *from = back ? x.data + (rows - 1) * x_pitch : x.data;
        const ptrdiff_t step = back ? -(ptrdiff_t)x_pitch : (ptrdiff_t)x_pitch;
        ref->copy_rows_u8(from, step, want.data, (ptrdiff_t)y_pitch, rows, n);
        level->copy_rows_u8(from, step, have.data, (ptrdiff_t)y_pitch, rows, n);
        if (memcmp(want.data, have.data, y_bytes) || !check_fence_ok(&have)) { /* between rows both keep the fence's pattern */
            fprintf(stderr, "copy_rows_u8 differs: %zu rows of %zu, %td and %zu apart\n", rows, n, step, y_pitch);
            bad++;
        }
        check_fence_free(&x);
        check_fence_free(&want);
        check_fence_free(&have);
    }
    return bad;
}
