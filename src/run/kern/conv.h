/* SPDX-License-Identifier: Apache-2.0 */
/* conv.h: what the convolutions of all architectures share: how channels are cut into panels, how rows are padded, and the
** functions of a version. */
#ifndef IT_KERN_CONV_H
#define IT_KERN_CONV_H

#include "run/kern/kern_level.h"

static inline uint32_t div_up(uint32_t a, uint32_t b) { return a / b + (a % b != 0); }

/* ---- panels ---- */

enum { PANEL_HEAD = 64 }; /* bytes of a panel's epi_mode */

/* The output channels of a group: vectors, and panels of them, as even as can be, the larger ones first. A panel as packed has PANEL_HEAD
** bytes, then vec_bytes for each of its vectors; the panels of a group follow each other, groups too. */
typedef struct panel_cut { uint32_t vecs, panels; size_t vec_bytes; } panel_cut;

static inline uint32_t panel_vecs(const panel_cut *c, uint32_t panel) { return c->vecs / c->panels + (panel < c->vecs % c->panels); }
static inline uint32_t panel_first_vec(const panel_cut *c, uint32_t panel)
{
    uint32_t larger = c->vecs % c->panels;
    return panel * (c->vecs / c->panels) + (panel < larger ? panel : larger);
}
static inline size_t panel_at(const panel_cut *c, uint32_t group, uint32_t panel)
{
    return ((size_t)group * c->panels + panel) * PANEL_HEAD + ((size_t)group * c->vecs + panel_first_vec(c, panel)) * c->vec_bytes;
}

/* ---- rows with padding ---- */

/* A row as a window walks over it, from column -pad_l: pixels of padding, of the map, of padding. */
typedef struct row_cut { size_t left, mid, right; } row_cut;

static inline row_cut row_cut_of(const it_conv_geom *g, size_t columns, int64_t ih)
{
    if (ih < 0 || ih >= g->in_h)
        return (row_cut){ .left = columns };
    const size_t left = g->pad_l < columns ? g->pad_l : columns, mid = columns - left < g->in_w ? columns - left : g->in_w;
    return (row_cut){ left, mid, columns - left - mid };
}

/* ---- the functions of a version ---- */

/* All but can(), from those of a driver, which take the level first. */
#define CONV_FUNCTIONS(name, driver, level)                                                                                               \
    static size_t name##_packed_bytes(const it_conv_geom *g, const it_epi *e) { return driver##_packed_bytes(&level, g, e); }             \
    static void name##_pack(const it_conv_geom *g, const it_epi *e, const int8_t *w, void *dst) { driver##_pack(&level, g, e, w, dst); }  \
    static uint32_t name##_units(const it_conv_geom *g, uint32_t batch) { return driver##_units(&level, g, batch); }                      \
    static size_t name##_scratch_bytes(const it_conv_geom *g) { return driver##_scratch_bytes(&level, g); }                               \
    static void name##_run(const it_conv_geom *g, const it_epi *e, const void *packed, const it_conv_io *io, uint32_t unit_begin,         \
                           uint32_t unit_end, void *scratch)                                                                              \
    {                                                                                                                                     \
        driver##_run(&level, g, e, packed, io, unit_begin, unit_end, scratch);                                                            \
    }

/* All, where one driver serves convolutions and, as those of one tap, dense layers. */
#define CONV_DENSE_FUNCTIONS(name, driver, level)                                                                                         \
    static bool name##_can(const it_conv_geom *g, const it_epi *e) { return driver##_takes(&level, g, e); }                               \
    static bool name##_dense_can(const it_conv_geom *g, const it_epi *e)                                                                  \
    {                                                                                                                                     \
        return g->kh == 1 && g->kw == 1 && driver##_takes(&level, g, e);                                                                  \
    }                                                                                                                                     \
    CONV_FUNCTIONS(name, driver, level)

#define CONV_VERSION(text, can, name) { text, can, name##_packed_bytes, name##_pack, name##_units, name##_scratch_bytes, name##_run }

#endif
