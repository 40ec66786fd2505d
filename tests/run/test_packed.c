/* SPDX-License-Identifier: Apache-2.0 */
/* test_packed.c: weights of 2, 3 and 4 bits: a program with them gives the bytes of the same program with the decoded weights, at every
** level, batch and thread count; what is wrong with them is refused. */
#include "run/helpers.h"

#include <stdlib.h>
#include <string.h>

typedef struct packing { uint32_t bits; bool by_row; } packing;

/* One program, built twice from the same numbers: with bytes, and packed. */
typedef struct layer {
    net_shape s;
    packing pk;
    uint64_t rows, per, levels;
    int8_t *table;  /* by row or one */
    uint8_t *codes; /* one a byte: (rows, per) */
    int8_t *bytes;  /* canonical: (O, per), depthwise (per, C) */
    int32_t *consts;
    int32_t zx, zy, lo, hi;
} layer;

static layer layer_new(const net_shape *s, packing pk, it_rng *r)
{
    bool dw = s->kind == &it_instr_dwconv, wide = s->x == INTACT_S16;
    layer l = { .s = *s, .pk = pk, .rows = s->o, .per = net_shape_per(s) };
    l.levels = UINT64_C(1) << pk.bits;
    uint64_t tables = (pk.by_row ? l.rows : 1) * l.levels;
    int32_t most = wide && !s->acc64 && l.per > 400 ? 128 * 400 / (int32_t)l.per : 127;
    l.table = malloc(tables);
    l.codes = malloc(l.rows * l.per);
    l.bytes = malloc(l.rows * l.per);
    l.consts = malloc(l.rows * 3 * sizeof *l.consts);
    for (uint64_t k = 0; k < tables; k++)
        l.table[k] = (int8_t)(random_between(r, 0, 7) == 0 && most == 127 ? -128 : random_between(r, -most, most));
    for (uint64_t o = 0; o < l.rows; o++)
        for (uint64_t k = 0; k < l.per; k++) {
            uint8_t code = l.codes[o * l.per + k] = (uint8_t)it_rng_below(r, l.levels);
            l.bytes[dw ? k * l.rows + o : o * l.per + k] = l.table[(pk.by_row ? o * l.levels : 0) + code];
        }
    int32_t shift = s->acc64 ? (wide ? 36 : 30) : (wide ? 44 : 42) + (s->y == INTACT_S16 ? -6 : 0);
    for (uint64_t o = 0; o < l.rows; o++) {
        l.consts[o] = random_between(r, -100000, 100000);
        l.consts[l.rows + o] = s->acc64 ? random_between(r, 1 << 14, (1 << 15) - 1) : random_between(r, 1 << 30, INT32_MAX);
        l.consts[2 * l.rows + o] = shift + random_between(r, -2, 2);
    }
    l.zx = wide ? 0 : random_between(r, 0, 255);
    l.zy = s->y == INTACT_U8 ? random_between(r, 0, 255) : 0;
    l.lo = s->y == INTACT_U8 ? random_between(r, 0, 40) : -32767;
    l.hi = s->y == INTACT_U8 ? random_between(r, 200, 255) : 32767;
    return l;
}

static void layer_free(layer *l)
{
    free(l->table);
    free(l->codes);
    free(l->bytes);
    free(l->consts);
}

static void build(it_prog *p, const layer *l, bool packed)
{
    const net_shape *s = &l->s;
    it_prog_init(p, NULL);
    it_conv_args a = { .lo = l->lo, .hi = l->hi, IT_NO_LEVELS };
    a.weight = packed ? net_packed(p, l->codes, (uint32_t)l->rows, l->per, l->pk.bits, l->table, l->pk.by_row ? (uint32_t)l->rows : 1)
                      : net_const(p, INTACT_S8, l->rows * l->per, l->bytes);
    a.bias = net_const(p, INTACT_S32, l->rows, l->consts);
    a.mult = net_const(p, INTACT_S32, l->rows, l->consts + l->rows);
    a.shift = net_const(p, INTACT_S32, l->rows, l->consts + 2 * l->rows);
    net_layer(p, s, l->zx, l->zy, a);
}

static void run_plain(const it_prog *p, uint32_t batch, const void *in, void *out)
{
    blob b = blob_of(p);
    intact_program *g = load_blob(&b, INTACT_CPU_SCALAR, NULL);
    intact_session *s;
    assert_int_equal(intact_session_new(g, &(intact_session_options){ .batch = batch }, &s, NULL), INTACT_OK);
    assert_int_equal(intact_session_run(s, &in, 1, &out, 1, NULL), INTACT_OK);
    intact_session_free(s);
    intact_program_free(g);
    blob_free(&b);
}

static void check_shape(const net_shape *s, packing pk, it_rng *r)
{
    layer l = layer_new(s, pk, r);
    it_prog bytes, packed;
    build(&bytes, &l, false);
    build(&packed, &l, true);
    size_t x_len = (size_t)s->n * s->h * s->w * s->c;
    size_t y_len = (size_t)s->n * s->o * net_shape_out(s, s->h) * net_shape_out(s, s->w);
    void *in = malloc(x_len * 2), *want = malloc(y_len * 2);
    random_codes(r, s->x, in, x_len);
    run_plain(&bytes, s->n, in, want);
    expect_output(&packed, s->n, (const void *const[]){ in }, want, y_len * intact_type_bytes(s->y));
    free(in);
    free(want);
    it_prog_release(&bytes);
    it_prog_release(&packed);
    layer_free(&l);
}

static const net_shape shapes[] = {
    { &it_instr_conv, 2, 9, 7, 13, 10, 1, 3, 2, 1, false, INTACT_U8, INTACT_U8 },
    { &it_instr_conv, 1, 6, 6, 12, 24, 4, 3, 1, 1, false, INTACT_U8, INTACT_S16 },
    { &it_instr_conv, 3, 5, 5, 64, 33, 1, 1, 1, 0, false, INTACT_U8, INTACT_U8 },
    { &it_instr_conv, 1, 5, 5, 8, 9, 1, 3, 1, 1, false, INTACT_S16, INTACT_S16 },
    { &it_instr_conv, 1, 5, 5, 64, 9, 1, 3, 1, 1, true, INTACT_S16, INTACT_U8 },
    { &it_instr_dwconv, 2, 9, 9, 19, 19, 1, 3, 1, 1, false, INTACT_U8, INTACT_U8 },
    { &it_instr_dwconv, 1, 9, 9, 40, 40, 1, 5, 2, 2, false, INTACT_U8, INTACT_U8 },
    { &it_instr_dwconv, 1, 6, 6, 7, 7, 1, 3, 1, 1, false, INTACT_S16, INTACT_S16 },
    { &it_instr_dense, 1, 1, 1, 1, 1, 1, 1, 1, 0, false, INTACT_U8, INTACT_U8 },
    { &it_instr_dense, 3, 1, 1, 100, 10, 1, 1, 1, 0, false, INTACT_U8, INTACT_U8 },   /* small: becomes bytes while loading */
    { &it_instr_dense, 1, 1, 1, 1030, 100, 1, 1, 1, 0, false, INTACT_U8, INTACT_U8 }, /* stays packed */
    { &it_instr_dense, 2, 1, 1, 2049, 67, 1, 1, 1, 0, false, INTACT_U8, INTACT_S16 },
    { &it_instr_dense, 7, 4, 5, 64, 65, 1, 1, 1, 0, false, INTACT_U8, INTACT_U8 },
    { &it_instr_dense, 50, 1, 1, 1024, 64, 1, 1, 1, 0, false, INTACT_U8, INTACT_U8 },
    { &it_instr_dense, 2, 1, 1, 300, 500, 1, 1, 1, 0, false, INTACT_S16, INTACT_S16 },
    { &it_instr_dense, 2, 1, 1, 2000, 50, 1, 1, 1, 0, true, INTACT_S16, INTACT_S16 },
};

static void packed_equals_bytes(void **state)
{
    (void)state;
    it_rng r;
    it_rng_seed(&r, 5);
    for (size_t k = 0; k < IT_LEN(shapes); k++)
        for (uint32_t bits = 2; bits <= 4; bits++)
            for (int by_row = 0; by_row < 2; by_row++) {
                net_shape s = shapes[k];
                if (s.kind == &it_instr_dense) /* x of any rank is a row */
                    s.c *= s.h * s.w, s.h = s.w = 1;
                check_shape(&s, (packing){ bits, by_row != 0 }, &r);
            }
}

/* ---- what a reader refuses ---- */

static const net_shape small = { &it_instr_dense, 1, 1, 1, 5, 3, 1, 1, 1, 0, false, INTACT_U8, INTACT_U8 };

/* w: the packed constant, t: its table, as build() makes them. */
#define REFUSE(by_row, status, word, ...) \
    do { \
        layer l = layer_new(&small, (packing){ 3, (by_row) }, &r); \
        it_prog p; \
        build(&p, &l, true); \
        assert_int_equal(it_prog_check(&p, NULL), INTACT_OK); \
        it_pconst *t = &p.consts.items[0], *w = &p.consts.items[1]; \
        (void)t, (void)w; \
        __VA_ARGS__; \
        expect_checked(&p, (status), (word)); \
        layer_free(&l); \
    } while (0)

static void wrong_packing(void **state)
{
    (void)state;
    it_rng r;
    it_rng_seed(&r, 6);
    REFUSE(false, INTACT_E_FORMAT, "codes of 5 bits", w->bits = 5);
    REFUSE(false, INTACT_E_FORMAT, "codes of 1 bits", w->bits = 1);
    REFUSE(false, INTACT_E_FORMAT, "for type 0", w->type = INTACT_U8);
    REFUSE(false, INTACT_E_FORMAT, "rows must be whole", w->rows = 2);
    REFUSE(false, INTACT_E_FORMAT, "in 0 rows", w->rows = 0);
    REFUSE(false, INTACT_E_SHAPE, "1 rows, 5 codes; 3 rows, 15 codes are needed", w->rows = 1; w->len = 5);
    REFUSE(false, INTACT_E_SHAPE, "3 rows, 15 codes are needed", memset((void *)(uintptr_t)w->data, 0, 6); w->len = 12);
    REFUSE(false, INTACT_E_FORMAT, "constant 99", w->table = 99);
    REFUSE(false, INTACT_E_FORMAT, "constant 1;", w->table = 1); /* itself */
    REFUSE(false, INTACT_E_FORMAT, "constant 2;", w->table = 2); /* s32 */
    REFUSE(false, INTACT_E_FORMAT, "with 8 values", t->len = 7);
    REFUSE(true, INTACT_E_FORMAT, "for each of 3 rows", t->len = 16);
    REFUSE(false, INTACT_E_FORMAT, "not packed", t->rows = 1);
    REFUSE(false, INTACT_E_FORMAT, "not packed", t->table = 1);
    REFUSE(false, INTACT_E_FORMAT, "row 1: the bits behind", ((uint8_t *)(uintptr_t)w->data)[3] |= 0x80);
    REFUSE(false, INTACT_E_SHAPE, "bias is packed", ((it_dense_args *)p.instrs.items[0].args)->bias = 1);
}

/* 255 * |table[code]| summed to just below 2^31 and just above. */
static void accumulators_are_proved(void **state)
{
    (void)state;
    enum { K = 65793, ROW = (K + 3) / 4 };
    for (int over = 0; over < 2; over++) {
        it_prog p;
        it_prog_init(&p, NULL);
        uint8_t *codes = calloc(1, ROW);
        int8_t table[4] = { -128, 127, 127, 127 };
        int32_t bias = -(int32_t)((INT64_C(1) << 31) - 1 - INT64_C(255) * 128 * K) - over, m = 1 << 30, s = 54;
        uint32_t t = net_const(&p, INTACT_S8, 4, table);
        uint32_t x = NET_TENSOR(&p, "x", INTACT_U8, 0, 1, K), y = NET_TENSOR(&p, "y", INTACT_U8, 200, 1, 1);
        it_dense_args d = { net_const(&p, INTACT_S8, ROW, codes), net_const(&p, INTACT_S32, 1, &bias), net_const(&p, INTACT_S32, 1, &m),
                            net_const(&p, INTACT_S32, 1, &s), 0, 255, 0, IT_NO_LEVELS };
        it_pconst *w = &p.consts.items[d.weight];
        w->len = K;
        w->bits = 2;
        w->rows = 1;
        w->table = t;
        net_emit(&p, &it_instr_dense, "edge", &x, 1, y, &d);
        net_ports(&p, &x, 1, &y, 1);
        assert_int_equal(it_prog_check(&p, NULL), over ? INTACT_E_FORMAT : INTACT_OK);
        if (!over) {
            uint8_t *in = malloc(K), want = 200; /* -(2^31 - 1) * 2^-24 = -128 + ...: 200 - 128 */
            memset(in, 255, K);
            want -= 128;
            expect_output(&p, 1, (const void *const[]){ in }, &want, 1);
            free(in);
        }
        free(codes);
        it_prog_release(&p);
    }
}

static intact_status load_status(const blob *b)
{
    intact_program *p;
    intact_error e = { 0 };
    intact_status st = intact_program_load_memory(b->bytes, b->len, NULL, &p, &e);
    if (st != INTACT_OK && !e.message[0])
        fail_msg("refused without a reason");
    intact_program_free(p);
    return st;
}

/* Every byte of a packed program changed to several values, checksums put right: refused or run, never worse. */
static void forged_bytes(void **state)
{
    (void)state;
    it_rng r;
    it_rng_seed(&r, 8);
    layer l = layer_new(&small, (packing){ 3, true }, &r);
    it_prog p;
    build(&p, &l, true);
    blob b = blob_of(&p);
    int accepted = 0, refused = 0;
    for (size_t k = 200; k < b.len; k++)
        for (int bit = 0; bit < 8; bit++) {
            ((uint8_t *)b.bytes)[k] ^= (uint8_t)(1 << bit);
            blob_seal(b.bytes, b.len);
            load_status(&b) == INTACT_OK ? accepted++ : refused++;
            ((uint8_t *)b.bytes)[k] ^= (uint8_t)(1 << bit);
        }
    assert_true(accepted > 0 && refused > 0);
    blob_free(&b);
    it_prog_release(&p);
    layer_free(&l);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    it_rng r;
    it_rng_seed(&r, 9);
    for (size_t k = 0; k < IT_LEN(shapes); k += 5) { /* a conv, a dwconv, a dense that stays packed */
        layer l = layer_new(&shapes[k], (packing){ 4, false }, &r);
        it_prog p;
        build(&p, &l, true);
        blob b = blob_of(&p);
        for (long at = 0;; at++) {
            fail_at f = { .left = at };
            intact_alloc a = { fail_grow, &f };
            intact_program *g;
            intact_status st = intact_program_load_memory(b.bytes, b.len, &(intact_load_options){ .alloc = &a }, &g, NULL);
            intact_program_free(g);
            assert_int_equal(f.live, 0);
            if (st == INTACT_OK)
                break;
            assert_int_equal(st, INTACT_E_NOMEM);
        }
        blob_free(&b);
        it_prog_release(&p);
        layer_free(&l);
    }
}

static void file_is_smaller(void **state)
{
    (void)state;
    it_rng r;
    it_rng_seed(&r, 10);
    const net_shape s = { &it_instr_dense, 1, 1, 1, 1024, 100, 1, 1, 1, 0, false, INTACT_U8, INTACT_U8 };
    for (uint32_t bits = 2; bits <= 4; bits++) {
        layer l = layer_new(&s, (packing){ bits, false }, &r);
        it_prog p;
        build(&p, &l, true);
        blob b = blob_of(&p);
        assert_true(b.len < 1024 * 100 * bits / 8 + 3000);
        intact_program *g = load_blob(&b, INTACT_CPU_AUTO, NULL);
        intact_step step;
        intact_program_info info;
        intact_program_get_info(g, &info);
        assert_int_equal(intact_program_step(g, 0, &step), INTACT_OK);
        assert_int_equal(step.weight_bits, bits);
        assert_int_equal(info.parameters, 1024 * 100 + 100);
        intact_program_free(g);
        blob_free(&b);
        it_prog_release(&p);
        layer_free(&l);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packed_equals_bytes), cmocka_unit_test(wrong_packing),          cmocka_unit_test(accumulators_are_proved),
        cmocka_unit_test(forged_bytes),        cmocka_unit_test(every_allocation_may_fail), cmocka_unit_test(file_is_smaller),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
