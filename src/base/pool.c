/* SPDX-License-Identifier: Apache-2.0 */
/* pool.c: worker threads for parallel loops: they spin for some microseconds, then sleep; nothing is allocated after creation.
**
** A loop is open while `open` holds its number (never 0). A worker joins with active++ and works only if it then still sees an
** open loop; the caller closes the loop (open = 0) and waits for active == 0. With sequentially consistent operations one of
** the two sees the other: a worker that comes late finds 0 and never looks at the job, and a job is rewritten only when nobody
** can be inside it. A caller therefore never waits for a sleeping worker to wake up. Sleeping uses the same argument between
** sleepers and open, and between waiting and active. */
#include "base/pool.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { POOL_THREADS_MAX = 1024, SPIN_NS = 30000, SPIN_BATCH = 32 };

typedef struct it_worker {
    struct it_pool *pool;
    pthread_t thread;
    uint32_t index;
} it_worker;

struct it_pool {
    const intact_alloc *alloc;
    uint32_t threads, started;
    bool spin; /* more processors than threads: waiting busily harms nobody */
    pthread_mutex_t lock;
    pthread_cond_t wake; /* open or quit changed */
    pthread_cond_t idle; /* active became 0 */
    _Atomic bool quit;
    _Atomic uint32_t sleepers;
    _Atomic bool waiting; /* the caller sleeps on idle */
    uint32_t number;      /* of the last loop; the caller's alone */

    /* the job: written only while no loop is open and nobody is active */
    void (*fn)(void *user, uint32_t begin, uint32_t end, uint32_t thread);
    void *user;
    uint32_t n, chunk;

    _Alignas(IT_ALIGN) _Atomic uint32_t open;
    _Alignas(IT_ALIGN) _Atomic uint32_t active;
    _Alignas(IT_ALIGN) _Atomic uint64_t next; /* 64 bits: may run past n by threads * chunk */
    _Alignas(IT_ALIGN) it_worker workers[];   /* [threads - 1] */
};

static inline void cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static uint32_t processors(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        return (uint32_t)CPU_COUNT(&set);
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (uint32_t)n : 1;
}

static void take_chunks(it_pool *p, uint32_t thread)
{
    for (;;) {
        uint64_t begin = atomic_fetch_add(&p->next, p->chunk);
        if (begin >= p->n)
            return;
        uint64_t end = begin + p->chunk;
        p->fn(p->user, (uint32_t)begin, end < p->n ? (uint32_t)end : p->n, thread);
    }
}

/* True when a loop other than `seen` is open, or the pool ends. */
static bool has_news(it_pool *p, uint32_t seen)
{
    uint32_t open = atomic_load(&p->open);
    return (open != 0 && open != seen) || atomic_load(&p->quit);
}

static void wait_for_news(it_pool *p, uint32_t seen)
{
    if (p->spin) {
        int64_t end = now_ns() + SPIN_NS;
        do {
            for (int i = 0; i < SPIN_BATCH; i++) {
                if (has_news(p, seen))
                    return;
                cpu_relax();
            }
        } while (now_ns() < end);
    }
    pthread_mutex_lock(&p->lock);
    atomic_fetch_add(&p->sleepers, 1);
    while (!has_news(p, seen))
        pthread_cond_wait(&p->wake, &p->lock);
    atomic_fetch_sub(&p->sleepers, 1);
    pthread_mutex_unlock(&p->lock);
}

static void *worker_main(void *arg)
{
    it_worker *w = arg;
    it_pool *p = w->pool;
    uint32_t seen = 0;
    while (!atomic_load(&p->quit)) {
        wait_for_news(p, seen);
        atomic_fetch_add(&p->active, 1);
        uint32_t open = atomic_load(&p->open);
        if (open != 0 && open != seen) {
            seen = open;
            take_chunks(p, w->index);
        }
        if (atomic_fetch_sub(&p->active, 1) == 1 && atomic_load(&p->waiting)) {
            pthread_mutex_lock(&p->lock);
            pthread_cond_signal(&p->idle);
            pthread_mutex_unlock(&p->lock);
        }
    }
    return NULL;
}

static void wait_until_idle(it_pool *p)
{
    if (atomic_load(&p->active) == 0)
        return;
    if (p->spin) {
        int64_t end = now_ns() + SPIN_NS;
        do {
            for (int i = 0; i < SPIN_BATCH; i++) {
                if (atomic_load(&p->active) == 0)
                    return;
                cpu_relax();
            }
        } while (now_ns() < end);
    }
    pthread_mutex_lock(&p->lock);
    atomic_store(&p->waiting, true);
    while (atomic_load(&p->active) != 0)
        pthread_cond_wait(&p->idle, &p->lock);
    atomic_store(&p->waiting, false);
    pthread_mutex_unlock(&p->lock);
}

void it_pool_for(it_pool *p, uint32_t n, uint32_t chunk, void (*fn)(void *user, uint32_t begin, uint32_t end, uint32_t thread), void *user)
{
    if (n == 0)
        return;
    if (chunk == 0)
        chunk = n / p->threads + (n % p->threads != 0);
    if (p->threads == 1 || n <= chunk) {
        fn(user, 0, n, 0);
        return;
    }
    p->fn = fn;
    p->user = user;
    p->n = n;
    p->chunk = chunk;
    atomic_store(&p->next, 0);
    p->number += p->number == UINT32_MAX ? 2 : 1; /* never 0 */
    atomic_store(&p->open, p->number);
    if (atomic_load(&p->sleepers) != 0) {
        pthread_mutex_lock(&p->lock);
        pthread_cond_broadcast(&p->wake);
        pthread_mutex_unlock(&p->lock);
    }
    take_chunks(p, 0);
    atomic_store(&p->open, 0);
    wait_until_idle(p);
}

/* Workers block every signal: the host program's handlers run on its own threads. */
static int start_workers(it_pool *p)
{
    sigset_t all, old;
    sigfillset(&all);
    int rc = pthread_sigmask(SIG_SETMASK, &all, &old);
    for (; rc == 0 && p->started < p->threads - 1; p->started += rc == 0) {
        it_worker *w = &p->workers[p->started];
        w->pool = p;
        w->index = p->started + 1;
        rc = pthread_create(&w->thread, NULL, worker_main, w);
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return rc;
}

static size_t pool_bytes(uint32_t threads) { return sizeof(it_pool) + (size_t)(threads - 1) * sizeof(it_worker); }

intact_status it_pool_new(const intact_alloc *a, uint32_t threads, it_pool **out, intact_error *err)
{
    *out = NULL;
    if (threads == 0)
        threads = 1;
    if (threads > POOL_THREADS_MAX)
        return it_fail(err, INTACT_E_ARG, "threads", "%u threads asked for; at most %d are possible", threads, POOL_THREADS_MAX);
    it_pool *p = it_alloc_zero(a, pool_bytes(threads));
    if (!p)
        return it_fail_nomem(err, "thread pool", pool_bytes(threads));
    p->alloc = a;
    p->threads = threads;
    p->spin = threads <= processors();
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    pthread_cond_init(&p->idle, NULL);
    int rc = start_workers(p);
    if (rc != 0) {
        uint32_t started = p->started;
        it_pool_free(p);
        return it_fail(err, INTACT_E_NOMEM, "thread pool", "thread %u of %u did not start: %s; ask for fewer threads", started + 2, threads,
                       strerror(rc));
    }
    *out = p;
    return INTACT_OK;
}

void it_pool_free(it_pool *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    atomic_store(&p->quit, true);
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
    for (uint32_t i = 0; i < p->started; i++)
        pthread_join(p->workers[i].thread, NULL);
    pthread_cond_destroy(&p->idle);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
    it_alloc_free(p->alloc, p, pool_bytes(p->threads));
}

uint32_t it_pool_threads(const it_pool *p) { return p->threads; }
