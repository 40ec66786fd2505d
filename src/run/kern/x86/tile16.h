/* SPDX-License-Identifier: Apache-2.0 */
/* tile16.h: convolution and dense of 16-bit inputs as tiles of pixels x channels: packing, bands, the walk over tiles, epilogues.
**
** Weights stay bytes in memory. A level multiplies in one of two ways:
**
**   two planes  x = 256 * (h - 128) + l with unsigned bytes h and l, which a band's copy in scratch holds apart; h and l are
**               multiplied as u8 inputs are. sum x w = 256 * sum h w + sum l w - 32768 * sum w
**   one plane   x as it is, with weights widened in registers. For 64-bit accumulators sums of at most 512 products
**               are split, sum = 65536 * h + l, and the parts added up apart
**
** Either way an accumulator is 2^split * H + L + c in two 32-bit lanes, c the bias and, for planes, -32768 * sum w. With 32-bit
** accumulators it is computed modulo 2^32, where it fits. With 64 bits both parts must be exact: 255 * sum |w| < 2^31 for planes, so at
** most TILE16_TAPS taps, and fewer than TILE16_BLOCKS blocks else; then acc * m + 2^(s-1) = (H * m << split) + L * m + C, with
** C = c * m + 2^(s-1) computed while packing. Sums in between may wrap, the last is below 2^63.
**
** A panel (one to four vectors of channels of a group) as packed:
**
**   epi_mode (64 bytes) | constants: tile16_words() x 4 bytes a lane | weights: steps x vectors x lanes x granule bytes
**
** A step is `granule` neighbouring inputs. Steps cover runs as in tile.h: (KW,C) of a kernel row or C of a tap. A unit is one panel of one
** band of outputs; the panels of a band are neighbours, so that a thread copies once. */
#ifndef IT_KERN_X86_TILE16_H
#define IT_KERN_X86_TILE16_H

#include "run/kern/x86/x86.h"

enum {
    TILE16_PX_MAX = 8,
    TILE16_VEC_MAX = 4,
    TILE16_ACC_MAX = 24,           /* vectors of accumulators of a tile */
    TILE16_TAPS = 65793,           /* 255 * 128 * 65793 < 2^31 */
    TILE16_BLOCK = 512,            /* products in 32 bits, at most */
    TILE16_BLOCKS = 1 << 15,       /* of them whose low 16 bits stay below 2^31 together */
    TILE16_BAND_PX = 192,          /* pixels of a band, fewer where they are so long that */
    TILE16_BAND_BYTES = 384 << 10, /* they would not stay in L2 */
    TILE16_BAND_LEAST = 24,
    TILE16_UNITS = 8,              /* fewer make shorter bands */
    TILE16_FEW_PX = 3,             /* outputs a channel, up to which weights are read once: panels of TILE16_VEC_MAX vectors */
    TILE16_SLACK = 64,             /* behind a plane: what a filled run's end may read */
};

/* The inputs of a tile: kh rows of runs_w runs of steps; plane: from l to h. */
typedef struct tile16_walk {
    uint32_t kh, runs_w, steps;
    size_t kh_bytes, run_bytes, plane;
} tile16_walk;

/* acc[pixel][vector][part][lane], part: L and H, or one. */
typedef void tile16_fn(const uint8_t *const *px, const uint8_t *w, const tile16_walk *k, int32_t *acc);

typedef struct tile16_out {
    const int32_t *consts;
    const it_epi *e;
    epi_mode mode;
    uint32_t vecs, channels;
    size_t pixel_bytes;
} tile16_out;

typedef struct tile16_level {
    uint32_t lanes, granule, planes, split;
    uint8_t px_max[TILE16_VEC_MAX + 1]; /* by vectors */
    tile16_fn *const (*tiles)[TILE16_PX_MAX + 1];
    tile16_fn *const (*blocks)[TILE16_PX_MAX + 1]; /* one plane, 64 bits: two parts */
    void (*copy)(uint8_t *dst, size_t plane, const int16_t *x, size_t n); /* two planes: h and l apart */
    void (*codes32)(const int32_t *acc, const tile16_out *o, uint32_t px, uint8_t *y); /* requantized; o->channels of y a pixel */
    void (*codes64)(const int32_t *acc, const tile16_out *o, uint32_t px, uint8_t *y);
    it_fn_add_u8 *add;
    it_fn_lut_u8 *lut;
} tile16_level;

typedef struct tile16_plan {
    tile16_walk walk;
    uint32_t in_len, out_len, words;
    panel_cut cut;                 /* of a group's channels */
    bool linear, copy;             /* linear: bands are pixels of the whole batch, one behind the other as read; else rows of a sample */
    bool flat;                     /* linear, and input pixels are output pixels */
    uint32_t len, band, bands;     /* pixels (rows) in all, of a band; bands (of a sample) */
    uint32_t band_most;
    size_t px_bytes, row_bytes, rows, columns; /* as read; in one plane */
} tile16_plan;

static inline uint32_t tile16_ceil(uint64_t a, uint64_t b) { return (uint32_t)((a + b - 1) / b); }

/* 32-bit constants of a lane: bias, mult, shift; bias and thresholds; or m, C and s (64 bits each, of even lanes, then of odd ones). */
static inline uint32_t tile16_words(const it_epi *e) { return e->acc64 ? 5 : e->levels_len ? e->levels_len : 3; }

static inline void tile16_inputs(const tile16_level *v, const it_conv_geom *g, tile16_plan *p)
{
    p->rows = (size_t)(g->out_h - 1) * g->stride_h + (size_t)(g->kh - 1) * g->dil_h + 1;
    p->columns = (size_t)(g->out_w - 1) * g->stride_w + (size_t)(g->kw - 1) * g->dil_w + 1;
    bool inside = g->pad_t == 0 && g->pad_l == 0 && p->columns <= g->in_w && p->rows <= g->in_h;
    bool point = inside && g->kh == 1 && g->kw == 1;
    p->flat = point && g->stride_h == 1 && g->stride_w == 1 && g->in_h == g->out_h && g->in_w == g->out_w;
    p->copy = v->planes == 2 || !inside || p->in_len % v->granule != 0;
    p->linear = p->flat || (p->copy && point);
    bool row_runs = g->group == 1 && g->dil_w == 1 && (p->copy || it_conv_in_pitch(g) == g->in_c);
    size_t run = row_runs ? (size_t)g->kw * g->in_c : p->in_len;
    p->walk = (tile16_walk){ .kh = g->kh, .runs_w = row_runs ? 1 : g->kw, .steps = tile16_ceil(run, v->granule) };
    p->px_bytes = p->copy ? (size_t)g->in_c * (v->planes == 2 ? 1 : 2) : it_conv_in_pitch(g) * 2;
    p->row_bytes = p->px_bytes * (p->copy ? p->columns : g->in_w);
    p->walk.kh_bytes = g->dil_h * p->row_bytes;
    p->walk.run_bytes = g->dil_w * p->px_bytes;
}

/* Bands that stay in L2, and enough of them for two threads; rows: what a band of one row reads counts as well. */
static inline void tile16_bands(const tile16_level *v, const it_conv_geom *g, uint32_t batch, tile16_plan *p)
{
    uint64_t map = (uint64_t)g->out_h * g->out_w;
    uint64_t most = TILE16_BAND_BYTES / (p->px_bytes * v->planes * g->stride_h * (p->linear ? 1 : g->stride_w));
    most = most > TILE16_BAND_PX ? TILE16_BAND_PX : most < TILE16_BAND_LEAST ? TILE16_BAND_LEAST : most;
    uint64_t need = tile16_ceil(TILE16_UNITS, p->cut.panels * g->group), share = (map + need - 1) / need;
    if (share < most)
        most = share > TILE16_BAND_LEAST ? share : most < TILE16_BAND_LEAST ? most : TILE16_BAND_LEAST;
    p->len = p->linear ? (uint32_t)(map * batch) : g->out_h;
    p->band_most = p->linear ? (uint32_t)most : tile16_ceil(most, g->out_w);
    if (!p->linear && p->band_most > g->out_h)
        p->band_most = g->out_h;
    p->bands = tile16_ceil(p->len, p->band_most);
    p->band = tile16_ceil(p->len, p->bands);
    p->bands = tile16_ceil(p->len, p->band);
    p->rows = (size_t)(p->band_most - 1) * g->stride_h + (size_t)(g->kh - 1) * g->dil_h + 1;
    p->walk.plane = it_round_up(p->linear ? p->band_most * p->px_bytes : p->rows * p->row_bytes, 64) + TILE16_SLACK;
}

/* words: of a lane's constants; whoever does not need places in a panel may give any. */
static inline tile16_plan tile16_plan_of(const tile16_level *v, const it_conv_geom *g, uint32_t words, uint32_t batch)
{
    tile16_plan p = { .in_len = g->in_c / g->group, .out_len = g->out_c / g->group, .words = words };
    tile16_inputs(v, g, &p);
    uint32_t vec_max = (uint64_t)g->out_h * g->out_w <= TILE16_FEW_PX ? TILE16_VEC_MAX : 2;
    p.cut.vecs = tile16_ceil(p.out_len, v->lanes);
    p.cut.panels = tile16_ceil(p.cut.vecs, vec_max);
    size_t steps = (size_t)p.walk.kh * p.walk.runs_w * p.walk.steps;
    p.cut.vec_bytes = it_round_up(v->lanes * (4 * (size_t)words + steps * v->granule), 64);
    tile16_bands(v, g, batch, &p);
    return p;
}

static inline bool tile16_can(const tile16_level *v, const it_conv_geom *g, const it_epi *e)
{
    uint64_t taps = g->group ? (uint64_t)g->kh * g->kw * (g->in_c / g->group) : 0;
    if (g->fixes_len > 0)
        return false;
    if (v->planes == 1) /* no block has less than a run, so there are fewer than this */
        return taps > 0 && (!e->acc64 || (uint64_t)g->kh * g->kw + taps / TILE16_BLOCK < TILE16_BLOCKS);
    return taps > 0 && (!e->acc64 || taps <= TILE16_TAPS);
}

static inline size_t tile16_packed_bytes(const tile16_level *v, const it_conv_geom *g, const it_epi *e)
{
    tile16_plan p = tile16_plan_of(v, g, tile16_words(e), 1);
    return panel_at(&p.cut, g->group, 0);
}

static inline size_t tile16_scratch_bytes(const tile16_level *v, const it_conv_geom *g)
{
    tile16_plan p = tile16_plan_of(v, g, 3, 1);
    return p.copy ? v->planes * p.walk.plane : 0;
}

static inline uint32_t tile16_units(const tile16_level *v, const it_conv_geom *g, uint32_t batch)
{
    tile16_plan p = tile16_plan_of(v, g, 3, batch);
    return (p.linear ? 1 : batch) * p.bands * p.cut.panels * g->group;
}

/* ---- packing ---- */

/* One lane of vector `vec`; c64: bias and what planes add to it. */
static inline void tile16_pack_lane(const tile16_level *v, const it_epi *e, size_t o, int64_t c64, uint32_t vecs, uint32_t i,
                                    epi_mode mode, uint8_t *dst)
{
    int32_t *words = (int32_t *)dst;
    uint32_t lanes = vecs * v->lanes, vec = i / v->lanes, lane = i % v->lanes;
    if (e->acc64) { /* by vector: m, then C, then s, even lanes before odd ones */
        int32_t s = e->mult[o] ? e->shift[o] : 1;
        int64_t consts[2] = { c64 * e->mult[o] + ((int64_t)1 << (s - 1)), s };
        uint8_t *to = dst + (size_t)vec * v->lanes * 20;
        memcpy(to + lane * 4, &e->mult[o], 4);
        to += v->lanes * 4 + (lane % 2 * v->lanes / 2 + lane / 2) * 8;
        memcpy(to, &consts[0], 8);
        memcpy(to + v->lanes * 8, &consts[1], 8);
        return;
    }
    words[i] = (int32_t)(uint32_t)(uint64_t)c64;
    for (uint32_t k = 0; k + 1 < e->levels_len; k++)
        words[(size_t)(k + 1) * lanes + i] = e->thresholds[o * (e->levels_len - 1) + k];
    if (e->levels_len)
        return;
    words[lanes + i] = e->mult[o];
    words[2 * lanes + i] = epi_shift(mode, e->mult[o] ? e->shift[o] : 33);
}

/* The least that serves all of a panel's channels. */
static inline epi_mode tile16_mode(const it_epi *e, const int8_t *w, size_t taps, size_t o, size_t end)
{
    epi_mode mode = EPI_HIGH;
    for (; o < end && !e->acc64 && !e->levels_len; o++)
        if (e->mult[o] != 0 && e->shift[o] < 33) {
            epi_mode needs = epi_mode_of(epi_acc_max(e->bias[o], 2, w + o * taps, taps, 1), e->shift[o]);
            mode = needs > mode ? needs : mode;
        }
    return mode;
}

static inline void tile16_pack_panel(const tile16_level *v, const tile16_plan *p, const it_conv_geom *g, const it_epi *e, const int8_t *w,
                                     uint32_t group, uint32_t panel, uint8_t *dst)
{
    uint32_t vecs = panel_vecs(&p->cut, panel), lanes = vecs * v->lanes, first = panel_first_vec(&p->cut, panel) * v->lanes;
    uint32_t channels = p->out_len - first < lanes ? p->out_len - first : lanes;
    size_t taps = (size_t)g->kh * g->kw * p->in_len, begin = (size_t)group * p->out_len + first, runs = (size_t)p->walk.kh * p->walk.runs_w;
    memset(dst, 0, PANEL_HEAD + vecs * p->cut.vec_bytes);
    epi_mode mode = tile16_mode(e, w, taps, begin, begin + channels);
    *(int32_t *)dst = (int32_t)mode;
    dst += PANEL_HEAD;
    for (uint32_t i = 0; i < lanes && !e->levels_len; i++) /* shifts of lanes without a channel: any that gives 0 */
        if (!e->acc64)
            ((int32_t *)dst)[2 * lanes + i] = 33;
        else
            ((int64_t *)(dst + (size_t)(i / v->lanes) * v->lanes * 20 + v->lanes * 12))[i % v->lanes] = 1;
    size_t run_len = taps / runs, step_bytes = (size_t)lanes * v->granule;
    for (uint32_t i = 0; i < channels; i++) {
        const int8_t *from = w + (begin + i) * taps;
        uint8_t *to = dst + (size_t)lanes * 4 * p->words + i * v->granule;
        int64_t sum = 0;
        for (size_t r = 0; r < runs; r++, from += run_len)
            for (size_t k = 0; k < run_len; k += v->granule, to += step_bytes)
                for (size_t n = 0; n < v->granule && k + n < run_len; n++) {
                    to[n] = (uint8_t)from[k + n];
                    sum += from[k + n];
                }
        tile16_pack_lane(v, e, begin + i, e->bias[begin + i] - (v->planes == 2 ? 32768 * sum : 0), vecs, i, mode, dst);
    }
}

static inline void tile16_pack(const tile16_level *v, const it_conv_geom *g, const it_epi *e, const int8_t *w, void *dst)
{
    tile16_plan p = tile16_plan_of(v, g, tile16_words(e), 1);
    for (uint32_t group = 0; group < g->group; group++)
        for (uint32_t panel = 0; panel < p.cut.panels; panel++)
            tile16_pack_panel(v, &p, g, e, w, group, panel, (uint8_t *)dst + panel_at(&p.cut, group, panel));
}

/* ---- bands ---- */

/* n pixels, step pixels of x apart, to one behind the other. */
static inline void tile16_copy_px(const tile16_level *v, const tile16_plan *p, const it_conv_geom *g, const int16_t *x, size_t step,
                                  size_t n, uint8_t *dst)
{
    size_t pitch = step * it_conv_in_pitch(g), len = g->in_c;
    if (pitch == len) {
        len *= n;
        n = 1;
    }
    for (size_t i = 0; i < n; i++, x += pitch, dst += p->px_bytes)
        if (v->planes == 2)
            v->copy(dst, p->walk.plane, x, len);
        else
            memcpy(dst, x, len * 2);
}

/* n pixels of padding. */
static inline void tile16_fill(const tile16_level *v, const tile16_plan *p, const it_conv_geom *g, size_t n, uint8_t *dst)
{
    if (v->planes == 1) {
        fill_zero(dst, g->in_zero, n * g->in_c, 2);
        return;
    }
    memset(dst, g->in_zero & 0xff, n * p->px_bytes);
    memset(dst + p->walk.plane, (g->in_zero >> 8 & 0xff) ^ 0x80, n * p->px_bytes);
}

/* Rows [ih, ih + rows) of a sample, columns from -pad_l. */
static inline void tile16_copy_rows(const tile16_level *v, const tile16_plan *p, const it_conv_geom *g, const int16_t *x, int64_t ih,
                                    size_t rows, uint8_t *dst)
{
    for (size_t r = 0; r < rows; r++, ih++, dst += p->row_bytes) {
        const row_cut k = row_cut_of(g, p->columns, ih);
        tile16_fill(v, p, g, k.left, dst);
        if (k.mid > 0)
            tile16_copy_px(v, p, g, x + (size_t)ih * g->in_w * it_conv_in_pitch(g), 1, k.mid, dst + k.left * p->px_bytes);
        tile16_fill(v, p, g, k.right, dst + (k.left + k.mid) * p->px_bytes);
    }
}

/* Pixels [at, at + n) of the batch's outputs, for 1x1 windows. */
static inline void tile16_copy_points(const tile16_level *v, const tile16_plan *p, const it_conv_geom *g, const int16_t *x, size_t at,
                                      size_t n, uint8_t *dst)
{
    if (p->flat) {
        tile16_copy_px(v, p, g, x + at * it_conv_in_pitch(g), 1, n, dst);
        return;
    }
    while (n > 0) {
        size_t row = at / g->out_w, ow = at % g->out_w, len = g->out_w - ow < n ? g->out_w - ow : n;
        size_t ih = row / g->out_h * g->in_h + row % g->out_h * g->stride_h;
        tile16_copy_px(v, p, g, x + (ih * g->in_w + ow * g->stride_w) * it_conv_in_pitch(g), g->stride_w, len, dst);
        dst += len * p->px_bytes;
        at += len;
        n -= len;
    }
}

typedef struct tile16_band {
    const uint8_t *x;
    uint32_t px, row_px;
    size_t px_step, row_step, y_px;
} tile16_band;

static inline tile16_band tile16_open(const tile16_level *v, const tile16_plan *p, const it_conv_geom *g, const int16_t *x, uint32_t band,
                                      uint8_t *scratch)
{
    tile16_band b = { .x = scratch, .px_step = p->px_bytes };
    if (p->linear) {
        b.y_px = (size_t)band * p->band;
        b.px = b.row_px = p->len - b.y_px < p->band ? (uint32_t)(p->len - b.y_px) : p->band;
        if (p->copy)
            tile16_copy_points(v, p, g, x, b.y_px, b.px, scratch);
        else
            b.x = (const uint8_t *)(x + b.y_px * it_conv_in_pitch(g));
        return b;
    }
    uint32_t sample = band / p->bands, oh = band % p->bands * p->band, rows = g->out_h - oh < p->band ? g->out_h - oh : p->band;
    x += (size_t)sample * g->in_h * g->in_w * it_conv_in_pitch(g);
    b.px_step *= g->stride_w;
    b.row_step = g->stride_h * p->row_bytes;
    b.row_px = g->out_w;
    b.px = rows * g->out_w;
    b.y_px = ((size_t)sample * g->out_h + oh) * g->out_w;
    if (p->copy)
        tile16_copy_rows(v, p, g, x, (int64_t)oh * g->stride_h - g->pad_t, (size_t)(rows - 1) * g->stride_h + (g->kh - 1) * g->dil_h + 1,
                         scratch);
    else
        b.x = (const uint8_t *)x + oh * b.row_step;
    return b;
}

/* ---- epilogues that are not only requantization ---- */

/* 32-bit accumulators in L and H, or one part, to sums with bias. */
static inline void tile16_sums(const tile16_level *v, const tile16_out *o, const int32_t *acc, int32_t *sum)
{
    for (uint32_t j = 0; j < o->vecs; j++, acc += v->planes * v->lanes)
        for (uint32_t i = 0; i < v->lanes; i++)
            sum[j * v->lanes + i] = (int32_t)((uint32_t)acc[i] + (uint32_t)o->consts[j * v->lanes + i] +
                                              (v->planes == 2 ? (uint32_t)acc[v->lanes + i] << v->split : 0));
}

static inline void tile16_levels(const tile16_level *v, const tile16_out *o, const int32_t *acc, uint8_t *y)
{
    int32_t sum[TILE16_VEC_MAX * 16], passed[TILE16_VEC_MAX * 16] = { 0 };
    const uint32_t lanes = o->vecs * v->lanes;
    tile16_sums(v, o, acc, sum);
    for (uint32_t k = 1; k < o->e->levels_len; k++)
        for (uint32_t i = 0; i < lanes; i++)
            passed[i] += o->consts[(size_t)k * lanes + i] <= sum[i];
    for (uint32_t i = 0; i < o->channels; i++)
        y[i] = o->e->levels[passed[i]];
}

/* A tile of px pixels to codes; parts: vectors of accumulators of a vector of channels. */
static inline void tile16_store(const tile16_level *v, const it_conv_geom *g, const tile16_out *o, const it_conv_io *io, const int32_t *acc,
                                uint32_t parts, uint32_t px, size_t pixel, size_t channel)
{
    const it_epi *e = o->e;
    uint8_t *y = (uint8_t *)io->y + pixel * o->pixel_bytes + channel * (e->out == INTACT_S16 ? 2 : 1);
    void (*codes)(const int32_t *, const tile16_out *, uint32_t, uint8_t *) = e->acc64 ? v->codes64 : v->codes32;
    if (it_epi_plain(e)) {
        codes(acc, o, px, y);
        return;
    }
    const uint8_t *other = e->add ? (const uint8_t *)io->other + pixel * it_conv_other_pitch(g) + channel : NULL;
    uint8_t q[TILE16_VEC_MAX * 16];
    for (uint32_t i = 0; i < px; i++, acc += o->vecs * parts * v->lanes, y += o->pixel_bytes) {
        if (e->levels_len) {
            tile16_levels(v, o, acc, y);
            continue;
        }
        codes(acc, o, 1, q);
        if (e->add)
            v->add(q, other + i * it_conv_other_pitch(g), q, o->channels, e->add);
        if (e->lut)
            v->lut(q, q, o->channels, e->lut);
        memcpy(y, q, o->channels);
    }
}

/* ---- running ---- */

/* One panel over one band. */
static inline void tile16_panel(const tile16_level *v, const tile16_plan *p, const it_conv_geom *g, const tile16_out *o,
                                const it_conv_io *io, const tile16_band *b, const uint8_t *w, size_t x_at, size_t channel)
{
    const bool blocks = o->e->acc64 && v->planes == 1;
    const uint32_t parts = blocks ? 2 : v->planes;
    tile16_fn *const *fn = blocks ? v->blocks[o->vecs] : v->tiles[o->vecs];
    _Alignas(64) int32_t acc[TILE16_ACC_MAX * 16];
    const uint8_t *px[TILE16_PX_MAX], *row = b->x + x_at, *at = row;
    uint32_t tiles = tile16_ceil(b->px, v->px_max[o->vecs]), least = b->px / tiles, larger = b->px % tiles, column = 0;
    size_t pixel = b->y_px;
    for (uint32_t t = 0; t < tiles; t++) {
        uint32_t n = least + (t < larger);
        for (uint32_t i = 0; i < n; i++) {
            px[i] = at;
            at += b->px_step;
            if (++column == b->row_px) {
                column = 0;
                row += b->row_step;
                at = row;
            }
        }
        fn[n](px, w, &p->walk, acc);
        tile16_store(v, g, o, io, acc, parts, n, pixel, channel);
        pixel += n;
    }
}

static inline void tile16_run(const tile16_level *v, const it_conv_geom *g, const it_epi *e, const void *packed, const it_conv_io *io,
                              uint32_t unit_begin, uint32_t unit_end, void *scratch)
{
    tile16_plan p = tile16_plan_of(v, g, tile16_words(e), io->batch);
    uint32_t panels = p.cut.panels * g->group;
    tile16_band b = { 0 };
    for (uint32_t u = unit_begin; u < unit_end; u++) {
        if (u == unit_begin || u % panels == 0)
            b = tile16_open(v, &p, g, io->x, u / panels, scratch);
        uint32_t group = u % panels / p.cut.panels, panel = u % panels % p.cut.panels, first = panel_first_vec(&p.cut, panel) * v->lanes;
        const uint8_t *at = (const uint8_t *)packed + panel_at(&p.cut, group, panel);
        tile16_out o = { .consts = (const int32_t *)(at + PANEL_HEAD), .e = e, .mode = (epi_mode)*(const int32_t *)at,
                         .vecs = panel_vecs(&p.cut, panel), .pixel_bytes = it_conv_out_pitch(g) * (e->out == INTACT_S16 ? 2 : 1) };
        o.channels = p.out_len - first < o.vecs * v->lanes ? p.out_len - first : o.vecs * v->lanes;
        tile16_panel(v, &p, g, &o, io, &b, at + PANEL_HEAD + (size_t)o.vecs * v->lanes * 4 * p.words,
                     (size_t)group * p.in_len * (v->planes == 2 ? 1 : 2), (size_t)group * p.out_len + first);
    }
}

/* Both kernels of a level; text: the tile. */
#define TILE16_KERNS(name, text, level)                                                                                                   \
    static bool s16_can(const it_conv_geom *g, const it_epi *e) { return tile16_can(&level, g, e); }                                     \
    CONV_FUNCTIONS(s16, tile16, level)                                                                                                    \
    const it_kern_conv it_kern_conv_s16_##name = CONV_VERSION("conv_s16_" text, s16_can, s16);                                            \
    const it_kern_conv it_kern_dense_s16_##name = CONV_VERSION("dense_s16_" text, s16_can, s16);

#endif
