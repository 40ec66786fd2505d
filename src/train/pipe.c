/* SPDX-License-Identifier: Apache-2.0 */
/* pipe.c: a ring of batches. Threads take chunks of samples in order; a slot whose chunks are all there is closed up and given out. */
#include "train/pipe.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>

enum { RING = 4, CHUNK = IT_FEED_BATCH, THREADS_MAX = 64 };

typedef struct slot {
    float *x;                /* [batch][elements] */
    int32_t *label;
    size_t *sample;
    uint32_t *good;          /* [chunk] samples of it that could be read */
    size_t done, chunks;     /* chunks */
    uint32_t skipped;
    size_t failed;           /* the lowest chunk that failed; SIZE_MAX: none */
    intact_error err;
    char why[700];           /* of a skipped sample */
    size_t why_chunk;
} slot;

typedef struct order { uint64_t epoch; bool made; uint32_t *of; } order; /* a permutation of the samples */

struct it_pipe {
    const intact_alloc *alloc;
    it_arena arena;
    it_pipe_spec spec;
    uint64_t steps;
    pthread_mutex_t lock;
    pthread_cond_t room, ready;
    bool quit;
    uint64_t batch;          /* the next chunk to be taken */
    size_t chunk;
    uint64_t given;          /* batches before this one have been given back */
    bool out;                /* batch given - is with the caller */
    slot slots[RING];
    order order;             /* of the epoch that chunks are taken from */
    pthread_t thread[THREADS_MAX];
    uint32_t threads;
    uint8_t *pixels[THREADS_MAX], *spare[THREADS_MAX];
    int64_t waited_ns;
};

typedef struct start { it_pipe *p; uint32_t index; } start;

uint64_t it_pipe_steps(const it_pipe_spec *s)
{
    const uint64_t whole = s->feed->len / s->batch, rest = s->feed->len % s->batch;
    return whole + (rest && rest >= s->parts);
}
int64_t it_pipe_waited_ns(const it_pipe *p) { return p->waited_ns; }

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* A generator for each pair: neighbours in either number have nothing in common. */
static void seed_of(it_rng *r, uint64_t seed, uint64_t epoch, uint64_t what)
{
    it_rng_seed(r, seed);
    it_rng_seed(r, it_rng_next(r) + epoch);
    it_rng_seed(r, it_rng_next(r) + what);
}

static const uint32_t *order_of(it_pipe *p, uint64_t epoch)
{
    order *o = &p->order;
    it_rng r;
    if (o->made && o->epoch == epoch) return o->of;
    seed_of(&r, p->spec.seed, epoch, UINT64_MAX);
    for (uint32_t i = 0; i < p->spec.feed->len; i++) o->of[i] = i;
    for (size_t i = p->spec.feed->len; i > 1; i--) {
        const uint64_t k = it_rng_below(&r, i);
        const uint32_t keep = o->of[i - 1];
        o->of[i - 1] = o->of[k];
        o->of[k] = keep;
    }
    o->epoch = epoch;
    o->made = true;
    return o->of;
}

/* The samples of a batch that are this process's: places of the epoch's order from at on. */
static size_t batch_len(const it_pipe *p, uint64_t batch, size_t *at)
{
    *at = (size_t)(batch % p->steps) * p->spec.batch;
    const size_t rest = p->spec.feed->len - *at, all = rest < p->spec.batch ? rest : p->spec.batch;
    if (!p->spec.parts) return all;
    const size_t from = all * p->spec.part / p->spec.parts, to = all * (p->spec.part + 1) / p->spec.parts;
    *at += from;
    return to - from;
}

/* ---- the threads ---- */

typedef struct task { uint64_t batch, epoch; size_t chunk, len; size_t pick[CHUNK]; slot *s; } task;

/* The next chunk, when its slot is free; false: the pipe ends. The lock is held. */
static bool take(it_pipe *p, task *k)
{
    while (!p->quit && p->batch < p->spec.end && p->batch >= p->given + RING) pthread_cond_wait(&p->room, &p->lock);
    if (p->quit || p->batch >= p->spec.end) return false;
    size_t at;
    const size_t all = batch_len(p, p->batch, &at);
    at += p->chunk * CHUNK;
    *k = (task){ .batch = p->batch, .epoch = p->batch / p->steps, .chunk = p->chunk, .s = &p->slots[p->batch % RING] };
    if (p->chunk == 0) {
        slot *s = k->s;
        s->done = s->skipped = 0;
        s->chunks = (all + CHUNK - 1) / CHUNK;
        s->failed = s->why_chunk = SIZE_MAX;
    }
    k->len = all - p->chunk * CHUNK < CHUNK ? all - p->chunk * CHUNK : CHUNK;
    const uint32_t *of = order_of(p, k->epoch);
    for (size_t i = 0; i < k->len; i++) k->pick[i] = p->spec.feed->pick ? p->spec.feed->pick[of[at + i]] : of[at + i];
    if (++p->chunk == k->s->chunks) {
        p->chunk = 0;
        p->batch++;
    }
    return true;
}

static intact_status make(const it_pipe *p, const task *k, uint32_t thread, it_batch *b, intact_error *err)
{
    const size_t elements = p->spec.feed->elements;
    const it_augment *a = &p->spec.augment;
    float *x = k->s->x + k->chunk * CHUNK * elements;
    it_feed f = *p->spec.feed;
    f.pick = k->pick;
    f.len = k->len;
    if (f.arrays) return it_feed_batch(&f, 0, NULL, x, b, err);
    IT_TRY(it_feed_batch(&f, 0, p->pixels[thread], NULL, b, err));
    for (uint32_t i = 0; i < b->len; i++) {
        it_rng r;
        uint8_t *px = p->pixels[thread] + i * elements;
        seed_of(&r, p->spec.seed, k->epoch, b->sample[i]);
        it_augment_pixels(a, &r, px, p->spare[thread], f.dim[1], f.dim[2], f.dim[0]);
        it_feed_floats(&f, px, x + i * elements);
        it_augment_values(a, &r, x + i * elements, f.dim[1], f.dim[2], f.dim[0]);
    }
    return INTACT_OK;
}

static void put(it_pipe *p, const task *k, const it_batch *b, intact_status st, const intact_error *err)
{
    slot *s = k->s;
    s->good[k->chunk] = st == INTACT_OK ? b->len : 0;
    for (uint32_t i = 0; st == INTACT_OK && i < b->len; i++) {
        s->label[k->chunk * CHUNK + i] = b->label[i];
        s->sample[k->chunk * CHUNK + i] = b->sample[i];
    }
    if (st != INTACT_OK && k->chunk < s->failed) {
        s->failed = k->chunk;
        s->err = *err;
    }
    if (st == INTACT_OK && b->skipped && k->chunk < s->why_chunk) {
        s->why_chunk = k->chunk;
        memcpy(s->why, b->skipped_why, sizeof s->why);
    }
    s->skipped += st == INTACT_OK ? b->skipped : 0;
    if (++s->done == s->chunks) pthread_cond_broadcast(&p->ready);
}

static void *run(void *arg)
{
    start from = *(start *)arg;
    it_pipe *p = from.p;
    task k;
    pthread_mutex_lock(&p->lock);
    while (take(p, &k)) {
        it_batch b;
        intact_error err = { .code = INTACT_OK };
        pthread_mutex_unlock(&p->lock);
        intact_status st = make(p, &k, from.index, &b, &err);
        pthread_mutex_lock(&p->lock);
        put(p, &k, &b, st, &err);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* ---- the caller ---- */

/* Good samples move up to where unreadable ones left room. */
static size_t close_up(const it_pipe *p, slot *s)
{
    const size_t elements = p->spec.feed->elements;
    size_t to = 0;
    for (size_t c = 0; c < s->chunks; c++) {
        const size_t from = c * CHUNK;
        if (to != from) {
            memmove(s->x + to * elements, s->x + from * elements, s->good[c] * elements * sizeof *s->x);
            memmove(s->label + to, s->label + from, s->good[c] * sizeof *s->label);
            memmove(s->sample + to, s->sample + from, s->good[c] * sizeof *s->sample);
        }
        to += s->good[c];
    }
    return to;
}

intact_status it_pipe_next(it_pipe *p, it_pipe_batch *out, intact_error *err)
{
    pthread_mutex_lock(&p->lock);
    if (p->out) {
        p->given++;
        p->out = false;
        pthread_cond_broadcast(&p->room);
    }
    const uint64_t batch = p->given;
    slot *s = &p->slots[batch % RING];
    if (batch >= p->spec.end) {
        pthread_mutex_unlock(&p->lock);
        return it_fail(err, INTACT_E_ARG, "training data", "all %llu batches were given out", (unsigned long long)p->spec.end);
    }
    const int64_t from = now_ns();
    while (p->batch <= batch || s->done < s->chunks) pthread_cond_wait(&p->ready, &p->lock);
    p->waited_ns += now_ns() - from;
    p->out = true;
    pthread_mutex_unlock(&p->lock);
    if (s->failed != SIZE_MAX) {
        if (err) *err = s->err;
        return s->err.code;
    }
    *out = (it_pipe_batch){ .len = close_up(p, s), .x = s->x, .label = s->label, .sample = s->sample, .skipped = s->skipped };
    if (out->len == 0) return it_fail(err, INTACT_E_DATA, "training data", "none of %u samples could be read; the first: %s", s->skipped, s->why);
    return INTACT_OK;
}

static intact_status allocate(it_pipe *p, intact_error *err)
{
    const it_feed *f = p->spec.feed;
    const size_t chunks = (p->spec.batch + CHUNK - 1) / CHUNK, room = chunks * CHUNK;
    bool good = true;
    for (int i = 0; i < RING; i++) {
        slot *s = &p->slots[i];
        s->x = it_arena_new(&p->arena, room * f->elements * sizeof *s->x);
        s->label = it_arena_new(&p->arena, room * sizeof *s->label);
        s->sample = it_arena_new(&p->arena, room * sizeof *s->sample);
        s->good = it_arena_new(&p->arena, chunks * sizeof *s->good);
        s->chunks = SIZE_MAX;
        good = good && s->x && s->label && s->sample && s->good;
    }
    p->order.of = it_arena_new(&p->arena, f->len * sizeof(uint32_t));
    good = good && p->order.of;
    for (uint32_t i = 0; i < p->threads; i++) {
        p->pixels[i] = it_arena_new(&p->arena, CHUNK * f->elements);
        p->spare[i] = it_arena_new(&p->arena, f->elements);
        good = good && p->pixels[i] && p->spare[i];
    }
    return good ? INTACT_OK : it_fail_nomem(err, "training data", RING * room * f->elements * sizeof(float));
}

/* They block every signal, as the pool's workers do. */
static intact_status start_all(it_pipe *p, intact_error *err)
{
    sigset_t all, old;
    int rc = 0;
    const uint32_t wanted = p->threads;
    start *at = it_arena_new(&p->arena, wanted * sizeof *at);
    if (!at) {
        p->threads = 0;
        return it_fail_nomem(err, "training data", wanted * sizeof *at);
    }
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    for (p->threads = 0; p->threads < wanted && rc == 0; p->threads += rc == 0) {
        at[p->threads] = (start){ p, p->threads };
        rc = pthread_create(&p->thread[p->threads], NULL, run, &at[p->threads]);
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return rc == 0 ? INTACT_OK : it_fail(err, INTACT_E_NOMEM, "training data", "thread %u did not start: %s", p->threads + 1, strerror(rc));
}

intact_status it_pipe_open(const intact_alloc *a, const it_pipe_spec *s, it_pipe **out, intact_error *err)
{
    *out = NULL;
    if (s->feed->len == 0 || s->feed->len > UINT32_MAX || s->batch == 0)
        return it_fail(err, INTACT_E_DATA, "training data", "%zu samples in batches of %zu; 1 to 4294967295 samples are possible", s->feed->len, s->batch);
    if (s->feed->arrays && it_augment_any(&s->augment))
        return it_fail(err, INTACT_E_ARG, "training data", "the samples are arrays of numbers; augmentations are for images");
    it_pipe *p = it_alloc_zero(a, sizeof *p);
    if (!p) return it_fail_nomem(err, "training data", sizeof *p);
    p->alloc = a;
    p->spec = *s;
    p->steps = it_pipe_steps(s);
    p->threads = s->threads ? (s->threads < THREADS_MAX ? s->threads : THREADS_MAX) : 1;
    p->batch = p->given = s->first;
    it_arena_init(&p->arena, a);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->room, NULL);
    pthread_cond_init(&p->ready, NULL);
    intact_status st = allocate(p, err);
    if (st != INTACT_OK)
        p->threads = 0;
    else
        st = start_all(p, err);
    if (st != INTACT_OK) {
        it_pipe_close(p);
        return st;
    }
    *out = p;
    return INTACT_OK;
}

void it_pipe_close(it_pipe *p)
{
    if (!p) return;
    pthread_mutex_lock(&p->lock);
    p->quit = true;
    pthread_cond_broadcast(&p->room);
    pthread_mutex_unlock(&p->lock);
    for (uint32_t i = 0; i < p->threads; i++) pthread_join(p->thread[i], NULL);
    pthread_cond_destroy(&p->room);
    pthread_cond_destroy(&p->ready);
    pthread_mutex_destroy(&p->lock);
    it_arena_release(&p->arena);
    it_alloc_free(p->alloc, p, sizeof *p);
}
