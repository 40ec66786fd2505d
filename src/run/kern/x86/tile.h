/* SPDX-License-Identifier: Apache-2.0 */
/* tile.h: convolution and dense as tiles of pixels x channels straight from the NHWC tensor: packing, bands, and the walk over tiles.
**
** Output channels of a group are cut into vectors of `lanes`, vectors into panels. One panel as packed:
**
**   epi_mode (64 bytes) | bias sets, mult, shift, what the level adds: vecs x lanes x s32 each | weights: steps x vecs x lanes x 4 bytes
**
** A step multiplies `granule` neighbouring inputs of a pixel, 4 bytes in all, with 4 bytes of weights in each lane. Steps cover a run of
** inputs that lie together: (KW,C) of one kernel row when columns are not dilated and there is one group, else C of one tap. A run's
** end is filled with zero weights.
**
** Outputs are cut into bands: of rows, or of pixels when the layer is pointwise. A band that needs padding, wider elements or filled
** runs is copied to scratch first, (rows, columns, C) with the padding in place; else it is read where it lies. Where only one row or
** column of taps leaves the map on each side (3x3 with padding 1), levels with `edges` need no copy: such taps are skipped, and what
** the zero point would have added is in the bias, of which there are 16 sets then, by the sides that are missing. A unit is one panel
** of one band; the panels of a band are neighbours, so that a thread copies once. */
#ifndef IT_KERN_X86_TILE_H
#define IT_KERN_X86_TILE_H

#include "run/kern/x86/x86.h"

enum {
    TILE_PX_MAX = 12,   /* pixels of a tile */
    TILE_VEC_MAX = 9,
    TILE_ACC_MAX = 24,  /* accumulator vectors of a tile */
    TILE_ACC_ALL = 120, /* accumulator vectors that are requantized together */
    TILE_TALL = 8,      /* tiles of more pixels take only evenly spaced ones, and all taps */
    TILE_STATE = 3072,
    TILE_FAR_BYTES = 192 << 10, /* packed weights that hardly are in L2 when the layer starts: they are fetched ahead, */
    TILE_FAR_PX = 24,           /* where each is used so often that the fetching costs little */
    TILE_FAR_STEP = 8 << 10,    /* and a tile has not so many to fetch that it waits; long panels are streams, which the machine fetches */
    TILE_WIDE_BYTES = 28 << 10, /* weights of a wide panel: they stay in L1 */
    TILE_EDGES_LEAST = 64,      /* channels from which runs of one tap are long enough */
    TILE_TOP = 1, TILE_BOTTOM = 2, TILE_LEFT = 4, TILE_RIGHT = 8, TILE_SETS = 16, /* bias sets: the sides where taps are missing */
    TILE_HEAD = 64,     /* bytes of a panel's epi_mode */
    TILE_SLACK = 64,    /* bytes behind a copied band that a run's filled end may read */
    TILE_BAND_PX = 192, /* pixels that a band aims at (288 at most): the copied halo stays small, the band in L2 */
    TILE_UNITS = 8,     /* fewer than these make shorter bands, down to TILE_BAND_LEAST pixels, so that threads get even work */
    TILE_BAND_LEAST = 24,
};

/* The inputs of a tile: kh rows of runs_w runs of steps. lead (trail): the first (last) run skips the first (last) pixel. */
typedef struct tile_walk {
    uint32_t kh, runs_w, steps;
    bool lead, trail;
    size_t kh_bytes, run_bytes;             /* from one to the next */
    const int32_t *bias_first, *bias_last;  /* of the first pixel (also if it is the only one), of the last */
} tile_walk;

/* acc[pixel][vec][lane] = bias + products. */
typedef void tile_fn(const uint8_t *const *px, const uint8_t *w, const int32_t *bias, const tile_walk *k, int32_t *acc);
/* What an epilogue needs to know of a panel. consts: mult, shift (epi_shift()) and the level's; all vecs x lanes. */
typedef struct tile_out {
    const int32_t *consts;
    const it_epi *e;
    uint32_t vecs, channels;
    epi_mode mode;
    size_t pixel_bytes; /* from one output pixel to the next */
} tile_out;
/* y: the first pixel's first of o->channels outputs. */
typedef void tile_epi_fn(const int32_t *acc, const tile_out *o, const void *state, uint32_t px, uint8_t *y);

typedef struct tile_level {
    uint32_t lanes, granule, in_bytes /* of an element of x */, x_bytes /* as tiles read it */;
    uint32_t vec_max;                                        /* vectors of a panel */
    uint32_t wide_max;                                       /* of one with few weights */
    uint32_t const_words;                                    /* of a lane, without bias: 2 at least */
    bool edges;
    uint8_t px_max[TILE_VEC_MAX + 1];                        /* by vectors; 0: no such panels */
    tile_fn *const (*tiles)[TILE_PX_MAX + 1];                /* [vecs][px] */
    void (*open)(const tile_out *o, void *state);            /* what epi needs of a panel, at most TILE_STATE bytes; NULL: nothing */
    tile_epi_fn *epi;
    uint32_t (*channel)(uint32_t vecs, uint32_t vec, uint32_t lane); /* which of a panel's channels stands in a lane */
    /* Completes the constants of a packed panel and returns its mode; NULL: nothing to do. */
    epi_mode (*finish)(epi_mode mode, uint32_t lanes, const it_epi *e, int32_t *consts);
} tile_level;

typedef struct tile_plan {
    tile_walk walk;
    size_t run_len;                            /* elements */
    uint32_t in_len, out_len;                  /* channels of a group */
    uint32_t vecs, panels;                     /* of a group */
    uint32_t sets;                             /* of biases */
    size_t vec_bytes;                          /* of one vector in a panel */
    bool flat, copy, edges;
    bool bottom, right;                        /* edges: the last row (column) of outputs misses taps */
    uint32_t band_rows, bands;                 /* rows of a band; bands of a sample. Flat: pixels of a band, bands of the batch */
    size_t in_px, px_bytes, row_bytes, rows, columns; /* in_px: bytes of x; the others: of a band as read */
} tile_plan;

static uint32_t tile_ceil(uint32_t a, uint32_t b) { return (a + b - 1) / b; }

static uint32_t tile_bands(uint64_t px, uint32_t panels)
{
    uint64_t bands = (px + TILE_BAND_PX / 2) / TILE_BAND_PX, most = (px + TILE_BAND_LEAST - 1) / TILE_BAND_LEAST;
    uint64_t least = tile_ceil(TILE_UNITS, panels);
    least = least < most ? least : most;
    return (uint32_t)(bands < least ? least : bands);
}

/* Taps leave the map by at most one row or column on each side, and a run is one tap's channels in whole steps. */
static inline bool tile_edges(const tile_level *v, const it_conv_geom *g, size_t columns, size_t rows)
{
    return v->edges && g->pad_t <= 1 && g->pad_l <= 1 && rows <= (size_t)g->in_h + g->pad_t + 1 &&
           columns <= (size_t)g->in_w + g->pad_l + 1 && g->kh > 1 && g->kw > 1 && g->dil_h == 1 && g->dil_w == 1 &&
           g->in_c / g->group % v->granule == 0 && g->in_c / g->group >= TILE_EDGES_LEAST;
}

/* Where inputs come from: in place, by way of a copy, in runs of what length. */
static inline void plan_inputs(const tile_level *v, const it_conv_geom *g, tile_plan *p)
{
    size_t rows = (size_t)(g->out_h - 1) * g->stride_h + (size_t)(g->kh - 1) * g->dil_h + 1;
    p->columns = (size_t)(g->out_w - 1) * g->stride_w + (size_t)(g->kw - 1) * g->dil_w + 1;
    bool inside = g->pad_t == 0 && g->pad_l == 0 && p->columns <= g->in_w && rows <= g->in_h;
    p->flat = inside && g->kh == 1 && g->kw == 1 && g->stride_h == 1 && g->stride_w == 1 && g->in_h == g->out_h && g->in_w == g->out_w;
    p->edges = !inside && tile_edges(v, g, p->columns, rows);
    p->bottom = rows > (size_t)g->in_h + g->pad_t;
    p->right = p->columns > (size_t)g->in_w + g->pad_l;
    p->sets = p->edges && g->in_zero != 0 ? TILE_SETS : 1;
    bool in_place = inside && v->in_bytes == v->x_bytes, dense = it_conv_in_pitch(g) == g->in_c;
    bool row_runs = g->group == 1 && g->dil_w == 1 && !p->edges && (dense || !in_place || p->in_len % v->granule != 0);
    p->run_len = row_runs ? (size_t)g->kw * g->in_c : p->in_len;
    p->copy = !p->edges && (!in_place || p->run_len % v->granule != 0 || (row_runs && !dense));
    p->walk = (tile_walk){ .kh = g->kh, .runs_w = row_runs ? 1 : g->kw, .steps = (uint32_t)((p->run_len + v->granule - 1) / v->granule) };
    p->in_px = it_conv_in_pitch(g) * v->in_bytes;
    p->px_bytes = p->copy ? (size_t)g->in_c * v->x_bytes : p->in_px;
    p->row_bytes = p->px_bytes * (p->copy && !p->flat ? p->columns : g->in_w);
    p->walk.kh_bytes = g->dil_h * p->row_bytes;
    p->walk.run_bytes = g->dil_w * p->px_bytes;
}

static inline tile_plan tile_plan_of(const tile_level *v, const it_conv_geom *g, uint32_t batch)
{
    tile_plan p = { .in_len = g->in_c / g->group, .out_len = g->out_c / g->group };
    plan_inputs(v, g, &p);
    p.vecs = tile_ceil(p.out_len, v->lanes);
    size_t step_bytes = (size_t)p.walk.kh * p.walk.runs_w * p.walk.steps * v->lanes * 4;
    bool wide = !p.edges && p.vecs <= v->wide_max && v->px_max[p.vecs] && p.vecs * step_bytes <= TILE_WIDE_BYTES;
    uint32_t vec_max = v->vec_max;
    if (p.edges && vec_max == 4 && vec_max * step_bytes > TILE_WIDE_BYTES && g->out_w < 5 * tile_ceil(g->out_w, v->px_max[4]))
        vec_max = 3; /* weights pass once a tile: rows that would be cut into short tiles get taller ones instead */
    p.panels = wide ? 1 : tile_ceil(p.vecs, vec_max);
    if (vec_max != v->vec_max && p.panels > TILE_UNITS)
        p.panels += p.panels % 2; /* such layers may have one band only: even work for two threads */
    p.vec_bytes = v->lanes * 4 * (size_t)(p.sets + v->const_words) + step_bytes;
    uint64_t px = (uint64_t)g->out_h * g->out_w * (p.flat ? batch : 1), len = p.flat ? px : g->out_h;
    p.bands = tile_bands(px, p.panels * g->group);
    p.bands = p.bands > len ? (uint32_t)len : p.bands;
    p.band_rows = (uint32_t)((len + p.bands - 1) / p.bands);
    p.bands = (uint32_t)((len + p.band_rows - 1) / p.band_rows);
    p.rows = (size_t)(p.band_rows - 1) * g->stride_h + (size_t)(g->kh - 1) * g->dil_h + 1;
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

/* The bias sets of a lane: what the zero point adds under the taps that a set's sides miss. lanes: from one set to the next. */
static inline void pack_bias(const tile_plan *p, const it_conv_geom *g, int32_t bias, const int8_t *w, uint32_t lanes, int32_t *dst)
{
    for (uint32_t set = 0; set < p->sets; set++)
        dst[(size_t)set * lanes] = bias;
    if (p->sets == 1)
        return;
    for (uint32_t kh = 0; kh < g->kh; kh++)
        for (uint32_t kw = 0; kw < g->kw; kw++, w += p->in_len) {
            uint32_t sides = (kh == 0 ? TILE_TOP : 0) | (kh == g->kh - 1 ? TILE_BOTTOM : 0) | (kw == 0 ? TILE_LEFT : 0) |
                             (kw == g->kw - 1 ? TILE_RIGHT : 0);
            int32_t sum = 0; /* a partial sum of the layer's: times in_zero it stays below 2^31 */
            for (uint32_t k = 0; sides && k < p->in_len; k++)
                sum += w[k];
            for (uint32_t set = 0; set < p->sets; set++)
                if (set & sides)
                    dst[(size_t)set * lanes] += g->in_zero * sum;
        }
}

static inline void pack_panel(const tile_level *v, const tile_plan *p, const it_conv_geom *g, const it_epi *e, const int8_t *w,
                              uint32_t group, uint32_t panel, uint8_t *dst)
{
    uint32_t vecs = panel_vecs(p, panel), first = panel_first_vec(p, panel) * v->lanes, lanes = vecs * v->lanes;
    size_t taps = (size_t)g->kh * g->kw * p->in_len;
    memset(dst, 0, TILE_HEAD + vecs * p->vec_bytes);
    int32_t *mode = (int32_t *)dst, *bias = (int32_t *)(dst + TILE_HEAD), *mult = bias + (size_t)p->sets * lanes, *shift = mult + lanes;
    uint8_t *weights = (uint8_t *)(mult + (size_t)v->const_words * lanes);
    for (uint32_t i = 0; i < lanes; i++) {
        uint32_t c = first + v->channel(vecs, i / v->lanes, i % v->lanes);
        shift[i] = 33; /* of lanes without a channel, and where m is 0: any shift gives 0 */
        if (c >= p->out_len)
            continue;
        size_t o = (size_t)group * p->out_len + c;
        pack_bias(p, g, e->bias[o], w + o * taps, lanes, bias + i);
        mult[i] = e->mult[o];
        if (mult[i] != 0)
            shift[i] = e->shift[o];
        if (shift[i] < 33) {
            epi_mode needs = epi_mode_of(epi_acc_max(e->bias[o], v->in_bytes, w + o * taps, taps, 1), shift[i]);
            *mode = (int32_t)needs > *mode ? (int32_t)needs : *mode;
        }
        pack_lane(p, w + o * taps, v->granule, (size_t)lanes * 4, weights + (size_t)i * 4);
    }
    for (uint32_t i = 0; i < lanes; i++)
        shift[i] = epi_shift((epi_mode)*mode, shift[i]);
    if (v->finish)
        *mode = (int32_t)v->finish((epi_mode)*mode, lanes, e, mult);
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

/* n pixels to dense ones. */
static inline void copy_pixels(const tile_level *v, const tile_plan *p, const it_conv_geom *g, const uint8_t *x, size_t n, uint8_t *dst)
{
    if (p->in_px == (size_t)g->in_c * v->in_bytes)
        copy_in(dst, x, n * g->in_c, v->in_bytes, v->x_bytes);
    else
        for (size_t i = 0; i < n; i++)
            copy_in(dst + i * p->px_bytes, x + i * p->in_px, g->in_c, v->in_bytes, v->x_bytes);
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
        copy_pixels(v, p, g, x + (size_t)ih * g->in_w * p->in_px, mid, dst + left * p->px_bytes);
        fill_zero(dst + (left + mid) * p->px_bytes, g->in_zero, right * c, v->x_bytes);
    }
}

/* Where the pixels of a band are read and how many there are. */
typedef struct tile_band {
    const uint8_t *x;
    uint32_t px, row_px;            /* all; in a row */
    uint32_t oh, rows;              /* edges: the first row of outputs, how many */
    size_t px_step, row_step;       /* bytes from one output pixel's (row's) inputs to the next one's */
    size_t y_px;                    /* the first pixel's place among all outputs */
} tile_band;

static inline tile_band band_open(const tile_level *v, const tile_plan *p, const it_conv_geom *g, const uint8_t *x, uint32_t batch,
                                  uint32_t band, uint8_t *scratch)
{
    size_t map = (size_t)g->out_h * g->out_w;
    tile_band b = { .px_step = g->stride_w * p->px_bytes, .row_step = g->stride_h * p->row_bytes };
    if (p->flat) {
        b.y_px = (size_t)band * p->band_rows;
        b.px = b.row_px = batch * map - b.y_px < p->band_rows ? (uint32_t)(batch * map - b.y_px) : p->band_rows;
        b.x = x + b.y_px * p->in_px;
        if (p->copy) {
            copy_pixels(v, p, g, b.x, b.px, scratch);
            b.x = scratch;
        }
        return b;
    }
    uint32_t sample = band / p->bands;
    b.oh = band % p->bands * p->band_rows;
    b.rows = g->out_h - b.oh < p->band_rows ? g->out_h - b.oh : p->band_rows;
    x += (size_t)sample * g->in_h * g->in_w * p->in_px;
    b.px = b.rows * g->out_w;
    b.row_px = g->out_w;
    b.y_px = sample * map + (size_t)b.oh * g->out_w;
    b.x = p->edges ? x : x + (size_t)b.oh * g->stride_h * p->row_bytes;
    if (p->copy) {
        copy_rows(v, p, g, x, (int64_t)b.oh * g->stride_h - g->pad_t, scratch);
        b.x = scratch;
    }
    return b;
}

/* One panel over one band. */
typedef struct tile_job {
    const tile_level *v;
    tile_out out;
    const uint8_t *w;
    const int32_t *bias;
    uint32_t lanes, waiting, waiting_max;
    const uint8_t *next;             /* the weights that come next, a part of which each tile fetches into L2 */
    size_t next_bytes, next_step;
    uint8_t *y;
    _Alignas(64) uint8_t state[TILE_STATE];
    _Alignas(64) int32_t acc[TILE_ACC_ALL * 16];
} tile_job;

static inline void job_tile(tile_job *j, const uint8_t *const *px, uint32_t n, const uint8_t *w, const int32_t *bias, const tile_walk *k)
{
    size_t ahead = j->next_step > TILE_FAR_STEP ? 0 : j->next_step < j->next_bytes ? j->next_step : j->next_bytes;
    for (size_t i = 0; i < ahead; i += 64)
        __builtin_prefetch(j->next + i, 0, 2);
    j->next += ahead;
    j->next_bytes -= ahead;
    j->v->tiles[j->out.vecs][n](px, w, bias, k, j->acc + (size_t)j->waiting * j->lanes);
    j->waiting += n;
}

static inline void job_flush(tile_job *j)
{
    j->v->epi(j->acc, &j->out, j->state, j->waiting, j->y);
    j->y += j->waiting * j->out.pixel_bytes;
    j->waiting = 0;
}

/* All that a tile could have, without a branch; those behind its end, or before a row, are not read. */
static inline void px_even(const uint8_t **px, const uint8_t *at, size_t step)
{
    for (uint32_t i = 0; i < TILE_PX_MAX; i++)
        px[i] = (const uint8_t *)((uintptr_t)at + i * step);
}

/* Tiles as even as can be, so that none is nearly empty; they go on from one row to the next, tall ones excepted. */
static inline void job_band(tile_job *j, const tile_plan *p, const tile_band *b, size_t x_at)
{
    const uint8_t *px[TILE_PX_MAX], *row = b->x + x_at, *at = row;
    uint32_t px_max = j->v->px_max[j->out.vecs], part = px_max > TILE_TALL ? b->row_px : b->px;
    uint32_t tiles = tile_ceil(part, px_max), least = part / tiles, larger = part % tiles, column = 0;
    tile_walk k = p->walk;
    k.bias_first = k.bias_last = j->bias;
    j->next_step = it_round_up(j->next_bytes / ((size_t)tiles * (b->px / part)) + 1, 64);
    for (uint32_t done = 0; done < b->px; done += part)
        for (uint32_t t = 0; t < tiles; t++) {
            uint32_t n = least + (t < larger);
            if (n < b->row_px - column) {
                px_even(px, at, b->px_step);
                at += n * b->px_step;
                column += n;
            } else
                for (uint32_t i = 0; i < n; i++) {
                    px[i] = at;
                    at += b->px_step;
                    if (++column == b->row_px) {
                        column = 0;
                        at = row += b->row_step;
                    }
                }
            job_tile(j, px, n, j->w, j->bias, &k);
            if (j->waiting > j->waiting_max)
                job_flush(j);
        }
    if (j->waiting)
        job_flush(j);
}

/* The same where the map's sides miss taps: tiles end with their row. */
static inline void job_edges(tile_job *j, const tile_plan *p, const it_conv_geom *g, const tile_band *b, size_t x_at)
{
    const uint8_t *px[TILE_PX_MAX];
    uint32_t px_max = j->v->px_max[j->out.vecs];
    uint32_t tiles = tile_ceil(b->row_px, px_max > TILE_TALL ? TILE_TALL : px_max);
    uint32_t least = b->row_px / tiles, larger = b->row_px % tiles;
    bool merge = g->group == 1 && p->px_bytes == g->in_c;
    size_t row_weights = (size_t)p->walk.runs_w * p->walk.steps * j->lanes * 4;
    j->next_step = it_round_up(j->next_bytes / ((size_t)tiles * b->rows) + 1, 64);
    for (uint32_t oh = b->oh; oh < b->oh + b->rows; oh++) {
        bool top = oh < g->pad_t, bottom = p->bottom && oh == g->out_h - 1;
        uint32_t sides = (top ? TILE_TOP : 0) | (bottom ? TILE_BOTTOM : 0);
        tile_walk all = p->walk;
        all.kh -= (uint32_t)top + bottom;
        size_t ih = (size_t)oh * g->stride_h + top - g->pad_t;
        const uint8_t *row = b->x + ih * p->row_bytes + x_at;
        for (uint32_t t = 0, ow = 0; t < tiles; t++) {
            uint32_t n = least + (t < larger);
            tile_walk k = all;
            k.lead = ow < g->pad_l;
            k.trail = p->right && t == tiles - 1;
            if (merge && !k.lead && !k.trail) {
                k.steps *= k.runs_w;
                k.runs_w = 1;
            }
            px_even(px, (const uint8_t *)((uintptr_t)row + ow * b->px_step - g->pad_l * p->px_bytes), b->px_step);
            ow += n;
            uint32_t set = p->sets == 1 ? 0 : sides, left = k.lead ? TILE_LEFT : 0, right = k.trail ? TILE_RIGHT : 0;
            const int32_t *bias = j->bias + (size_t)set * j->lanes;
            k.bias_first = p->sets == 1 ? bias : bias + (size_t)(n == 1 ? left | right : left) * j->lanes;
            k.bias_last = p->sets == 1 ? bias : bias + (size_t)right * j->lanes;
            job_tile(j, px, n, j->w + (top ? row_weights : 0), bias, &k);
            if (j->waiting > j->waiting_max)
                job_flush(j);
        }
    }
    if (j->waiting)
        job_flush(j);
}

static inline void tile_run(const tile_level *v, const it_conv_geom *g, const it_epi *e, const void *packed, const it_conv_io *io,
                            uint32_t unit_begin, uint32_t unit_end, void *scratch)
{
    const uint32_t batch = io->batch;
    tile_plan p = tile_plan_of(v, g, batch);
    uint32_t panels = p.panels * g->group;
    size_t out_bytes = e->out == INTACT_S16 ? 2 : 1;
    bool far = g->group == 1 && panel_at(&p, 1, 0) >= TILE_FAR_BYTES && (uint64_t)g->out_h * g->out_w * batch >= TILE_FAR_PX;
    tile_band b = { 0 };
    tile_job j;
    j.v = v;
    j.waiting = 0;
    j.out.e = e;
    j.out.pixel_bytes = it_conv_out_pitch(g) * out_bytes;
    for (uint32_t u = unit_begin; u < unit_end; u++) {
        if (u == unit_begin || u % panels == 0)
            b = band_open(v, &p, g, io->x, batch, u / panels, scratch);
        uint32_t group = u % panels / p.panels, panel = u % panels % p.panels;
        uint32_t first = panel_first_vec(&p, panel) * v->lanes, vecs = panel_vecs(&p, panel);
        const uint8_t *at = (const uint8_t *)packed + panel_at(&p, group, panel);
        j.lanes = vecs * v->lanes;
        j.waiting_max = TILE_ACC_ALL * 16 / j.lanes - v->px_max[vecs];
        j.bias = (const int32_t *)(at + TILE_HEAD);
        j.out.consts = j.bias + (size_t)p.sets * j.lanes;
        j.w = (const uint8_t *)(j.out.consts + (size_t)v->const_words * j.lanes);
        j.next = at + TILE_HEAD + vecs * p.vec_bytes;
        j.next_bytes = far && u - unit_begin < panels && u + 1 < unit_end && u % panels != panels - 1 ? vecs * p.vec_bytes : 0;
        j.out.vecs = vecs;
        j.out.mode = (epi_mode)*(const int32_t *)at;
        j.out.channels = p.out_len - first < j.lanes ? p.out_len - first : j.lanes;
        if (v->open && (u == unit_begin || panels > 1))
            v->open(&j.out, j.state);
        j.y = (uint8_t *)io->y + b.y_px * j.out.pixel_bytes + ((size_t)group * p.out_len + first) * out_bytes;
        size_t x_at = (size_t)group * p.in_len * v->x_bytes;
        if (p.edges)
            job_edges(&j, &p, g, &b, x_at);
        else
            job_band(&j, &p, &b, x_at);
    }
}

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
