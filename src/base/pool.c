/* SPDX-License-Identifier: Apache-2.0 */
/* pool.c: worker threads for parallel loops: they spin for some microseconds, then sleep; nothing is allocated after creation.
**
** A loop is cut into steps of units. One word holds all that changes while it runs:
**
**   state   active workers: 16 bits | front: 24 bits | left: 24 bits          steps front ... front + left - 1 are not yet taken
**
** Threads of even number take steps from the front, odd ones from the back: of two, each stays in its half from loop to loop, where its
** own cache holds what it wrote before. A worker joins by the very exchange that takes its first steps, so that nobody is inside a loop
** without work, and the job is rewritten only when left and active are 0: a worker that comes late finds nothing and looks at nothing
** else. So the caller never waits for a sleeping worker to wake up. State and job share a cache line: one transfer tells all.
** Sleeping needs sequentially consistent operations: a worker counts itself among the sleepers, then looks at state; the caller writes
** state, then looks at sleepers: one of the two sees the other. The same holds between waiting and active. */
#include "base/pool.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { POOL_THREADS_MAX = 1024, SPIN_NS = 100000, SPIN_BATCH = 32, STEP_BITS = 24 };

#define LEFT_ONE ((uint64_t)1)
#define FRONT_ONE ((uint64_t)1 << STEP_BITS)
#define ACTIVE_ONE ((uint64_t)1 << 2 * STEP_BITS)
#define STEPS_MAX (((uint32_t)1 << STEP_BITS) - 1)

typedef struct it_worker {
    struct it_pool *pool;
    pthread_t thread;
    uint32_t index;
} it_worker;

struct it_pool {
    const intact_alloc *alloc;
    intact_pool outside; /* run: NULL, or does without workers */
    uint32_t threads, started;
    bool spin; /* more processors than threads: waiting busily harms nobody */
    pthread_mutex_t lock;
    pthread_cond_t wake; /* left or quit changed */
    pthread_cond_t idle; /* active became 0 */
    _Atomic bool quit;
    _Atomic uint32_t sleepers;
    _Atomic bool waiting; /* the caller sleeps on idle */

    _Alignas(IT_ALIGN) _Atomic uint64_t state;
    /* the job: written only while no steps are left and nobody is active */
    void (*fn)(void *user, uint32_t begin, uint32_t end, uint32_t thread);
    void *user;
    uint32_t n, step;        /* units, and units of a step */
    _Atomic uint32_t shares; /* of what is left, a thread takes one share at once; a stale value does no harm */

    _Alignas(IT_ALIGN) it_worker workers[]; /* [threads - 1] */
};

static inline uint32_t left_of(uint64_t state) { return (uint32_t)state & STEPS_MAX; }
static inline uint32_t front_of(uint64_t state) { return (uint32_t)(state >> STEP_BITS) & STEPS_MAX; }
static inline uint32_t active_of(uint64_t state) { return (uint32_t)(state >> 2 * STEP_BITS); }

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

/* Steps for a thread: the first into *first, their number returned; 0: none are left. join: the thread becomes active with them. */
static uint32_t take_steps(it_pool *p, uint32_t thread, bool join, uint32_t *first)
{
    uint64_t old = atomic_load(&p->state), next;
    uint32_t take, left;
    do {
        left = left_of(old);
        if (left == 0)
            return 0;
        take = left / atomic_load_explicit(&p->shares, memory_order_relaxed);
        take += take == 0;
        *first = front_of(old) + (thread % 2 ? left - take : 0);
        next = old - take * LEFT_ONE + (thread % 2 ? 0 : take * FRONT_ONE) + (join ? ACTIVE_ONE : 0);
    } while (!atomic_compare_exchange_weak(&p->state, &old, next));
    return take;
}

/* Works until nothing is left; false: there was nothing. */
static bool work(it_pool *p, uint32_t thread, bool join)
{
    uint32_t first = 0, take = take_steps(p, thread, join, &first);
    if (take == 0)
        return false;
    do {
        uint64_t end = ((uint64_t)first + take) * p->step; /* the last step may be short */
        p->fn(p->user, first * p->step, end < p->n ? (uint32_t)end : p->n, thread);
        take = take_steps(p, thread, false, &first);
    } while (take != 0);
    return true;
}

/* Steps are left, or the pool ends. */
static bool has_news(it_pool *p) { return left_of(atomic_load(&p->state)) != 0 || atomic_load(&p->quit); }

static void wait_for_news(it_pool *p)
{
    if (p->spin) {
        int64_t end = now_ns() + SPIN_NS;
        do {
            for (int i = 0; i < SPIN_BATCH; i++) {
                if (left_of(atomic_load(&p->state)) != 0)
                    return;
                cpu_relax();
            }
        } while (!atomic_load(&p->quit) && now_ns() < end);
    }
    pthread_mutex_lock(&p->lock);
    atomic_fetch_add(&p->sleepers, 1);
    while (!has_news(p))
        pthread_cond_wait(&p->wake, &p->lock);
    atomic_fetch_sub(&p->sleepers, 1);
    pthread_mutex_unlock(&p->lock);
}

static void *worker_main(void *arg)
{
    it_worker *w = arg;
    it_pool *p = w->pool;
    while (!atomic_load(&p->quit)) {
        wait_for_news(p);
        if (work(p, w->index, true) && active_of(atomic_fetch_sub(&p->state, ACTIVE_ONE)) == 1 && atomic_load(&p->waiting)) {
            pthread_mutex_lock(&p->lock);
            pthread_cond_signal(&p->idle);
            pthread_mutex_unlock(&p->lock);
        }
    }
    return NULL;
}

/* No steps are left: the caller found none. */
static void wait_until_idle(it_pool *p)
{
    if (active_of(atomic_load(&p->state)) == 0)
        return;
    if (p->spin) {
        int64_t end = now_ns() + SPIN_NS;
        do {
            for (int i = 0; i < SPIN_BATCH; i++) {
                if (active_of(atomic_load(&p->state)) == 0)
                    return;
                cpu_relax();
            }
        } while (now_ns() < end);
    }
    pthread_mutex_lock(&p->lock);
    atomic_store(&p->waiting, true);
    while (active_of(atomic_load(&p->state)) != 0)
        pthread_cond_wait(&p->idle, &p->lock);
    atomic_store(&p->waiting, false);
    pthread_mutex_unlock(&p->lock);
}

/* One part of a loop on the caller's own pool; k is its thread number. */
static void part_run(void *arg, uint32_t k)
{
    it_pool *p = arg;
    if (k < p->threads)
        work(p, k, false);
}

static void wake_sleepers(it_pool *p)
{
    if (atomic_load(&p->sleepers) != 0) {
        pthread_mutex_lock(&p->lock);
        pthread_cond_broadcast(&p->wake);
        pthread_mutex_unlock(&p->lock);
    }
}

static void loop(it_pool *p, uint32_t n, uint32_t step, uint32_t shares, void (*fn)(void *user, uint32_t begin, uint32_t end, uint32_t thread),
                 void *user)
{
    if (n == 0)
        return;
    step = step > n / STEPS_MAX ? step : n / STEPS_MAX + 1;
    if (p->threads == 1 || n <= step) {
        fn(user, 0, n, 0);
        return;
    }
    const uint32_t steps = n / step + (n % step != 0);
    p->fn = fn;
    p->user = user;
    p->n = n;
    p->step = step;
    atomic_store_explicit(&p->shares, shares, memory_order_relaxed);
    atomic_store(&p->state, steps * LEFT_ONE);
    if (p->outside.run)
        p->outside.run(p->outside.user, steps < p->threads ? steps : p->threads, part_run, p);
    else
        wake_sleepers(p);
    work(p, 0, false); /* of an outside pool that did all its parts, nothing is left */
    wait_until_idle(p);
}

void it_pool_for(it_pool *p, uint32_t n, uint32_t chunk, void (*fn)(void *user, uint32_t begin, uint32_t end, uint32_t thread), void *user)
{
    loop(p, n, chunk ? chunk : n / p->threads + (n % p->threads != 0), UINT32_MAX, fn, user);
}

void it_pool_for_even(it_pool *p, uint32_t n, uint32_t least, void (*fn)(void *user, uint32_t begin, uint32_t end, uint32_t thread), void *user)
{
    loop(p, n, least ? least : 1, 2 * p->threads, fn, user);
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

static intact_status pool_open(const intact_alloc *a, uint32_t threads, it_pool **out, intact_error *err)
{
    *out = NULL;
    if (threads > POOL_THREADS_MAX)
        return it_fail(err, INTACT_E_ARG, "threads", "%u threads asked for; at most %d are possible", threads, POOL_THREADS_MAX);
    it_pool *p = it_alloc_zero(a, pool_bytes(threads));
    if (!p)
        return it_fail_nomem(err, "thread pool", pool_bytes(threads));
    p->alloc = a;
    p->threads = threads;
    p->spin = threads <= processors();
    atomic_store(&p->shares, UINT32_MAX);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    pthread_cond_init(&p->idle, NULL);
    *out = p;
    return INTACT_OK;
}

intact_status it_pool_new(const intact_alloc *a, uint32_t threads, it_pool **out, intact_error *err)
{
    it_pool *p;
    IT_TRY(pool_open(a, threads ? threads : 1, out, err));
    p = *out;
    int rc = start_workers(p);
    if (rc != 0) {
        uint32_t started = p->started;
        it_pool_free(p);
        *out = NULL;
        return it_fail(err, INTACT_E_NOMEM, "thread pool", "thread %u of %u did not start: %s; ask for fewer threads", started + 2, threads,
                       strerror(rc));
    }
    return INTACT_OK;
}

intact_status it_pool_outside(const intact_alloc *a, const intact_pool *outside, it_pool **out, intact_error *err)
{
    *out = NULL;
    if (!outside->run || outside->threads == 0)
        return it_fail(err, INTACT_E_ARG, "pool", "%u threads and %s run function given; 1 or more and one are needed", outside->threads,
                       outside->run ? "a" : "no");
    IT_TRY(pool_open(a, outside->threads, out, err));
    (*out)->outside = *outside;
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
