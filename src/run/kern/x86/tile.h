/* SPDX-License-Identifier: Apache-2.0 */
/* tile.h: convolution and dense as tiles of pixels x channels straight from the NHWC tensor: packing, bands, and the walk over tiles.
**
** Output channels of a group are cut into vectors of `lanes`, vectors into panels of at most vec_max. One panel as packed:
**
**   epi_mode (64 bytes) | bias, mult, shift: vecs x lanes x s32 each | weights: steps x vecs x lanes x 4 bytes
**
** A step multiplies `granule` neighbouring inputs of a pixel, 4 bytes in all, with 4 bytes of weights in each lane. Steps cover a run of
** inputs that lie together: (KW,C) of one kernel row when columns are not dilated and there is one group, else C of one tap. A run's
** end is filled with zero weights.
**
** Outputs are cut into bands: of rows, or of pixels when the layer is pointwise. A band that needs padding, wider elements or filled
** runs is copied to scratch first, (rows, columns, C) with the padding in place; else it is read where it lies. A unit is one panel
** of one band; the panels of a band are neighbours, so that a thread copies once. */
#ifndef IT_KERN_X86_TILE_H
#define IT_KERN_X86_TILE_H

#include "run/kern/x86/x86.h"

enum {
    TILE_PX_MAX = 12,   /* pixels of a tile */
    TILE_VEC_MAX = 4,
    TILE_ACC_MAX = 24,  /* accumulator vectors of a tile */
    TILE_GROUP = 4,     /* tiles whose accumulators are requantized together */
    TILE_HEAD = 64,     /* bytes of a panel's epi_mode */
    TILE_SLACK = 64,    /* bytes behind a copied band that a run's filled end may read */
    TILE_BAND_PX = 192, /* pixels that a band aims at (288 at most): the copied halo stays small, the band in L2 */
    TILE_UNITS = 8,     /* fewer than these make shorter bands, down to TILE_BAND_LEAST pixels, so that threads get even work */
    TILE_BAND_LEAST = 24,
};

/* The inputs of a tile: kh rows of runs_w runs of steps. */
typedef struct tile_walk {
    uint32_t kh, runs_w, steps;
    size_t kh_bytes, run_bytes; /* from one to the next */
} tile_walk;

/* acc[pixel][vec][lane] = bias + products. */
typedef void tile_fn(const uint8_t *const *px, const uint8_t *w, const int32_t *bias, const tile_walk *k, int32_t *acc);
/* consts: mult, shift (epi_shift()); both vecs x lanes. y: the first pixel's first of `channels` outputs. */
typedef void tile_epi_fn(const int32_t *acc, const int32_t *consts, const it_epi *e, uint32_t vecs, uint32_t px, epi_mode mode,
                         uint8_t *y, size_t y_pixel_bytes, uint32_t channels);

typedef struct tile_level {
    uint32_t lanes, granule, in_bytes /* of an element of x */, x_bytes /* as tiles read it */, vec_max;
    uint32_t px_max[TILE_VEC_MAX + 1];                       /* by vectors */
    tile_fn *const (*tiles)[TILE_PX_MAX + 1];                /* [vecs][px] */
    tile_epi_fn *epi;
} tile_level;

typedef struct tile_plan {
    tile_walk walk;
    size_t run_len;                            /* elements */
    uint32_t in_len, out_len;                  /* channels of a group */
    uint32_t vecs, panels;                     /* of a group */
    size_t vec_bytes;                          /* of one vector in a panel */
    bool flat, copy;
    uint32_t band_rows, bands;                 /* rows of a band; bands of a sample. Flat: pixels of a band, bands of the batch */
    size_t px_bytes, row_bytes, rows, columns; /* of a band as read */
} tile_plan;

static uint32_t tile_ceil(uint32_t a, uint32_t b) { return (a + b - 1) / b; }

static uint32_t tile_bands(uint64_t px, uint32_t panels)
{
    uint64_t bands = (px + TILE_BAND_PX / 2) / TILE_BAND_PX, most = (px + TILE_BAND_LEAST - 1) / TILE_BAND_LEAST;
    uint64_t least = tile_ceil(TILE_UNITS, panels);
    least = least < most ? least : most;
    return (uint32_t)(bands < least ? least : bands);
}

static inline tile_plan tile_plan_of(const tile_level *v, const it_conv_geom *g, uint32_t batch)
{
    tile_plan p = { .in_len = g->in_c / g->group, .out_len = g->out_c / g->group };
    bool row_runs = g->group == 1 && g->dil_w == 1;
    p.run_len = row_runs ? (size_t)g->kw * g->in_c : p.in_len;
    p.vecs = tile_ceil(p.out_len, v->lanes);
    p.panels = tile_ceil(p.vecs, v->vec_max);
    p.walk = (tile_walk){ .kh = g->kh, .runs_w = row_runs ? 1 : g->kw, .steps = (uint32_t)((p.run_len + v->granule - 1) / v->granule) };
    p.vec_bytes = v->lanes * 4 * (3 + (size_t)p.walk.kh * p.walk.runs_w * p.walk.steps);
    p.columns = (size_t)(g->out_w - 1) * g->stride_w + (size_t)(g->kw - 1) * g->dil_w + 1;
    size_t rows_all = (size_t)(g->out_h - 1) * g->stride_h + (size_t)(g->kh - 1) * g->dil_h + 1;
    bool inside = g->pad_t == 0 && g->pad_l == 0 && p.columns <= g->in_w && rows_all <= g->in_h;
    p.flat = inside && g->kh == 1 && g->kw == 1 && g->stride_h == 1 && g->stride_w == 1 && g->in_h == g->out_h && g->in_w == g->out_w;
    p.copy = !inside || p.run_len % v->granule != 0 || v->in_bytes != v->x_bytes;
    uint64_t px = (uint64_t)g->out_h * g->out_w * (p.flat ? batch : 1), len = p.flat ? px : g->out_h;
    p.bands = tile_bands(px, p.panels * g->group);
    p.bands = p.bands > len ? (uint32_t)len : p.bands;
    p.band_rows = (uint32_t)((len + p.bands - 1) / p.bands);
    p.bands = (uint32_t)((len + p.band_rows - 1) / p.band_rows);
    p.rows = (size_t)(p.band_rows - 1) * g->stride_h + (size_t)(g->kh - 1) * g->dil_h + 1;
    p.px_bytes = (size_t)g->in_c * v->x_bytes;
    p.row_bytes = p.px_bytes * (p.copy && !p.flat ? p.columns : g->in_w);
    p.walk.kh_bytes = g->dil_h * p.row_bytes;
    p.walk.run_bytes = g->dil_w * p.px_bytes;
    return p;
}

/* The vectors of a group's panel: as even as can be, the larger ones first. */
static uint32_t panel_vecs(const tile_plan *p, uint32_t panel) { return p->vecs / p->panels + (panel < p->vecs % p->panels); }
static uint32_t panel_first_vec(const tile_plan *p, uint32_t panel)
{
    uint32_t larger = p->vecs % p->panels;
    return panel * (p->vecs / p->panels) + (panel < larger ? panel : larger);
}
static size_t panel_at(const tile_plan *p, uint32_t group, uint32_t panel)
{
    return (size_t)group * (p->panels * (size_t)TILE_HEAD + p->vecs * p->vec_bytes) + panel * (size_t)TILE_HEAD +
           panel_first_vec(p, panel) * p->vec_bytes;
}

static inline size_t tile_packed_bytes(const tile_level *v, const it_conv_geom *g)
{
    tile_plan p = tile_plan_of(v, g, 1);
    return panel_at(&p, g->group, 0);
}

/* One channel's weights into its lane. wide: s16 pairs instead of s8 fours. */
static inline void pack_lane(const tile_plan *p, const int8_t *w, uint32_t granule, size_t step_bytes, uint8_t *dst)
{
    for (uint32_t run = 0; run < p->walk.kh * p->walk.runs_w; run++, w += p->run_len)
        for (size_t k = 0; k < p->run_len; k += granule, dst += step_bytes) {
            size_t n = p->run_len - k < granule ? p->run_len - k : granule;
            int16_t wide[2] = { 0, 0 };
            if (granule == 4) {
                memcpy(dst, w + k, n);
                continue;
            }
            for (size_t i = 0; i < n; i++)
                wide[i] = w[k + i];
            memcpy(dst, wide, sizeof wide);
        }
}

static inline void pack_panel(const tile_level *v, const tile_plan *p, const it_conv_geom *g, const it_epi *e, const int8_t *w,
                              uint32_t group, uint32_t panel, uint8_t *dst)
{
    uint32_t vecs = panel_vecs(p, panel), first = panel_first_vec(p, panel) * v->lanes, lanes = vecs * v->lanes;
    size_t taps = (size_t)g->kh * g->kw * p->in_len;
    memset(dst, 0, TILE_HEAD + vecs * p->vec_bytes);
    int32_t *mode = (int32_t *)dst, *bias = (int32_t *)(dst + TILE_HEAD), *mult = bias + lanes, *shift = mult + lanes;
    for (uint32_t i = 0; i < lanes; i++) {
        uint32_t c = first + panel_channel(vecs, i / v->lanes, i % v->lanes);
        shift[i] = 33; /* of lanes without a channel, and where m is 0: any shift gives 0 */
        if (c >= p->out_len)
            continue;
        size_t o = (size_t)group * p->out_len + c;
        bias[i] = e->bias[o];
        mult[i] = e->mult[o];
        if (mult[i] != 0)
            shift[i] = e->shift[o];
        if (shift[i] < 33) {
            epi_mode needs = epi_mode_of(epi_acc_max(bias[i], v->in_bytes, w + o * taps, taps, 1), shift[i]);
            *mode = (int32_t)needs > *mode ? (int32_t)needs : *mode;
        }
        pack_lane(p, w + o * taps, v->granule, (size_t)lanes * 4, (uint8_t *)(shift + lanes) + (size_t)i * 4);
    }
    for (uint32_t i = 0; i < lanes; i++)
        shift[i] = epi_shift((epi_mode)*mode, shift[i]);
}

static inline void tile_pack(const tile_level *v, const it_conv_geom *g, const it_epi *e, const int8_t *w, void *dst)
{
    tile_plan p = tile_plan_of(v, g, 1);
    for (uint32_t group = 0; group < g->group; group++)
        for (uint32_t panel = 0; panel < p.panels; panel++)
            pack_panel(v, &p, g, e, w, group, panel, (uint8_t *)dst + panel_at(&p, group, panel));
}

static inline uint32_t tile_units(const tile_level *v, const it_conv_geom *g, uint32_t batch)
{
    tile_plan p = tile_plan_of(v, g, batch);
    return (p.flat ? 1 : batch) * p.bands * p.panels * g->group;
}

static inline size_t tile_scratch_bytes(const tile_level *v, const it_conv_geom *g)
{
    tile_plan p = tile_plan_of(v, g, 1);
    if (!p.copy)
        return 0;
    return (p.flat ? TILE_BAND_PX * 3 / 2 * p.px_bytes : p.rows * p.row_bytes) + TILE_SLACK;
}

/* Rows [ih, ih + p->rows) of a sample, columns from -pad_l, padding in place. */
static inline void copy_rows(const tile_level *v, const tile_plan *p, const it_conv_geom *g, const uint8_t *x, int64_t ih, uint8_t *dst)
{
    size_t c = g->in_c, left = g->pad_l < p->columns ? g->pad_l : p->columns;
    size_t mid = p->columns - left < g->in_w ? p->columns - left : g->in_w, right = p->columns - left - mid;
    for (size_t r = 0; r < p->rows; r++, ih++, dst += p->row_bytes) {
        if (ih < 0 || ih >= g->in_h) {
            fill_zero(dst, g->in_zero, p->columns * c, v->x_bytes);
            continue;
        }
        fill_zero(dst, g->in_zero, left * c, v->x_bytes);
        copy_in(dst + left * p->px_bytes, x + (size_t)ih * g->in_w * c * v->in_bytes, mid * c, v->in_bytes, v->x_bytes);
        fill_zero(dst + (left + mid) * p->px_bytes, g->in_zero, right * c, v->x_bytes);
    }
}

/* Where the pixels of a band are read and how many there are. */
typedef struct tile_band {
    const uint8_t *x;
    uint32_t px, row_px;            /* all; in a row */
    size_t px_step, row_step;       /* bytes from one output pixel's (row's) inputs to the next one's */
    size_t y_px;                    /* the first pixel's place among all outputs */
} tile_band;

static inline tile_band band_open(const tile_level *v, const tile_plan *p, const it_conv_geom *g, const uint8_t *x, uint32_t batch,
                                  uint32_t band, uint8_t *scratch)
{
    size_t map = (size_t)g->out_h * g->out_w, in_px = (size_t)g->in_c * v->in_bytes;
    tile_band b = { .px_step = g->stride_w * p->px_bytes, .row_step = g->stride_h * p->row_bytes };
    if (p->flat) {
        b.y_px = (size_t)band * p->band_rows;
        b.px = b.row_px = batch * map - b.y_px < p->band_rows ? (uint32_t)(batch * map - b.y_px) : p->band_rows;
        b.x = x + b.y_px * in_px;
        if (p->copy) {
            copy_in(scratch, b.x, (size_t)b.px * g->in_c, v->in_bytes, v->x_bytes);
            b.x = scratch;
        }
        return b;
    }
    uint32_t sample = band / p->bands, oh = band % p->bands * p->band_rows;
    uint32_t rows = g->out_h - oh < p->band_rows ? g->out_h - oh : p->band_rows;
    x += (size_t)sample * g->in_h * g->in_w * in_px;
    b.px = rows * g->out_w;
    b.row_px = g->out_w;
    b.y_px = sample * map + (size_t)oh * g->out_w;
    b.x = x + (size_t)oh * g->stride_h * p->row_bytes;
    if (p->copy) {
        copy_rows(v, p, g, x, (int64_t)oh * g->stride_h - g->pad_t, scratch);
        b.x = scratch;
    }
    return b;
}

/* All tiles of one panel over one band: as even as can be, so that no tile is nearly empty. */
static inline void panel_run(const tile_level *v, const tile_plan *p, const it_epi *e, const tile_band *b, const uint8_t *panel,
                             uint32_t vecs, size_t x_at, uint8_t *y, size_t y_pixel_bytes, uint32_t channels)
{
    _Alignas(64) int32_t acc[TILE_GROUP * TILE_ACC_MAX * 16];
    const uint8_t *px[TILE_PX_MAX];
    uint32_t lanes = vecs * v->lanes, tiles = tile_ceil(b->px, v->px_max[vecs]), least = b->px / tiles, larger = b->px % tiles;
    uint32_t column = 0, waiting = 0;
    const int32_t *bias = (const int32_t *)(panel + TILE_HEAD);
    const uint8_t *w = (const uint8_t *)(bias + 3 * (size_t)lanes), *row = b->x + x_at, *at = row;
    for (uint32_t t = 0; t < tiles; t++) {
        uint32_t n = least + (t < larger);
        for (uint32_t i = 0; i < n; i++) {
            px[i] = at;
            at += b->px_step;
            if (++column == b->row_px) {
                column = 0;
                at = row += b->row_step;
            }
        }
        v->tiles[vecs][n](px, w, bias, &p->walk, acc + (size_t)waiting * lanes);
        waiting += n;
        if (t % TILE_GROUP == TILE_GROUP - 1 || t == tiles - 1) {
            v->epi(acc, bias + lanes, e, vecs, waiting, (epi_mode)*(const int32_t *)panel, y, y_pixel_bytes, channels);
            y += waiting * y_pixel_bytes;
            waiting = 0;
        }
    }
}

static inline void tile_run(const tile_level *v, const it_conv_geom *g, const it_epi *e, const void *packed, const void *x, void *y,
                            uint32_t batch, uint32_t unit_begin, uint32_t unit_end, void *scratch)
{
    tile_plan p = tile_plan_of(v, g, batch);
    uint32_t panels = p.panels * g->group;
    size_t out_bytes = e->out == INTACT_S16 ? 2 : 1, y_pixel_bytes = g->out_c * out_bytes;
    tile_band b = { 0 };
    for (uint32_t u = unit_begin; u < unit_end; u++) {
        if (u == unit_begin || u % panels == 0)
            b = band_open(v, &p, g, x, batch, u / panels, scratch);
        uint32_t group = u % panels / p.panels, panel = u % panels % p.panels;
        uint32_t first = panel_first_vec(&p, panel) * v->lanes, vecs = panel_vecs(&p, panel);
        uint32_t channels = p.out_len - first < vecs * v->lanes ? p.out_len - first : vecs * v->lanes;
        panel_run(v, &p, e, &b, (const uint8_t *)packed + panel_at(&p, group, panel), vecs, group * p.in_len * v->x_bytes,
                  (uint8_t *)y + b.y_px * y_pixel_bytes + ((size_t)group * p.out_len + first) * out_bytes, y_pixel_bytes, channels);
    }
}

/* The functions of a kernel at a level, all but can(). */
#define TILE_KERN(kern, level)                                                                                                            \
    static size_t kern##_packed_bytes(const it_conv_geom *g) { return tile_packed_bytes(&level, g); }                                    \
    static void kern##_pack(const it_conv_geom *g, const it_epi *e, const int8_t *w, void *dst) { tile_pack(&level, g, e, w, dst); }      \
    static uint32_t kern##_units(const it_conv_geom *g, uint32_t batch) { return tile_units(&level, g, batch); }                         \
    static size_t kern##_scratch_bytes(const it_conv_geom *g) { return tile_scratch_bytes(&level, g); }                                  \
    static void kern##_run(const it_conv_geom *g, const it_epi *e, const void *packed, const void *x, void *y, uint32_t batch,            \
                           uint32_t unit_begin, uint32_t unit_end, void *scratch)                                                         \
    {                                                                                                                                     \
        tile_run(&level, g, e, packed, x, y, batch, unit_begin, unit_end, scratch);                                                       \
    }

#endif
