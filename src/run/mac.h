/* SPDX-License-Identifier: Apache-2.0 */
/* mac.h: what conv, dwconv and dense share: constants checked, accumulators proved, kernel chosen, weights packed, units run. */
#ifndef IT_MAC_H
#define IT_MAC_H

#include "run/instr.h"

/* A multiply-accumulate layer as its instruction states it. */
typedef struct it_mac_desc {
    it_conv_geom g;
    uint32_t weight, bias, mult, shift, acc64;
    int32_t lo, hi;
    bool depthwise; /* weight is (KH,KW,C), but packed (C,KH,KW) */
    bool dense;     /* packed weights may stay packed in memory */
} it_mac_desc;

typedef struct it_mac { /* the state */
    it_conv_geom g;
    it_epi e; /* without arrays: packed holds them */
    uint32_t (*units)(const it_conv_geom *g, uint32_t batch);
    void (*run)(const it_conv_geom *g, const it_epi *e, const void *packed, const it_conv_io *io, uint32_t unit_begin, uint32_t unit_end,
                void *scratch);
    const void *packed;
    uint64_t macs;    /* per sample */
    uint64_t inline_below; /* macs that are not worth waking threads for */
} it_mac;

/* Types, sizes and values of the constants; proves that no accumulator of 255 * |w| (32768 * |w| for s16) leaves its range. */
INTACT_MUST_USE intact_status it_mac_check(const it_prog *p, const it_pinstr *i, const it_mac_desc *d, intact_error *err);
/* pick: the version for u8 or s16 inputs out of a table. Puts an it_mac into prep->state. */
INTACT_MUST_USE intact_status it_mac_prepare(it_prep *prep, const it_prog *p, const it_pinstr *i, const it_mac_desc *d,
                                             const it_kern_conv *(*pick)(const it_kern *k, bool s16), intact_error *err);
void it_mac_run(const void *state, const it_frame *f);
uint64_t it_mac_count(const it_conv_geom *g);

/* Geometry of a convolution instruction (also depthwise: group becomes the channels); checks ranks and windows. */
INTACT_MUST_USE intact_status it_conv_describe(const it_prog *p, const it_pinstr *i, bool depthwise, it_mac_desc *d, intact_error *err);
/* The fields of it_conv_args. */
extern const it_field it_conv_fields[];
enum { IT_CONV_FIELDS = 18 };

#endif
