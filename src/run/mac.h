/* SPDX-License-Identifier: Apache-2.0 */
/* mac.h: what conv, dwconv and dense share: constants checked, accumulators proved, kernel chosen, fusion, weights packed, units run. */
#ifndef IT_MAC_H
#define IT_MAC_H

#include "run/instr.h"

/* A multiply-accumulate layer as its instruction states it. */
typedef struct it_mac_desc {
    it_conv_geom g;
    uint32_t weight, bias, mult, shift, acc64, thresholds, levels, fixes;
    int32_t lo, hi;
    bool depthwise; /* weight is (KH,KW,C), but packed (C,KH,KW) */
    bool dense;     /* packed weights may stay packed in memory */
} it_mac_desc;

typedef struct it_mac { /* the state */
    it_conv_geom g;
    it_epi e; /* without bias, mult, shift and thresholds: packed holds them */
    it_add_consts add; /* what e.add points to */
    uint32_t (*units)(const it_conv_geom *g, uint32_t batch);
    void (*run)(const it_conv_geom *g, const it_epi *e, const void *packed, const it_conv_io *io, uint32_t unit_begin, uint32_t unit_end,
                void *scratch);
    const void *packed;
    const void *next; /* the packed weights of the next such layer, or as much of them as is worth fetching early */
    size_t next_bytes;
    uint64_t macs;    /* per sample */
    uint64_t inline_below; /* macs that are not worth waking threads for */
} it_mac;

/* Puts what the constant `fixes` (or IT_NO_CONST) holds into d and its geometry. */
void it_mac_set_fixes(const it_prog *p, uint32_t fixes, it_mac_desc *d);
/* Types, sizes and values of the constants; proves that no accumulator of 255 * |w| (32768 * |w| for s16) leaves its range. */
INTACT_MUST_USE intact_status it_mac_check(const it_prog *p, const it_pinstr *i, const it_mac_desc *d, intact_error *err);
typedef const it_kern_conv *it_mac_pick(const it_kern *k, bool s16); /* the version for u8 or s16 inputs out of a table */
/* it_instr.takes: add without broadcast and lut, of u8, in this order, where the same version serves the layer with them and without,
** and its level has no slower kernels for them. */
bool it_mac_takes(const it_kern *kern, const it_prog *p, const it_pinstr *i, const it_pinstr *next, const it_mac_desc *d, it_mac_pick *pick);
/* it_instr.inplace_of: with an add, y may be what is added. */
uint32_t it_mac_inplace(const it_pinstr *i);
/* it_instr.pitches: where the version that serves the layer without pitches serves it with them. */
bool it_mac_pitches(const it_kern *kern, const it_prog *p, const it_pinstr *i, const it_place *places, const it_mac_desc *d,
                    it_mac_pick *pick);
/* Puts an it_mac into prep->state. */
INTACT_MUST_USE intact_status it_mac_prepare(it_prep *prep, const it_prog *p, const it_pinstr *i, const it_mac_desc *d, it_mac_pick *pick,
                                             intact_error *err);
void it_mac_run(const void *state, const it_frame *f);
uint64_t it_mac_count(const it_conv_geom *g);

/* Geometry of a convolution instruction (also depthwise: group becomes the channels); checks ranks and windows. */
INTACT_MUST_USE intact_status it_conv_describe(const it_prog *p, const it_pinstr *i, bool depthwise, it_mac_desc *d, intact_error *err);
/* The fields of it_conv_args. */
extern const it_field it_conv_fields[];
enum { IT_CONV_FIELDS = 21 };

#endif
