/* SPDX-License-Identifier: Apache-2.0 */
/* test_session.c: running: no allocation, the same bytes everywhere, buffers shared safely, every failed allocation survived. */
#include "run/helpers.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- every allocation of the process is counted, where the C library lets us stand in front of it ---- */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif

static atomic_long allocations;

#if defined(__GLIBC__) && !defined(SANITIZED)
#define COUNTED 1
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t m);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t a, size_t n);
void *malloc(size_t n) { atomic_fetch_add(&allocations, 1); return __libc_malloc(n); }
void *calloc(size_t n, size_t m) { atomic_fetch_add(&allocations, 1); return __libc_calloc(n, m); }
void *realloc(void *p, size_t n) { atomic_fetch_add(&allocations, 1); return __libc_realloc(p, n); }
void *aligned_alloc(size_t a, size_t n) { atomic_fetch_add(&allocations, 1); return __libc_memalign(a, n); }
#else
#define COUNTED 0
#endif

static blob net_blob(uint64_t seed)
{
    it_prog p;
    it_prog_init(&p, NULL);
    net_small(&p, seed);
    blob b = blob_of(&p);
    it_prog_release(&p);
    return b;
}

static intact_session *session_of(const intact_program *p, const intact_session_options *opt)
{
    intact_session *s;
    intact_error e;
    if (intact_session_new(p, opt, &s, &e) != INTACT_OK)
        fail_msg("session: %s: %s", e.where, e.message);
    return s;
}

static void fill_images(uint8_t *to, size_t n, uint64_t seed)
{
    it_rng r;
    it_rng_seed(&r, seed);
    for (size_t k = 0; k < n; k++)
        to[k] = (uint8_t)it_rng_below(&r, 256);
}

static void run_allocates_nothing(void **state)
{
    (void)state;
    blob b = net_blob(1);
    for (int cpu = INTACT_CPU_SCALAR; cpu < INTACT_CPU_COUNT; cpu++)
        for (uint32_t threads = 1; threads <= 3; threads++) {
            if (!has_level(cpu))
                continue;
            fail_at f = { .left = -1 };
            intact_alloc a = { fail_grow, &f };
            intact_program *p = load_blob(&b, (intact_cpu)cpu, &a);
            intact_session *s = session_of(p, &(intact_session_options){ .batch = 4, .threads = threads });
            static _Alignas(64) uint8_t in[4 * NET_SMALL_IN];
            static int16_t out[4 * NET_SMALL_OUT];
            const void *ins[] = { in };
            void *outs[] = { out };
            long calls = f.calls, all = atomic_load(&allocations);
            for (int k = 0; k < 5; k++)
                if (intact_session_run(s, ins, 1, outs, 1, NULL) != INTACT_OK)
                    fail_msg("run");
            long all_after = atomic_load(&allocations);
            assert_int_equal(f.calls, calls);
            assert_int_equal(all_after, all);
            intact_session_free(s);
            intact_program_free(p);
            assert_int_equal(f.live, 0);
        }
    assert_true(!COUNTED || atomic_load(&allocations) > 0); /* the counter counts */
    blob_free(&b);
}

/* SHA-256 of the outputs of four small networks. They change only when a definition does, and that is a new format version. */
static void golden_outputs(void **state)
{
    static const char *const golden = "fb2ffe2ffaf6b67ec7c3720a91ef151983b93a2f9e0d4f645554c2ffa2a460dd";
    (void)state;
    for (int cpu = INTACT_CPU_SCALAR; cpu < INTACT_CPU_COUNT; cpu++) {
        if (!has_level(cpu))
            continue;
        it_sha256 h;
        it_sha256_init(&h);
        for (uint64_t seed = 1; seed <= 4; seed++) {
            blob b = net_blob(seed);
            intact_program *p = load_blob(&b, (intact_cpu)cpu, NULL);
            intact_session *s = session_of(p, &(intact_session_options){ .batch = 8, .threads = 2 });
            uint8_t in[8 * NET_SMALL_IN];
            int16_t out[8 * NET_SMALL_OUT];
            fill_images(in, sizeof in, seed);
            assert_int_equal(intact_session_run(s, (const void *const[]){ in }, 1, (void *const[]){ out }, 1, NULL), INTACT_OK);
            it_sha256_add(&h, out, sizeof out);
            intact_session_free(s);
            intact_program_free(p);
            blob_free(&b);
        }
        char hex[65];
        it_sha256_hex(&h, hex);
        assert_string_equal(hex, golden);
    }
}

static void batch_equals_singles(void **state)
{
    (void)state;
    enum { N = 5 };
    blob b = net_blob(3);
    intact_program *p = load_blob(&b, INTACT_CPU_AUTO, NULL);
    uint8_t in[N * NET_SMALL_IN];
    int16_t all[N * NET_SMALL_OUT], one[NET_SMALL_OUT];
    fill_images(in, sizeof in, 8);
    intact_session *s = session_of(p, &(intact_session_options){ .batch = N, .threads = 3 }), *t = session_of(p, NULL);
    assert_int_equal(intact_session_run(s, (const void *const[]){ in }, 1, (void *const[]){ all }, 1, NULL), INTACT_OK);
    for (int k = 0; k < N; k++) {
        assert_int_equal(intact_session_run(t, (const void *const[]){ in + k * NET_SMALL_IN }, 1, (void *const[]){ one }, 1, NULL),
                         INTACT_OK);
        assert_memory_equal(one, all + k * NET_SMALL_OUT, sizeof one);
    }
    assert_true(memcmp(all, all + NET_SMALL_OUT, sizeof one) != 0); /* different images, different scores */
    intact_program_info info;
    intact_program_get_info(p, &info);
    assert_true(intact_session_bytes(t) >= info.peak_bytes && intact_session_bytes(s) >= N * info.peak_bytes);
    intact_session_free(s);
    intact_session_free(t);
    intact_program_free(p);
    blob_free(&b);
}

typedef struct probe_log { uint32_t calls; size_t bytes[16]; uint64_t ns; } probe_log;

static void on_probe(void *user, uint32_t step, const void *data, size_t bytes, uint64_t nanoseconds)
{
    probe_log *l = user;
    assert_int_equal(step, l->calls);
    assert_non_null(data);
    l->bytes[l->calls++] = bytes;
    l->ns += nanoseconds;
}

static void probe_sees_every_step(void **state)
{
    (void)state;
    blob b = net_blob(2);
    intact_program *p = load_blob(&b, INTACT_CPU_AUTO, NULL);
    probe_log l = { 0 };
    intact_session *s = session_of(p, &(intact_session_options){ .batch = 2, .probe = on_probe, .probe_user = &l });
    uint8_t in[2 * NET_SMALL_IN] = { 0 };
    int16_t out[2 * NET_SMALL_OUT];
    assert_int_equal(intact_session_run(s, (const void *const[]){ in }, 1, (void *const[]){ out }, 1, NULL), INTACT_OK);
    assert_int_equal(l.calls, intact_program_steps(p));
    for (uint32_t k = 0; k < l.calls; k++) {
        intact_step step;
        assert_int_equal(intact_program_step(p, k, &step), INTACT_OK);
        assert_int_equal(l.bytes[k], 2 * step.out_elements * intact_type_bytes(step.out_type));
    }
    assert_true(l.ns > 0);
    intact_session_free(s);
    intact_program_free(p);
    blob_free(&b);
}

static void argument_errors(void **state)
{
    (void)state;
    blob b = net_blob(1);
    intact_program *p = load_blob(&b, INTACT_CPU_AUTO, NULL);
    intact_session *s;
    intact_error e;
    assert_int_equal(intact_session_new(NULL, NULL, &s, &e), INTACT_E_ARG);
    assert_int_equal(intact_session_new(p, &(intact_session_options){ .batch = UINT32_MAX }, &s, &e), INTACT_E_ARG);
    assert_int_equal(intact_session_new(p, &(intact_session_options){ .threads = UINT32_MAX }, &s, &e), INTACT_E_ARG);
    assert_null(s);
    s = session_of(p, NULL);
    uint8_t in[NET_SMALL_IN] = { 0 };
    int16_t out[NET_SMALL_OUT + 1];
    const void *ins[] = { in, in };
    void *outs[] = { out, out };
    assert_int_equal(intact_session_run(NULL, ins, 1, outs, 1, &e), INTACT_E_ARG);
    assert_int_equal(intact_session_run(s, ins, 2, outs, 1, &e), INTACT_E_ARG);
    assert_int_equal(intact_session_run(s, ins, 1, outs, 0, &e), INTACT_E_ARG);
    assert_int_equal(intact_session_run(s, NULL, 1, outs, 1, &e), INTACT_E_ARG);
    assert_int_equal(intact_session_run(s, ins, 1, NULL, 1, &e), INTACT_E_ARG);
    assert_int_equal(intact_session_run(s, (const void *const[]){ NULL }, 1, outs, 1, &e), INTACT_E_ARG);
    assert_int_equal(intact_session_run(s, ins, 1, (void *const[]){ NULL }, 1, &e), INTACT_E_ARG);
    assert_int_equal(intact_session_run(s, ins, 1, (void *const[]){ (uint8_t *)out + 1 }, 1, &e), INTACT_E_ARG); /* s16 at an odd address */
    assert_int_equal(intact_session_run(s, ins, 1, outs, 1, &e), INTACT_OK);
    intact_session_free(s);
    intact_session_free(NULL);
    intact_program_free(p);
    blob_free(&b);
}

static intact_status scenario(const blob *b, const intact_alloc *a)
{
    intact_program *p;
    IT_TRY(intact_program_load_memory(b->bytes, b->len, &(intact_load_options){ .alloc = a, .threads = 2 }, &p, NULL));
    intact_session *s;
    intact_status st = intact_session_new(p, &(intact_session_options){ .batch = 3, .threads = 2 }, &s, NULL);
    if (st == INTACT_OK) {
        uint8_t in[3 * NET_SMALL_IN] = { 0 };
        int16_t out[3 * NET_SMALL_OUT];
        st = intact_session_run(s, (const void *const[]){ in }, 1, (void *const[]){ out }, 1, NULL);
        intact_session_free(s);
    }
    intact_program_free(p);
    return st;
}

static void every_allocation_fails_once(void **state)
{
    (void)state;
    blob b = net_blob(1);
    intact_status st = INTACT_E_NOMEM;
    long n = 0;
    for (; st == INTACT_E_NOMEM; n++) {
        fail_at f = { .left = n };
        st = scenario(&b, &(intact_alloc){ fail_grow, &f });
        assert_int_equal(f.live, 0);
    }
    assert_int_equal(st, INTACT_OK);
    assert_true(n > 10);
    blob_free(&b);
}

/* ---- buffers ---- */

enum { LEN = 300 };

static uint32_t vec(it_prog *p, const char *name, intact_type type) { return NET_TENSOR(p, name, type, 0, 1, LEN); }

/* y = x + step, saturated */
static void emit_plus(it_prog *p, const char *name, uint32_t x, uint32_t y, int32_t step)
{
    uint8_t t[256];
    for (int k = 0; k < 256; k++)
        t[k] = (uint8_t)(k + step > 255 ? 255 : k + step);
    net_emit(p, &it_instr_lut, name, &x, 1, y, &(it_lut_args){ net_const(p, INTACT_U8, 256, t) });
}

/* A chain of in-place steps needs one buffer; its input, the caller's, is never written. */
static void chain_runs_in_place(void **state)
{
    (void)state;
    it_prog p;
    it_prog_init(&p, NULL);
    uint32_t x = vec(&p, "x", INTACT_U8), v = x, y;
    for (int k = 0; k < 6; k++) {
        y = vec(&p, "v", INTACT_U8);
        emit_plus(&p, "plus", v, y, 2);
        v = y;
    }
    net_ports(&p, &x, 1, &v, 1);
    blob b = blob_of(&p);
    intact_program *g = load_blob(&b, INTACT_CPU_AUTO, NULL);
    intact_program_info info;
    intact_program_get_info(g, &info);
    assert_int_equal(info.peak_bytes, it_round_up(LEN, 64));
    uint8_t in[LEN], was[LEN], out[LEN];
    fill_images(in, LEN, 3);
    memcpy(was, in, LEN);
    intact_session *s = session_of(g, NULL);
    assert_int_equal(intact_session_run(s, (const void *const[]){ in }, 1, (void *const[]){ out }, 1, NULL), INTACT_OK);
    assert_memory_equal(in, was, LEN);
    for (int k = 0; k < LEN; k++)
        assert_int_equal(out[k], in[k] + 12 > 255 ? 255 : in[k] + 12);
    intact_session_free(s);
    intact_program_free(g);
    blob_free(&b);
    it_prog_release(&p);
}

/* Outputs: an input itself, a value that is read again, one wanted three times, one wanted once. */
static void outputs_of_all_kinds(void **state)
{
    (void)state;
    it_prog p;
    it_prog_init(&p, NULL);
    uint32_t x = vec(&p, "x", INTACT_U8), a = vec(&p, "a", INTACT_U8), b = vec(&p, "b", INTACT_U8), c = vec(&p, "c", INTACT_U8);
    emit_plus(&p, "a", x, a, 1);
    emit_plus(&p, "b", a, b, 10);
    emit_plus(&p, "c", a, c, 100);
    const uint32_t outs[] = { x, a, b, b, c, b };
    net_ports(&p, &x, 1, outs, IT_LEN(outs));
    blob f = blob_of(&p);
    intact_program *g = load_blob(&f, INTACT_CPU_AUTO, NULL);
    intact_session *s = session_of(g, &(intact_session_options){ .batch = 2 });
    static const int plus[] = { 0, 1, 11, 11, 101, 11 };
    uint8_t in[2 * LEN], out[IT_LEN(outs)][2 * LEN];
    fill_images(in, sizeof in, 4);
    assert_int_equal(
        intact_session_run(s, (const void *const[]){ in }, 1, (void *const[]){ out[0], out[1], out[2], out[3], out[4], out[5] }, 6, NULL),
        INTACT_OK);
    for (size_t o = 0; o < IT_LEN(outs); o++)
        for (int k = 0; k < 2 * LEN; k++)
            assert_int_equal(out[o][k], in[k] + plus[o] > 255 ? 255 : in[k] + plus[o]);
    intact_session_free(s);
    intact_program_free(g);
    blob_free(&f);
    it_prog_release(&p);
}

/* -32768 is no code: as an input it counts as -32767. */
static void least_s16_input(void **state)
{
    (void)state;
    it_prog p;
    it_prog_init(&p, NULL);
    uint32_t x = vec(&p, "x", INTACT_S16), y = vec(&p, "y", INTACT_S16);
    net_emit(&p, &it_instr_requantize, "same", &x, 1, y, &(it_requantize_args){ 1 << 30, 30, -32767, 32767 });
    net_ports(&p, &x, 1, (uint32_t[]){ y, x }, 2);
    int16_t in[LEN], out[2][LEN];
    for (int k = 0; k < LEN; k++)
        in[k] = k % 3 ? (int16_t)(k - 200) : INT16_MIN;
    blob f = blob_of(&p);
    intact_program *g = load_blob(&f, INTACT_CPU_AUTO, NULL);
    intact_session *s = session_of(g, NULL);
    assert_int_equal(intact_session_run(s, (const void *const[]){ in }, 1, (void *const[]){ out[0], out[1] }, 2, NULL), INTACT_OK);
    for (int k = 0; k < LEN; k++) {
        assert_int_equal(out[0][k], k % 3 ? k - 200 : -32767);
        assert_int_equal(out[1][k], out[0][k]);
    }
    intact_session_free(s);
    intact_program_free(g);
    blob_free(&f);
    it_prog_release(&p);
}

/* Random graphs of additions and tables: whatever the planner shares, the values are those of running each step alone. */
static void random_graphs(void **state)
{
    (void)state;
    enum { VALUES = 24 };
    it_rng r;
    it_rng_seed(&r, 12);
    for (int round = 0; round < 60; round++) {
        it_prog p;
        it_prog_init(&p, NULL);
        static uint8_t v[VALUES][LEN];
        uint32_t t[VALUES], outs[3];
        t[0] = vec(&p, "x", INTACT_U8);
        fill_images(v[0], LEN, (uint64_t)round);
        for (int k = 1; k < VALUES; k++) {
            uint64_t a = (uint64_t)k - 1 - it_rng_below(&r, (uint64_t)(k < 4 ? k : 4)), b = it_rng_below(&r, (uint64_t)k);
            t[k] = vec(&p, "v", INTACT_U8);
            if (it_rng_below(&r, 2)) {
                emit_plus(&p, "plus", t[a], t[k], 3);
                for (int j = 0; j < LEN; j++)
                    v[k][j] = (uint8_t)(v[a][j] > 252 ? 255 : v[a][j] + 3);
            } else { /* half the sum */
                net_emit(&p, &it_instr_add, "add", (uint32_t[]){ t[a], t[b] }, 2, t[k], &(it_add_args){ 1 << 30, 1 << 30, 31, 0, 255 });
                for (int j = 0; j < LEN; j++)
                    v[k][j] = (uint8_t)((v[a][j] + v[b][j] + 1) / 2);
            }
        }
        int which[3] = { VALUES - 1, (int)it_rng_below(&r, VALUES), (int)it_rng_below(&r, VALUES) };
        for (int k = 0; k < 3; k++)
            outs[k] = t[which[k]];
        net_ports(&p, t, 1, outs, 3);
        blob f = blob_of(&p);
        intact_program *g = load_blob(&f, INTACT_CPU_AUTO, NULL);
        intact_session *s = session_of(g, &(intact_session_options){ .threads = 2 });
        uint8_t out[3][LEN];
        assert_int_equal(intact_session_run(s, (const void *const[]){ v[0] }, 1, (void *const[]){ out[0], out[1], out[2] }, 3, NULL),
                         INTACT_OK);
        for (int k = 0; k < 3; k++)
            assert_memory_equal(out[k], v[which[k]], LEN);
        intact_session_free(s);
        intact_program_free(g);
        blob_free(&f);
        it_prog_release(&p);
    }
}

typedef struct user { const intact_program *p; int16_t out[NET_SMALL_OUT]; } user;

static void *use(void *arg)
{
    user *u = arg;
    uint8_t in[NET_SMALL_IN];
    fill_images(in, sizeof in, 5);
    intact_session *s;
    if (intact_session_new(u->p, &(intact_session_options){ .threads = 2 }, &s, NULL) != INTACT_OK)
        return NULL;
    for (int k = 0; k < 20; k++)
        if (intact_session_run(s, (const void *const[]){ in }, 1, (void *const[]){ u->out }, 1, NULL) != INTACT_OK)
            break;
    intact_session_free(s);
    return NULL;
}

static void sessions_share_a_program(void **state)
{
    (void)state;
    blob b = net_blob(4);
    intact_program *p = load_blob(&b, INTACT_CPU_AUTO, NULL);
    user u[3] = { { .p = p }, { .p = p }, { .p = p } };
    pthread_t t[3];
    for (int k = 0; k < 3; k++)
        assert_int_equal(pthread_create(&t[k], NULL, use, &u[k]), 0);
    for (int k = 0; k < 3; k++)
        pthread_join(t[k], NULL);
    assert_memory_equal(u[0].out, u[1].out, sizeof u[0].out);
    assert_memory_equal(u[0].out, u[2].out, sizeof u[0].out);
    intact_program_free(p);
    blob_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(run_allocates_nothing), cmocka_unit_test(golden_outputs),       cmocka_unit_test(batch_equals_singles),
        cmocka_unit_test(probe_sees_every_step), cmocka_unit_test(argument_errors),      cmocka_unit_test(every_allocation_fails_once),
        cmocka_unit_test(chain_runs_in_place),   cmocka_unit_test(outputs_of_all_kinds), cmocka_unit_test(least_s16_input),
        cmocka_unit_test(random_graphs),         cmocka_unit_test(sessions_share_a_program),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
