/* SPDX-License-Identifier: Apache-2.0 */
/* dw.h: depthwise convolution on vectors of channels: packing, the ring of input rows in scratch, and the walk over rows.
**
** A block is `lanes` x `vecs` channels of a pixel. `granule` taps of each channel, in their order, are interleaved in a 32-bit lane, so
** that one dot product instruction sums them. One block as packed:
**
**   head (level's: epi_mode, bias, multipliers) | weights: groups x vecs x lanes x 4 bytes | thresholds: vecs x lanes x 4 bytes each
**
** A unit is a slab of blocks over a band of rows. Scratch is a ring of the input rows that one output row needs, stored as (columns, slab)
** with the padding in place; going down a band, only new rows enter. Where a sum or a table follows, codes of a slab's row stay in scratch
** until these are done. */
#ifndef IT_KERN_X86_DW_H
#define IT_KERN_X86_DW_H

#include "run/kern/x86/x86.h"

enum {
    DW_BLOCK_MAX = 64,
    DW_TAPS_MAX = 1024,
    DW_TALL = 28, /* rows of output from which all channels make one slab: bands are units enough */
    DW_SLACK = 512 /* bytes behind the ring: a block's missing channels */
};

/* One row of one block: where to read, where to write. */
typedef struct dw_row {
    const uint8_t *x, *block;
    const size_t *offset;       /* bytes from x, of each tap */
    const int32_t *thresholds;
    uint32_t groups, steps, n;  /* output pixels; channels that exist */
    size_t x_step, y_step;      /* bytes from one pixel to the next */
    uint8_t *y;
} dw_row;

typedef struct dw_level {
    uint32_t lanes, vecs, granule, in_bytes, x_bytes;
    uint32_t slab;                                     /* blocks, at most, where maps are low */
    size_t head_bytes;
    void (*pack_head)(void *dst, const int32_t *bias, const int32_t *mult, const int32_t *shift, epi_mode mode);
    void (*row)(const dw_row *r, const it_epi *e);
    it_fn_add_u8 *add;
    it_fn_lut_u8 *lut;
} dw_level;

typedef struct dw_plan {
    uint32_t block;             /* channels */
    uint32_t blocks, slab /* blocks */, slabs, groups;
    uint32_t band_rows, bands;  /* of one sample */
    uint32_t span;              /* rows of the ring: what an output row needs */
    size_t px_bytes, row_bytes, columns; /* of scratch */
    size_t group_bytes, thresholds_at, block_bytes; /* in a block */
} dw_plan;

/* e NULL: blocks are not looked into. */
static inline dw_plan dw_plan_of(const dw_level *v, const it_conv_geom *g, const it_epi *e)
{
    dw_plan p = { .block = v->lanes * v->vecs };
    p.blocks = (g->in_c + p.block - 1) / p.block;
    p.slab = g->out_h >= DW_TALL || p.blocks < v->slab ? p.blocks : v->slab;
    p.slabs = (p.blocks + p.slab - 1) / p.slab;
    p.groups = (g->kh * g->kw + v->granule - 1) / v->granule;
    p.columns = (size_t)(g->out_w - 1) * g->stride_w + (size_t)(g->kw - 1) * g->dil_w + 1;
    p.px_bytes = v->x_bytes * (p.slabs == 1 ? g->in_c : p.slab * (size_t)p.block);
    p.row_bytes = p.columns * p.px_bytes;
    p.group_bytes = (size_t)p.block * 4;
    p.thresholds_at = v->head_bytes + p.groups * p.group_bytes;
    p.block_bytes = p.thresholds_at + (e && e->levels_len ? (e->levels_len - 1) * p.group_bytes : 0);
    p.span = (g->kh - 1) * g->dil_h + 1;
    p.band_rows = g->out_h >= 2 * DW_TALL ? DW_TALL / 2 : p.slabs < 4 && g->out_h < 8 ? (g->out_h + 1) / 2 : 7;
    p.bands = (g->out_h + p.band_rows - 1) / p.band_rows;
    p.band_rows = (g->out_h + p.bands - 1) / p.bands;
    p.bands = (g->out_h + p.band_rows - 1) / p.band_rows;
    return p;
}

static inline bool dw_can(const it_conv_geom *g, const it_epi *e)
{
    return g->in_c == g->out_c && !e->acc64 && (uint64_t)g->kh * g->kw <= DW_TAPS_MAX - 4;
}

static inline size_t dw_packed_bytes(const dw_level *v, const it_conv_geom *g, const it_epi *e)
{
    dw_plan p = dw_plan_of(v, g, e);
    return p.blocks * p.block_bytes;
}

static inline uint32_t dw_units(const dw_level *v, const it_conv_geom *g, uint32_t batch)
{
    dw_plan p = dw_plan_of(v, g, NULL);
    return batch * p.bands * p.slabs;
}

/* Where in scratch a row's codes are, behind the ring. */
static inline size_t dw_codes_at(const dw_plan *p) { return p->span * p->row_bytes + DW_SLACK; }

static inline size_t dw_scratch_bytes(const dw_level *v, const it_conv_geom *g)
{
    dw_plan p = dw_plan_of(v, g, NULL);
    return dw_codes_at(&p) + (size_t)g->out_w * p.slab * p.block;
}

static inline void dw_pack_block(const dw_level *v, const dw_plan *p, const it_conv_geom *g, const it_epi *e, const int8_t *w, uint32_t b,
                                 uint8_t *block)
{
    int32_t bias[DW_BLOCK_MAX] = { 0 }, mult[DW_BLOCK_MAX] = { 0 }, shift[DW_BLOCK_MAX];
    epi_mode mode = EPI_HIGH;
    for (uint32_t i = 0; i < p->block; i++) {
        uint32_t c = b * p->block + panel_channel(v->vecs, i / v->lanes, i % v->lanes);
        shift[i] = 33; /* of lanes without a channel, and where m is 0: any shift gives 0 */
        if (c >= g->in_c)
            continue;
        bias[i] = e->bias[c];
        for (uint32_t k = 0; k + 1 < e->levels_len; k++)
            ((int32_t *)(block + p->thresholds_at))[k * p->block + i] = e->thresholds[(size_t)c * (e->levels_len - 1) + k];
        mult[i] = e->levels_len ? 0 : e->mult[c];
        if (mult[i] != 0)
            shift[i] = e->shift[c];
        if (shift[i] < 33) {
            int64_t acc_max = epi_acc_max(bias[i], v->in_bytes, w + c, (size_t)g->kh * g->kw, g->in_c) + epi_fix_max(g, c, v->in_bytes);
            epi_mode needs = epi_mode_of(acc_max, shift[i]);
            mode = needs > mode ? needs : mode;
        }
        for (uint32_t k = 0; k < g->kh * g->kw; k++) {
            uint8_t *to = block + v->head_bytes + k / v->granule * p->group_bytes + (size_t)i * 4;
            if (v->granule == 4)
                to[k % 4] = (uint8_t)w[(size_t)k * g->in_c + c];
            else
                ((int16_t *)to)[k % 2] = w[(size_t)k * g->in_c + c];
        }
        for (uint32_t k = it_fix_first(g, c); v->granule == 2 && k < g->fixes_len && g->fixes[k].out == c; k++) {
            const uint32_t tap = g->fixes[k].tap; /* 16 bits hold the whole weight */
            ((int16_t *)(block + v->head_bytes + tap / 2 * p->group_bytes + (size_t)i * 4))[tap % 2] += (int16_t)g->fixes[k].add;
        }
    }
    for (uint32_t i = 0; i < p->block; i++)
        shift[i] = epi_shift(mode, shift[i]);
    v->pack_head(block, bias, mult, shift, e->levels_len ? EPI_LEVELS : mode);
}

static inline void dw_pack(const dw_level *v, const it_conv_geom *g, const it_epi *e, const int8_t *w, void *dst)
{
    dw_plan p = dw_plan_of(v, g, e);
    memset(dst, 0, p.blocks * p.block_bytes);
    for (uint32_t b = 0; b < p.blocks; b++)
        dw_pack_block(v, &p, g, e, w, b, (uint8_t *)dst + b * p.block_bytes);
}

/* Input row ih, channels [c, c + n) of each pixel, padding in place. */
static inline void dw_copy_row(const dw_level *v, const dw_plan *p, const it_conv_geom *g, const uint8_t *x, int64_t ih, size_t c, size_t n,
                               uint8_t *dst)
{
    const row_cut k = row_cut_of(g, p->columns, ih);
    const size_t pitch = it_conv_in_pitch(g), px = p->px_bytes / v->x_bytes;
    fill_zero(dst, g->in_zero, k.left * px, v->x_bytes);
    dst += k.left * p->px_bytes;
    if (k.mid > 0) {
        const uint8_t *src = x + ((size_t)ih * g->in_w * pitch + c) * v->in_bytes;
        if (n == px && n == pitch)
            copy_in(dst, src, k.mid * n, v->in_bytes, v->x_bytes);
        else
            for (size_t i = 0; i < k.mid; i++)
                DW_COPY_PX(dst + i * p->px_bytes, src + i * pitch * v->in_bytes, n, v);
    }
    fill_zero(dst + k.mid * p->px_bytes, g->in_zero, k.right * px, v->x_bytes);
}

/* Offsets of the taps of an output row whose first input row is in slot `first` of the ring. Those of a group's missing taps point at
** the first tap, where zero weights wait. */
static inline void dw_offsets(const dw_level *v, const dw_plan *p, const it_conv_geom *g, uint32_t first, size_t *offset)
{
    size_t *o = offset;
    for (uint32_t h = 0; h < g->kh; h++) {
        size_t row = (first + h * g->dil_h) % p->span * p->row_bytes;
        for (uint32_t w = 0; w < g->kw; w++)
            *o++ = row + w * g->dil_w * p->px_bytes;
    }
    while (o < offset + p->groups * v->granule)
        *o++ = offset[0];
}

/* One unit on its way: slab and band, and the ring's state. */
typedef struct dw_walk {
    uint32_t first, last;       /* blocks */
    uint32_t oh, oh_end;
    const uint8_t *x;           /* of the sample */
    const uint8_t *other;       /* of the sample; NULL: no sum */
    uint8_t *y, *ring, *codes;  /* y: of the sample; codes: of a row, where it does not go to y as it is; else NULL */
    size_t y_bytes;             /* of an element */
    dw_row row;
    size_t offset[DW_TAPS_MAX];
} dw_walk;

/* Outputs of block b in row oh. */
static inline void dw_block_row(const dw_level *v, const dw_plan *p, const it_conv_geom *g, const it_epi *e, const uint8_t *packed,
                                dw_walk *k, uint32_t oh, uint32_t b)
{
    dw_row *r = &k->row;
    r->block = packed + b * p->block_bytes;
    r->n = g->in_c - b * p->block > p->block ? p->block : g->in_c - b * p->block;
    r->thresholds = (const int32_t *)(r->block + p->thresholds_at);
    if (k->codes)
        r->y = k->codes + (size_t)(b - k->first) * p->block;
    else
        r->y = k->y + ((size_t)oh * g->out_w * it_conv_out_pitch(g) + (size_t)b * p->block) * k->y_bytes;
    v->row(r, e);
}

/* The codes of row oh, of n channels from c on: sum, table, and to y. */
static inline void dw_row_after(const dw_level *v, const it_conv_geom *g, const it_epi *e, const dw_walk *k, uint32_t oh, size_t c,
                                size_t n)
{
    const size_t pitch = it_conv_out_pitch(g), other_pitch = it_conv_other_pitch(g), at = (size_t)oh * g->out_w;
    const bool joined = n == pitch && (!k->other || n == other_pitch);
    const size_t some = joined ? n * g->out_w : n, times = joined ? 1 : g->out_w;
    for (size_t i = 0; i < times; i++) {
        uint8_t *codes = k->codes + i * n, *y = k->y + (at + i) * pitch + c;
        if (k->other)
            v->add(codes, k->other + (at + i) * other_pitch + c, codes, some, e->add);
        if (e->lut)
            v->lut(codes, y, some, e->lut);
        else
            memcpy(y, codes, some);
    }
}

static inline void dw_walk_rows(const dw_level *v, const dw_plan *p, const it_conv_geom *g, const it_epi *e, const uint8_t *packed,
                                dw_walk *k)
{
    uint32_t c = k->first * p->block, most = (k->last - k->first) * p->block, n = g->in_c - c < most ? g->in_c - c : most;
    uint64_t next = 0; /* the first row, counted from -pad_t, that did not enter yet */
    for (uint32_t oh = k->oh; oh < k->oh_end; oh++) {
        uint64_t top = (uint64_t)oh * g->stride_h;
        for (next = next < top ? top : next; next < top + p->span; next++)
            dw_copy_row(v, p, g, k->x, (int64_t)next - g->pad_t, c, n, k->ring + next % p->span * p->row_bytes);
        dw_offsets(v, p, g, (uint32_t)(top % p->span), k->offset);
        for (uint32_t b = k->first; b < k->last; b++) {
            k->row.x = k->ring + (size_t)(b - k->first) * p->block * v->x_bytes;
            dw_block_row(v, p, g, e, packed, k, oh, b);
        }
        if (k->codes)
            dw_row_after(v, g, e, k, oh, c, n);
    }
}

static inline void dw_unit(const dw_level *v, const dw_plan *p, const it_conv_geom *g, const it_epi *e, const uint8_t *packed,
                           const it_conv_io *io, uint32_t unit, uint8_t *scratch)
{
    uint32_t slab = unit % p->slabs, band = unit / p->slabs % p->bands, sample = unit / p->slabs / p->bands;
    dw_walk k = { .first = slab * p->slab, .oh = band * p->band_rows, .ring = scratch, .y_bytes = e->out == INTACT_S16 ? 2 : 1 };
    k.last = k.first + p->slab < p->blocks ? k.first + p->slab : p->blocks;
    k.oh_end = k.oh + p->band_rows < g->out_h ? k.oh + p->band_rows : g->out_h;
    k.x = (const uint8_t *)io->x + (size_t)sample * g->in_h * g->in_w * it_conv_in_pitch(g) * v->in_bytes;
    const size_t out_px = (size_t)sample * g->out_h * g->out_w;
    k.y = (uint8_t *)io->y + out_px * it_conv_out_pitch(g) * k.y_bytes;
    if (e->add)
        k.other = (const uint8_t *)io->other + out_px * it_conv_other_pitch(g);
    k.row = (dw_row){ .offset = k.offset, .groups = p->groups, .steps = g->out_w };
    k.row.x_step = g->stride_w * p->px_bytes;
    k.row.y_step = it_conv_out_pitch(g) * k.y_bytes;
    if (e->add || e->lut) {
        const uint32_t c = k.first * p->block, end = k.last * p->block;
        k.codes = scratch + dw_codes_at(p);
        k.row.y_step = (end < g->in_c ? end : g->in_c) - c;
    }
    dw_walk_rows(v, p, g, e, packed, &k);
}

static inline void dw_run(const dw_level *v, const it_conv_geom *g, const it_epi *e, const void *packed, const it_conv_io *io,
                          uint32_t unit_begin, uint32_t unit_end, void *scratch)
{
    dw_plan p = dw_plan_of(v, g, e);
    for (uint32_t u = unit_begin; u < unit_end; u++)
        dw_unit(v, &p, g, e, packed, io, u, scratch);
}

#endif
