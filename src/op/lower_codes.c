/* SPDX-License-Identifier: Apache-2.0 */
/* Weights of 4 bits and fewer as packed codes into a table: of the layer's values when at most 16 differ, else of each channel's. */
#include <string.h>

#include "op/lower.h"

enum { LEVELS_MAX = 16 };

/* Which values occur; -128 first. */
typedef struct levels { bool seen[256]; } levels;

typedef struct packer {
    const it_weights *w;
    uint32_t bits;
    bool by_row;
    size_t row_bytes, bytes, table_len;
} packer;

static void levels_add(levels *l, const it_weights *w, int64_t c)
{
    const int8_t *p = w->data + c * w->stride_c;
    for (int64_t k = 0; k < w->per_out; k++)
        l->seen[p[k * w->stride_k] + 128] = true;
}

/* Ascending; those beyond the last repeat it. How many there are. */
static uint32_t levels_table(const levels *l, int8_t table[LEVELS_MAX])
{
    uint32_t n = 0;
    for (int v = 0; v < 256; v++)
        if (l->seen[v] && n++ < LEVELS_MAX)
            table[n - 1] = (int8_t)(v - 128);
    for (uint32_t i = n; i < LEVELS_MAX; i++)
        table[i] = table[n - 1];
    return n;
}

static uint32_t bits_for(uint32_t n) { return n <= 4 ? 2 : n <= 8 ? 3 : 4; }

/* Table by layer or by channel and the least bits; false when codes would not be smaller than bytes. */
static bool choose(packer *k, const it_weights *w)
{
    levels all = { { false } };
    int8_t table[LEVELS_MAX];
    uint32_t most = 0;
    *k = (packer){ .w = w };
    for (int64_t c = 0; c < w->out_c; c++)
        levels_add(&all, w, c);
    most = levels_table(&all, table);
    if (most > LEVELS_MAX) {
        k->by_row = true;
        most = 0;
        for (int64_t c = 0; c < w->out_c; c++) {
            levels one = { { false } };
            levels_add(&one, w, c);
            uint32_t n = levels_table(&one, table);
            most = n > most ? n : most;
        }
    }
    if (most > LEVELS_MAX)
        return false;
    k->bits = bits_for(most);
    k->row_bytes = it_codes_row_bytes(k->bits, (size_t)w->per_out);
    k->bytes = (size_t)w->out_c * k->row_bytes;
    k->table_len = (k->by_row ? (size_t)w->out_c : 1) << k->bits;
    return it_round_up(k->bytes, IT_ALIGN) + it_round_up(k->table_len, IT_ALIGN) < it_round_up((size_t)(w->out_c * w->per_out), IT_ALIGN);
}

static void put_row(const packer *k, int64_t c, const int8_t *table, uint8_t *to)
{
    const int8_t *w = k->w->data + c * k->w->stride_c;
    uint8_t code[256] = { 0 };
    for (uint32_t i = 1u << k->bits; i-- > 0;) /* the first of equal values */
        code[table[i] + 128] = (uint8_t)i;
    for (int64_t i = 0; i < k->w->per_out; i++) {
        uint64_t bit = (uint64_t)i * k->bits;
        uint32_t v = (uint32_t)code[w[i * k->w->stride_k] + 128] << bit % 8;
        to[bit / 8] |= (uint8_t)v;
        if (v > 255)
            to[bit / 8 + 1] |= (uint8_t)(v >> 8);
    }
}

static void put_all(const packer *k, int8_t *tables, uint8_t *codes)
{
    levels all = { { false } };
    for (int64_t c = 0; c < k->w->out_c; c++)
        levels_add(&all, k->w, c);
    for (int64_t c = 0; c < k->w->out_c; c++) {
        levels one = { { false } };
        int8_t table[LEVELS_MAX];
        if (k->by_row)
            levels_add(&one, k->w, c);
        levels_table(k->by_row ? &one : &all, table);
        memcpy(tables + (k->by_row ? (size_t)c << k->bits : 0), table, (size_t)1 << k->bits);
        put_row(k, c, table, codes + (size_t)c * k->row_bytes);
    }
}

intact_status it_lower_weights(it_lower *lw, const it_weights *w, int bits, uint32_t *out, intact_error *err)
{
    packer k;
    if (bits > 4 || !choose(&k, w))
        return it_lower_const(lw, INTACT_S8, (uint64_t)(w->out_c * w->per_out), w->data, out, err);
    uint8_t *room = it_alloc_zero(lw->alloc, k.bytes + k.table_len);
    if (!room)
        return it_fail_nomem(err, "constant", k.bytes + k.table_len);
    uint32_t table = 0;
    put_all(&k, (int8_t *)room + k.bytes, room);
    intact_status st = it_lower_const(lw, INTACT_S8, k.table_len, room + k.bytes, &table, err);
    it_pconst packed = { .type = INTACT_S8, .len = (uint64_t)(w->out_c * w->per_out), .data = room, .bits = k.bits, .rows = (uint32_t)w->out_c, .table = table };
    if (st == INTACT_OK && !it_lower_const_find(lw, &packed, k.bytes, out)) {
        st = it_lower_const_new(lw, INTACT_S8, k.bytes, room, out, err);
        if (st == INTACT_OK) {
            packed.data = lw->prog->consts.items[*out].data;
            lw->prog->consts.items[*out] = packed;
        }
    }
    it_alloc_free(lw->alloc, room, k.bytes + k.table_len);
    return st;
}
