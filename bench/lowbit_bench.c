/* SPDX-License-Identifier: Apache-2.0 */
/* lowbit_bench: VGG-16's dense layers at batch 1 with weights of 8, 4, 3 and 2 bits, alternating in one run. Copies of the weights, of each
** kind more than the largest cache holds, are used in turn, so that each run reads them from memory, as in a network whose weights do not
** fit a cache.
** Usage: lowbit_bench [--level LEVEL] [--batch N] [--cached: one copy, so that caches may hold it] [--rounds N] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cpu.h"
#include "bench.h"
#include "run/kern/kern.h"

enum { LAYERS = 3, KINDS = 4, ROUNDS_MAX = 200 };

static const uint32_t sizes[LAYERS][2] = { { 25088, 4096 }, { 4096, 4096 }, { 4096, 1000 } };
static const uint32_t bits_of[KINDS] = { 8, 4, 3, 2 };

typedef struct work {
    it_conv_geom g;
    it_epi e;
    const it_kern_conv *plain; /* or */
    const it_kern_codes *codes;
    size_t bytes;              /* of one copy */
    uint8_t *copies;
    uint32_t copies_len, turn, batch;
    const uint8_t *x;
    uint8_t *y;
    void *scratch[2];
} work;

static size_t cache_bytes(void)
{
    long n = sysconf(_SC_LEVEL3_CACHE_SIZE);
    return n > 0 ? (size_t)n : (size_t)64 << 20;
}

/* Random codes or bytes, packed, copied often. */
static void work_init(work *w, const it_kern *kern, const uint32_t *size, uint32_t bits, uint32_t batch, size_t total)
{
    uint32_t k = size[0], o = size[1];
    int32_t *c = fresh((size_t)o * 12);
    for (uint32_t i = 0; i < o; i++)
        c[i] = (int32_t)i, c[o + i] = (1 << 30) + (int32_t)i, c[2 * o + i] = 46;
    *w = (work){ .e = { .bias = c, .mult = c + o, .shift = c + 2 * o, .zero = 10, .hi = 255, .out = INTACT_U8 }, .batch = batch };
    w->g = (it_conv_geom){ .in_h = 1, .in_w = 1, .in_c = k, .out_h = 1, .out_w = 1, .out_c = o, .group = 1, .kh = 1, .kw = 1, .stride_h = 1,
                           .stride_w = 1, .dil_h = 1, .dil_w = 1 };
    static const int8_t table[16] = { -8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7 };
    uint8_t *weights = fresh((size_t)k * o);
    it_codes codes = { .data = weights, .table = table, .bits = bits, .rows = o, .row_len = k };
    size_t scratch;
    if (bits == 8) {
        w->plain = kern->dense_u8;
        w->bytes = w->plain->packed_bytes(&w->g, &w->e);
        scratch = w->plain->scratch_bytes(&w->g);
    } else {
        w->codes = kern->dense_codes_u8;
        w->bytes = w->codes->packed_bytes(&w->g, &codes);
        scratch = w->codes->scratch_bytes(&w->g);
    }
    w->bytes = it_round_up(w->bytes, 64);
    w->copies_len = (uint32_t)(total / w->bytes) + 1;
    w->copies = aligned_alloc(2 << 20, it_round_up(w->bytes * w->copies_len, 2 << 20));
    if (!w->copies)
        exit(1);
    if (w->plain)
        w->plain->pack(&w->g, &w->e, (const int8_t *)weights, w->copies);
    else
        w->codes->pack(&w->g, &w->e, &codes, w->copies);
    for (uint32_t i = 1; i < w->copies_len; i++)
        memcpy(w->copies + i * w->bytes, w->copies, w->bytes);
    w->x = fresh((size_t)k * batch);
    w->y = fresh((size_t)o * batch);
    for (int i = 0; i < 2; i++)
        w->scratch[i] = fresh(scratch);
    free(weights);
}

static void run_units(void *user, uint32_t begin, uint32_t end, uint32_t thread)
{
    work *w = user;
    const void *packed = w->copies + w->turn * w->bytes;
    const it_conv_io io = { .x = w->x, .y = w->y, .batch = w->batch };
    if (w->plain)
        w->plain->run(&w->g, &w->e, packed, &io, begin, end, w->scratch[thread]);
    else
        w->codes->run(&w->g, &w->e, packed, &io, begin, end, w->scratch[thread]);
}

static double seconds_of(work *w, it_pool *pool)
{
    uint32_t units = w->plain ? w->plain->units(&w->g, w->batch) : w->codes->units(&w->g, w->batch);
    w->turn = (w->turn + 1) % w->copies_len;
    double t = now();
    it_pool_for(pool, units, units / (4 * it_pool_threads(pool)) + 1, run_units, w);
    return now() - t;
}

/* The least and the median time of each layer and kind; kinds alternate. */
static void measure(work w[LAYERS][KINDS], it_pool *pool, int rounds, double best[LAYERS][KINDS], double median[LAYERS][KINDS])
{
    static double t[LAYERS][KINDS][ROUNDS_MAX];
    for (int r = 0; r < rounds; r++)
        for (int k = 0; k < KINDS; k++)
            for (int l = 0; l < LAYERS; l++)
                t[l][k][r] = seconds_of(&w[l][k], pool);
    for (int l = 0; l < LAYERS; l++)
        for (int k = 0; k < KINDS; k++) {
            qsort(t[l][k], (size_t)rounds, sizeof(double), by_time);
            best[l][k] = t[l][k][0];
            median[l][k] = t[l][k][rounds / 2];
        }
}

static void report(work w[LAYERS][KINDS], uint32_t threads, int rounds)
{
    double best[LAYERS][KINDS], median[LAYERS][KINDS], sum[KINDS] = { 0 }, mid[KINDS] = { 0 };
    it_pool *pool;
    if (it_pool_new(NULL, threads, &pool, NULL) != INTACT_OK)
        exit(1);
    measure(w, pool, rounds, best, median);
    it_pool_free(pool);
    for (int l = 0; l < LAYERS; l++)
        for (int k = 0; k < KINDS; k++) {
            sum[k] += best[l][k];
            mid[k] += median[l][k];
            printf("%u threads  %5u x %4u  %u bits  least %7.3f ms  median %7.3f ms  %5.1f GB/s  %.2fx\n", threads, w[l][0].g.in_c,
                   w[l][0].g.out_c, bits_of[k], best[l][k] * 1e3, median[l][k] * 1e3, (double)w[l][k].bytes / best[l][k] * 1e-9,
                   best[l][0] / best[l][k]);
        }
    for (int k = 0; k < KINDS; k++)
        printf("%u threads  all three     %u bits  least %7.3f ms  median %7.3f ms             %.2fx (median %.2fx)\n", threads, bits_of[k],
               sum[k] * 1e3, mid[k] * 1e3, sum[0] / sum[k], mid[0] / mid[k]);
}

int main(int argc, char **argv)
{
    static work w[LAYERS][KINDS];
    intact_cpu cpu = it_cpu_best();
    uint32_t batch = 1;
    int rounds = 20;
    bool cached = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--cached") == 0)
            cached = true;
        else if (i + 1 < argc && strcmp(argv[i], "--level") == 0)
            cpu = intact_cpu_parse(argv[++i]);
        else if (i + 1 < argc && strcmp(argv[i], "--batch") == 0)
            batch = (uint32_t)atoi(argv[++i]);
        else if (i + 1 < argc && strcmp(argv[i], "--rounds") == 0)
            rounds = atoi(argv[++i]);
    }
    const it_kern *kern = it_kern_of(cpu);
    if (!kern || !intact_cpu_has(cpu) || batch < 1 || batch > 1024 || rounds < 1 || rounds > ROUNDS_MAX) {
        fprintf(stderr, "usage: lowbit_bench [--level LEVEL] [--batch N] [--cached] [--rounds N]\n");
        return 2;
    }
    printf("level %s, batch %u, last cache %.0f MB\n", intact_cpu_name(cpu), batch, (double)cache_bytes() * 1e-6);
    for (int l = 0; l < LAYERS; l++)
        for (int k = 0; k < KINDS; k++)
            work_init(&w[l][k], kern, sizes[l], bits_of[k], batch, cached ? 0 : cache_bytes());
    for (uint32_t threads = 1; threads <= 2; threads++)
        report(w, threads, rounds);
    return 0;
}
