/* SPDX-License-Identifier: Apache-2.0 */
/* tile_run.h: the walk over bands and tiles of packed layers (tile.h): inputs copied where they must be, weights fetched ahead, epilogues,
** and the functions of a kernel at a level. */
#ifndef IT_KERN_X86_TILE_RUN_H
#define IT_KERN_X86_TILE_RUN_H

#include "run/kern/x86/tile.h"

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
    for (size_t r = 0; r < p->rows; r++, ih++, dst += p->row_bytes) {
        const row_cut k = row_cut_of(g, p->columns, ih);
        fill_zero(dst, g->in_zero, k.left * g->in_c, v->x_bytes);
        if (k.mid > 0)
            copy_pixels(v, p, g, x + (size_t)ih * g->in_w * p->in_px, k.mid, dst + k.left * p->px_bytes);
        fill_zero(dst + (k.left + k.mid) * p->px_bytes, g->in_zero, k.right * g->in_c, v->x_bytes);
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

/* Fixes one by one, for levels that have nothing better. */
static inline void tile_fix_px(const tile_fixes *f, const uint8_t *const *px, uint32_t n, uint32_t lanes, int32_t *acc)
{
    const size_t step = n > TILE_TALL ? (size_t)(px[1] - px[0]) : 0;
    for (const tile_fix *k = f->first; k != f->end; k++) {
        if (k->sides & f->sides)
            continue;
        const uint32_t from = (k->sides & f->sides_first) != 0, to = n - ((k->sides & f->sides_last) != 0);
        const size_t at = k->at + k->byte - f->above;
        for (uint32_t i = from; i < to; i++)
            acc[(size_t)i * lanes + k->lane] += k->add * (step ? px[0] + i * step : px[i])[at];
    }
}

/* One panel over one band. */
typedef struct tile_job {
    const tile_level *v;
    tile_out out;
    const uint8_t *w;
    const int32_t *bias;
    tile_fixes fixes;
    uint32_t lanes, waiting, waiting_max;
    const uint8_t *next;             /* the weights that come next, a part of which each tile fetches into L2 */
    size_t next_bytes;
    bool apart;                      /* outputs of this panel lie far from each other: lines that the machine does not fetch by itself */
    uint8_t *y;
    size_t y_step;
    _Alignas(64) uint8_t state[TILE_STATE];
    _Alignas(64) int32_t acc[TILE_ACC_ALL * 16];
} tile_job;

static inline void job_tile(tile_job *j, const uint8_t *const *px, uint32_t n, const uint8_t *w, const int32_t *bias, tile_walk *k)
{
    size_t ahead = (size_t)k->runs * k->steps * 64;
    ahead = ahead < j->next_bytes ? ahead : j->next_bytes;
    k->ahead = ahead ? j->next : w;
    for (uint32_t i = 0; j->apart && i < n; i++) {
        __builtin_prefetch(j->y + (j->waiting + i) * j->y_step, 1, 3);
        if (j->out.other)
            __builtin_prefetch(j->out.other + (j->waiting + i) * j->out.other_bytes, 0, 3);
    }
    if (ahead) { /* next may be NULL */
        j->next += ahead;
        j->next_bytes -= ahead;
    }
    int32_t *acc = j->acc + (size_t)j->waiting * j->lanes;
    j->v->tiles[j->out.vecs][n](px, w, bias, k, acc);
    if (j->fixes.first != j->fixes.end) {
        j->fixes.sides_last = k->trail ? TILE_RIGHT : 0;
        j->fixes.sides_first = (k->lead ? TILE_LEFT : 0) | (n == 1 ? j->fixes.sides_last : 0);
        j->v->fix(&j->fixes, px, n, j->lanes, acc);
    }
    j->waiting += n;
}

/* n rows, from one pitch to another. */
static inline void stage_rows(uint8_t *dst, size_t dst_step, const uint8_t *src, size_t src_step, size_t bytes, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        memcpy(dst + i * dst_step, src + i * src_step, bytes);
}

/* Sum and table by kernels of their own, on what the epilogue leaves in a buffer. All of other is read before y is written. */
static __attribute__((noinline)) void job_stage(tile_job *j)
{
    uint8_t q[TILE_ACC_ALL * 16], b[TILE_ACC_ALL * 16];
    const it_epi *e = j->out.e;
    size_t row = j->out.channels, n = row * j->waiting;
    j->v->epi(j->acc, &j->out, j->state, j->waiting, q);
    if (e->add) {
        stage_rows(b, row, j->out.other, j->out.other_bytes, row, j->waiting);
        j->v->add(q, b, q, n, e->add);
    }
    if (e->lut)
        j->v->lut(q, q, n, e->lut);
    stage_rows(j->y, j->y_step, q, row, row, j->waiting);
}

static inline void job_flush(tile_job *j)
{
    if (j->out.staged)
        job_stage(j);
    else
        j->v->epi(j->acc, &j->out, j->state, j->waiting, j->y);
    j->y += j->waiting * j->y_step;
    if (j->out.other)
        j->out.other += j->waiting * j->out.other_bytes;
    j->waiting = 0;
}

/* All that a tile could have, without a branch; those behind its end, or before a row, are not read. */
static inline void px_even(const uint8_t **px, const uint8_t *at, size_t step)
{
    for (uint32_t i = 0; i < TILE_TALL; i++)
        px[i] = (const uint8_t *)((uintptr_t)at + i * step);
}

/* Tiles as even as can be, so that none is nearly empty; they go on from one row to the next, tall ones excepted. */
static inline void job_band(tile_job *j, const tile_plan *p, const tile_band *b, size_t x_at)
{
    const uint8_t *px[TILE_PX_MAX], *row = b->x + x_at, *at = row;
    uint32_t px_max = j->v->px_max[j->out.vecs], part = px_max > TILE_TALL ? b->row_px : b->px;
    uint32_t tiles = div_up(part, px_max), least = part / tiles, larger = part % tiles, column = 0;
    tile_walk k = p->walk;
    k.bias_first = k.bias_last = j->bias;
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
    uint32_t tiles = div_up(b->row_px, px_max > TILE_TALL ? TILE_TALL : px_max);
    uint32_t least = b->row_px / tiles, larger = b->row_px % tiles;
    bool merge = g->group == 1 && p->px_bytes == g->in_c;
    size_t row_weights = (size_t)p->walk.runs_w * p->walk.steps * j->lanes * 4;
    for (uint32_t oh = b->oh; oh < b->oh + b->rows; oh++) {
        bool top = oh < g->pad_t, bottom = p->bottom && oh == g->out_h - 1;
        uint32_t sides = (top ? TILE_TOP : 0) | (bottom ? TILE_BOTTOM : 0);
        tile_walk all = p->walk;
        all.kh -= (uint32_t)top + bottom;
        all.runs = all.kh * all.runs_w;
        size_t ih = (size_t)oh * g->stride_h + top - g->pad_t;
        j->fixes.sides = sides;
        j->fixes.above = top ? p->row_bytes : 0;
        const uint8_t *row = b->x + ih * p->row_bytes + x_at;
        for (uint32_t t = 0, ow = 0; t < tiles; t++) {
            uint32_t n = least + (t < larger);
            tile_walk k = all;
            k.lead = ow < g->pad_l;
            k.trail = p->right && t == tiles - 1;
            if (merge && !k.lead && !k.trail) {
                k.steps *= k.runs_w;
                k.run_bytes *= k.runs_w;
                k.runs_w = 1;
                k.runs = k.kh;
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

/* A unit: panel by panel over the pixels of a band, or where weights are more than a cache near the core holds and the inputs are not, band
** by band for each panel. */
typedef struct tile_unit {
    uint32_t group, panel, band;
    bool last, weights_new, band_new; /* last of all; whether the one before had other weights, another band */
} tile_unit;

static inline tile_unit unit_of(const tile_plan *p, uint32_t panels, uint32_t bands, uint32_t u)
{
    uint32_t panel = p->by_panel ? u / bands : u % panels, band = p->by_panel ? u % bands : u / panels;
    return (tile_unit){ panel / p->cut.panels, panel % p->cut.panels, band, u + 1 == panels * bands,
                        panels > 1 && (!p->by_panel || band == 0), p->by_panel || panel == 0 };
}

/* The weights that are needed after those of unit u: the next panel's where they are new to this call, or at the very end io's. */
static inline void job_next(tile_job *j, const tile_plan *p, const it_conv_io *io, const tile_unit *t, uint32_t bands, const uint8_t *end,
                            size_t bytes, bool again)
{
    bool more = t->panel + 1 < p->cut.panels && !again && (!p->by_panel || t->band + 1 == bands);
    j->next = t->last ? io->next : end;
    j->next_bytes = t->last ? io->next_bytes : more ? bytes : 0;
}

static inline void job_panel(tile_job *j, const tile_plan *p, const uint8_t *at, uint32_t panel, uint32_t words)
{
    const tile_level *v = j->v;
    uint32_t first = panel_first_vec(&p->cut, panel) * v->lanes, vecs = panel_vecs(&p->cut, panel);
    j->lanes = vecs * v->lanes;
    j->waiting_max = TILE_ACC_ALL * 16 / j->lanes - v->px_max[vecs];
    j->bias = (const int32_t *)(at + PANEL_HEAD);
    j->out.consts = j->bias + (size_t)p->sets * j->lanes;
    j->w = (const uint8_t *)(j->out.consts + (size_t)words * j->lanes);
    j->out.vecs = vecs;
    j->out.mode = (epi_mode)*(const int32_t *)at;
    j->out.channels = p->out_len - first < j->lanes ? p->out_len - first : j->lanes;
}

/* all: the lists as packed; at: which panel of which group. */
static inline void job_fixes(tile_job *j, const tile_plan *p, const it_conv_geom *g, const uint8_t *all, uint32_t at)
{
    const uint32_t *first = (const uint32_t *)all + at;
    const tile_fix *fixes = (const tile_fix *)(all + tile_fix_firsts(p, g));
    j->fixes = (tile_fixes){ .first = fixes + first[0], .end = fixes + first[1] };
}

/* Whether sum and table are done in registers, or behind the epilogue. */
static inline void job_open(tile_job *j)
{
    const it_epi *e = j->out.e;
    j->out.staged = (e->add || e->lut) && !(j->v->fuses && j->v->fuses(&j->out));
    j->out.pixel_bytes = j->out.staged ? j->out.channels : j->y_step;
    if (j->v->open)
        j->v->open(&j->out, j->state);
}

static inline void tile_run(const tile_level *v, const it_conv_geom *g, const it_epi *e, const void *packed, const it_conv_io *io,
                            uint32_t unit_begin, uint32_t unit_end, void *scratch)
{
    const uint32_t words = tile_words(v, e);
    const tile_plan p = tile_plan_of(v, g, words, io->batch);
    const uint32_t panels = p.cut.panels * g->group, bands = (p.flat ? 1 : io->batch) * p.bands;
    const size_t out_bytes = e->out == INTACT_S16 ? 2 : 1;
    tile_band b = { 0 };
    tile_job j;
    j.v = v;
    j.waiting = 0;
    j.out.e = e;
    j.y_step = it_conv_out_pitch(g) * out_bytes;
    j.apart = panels > 1;
    j.fixes = (tile_fixes){ 0 };
    j.out.other_bytes = e->add ? it_conv_other_pitch(g) : 0;
    for (uint32_t u = unit_begin; u < unit_end; u++) {
        const tile_unit t = unit_of(&p, panels, bands, u);
        if (u == unit_begin || t.band_new)
            b = band_open(v, &p, g, io->x, io->batch, t.band, scratch);
        const uint8_t *at = (const uint8_t *)packed + panel_at(&p.cut, t.group, t.panel);
        const size_t bytes = PANEL_HEAD + panel_vecs(&p.cut, t.panel) * p.cut.vec_bytes;
        const size_t first_out = (size_t)t.group * p.out_len + (size_t)panel_first_vec(&p.cut, t.panel) * v->lanes;
        const size_t x_at = (size_t)t.group * p.in_len * v->x_bytes;
        job_next(&j, &p, io, &t, bands, at + bytes, bytes, !p.by_panel && u - unit_begin >= panels);
        if (u == unit_begin || t.weights_new) {
            job_panel(&j, &p, at, t.panel, words);
            if (v->fix && g->fixes_len)
                job_fixes(&j, &p, g, (const uint8_t *)packed + tile_fixes_at(&p, g), t.group * p.cut.panels + t.panel);
            job_open(&j);
        }
        j.out.other = e->add ? (const uint8_t *)io->other + b.y_px * j.out.other_bytes + first_out : NULL;
        j.y = (uint8_t *)io->y + b.y_px * j.y_step + first_out * out_bytes;
        if (p.edges)
            job_edges(&j, &p, g, &b, x_at);
        else
            job_band(&j, &p, &b, x_at);
    }
}

/* What can() may say yes to. */
static inline bool tile_takes(const tile_level *v, const it_conv_geom *g, const it_epi *e)
{
    return g->group > 0 && !e->acc64 && (v->levels || e->levels_len == 0);
}

#endif
