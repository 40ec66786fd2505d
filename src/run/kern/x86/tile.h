/* SPDX-License-Identifier: Apache-2.0 */
/* tile.h: convolution and dense as tiles of pixels x channels straight from the NHWC tensor: how layers are cut, and packing.
**
** Output channels of a group are cut into vectors of `lanes`, vectors into panels. One panel as packed:
**
**   epi_mode (64 bytes) | bias sets | mult, shift, what the level adds: vecs x lanes x s32 each | weights: steps x vecs x lanes x 4 bytes
**
** With levels, thresholds stand in place of mult and what follows it, filled up with INT32_MAX to 1, 3, 7 or 15: where an accumulator
** passes the filling too, it has passed all the real ones, and the level is the last.
**
** Fixes of layers with weights of 16 bits are in the weights; of others each panel has a list of them behind all panels, as tile_fix, and
** what they add to a tile's accumulators is added behind the tile.
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
    TILE_PX_MAX = 16,   /* pixels of a tile */
    TILE_VEC_MAX = 9,
    TILE_LANES_MAX = 16,
    TILE_ACC_MAX = 24,  /* accumulator vectors of a tile */
    TILE_ACC_ALL = 120, /* accumulator vectors that are requantized together */
    TILE_TALL = 8,      /* tiles of more pixels take only evenly spaced ones, given by the first two, and all taps */
    TILE_STATE = 3584,
    TILE_WIDE_BYTES = 28 << 10, /* weights of a wide panel: they stay in L1 */
    TILE_FAR_WEIGHTS = 768 << 10, /* packed weights that are read once instead of once a band, */
    TILE_NEAR_INPUTS = 768 << 10, /* if the inputs of a sample, which then are read once a panel, are not more than this */
    TILE_EDGES_LEAST = 64,      /* channels from which runs of one tap are long enough */
    TILE_TOP = 1, TILE_BOTTOM = 2, TILE_LEFT = 4, TILE_RIGHT = 8, TILE_SETS = 16, /* bias sets: the sides where taps are missing */
    TILE_SLACK = 64,    /* bytes behind a copied band that a run's filled end may read */
    TILE_BAND_PX = 192, /* pixels that a band aims at (288 at most): the copied halo stays small, the band in L2 */
    TILE_COPY_BYTES = 1 << 20, /* of a copied flat band: fewer pixels, down to TILE_BAND_LEAST, where these are long */
    TILE_UNITS = 8,     /* fewer than these make shorter bands, down to TILE_BAND_LEAST pixels, so that threads get even work */
    TILE_BAND_LEAST = 24,
};

/* The inputs of a tile: kh rows of runs_w runs of steps. lead (trail): the first (last) run skips the first (last) pixel. */
typedef struct tile_walk {
    uint32_t kh, runs_w, steps, runs;       /* runs: kh * runs_w */
    bool lead, trail;
    size_t run_bytes;                       /* of inputs: 4 * steps */
    size_t run_skip, row_skip;              /* bytes from a run's end to the next run; and besides to the next row's first */
    const int32_t *bias_first, *bias_last;  /* of the first pixel (also if it is the only one), of the last */
    const uint8_t *ahead;                   /* a line of 64 bytes for each step, to be fetched into L2 */
} tile_walk;

/* acc[pixel][vec][lane] = bias + products. */
typedef void tile_fn(const uint8_t *const *px, const uint8_t *w, const int32_t *bias, const tile_walk *k, int32_t *acc);
/* One fix of a panel. */
typedef struct tile_fix {
    size_t at;      /* bytes from a pixel's first input to the first of the step that has the tap */
    uint32_t word;  /* weights of that step: add, and zeros */
    int32_t add;
    uint16_t place; /* 1 << its lane in its vector */
    uint8_t byte;   /* which of the step is the tap's */
    uint8_t sides;  /* edges: without taps at these (TILE_TOP ...) there is none to multiply */
    uint32_t lane;  /* of the panel; lists ascend by it */
    uint32_t left;  /* fixes of the same vector from this one on */
} tile_fix;
typedef struct tile_fixes {
    const tile_fix *first, *end;
    uint32_t sides; /* missing for all pixels of the tile, */
    uint32_t sides_first, sides_last; /* its first one (also if it is the only one), its last one */
    size_t above;   /* at is this much less: bytes to the first row of taps that is there */
} tile_fixes;
/* acc of n pixels of `lanes` += the fixes. px: n pointers; more than TILE_TALL evenly spaced. */
typedef void tile_fix_fn(const tile_fixes *f, const uint8_t *const *px, uint32_t n, uint32_t lanes, int32_t *acc);

/* What an epilogue needs to know of a panel. consts: mult, shift (epi_shift()) and the level's, or thresholds; all vecs x lanes. */
typedef struct tile_out {
    const int32_t *consts;
    const it_epi *e;
    uint32_t vecs, channels;
    epi_mode mode;
    size_t pixel_bytes, other_bytes; /* from one output pixel to the next, from one of other */
    const uint8_t *other;            /* at the first pixel's first channel */
    bool staged;                     /* e's sum and table are none of the epilogue's business: y is a buffer */
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
    tile_fix_fn *fix;                                        /* NULL: weights have 16 bits */
    void (*open)(const tile_out *o, void *state);            /* what epi needs of a panel, at most TILE_STATE bytes; NULL: nothing */
    tile_epi_fn *epi;
    bool (*fuses)(const tile_out *o); /* whether open and epi do e's sum and table too; NULL: never */
    it_fn_add_u8 *add;                /* else these do, on what epi leaves in a buffer */
    it_fn_lut_u8 *lut;
    bool levels;                      /* whether epi knows thresholds */
    uint32_t (*channel)(uint32_t vecs, uint32_t vec, uint32_t lane); /* which of a panel's channels stands in a lane */
    /* Completes the constants of a packed panel and returns its mode; NULL: nothing to do. */
    epi_mode (*finish)(epi_mode mode, uint32_t lanes, const it_epi *e, int32_t *consts);
} tile_level;

typedef struct tile_plan {
    tile_walk walk;
    size_t run_len;                            /* elements */
    uint32_t in_len, out_len;                  /* channels of a group */
    uint32_t sets;                             /* of biases */
    panel_cut cut;                             /* of a group's channels */
    bool flat, copy, edges;
    bool by_panel;                             /* bands change first from unit to unit, then panels */
    bool bottom, right;                        /* edges: the last row (column) of outputs misses taps */
    uint32_t band_rows, bands;                 /* rows of a band; bands of a sample. Flat: pixels of a band, bands of the batch */
    size_t in_px, px_bytes, row_bytes, rows, columns; /* in_px: bytes of x; the others: of a band as read */
} tile_plan;

static uint32_t tile_bands(uint64_t px, uint32_t panels)
{
    uint64_t bands = (px + TILE_BAND_PX / 2) / TILE_BAND_PX, most = (px + TILE_BAND_LEAST - 1) / TILE_BAND_LEAST;
    uint64_t least = div_up(TILE_UNITS, panels);
    least = least < most ? least : most;
    return (uint32_t)(bands < least ? least : bands);
}

/* Most pixels of a flat band. */
static inline uint32_t tile_flat_most(const tile_plan *p)
{
    const size_t most = p->copy ? TILE_COPY_BYTES / p->px_bytes : SIZE_MAX;
    return most > TILE_BAND_PX * 3 / 2 ? TILE_BAND_PX * 3 / 2 : most < TILE_BAND_LEAST ? TILE_BAND_LEAST : (uint32_t)most;
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
    p->walk.runs = p->walk.kh * p->walk.runs_w;
    p->walk.run_bytes = p->walk.steps * (size_t)4;
    p->walk.run_skip = g->dil_w * p->px_bytes - p->walk.run_bytes;
    p->walk.row_skip = g->dil_h * p->row_bytes - p->walk.runs_w * g->dil_w * p->px_bytes;
}

/* Thresholds of a channel, filled up: 2^n - 1. */
static inline uint32_t tile_thresholds(const it_epi *e)
{
    uint32_t n = 1;
    while (n + 1 < e->levels_len)
        n = 2 * n + 1;
    return n;
}

/* 32-bit constants of a lane behind the biases. */
static inline uint32_t tile_words(const tile_level *v, const it_epi *e) { return e->levels_len ? tile_thresholds(e) : v->const_words; }

/* words: tile_words(), where panels are looked into. */
static inline tile_plan tile_plan_of(const tile_level *v, const it_conv_geom *g, uint32_t words, uint32_t batch)
{
    tile_plan p = { .in_len = g->in_c / g->group, .out_len = g->out_c / g->group };
    plan_inputs(v, g, &p);
    p.cut.vecs = div_up(p.out_len, v->lanes);
    size_t step_bytes = (size_t)p.walk.runs * p.walk.steps * v->lanes * 4;
    bool wide = !p.edges && p.cut.vecs <= v->wide_max && v->px_max[p.cut.vecs] && p.cut.vecs * step_bytes <= TILE_WIDE_BYTES;
    uint32_t vec_max = v->vec_max;
    if (p.edges && vec_max == 4 && vec_max * step_bytes > TILE_WIDE_BYTES && g->out_w < 5 * div_up(g->out_w, v->px_max[4]))
        vec_max = 3; /* weights pass once a tile: rows that would be cut into short tiles get taller ones instead */
    p.cut.panels = wide ? 1 : div_up(p.cut.vecs, vec_max);
    if (vec_max != v->vec_max && p.cut.panels > TILE_UNITS)
        p.cut.panels += p.cut.panels % 2; /* such layers may have one band only: even work for two threads */
    p.cut.vec_bytes = v->lanes * 4 * (size_t)(p.sets + words) + step_bytes;
    uint64_t px = (uint64_t)g->out_h * g->out_w * (p.flat ? batch : 1), len = p.flat ? px : g->out_h;
    p.bands = tile_bands(px, p.cut.panels * g->group);
    if (p.flat && p.bands < (len + tile_flat_most(&p) - 1) / tile_flat_most(&p))
        p.bands = (uint32_t)((len + tile_flat_most(&p) - 1) / tile_flat_most(&p));
    p.bands = p.bands > len ? (uint32_t)len : p.bands;
    p.band_rows = (uint32_t)((len + p.bands - 1) / p.bands);
    p.bands = (uint32_t)((len + p.band_rows - 1) / p.band_rows);
    p.by_panel = !p.copy && p.bands > 1 && g->group == 1 && p.cut.vecs * step_bytes > TILE_FAR_WEIGHTS &&
                 p.row_bytes * g->in_h <= TILE_NEAR_INPUTS;
    p.rows = (size_t)(p.band_rows - 1) * g->stride_h + (size_t)(g->kh - 1) * g->dil_h + 1;
    return p;
}

/* Lists of fixes: where each panel's begins and the last one's ends, then all. */
static inline size_t tile_fixes_at(const tile_plan *p, const it_conv_geom *g) { return panel_at(&p->cut, g->group, 0); }
static inline size_t tile_fix_firsts(const tile_plan *p, const it_conv_geom *g)
{
    return it_round_up(((size_t)p->cut.panels * g->group + 1) * sizeof(uint32_t), 16);
}

static inline size_t tile_packed_bytes(const tile_level *v, const it_conv_geom *g, const it_epi *e)
{
    tile_plan p = tile_plan_of(v, g, tile_words(v, e), 1);
    return tile_fixes_at(&p, g) + (v->fix && g->fixes_len ? tile_fix_firsts(&p, g) + g->fixes_len * sizeof(tile_fix) : 0);
}

/* len inputs of one run of a channel into its lane: s8 fours, or (granule 2) s16 pairs. */
static inline void pack_lane(const int8_t *w, size_t len, uint32_t granule, size_t step_bytes, uint8_t *dst)
{
    if (granule == 4) {
        for (; len >= 4; len -= 4, w += 4, dst += step_bytes)
            memcpy(dst, w, 4);
        memcpy(dst, w, len);
        return;
    }
    for (size_t k = 0; k < len; k += granule, dst += step_bytes) {
        int16_t wide[2] = { 0, 0 };
        for (size_t i = 0; i < granule && k + i < len; i++)
            wide[i] = w[k + i];
        memcpy(dst, wide, sizeof wide);
    }
}

/* All weights of a panel, a few steps of every lane at a time, so that what is written stays in L1. from: each lane's channel, or NULL. */
static inline void pack_lanes(const tile_plan *p, const int8_t *const *from, uint32_t lanes, uint32_t granule, uint8_t *dst)
{
    enum { BLOCK = 64 };
    for (size_t run = 0, at = 0; run < p->walk.runs; run++, at += p->run_len)
        for (size_t k = 0, n; k < p->run_len; k += n, dst += (n + granule - 1) / granule * lanes * 4) {
            n = p->run_len - k < BLOCK ? p->run_len - k : BLOCK;
            for (uint32_t i = 0; i < lanes; i++)
                if (from[i])
                    pack_lane(from[i] + at + k, n, granule, (size_t)lanes * 4, dst + (size_t)i * 4);
        }
}

/* The sides at which a row and column of taps lies. */
static inline uint32_t tile_sides(const it_conv_geom *g, uint32_t kh, uint32_t kw)
{
    return (kh == 0 ? TILE_TOP : 0) | (kh == g->kh - 1 ? TILE_BOTTOM : 0) | (kw == 0 ? TILE_LEFT : 0) | (kw == g->kw - 1 ? TILE_RIGHT : 0);
}

/* The bias sets of a lane: what the zero point adds under the taps that a set's sides miss. lanes: from one set to the next. w: channel
** o's. */
static inline void pack_bias(const tile_plan *p, const it_conv_geom *g, int32_t bias, size_t o, const int8_t *w, uint32_t lanes,
                             int32_t *dst)
{
    for (uint32_t set = 0; set < p->sets; set++)
        dst[(size_t)set * lanes] = bias;
    if (p->sets == 1)
        return;
    for (uint32_t kh = 0; kh < g->kh; kh++)
        for (uint32_t kw = 0; kw < g->kw; kw++, w += p->in_len) {
            uint32_t sides = tile_sides(g, kh, kw), tap = (kh * g->kw + kw) * p->in_len;
            int32_t sum = 0; /* a partial sum of the layer's: times in_zero it stays below 2^31 */
            for (uint32_t k = 0; sides && k < p->in_len; k++)
                sum += w[k];
            for (uint32_t k = it_fix_first(g, o); sides && k < g->fixes_len && g->fixes[k].out == o; k++)
                sum += g->fixes[k].tap - tap < p->in_len ? g->fixes[k].add : 0;
            for (uint32_t set = 0; set < p->sets; set++)
                if (set & sides)
                    dst[(size_t)set * lanes] += g->in_zero * sum;
        }
}

/* A lane's constants of requantization. w: the channel's. */
static inline void pack_scale(const tile_level *v, const it_conv_geom *g, const it_epi *e, size_t o, const int8_t *w, size_t taps,
                              int32_t *mode, int32_t *mult, int32_t *shift)
{
    *mult = e->mult[o];
    if (*mult != 0)
        *shift = e->shift[o];
    if (*shift < 33) {
        epi_mode needs = epi_mode_of(epi_acc_max(e->bias[o], v->in_bytes, w, taps, 1) + epi_fix_max(g, o, v->in_bytes), *shift);
        *mode = (int32_t)needs > *mode ? (int32_t)needs : *mode;
    }
}

static inline void pack_thresholds(const it_epi *e, size_t o, uint32_t lanes, int32_t *dst)
{
    uint32_t n = e->levels_len - 1, all = tile_thresholds(e);
    for (uint32_t k = 0; k < all; k++)
        dst[(size_t)k * lanes] = k < n ? e->thresholds[o * n + k] : INT32_MAX;
}

/* The channel that stands in a panel's lane; false: none. */
static inline bool lane_channel(const tile_level *v, const tile_plan *p, uint32_t group, uint32_t panel, uint32_t lane, size_t *o)
{
    uint32_t c = panel_first_vec(&p->cut, panel) * v->lanes + v->channel(panel_vecs(&p->cut, panel), lane / v->lanes, lane % v->lanes);
    *o = (size_t)group * p->out_len + c;
    return c < p->out_len;
}

/* Into weights of 16 bits, which hold every sum. */
static inline void pack_wide_fixes(const tile_level *v, const tile_plan *p, const it_conv_geom *g, uint32_t group, uint32_t panel,
                                   uint8_t *weights)
{
    const uint32_t lanes = panel_vecs(&p->cut, panel) * v->lanes;
    size_t o;
    for (uint32_t i = 0; g->fixes_len && i < lanes; i++)
        for (uint32_t k = lane_channel(v, p, group, panel, i, &o) ? it_fix_first(g, o) : g->fixes_len; k < g->fixes_len; k++) {
            const it_fix *f = &g->fixes[k];
            if (f->out != o)
                break;
            size_t in_run = f->tap % p->run_len, step = f->tap / p->run_len * p->walk.steps + in_run / 2;
            ((int16_t *)(weights + (step * lanes + i) * 4))[in_run % 2] += (int16_t)f->add;
        }
}

static inline tile_fix tile_fix_of(const tile_level *v, const tile_plan *p, const it_conv_geom *g, const it_fix *f, uint32_t lane)
{
    uint32_t kh = f->tap / (g->kw * p->in_len), kw = f->tap / p->in_len % g->kw, byte = (uint32_t)(f->tap % p->run_len % 4);
    size_t at = kh * (g->dil_h * p->row_bytes) + kw * (g->dil_w * p->px_bytes) + f->tap % p->in_len;
    return (tile_fix){ .at = at - byte, .word = (uint32_t)(uint8_t)f->add << 8 * byte, .add = f->add, .byte = (uint8_t)byte, .lane = lane,
                       .place = (uint16_t)(1u << lane % v->lanes), .sides = p->edges ? (uint8_t)tile_sides(g, kh, kw) : 0 };
}

/* The list of a panel, to to[n] and on; what n becomes. */
static inline uint32_t pack_panel_fixes(const tile_level *v, const tile_plan *p, const it_conv_geom *g, uint32_t group, uint32_t panel,
                                        tile_fix *to, uint32_t n)
{
    const uint32_t begin = n;
    size_t o;
    for (uint32_t i = 0; i < panel_vecs(&p->cut, panel) * v->lanes; i++)
        for (uint32_t k = lane_channel(v, p, group, panel, i, &o) ? it_fix_first(g, o) : g->fixes_len;
             k < g->fixes_len && g->fixes[k].out == o; k++)
            to[n++] = tile_fix_of(v, p, g, &g->fixes[k], i);
    for (uint32_t i = n; i-- > begin;)
        to[i].left = i + 1 < n && to[i].lane / v->lanes == to[i + 1].lane / v->lanes ? to[i + 1].left + 1 : 1;
    return n;
}

/* The lists of all panels. */
static inline void pack_fixes(const tile_level *v, const tile_plan *p, const it_conv_geom *g, uint8_t *dst)
{
    uint32_t *first = (uint32_t *)dst, n = 0;
    tile_fix *to = (tile_fix *)(dst + tile_fix_firsts(p, g));
    memset(dst, 0, tile_fix_firsts(p, g));
    for (uint32_t at = 0; at < p->cut.panels * g->group; at++, first[at] = n)
        n = pack_panel_fixes(v, p, g, at / p->cut.panels, at % p->cut.panels, to, n);
}

static inline void pack_panel(const tile_level *v, const tile_plan *p, const it_conv_geom *g, const it_epi *e, const int8_t *w,
                              uint32_t group, uint32_t panel, uint8_t *dst)
{
    uint32_t vecs = panel_vecs(&p->cut, panel), first = panel_first_vec(&p->cut, panel) * v->lanes, lanes = vecs * v->lanes;
    size_t taps = (size_t)g->kh * g->kw * p->in_len;
    memset(dst, 0, PANEL_HEAD + vecs * p->cut.vec_bytes);
    int32_t *mode = (int32_t *)dst, *bias = (int32_t *)(dst + PANEL_HEAD), *mult = bias + (size_t)p->sets * lanes, *shift = mult + lanes;
    uint8_t *weights = (uint8_t *)(mult + (size_t)tile_words(v, e) * lanes);
    const int8_t *from[TILE_VEC_MAX * TILE_LANES_MAX] = { NULL };
    for (uint32_t i = 0; i < lanes; i++) {
        uint32_t c = first + v->channel(vecs, i / v->lanes, i % v->lanes);
        if (e->levels_len == 0)
            shift[i] = 33; /* of lanes without a channel, and where m is 0: any shift gives 0 */
        if (c >= p->out_len)
            continue;
        size_t o = (size_t)group * p->out_len + c;
        pack_bias(p, g, e->bias[o], o, w + o * taps, lanes, bias + i);
        if (e->levels_len)
            pack_thresholds(e, o, lanes, mult + i);
        else
            pack_scale(v, g, e, o, w + o * taps, taps, mode, mult + i, shift + i);
        from[i] = w + o * taps;
    }
    pack_lanes(p, from, lanes, v->granule, weights);
    if (!v->fix)
        pack_wide_fixes(v, p, g, group, panel, weights);
    if (e->levels_len) {
        *mode = EPI_LEVELS;
        return;
    }
    for (uint32_t i = 0; i < lanes; i++)
        shift[i] = epi_shift((epi_mode)*mode, shift[i]);
    if (v->finish)
        *mode = (int32_t)v->finish((epi_mode)*mode, lanes, e, mult);
}

static inline void tile_pack(const tile_level *v, const it_conv_geom *g, const it_epi *e, const int8_t *w, void *dst)
{
    tile_plan p = tile_plan_of(v, g, tile_words(v, e), 1);
    for (uint32_t group = 0; group < g->group; group++)
        for (uint32_t panel = 0; panel < p.cut.panels; panel++)
            pack_panel(v, &p, g, e, w, group, panel, (uint8_t *)dst + panel_at(&p.cut, group, panel));
    if (v->fix && g->fixes_len)
        pack_fixes(v, &p, g, (uint8_t *)dst + tile_fixes_at(&p, g));
}

static inline uint32_t tile_units(const tile_level *v, const it_conv_geom *g, uint32_t batch)
{
    tile_plan p = tile_plan_of(v, g, 0, batch);
    return (p.flat ? 1 : batch) * p.bands * p.cut.panels * g->group;
}

static inline size_t tile_scratch_bytes(const tile_level *v, const it_conv_geom *g)
{
    tile_plan p = tile_plan_of(v, g, 0, 1);
    if (!p.copy)
        return 0;
    return (p.flat ? tile_flat_most(&p) * p.px_bytes : p.rows * p.row_bytes) + TILE_SLACK;
}

#endif
