/* SPDX-License-Identifier: Apache-2.0 */
/* bench.h: what the benchmarks share: the clock, memory with something in it, the order of times. */
#ifndef IT_BENCH_H
#define IT_BENCH_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/base.h"

/* Seconds. */
static inline double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Aligned to 64; the bytes are as good as random, and always the same. Ends the program where there is no memory. */
static inline void *fresh(size_t bytes)
{
    uint8_t *p = aligned_alloc(64, it_round_up(bytes + 64, 64));
    if (!p) {
        fprintf(stderr, "no memory for %zu bytes\n", bytes);
        exit(1);
    }
    for (size_t i = 0; i < bytes; i++)
        p[i] = (uint8_t)(i * 2654435761u >> 13);
    return p;
}

/* For qsort of times. */
static inline int by_time(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

#endif
