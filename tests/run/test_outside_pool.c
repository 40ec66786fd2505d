/* SPDX-License-Identifier: Apache-2.0 */
/* test_outside_pool.c: sessions on the caller's own threads: in order, backwards, at once, and by one part alone give the same bytes. */
#include "run/helpers.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 96, PARTS_MAX = 8 };

typedef struct crew {
    uint32_t threads, calls, count_max;
    atomic_bool wrong;
} crew;

static void note(crew *c, uint32_t count)
{
    c->calls++;
    c->count_max = count > c->count_max ? count : c->count_max;
    if (count == 0 || count > c->threads)
        atomic_store(&c->wrong, true);
}

static void run_in_order(void *user, uint32_t count, void (*fn)(void *arg, uint32_t k), void *arg)
{
    note(user, count);
    for (uint32_t k = 0; k < count; k++)
        fn(arg, k);
}

static void run_backwards(void *user, uint32_t count, void (*fn)(void *arg, uint32_t k), void *arg)
{
    note(user, count);
    for (uint32_t k = count; k-- > 0;)
        fn(arg, k);
}

typedef struct part {
    void (*fn)(void *arg, uint32_t k);
    void *arg;
    uint32_t k;
} part;

static void *part_main(void *p)
{
    part *q = p;
    q->fn(q->arg, q->k);
    return NULL;
}

static void run_at_once(void *user, uint32_t count, void (*fn)(void *arg, uint32_t k), void *arg)
{
    crew *c = user;
    pthread_t threads[PARTS_MAX];
    part parts[PARTS_MAX];
    note(c, count);
    for (uint32_t k = 0; k < count; k++) {
        parts[k] = (part){ fn, arg, k };
        if (pthread_create(&threads[k], NULL, part_main, &parts[k]) != 0) {
            atomic_store(&c->wrong, true);
            count = k;
        }
    }
    for (uint32_t k = 0; k < count; k++)
        pthread_join(threads[k], NULL);
}

/* Against the rules, but not a reason for wrong results. */
static void run_only_last(void *user, uint32_t count, void (*fn)(void *arg, uint32_t k), void *arg)
{
    note(user, count);
    fn(arg, count - 1);
}
static void run_none(void *user, uint32_t count, void (*fn)(void *arg, uint32_t k), void *arg)
{
    (void)fn;
    (void)arg;
    note(user, count);
}

typedef void run_fn(void *user, uint32_t count, void (*fn)(void *arg, uint32_t k), void *arg);
static run_fn *const ways[] = { run_in_order, run_backwards, run_at_once, run_only_last, run_none };

/* The program reads its constants from `b`, which must outlive it. */
static intact_program *net_program(blob *b, intact_cpu cpu)
{
    it_prog p;
    it_prog_init(&p, NULL);
    net_small(&p, 5);
    *b = blob_of(&p);
    it_prog_release(&p);
    return load_blob(b, cpu, NULL);
}

static void run_once(const intact_program *p, const intact_session_options *opt, const uint8_t *in, int16_t *out)
{
    intact_session *s;
    const void *ins[] = { in };
    void *outs[] = { out };
    assert_int_equal(intact_session_new(p, opt, &s, NULL), INTACT_OK);
    for (int k = 0; k < 2; k++) {
        memset(out, 0x55, BATCH * NET_SMALL_OUT * sizeof *out);
        assert_int_equal(intact_session_run(s, ins, 1, outs, 1, NULL), INTACT_OK);
    }
    intact_session_free(s);
}

static void same_bytes(void **state)
{
    (void)state;
    static _Alignas(64) uint8_t in[BATCH * NET_SMALL_IN];
    static int16_t want[BATCH * NET_SMALL_OUT], have[BATCH * NET_SMALL_OUT];
    it_rng r;
    it_rng_seed(&r, 9);
    for (size_t k = 0; k < sizeof in; k++)
        in[k] = (uint8_t)it_rng_below(&r, 256);
    blob b;
    intact_program *p = net_program(&b, INTACT_CPU_AUTO);
    run_once(p, &(intact_session_options){ .batch = BATCH }, in, want);
    for (size_t w = 0; w < IT_LEN(ways); w++)
        for (uint32_t threads = 1; threads <= PARTS_MAX; threads += threads == 3 ? 5 : 1) {
            crew c = { .threads = threads };
            intact_pool pool = { .threads = threads, .run = ways[w], .user = &c };
            run_once(p, &(intact_session_options){ .batch = BATCH, .threads = 1000000, .pool = &pool }, in, have);
            assert_memory_equal(have, want, sizeof want);
            assert_false(atomic_load(&c.wrong));
            assert_true(threads == 1 ? c.calls == 0 : c.calls > 0 && c.count_max > 1);
        }
    intact_program_free(p);
    blob_free(&b);
}

static void refusals(void **state)
{
    (void)state;
    blob b;
    intact_program *p = net_program(&b, INTACT_CPU_SCALAR);
    intact_session *s;
    intact_error e;
    const intact_pool bad[] = { { .threads = 0, .run = run_in_order }, { .threads = 2 }, { .threads = 1025, .run = run_in_order } };
    for (size_t k = 0; k < IT_LEN(bad); k++) {
        assert_int_equal(intact_session_new(p, &(intact_session_options){ .pool = &bad[k] }, &s, &e), INTACT_E_ARG);
        assert_null(s);
    }
    assert_string_equal(e.message, "1025 threads asked for; at most 1024 are possible");
    intact_program_free(p);
    blob_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(same_bytes), cmocka_unit_test(refusals) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
