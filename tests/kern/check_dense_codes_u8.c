/* SPDX-License-Identifier: Apache-2.0 */
/* check_dense_codes_u8: packed weights give what the reference's dense gives for the same weights decoded: every number of bits, tables by
** layer and by channel, inputs and outputs around every multiple that a block or step could have. */
#include "check.h"

#include <stdlib.h>

typedef struct layer {
    it_conv_geom g;
    it_epi e;
    it_codes w;
    check_fence codes, table; /* what w points to */
    int32_t *consts;          /* bias, mult, shift */
    int8_t *values;           /* decoded, (O, K) */
} layer;

static uint32_t code_of(const it_codes *w, size_t row, size_t k)
{
    uint32_t code = 0;
    for (uint32_t b = 0; b < w->bits; b++) {
        size_t bit = k * w->bits + b;
        code |= (uint32_t)(it_codes_row(w, row)[bit / 8] >> bit % 8 & 1) << b;
    }
    return code;
}

static void fill_table(it_rng *r, int8_t *t, size_t n)
{
    uint32_t mode = check_pick(r, 0, 4);
    for (size_t i = 0; i < n; i++) {
        int8_t v = (int8_t)it_rng_next(r);
        t[i] = mode == 0 ? (int8_t)(v % 8) : mode == 1 ? (int8_t)(v & 1 ? -128 : 127) : mode == 2 ? (int8_t)(v & 1 ? 64 : -64) : v;
    }
}

static void fill_epilogue(layer *l, it_rng *r)
{
    uint32_t o_len = l->g.out_c, mode = check_pick(r, 0, 3);
    l->e = (it_epi){ .bias = l->consts, .mult = l->consts + o_len, .shift = l->consts + 2 * o_len, .zero = 0, .lo = -32767, .hi = 32767,
                     .out = INTACT_S16 };
    if (it_rng_below(r, 3)) {
        l->e.out = INTACT_U8;
        l->e.zero = (int32_t)check_pick(r, 0, 255);
        l->e.lo = (int32_t)check_pick(r, 0, 50);
        l->e.hi = (int32_t)check_pick(r, 50, 255);
    }
    for (uint32_t o = 0; o < o_len; o++) {
        int64_t sum = 0;
        for (uint32_t k = 0; k < l->g.in_c; k++)
            sum += abs(l->values[(size_t)o * l->g.in_c + k]);
        int64_t room = ((int64_t)1 << 31) - 1 - 255 * sum;
        l->consts[o] = (int32_t)(mode == 0 ? (it_rng_next(r) & 1 ? room : -room) : (int64_t)it_rng_below(r, 100000) - 50000);
        l->consts[o_len + o] = mode == 1 && o % 3 == 0 ? 0 : (int32_t)((1u << 30) + it_rng_below(r, 1u << 30));
        l->consts[2 * o_len + o] = (int32_t)(mode == 2 ? check_pick(r, 1, 62) : check_pick(r, 36, 48));
    }
}

static layer layer_new(uint32_t k, uint32_t o, uint32_t bits, bool by_row, it_rng *r)
{
    layer l = { .g = { .in_h = 1, .in_w = 1, .in_c = k, .out_h = 1, .out_w = 1, .out_c = o, .group = 1, .kh = 1, .kw = 1, .stride_h = 1,
                       .stride_w = 1, .dil_h = 1, .dil_w = 1 } };
    size_t row = it_codes_row_bytes(bits, k), tables = (by_row ? (size_t)o : 1) << bits;
    l.codes = check_fence_new(o * row, 1, it_rng_below(r, 2));
    l.table = check_fence_new(tables, 1, it_rng_below(r, 2));
    l.w = (it_codes){ .data = l.codes.data, .table = (int8_t *)l.table.data, .bits = bits, .rows = o, .row_len = k, .by_row = by_row };
    l.consts = malloc((size_t)o * 12);
    l.values = malloc((size_t)o * k);
    if (!l.consts || !l.values)
        exit(1);
    check_fill_u8(r, l.codes.data, o * row);
    fill_table(r, (int8_t *)l.table.data, tables);
    for (uint32_t c = 0; c < o; c++) {
        if (k * bits % 8)
            l.codes.data[c * row + row - 1] &= (uint8_t)((1u << k * bits % 8) - 1);
        for (uint32_t i = 0; i < k; i++)
            l.values[(size_t)c * k + i] = it_codes_table(&l.w, c)[code_of(&l.w, c, i)];
    }
    fill_epilogue(&l, r);
    return l;
}

static void layer_free(layer *l)
{
    check_fence_free(&l->codes);
    check_fence_free(&l->table);
    free(l->consts);
    free(l->values);
}

static void run_plain(const it_kern_conv *k, const layer *l, const uint8_t *x, uint8_t *y, uint32_t batch)
{
    void *packed = malloc(k->packed_bytes(&l->g, &l->e));
    if (!packed)
        exit(1);
    k->pack(&l->g, &l->e, l->values, packed);
    k->run(&l->g, &l->e, packed, &(it_conv_io){.x = x, .y = y, .batch = batch}, 0, k->units(&l->g, batch), NULL);
    free(packed);
}

/* Units in pieces, the last first; everything forgotten after packing but what is packed. */
static bool run_codes(const it_kern_codes *k, const layer *l, const uint8_t *x, uint8_t *y, uint32_t batch, it_rng *r)
{
    check_fence packed = check_fence_new(k->packed_bytes(&l->g, &l->w), 64, true);
    check_fence scratch = check_fence_new(k->scratch_bytes(&l->g), 64, true);
    k->pack(&l->g, &l->e, &l->w, packed.data);
    it_epi e = l->e;
    e.bias = e.mult = e.shift = NULL;
    const it_conv_io io = {.x = x, .y = y, .batch = batch};
    uint32_t units = k->units(&l->g, batch), cut = it_rng_below(r, 2) ? units : check_pick(r, 1, units);
    for (uint32_t end = units; end > 0; end -= end < cut ? end : cut)
        k->run(&l->g, &e, packed.data, &io, end < cut ? 0 : end - cut, end, scratch.data);
    bool ok = check_fence_ok(&packed) && check_fence_ok(&scratch);
    check_fence_free(&packed);
    check_fence_free(&scratch);
    return ok;
}

static int one(const it_kern *ref, const it_kern *level, uint32_t k, uint32_t o, uint32_t bits, bool by_row, uint32_t batch, it_rng *r)
{
    layer l = layer_new(k, o, bits, by_row, r);
    if (it_rng_below(r, 4) == 0) { /* samples apart */
        l.g.in_pitch = k + check_pick(r, 0, 20);
        l.g.out_pitch = o + check_pick(r, 0, 20);
    }
    size_t x_len = (batch - 1) * it_conv_in_pitch(&l.g) + k;
    size_t y_bytes = ((batch - 1) * it_conv_out_pitch(&l.g) + o) * (l.e.out == INTACT_S16 ? 2 : 1);
    check_fence x = check_fence_new(x_len, 1, it_rng_below(r, 3)), want = check_fence_new(y_bytes, 2, true);
    check_fence have = check_fence_new(y_bytes, 2, it_rng_below(r, 3)); /* both filled with the same pattern */
    check_fill_u8(r, x.data, x_len);
    run_plain(ref->dense_u8, &l, x.data, want.data, batch);
    bool ok = run_codes(level->dense_codes_u8, &l, x.data, have.data, batch, r);
    ok = ok && !memcmp(want.data, have.data, y_bytes) && check_fence_ok(&have);
    if (!ok)
        fprintf(stderr, "%s differs: %u to %u, %u bits, tables by %s, batch %u, out type %d\n", level->dense_codes_u8->name, k, o, bits,
                by_row ? "channel" : "layer", batch, l.e.out);
    check_fence_free(&x);
    check_fence_free(&want);
    check_fence_free(&have);
    layer_free(&l);
    return !ok;
}

int check_dense_codes_u8(const it_kern *ref, const it_kern *level, it_rng *r)
{
    static const uint32_t inputs[] = { 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 64, 65, 130, 511, 512, 513, 600, 1024, 1031 };
    static const uint32_t outputs[] = { 1, 2, 4, 7, 8, 9, 10, 15, 16, 17, 31, 33, 48, 65, 100 };
    int bad = 0;
    for (size_t i = 0; i < IT_LEN(inputs); i++)
        for (size_t o = 0; o < IT_LEN(outputs) && bad < 10; o++)
            for (uint32_t bits = 2; bits <= 4; bits++) {
                bad += one(ref, level, inputs[i], outputs[o], bits, it_rng_next(r) & 1, 1, r);
                bad += one(ref, level, inputs[i], outputs[o], bits, it_rng_next(r) & 1, check_pick(r, 2, o % 5 ? 9 : 70), r);
            }
    return bad;
}
