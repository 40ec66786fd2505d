/* SPDX-License-Identifier: Apache-2.0 */
/* test_threads.c: work that is worth it is shared: every kind of instruction, also fused ones and those in another's memory, gives the same
** bytes on several threads at every level; and each one's loop was indeed given to more than one. */
#include "run/helpers.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "run/machine.h"

/* A sample has more to do than what is done at once: 2^18 multiply-accumulates (mac.c), 96 KiB (rows.h). */
enum { H = 40, W = 32, C = 64, HWC = H * W * C, STEPS_MAX = 16, THREADS_MAX = 3 };

typedef struct net { it_prog p; it_rng r; uint32_t x; } net;

/* Every value has the same scale and zero point, so that any may be joined. h 0: rank 2. */
static uint32_t value(net *n, intact_type type, uint32_t h, uint32_t w, uint32_t c)
{
    const int32_t zero = type == INTACT_U8 ? 100 : 0;
    return h ? NET_TENSOR(&n->p, "v", type, zero, 1, h, w, c) : NET_TENSOR(&n->p, "v", type, zero, 1, c);
}

static net net_new(intact_type type, uint32_t h, uint32_t w, uint32_t c)
{
    net n;
    it_prog_init(&n.p, NULL);
    it_rng_seed(&n.r, 77);
    n.x = value(&n, type, h, w, c);
    return n;
}

static it_ptensor of(const net *n, uint32_t t) { return n->p.tensors.items[t]; }
static uint32_t like(net *n, uint32_t x, intact_type type)
{
    const it_ptensor t = of(n, x);
    return t.rank == 4 ? value(n, type, t.dims[1], t.dims[2], t.dims[3]) : value(n, type, 0, 0, t.dims[1]);
}
static int32_t low(intact_type type) { return type == INTACT_U8 ? 0 : -32767; }
static int32_t high(intact_type type) { return type == INTACT_U8 ? 255 : 32767; }

static uint32_t one(net *n, const it_instr *kind, uint32_t x, uint32_t y, const void *args)
{
    net_emit(&n->p, kind, kind->name, &x, 1, y, args);
    return y;
}

static uint32_t two(net *n, const it_instr *kind, uint32_t a, uint32_t b, const void *args)
{
    uint32_t y = like(n, a, of(n, a).type);
    net_emit(&n->p, kind, kind->name, (uint32_t[]){ a, b }, 2, y, args);
    return y;
}

/* c 0: depthwise. */
static uint32_t layer(net *n, uint32_t x, uint32_t c, uint32_t k, bool acc64)
{
    const it_ptensor t = of(n, x);
    const bool dw = c == 0;
    const uint32_t pad = k / 2;
    uint32_t y = value(n, t.type, t.dims[1], t.dims[2], dw ? t.dims[3] : c);
    net_mac m = net_random_mac(&n->p, &n->r, t.type, t.type, dw ? t.dims[3] : c, (uint64_t)k * k * (dw ? 1 : t.dims[3]), dw, acc64);
    it_conv_args a = { 1, k, k, 1, 1, 1, 1, pad, pad, pad, pad, m.weight, m.bias, m.mult, m.shift, low(t.type), high(t.type), acc64,
                       IT_NO_LEVELS };
    return one(n, dw ? &it_instr_dwconv : &it_instr_conv, x, y, &a);
}
static uint32_t conv(net *n, uint32_t x, uint32_t c) { return layer(n, x, c, 1, false); }
static uint32_t dwconv(net *n, uint32_t x) { return layer(n, x, 0, 3, false); }

static uint32_t dense(net *n, uint32_t x, uint32_t o)
{
    const it_ptensor t = of(n, x);
    net_mac m = net_random_mac(&n->p, &n->r, t.type, t.type, o, it_ptensor_elements(&t), false, false);
    it_dense_args a = { m.weight, m.bias, m.mult, m.shift, low(t.type), high(t.type), 0, IT_NO_LEVELS };
    return one(n, &it_instr_dense, x, value(n, t.type, 0, 0, o), &a);
}

static uint32_t lut(net *n, uint32_t x, intact_type type)
{
    int16_t t[513];
    random_codes(&n->r, type, t, 513);
    const uint32_t len = of(n, x).type == INTACT_U8 ? 256 : 513;
    return one(n, &it_instr_lut, x, like(n, x, type), &(it_lut_args){ net_const(&n->p, type, len, t) });
}

static uint32_t requantize(net *n, uint32_t x, intact_type type)
{
    const int32_t from = of(n, x).type == INTACT_S16 ? 8 : 0, to = type == INTACT_S16 ? 8 : 0;
    it_requantize_args a = { random_between(&n->r, 1 << 30, INT32_MAX), (uint32_t)(31 + from - to), low(type), high(type) };
    return one(n, &it_instr_requantize, x, like(n, x, type), &a);
}

static uint32_t add(net *n, uint32_t a, uint32_t b)
{
    const intact_type type = of(n, a).type;
    it_add_args args = { random_between(&n->r, 1 << 29, 1 << 30), random_between(&n->r, 1 << 29, 1 << 30), 30, low(type), high(type) };
    return two(n, &it_instr_add, a, b, &args);
}

static uint32_t mul(net *n, uint32_t a, uint32_t b)
{
    it_mul_args args = { random_between(&n->r, 1 << 30, INT32_MAX), 38, 0, 255 };
    return two(n, &it_instr_mul, a, b, &args);
}

static uint32_t maxpool(net *n, uint32_t x)
{
    const intact_type type = of(n, x).type;
    return one(n, &it_instr_maxpool, x, like(n, x, type), &(it_maxpool_args){ 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, low(type), high(type) });
}

/* Along channels. */
static uint32_t join(net *n, const uint32_t *in, uint32_t len)
{
    const it_ptensor t = of(n, in[0]);
    uint32_t c = 0;
    for (uint32_t k = 0; k < len; k++)
        c += of(n, in[k]).dims[3];
    uint32_t y = value(n, t.type, t.dims[1], t.dims[2], c);
    net_emit(&n->p, &it_instr_concat, "concat", in, len, y, &(it_concat_args){ 3 });
    return y;
}
#define JOIN(n, ...) join((n), (uint32_t[]){ __VA_ARGS__ }, (uint32_t)IT_LEN(((uint32_t[]){ __VA_ARGS__ })))

/* Channels [from, from + len). */
static uint32_t slice(net *n, uint32_t x, uint32_t from, uint32_t len)
{
    const it_ptensor t = of(n, x);
    const int32_t w = (int32_t)t.dims[2], c = (int32_t)t.dims[3];
    it_copy_args a = { 1, 1, 1, t.dims[1], t.dims[2], len, 0, 0, 0, w * c, c, 1, from };
    return one(n, &it_instr_copy, x, value(n, t.type, t.dims[1], t.dims[2], len), &a);
}

/* ---- on the caller's threads ---- */

typedef struct crew {
    bool several;              /* since the last step ended */
    uint32_t alone[STEPS_MAX]; /* how often a step was not shared */
} crew;

typedef struct part {
    void (*fn)(void *arg, uint32_t k);
    void *arg;
    uint32_t k, count;
    _Atomic uint32_t *ready; /* parts that have begun; none works before all have */
} part;

static void *part_main(void *p)
{
    const part *q = p;
    atomic_fetch_add(q->ready, 1);
    while (atomic_load(q->ready) < q->count)
        sched_yield();
    q->fn(q->arg, q->k);
    return NULL;
}

static void run_parts(void *user, uint32_t count, void (*fn)(void *arg, uint32_t k), void *arg)
{
    pthread_t threads[THREADS_MAX];
    part parts[THREADS_MAX];
    _Atomic uint32_t ready = 0;
    ((crew *)user)->several |= count > 1;
    assert_true(count <= THREADS_MAX);
    for (uint32_t k = 0; k < count; k++) {
        parts[k] = (part){ fn, arg, k, count, &ready };
        if (k > 0 && pthread_create(&threads[k], NULL, part_main, &parts[k]) != 0)
            fail_msg("thread %u of %u does not start", k, count);
    }
    part_main(&parts[0]);
    for (uint32_t k = 1; k < count; k++)
        pthread_join(threads[k], NULL);
}

static void step_ends(void *user, uint32_t step, const void *data, size_t bytes, uint64_t nanoseconds)
{
    crew *c = user;
    (void)data;
    (void)bytes;
    (void)nanoseconds;
    assert_true(step < STEPS_MAX);
    c->alone[step] += !c->several;
    c->several = false;
}

/* Output 0; c NULL: one thread. */
static void run(const intact_program *p, uint32_t batch, uint32_t threads, crew *c, const void *x, void *y)
{
    const intact_pool pool = { .threads = threads, .run = run_parts, .user = c };
    const intact_session_options opt = { .batch = batch, .threads = 1, .pool = c ? &pool : NULL, .probe = c ? step_ends : NULL,
                                         .probe_user = c };
    intact_session *s;
    assert_int_equal(intact_session_new(p, &opt, &s, NULL), INTACT_OK);
    for (int again = 0; again < 2; again++)
        assert_int_equal(intact_session_run(s, (const void *const[]){ x }, 1, (void *const[]){ y }, 1, NULL), INTACT_OK);
    intact_session_free(s);
}

static bool idle(const intact_program *p, uint32_t step) { return strcmp(p->steps[step].kernel, "in place") == 0; }

/* Nothing that is worth it: what a dense layer, a corner or a column of pixels give. */
static bool little(const intact_program *p, uint32_t step)
{
    const it_pinstr *i = &p->prog.instrs.items[step];
    return i->kind != &it_instr_argmax && !i->kind->macs && it_ptensor_elements(it_out(&p->prog, i, 0)) <= H * W;
}

/* A batch of random input, and what the plain program gives for it on one thread. */
typedef struct sample { uint32_t batch; size_t x_bytes, y_bytes; uint8_t *x, *y; } sample;

static sample sample_new(const intact_program *plain, uint32_t batch)
{
    intact_port x, y;
    it_rng r;
    assert_int_equal(intact_program_input(plain, 0, &x), INTACT_OK);
    assert_int_equal(intact_program_output(plain, 0, &y), INTACT_OK);
    sample s = { batch, x.bytes * batch, y.bytes * batch, malloc(x.bytes * batch), malloc(y.bytes * batch) };
    assert_true(s.x && s.y);
    it_rng_seed(&r, 5);
    random_codes(&r, x.type, s.x, s.x_bytes / intact_type_bytes(x.type));
    run(plain, batch, 1, NULL, s.x, s.y);
    return s;
}

static void sample_free(sample *s)
{
    free(s->x);
    free(s->y);
}

static void expect_shared(const char *what, const intact_program *p, const sample *s)
{
    crew c = { 0 };
    uint8_t *have = malloc(s->y_bytes);
    assert_non_null(have);
    run(p, s->batch, 1 + s->batch, &c, s->x, have);
    if (memcmp(have, s->y, s->y_bytes) != 0)
        fail_msg("%s at %s: other bytes at batch %u", what, intact_cpu_name(p->info.cpu), s->batch);
    for (uint32_t k = 0; k < intact_program_steps(p); k++)
        if (c.alone[k] && !idle(p, k) && !little(p, k))
            fail_msg("%s at %s: step %u (%s, %s) was done by one thread alone at batch %u", what, intact_cpu_name(p->info.cpu), k,
                     p->prog.instrs.items[k].kind->name, p->steps[k].kernel, s->batch);
    free(have);
}

/* steps: what fusion leaves at the plain C level, and of these the ones that move nothing; other levels may have more that do something. */
static void check_net(const char *what, net *n, uint32_t y, uint32_t steps, uint32_t still)
{
    net_ports(&n->p, &n->x, 1, &y, 1);
    blob b = blob_of(&n->p);
    intact_program *plain = load_as(&b, INTACT_CPU_SCALAR, 1);
    sample samples[THREADS_MAX - 1];
    for (uint32_t k = 0; k < IT_LEN(samples); k++)
        samples[k] = sample_new(plain, k + 1);
    for (int cpu = INTACT_CPU_SCALAR; cpu < INTACT_CPU_COUNT; cpu++)
        for (int separate = 0; separate < 2 && has_level(cpu); separate++) {
            intact_program *p = load_as(&b, (intact_cpu)cpu, separate);
            uint32_t idle_len = 0;
            for (uint32_t k = 0; k < intact_program_steps(p); k++)
                idle_len += idle(p, k);
            if (cpu == INTACT_CPU_SCALAR && !separate && (intact_program_steps(p) != steps || idle_len != still))
                fail_msg("%s: %u steps, %u of them in place; not %u, %u", what, intact_program_steps(p), idle_len, steps, still);
            for (uint32_t k = 0; k < IT_LEN(samples); k++)
                expect_shared(what, p, &samples[k]);
            intact_program_free(p);
        }
    for (uint32_t k = 0; k < IT_LEN(samples); k++)
        sample_free(&samples[k]);
    intact_program_free(plain);
    blob_free(&b);
    it_prog_release(&n->p);
}

/* ---- the kinds ---- */

static void layers(void **state)
{
    (void)state;
    for (int wide = 0; wide < 3; wide++) { /* u8, s16, s16 with 64-bit accumulators */
        const intact_type type = wide ? INTACT_S16 : INTACT_U8;
        net n = net_new(type, H, W, C);
        check_net("conv, dwconv", &n, layer(&n, layer(&n, n.x, C, 1, wide == 2), 0, 3, wide == 2), 2, 0);
        n = net_new(type, 0, 0, 1000);
        check_net("dense", &n, dense(&n, dense(&n, n.x, 520), 530), 2, 0);
    }
}

/* At the levels that have tables for it the codes stay codes. */
static void packed_weights(void **state)
{
    enum { K = 1024, O = 512 };
    (void)state;
    net n = net_new(INTACT_U8, 0, 0, K);
    net_mac m = net_random_mac(&n.p, &n.r, INTACT_U8, INTACT_U8, O, K, false, false);
    uint8_t *codes = malloc(O * K);
    int8_t table[16];
    for (size_t k = 0; k < O * K; k++)
        codes[k] = (uint8_t)it_rng_below(&n.r, 16);
    for (int k = 0; k < 16; k++)
        table[k] = (int8_t)(16 * k - 128);
    const uint32_t w = net_packed(&n.p, codes, O, K, 4, table, 1);
    it_dense_args a = { w, m.bias, m.mult, m.shift, 0, 255, 0, IT_NO_LEVELS };
    check_net("packed dense", &n, one(&n, &it_instr_dense, n.x, value(&n, INTACT_U8, 0, 0, O), &a), 1, 0);
    free(codes);
}

/* The sums take the place of what is added, where other threads still read. */
static void fused(void **state)
{
    (void)state;
    net n = net_new(INTACT_U8, H, W, C);
    uint32_t a = conv(&n, n.x, C), y = lut(&n, add(&n, dwconv(&n, conv(&n, a, C)), a), INTACT_U8);
    check_net("dwconv, add, lut", &n, conv(&n, y, C), 4, 0);
    n = net_new(INTACT_U8, H, W, C);
    a = conv(&n, n.x, C);
    y = lut(&n, add(&n, conv(&n, dwconv(&n, a), C), a), INTACT_U8);
    check_net("conv, add, lut", &n, conv(&n, y, C), 4, 0);
    n = net_new(INTACT_U8, 0, 0, 600);
    a = dense(&n, n.x, 600);
    y = lut(&n, add(&n, dense(&n, a, 600), a), INTACT_U8);
    check_net("dense, add, lut", &n, dense(&n, y, 600), 3, 0);
    n = net_new(INTACT_U8, H, W, C);
    check_net("dwconv, lut", &n, lut(&n, dwconv(&n, n.x), INTACT_U8), 1, 0);
}

static void thresholds(void **state)
{
    int32_t rows[C * 3], codes[C * 3];
    (void)state;
    for (int k = 0; k < C * 3; k++) {
        rows[k] = (k % 3 - 1) * 20000 + k;
        codes[k] = 60 * (k % 3 + 1) + k / 3;
    }
    for (int wide = 0; wide < 2; wide++) {
        net n = net_new(wide ? INTACT_S16 : INTACT_U8, H, W, C);
        uint32_t y = value(&n, INTACT_U8, H, W, C), t = net_const(&n.p, INTACT_S32, C * 3, codes);
        it_threshold_args steps = { t, net_const(&n.p, INTACT_U8, 4, (uint8_t[]){ 5, 90, 7, 255 }) };
        one(&n, &it_instr_threshold, n.x, y, &steps);
        for (int dw = 0; dw < 2; dw++) {
            y = layer(&n, y, dw ? 0 : C, dw ? 3 : 1, false);
            it_conv_args *a = n.p.instrs.items[n.p.instrs.len - 1].args;
            a->thresholds = net_const(&n.p, INTACT_S32, C * 3, rows);
            a->levels = steps.levels;
            a->mult = a->shift = IT_NO_CONST;
        }
        steps.thresholds = net_const(&n.p, INTACT_S32, 3, (int32_t[]){ 6, 8, 91 }); /* the same for all channels: a table */
        check_net("thresholds", &n, one(&n, &it_instr_threshold, y, like(&n, y, INTACT_U8), &steps), 4, 0);
    }
}

static void elements(void **state)
{
    (void)state;
    net n = net_new(INTACT_U8, H, W, C);
    uint32_t y = requantize(&n, lut(&n, n.x, INTACT_U8), INTACT_U8);
    y = mul(&n, add(&n, y, n.x), n.x);
    check_net("u8", &n, y, 4, 0);
    n = net_new(INTACT_U8, H, W, C);
    y = requantize(&n, lut(&n, lut(&n, n.x, INTACT_S16), INTACT_S16), INTACT_S16);
    y = add(&n, y, lut(&n, n.x, INTACT_S16));
    check_net("s16", &n, requantize(&n, y, INTACT_U8), 6, 0);
}

static void broadcasts(void **state)
{
    (void)state;
    net n = net_new(INTACT_U8, H, W, C);
    const it_copy_args corner = { 1, 1, 1, 1, 1, C, 0, 0, 0, 0, 0, 1, C };
    uint32_t pixel = one(&n, &it_instr_copy, n.x, value(&n, INTACT_U8, 1, 1, C), &corner), side = slice(&n, n.x, 5, 1);
    check_net("by channel and by pixel", &n, add(&n, add(&n, mul(&n, mul(&n, n.x, pixel), side), pixel), side), 6, 1);
}

static void views(void **state)
{
    (void)state;
    net n = net_new(INTACT_U8, H, W, C);
    uint32_t s = conv(&n, n.x, C);
    uint32_t y = JOIN(&n, conv(&n, s, C), requantize(&n, dwconv(&n, s), INTACT_U8), lut(&n, s, INTACT_U8), dwconv(&n, s));
    check_net("joined", &n, conv(&n, y, 16), 8, 1);
    n = net_new(INTACT_U8, H, W, C);
    y = conv(&n, n.x, 2 * C);
    uint32_t a = slice(&n, y, 0, C), b = slice(&n, y, C, C);
    y = JOIN(&n, conv(&n, a, C), requantize(&n, b, INTACT_U8), dwconv(&n, lut(&n, a, INTACT_U8)), dwconv(&n, b));
    check_net("sliced", &n, conv(&n, y, 16), 10, 3);
}

static void moves(void **state)
{
    (void)state;
    const int32_t w = W, c = C;
    const it_copy_args copies[] = {
        { 1, 1, 1, 1, 2 * C, H * W / 2, 0, 0, 0, 0, 1, 2 * c, 0 },           /* transposed */
        { 1, 1, 1, H, W, C, 0, 0, 0, -w * c, -c, 1, HWC - C },               /* backwards, by pixels */
        { 1, 1, 1, H * W, C / 2, 2, 0, 0, 0, c, 1, c / 2, 0 },               /* channels shuffled */
        { 1, 1, 1, H, W, C, 0, 0, 0, w * c, c, -1, C - 1 },                  /* channels backwards */
    };
    for (int wide = 0; wide < 2; wide++) {
        const intact_type type = wide ? INTACT_S16 : INTACT_U8;
        for (size_t k = 0; k < IT_LEN(copies); k++) {
            net n = net_new(type, H, W, C);
            check_net("copy", &n, one(&n, &it_instr_copy, n.x, like(&n, n.x, type), &copies[k]), 1, 0);
        }
        net n = net_new(type, H, W, C);
        check_net("concat", &n, JOIN(&n, n.x, n.x), 1, 0);
        n = net_new(type, H, W, C);
        it_pad_args pad = { 1, 2, 0, 3, 1, 0, 2, 0 };
        check_net("pad", &n, one(&n, &it_instr_pad, n.x, value(&n, type, H + 4, W + 3, C), &pad), 1, 0);
        n = net_new(type, H, W, C);
        int32_t t[6][H];
        uint32_t k[6];
        for (int j = 0; j < 6; j++) {
            const int32_t most = j % 3 == 2 ? 2048 : j < 3 ? H - 1 : W - 1;
            for (int i = 0; i < H; i++)
                t[j][i] = random_between(&n.r, 0, most);
            k[j] = net_const(&n.p, INTACT_S32, j < 3 ? H : W, t[j]);
        }
        it_resize_args resize = { k[0], k[1], k[2], k[3], k[4], k[5] };
        check_net("resize", &n, one(&n, &it_instr_resize, n.x, like(&n, n.x, type), &resize), 1, 0);
    }
}

static void pools_and_ends(void **state)
{
    (void)state;
    int32_t e[256], m = 1 << 30, s = 33;
    for (int k = 0; k < 256; k++)
        e[k] = (int32_t)(UINT32_C(1) << (31 - k / 8));
    for (int wide = 0; wide < 2; wide++) {
        const intact_type type = wide ? INTACT_S16 : INTACT_U8;
        net n = net_new(type, H, W, C);
        it_avgpool_args mean = { 3, 3, 1, 1, 0, 0, 0, 0, net_const(&n.p, INTACT_S32, 1, &m), net_const(&n.p, INTACT_S32, 1, &s), low(type),
                                 high(type) };
        check_net("pools", &n, one(&n, &it_instr_avgpool, maxpool(&n, n.x), value(&n, type, H - 2, W - 2, C), &mean), 2, 0);
        n = net_new(type, H, W, C);
        it_softmax_args soft = { net_const(&n.p, INTACT_S32, 256, e), wide ? 6 : 0, wide ? 32767 : 255 };
        uint32_t y = NET_TENSOR(&n.p, "chances", type, 0, 1, H, W, C), i = NET_TENSOR(&n.p, "index", INTACT_S32, 0, 1, H, W, 1);
        one(&n, &it_instr_softmax, n.x, y, &soft);
        check_net("softmax, argmax", &n, one(&n, &it_instr_argmax, y, i, &(it_argmax_args){ 0, 0 }), 2, 0);
    }
    net n = net_new(INTACT_U8, 160, 128, 3);
    uint8_t table[3 * 256];
    random_codes(&n.r, INTACT_U8, table, sizeof table);
    n.p.tensors.items[n.x].scale_bits = UINT32_C(0x3f800000); /* 1: raw pixels stand for themselves */
    n.p.tensors.items[n.x].zero_point = 0;
    it_pixels_args a = { net_const(&n.p, INTACT_U8, sizeof table, table), net_const(&n.p, INTACT_S32, 3, (int32_t[]){ 2, 1, 0 }) };
    check_net("pixels", &n, one(&n, &it_instr_pixels, n.x, like(&n, n.x, INTACT_U8), &a), 1, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layers),     cmocka_unit_test(packed_weights), cmocka_unit_test(fused), cmocka_unit_test(thresholds),
        cmocka_unit_test(elements),   cmocka_unit_test(broadcasts),     cmocka_unit_test(views), cmocka_unit_test(moves),
        cmocka_unit_test(pools_and_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
