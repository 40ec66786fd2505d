/* SPDX-License-Identifier: Apache-2.0 */
/* test_fixes.c: weights beyond signed bytes as bytes and a list of fixes.
**
** conv, dwconv and dense against their formula with the whole weights, and against bytes alone where these hold them, at every level, batch and thread count; in files; what is wrong with a list is refused. */
#include "run/helpers.h"

#include <stdlib.h>
#include <string.h>

#include "format/format.h"
#include "run/itm.h"

/* Where whole weights come from. POWERS: 0 and +-2^k up to 128, of which only +128 is no byte. */
typedef enum weights { BYTES, POWERS, WIDE } weights;

typedef struct layer {
    net_shape s;
    uint32_t oh, ow, per;
    int32_t zx, zy, *whole, *bias, *mult, *shift; /* whole: (O, per) */
    int8_t *bytes, *split;                        /* canonical; split: with the fixes they are whole */
    it_fix *fixes;
    uint32_t fixes_len;
    void *in, *want;
} layer;

static bool depthwise(const net_shape *s) { return s->kind == &it_instr_dwconv; }

static int64_t sum_at(const layer *l, uint32_t n, uint32_t oh, uint32_t ow, uint32_t o)
{
    const net_shape *s = &l->s;
    const uint32_t per = depthwise(s) ? 1 : s->c / s->group, first = depthwise(s) ? o : o / (s->o / s->group) * per;
    int64_t sum = l->bias[o];
    for (uint32_t k = 0; k < l->per; k++) {
        const int64_t h = (int64_t)oh * s->stride + k / per / s->k - s->pad, w = (int64_t)ow * s->stride + k / per % s->k - s->pad;
        const bool in = h >= 0 && h < s->h && w >= 0 && w < s->w;
        sum += (int64_t)(in ? code_at(s->x, l->in, (((size_t)n * s->h + (size_t)h) * s->w + (size_t)w) * s->c + first + k % per) : l->zx) *
               l->whole[o * l->per + k];
    }
    return sum;
}

static int32_t draw_weight(weights kind, it_rng *r)
{
    if (kind == POWERS) {
        const uint32_t k = (uint32_t)it_rng_below(r, 9);
        return k == 8 ? 0 : (random_between(r, 0, 1) ? 1 : -1) * (1 << k);
    }
    return kind == BYTES ? random_between(r, -128, 127) : random_between(r, -256, 254);
}

/* Bytes nearest to whole and the rest; where whole is a byte, sometimes any two that add up to it. */
static void split_weights(layer *l, weights kind, it_rng *r)
{
    const net_shape *s = &l->s;
    for (uint32_t o = 0; o < s->o; o++)
        for (uint32_t k = 0; k < l->per; k++) {
            const uint32_t at = depthwise(s) ? k * s->o + o : o * l->per + k;
            const int32_t v = l->whole[o * l->per + k] = draw_weight(kind, r);
            int32_t w = v < -128 ? -128 : v > 127 ? 127 : v;
            l->bytes[at] = (int8_t)w;
            if (kind == BYTES && it_rng_below(r, 20) == 0)
                w = random_between(r, v < 0 ? -128 : v - 127, v < 0 ? v + 128 : 127);
            w = w > 127 ? 127 : w;
            l->split[at] = (int8_t)w;
            if (v != w)
                l->fixes[l->fixes_len++] = (it_fix){ o, k, v - w };
        }
}

static layer layer_new(const net_shape *s, weights kind, it_rng *r)
{
    layer l = { .s = *s, .oh = net_shape_out(s, s->h), .ow = net_shape_out(s, s->w), .per = (uint32_t)net_shape_per(s) };
    l.zx = s->x == INTACT_U8 ? random_between(r, 0, 255) : 0;
    l.zy = s->y == INTACT_U8 ? random_between(r, 0, 255) : 0;
    const size_t len = (size_t)s->o * l.per, in_len = (size_t)s->n * s->h * s->w * s->c, out_len = (size_t)s->n * l.oh * l.ow * s->o;
    l.whole = malloc(len * 4);
    l.bytes = malloc(len);
    l.split = malloc(len);
    l.fixes = malloc(len * sizeof *l.fixes);
    l.bias = malloc(s->o * 12);
    l.mult = l.bias + s->o;
    l.shift = l.mult + s->o;
    l.in = malloc(in_len * 2);
    l.want = malloc(out_len * 2);
    split_weights(&l, kind, r);
    random_codes(r, s->x, l.in, in_len);
    int32_t spread = s->x == INTACT_U8 ? 37 : s->y == INTACT_U8 ? 44 : 37;
    for (uint32_t p = l.per; p > 1; p /= 4)
        spread++;
    for (uint32_t o = 0; o < s->o; o++) {
        l.bias[o] = random_between(r, -100000, 100000);
        l.mult[o] = random_between(r, s->acc64 ? 1 << 14 : 1 << 30, s->acc64 ? (1 << 15) - 1 : INT32_MAX);
        l.shift[o] = spread - (s->acc64 ? 16 : 0) - (it_rng_below(r, 8) == 0 ? 8 : 0);
    }
    size_t at = 0;
    for (uint32_t i = 0; i < s->n * l.oh * l.ow; i++)
        for (uint32_t o = 0; o < s->o; o++, at++) {
            const int64_t acc = sum_at(&l, i / (l.oh * l.ow), i / l.ow % l.oh, i % l.ow, o);
            if (s->y == INTACT_U8)
                ((uint8_t *)l.want)[at] = (uint8_t)requant_exact(acc, l.mult[o], l.shift[o], l.zy, 3, 250);
            else
                ((int16_t *)l.want)[at] = (int16_t)requant_exact(acc, l.mult[o], l.shift[o], 0, -32767, 32767);
        }
    return l;
}

static void layer_free(layer *l)
{
    free(l->whole);
    free(l->bytes);
    free(l->split);
    free(l->fixes);
    free(l->bias);
    free(l->in);
    free(l->want);
}

static void build(it_prog *p, const layer *l, const int8_t *w, bool fixes)
{
    const net_shape *s = &l->s;
    const bool u8 = s->y == INTACT_U8;
    it_prog_init(p, NULL);
    it_conv_args a = { .weight = net_const(p, INTACT_S8, (uint64_t)s->o * l->per, w), .bias = net_const(p, INTACT_S32, s->o, l->bias),
                       .mult = net_const(p, INTACT_S32, s->o, l->mult), .shift = net_const(p, INTACT_S32, s->o, l->shift),
                       .lo = u8 ? 3 : -32767, .hi = u8 ? 250 : 32767, IT_NO_LEVELS };
    if (fixes && l->fixes_len)
        a.fixes = net_const(p, INTACT_S32, (uint64_t)l->fixes_len * 3, l->fixes);
    net_layer(p, s, l->zx, l->zy, a);
}

static const net_shape shapes[] = {
    { &it_instr_conv, 2, 9, 7, 13, 10, 1, 3, 2, 1, false, INTACT_U8, INTACT_U8 },
    { &it_instr_conv, 1, 6, 6, 12, 24, 4, 3, 1, 1, false, INTACT_U8, INTACT_S16 },
    { &it_instr_conv, 3, 5, 5, 64, 33, 1, 1, 1, 0, false, INTACT_U8, INTACT_U8 },
    { &it_instr_conv, 1, 14, 14, 64, 70, 1, 3, 1, 1, false, INTACT_U8, INTACT_U8 },
    { &it_instr_conv, 2, 7, 8, 128, 48, 2, 3, 2, 1, false, INTACT_U8, INTACT_U8 },
    { &it_instr_conv, 1, 9, 3, 64, 20, 1, 2, 1, 1, false, INTACT_U8, INTACT_U8 },
    { &it_instr_conv, 1, 28, 28, 16, 30, 1, 1, 1, 0, false, INTACT_U8, INTACT_U8 },
    { &it_instr_conv, 1, 5, 5, 4, 9, 1, 3, 1, 1, false, INTACT_S16, INTACT_S16 },
    { &it_instr_conv, 1, 5, 5, 64, 9, 1, 3, 1, 1, true, INTACT_S16, INTACT_U8 },
    { &it_instr_dwconv, 2, 9, 9, 19, 19, 1, 3, 1, 1, false, INTACT_U8, INTACT_U8 },
    { &it_instr_dwconv, 1, 9, 9, 72, 72, 1, 5, 2, 2, false, INTACT_U8, INTACT_U8 },
    { &it_instr_dwconv, 1, 6, 6, 7, 7, 1, 3, 1, 1, false, INTACT_S16, INTACT_S16 },
    { &it_instr_dense, 5, 1, 1, 100, 10, 1, 1, 1, 0, false, INTACT_U8, INTACT_U8 },
    { &it_instr_dense, 1, 1, 1, 1, 1, 1, 1, 1, 0, false, INTACT_U8, INTACT_U8 },
    { &it_instr_dense, 2, 1, 1, 1030, 100, 1, 1, 1, 0, false, INTACT_U8, INTACT_U8 },
    { &it_instr_dense, 2, 1, 1, 200, 50, 1, 1, 1, 0, true, INTACT_S16, INTACT_S16 },
};

static void layers_agree(void **state)
{
    (void)state;
    it_rng r;
    it_rng_seed(&r, 21);
    for (size_t i = 0; i < IT_LEN(shapes); i++)
        for (int kind = BYTES; kind <= WIDE; kind++) {
            layer l = layer_new(&shapes[i], (weights)kind, &r);
            const size_t bytes = (size_t)l.s.n * l.oh * l.ow * l.s.o * intact_type_bytes(l.s.y);
            it_prog p;
            build(&p, &l, l.split, true);
            expect_output(&p, l.s.n, (const void *const[]){ l.in }, l.want, bytes);
            it_prog_release(&p);
            if (kind == BYTES) {
                build(&p, &l, l.bytes, false);
                expect_output(&p, l.s.n, (const void *const[]){ l.in }, l.want, bytes);
                it_prog_release(&p);
            }
            layer_free(&l);
        }
}

/* Thresholds see the whole weights; codes of 4 bits, which would stay packed without fixes; +128. Worked out by hand. */
static void by_hand(void **state)
{
    enum { K = 70000 };
    (void)state;
    const int8_t table[16] = { 0, 1, -2, 127 };
    const it_fix fixes[2] = { { 0, 0, 1 }, { 0, K - 1, -128 } };
    const int32_t bias = 0, limits[2] = { 1281, 1282 };
    const uint8_t levels[3] = { 5, 6, 7 }, want = 6;
    uint8_t *codes = calloc(1, K / 2), *x = calloc(1, K);
    it_prog p;
    it_prog_init(&p, NULL);
    codes[0] = 3;
    codes[K / 2 - 1] = 1 << 4;
    x[0] = 11;
    x[K - 1] = 1; /* 11 * (127 + 1) + 1 * (1 - 128) = 1281 */
    uint32_t in = NET_TENSOR(&p, "x", INTACT_U8, 9, 1, K), out = NET_TENSOR(&p, "y", INTACT_U8, 0, 1, 1);
    it_dense_args d = { .weight = net_const(&p, INTACT_S8, K / 2, codes), .bias = net_const(&p, INTACT_S32, 1, &bias),
                        .mult = IT_NO_CONST, .shift = IT_NO_CONST, .hi = 255, .thresholds = net_const(&p, INTACT_S32, 2, limits),
                        .levels = net_const(&p, INTACT_U8, 3, levels), .fixes = net_const(&p, INTACT_S32, 6, fixes) };
    const uint32_t t = net_const(&p, INTACT_S8, 16, table);
    it_pconst *w = &p.consts.items[d.weight];
    w->len = K;
    w->bits = 4;
    w->rows = 1;
    w->table = t;
    net_emit(&p, &it_instr_dense, "layer", &in, 1, out, &d);
    net_ports(&p, &in, 1, &out, 1);
    expect_output(&p, 1, (const void *const[]){ x }, &want, 1);
    it_prog_release(&p);
    free(codes);
    free(x);
}

/* ---- files ---- */

static const net_shape small = { &it_instr_dense, 1, 1, 1, 5, 3, 1, 1, 1, 0, false, INTACT_U8, INTACT_U8 };

static void small_build(it_prog *p, it_rng *r)
{
    static const it_fix fixes[3] = { { 0, 2, 1 }, { 0, 4, -128 }, { 2, 0, 127 } };
    layer l = layer_new(&small, POWERS, r);
    memcpy(l.fixes, fixes, sizeof fixes);
    l.fixes_len = 3;
    build(p, &l, l.split, true);
    layer_free(&l);
}

/* Three optional arguments of which two are not there; what was read is written as it was. */
static void in_files(void **state)
{
    enum { HEAD = 4 + 16 + 8, ARGS = 7 };
    (void)state;
    it_rng r;
    it_rng_seed(&r, 22);
    it_prog p, back;
    small_build(&p, &r);
    blob b = blob_of(&p);
    uint64_t section;
    uint8_t *i = blob_instrs(&b, &section);
    uint32_t words[4];
    memcpy(words, i + 4, 4);
    memcpy(words + 1, i + HEAD + 4 * ARGS, 12);
    assert_int_equal(words[0], 3 + (3 << 16));
    assert_true(words[1] == IT_NO_CONST && words[2] == IT_NO_CONST && words[3] != IT_NO_CONST);
    assert_int_equal(it_prog_read(b.bytes, b.len, NULL, &back, NULL), INTACT_OK);
    blob again = blob_of(&back);
    assert_int_equal(again.len, b.len);
    assert_memory_equal(again.bytes, b.bytes, b.len);
    blob_free(&again);
    it_prog_release(&back);
    put_word(i + HEAD + 4 * (ARGS + 2), IT_NO_CONST);
    expect_load(&b, INTACT_E_FORMAT, "the last of 3 optional arguments is not there");
    put_word(i + HEAD + 4 * (ARGS + 2), words[3]);
    put_word(i + HEAD + 4 * ARGS, words[3]);
    expect_load(&b, INTACT_E_SHAPE, "with thresholds there are no mult");
    put_word(i + HEAD + 4 * ARGS, IT_NO_CONST);
    expect_load(&b, INTACT_OK, "");
    blob_free(&b);
    it_prog_release(&p);
}

/* f: the list; c: its constant; d: the arguments. */
#define REFUSE(status, word, ...) \
    do { \
        it_prog p; \
        small_build(&p, &r); \
        assert_int_equal(it_prog_check(&p, NULL), INTACT_OK); \
        it_dense_args *d = p.instrs.items[0].args; \
        it_pconst *c = &p.consts.items[d->fixes]; \
        it_fix f[3]; \
        memcpy(f, c->data, sizeof f); \
        c->data = f; \
        __VA_ARGS__; \
        expect_checked(&p, (status), (word)); \
    } while (0)

static void wrong_lists(void **state)
{
    static const int32_t high = INT32_MAX - 255 * 5 * 128;
    (void)state;
    it_rng r;
    it_rng_seed(&r, 23);
    REFUSE(INTACT_E_SHAPE, "fixes has 8 values", c->len = 8);
    REFUSE(INTACT_E_SHAPE, "fixes is 9 x s8", c->type = INTACT_S8);
    REFUSE(INTACT_E_FORMAT, "fix 2 is channel 3, tap 0", f[2].out = 3);
    REFUSE(INTACT_E_FORMAT, "fix 1 is channel 0, tap 5", f[1].tap = 5);
    REFUSE(INTACT_E_FORMAT, "fix 0 is channel 0, tap 2, add 0", f[0].add = 0);
    REFUSE(INTACT_E_FORMAT, "add 128", f[0].add = 128);
    REFUSE(INTACT_E_FORMAT, "add -129", f[2].add = -129);
    REFUSE(INTACT_E_FORMAT, "fix 1 is channel 0, tap 2, after channel 0, tap 2", f[1].tap = 2);
    REFUSE(INTACT_E_FORMAT, "fix 1 is channel 0, tap 1, after channel 0, tap 2", f[1].tap = 1);
    REFUSE(INTACT_E_FORMAT, "fix 2 is channel 0, tap 0, after channel 0, tap 4", f[2].out = 0);
    REFUSE(INTACT_E_FORMAT, "fixes is constant 77", d->fixes = 77);
    int32_t bias[3] = { high, 0, 0 }; /* with bytes alone it could not overflow */
    int8_t most[15];
    memset(most, 127, sizeof most);
    REFUSE(INTACT_E_FORMAT, "channel 0 can reach", p.consts.items[d->bias].data = bias; p.consts.items[d->weight].data = most);
    REFUSE(INTACT_OK, "", p.consts.items[d->bias].data = bias; p.consts.items[d->weight].data = most; d->fixes = IT_NO_CONST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layers_agree), cmocka_unit_test(by_hand), cmocka_unit_test(in_files), cmocka_unit_test(wrong_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
