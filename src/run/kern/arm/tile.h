/* SPDX-License-Identifier: Apache-2.0 */
/* tile.h: convolution and dense on Arm as tiles of pixels x channels: packing, bands, and the walk over tiles.
**
** Output channels of a group are cut into vectors of `lanes`, vectors into panels of at most vec_max. One panel as packed:
**
**   epi_mode (64 bytes) | bias, then mult, shift or each threshold: vecs x lanes x s32 each | weights: steps x vecs x lanes x lane_bytes
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
    uint32_t words;                            /* 32-bit constants of a channel */
    panel_cut cut;                             /* of a group's channels */
    bool flat;
    uint32_t band_px;                          /* of a flat band, which runs over all samples */
    uint32_t band_rows, bands;                 /* of a sample, if not flat */
    size_t px_bytes, row_bytes, rows, columns; /* of a band in scratch */
} tile_plan;

static inline void tile_plan_bands(tile_plan *p, const it_conv_geom *g)
{
    size_t fit = TILE_BAND_BYTES / p->px_bytes;
    p->band_px = fit < TILE_BAND_LEAST ? TILE_BAND_LEAST : fit > TILE_BAND_PX ? TILE_BAND_PX : (uint32_t)fit;
    uint64_t wanted = (uint64_t)g->out_h * g->out_w / TILE_BAND_PX;
    p->bands = wanted == 0 ? 1 : wanted > g->out_h ? g->out_h : (uint32_t)wanted;
    p->band_rows = div_up(g->out_h, p->bands);
    p->bands = div_up(g->out_h, p->band_rows);
    p->rows = (size_t)(p->band_rows - 1) * g->stride_h + (size_t)(g->kh - 1) * g->dil_h + 1;
}

/* e may be NULL where packed weights are not looked at. */
static inline tile_plan tile_plan_of(const tile_level *v, const it_conv_geom *g, const it_epi *e)
{
    tile_plan p = { .in_len = g->in_c / g->group, .out_len = g->out_c / g->group, .words = e ? epi_words(e) : 0 };
    bool row_runs = g->group == 1 && g->dil_w == 1;
    p.run_len = row_runs ? (size_t)g->kw * g->in_c : p.in_len;
    p.cut.vecs = div_up(p.out_len, v->lanes);
    p.cut.panels = div_up(p.cut.vecs, v->vec_max);
    p.walk = (tile_walk){ .kh = g->kh, .runs_w = row_runs ? 1 : g->kw, .steps = (uint32_t)((p.run_len + v->granule - 1) / v->granule) };
    p.cut.vec_bytes = v->lanes * (4 * (size_t)p.words + v->lane_bytes * ((size_t)p.walk.kh * p.walk.runs_w * p.walk.steps));
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

static inline size_t tile_packed_bytes(const tile_level *v, const it_conv_geom *g, const it_epi *e)
{
    tile_plan p = tile_plan_of(v, g, e);
    return panel_at(&p.cut, g->group, 0);
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

/* The fixes of channel o, into weights of 16 bits, which hold every sum. */
static inline void pack_fixes(const tile_level *v, const tile_plan *p, const it_conv_geom *g, size_t o, size_t step_bytes, uint8_t *lane)
{
    for (uint32_t k = it_fix_first(g, o); k < g->fixes_len && g->fixes[k].out == o; k++) {
        size_t tap = g->fixes[k].tap, in_run = tap % p->run_len, step = tap / p->run_len * p->walk.steps + in_run / v->granule;
        ((int16_t *)(lane + step * step_bytes))[in_run % v->granule] += (int16_t)g->fixes[k].add;
    }
}

static inline void pack_panel(const tile_level *v, const tile_plan *p, const it_conv_geom *g, const it_epi *e, const int8_t *w,
                              uint32_t group, uint32_t panel, uint8_t *dst)
{
    uint32_t vecs = panel_vecs(&p->cut, panel), first = panel_first_vec(&p->cut, panel) * v->lanes, lanes = vecs * v->lanes;
    uint32_t used = p->out_len - first < lanes ? p->out_len - first : lanes;
    size_t taps = (size_t)g->kh * g->kw * p->in_len, o = (size_t)group * p->out_len + first;
    memset(dst, 0, PANEL_HEAD + vecs * p->cut.vec_bytes);
    int32_t *bias = (int32_t *)(dst + PANEL_HEAD), *consts = bias + lanes;
    epi_mode mode = e->levels_len ? EPI_LEVELS : EPI_HIGH;
    for (uint32_t i = 0; i < used && mode == EPI_HIGH; i++)
        if (epi_mode_of(e->mult[o + i], e->shift[o + i]) == EPI_FULL)
            mode = EPI_FULL;
    *(int32_t *)dst = (int32_t)mode;
    for (uint32_t i = 0; i < used; i++) {
        uint8_t *lane = (uint8_t *)(bias + (size_t)p->words * lanes) + (size_t)i * v->lane_bytes;
        int32_t sum = pack_lane(v, p, w + (o + i) * taps, (size_t)lanes * v->lane_bytes, lane);
        if (v->x_bytes == 2)
            pack_fixes(v, p, g, o + i, (size_t)lanes * v->lane_bytes, lane);
        bias[i] = v->x_bytes == 1 ? (int32_t)((uint32_t)e->bias[o + i] + 128u * (uint32_t)sum) : e->bias[o + i]; /* sums may wrap around */
        if (mode == EPI_LEVELS) {
            for (uint32_t k = 0; k + 1 < p->words; k++)
                consts[(size_t)k * lanes + i] = e->thresholds[(o + i) * (p->words - 1) + k];
        } else {
            consts[i] = e->mult[o + i];
            consts[lanes + i] = epi_shift(mode, e->mult[o + i], e->shift[o + i]);
        }
    }
}

static inline void tile_pack(const tile_level *v, const it_conv_geom *g, const it_epi *e, const int8_t *w, void *dst)
{
    tile_plan p = tile_plan_of(v, g, e);
    for (uint32_t group = 0; group < g->group; group++)
        for (uint32_t panel = 0; panel < p.cut.panels; panel++)
            pack_panel(v, &p, g, e, w, group, panel, (uint8_t *)dst + panel_at(&p.cut, group, panel));
}

static inline uint32_t tile_units(const tile_level *v, const it_conv_geom *g, uint32_t batch)
{
    tile_plan p = tile_plan_of(v, g, NULL);
    uint64_t px = (uint64_t)batch * g->out_h * g->out_w;
    return (p.flat ? (uint32_t)((px + p.band_px - 1) / p.band_px) : batch * p.bands) * p.cut.panels * g->group;
}

static inline size_t tile_scratch_bytes(const tile_level *v, const it_conv_geom *g)
{
    tile_plan p = tile_plan_of(v, g, NULL);
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

/* n pixels to dense ones. */
static inline void convert_pixels(const tile_level *v, const tile_plan *p, const it_conv_geom *g, uint8_t *dst, const uint8_t *src,
                                  size_t n)
{
    const size_t pitch = it_conv_in_pitch(g);
    if (pitch == g->in_c)
        convert(v, dst, src, n * g->in_c);
    else
        for (size_t i = 0; i < n; i++)
            convert(v, dst + i * p->px_bytes, src + i * pitch, g->in_c);
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
    for (size_t r = 0; r < p->rows; r++, ih++, dst += p->row_bytes) {
        const row_cut k = row_cut_of(g, p->columns, ih);
        fill_zero(v, dst, g->in_zero, k.left * g->in_c);
        if (k.mid > 0)
            convert_pixels(v, p, g, dst + k.left * p->px_bytes, x + (size_t)ih * g->in_w * it_conv_in_pitch(g), k.mid);
        fill_zero(v, dst + (k.left + k.mid) * p->px_bytes, g->in_zero, k.right * g->in_c);
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
        convert_pixels(v, p, g, scratch, x + b.y_px * it_conv_in_pitch(g), b.px);
        return b;
    }
    uint32_t sample = band / p->bands, oh = band % p->bands * p->band_rows;
    uint32_t rows = g->out_h - oh < p->band_rows ? g->out_h - oh : p->band_rows;
    b.px = rows * g->out_w;
    b.row_px = g->out_w;
    b.y_px = sample * map + (size_t)oh * g->out_w;
    convert_rows(v, p, g, x + (size_t)sample * g->in_h * g->in_w * it_conv_in_pitch(g), (int64_t)oh * g->stride_h - g->pad_t, scratch);
    return b;
}

/* Where the sums of a panel go. */
typedef struct tile_out {
    const it_epi *e;
    const int32_t *consts;    /* behind the biases */
    uint32_t lanes, channels; /* the last channels of a panel may have fewer lanes */
    epi_mode mode;
    uint8_t *y;
    const uint8_t *other;     /* NULL: no add */
    size_t y_px_bytes, other_pitch;
} tile_out;

/* The sums of px pixels to codes, eight channels at a time; y_px_bytes apart. */
static inline __attribute__((always_inline)) void epi_pixels(const epi_mode mode, const bool wide, const tile_out *o, const int32_t *sums,
                                                             uint32_t px, uint8_t *y, size_t y_px_bytes)
{
    const uint32_t lanes = o->lanes;
    const int32_t *mult = o->consts, *shift = mult + lanes;
    epi_pack k = epi_pack_of(o->e->zero, o->e->lo, o->e->hi);
    for (uint32_t c = 0; c < o->channels; c += 8) {
        uint32_t second = c + 4 < lanes ? c + 4 : c, n = o->channels - c < 8 ? o->channels - c : 8; /* the last vector may stand alone */
        int32x4_t m0 = vld1q_s32(mult + c), m1 = vld1q_s32(mult + second), s0 = vld1q_s32(shift + c), s1 = vld1q_s32(shift + second);
        uint8_t *to = y + (wide ? 2 * c : c);
        for (uint32_t i = 0; i < px; i++, to += y_px_bytes) {
            int32x4_t a = epi_scale(mode, vld1q_s32(sums + i * lanes + c), m0, s0);
            int32x4_t b = epi_scale(mode, vld1q_s32(sums + i * lanes + second), m1, s1);
            store_codes(to, epi_codes(&k, a, b), n, wide);
        }
    }
}

static inline void epi_level_pixels(const tile_out *o, const int32_t *sums, uint32_t px, uint8_t *y)
{
    const uint32_t lanes = o->lanes, steps = o->e->levels_len - 1;
    const uint8x16_t table = epi_table(o->e);
    for (uint32_t c = 0; c < o->channels; c += 8) {
        uint32_t second = c + 4 < lanes ? c + 4 : c, n = o->channels - c < 8 ? o->channels - c : 8;
        for (uint32_t i = 0; i < px; i++) {
            int32x4_t a = vld1q_s32(sums + i * lanes + c), b = vld1q_s32(sums + i * lanes + second);
            store_bytes(y + i * o->y_px_bytes + c, epi_levels(a, b, o->consts + c, o->consts + second, lanes, steps, table), n);
        }
    }
}

static inline void tile_epi(const tile_out *o, const int32_t *sums, uint32_t px, uint8_t *y, size_t y_px_bytes)
{
    if (o->mode == EPI_LEVELS)
        epi_level_pixels(o, sums, px, y);
    else if (o->mode == EPI_HIGH && o->e->out == INTACT_U8)
        epi_pixels(EPI_HIGH, false, o, sums, px, y, y_px_bytes);
    else
        epi_pixels(o->mode, o->e->out == INTACT_S16, o, sums, px, y, y_px_bytes);
}

static inline void tile_flush(tile_out *o, const int32_t *sums, uint32_t px)
{
    if (o->e->add || o->e->lut) {
        uint8_t q[TILE_GROUP * TILE_SUMS_MAX], room[TILE_GROUP * TILE_SUMS_MAX];
        tile_epi(o, sums, px, q, o->channels);
        epi_finish(o->e, q, room, px, o->channels, o->other, o->other_pitch, o->y, o->y_px_bytes);
        o->other = o->other ? o->other + px * o->other_pitch : NULL;
    } else
        tile_epi(o, sums, px, o->y, o->y_px_bytes);
    o->y += px * o->y_px_bytes;
}

/* All tiles of one panel over one band: as even as can be, so that no tile is nearly empty. */
static inline void panel_run(const tile_level *v, const tile_plan *p, const tile_band *b, const uint8_t *panel, uint32_t vecs, size_t x_at,
                             tile_out *o)
{
    _Alignas(64) int32_t sums[TILE_GROUP * TILE_SUMS_MAX];
    const uint8_t *px[TILE_PX_MAX];
    uint32_t lanes = vecs * v->lanes, tiles = div_up(b->px, v->px_max[vecs]), least = b->px / tiles, larger = b->px % tiles;
    uint32_t column = 0, waiting = 0;
    const int32_t *bias = (const int32_t *)(panel + PANEL_HEAD);
    const uint8_t *w = (const uint8_t *)(bias + (size_t)p->words * lanes), *row = b->x + x_at, *at = row;
    o->lanes = lanes;
    o->consts = bias + lanes;
    o->mode = (epi_mode) * (const int32_t *)panel;
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
            tile_flush(o, sums, waiting);
            waiting = 0;
        }
    }
}

static inline void tile_run(const tile_level *v, const it_conv_geom *g, const it_epi *e, const void *packed, const it_conv_io *io,
                            uint32_t unit_begin, uint32_t unit_end, uint8_t *scratch)
{
    tile_plan p = tile_plan_of(v, g, e);
    uint32_t panels = p.cut.panels * g->group, out_bytes = e->out == INTACT_S16 ? 2 : 1;
    tile_out o = { .e = e, .y_px_bytes = it_conv_out_pitch(g) * out_bytes, .other_pitch = it_conv_other_pitch(g) };
    tile_band b = { 0 };
    for (uint32_t u = unit_begin; u < unit_end; u++) {
        if (u == unit_begin || u % panels == 0)
            b = band_open(v, &p, g, io->x, io->batch, u / panels, scratch);
        uint32_t group = u % panels / p.cut.panels, panel = u % panels % p.cut.panels;
        uint32_t first = panel_first_vec(&p.cut, panel) * v->lanes, vecs = panel_vecs(&p.cut, panel);
        size_t channel = (size_t)group * p.out_len + first;
        o.channels = p.out_len - first < vecs * v->lanes ? p.out_len - first : vecs * v->lanes;
        o.y = (uint8_t *)io->y + b.y_px * o.y_px_bytes + channel * out_bytes;
        o.other = e->add ? (const uint8_t *)io->other + b.y_px * o.other_pitch + channel : NULL;
        panel_run(v, &p, &b, (const uint8_t *)packed + panel_at(&p.cut, group, panel), vecs, group * p.in_len * (size_t)v->x_bytes, &o);
    }
}

/* Weights of 8 bits hold no fixes. */
static inline bool tile_takes(const tile_level *v, const it_conv_geom *g, const it_epi *e)
{
    return g->group > 0 && !e->acc64 && (v->x_bytes == 2 || g->fixes_len == 0);
}

#endif
