/* SPDX-License-Identifier: Apache-2.0 */
/* dense_codes: the definition of the fully connected layer with packed weights: what dense gives for the decoded ones. */
#include "run/kern/ref/ref.h"

enum { BLOCK = 16 /* output channels of a unit */, CHUNK = 512 /* codes decoded at once; a multiple of 8 */ };

/* As packed: this, bias, mult, shift, tables, codes. */
typedef struct packed_head { uint32_t bits, by_row; } packed_head;

static size_t table_bytes(uint32_t bits, bool by_row, size_t rows) { return (by_row ? rows : 1) << bits; }

static size_t dense_codes_packed_bytes(const it_conv_geom *g, const it_codes *w)
{
    return sizeof(packed_head) + g->out_c * (12 + it_codes_row_bytes(w->bits, g->in_c)) + table_bytes(w->bits, w->by_row, g->out_c);
}

static void dense_codes_pack(const it_conv_geom *g, const it_epi *e, const it_codes *w, void *dst)
{
    packed_head *h = dst;
    int32_t *d = (int32_t *)(h + 1);
    size_t n = g->out_c, tables = table_bytes(w->bits, w->by_row, n);
    *h = (packed_head){ w->bits, w->by_row };
    memcpy(d, e->bias, n * sizeof *d);
    memcpy(d + n, e->mult, n * sizeof *d);
    memcpy(d + 2 * n, e->shift, n * sizeof *d);
    memcpy(d + 3 * n, w->table, tables);
    memcpy((uint8_t *)(d + 3 * n) + tables, w->data, n * it_codes_row_bytes(w->bits, g->in_c));
}

static uint32_t dense_codes_blocks(const it_conv_geom *g) { return (g->out_c - 1) / BLOCK + 1; }
static uint32_t dense_codes_units(const it_conv_geom *g, uint32_t batch) { return batch * dense_codes_blocks(g); }
static size_t dense_codes_scratch_bytes(const it_conv_geom *g) { (void)g; return 0; }

static int64_t dot(const it_codes *w, size_t row, const uint8_t *x, const uint16_t *pairs)
{
    const uint8_t *codes = it_codes_row(w, row);
    int8_t values[CHUNK];
    int64_t acc = 0;
    for (size_t k = 0; k < w->row_len; k += CHUNK) {
        size_t n = w->row_len - k < CHUNK ? w->row_len - k : CHUNK;
        it_codes_values(w->bits, pairs, codes + k / 8 * w->bits, values, n);
        acc += ref_dot_u8(x + k, values, n);
    }
    return acc;
}

static void dense_codes_run(const it_conv_geom *g, const it_epi *e, const void *packed, const it_conv_io *io, uint32_t unit_begin,
                            uint32_t unit_end, void *scratch)
{
    const packed_head *h = packed;
    it_ref_packed p = ref_open(g, e, h + 1);
    it_codes w = { .table = p.w, .bits = h->bits, .rows = g->out_c, .row_len = g->in_c, .by_row = h->by_row };
    w.data = (const uint8_t *)p.w + table_bytes(w.bits, w.by_row, g->out_c);
    uint16_t pairs[256];
    (void)scratch;
    it_codes_pairs(w.table, w.bits, pairs);
    for (uint32_t u = unit_begin; u < unit_end; u++) {
        size_t n = u / dense_codes_blocks(g), begin = (size_t)(u % dense_codes_blocks(g)) * BLOCK;
        for (size_t o = begin; o < begin + BLOCK && o < g->out_c; o++) {
            if (w.by_row)
                it_codes_pairs(it_codes_table(&w, o), w.bits, pairs);
            ref_store(g, e, &p, io, n, o, p.bias[o] + dot(&w, o, (const uint8_t *)io->x + n * it_conv_in_pitch(g), pairs));
        }
    }
}

const it_kern_codes it_kern_dense_codes_u8_ref = { "dense_codes_u8_ref", dense_codes_packed_bytes, dense_codes_pack, dense_codes_units,
                                                   dense_codes_scratch_bytes, dense_codes_run };
