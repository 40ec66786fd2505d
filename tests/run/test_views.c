/* SPDX-License-Identifier: Apache-2.0 */
/* test_views.c: concats and slices that move nothing: the same bytes as when everything has its own place, and less memory. */
#include "run/helpers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run/machine.h"

enum { PORTS = 3, VALUES = 40 };

typedef struct net { it_prog p; it_rng r; uint32_t made; } net;

static void net_open(net *n, uint64_t seed)
{
    *n = (net){ 0 };
    it_prog_init(&n->p, NULL);
    it_rng_seed(&n->r, seed);
}

/* Every value has the same scale and zero point, so that any may be joined. */
static uint32_t value(net *n, intact_type type, uint32_t h, uint32_t w, uint32_t c)
{
    char name[16];
    snprintf(name, sizeof name, "v%u", n->made++);
    const int32_t zero = type == INTACT_U8 ? 100 : 0;
    return h ? NET_TENSOR(&n->p, name, type, zero, 1, h, w, c) : NET_TENSOR(&n->p, name, type, zero, 1, c);
}

static const it_ptensor *of(const net *n, uint32_t t) { return &n->p.tensors.items[t]; }
static int32_t low(intact_type type) { return type == INTACT_U8 ? 0 : -32767; }
static int32_t high(intact_type type) { return type == INTACT_U8 ? 255 : 32767; }

static uint32_t layer(net *n, const it_instr *kind, uint32_t x, uint32_t c, uint32_t k)
{
    const it_ptensor t = *of(n, x);
    const bool dw = kind == &it_instr_dwconv;
    uint32_t y = value(n, t.type, t.dims[1], t.dims[2], dw ? t.dims[3] : c), pad = k / 2;
    net_mac m = net_random_mac(&n->p, &n->r, t.type, t.type, of(n, y)->dims[3], (uint64_t)k * k * (dw ? 1 : t.dims[3]), dw, false);
    it_conv_args a = { 1, k, k, 1, 1, 1, 1, pad, pad, pad, pad, m.weight, m.bias, m.mult, m.shift, low(t.type), high(t.type), 0,
                       IT_NO_LEVELS };
    net_emit(&n->p, kind, dw ? "dwconv" : "conv", &x, 1, y, &a);
    return y;
}
static uint32_t conv(net *n, uint32_t x, uint32_t c, uint32_t k) { return layer(n, &it_instr_conv, x, c, k); }
static uint32_t dwconv(net *n, uint32_t x) { return layer(n, &it_instr_dwconv, x, 0, 3); }

static uint32_t dense(net *n, uint32_t x, uint32_t o)
{
    const intact_type type = of(n, x)->type;
    const uint64_t k = it_ptensor_elements(of(n, x));
    net_mac m = net_random_mac(&n->p, &n->r, type, type, o, k, false, false);
    uint32_t y = value(n, type, 0, 0, o);
    it_dense_args a = { m.weight, m.bias, m.mult, m.shift, low(type), high(type), 0, IT_NO_LEVELS };
    net_emit(&n->p, &it_instr_dense, "dense", &x, 1, y, &a);
    return y;
}

static uint32_t same_as(net *n, uint32_t x)
{
    const it_ptensor t = *of(n, x);
    return t.rank == 4 ? value(n, t.type, t.dims[1], t.dims[2], t.dims[3]) : value(n, t.type, 0, 0, t.dims[1]);
}

static uint32_t maxpool(net *n, uint32_t x)
{
    uint32_t y = same_as(n, x);
    it_maxpool_args a = { 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, low(of(n, x)->type), high(of(n, x)->type) };
    net_emit(&n->p, &it_instr_maxpool, "maxpool", &x, 1, y, &a);
    return y;
}

/* Two by two pixels become one. */
static uint32_t halve(net *n, uint32_t x)
{
    const it_ptensor t = *of(n, x);
    uint32_t y = value(n, t.type, t.dims[1] / 2, t.dims[2] / 2, t.dims[3]);
    net_emit(&n->p, &it_instr_maxpool, "halve", &x, 1, y, &(it_maxpool_args){ 2, 2, 2, 2, 1, 1, 0, 0, 0, 0, low(t.type), high(t.type) });
    return y;
}

/* And one becomes two by two; square maps. */
static uint32_t twice(net *n, uint32_t x)
{
    enum { MOST = 64 };
    const it_ptensor t = *of(n, x);
    int32_t from[MOST], none[MOST] = { 0 };
    const uint32_t len = 2 * t.dims[1];
    for (uint32_t k = 0; k < len; k++)
        from[k] = (int32_t)(k / 2);
    const uint32_t y = value(n, t.type, len, len, t.dims[3]), f = net_const(&n->p, INTACT_S32, len, from),
                   z = net_const(&n->p, INTACT_S32, len, none);
    net_emit(&n->p, &it_instr_resize, "twice", &x, 1, y, &(it_resize_args){ f, f, z, f, f, z });
    return y;
}

static uint32_t requantize(net *n, uint32_t x)
{
    uint32_t y = same_as(n, x);
    it_requantize_args a = { random_between(&n->r, 1 << 29, INT32_MAX), 31, low(of(n, x)->type), high(of(n, x)->type) };
    net_emit(&n->p, &it_instr_requantize, "requantize", &x, 1, y, &a);
    return y;
}

static uint32_t lut(net *n, uint32_t x)
{
    int16_t t[513];
    const intact_type type = of(n, x)->type;
    random_codes(&n->r, type, t, 513);
    uint32_t y = same_as(n, x);
    net_emit(&n->p, &it_instr_lut, "lut", &x, 1, y, &(it_lut_args){ net_const(&n->p, type, type == INTACT_U8 ? 256 : 513, t) });
    return y;
}

static uint32_t add(net *n, uint32_t a, uint32_t b)
{
    uint32_t y = same_as(n, a);
    const intact_type type = of(n, a)->type;
    it_add_args args = { random_between(&n->r, 1 << 28, 1 << 30), random_between(&n->r, 1 << 28, 1 << 30), 30, low(type), high(type) };
    net_emit(&n->p, &it_instr_add, "add", (uint32_t[]){ a, b }, 2, y, &args);
    return y;
}

static uint32_t join(net *n, const uint32_t *in, uint32_t len, uint32_t axis)
{
    it_ptensor t = *of(n, in[0]);
    uint32_t sum = 0;
    for (uint32_t k = 0; k < len; k++)
        sum += of(n, in[k])->dims[axis];
    t.dims[axis] = sum;
    uint32_t y = t.rank == 4 ? value(n, t.type, t.dims[1], t.dims[2], t.dims[3]) : value(n, t.type, 0, 0, t.dims[1]);
    net_emit(&n->p, &it_instr_concat, "concat", in, len, y, &(it_concat_args){ axis });
    return y;
}
#define JOIN(n, axis, ...) join((n), (uint32_t[]){ __VA_ARGS__ }, (uint32_t)IT_LEN(((uint32_t[]){ __VA_ARGS__ })), (axis))

/* Indexes [from, from + len) of a dimension. */
static uint32_t slice(net *n, uint32_t x, uint32_t axis, uint32_t from, uint32_t len)
{
    it_ptensor t = *of(n, x);
    uint32_t h = t.rank == 4 ? t.dims[1] : 1, w = t.rank == 4 ? t.dims[2] : 1, c = t.dims[t.rank - 1];
    const uint32_t stride = axis == t.rank - 1 ? 1 : axis == 2 ? c : w * c;
    t.dims[axis] = len;
    it_copy_args a = { 1, 1, 1, 1, 1, 1, 0, 0, 0, (int32_t)(w * c), (int32_t)c, 1, from * stride };
    uint32_t y = t.rank == 4 ? value(n, t.type, t.dims[1], t.dims[2], t.dims[3]) : value(n, t.type, 0, 0, t.dims[1]);
    a.d3 = t.rank == 4 ? t.dims[1] : h;
    a.d4 = t.rank == 4 ? t.dims[2] : w;
    a.d5 = t.dims[t.rank - 1];
    net_emit(&n->p, &it_instr_copy, "slice", &x, 1, y, &a);
    return y;
}

/* All elements in order, as another shape; h 0: rank 2. */
static uint32_t reshape(net *n, uint32_t x, uint32_t h, uint32_t w, uint32_t c)
{
    it_copy_args a = { 1, 1, 1, 1, 1, (uint32_t)it_ptensor_elements(of(n, x)), 0, 0, 0, 0, 0, 1, 0 };
    uint32_t y = value(n, of(n, x)->type, h, w, c);
    net_emit(&n->p, &it_instr_copy, "reshape", &x, 1, y, &a);
    return y;
}

/* ---- both ways at every level ---- */

/* Instructions of a kind that move nothing. */
static uint32_t idle(const intact_program *p, const it_instr *kind)
{
    uint32_t n = 0;
    for (uint32_t k = 0; k < p->prog.instrs.len; k++)
        n += p->prog.instrs.items[k].kind == kind && strcmp(p->steps[k].kernel, "in place") == 0;
    return n;
}

typedef struct found { uint32_t concats, copies; size_t peak, separate; } found;

/* The same outputs at every level; what is found at the plain C level. */
static found check_net(const char *what, uint64_t seed, net *n, uint32_t x, const uint32_t *outs, uint32_t outs_len)
{
    net_ports(&n->p, &x, 1, outs, outs_len);
    blob b = blob_of(&n->p);
    found f = { 0 };
    char name[64];
    snprintf(name, sizeof name, "%s %llu", what, (unsigned long long)seed);
    intact_program *separate = load_as(&b, INTACT_CPU_SCALAR, 1);
    for (int cpu = INTACT_CPU_SCALAR; cpu < INTACT_CPU_COUNT; cpu++) {
        if (!has_level(cpu))
            continue;
        intact_program *p = load_as(&b, (intact_cpu)cpu, 0);
        expect_same_outputs(name, p, separate);
        assert_int_equal(idle(separate, &it_instr_concat) + idle(separate, &it_instr_copy), 0);
        if (cpu == INTACT_CPU_SCALAR) /* its kernels honour every pitch */
            f = (found){ idle(p, &it_instr_concat), idle(p, &it_instr_copy), p->peak_bytes, separate->peak_bytes };
        const uint64_t bound = p->info.bound_bytes;
        assert_in_range(p->info.peak_bytes, bound, bound + bound / 4 + 64 * p->prog.tensors.len);
        assert_true(p->info.peak_bytes <= separate->info.peak_bytes); /* views never cost memory */
        intact_program_free(p);
    }
    intact_program_free(separate);
    blob_free(&b);
    it_prog_release(&n->p);
    return f;
}

/* ---- shapes of known networks ---- */

static void fire_modules(void **state)
{
    (void)state;
    net n;
    net_open(&n, 1);
    uint32_t x = value(&n, INTACT_U8, 6, 7, 16), y = x;
    for (int k = 0; k < 3; k++) {
        uint32_t s = conv(&n, y, 12, 1);
        y = JOIN(&n, 3, conv(&n, s, 20, 1), conv(&n, s, 33, 3));
    }
    y = conv(&n, maxpool(&n, y), 10, 1);
    found f = check_net("fire", 0, &n, x, &y, 1);
    assert_int_equal(f.concats, 3);
    assert_true(f.peak < f.separate);
}

/* Each layer reads all before it; the joined input of a layer is part of the next one's. */
static void dense_block(void **state)
{
    (void)state;
    net n;
    net_open(&n, 2);
    uint32_t x = value(&n, INTACT_U8, 5, 5, 8), y = conv(&n, x, 16, 3);
    for (int k = 0; k < 4; k++)
        y = JOIN(&n, 3, y, conv(&n, conv(&n, y, 24, 1), 12, 3));
    y = dwconv(&n, y);
    found f = check_net("dense block", 0, &n, x, &y, 1);
    assert_int_equal(f.concats, 4);
}

static void split_and_join(void **state)
{
    (void)state;
    net n;
    net_open(&n, 3);
    uint32_t x = value(&n, INTACT_U8, 6, 6, 10), y = conv(&n, conv(&n, x, 60, 1), 32, 1); /* 60: here is the peak */
    for (int k = 0; k < 2; k++) {
        uint32_t a = slice(&n, y, 3, 0, 16), b = slice(&n, y, 3, 16, 16);
        y = JOIN(&n, 3, conv(&n, a, 16, 3), requantize(&n, dwconv(&n, conv(&n, b, 16, 1))));
    }
    y = conv(&n, y, 9, 1);
    found f = check_net("split", 0, &n, x, &y, 1);
    assert_int_equal(f.concats, 2);
    assert_int_equal(f.copies, 4);
}

/* The last value is written to the caller's buffer: so are its parts. */
static void parts_of_an_output(void **state)
{
    (void)state;
    net n;
    net_open(&n, 4);
    uint32_t x = value(&n, INTACT_U8, 4, 5, 12), a = conv(&n, x, 7, 1), b = conv(&n, x, 70, 3);
    uint32_t y = JOIN(&n, 3, a, b), flat = reshape(&n, conv(&n, slice(&n, x, 3, 4, 8), 5, 1), 0, 0, 4 * 5 * 5);
    found f = check_net("output", 0, &n, x, (uint32_t[]){ y, flat }, 2);
    assert_int_equal(f.concats, 1);
    assert_int_equal(f.copies, 2);
    assert_int_equal(f.peak, 0);
}

/* Rows of maps and features of vectors: parts are runs of bytes, but samples are further apart than they are long. */
static void runs(void **state)
{
    (void)state;
    net n;
    net_open(&n, 5);
    uint32_t x = value(&n, INTACT_U8, 4, 4, 8), a = conv(&n, x, 8, 1), b = maxpool(&n, conv(&n, x, 8, 3));
    uint32_t y = JOIN(&n, 1, a, b, lut(&n, b)), top = slice(&n, y, 1, 3, 6);
    uint32_t v = JOIN(&n, 1, dense(&n, top, 10), dense(&n, conv(&n, top, 3, 3), 21), reshape(&n, conv(&n, y, 1, 1), 0, 0, 48));
    uint32_t out = dense(&n, slice(&n, v, 1, 5, 70), 6);
    found f = check_net("runs", 0, &n, x, &out, 1);
    assert_int_equal(f.concats, 2);
    assert_int_equal(f.copies, 3);
}

/* ---- small tensors that would keep large ones alive ---- */

enum { SIDE = 16, PIXELS = SIDE * SIDE };

/* What a network needs in its middle: two values of 64 channels; one of 4 lives through it. */
static uint32_t middle(net *n, uint32_t x) { return conv(n, conv(n, conv(n, x, 64, 3), 64, 3), 4, 1); }

static void early_part(void **state)
{
    (void)state;
    net n;
    net_open(&n, 8);
    uint32_t x = value(&n, INTACT_U8, SIDE, SIDE, 3), a = conv(&n, x, 4, 3), b = conv(&n, middle(&n, a), 64, 3);
    uint32_t y = conv(&n, JOIN(&n, 3, a, b), 2, 1);
    found f = check_net("early part", 0, &n, x, &y, 1);
    assert_int_equal(f.peak, (64 + 4 + 64) * PIXELS);
    assert_true(f.peak < f.separate); /* b still lies in what is joined */
}

static void long_slice(void **state)
{
    (void)state;
    net n;
    net_open(&n, 9);
    uint32_t x = value(&n, INTACT_U8, SIDE, SIDE, 3), a = slice(&n, conv(&n, x, 64, 3), 3, 0, 4);
    uint32_t y = conv(&n, JOIN(&n, 3, a, middle(&n, a)), 2, 1);
    found f = check_net("long slice", 0, &n, x, &y, 1);
    assert_int_equal(f.peak, (64 + 4 + 64) * PIXELS);
}

/* Skip connections of 4 channels, of 8 and of all. */
static void skips(void **state)
{
    enum { DEPTH = 3 };
    (void)state;
    for (uint32_t keep = 4; keep <= 16; keep *= 2) {
        net n;
        net_open(&n, 10 + keep);
        uint32_t x = value(&n, INTACT_U8, SIDE, SIDE, 3), y = x, skip[DEPTH], c = 16;
        for (uint32_t d = 0; d < DEPTH; d++, c *= 2) {
            y = conv(&n, conv(&n, y, c, 3), c, 3);
            skip[d] = keep == 16 ? y : conv(&n, y, keep, 1);
            y = halve(&n, y);
        }
        y = conv(&n, y, c, 3);
        for (uint32_t d = DEPTH; d-- > 0; c /= 2)
            y = conv(&n, JOIN(&n, 3, skip[d], twice(&n, y)), c / 2, 3);
        y = conv(&n, y, 2, 1);
        check_net("skips", keep, &n, x, &y, 1);
    }
}

/* ---- anything ---- */

static uint32_t any(net *n, const uint32_t *v, uint32_t len, uint32_t rank)
{
    for (int tries = 0; tries < 20; tries++) {
        const uint32_t t = v[len - 1 - it_rng_below(&n->r, len < 8 ? len : 8)];
        if (of(n, t)->rank == rank)
            return t;
    }
    return v[0];
}

/* Another one of t's shape but for dimension `axis`, or t. */
static uint32_t partner(net *n, const uint32_t *v, uint32_t len, uint32_t t, uint32_t axis)
{
    for (int tries = 0; tries < 30; tries++) {
        const uint32_t o = v[it_rng_below(&n->r, len)];
        bool fits = of(n, o)->rank == of(n, t)->rank;
        for (uint32_t k = 0; fits && k < of(n, t)->rank; k++)
            fits = k == axis || of(n, o)->dims[k] == of(n, t)->dims[k];
        if (fits)
            return o;
    }
    return t;
}

static uint32_t random_join(net *n, const uint32_t *v, uint32_t len, uint32_t t)
{
    const uint32_t rank = of(n, t)->rank, last = rank - 1, axis = it_rng_below(&n->r, 3) ? last : 1 + (uint32_t)it_rng_below(&n->r, last);
    uint32_t in[4] = { t }, in_len = 2 + (uint32_t)it_rng_below(&n->r, 3);
    for (uint32_t k = 1; k < in_len; k++)
        in[k] = axis == 3 && it_rng_below(&n->r, 2) ? conv(n, t, 1 + (uint32_t)it_rng_below(&n->r, 20), 1) : partner(n, v, len, t, axis);
    return join(n, in, in_len, axis);
}

static uint32_t random_step(net *n, const uint32_t *v, uint32_t len)
{
    const uint32_t t = any(n, v, len, it_rng_below(&n->r, 6) ? 4 : 2), rank = of(n, t)->rank, c = of(n, t)->dims[rank - 1];
    const uint32_t axis = it_rng_below(&n->r, 3) ? rank - 1 : 1 + (uint32_t)it_rng_below(&n->r, rank - 1), d = of(n, t)->dims[axis];
    const bool large = it_ptensor_elements(of(n, t)) > 4000;
    switch (it_rng_below(&n->r, 12)) {
    case 0:
        return lut(n, t);
    case 1:
        return requantize(n, t);
    case 2:
        return add(n, t, partner(n, v, len, t, 9));
    case 3:
    case 4:
        return large ? slice(n, t, axis, 0, (d + 2) / 3) : random_join(n, v, len, t);
    case 5:
    case 6: {
        const uint32_t from = (uint32_t)it_rng_below(&n->r, d);
        return slice(n, t, axis, from, 1 + (uint32_t)it_rng_below(&n->r, d - from));
    }
    case 7:
        if (rank == 4)
            return reshape(n, t, 0, 0, (uint32_t)it_ptensor_elements(of(n, t)));
        return c % 4 == 0 ? reshape(n, t, 2, 2, c / 4) : dense(n, t, c);
    default:
        if (rank == 2)
            return dense(n, t, 1 + (uint32_t)it_rng_below(&n->r, 40));
        return it_rng_below(&n->r, 4) == 0 ? (it_rng_below(&n->r, 2) ? dwconv(n, t) : maxpool(n, t))
                                           : conv(n, t, 1 + (uint32_t)it_rng_below(&n->r, 40), it_rng_below(&n->r, 2) ? 1 : 3);
    }
}

static void random_graphs(void **state)
{
    (void)state;
    found all = { 0 };
    const uint32_t graphs = TEST_ROUNDS(80);
    for (uint64_t seed = 0; seed < graphs; seed++) {
        net n;
        net_open(&n, 100 + seed);
        uint32_t v[VALUES], len = 0, outs[PORTS], outs_len = 1 + seed % PORTS;
        v[len++] = value(&n, seed % 5 == 4 ? INTACT_S16 : INTACT_U8, 5, 4, 9);
        for (const uint32_t steps = 6 + (uint32_t)it_rng_below(&n.r, VALUES - 8); len < steps; len++)
            v[len] = random_step(&n, v, len);
        outs[0] = v[len - 1];
        for (uint32_t k = 1; k < outs_len; k++)
            outs[k] = v[it_rng_below(&n.r, len)]; /* perhaps the input, perhaps the same twice */
        found f = check_net("random graph", seed, &n, v[0], outs, outs_len);
        all.concats += f.concats;
        all.copies += f.copies;
        all.peak += f.peak;
        all.separate += f.separate;
    }
    assert_true(all.concats > 15 * graphs / 80 && all.copies > 100 * graphs / 80 && all.peak < all.separate);
}

/* A probe is told that a value is not one block. */
static void see(void *user, uint32_t step, const void *data, size_t bytes, uint64_t nanoseconds)
{
    const intact_program *p = user;
    (void)nanoseconds;
    const it_place *at = &p->places[p->prog.instrs.items[step].out[0]];
    assert_true(at->pitch ? data == NULL && bytes == 0 : data != NULL && bytes > 0);
}

static void probes(void **state)
{
    (void)state;
    net n;
    net_open(&n, 6);
    uint32_t x = value(&n, INTACT_U8, 4, 5, 12), y = JOIN(&n, 3, conv(&n, x, 7, 1), conv(&n, x, 9, 3)), out = conv(&n, y, 3, 1);
    net_ports(&n.p, &x, 1, &out, 1);
    blob b = blob_of(&n.p);
    intact_program *p = load_as(&b, INTACT_CPU_SCALAR, 0);
    intact_session *s;
    uint8_t in[2 * 240] = { 0 }, to[2 * 60];
    const intact_session_options opt = { .batch = 2, .probe = see, .probe_user = p };
    assert_int_equal(intact_session_new(p, &opt, &s, NULL), INTACT_OK);
    assert_int_equal(p->places[p->prog.instrs.items[0].out[0]].pitch, 16);
    assert_int_equal(intact_session_run(s, (const void *const[]){ in }, 1, (void *const[]){ to }, 1, NULL), INTACT_OK);
    intact_session_free(s);
    intact_program_free(p);
    blob_free(&b);
    it_prog_release(&n.p);
}

static void no_memory(void **state)
{
    (void)state;
    net n;
    net_open(&n, 7);
    uint32_t x = value(&n, INTACT_U8, 4, 4, 8), a = conv(&n, x, 40, 1), b = conv(&n, x, 40, 1);
    uint32_t out = JOIN(&n, 3, conv(&n, a, 4, 1), conv(&n, b, 4, 1));
    out = conv(&n, out, 3, 1);
    net_ports(&n.p, &x, 1, &out, 1);
    blob file = blob_of(&n.p);
    for (long k = 0;; k++) {
        fail_at left = { .left = k };
        const intact_alloc alloc = { fail_grow, &left };
        intact_program *p = NULL;
        const intact_load_options opt = { .alloc = &alloc, .cpu = INTACT_CPU_SCALAR };
        intact_status st = intact_program_load_memory(file.bytes, file.len, &opt, &p, NULL);
        intact_program_free(p);
        assert_int_equal(left.live, 0);
        if (st == INTACT_OK)
            break;
        assert_int_equal(st, INTACT_E_NOMEM);
    }
    blob_free(&file);
    it_prog_release(&n.p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fire_modules),
        cmocka_unit_test(dense_block),
        cmocka_unit_test(split_and_join),
        cmocka_unit_test(parts_of_an_output),
        cmocka_unit_test(runs),
        cmocka_unit_test(early_part),
        cmocka_unit_test(long_slice),
        cmocka_unit_test(skips),
        cmocka_unit_test(random_graphs),
        cmocka_unit_test(probes),
        cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
