/* SPDX-License-Identifier: Apache-2.0 */
/* check_threshold.h: the sweep of both threshold kernels: any number of channels, rows and steps; codes at, below and above a step. */
#ifndef IT_TESTS_KERN_CHECK_THRESHOLD_H
#define IT_TESTS_KERN_CHECK_THRESHOLD_H

#include "check.h"

/* Calls one version on x, elem bytes an element, y (or x itself, where that is u8). */
typedef void threshold_fn(const it_kern *k, const uint8_t *x, uint8_t *y, size_t rows, size_t n, const it_steps *s);

static int16_t any_code(it_rng *r, size_t elem)
{
    static const int16_t ends[] = { -32768, -32767, -1, 0, 1, 254, 255, 256, 32766, 32767 };
    return it_rng_below(r, 4) ? (int16_t)((int32_t)it_rng_below(r, elem == 1 ? 300 : 65536) - (elem == 1 ? 20 : 32768))
                              : ends[it_rng_below(r, IT_LEN(ends))];
}

static int check_threshold_at(threshold_fn *fn, const it_kern *ref, const it_kern *level, size_t elem, size_t rows, size_t n, it_rng *r)
{
    it_steps s = { .len = check_pick(r, 1, IT_LEVELS_MAX - 1), .pitch = n + check_pick(r, 0, 5) };
    check_fence x = check_fence_new(rows * n * elem, elem, true), over = check_fence_new(((s.len - 1) * s.pitch + n) * 2, 2, true);
    check_fence want = check_fence_new(rows * n, 1, true), have = check_fence_new(rows * n, 1, it_rng_below(r, 2) == 0);
    for (size_t i = 0; i < IT_LEVELS_MAX; i++)
        s.levels[i] = (uint8_t)it_rng_next(r);
    for (size_t i = 0; i < (s.len - 1) * s.pitch + n; i++)
        ((int16_t *)over.data)[i] = any_code(r, elem);
    s.over = (const int16_t *)over.data;
    for (size_t i = 0; i < rows * n; i++) {
        int32_t at = s.over[it_rng_below(r, s.len) * s.pitch + i % n] + (int32_t)it_rng_below(r, 3) - 1;
        if (elem == 1)
            x.data[i] = (uint8_t)(it_rng_below(r, 2) ? at : (int32_t)it_rng_below(r, 256));
        else
            ((int16_t *)x.data)[i] = (int16_t)(it_rng_below(r, 2) ? at : any_code(r, 2));
    }
    fn(ref, x.data, want.data, rows, n, &s);
    const bool in_place = elem == 1 && it_rng_below(r, 2) == 0;
    if (in_place)
        memcpy(have.data, x.data, rows * n);
    fn(level, in_place ? have.data : x.data, have.data, rows, n, &s);
    const int bad = memcmp(want.data, have.data, rows * n) != 0 || !check_fence_ok(&have);
    if (bad)
        fprintf(stderr, "threshold of %zu-byte codes differs: %zu rows of %zu, %u steps\n", elem, rows, n, s.len);
    check_fence_free(&x);
    check_fence_free(&over);
    check_fence_free(&want);
    check_fence_free(&have);
    return bad;
}

static inline int check_threshold_sweep(threshold_fn *fn, const it_kern *ref, const it_kern *level, size_t elem, it_rng *r)
{
    int bad = 0;
    for (size_t n = 1; n < 300 && bad < 10; n += n < 140 ? 1 : 23)
        bad += check_threshold_at(fn, ref, level, elem, check_pick(r, 1, 4), n, r);
    return bad;
}

#endif
