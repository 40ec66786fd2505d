/* SPDX-License-Identifier: Apache-2.0 */
/* helpers.c: see helpers.h. */
#include "run/helpers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/format.h"
#include "run/itm.h"

uint32_t net_tensor(it_prog *p, const char *name, intact_type type, int32_t zero, uint32_t rank, const uint32_t *dims)
{
    it_ptensor t = { .name = it_arena_text(&p->arena, name), .type = type, .rank = rank, .scale_bits = 0x3d000000u, .zero_point = zero };
    memcpy(t.dims, dims, rank * sizeof *dims);
    assert_true(t.name && IT_VEC_ROOM(p->arena.alloc, p->tensors));
    p->tensors.items[p->tensors.len] = t;
    return (uint32_t)p->tensors.len++;
}

uint32_t net_const(it_prog *p, intact_type type, uint64_t len, const void *data)
{
    it_pconst c = { .type = type, .len = len, .data = it_arena_copy(&p->arena, data, len * intact_type_bytes(type)) };
    assert_true(c.data && IT_VEC_ROOM(p->arena.alloc, p->consts));
    p->consts.items[p->consts.len] = c;
    return (uint32_t)p->consts.len++;
}

uint32_t net_packed(it_prog *p, const uint8_t *codes, uint32_t rows, uint64_t per, uint32_t bits, const int8_t *table, uint32_t tables)
{
    const size_t row = (per * bits + 7) / 8;
    uint8_t *data = calloc(rows, row);
    for (uint32_t o = 0; o < rows; o++)
        for (uint64_t k = 0; k < per * bits; k++)
            data[o * row + k / 8] |= (uint8_t)((codes[o * per + k / bits] >> k % bits & 1) << k % 8);
    const uint32_t values = net_const(p, INTACT_S8, (uint64_t)tables << bits, table), id = net_const(p, INTACT_S8, rows * row, data);
    it_pconst *c = &p->consts.items[id];
    c->len = rows * per;
    c->bits = bits;
    c->rows = rows;
    c->table = values;
    free(data);
    return id;
}

void net_emit(it_prog *p, const it_instr *kind, const char *name, const uint32_t *in, uint32_t in_len, uint32_t out, const void *args)
{
    it_pinstr i = { .kind = kind, .name = it_arena_text(&p->arena, name), .in_len = in_len, .out_len = 1 };
    i.in = it_arena_copy(&p->arena, in, in_len * sizeof *in);
    i.out = it_arena_copy(&p->arena, &out, sizeof out);
    i.args = it_arena_copy(&p->arena, args, kind->args_bytes);
    assert_true(i.name && i.in && i.out && i.args && IT_VEC_ROOM(p->arena.alloc, p->instrs));
    p->instrs.items[p->instrs.len++] = i;
}

void net_ports(it_prog *p, const uint32_t *in, uint32_t in_len, const uint32_t *out, uint32_t out_len)
{
    p->inputs = it_arena_copy(&p->arena, in, in_len * sizeof *in);
    p->outputs = it_arena_copy(&p->arena, out, out_len * sizeof *out);
    p->inputs_len = in_len;
    p->outputs_len = out_len;
    p->meta = "{\"made\":\"by hand\"}";
    assert_true(p->inputs && p->outputs);
}

uint32_t net_shape_out(const net_shape *s, uint32_t in) { return s->kind == &it_instr_dense ? 1 : (in + 2 * s->pad - s->k) / s->stride + 1; }

uint64_t net_shape_per(const net_shape *s) { return (uint64_t)s->k * s->k * (s->kind == &it_instr_dwconv ? 1 : s->c / s->group); }

void net_layer(it_prog *p, const net_shape *s, int32_t zero_x, int32_t zero_y, it_conv_args a)
{
    const bool dense = s->kind == &it_instr_dense;
    uint32_t x = s->h == 0 ? NET_TENSOR(p, "x", s->x, zero_x, 1, s->c) : NET_TENSOR(p, "x", s->x, zero_x, 1, s->h, s->w, s->c);
    uint32_t y = dense ? NET_TENSOR(p, "y", s->y, zero_y, 1, s->o)
                       : NET_TENSOR(p, "y", s->y, zero_y, 1, net_shape_out(s, s->h), net_shape_out(s, s->w), s->o);
    a.group = s->group;
    a.kh = a.kw = s->k;
    a.stride_h = a.stride_w = s->stride;
    a.dil_h = a.dil_w = 1;
    a.pad_t = a.pad_l = a.pad_b = a.pad_r = s->pad;
    a.acc64 = s->acc64;
    it_dense_args d = { a.weight, a.bias, a.mult, a.shift, a.lo, a.hi, a.acc64, a.thresholds, a.levels, a.fixes };
    net_emit(p, s->kind, "layer", &x, 1, y, dense ? (void *)&d : (void *)&a);
    net_ports(p, &x, 1, &y, 1);
}

int32_t requant_exact(__int128 v, int32_t m, int32_t s, int32_t zero, int32_t lo, int32_t hi)
{
    __int128 n = v * m + ((__int128)1 << (s - 1)), d = (__int128)1 << s, q = n / d;
    if (n % d < 0)
        q--;
    q += zero;
    return q < lo ? lo : q > hi ? hi : (int32_t)q;
}

int32_t random_between(it_rng *r, int32_t lo, int32_t hi)
{
    return (int32_t)(lo + (int64_t)it_rng_below(r, (uint64_t)((int64_t)hi - lo + 1)));
}

int32_t random_code(it_rng *r, intact_type type)
{
    int32_t lo = type == INTACT_U8 ? 0 : -32767, hi = type == INTACT_U8 ? 255 : 32767;
    switch (it_rng_below(r, 8)) {
    case 0:
        return lo;
    case 1:
        return hi;
    default:
        return random_between(r, lo, hi);
    }
}

void random_codes(it_rng *r, intact_type type, void *to, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        int32_t v = random_code(r, type);
        if (type == INTACT_U8)
            ((uint8_t *)to)[k] = (uint8_t)v;
        else
            ((int16_t *)to)[k] = (int16_t)v;
    }
}

int32_t code_at(intact_type type, const void *data, size_t at)
{
    switch (type) {
    case INTACT_U8:
        return ((const uint8_t *)data)[at];
    case INTACT_S16:
        return ((const int16_t *)data)[at];
    default:
        return ((const int32_t *)data)[at];
    }
}

/* A shift so that accumulators of about sqrt(n) * peak fill the range of y. */
static int32_t fitting_shift(it_rng *r, intact_type x, intact_type y, uint64_t n, bool acc64)
{
    int32_t bits = (x == INTACT_U8 ? 8 : 15) + 6, m_bits = acc64 ? 14 : 30, y_bits = y == INTACT_U8 ? 7 : 14;
    for (; n > 1; n /= 4)
        bits++;
    int32_t s = bits + m_bits - y_bits + random_between(r, -2, 2);
    return s < 1 ? 1 : s > 62 ? 62 : s;
}

net_mac net_random_mac(it_prog *p, it_rng *r, intact_type x, intact_type y, uint32_t out_c, uint64_t per_out, bool depthwise, bool acc64)
{
    int8_t *w = malloc(out_c * per_out);
    int32_t *bias = malloc(out_c * sizeof *bias), *m = malloc(out_c * sizeof *m), *s = malloc(out_c * sizeof *s);
    /* 32768 * 128 * 500 < 2^31: longer sums of s16 need small weights or acc64 */
    int32_t most = x == INTACT_S16 && !acc64 && per_out > 400 ? 128 * 400 / (int32_t)per_out : 128;
    for (uint64_t k = 0; k < out_c * per_out; k++)
        w[k] = (int8_t)(random_between(r, 0, 9) == 0 ? -most : random_between(r, -most, most - 1));
    for (uint32_t c = 0; c < out_c; c++) {
        bias[c] = random_between(r, -100000, 100000);
        m[c] = acc64 ? random_between(r, 1 << 14, (1 << 15) - 1) : random_between(r, 1 << 30, INT32_MAX);
        s[c] = fitting_shift(r, x, y, per_out, acc64);
        if (random_between(r, 0, 15) == 0)
            m[c] = 0;
    }
    (void)depthwise; /* the same number of random weights in either order */
    net_mac k = { net_const(p, INTACT_S8, out_c * per_out, w), net_const(p, INTACT_S32, out_c, bias), net_const(p, INTACT_S32, out_c, m),
                  net_const(p, INTACT_S32, out_c, s) };
    free(w);
    free(bias);
    free(m);
    free(s);
    return k;
}

static uint32_t small_conv(it_prog *p, it_rng *r, const char *name, uint32_t x, uint32_t hw_out, uint32_t c_out, uint32_t k,
                           uint32_t stride, bool depthwise)
{
    uint32_t c_in = p->tensors.items[x].dims[3], pad = k / 2;
    uint32_t y = NET_TENSOR(p, name, INTACT_U8, 100, 1, hw_out, hw_out, c_out);
    net_mac w = net_random_mac(p, r, INTACT_U8, INTACT_U8, c_out, (uint64_t)k * k * (depthwise ? 1 : c_in), depthwise, false);
    it_conv_args a = { .group = 1,
                       .kh = k,
                       .kw = k,
                       .stride_h = stride,
                       .stride_w = stride,
                       .dil_h = 1,
                       .dil_w = 1,
                       .pad_t = pad,
                       .pad_l = pad,
                       .pad_b = pad,
                       .pad_r = pad,
                       .weight = w.weight,
                       .bias = w.bias,
                       .mult = w.mult,
                       .shift = w.shift,
                       .lo = 20,
                       .hi = 255,
                       IT_NO_LEVELS };
    net_emit(p, depthwise ? &it_instr_dwconv : &it_instr_conv, name, &x, 1, y, &a);
    return y;
}

static uint32_t small_head(it_prog *p, it_rng *r, uint32_t x)
{
    int32_t m = 1 << 30, s = 30; /* sums of 36 elements fit s16 as they are */
    uint32_t mult = net_const(p, INTACT_S32, 1, &m), shift = net_const(p, INTACT_S32, 1, &s);
    uint32_t pooled = NET_TENSOR(p, "pooled", INTACT_S16, 0, 1, 1, 1, 16);
    it_avgpool_args pool = { .kh = 6, .kw = 6, .stride_h = 1, .stride_w = 1, .mult = mult, .shift = shift, .lo = -32767, .hi = 32767 };
    net_emit(p, &it_instr_avgpool, "pool", &x, 1, pooled, &pool);
    net_mac w = net_random_mac(p, r, INTACT_S16, INTACT_S16, NET_SMALL_OUT, 16, false, false);
    uint32_t scores = NET_TENSOR(p, "scores", INTACT_S16, 0, 1, NET_SMALL_OUT);
    it_dense_args d = { .weight = w.weight, .bias = w.bias, .mult = w.mult, .shift = w.shift, .lo = -32767, .hi = 32767, IT_NO_LEVELS };
    net_emit(p, &it_instr_dense, "fc", &pooled, 1, scores, &d);
    int32_t e[64];
    for (int k = 0; k < 64; k++)
        e[k] = (int32_t)(UINT32_C(1) << (31 - k / 2));
    it_softmax_args soft = { .table = net_const(p, INTACT_S32, 64, e), .d_shift = 8, .y_one = 32767 };
    uint32_t y = NET_TENSOR(p, "prob", INTACT_S16, 0, 1, NET_SMALL_OUT);
    net_emit(p, &it_instr_softmax, "softmax", &scores, 1, y, &soft);
    return y;
}

void net_small(it_prog *p, uint64_t seed)
{
    it_rng r;
    it_rng_seed(&r, seed);
    uint8_t table[3 * 256];
    for (int k = 0; k < 3 * 256; k++)
        table[k] = (uint8_t)(k / 2 + 13 * (k / 256));
    int32_t source[3] = { 2, 1, 0 };
    uint32_t x = NET_TENSOR(p, "image", INTACT_U8, 0, 1, 12, 12, 3), y = NET_TENSOR(p, "codes", INTACT_U8, 77, 1, 12, 12, 3);
    p->tensors.items[x].scale_bits = UINT32_C(0x3f800000); /* 1: raw pixels stand for themselves */
    it_pixels_args pix = { .table = net_const(p, INTACT_U8, sizeof table, table), .source = net_const(p, INTACT_S32, 3, source) };
    net_emit(p, &it_instr_pixels, "pixels", &x, 1, y, &pix);
    y = small_conv(p, &r, "conv1", y, 12, 16, 3, 1, false);
    y = small_conv(p, &r, "dw2", y, 12, 16, 3, 1, true);
    uint32_t pooled = NET_TENSOR(p, "maxpooled", INTACT_U8, 100, 1, 6, 6, 16);
    it_maxpool_args mp = { .kh = 3,
                           .kw = 3,
                           .stride_h = 2,
                           .stride_w = 2,
                           .dil_h = 1,
                           .dil_w = 1,
                           .pad_t = 1,
                           .pad_l = 1,
                           .pad_b = 0,
                           .pad_r = 0,
                           .lo = 0,
                           .hi = 255 };
    net_emit(p, &it_instr_maxpool, "max", &y, 1, pooled, &mp);
    uint32_t branch = small_conv(p, &r, "conv3", pooled, 6, 16, 1, 1, false);
    uint32_t sum = NET_TENSOR(p, "sum", INTACT_U8, 90, 1, 6, 6, 16);
    it_add_args add = { .m_a = 1500000000, .m_b = 1300000000, .shift = 31, .lo = 0, .hi = 255 };
    net_emit(p, &it_instr_add, "add", (uint32_t[]){ branch, pooled }, 2, sum, &add);
    uint32_t out = small_head(p, &r, sum);
    net_ports(p, &x, 1, &out, 1);
}

blob blob_of(const it_prog *p)
{
    blob b;
    intact_error e = { 0 };
    if (it_itm_write_memory(p, NULL, &b.bytes, &b.len, &e) != INTACT_OK)
        fail_msg("write: %s: %s", e.where, e.message);
    return b;
}

void blob_free(blob *b)
{
    it_alloc_free(NULL, b->bytes, b->len);
    *b = (blob){ 0 };
}

static uint64_t word(const uint8_t *p, int bytes)
{
    uint64_t v = 0;
    for (int k = 0; k < bytes; k++)
        v |= (uint64_t)p[k] << (8 * k);
    return v;
}

static void set_word(uint8_t *p, int bytes, uint64_t v)
{
    for (int k = 0; k < bytes; k++)
        p[k] = (uint8_t)(v >> (8 * k));
}

void blob_seal(uint8_t *bytes, size_t len)
{
    if (len < IT_ITM_HEADER_BYTES + IT_ITM_SECTIONS * IT_ITM_ENTRY_BYTES)
        return;
    set_word(bytes + 8, 8, len);
    for (int k = 0; k < IT_ITM_SECTIONS; k++) {
        uint8_t *e = bytes + IT_ITM_HEADER_BYTES + k * IT_ITM_ENTRY_BYTES;
        uint64_t at = word(e + 8, 8), n = word(e + 16, 8);
        if (at <= len && n <= len - at)
            set_word(e + 4, 4, it_crc32(bytes + at, n));
    }
}

uint8_t *blob_instrs(const blob *b, uint64_t *bytes)
{
    const uint8_t *entry = (const uint8_t *)b->bytes + IT_ITM_HEADER_BYTES + (IT_ITM_INSTRS - 1) * IT_ITM_ENTRY_BYTES;
    *bytes = word(entry + 16, 8);
    return (uint8_t *)b->bytes + word(entry + 8, 8);
}

void put_word(uint8_t *at, uint32_t v) { set_word(at, 4, v); }

static void expect_status(intact_status st, const intact_error *e, intact_status want, const char *text)
{
    if (st != want || (st != INTACT_OK && !strstr(e->message, text)))
        fail_msg("status %d (%s: %s), not %d with \"%s\"", (int)st, e->where, e->message, (int)want, text);
}

void expect_load(const blob *b, intact_status want, const char *text)
{
    intact_program *p = NULL;
    intact_error e = { 0 };
    blob_seal(b->bytes, b->len);
    expect_status(intact_program_load_memory(b->bytes, b->len, NULL, &p, &e), &e, want, text);
    intact_program_free(p);
}

void expect_checked(it_prog *p, intact_status want, const char *text)
{
    intact_error e = { 0 };
    expect_status(it_prog_check(p, &e), &e, want, text);
    it_prog_release(p);
}

/* ---- running ---- */

bool has_level(int cpu) { return intact_cpu_has((intact_cpu)cpu) && it_kern_of((intact_cpu)cpu); }

/* Nothing of the bytes is needed afterwards: so they are overwritten. */
static intact_program *load(const blob *b, const intact_load_options *opt)
{
    intact_program *p;
    intact_error e = { 0 };
    void *bytes = memcpy(it_alloc_new(NULL, b->len), b->bytes, b->len);
    if (intact_program_load_memory(bytes, b->len, opt, &p, &e) != INTACT_OK)
        fail_msg("load: %s: %s", e.where, e.message);
    memset(bytes, 0xff, b->len);
    it_alloc_free(NULL, bytes, b->len);
    return p;
}

intact_program *load_blob(const blob *b, intact_cpu cpu, const intact_alloc *a)
{
    return load(b, &(intact_load_options){ .alloc = a, .cpu = cpu, .threads = 2 });
}

intact_program *load_as(const blob *b, intact_cpu cpu, int separate)
{
    return load(b, &(intact_load_options){ .cpu = cpu, .threads = 2, .separate = separate });
}

static intact_session *session(const intact_program *p, uint32_t batch, uint32_t threads)
{
    intact_session *s;
    intact_error e = { 0 };
    if (intact_session_new(p, &(intact_session_options){ .batch = batch, .threads = threads }, &s, &e) != INTACT_OK)
        fail_msg("session: %s: %s", e.where, e.message);
    return s;
}

enum { PORTS_MAX = 4 };
typedef struct outputs { void *data[PORTS_MAX]; size_t bytes[PORTS_MAX]; uint32_t len; } outputs;

/* Of a program with one input, on the same random codes every time. */
static outputs run_all(const intact_program *p, uint32_t batch, uint32_t threads)
{
    intact_program_info info;
    intact_port port;
    it_rng r;
    intact_program_get_info(p, &info);
    outputs o = { .len = info.outputs_len };
    assert_true(o.len <= PORTS_MAX && info.inputs_len == 1);
    for (uint32_t k = 0; k < o.len; k++) {
        assert_int_equal(intact_program_output(p, k, &port), INTACT_OK);
        o.bytes[k] = port.bytes * batch;
        o.data[k] = calloc(o.bytes[k], 1);
    }
    assert_int_equal(intact_program_input(p, 0, &port), INTACT_OK);
    void *x = malloc(port.bytes * batch);
    it_rng_seed(&r, 5);
    random_codes(&r, port.type, x, port.bytes * batch / intact_type_bytes(port.type));
    intact_session *s = session(p, batch, threads);
    for (int again = 0; again < 2; again++)
        assert_int_equal(intact_session_run(s, (const void *const[]){ x }, 1, o.data, o.len, NULL), INTACT_OK);
    free(x);
    intact_session_free(s);
    return o;
}

static void outputs_free(outputs *o)
{
    for (uint32_t k = 0; k < o->len; k++)
        free(o->data[k]);
}

void expect_same_outputs(const char *what, const intact_program *have, const intact_program *want)
{
    intact_program_info info;
    intact_program_get_info(have, &info);
    for (uint32_t batch = 1; batch <= 3; batch++) {
        outputs b = run_all(want, batch, 1);
        for (uint32_t threads = 1; threads <= 3; threads++) {
            outputs a = run_all(have, batch, threads);
            assert_int_equal(a.len, b.len);
            for (uint32_t k = 0; k < a.len; k++)
                if (a.bytes[k] != b.bytes[k] || memcmp(a.data[k], b.data[k], a.bytes[k]) != 0)
                    fail_msg("%s at %s: output %u of batch %u with %u threads differs", what, intact_cpu_name(info.cpu), k, batch, threads);
            outputs_free(&a);
        }
        outputs_free(&b);
    }
}

static void expect_at(const intact_program *p, uint32_t batch, uint32_t threads, const void *const *inputs, const void *want,
                      size_t want_bytes)
{
    intact_session *s = session(p, batch, threads);
    intact_error e;
    intact_program_info info;
    intact_program_get_info(p, &info);
    void *got = it_alloc_new(NULL, want_bytes);
    for (int again = 0; again < 2; again++) {
        memset(got, 0xa5, want_bytes);
        assert_int_equal(intact_session_run(s, inputs, info.inputs_len, &got, info.outputs_len, &e), INTACT_OK);
        for (size_t k = 0; k < want_bytes; k++)
            if (((uint8_t *)got)[k] != ((const uint8_t *)want)[k])
                fail_msg("level %s, %u threads, batch %u: byte %zu of %zu is %u, not %u", intact_cpu_name(info.cpu), threads, batch, k,
                         want_bytes, ((uint8_t *)got)[k], ((const uint8_t *)want)[k]);
    }
    it_alloc_free(NULL, got, want_bytes);
    intact_session_free(s);
}

void expect_output(const it_prog *p, uint32_t batch, const void *const *inputs, const void *want, size_t want_bytes)
{
    blob b = blob_of(p);
    for (int cpu = INTACT_CPU_SCALAR; cpu < INTACT_CPU_COUNT; cpu++) {
        if (!has_level(cpu))
            continue;
        intact_program *g = load_blob(&b, (intact_cpu)cpu, NULL);
        intact_port port;
        assert_int_equal(intact_program_output(g, 0, &port), INTACT_OK);
        assert_int_equal(port.bytes * batch, want_bytes);
        for (uint32_t threads = 1; threads <= 2; threads++)
            expect_at(g, batch, threads, inputs, want, want_bytes);
        intact_program_free(g);
    }
    blob_free(&b);
}

void *fail_grow(void *user, void *ptr, size_t bytes_old, size_t bytes_new)
{
    fail_at *f = user;
    if (bytes_new != 0) {
        f->calls++;
        if (f->left == 0)
            return NULL;
        if (f->left > 0)
            f->left--;
        f->live += ptr == NULL;
    } else if (ptr) {
        f->live--;
    }
    return it_alloc_libc.grow(NULL, ptr, bytes_old, bytes_new);
}
