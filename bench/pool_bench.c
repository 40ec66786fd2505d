/* SPDX-License-Identifier: Apache-2.0 */
/* pool_bench: what a parallel loop costs. "empty": two units that do nothing, one loop behind the other. "meeting": every thread takes one
** unit and waits in it for the others, so that each loop hands work to all threads and gets it back. "after rest": the same when the
** workers sleep. Nanoseconds a loop: the median of many batches and the least.
** Usage: pool_bench [threads] */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/pool.h"
#include "bench.h"

enum { BATCHES = 101, LOOPS = 200 };

typedef struct meeting {
    atomic_uint here;
    uint32_t all;
} meeting;

static void nothing(void *user, uint32_t begin, uint32_t end, uint32_t thread)
{
    (void)user;
    (void)begin;
    (void)end;
    (void)thread;
}

/* A unit is one arrival; a thread that took several at once arrives as often. */
static void meet(void *user, uint32_t begin, uint32_t end, uint32_t thread)
{
    meeting *m = user;
    (void)thread;
    atomic_fetch_add(&m->here, end - begin);
    while (atomic_load(&m->here) < m->all)
        continue;
}

static void report(const char *name, it_pool *p, void (*fn)(void *, uint32_t, uint32_t, uint32_t), int loops, long rest_ns)
{
    double t[BATCHES];
    meeting m = { .all = it_pool_threads(p) };
    for (int b = 0; b < BATCHES; b++) {
        if (rest_ns)
            nanosleep(&(struct timespec){ .tv_nsec = rest_ns }, NULL);
        double start = now();
        for (int i = 0; i < loops; i++) {
            atomic_store(&m.here, 0);
            it_pool_for(p, m.all, 1, fn, &m);
        }
        t[b] = 1e9 * (now() - start) / loops;
    }
    qsort(t, BATCHES, sizeof t[0], by_time);
    printf("%u threads, %-10s %8.0f ns (median), %8.0f ns (least)\n", it_pool_threads(p), name, t[BATCHES / 2], t[0]);
}

int main(int argc, char **argv)
{
    int threads = argc > 1 ? atoi(argv[1]) : 2;
    it_pool *p;
    intact_error e;
    if (threads < 2 || it_pool_new(NULL, (uint32_t)threads, &p, &e) != INTACT_OK) {
        fprintf(stderr, "usage: pool_bench [threads: 2 or more]\n");
        return 2;
    }
    report("empty", p, nothing, LOOPS, 0);
    report("meeting", p, meet, LOOPS, 0);
    report("after rest", p, meet, 1, 2000000);
    it_pool_free(p);
    return 0;
}
