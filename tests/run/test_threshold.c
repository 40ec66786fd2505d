/* SPDX-License-Identifier: Apache-2.0 */
/* test_threshold.c: multi-threshold, as the end of conv, dwconv and dense and as an instruction: against its formula, against the same step
** function as multipliers, at every level, batch and thread count; in files, also older ones; what is wrong with it is refused. */
#include "run/helpers.h"

#include <stdlib.h>
#include <string.h>

#include "format/format.h"
#include "run/itm.h"

typedef struct shape {
    const it_instr *kind;
    uint32_t n, h, w, c, o, group, k, stride, pad;
    uint32_t bits; /* of a weight: 8, or 2 to 4: packed */
    intact_type x;
} shape;

typedef struct layer {
    shape s;
    uint32_t oh, ow, per, len; /* len: levels */
    int8_t table[16], *w;      /* canonical: (O, per), depthwise (per, C) */
    uint8_t *codes;            /* packed: (O, per), one a byte */
    int32_t *bias, *thresholds, *acc; /* acc: of every output */
    uint8_t levels[IT_LEVELS_MAX];
    int32_t zx;
    void *in;
} layer;

static int32_t input_at(const layer *l, uint32_t n, int64_t h, int64_t w, uint32_t c)
{
    const shape *s = &l->s;
    if (h < 0 || h >= s->h || w < 0 || w >= s->w)
        return l->zx;
    return code_at(s->x, l->in, (((size_t)n * s->h + (size_t)h) * s->w + (size_t)w) * s->c + c);
}

static int32_t sum_at(const layer *l, uint32_t n, uint32_t oh, uint32_t ow, uint32_t o)
{
    const shape *s = &l->s;
    const bool dw = s->kind == &it_instr_dwconv;
    const uint32_t per = dw ? 1 : s->c / s->group, first = dw ? o : o / (s->o / s->group) * per;
    int64_t sum = l->bias[o];
    for (uint32_t k = 0; k < l->per; k++) {
        const uint32_t tap = k / per;
        const int64_t h = (int64_t)oh * s->stride + tap / s->k - s->pad, w = (int64_t)ow * s->stride + tap % s->k - s->pad;
        sum += (int64_t)input_at(l, n, h, w, first + k % per) * l->w[dw ? k * s->o + o : o * l->per + k];
    }
    return (int32_t)sum;
}

static size_t outputs(const layer *l) { return (size_t)l->s.n * l->oh * l->ow * l->s.o; }

static int by_value(const void *a, const void *b)
{
    const int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

/* Thresholds at, just below and just above sums that occur; extreme ones; equal ones. */
static void draw_thresholds(layer *l, it_rng *r)
{
    const uint32_t steps = l->len - 1, mode = (uint32_t)it_rng_below(r, 6);
    for (uint32_t o = 0; o < l->s.o; o++) {
        int32_t *row = l->thresholds + o * steps;
        for (uint32_t k = 0; k < steps; k++) {
            row[k] = l->acc[it_rng_below(r, outputs(l) / l->s.o) * l->s.o + o] + random_between(r, -1, 1);
            if (mode == 0)
                row[k] = random_between(r, 0, 1) ? INT32_MIN : INT32_MAX;
            if (mode == 1 && k > 0)
                row[k] = row[0];
        }
        qsort(row, steps, sizeof *row, by_value);
    }
}

static void draw_weights(layer *l, it_rng *r)
{
    const shape *s = &l->s;
    const int32_t most = s->x == INTACT_S16 && l->per > 400 ? 40 : 127;
    for (int k = 0; k < 16; k++)
        l->table[k] = (int8_t)random_between(r, -most, most);
    for (uint32_t o = 0; o < s->o; o++)
        for (uint32_t k = 0; k < l->per; k++) {
            const uint8_t code = l->codes[o * l->per + k] = (uint8_t)it_rng_below(r, UINT64_C(1) << (s->bits == 8 ? 4 : s->bits));
            l->w[s->kind == &it_instr_dwconv ? k * s->o + o : o * l->per + k] =
                s->bits == 8 ? (int8_t)random_between(r, -most, most) : l->table[code];
        }
}

static layer layer_new(const shape *s, uint32_t len, it_rng *r)
{
    layer l = { .s = *s, .len = len, .zx = s->x == INTACT_U8 ? random_between(r, 0, 255) : 0 };
    const bool dense = s->kind == &it_instr_dense, dw = s->kind == &it_instr_dwconv;
    l.oh = dense ? 1 : (s->h + 2 * s->pad - s->k) / s->stride + 1;
    l.ow = dense ? 1 : (s->w + 2 * s->pad - s->k) / s->stride + 1;
    l.per = s->k * s->k * (dw ? 1 : s->c / s->group);
    l.w = malloc(s->o * l.per);
    l.codes = malloc(s->o * l.per);
    l.bias = malloc(s->o * sizeof *l.bias);
    l.thresholds = malloc(s->o * (len - 1) * sizeof *l.thresholds);
    l.acc = malloc(outputs(&l) * sizeof *l.acc);
    l.in = malloc((size_t)s->n * s->h * s->w * s->c * 2);
    random_codes(r, s->x, l.in, (size_t)s->n * s->h * s->w * s->c);
    draw_weights(&l, r);
    for (uint32_t o = 0; o < s->o; o++)
        l.bias[o] = random_between(r, -100000, 100000);
    size_t at = 0;
    for (uint32_t n = 0; n < s->n; n++)
        for (uint32_t i = 0; i < l.oh; i++)
            for (uint32_t j = 0; j < l.ow; j++)
                for (uint32_t o = 0; o < s->o; o++)
                    l.acc[at++] = sum_at(&l, n, i, j, o);
    draw_thresholds(&l, r);
    for (uint32_t k = 0; k < len; k++)
        l.levels[k] = (uint8_t)it_rng_next(r);
    return l;
}

static void layer_free(layer *l)
{
    free(l->w);
    free(l->codes);
    free(l->bias);
    free(l->thresholds);
    free(l->acc);
    free(l->in);
}

static uint32_t weight_const(it_prog *p, const layer *l)
{
    const uint32_t bits = l->s.bits;
    if (bits == 8)
        return net_const(p, INTACT_S8, (uint64_t)l->s.o * l->per, l->w);
    return net_packed(p, l->codes, l->s.o, l->per, bits, l->table, 1);
}

/* m and s: multipliers instead of thresholds, for codes lo..hi of zero point 0. */
static void build(it_prog *p, const layer *l, const int32_t *m, const int32_t *shift, int32_t lo, int32_t hi)
{
    const shape *s = &l->s;
    const net_shape ns = { s->kind, s->n, s->kind == &it_instr_dense ? 0 : s->h, s->w, s->c, s->o, s->group, s->k, s->stride, s->pad, false,
                           s->x, INTACT_U8 };
    it_prog_init(p, NULL);
    it_conv_args a = { .weight = weight_const(p, l), .bias = net_const(p, INTACT_S32, s->o, l->bias), .mult = IT_NO_CONST,
                       .shift = IT_NO_CONST, .lo = lo, .hi = hi, IT_NO_LEVELS };
    if (m) {
        a.mult = net_const(p, INTACT_S32, s->o, m);
        a.shift = net_const(p, INTACT_S32, s->o, shift);
    } else {
        a.thresholds = net_const(p, INTACT_S32, (uint64_t)s->o * (l->len - 1), l->thresholds);
        a.levels = net_const(p, INTACT_U8, l->len, l->levels);
    }
    net_layer(p, &ns, l->zx, 0, a);
}

static uint8_t level_of(const int32_t *thresholds, const uint8_t *levels, uint32_t len, int32_t v)
{
    uint32_t k = 0;
    while (k < len - 1 && v >= thresholds[k]) /* ascending: the first one that is not reached ends it */
        k++;
    return levels[k];
}

static const shape shapes[] = {
    { &it_instr_conv, 2, 9, 7, 13, 10, 1, 3, 2, 1, 8, INTACT_U8 },   { &it_instr_conv, 1, 6, 6, 12, 24, 4, 3, 1, 1, 8, INTACT_U8 },
    { &it_instr_conv, 3, 5, 5, 64, 33, 1, 1, 1, 0, 8, INTACT_U8 },   { &it_instr_conv, 1, 14, 14, 64, 70, 1, 3, 1, 1, 8, INTACT_U8 },
    { &it_instr_conv, 2, 8, 8, 3, 130, 1, 3, 2, 1, 8, INTACT_U8 },   { &it_instr_conv, 1, 5, 5, 8, 9, 1, 3, 1, 1, 8, INTACT_S16 },
    { &it_instr_conv, 2, 6, 5, 20, 17, 1, 3, 1, 1, 3, INTACT_U8 },   { &it_instr_dwconv, 2, 9, 9, 19, 19, 1, 3, 1, 1, 8, INTACT_U8 },
    { &it_instr_dwconv, 1, 9, 9, 72, 72, 1, 5, 2, 2, 8, INTACT_U8 }, { &it_instr_dwconv, 3, 12, 7, 33, 33, 1, 3, 2, 1, 4, INTACT_U8 },
    { &it_instr_dwconv, 1, 6, 6, 7, 7, 1, 3, 1, 1, 8, INTACT_S16 },  { &it_instr_dense, 5, 1, 1, 100, 10, 1, 1, 1, 0, 8, INTACT_U8 },
    { &it_instr_dense, 1, 1, 1, 1, 1, 1, 1, 1, 0, 8, INTACT_U8 },    { &it_instr_dense, 2, 1, 1, 1030, 100, 1, 1, 1, 0, 4, INTACT_U8 },
    { &it_instr_dense, 3, 1, 1, 64, 1000, 1, 1, 1, 0, 2, INTACT_U8 }, { &it_instr_dense, 2, 1, 1, 300, 50, 1, 1, 1, 0, 8, INTACT_S16 },
};

static void layers_agree(void **state)
{
    (void)state;
    it_rng r;
    it_rng_seed(&r, 11);
    for (size_t k = 0; k < IT_LEN(shapes); k++)
        for (int again = 0; again < 3; again++) {
            const uint32_t len = again == 0 ? IT_LEVELS_MAX : (uint32_t)random_between(&r, 2, IT_LEVELS_MAX);
            layer l = layer_new(&shapes[k], len, &r);
            it_prog p;
            build(&p, &l, NULL, NULL, 0, 255);
            uint8_t *want = malloc(outputs(&l));
            for (size_t i = 0; i < outputs(&l); i++)
                want[i] = level_of(l.thresholds + i % l.s.o * (len - 1), l.levels, len, l.acc[i]);
            expect_output(&p, l.s.n, (const void *const[]){ l.in }, want, outputs(&l));
            free(want);
            it_prog_release(&p);
            layer_free(&l);
        }
}

/* The least sum whose code is k or more. */
static int32_t threshold_of(int32_t k, int32_t m, int32_t s, int32_t hi)
{
    int64_t below = -(INT64_C(1) << 31), at = (INT64_C(1) << 31) - 1;
    while (below + 1 < at) {
        const int64_t mid = below + (at - below) / 2;
        if (requant_exact(mid, m, s, 0, 0, hi) >= k)
            at = mid;
        else
            below = mid;
    }
    return (int32_t)at;
}

/* A ReLU to codes of 1 to 4 bits is a multiplier and a clamp, and it is thresholds: the same bytes. */
static void same_as_multipliers(void **state)
{
    (void)state;
    it_rng r;
    it_rng_seed(&r, 12);
    for (size_t k = 0; k < IT_LEN(shapes); k++)
        for (uint32_t bits = 1; bits <= 4; bits++) {
            const uint32_t len = 1u << bits, o_len = shapes[k].o;
            layer l = layer_new(&shapes[k], len, &r);
            int32_t *m = malloc(o_len * sizeof *m), *s = malloc(o_len * sizeof *s);
            for (uint32_t o = 0; o < o_len; o++) {
                m[o] = it_rng_below(&r, 9) ? random_between(&r, 1 << 30, INT32_MAX) : 0;
                s[o] = (shapes[k].x == INTACT_U8 ? 47 : 54) - (int32_t)bits + random_between(&r, -2, 2);
                for (uint32_t t = 1; t < len; t++)
                    l.thresholds[o * (len - 1) + t - 1] = threshold_of((int32_t)t, m[o], s[o], (int32_t)len - 1);
            }
            for (uint32_t t = 0; t < len; t++)
                l.levels[t] = (uint8_t)t;
            uint8_t *want = malloc(outputs(&l));
            for (size_t i = 0; i < outputs(&l); i++)
                want[i] = (uint8_t)requant_exact(l.acc[i], m[i % o_len], s[i % o_len], 0, 0, (int32_t)len - 1);
            for (int form = 0; form < 2; form++) {
                it_prog p;
                build(&p, &l, form ? m : NULL, s, 0, form ? (int32_t)len - 1 : 255);
                expect_output(&p, l.s.n, (const void *const[]){ l.in }, want, outputs(&l));
                it_prog_release(&p);
            }
            free(want);
            free(m);
            free(s);
            layer_free(&l);
        }
}

/* ---- the instruction ---- */

static void build_steps(it_prog *p, intact_type type, uint32_t rank, const uint32_t *dims, uint32_t rows, const int32_t *thresholds,
                        uint32_t len, const uint8_t *levels)
{
    it_prog_init(p, NULL);
    uint32_t x = net_tensor(p, "x", type, type == INTACT_U8 ? 9 : 0, rank, dims), y = net_tensor(p, "y", INTACT_U8, 3, rank, dims);
    it_threshold_args a = { net_const(p, INTACT_S32, (uint64_t)rows * (len - 1), thresholds), net_const(p, INTACT_U8, len, levels) };
    net_emit(p, &it_instr_threshold, "steps", &x, 1, y, &a);
    net_ports(p, &x, 1, &y, 1);
}

static void by_hand(void **state)
{
    (void)state;
    const int32_t thresholds[2][4] = { { -5, 0, 10, 10 }, { -32768, 300, 32767, 40000 } };
    const uint8_t levels[5] = { 7, 1, 200, 3, 9 };
    const int16_t x[10] = { -6, -32767, -5, 299, 0, 300, 9, 32766, 10, 32767 };
    const uint8_t want[10] = { 7, 1, 1, 1, 200, 200, 200, 200, 9, 3 };
    it_prog p;
    build_steps(&p, INTACT_S16, 3, (uint32_t[]){ 1, 5, 2 }, 2, thresholds[0], 5, levels);
    expect_output(&p, 1, (const void *const[]){ x }, want, sizeof want);
    it_prog_release(&p);
    const int32_t ends[3] = { 0, 255, 256 };
    const uint8_t x8[4] = { 0, 1, 254, 255 }, want8[4] = { 1, 1, 1, 200 };
    build_steps(&p, INTACT_U8, 2, (uint32_t[]){ 1, 4 }, 1, ends, 4, levels);
    expect_output(&p, 1, (const void *const[]){ x8 }, want8, sizeof want8);
    it_prog_release(&p);
}

static void check_steps(intact_type type, uint32_t rank, const uint32_t *dims, bool all, uint32_t batch, it_rng *r)
{
    const uint32_t len = (uint32_t)random_between(r, 2, IT_LEVELS_MAX), c = dims[rank - 1], rows = all ? 1 : c;
    size_t n = batch;
    for (uint32_t k = 0; k < rank; k++)
        n *= dims[k];
    int32_t *t = malloc((size_t)rows * (len - 1) * sizeof *t);
    uint8_t levels[IT_LEVELS_MAX], *want = malloc(n);
    void *x = malloc(n * 2);
    random_codes(r, type, x, n);
    for (uint32_t k = 0; k < rows; k++) {
        for (uint32_t j = 0; j < len - 1; j++)
            t[k * (len - 1) + j] = it_rng_below(r, 9) == 0   ? (it_rng_below(r, 2) ? INT32_MIN : INT32_MAX)
                                   : it_rng_below(r, 2) == 0 ? random_code(r, type)
                                                             : code_at(type, x, it_rng_below(r, n)) + random_between(r, -1, 1);
        qsort(t + k * (len - 1), len - 1, sizeof *t, by_value);
    }
    for (uint32_t k = 0; k < len; k++)
        levels[k] = (uint8_t)it_rng_next(r);
    for (size_t i = 0; i < n; i++)
        want[i] = level_of(t + (all ? 0 : i % c) * (len - 1), levels, len, code_at(type, x, i));
    it_prog p;
    build_steps(&p, type, rank, dims, rows, t, len, levels);
    expect_output(&p, batch, (const void *const[]){ x }, want, n);
    it_prog_release(&p);
    free(t);
    free(want);
    free(x);
}

static void instruction_agrees(void **state)
{
    static const uint32_t dims[][6] = { { 1, 9, 7, 3, 0, 0 }, { 1, 5, 0, 0, 0, 0 }, { 1, 3, 130, 0, 0, 0 },  { 1, 0, 0, 0, 0, 0 },
                                        { 1, 4, 4, 64, 0, 0 }, { 1, 2, 3, 2, 65, 0 }, { 1, 60, 50, 40, 0, 0 }, { 1, 2, 2, 2, 2, 17 },
                                        { 1, 1, 700, 0, 0, 0 }, { 1, 33, 31, 1, 0, 0 } };
    (void)state;
    it_rng r;
    it_rng_seed(&r, 13);
    for (size_t k = 0; k < IT_LEN(dims); k++) {
        uint32_t rank = 1;
        while (rank < 6 && dims[k][rank] != 0)
            rank++;
        for (int variant = 0; variant < 4; variant++)
            for (uint32_t batch = 1; batch <= 3; batch += 2)
                check_steps(variant & 1 ? INTACT_S16 : INTACT_U8, rank, dims[k], variant >= 2, batch, &r);
    }
}

/* A chain inside the workspace: s16 to u8, which is smaller, then u8 in place. */
static void chain_in_place(void **state)
{
    (void)state;
    enum { N = 5000 };
    const int32_t first[3] = { -1000, 0, 1000 }, second[1] = { 20 };
    const uint8_t levels[4] = { 10, 20, 30, 40 }, last[2] = { 5, 6 };
    int16_t *x = malloc(N * sizeof *x);
    uint8_t *want = malloc(N);
    for (int k = 0; k < N; k++) {
        x[k] = (int16_t)(k * 13 % 4001 - 2000);
        want[k] = (uint8_t)(x[k] >= -1000 ? 6 : 5);
    }
    it_prog p;
    build_steps(&p, INTACT_S16, 2, (uint32_t[]){ 1, N }, 1, first, 4, levels);
    uint32_t y = p.outputs[0], z = NET_TENSOR(&p, "z", INTACT_U8, 0, 1, N);
    it_threshold_args a = { net_const(&p, INTACT_S32, 1, second), net_const(&p, INTACT_U8, 2, last) };
    net_emit(&p, &it_instr_threshold, "again", &y, 1, z, &a);
    net_ports(&p, p.inputs, 1, &z, 1);
    expect_output(&p, 1, (const void *const[]){ x }, want, N);
    it_prog_release(&p);
    free(x);
    free(want);
}

/* ---- files ---- */

static const shape small = { &it_instr_dense, 1, 1, 1, 5, 3, 1, 1, 1, 0, 8, INTACT_U8 };

static void small_build(it_prog *p, bool steps, it_rng *r)
{
    const int32_t m[3] = { 1 << 30, 1 << 30, 1 << 30 }, s[3] = { 40, 40, 40 };
    layer l = layer_new(&small, 5, r);
    build(p, &l, steps ? NULL : m, s, 0, 255);
    layer_free(&l);
}

/* The section of instructions, and its bytes. */
/* A layer without thresholds is stored as before there were any; with them its code says that two arguments more follow. */
static void in_files(void **state)
{
    enum { HEAD = 4 + 16 + 8, ARGS = 7 };
    (void)state;
    it_rng r;
    it_rng_seed(&r, 14);
    for (int steps = 0; steps < 2; steps++) {
        it_prog p;
        small_build(&p, steps != 0, &r);
        blob b = blob_of(&p);
        uint64_t bytes;
        uint8_t *i = blob_instrs(&b, &bytes);
        uint32_t code;
        memcpy(&code, i + 4, 4);
        assert_int_equal(bytes, HEAD + 4 * (ARGS + 2 * steps));
        assert_int_equal(code, 3 + (steps << 17));
        expect_load(&b, INTACT_OK, "");
        put_word(i + 4, code + (4 << 16));
        expect_load(&b, INTACT_E_UNSUPPORTED, "this version knows 3");
        put_word(i + 4, code + 17);
        expect_load(&b, INTACT_E_UNSUPPORTED, "code 20");
        put_word(i + 4, code);
        if (steps) {
            put_word(i + 4, 3 + (1 << 16));
            expect_load(&b, INTACT_E_FORMAT, "follow the last record");
            put_word(i + 4, code);
            put_word(i + HEAD + 4 * 8, IT_NO_CONST);
            expect_load(&b, INTACT_E_FORMAT, "the last of 2 optional arguments is not there");
        }
        blob_free(&b);
        it_prog_release(&p);
    }
}

/* d: the arguments of a dense layer with five levels; t, l: its thresholds and levels. */
#define REFUSE(status, word, ...) \
    do { \
        it_prog p; \
        small_build(&p, true, &r); \
        assert_int_equal(it_prog_check(&p, NULL), INTACT_OK); \
        it_dense_args *d = p.instrs.items[0].args; \
        it_pconst *t = &p.consts.items[d->thresholds], *l = &p.consts.items[d->levels]; \
        (void)t, (void)l; \
        __VA_ARGS__; \
        expect_checked(&p, (status), (word)); \
    } while (0)

static void wrong_layers(void **state)
{
    static const int32_t falling[12] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 10, 12 }, step_back[12] = { 9, 9, 9, 9, 5, 5, 5, 5, 1, 1, 1, 1 };
    static const int32_t many[48];
    static const uint8_t levels[17];
    (void)state;
    it_rng r;
    it_rng_seed(&r, 15);
    REFUSE(INTACT_E_FORMAT, "threshold 2 of channel 2 is 10, after 11", t->data = falling);
    REFUSE(INTACT_E_SHAPE, "thresholds is 11 x s32; 12 x s32", t->len = 11);
    REFUSE(INTACT_E_SHAPE, "thresholds is 12 x u8", t->type = INTACT_U8);
    REFUSE(INTACT_E_SHAPE, "17 levels", l->data = levels; l->len = 17; t->data = many; t->len = 48);
    REFUSE(INTACT_E_SHAPE, "1 levels", l->len = 1);
    REFUSE(INTACT_E_SHAPE, "levels is 5 x s8", l->type = INTACT_S8);
    REFUSE(INTACT_E_SHAPE, "levels without thresholds", d->thresholds = IT_NO_CONST);
    REFUSE(INTACT_E_SHAPE, "thresholds without levels", d->levels = IT_NO_CONST);
    REFUSE(INTACT_E_SHAPE, "mult is not there", d->thresholds = d->levels = IT_NO_CONST);
    REFUSE(INTACT_E_FORMAT, "levels is constant 99", d->levels = 99);
    REFUSE(INTACT_E_SHAPE, "no mult and shift", d->mult = d->bias);
    REFUSE(INTACT_E_SHAPE, "clamp is 1..255", d->lo = 1);
    REFUSE(INTACT_E_SHAPE, "64-bit", d->acc64 = 1);
    REFUSE(INTACT_E_SHAPE, "y is s16; u8", p.tensors.items[1].type = INTACT_S16);
    it_prog p;
    small_build(&p, true, &r); /* every row for itself: the next one may begin lower */
    p.consts.items[((it_dense_args *)p.instrs.items[0].args)->thresholds].data = step_back;
    assert_int_equal(it_prog_check(&p, NULL), INTACT_OK);
    it_prog_release(&p);
}

static void wrong_instructions(void **state)
{
    static const int32_t t[6] = { 1, 2, 3, 4, 6, 5 };
    static const uint8_t levels[17] = { 1, 2, 3 };
    static const int32_t many[16];
    const uint32_t dims[3] = { 1, 5, 3 };
    it_prog p;
    (void)state;
    build_steps(&p, INTACT_U8, 3, dims, 3, t, 3, levels);
    expect_checked(&p, INTACT_E_FORMAT, "threshold 1 of channel 2 is 5, after 6");
    build_steps(&p, INTACT_U8, 3, dims, 2, t, 3, levels);
    expect_checked(&p, INTACT_E_SHAPE, "thresholds is 4 x s32; 6 x s32");
    build_steps(&p, INTACT_S16, 3, dims, 1, many, 17, levels);
    expect_checked(&p, INTACT_E_SHAPE, "17 levels");
    build_steps(&p, INTACT_U8, 3, dims, 1, t, 3, levels);
    p.tensors.items[1].type = INTACT_S16;
    p.tensors.items[1].zero_point = 0;
    expect_checked(&p, INTACT_E_SHAPE, "y is s16; u8");
    build_steps(&p, INTACT_U8, 3, dims, 1, t, 3, levels);
    p.tensors.items[1].dims[1] = 3, p.tensors.items[1].dims[2] = 5;
    expect_checked(&p, INTACT_E_SHAPE, "dimension 1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_hand),        cmocka_unit_test(layers_agree), cmocka_unit_test(same_as_multipliers),
        cmocka_unit_test(instruction_agrees), cmocka_unit_test(chain_in_place), cmocka_unit_test(in_files),
        cmocka_unit_test(wrong_layers),   cmocka_unit_test(wrong_instructions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
