/* SPDX-License-Identifier: Apache-2.0 */
/* ref.h: what the reference convolutions share: packed form (constants as they come, then canonical weights) and store. */
#ifndef IT_KERN_REF_H
#define IT_KERN_REF_H

#include <string.h>

#include "run/kern/kern_level.h"

typedef struct it_ref_packed { const int32_t *bias, *mult, *shift; const int8_t *w; } it_ref_packed;

static inline size_t ref_packed_bytes(const it_conv_geom *g, size_t taps_per_out) { return g->out_c * (12 + taps_per_out); }

static inline void ref_pack(const it_conv_geom *g, const it_epi *e, const int8_t *w, size_t taps_per_out, void *dst)
{
    int32_t *d = dst;
    memcpy(d, e->bias, g->out_c * sizeof *d);
    memcpy(d + g->out_c, e->mult, g->out_c * sizeof *d);
    memcpy(d + 2 * (size_t)g->out_c, e->shift, g->out_c * sizeof *d);
    memcpy(d + 3 * (size_t)g->out_c, w, g->out_c * taps_per_out);
}

static inline it_ref_packed ref_open(const it_conv_geom *g, const void *packed)
{
    const int32_t *d = packed;
    size_t n = g->out_c;
    return (it_ref_packed){ d, d + n, d + 2 * n, (const int8_t *)(d + 3 * n) };
}

/* acc includes the bias; y's element at becomes the requantized value of channel o. */
static inline void ref_store(const it_epi *e, const it_ref_packed *p, size_t o, int64_t acc, void *y, size_t at)
{
    int32_t q = it_requant(acc, p->mult[o], p->shift[o], e->zero, e->lo, e->hi);
    if (e->out == INTACT_S16)
        ((int16_t *)y)[at] = (int16_t)q;
    else
        ((uint8_t *)y)[at] = (uint8_t)q;
}

/* 255 * 128 * n stays below 2^31 with the bias: lowering proved it. */
static inline int64_t ref_dot_u8(const uint8_t *x, const int8_t *w, size_t n)
{
    int32_t acc = 0;
    for (size_t k = 0; k < n; k++)
        acc += x[k] * w[k];
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
