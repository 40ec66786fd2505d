/* SPDX-License-Identifier: Apache-2.0 */
/* tile.h: convolution and dense on Arm as tiles of pixels x channels: packing, bands, and the walk over tiles.
**
** Output channels of a group are cut into vectors of `lanes`, vectors into panels of at most vec_max. One panel as packed:
**
**   epi_mode (64 bytes) | bias, mult, shift: vecs x lanes x s32 each | weights: steps x vecs x lanes x lane_bytes
**
** A step multiplies `granule` neighbouring inputs of a pixel with lane_bytes of weights in each lane. Steps cover a run of inputs that
** lie together: (KW,C) of one kernel row when columns are not dilated and there is one group, else C of one tap. A run's end is filled
** with zero weights.
**
** Outputs are cut into bands: of rows, or of pixels when the layer is pointwise. No Arm instruction of these levels multiplies u8 by
** s8, so a band is always converted on its way to scratch, (rows, columns, C) with the padding in place: to s16, or to s8 by x - 128,
** whose missing 128 * sum(w) stands in the packed bias. A unit is one panel of one band; the panels of a band are neighbours, so that a
** thread converts once. */
#ifndef IT_KERN_ARM_TILE_H
#define IT_KERN_ARM_TILE_H

#include "run/kern/arm/arm.h"

enum {
    TILE_PX_MAX = 8,        /* pixels of a tile */
    TILE_VEC_MAX = 4,
    TILE_SUMS_MAX = 96,     /* 32-bit sums of a tile: 24 registers */
    TILE_GROUP = 4,         /* tiles whose sums are requantized together */
    TILE_HEAD = 64,         /* bytes of a panel's epi_mode */
    TILE_SLACK = 16,        /* bytes behind a band that a run's filled end may read */
    TILE_BAND_PX = 192,     /* pixels that a band aims at: the converted halo stays small and the units many */
    TILE_BAND_LEAST = 24,
    TILE_BAND_BYTES = 1 << 18, /* what a pointwise band aims at: half of a common L2 */
};

/* The inputs of a tile: kh rows of runs_w runs of steps. */
typedef struct tile_walk {
    uint32_t kh, runs_w, steps;
    size_t kh_bytes, run_bytes; /* from one to the next */
} tile_walk;

/* sums[pixel][vec][lane] = bias + products. */
typedef void tile_fn(const uint8_t *const *px, const uint8_t *w, const int32_t *bias, const tile_walk *k, int32_t *sums);

typedef struct tile_level {
    uint32_t lanes, lane_bytes, granule, x_bytes, vec_max;
    uint32_t px_max[TILE_VEC_MAX + 1];        /* by vectors */
    tile_fn *const (*tiles)[TILE_PX_MAX + 1]; /* [vecs][px] */
} tile_level;

typedef struct tile_plan {
    tile_walk walk;
    size_t run_len;                            /* elements */
    uint32_t in_len, out_len;                  /* channels of a group */
    uint32_t vecs, panels;                     /* of a group */
    size_t vec_bytes;                          /* of one vector in a panel */
    bool flat;
    uint32_t band_px;                          /* of a flat band, which runs over all samples */
    uint32_t band_rows, bands;                 /* of a sample, if not flat */
    size_t px_bytes, row_bytes, rows, columns; /* of a band in scratch */
} tile_plan;

static uint32_t tile_ceil(uint32_t a, uint32_t b) { return a / b + (a % b != 0); }

static inline void tile_plan_bands(tile_plan *p, const it_conv_geom *g)
{
    size_t fit = TILE_BAND_BYTES / p->px_bytes;
    p->band_px = fit < TILE_BAND_LEAST ? TILE_BAND_LEAST : fit > TILE_BAND_PX ? TILE_BAND_PX : (uint32_t)fit;
    uint64_t wanted = (uint64_t)g->out_h * g->out_w / TILE_BAND_PX;
    p->bands = wanted == 0 ? 1 : wanted > g->out_h ? g->out_h : (uint32_t)wanted;
    p->band_rows = tile_ceil(g->out_h, p->bands);
    p->bands = tile_ceil(g->out_h, p->band_rows);
    p->rows = (size_t)(p->band_rows - 1) * g->stride_h + (size_t)(g->kh - 1) * g->dil_h + 1;
}

static inline tile_plan tile_plan_of(const tile_level *v, const it_conv_geom *g)
{
    tile_plan p = { .in_len = g->in_c / g->group, .out_len = g->out_c / g->group };
    bool row_runs = g->group == 1 && g->dil_w == 1;
    p.run_len = row_runs ? (size_t)g->kw * g->in_c : p.in_len;
    p.vecs = tile_ceil(p.out_len, v->lanes);
    p.panels = tile_ceil(p.vecs, v->vec_max);
    p.walk = (tile_walk){ .kh = g->kh, .runs_w = row_runs ? 1 : g->kw, .steps = (uint32_t)((p.run_len + v->granule - 1) / v->granule) };
    p.vec_bytes = v->lanes * (12 + v->lane_bytes * ((size_t)p.walk.kh * p.walk.runs_w * p.walk.steps));
    p.flat = g->kh == 1 && g->kw == 1 && g->stride_h == 1 && g->stride_w == 1 && g->pad_t == 0 && g->pad_l == 0 && g->in_h == g->out_h &&
             g->in_w == g->out_w;
    p.px_bytes = (size_t)g->in_c * v->x_bytes;
    p.columns = (size_t)(g->out_w - 1) * g->stride_w + (size_t)(g->kw - 1) * g->dil_w + 1;
    p.row_bytes = p.px_bytes * p.columns;
    p.walk.kh_bytes = g->dil_h * p.row_bytes;
    p.walk.run_bytes = g->dil_w * p.px_bytes;
    tile_plan_bands(&p, g);
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

static inline size_t tile_packed_bytes(const tile_level *v, const it_conv_geom *g, const it_epi *e)
{
    (void)e;
    tile_plan p = tile_plan_of(v, g);
    return panel_at(&p, g->group, 0);
}

/* One channel's weights into its lane; their sum. */
static inline int32_t pack_lane(const tile_level *v, const tile_plan *p, const int8_t *w, size_t step_bytes, uint8_t *dst)
{
    int32_t sum = 0; /* |sum| < 2^31 / 255: accumulators are proved */
    for (uint32_t run = 0; run < p->walk.kh * p->walk.runs_w; run++, w += p->run_len)
        for (size_t k = 0; k < p->run_len; k += v->granule, dst += step_bytes)
            for (size_t i = 0; i < v->granule && k + i < p->run_len; i++) {
                int16_t wide = w[k + i];
                memcpy(dst + i * (v->lane_bytes / v->granule), &wide, v->lane_bytes / v->granule); /* little-endian: s8 is its low byte */
                sum += wide;
            }
    return sum;
}

static inline void pack_panel(const tile_level *v, const tile_plan *p, const it_conv_geom *g, const it_epi *e, const int8_t *w,
                              uint32_t group, uint32_t panel, uint8_t *dst)
{
    uint32_t vecs = panel_vecs(p, panel), first = panel_first_vec(p, panel) * v->lanes, lanes = vecs * v->lanes;
    uint32_t used = p->out_len - first < lanes ? p->out_len - first : lanes;
    size_t taps = (size_t)g->kh * g->kw * p->in_len, o = (size_t)group * p->out_len + first;
    memset(dst, 0, TILE_HEAD + vecs * p->vec_bytes);
    int32_t *bias = (int32_t *)(dst + TILE_HEAD), *mult = bias + lanes, *shift = mult + lanes;
    epi_mode mode = EPI_HIGH;
    for (uint32_t i = 0; i < used; i++)
        if (epi_mode_of(e->mult[o + i], e->shift[o + i]) == EPI_FULL)
            mode = EPI_FULL;
    *(int32_t *)dst = (int32_t)mode;
    for (uint32_t i = 0; i < used; i++) {
        uint8_t *lane = (uint8_t *)(shift + lanes) + (size_t)i * v->lane_bytes;
        int32_t sum = pack_lane(v, p, w + (o + i) * taps, (size_t)lanes * v->lane_bytes, lane);
        bias[i] = v->x_bytes == 1 ? (int32_t)((uint32_t)e->bias[o + i] + 128u * (uint32_t)sum) : e->bias[o + i]; /* sums may wrap around */
        mult[i] = e->mult[o + i];
        shift[i] = epi_shift(mode, mult[i], e->shift[o + i]);
    }
}

static inline void tile_pack(const tile_level *v, const it_conv_geom *g, const it_epi *e, const int8_t *w, void *dst)
{
    tile_plan p = tile_plan_of(v, g);
    for (uint32_t group = 0; group < g->group; group++)
        for (uint32_t panel = 0; panel < p.panels; panel++)
            pack_panel(v, &p, g, e, w, group, panel, (uint8_t *)dst + panel_at(&p, group, panel));
}

static inline uint32_t tile_units(const tile_level *v, const it_conv_geom *g, uint32_t batch)
{
    tile_plan p = tile_plan_of(v, g);
    uint64_t px = (uint64_t)batch * g->out_h * g->out_w;
    return (p.flat ? (uint32_t)((px + p.band_px - 1) / p.band_px) : batch * p.bands) * p.panels * g->group;
}

static inline size_t tile_scratch_bytes(const tile_level *v, const it_conv_geom *g)
{
    tile_plan p = tile_plan_of(v, g);
    return (p.flat ? p.band_px * p.px_bytes : p.rows * p.row_bytes) + TILE_SLACK;
}

/* n codes to what the level multiplies. */
static inline void convert(const tile_level *v, uint8_t *dst, const uint8_t *src, size_t n)
{
    if (v->x_bytes == 1)
        for (size_t i = 0; i < n; i++)
            dst[i] = src[i] ^ 0x80;
    else
        for (size_t i = 0; i < n; i++)
            ((int16_t *)dst)[i] = src[i];
}

static inline void fill_zero(const tile_level *v, uint8_t *dst, int32_t zero, size_t n)
{
    if (v->x_bytes == 1)
        memset(dst, zero ^ 0x80, n);
    else
        for (size_t i = 0; i < n; i++)
            ((int16_t *)dst)[i] = (int16_t)zero;
}

/* Rows [ih, ih + p->rows) of a sample, columns from -pad_l, padding in place. */
static inline void convert_rows(const tile_level *v, const tile_plan *p, const it_conv_geom *g, const uint8_t *x, int64_t ih, uint8_t *dst)
{
    size_t c = g->in_c, left = g->pad_l < p->columns ? g->pad_l : p->columns;
    size_t mid = p->columns - left < g->in_w ? p->columns - left : g->in_w, right = p->columns - left - mid;
    for (size_t r = 0; r < p->rows; r++, ih++, dst += p->row_bytes) {
        if (ih < 0 || ih >= g->in_h) {
            fill_zero(v, dst, g->in_zero, p->columns * c);
            continue;
        }
        fill_zero(v, dst, g->in_zero, left * c);
        convert(v, dst + left * p->px_bytes, x + (size_t)ih * g->in_w * c, mid * c);
        fill_zero(v, dst + (left + mid) * p->px_bytes, g->in_zero, right * c);
    }
}

/* A band in scratch. */
typedef struct tile_band {
    const uint8_t *x;
    uint32_t px, row_px;            /* all; in a row */
    size_t px_step, row_step;       /* bytes from one output pixel's (row's) inputs to the next one's */
    size_t y_px;                    /* the first pixel's place among all outputs */
} tile_band;

static inline tile_band band_open(const tile_level *v, const tile_plan *p, const it_conv_geom *g, const uint8_t *x, uint32_t batch,
                                  uint32_t band, uint8_t *scratch)
{
    size_t map = (size_t)g->out_h * g->out_w;
    tile_band b = { .x = scratch, .px_step = g->stride_w * p->px_bytes, .row_step = g->stride_h * p->row_bytes };
    if (p->flat) {
        b.y_px = (size_t)band * p->band_px;
        size_t left = batch * map - b.y_px;
        b.px = b.row_px = left < p->band_px ? (uint32_t)left : p->band_px;
        convert(v, scratch, x + b.y_px * g->in_c, (size_t)b.px * g->in_c);
        return b;
    }
    uint32_t sample = band / p->bands, oh = band % p->bands * p->band_rows;
    uint32_t rows = g->out_h - oh < p->band_rows ? g->out_h - oh : p->band_rows;
    b.px = rows * g->out_w;
    b.row_px = g->out_w;
    b.y_px = sample * map + (size_t)oh * g->out_w;
    convert_rows(v, p, g, x + (size_t)sample * g->in_h * g->in_w * g->in_c, (int64_t)oh * g->stride_h - g->pad_t, scratch);
    return b;
}

/* The sums of px pixels to codes, eight channels at a time; the last ones of a panel may be fewer. */
static inline __attribute__((always_inline)) void epi_pixels(const epi_mode mode, const bool wide, const int32_t *sums, const int32_t *mult,
                                                             const it_epi *e, uint32_t lanes, uint32_t px, uint8_t *y, size_t y_pixel_bytes,
                                                             uint32_t channels)
{
    epi_pack k = epi_pack_of(e->zero, e->lo, e->hi);
    const int32_t *shift = mult + lanes;
    for (uint32_t c = 0; c < channels; c += 8) {
        uint32_t second = c + 4 < lanes ? c + 4 : c, n = channels - c < 8 ? channels - c : 8; /* the last vector may stand alone */
        int32x4_t m0 = vld1q_s32(mult + c), m1 = vld1q_s32(mult + second), s0 = vld1q_s32(shift + c), s1 = vld1q_s32(shift + second);
        uint8_t *to = y + (wide ? 2 * c : c);
        for (uint32_t i = 0; i < px; i++, to += y_pixel_bytes) {
            int32x4_t a = epi_scale(mode, vld1q_s32(sums + i * lanes + c), m0, s0);
            int32x4_t b = epi_scale(mode, vld1q_s32(sums + i * lanes + second), m1, s1);
            store_codes(to, epi_codes(&k, a, b), n, wide);
        }
    }
}

static inline void tile_epi(epi_mode mode, const int32_t *sums, const int32_t *mult, const it_epi *e, uint32_t lanes, uint32_t px,
                            uint8_t *y, size_t y_pixel_bytes, uint32_t channels)
{
    if (mode == EPI_HIGH && e->out == INTACT_U8)
        epi_pixels(EPI_HIGH, false, sums, mult, e, lanes, px, y, y_pixel_bytes, channels);
    else
        epi_pixels(mode, e->out == INTACT_S16, sums, mult, e, lanes, px, y, y_pixel_bytes, channels);
}

/* All tiles of one panel over one band: as even as can be, so that no tile is nearly empty. */
static inline void panel_run(const tile_level *v, const tile_plan *p, const it_epi *e, const tile_band *b, const uint8_t *panel,
                             uint32_t vecs, size_t x_at, uint8_t *y, size_t y_pixel_bytes, uint32_t channels)
{
    _Alignas(64) int32_t sums[TILE_GROUP * TILE_SUMS_MAX];
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
        v->tiles[vecs][n](px, w, bias, &p->walk, sums + (size_t)waiting * lanes);
        waiting += n;
        if (t % TILE_GROUP == TILE_GROUP - 1 || t == tiles - 1) {
            tile_epi((epi_mode) * (const int32_t *)panel, sums, bias + lanes, e, lanes, waiting, y, y_pixel_bytes, channels);
            y += waiting * y_pixel_bytes;
            waiting = 0;
        }
    }
}

static inline void tile_run(const tile_level *v, const it_conv_geom *g, const it_epi *e, const void *packed, const it_conv_io *io,
                            uint32_t unit_begin, uint32_t unit_end, uint8_t *scratch)
{
    tile_plan p = tile_plan_of(v, g);
    uint32_t panels = p.panels * g->group, out_bytes = e->out == INTACT_S16 ? 2 : 1;
    size_t y_pixel_bytes = (size_t)g->out_c * out_bytes;
    tile_band b = { 0 };
    for (uint32_t u = unit_begin; u < unit_end; u++) {
        if (u == unit_begin || u % panels == 0)
            b = band_open(v, &p, g, io->x, io->batch, u / panels, scratch);
        uint32_t group = u % panels / p.panels, panel = u % panels % p.panels;
        uint32_t first = panel_first_vec(&p, panel) * v->lanes, vecs = panel_vecs(&p, panel);
        uint32_t channels = p.out_len - first < vecs * v->lanes ? p.out_len - first : vecs * v->lanes;
        panel_run(v, &p, e, &b, (const uint8_t *)packed + panel_at(&p, group, panel), vecs, group * p.in_len * (size_t)v->x_bytes,
                  (uint8_t *)io->y + b.y_px * y_pixel_bytes + ((size_t)group * p.out_len + first) * out_bytes, y_pixel_bytes, channels);
    }
}

static bool conv_can(const it_conv_geom *g, const it_epi *e) { return g->group > 0 && !e->acc64 && it_epi_plain(e) && !g->in_pitch && !g->out_pitch; }
static bool dense_can(const it_conv_geom *g, const it_epi *e) { return g->kh == 1 && g->kw == 1 && !e->acc64 && it_epi_plain(e) && !g->in_pitch && !g->out_pitch; }

/* The functions of a kernel at a level, all but can(). */
#define TILE_KERN(kern, level)                                                                                                            \
    static size_t kern##_packed_bytes(const it_conv_geom *g, const it_epi *e) { return tile_packed_bytes(&level, g, e); }                \
    static void kern##_pack(const it_conv_geom *g, const it_epi *e, const int8_t *w, void *dst) { tile_pack(&level, g, e, w, dst); }      \
    static uint32_t kern##_units(const it_conv_geom *g, uint32_t batch) { return tile_units(&level, g, batch); }                         \
    static size_t kern##_scratch_bytes(const it_conv_geom *g) { return tile_scratch_bytes(&level, g); }                                  \
    static void kern##_run(const it_conv_geom *g, const it_epi *e, const void *packed, const it_conv_io *io, uint32_t unit_begin,         \
                           uint32_t unit_end, void *scratch)                                                                              \
    {                                                                                                                                     \
        tile_run(&level, g, e, packed, io, unit_begin, unit_end, scratch);                                                                \
    }

#endif
