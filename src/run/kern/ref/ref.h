/* SPDX-License-Identifier: Apache-2.0 */
/* ref.h: what the reference convolutions share: packed form (constants as they come, then canonical weights) and epilogue. */
#ifndef IT_KERN_REF_H
#define IT_KERN_REF_H

#include <string.h>

#include "run/kern/kern_level.h"

/* With levels, rows of thresholds stand in the place of mult and shift. */
typedef struct it_ref_packed { const int32_t *bias, *mult, *shift, *thresholds; const int8_t *w; } it_ref_packed;

/* 32-bit constants of a channel. */
static inline size_t ref_words(const it_epi *e) { return e->levels_len ? e->levels_len : 3; }

static inline size_t ref_packed_bytes(const it_conv_geom *g, const it_epi *e, size_t taps_per_out)
{
    return g->out_c * (4 * ref_words(e) + taps_per_out);
}

static inline void ref_pack(const it_conv_geom *g, const it_epi *e, const int8_t *w, size_t taps_per_out, void *dst)
{
    int32_t *d = dst;
    const size_t n = g->out_c, words = ref_words(e);
    memcpy(d, e->bias, n * sizeof *d);
    if (e->levels_len) {
        memcpy(d + n, e->thresholds, (words - 1) * n * sizeof *d);
    } else {
        memcpy(d + n, e->mult, n * sizeof *d);
        memcpy(d + 2 * n, e->shift, n * sizeof *d);
    }
    memcpy(d + words * n, w, n * taps_per_out);
}

static inline it_ref_packed ref_open(const it_conv_geom *g, const it_epi *e, const void *packed)
{
    const int32_t *d = packed;
    const size_t n = g->out_c;
    return (it_ref_packed){ d, d + n, d + 2 * n, d + n, (const int8_t *)(d + ref_words(e) * n) };
}

/* docs/NUMERICS.md, multi-threshold. */
static inline uint8_t ref_level(const it_epi *e, const int32_t *thresholds, int64_t acc)
{
    uint32_t passed = 0;
    for (uint32_t k = 0; k + 1 < e->levels_len; k++)
        passed += thresholds[k] <= acc;
    return e->levels[passed];
}

/* acc includes the bias; channel o of y's pixel becomes what the epilogue makes of it. */
static inline void ref_store(const it_conv_geom *g, const it_epi *e, const it_ref_packed *p, const it_conv_io *io, size_t pixel, size_t o,
                             int64_t acc)
{
    const size_t at = pixel * it_conv_out_pitch(g) + o;
    if (e->levels_len) {
        ((uint8_t *)io->y)[at] = ref_level(e, p->thresholds + o * (e->levels_len - 1), acc);
        return;
    }
    int32_t q = it_requant(acc, p->mult[o], p->shift[o], e->zero, e->lo, e->hi);
    if (e->out == INTACT_S16) {
        ((int16_t *)io->y)[at] = (int16_t)q;
        return;
    }
    uint8_t v = (uint8_t)q;
    if (e->add)
        it_kern_add_u8_ref(&v, (const uint8_t *)io->other + pixel * it_conv_other_pitch(g) + o, &v, 1, e->add);
    ((uint8_t *)io->y)[at] = e->lut ? e->lut[v] : v;
}

/* 255 * 128 * n stays below 2^31 with the bias: lowering proved it. */
static inline int64_t ref_dot_u8(const uint8_t *x, const int8_t *w, size_t n)
{
    int32_t acc = 0;
    for (size_t k = 0; k < n; k++)
        acc += x[k] * w[k];
    return acc;
}

/* What the fixes of channel o add: x are its inputs in the order of its weights, of elem bytes. */
static inline int64_t ref_fixes(const it_conv_geom *g, size_t o, const void *x, size_t elem)
{
    int64_t acc = 0;
    for (uint32_t k = it_fix_first(g, o); k < g->fixes_len && g->fixes[k].out == o; k++) {
        const it_fix *f = &g->fixes[k];
        acc += f->add * (elem == 1 ? ((const uint8_t *)x)[f->tap] : ((const int16_t *)x)[f->tap]);
    }
    return acc;
}

static inline int64_t ref_dot_s16(const int16_t *x, const int8_t *w, size_t n, bool acc64)
{
    if (acc64) {
        int64_t wide = 0; /* 2^15 * 2^7 * n: below 2^47 for n < 2^25 */
        for (size_t k = 0; k < n; k++)
            wide += x[k] * w[k];
        return wide;
    }
    int32_t acc = 0;
    for (size_t k = 0; k < n; k++)
        acc += x[k] * w[k];
    return acc;
}

#endif
