/* SPDX-License-Identifier: Apache-2.0 */
/* dwconv: the definition of depthwise convolution: one filter a channel, weights (KH, KW, C), channels innermost. */
#include "run/kern/ref/ref.h"

static size_t dw_taps(const it_conv_geom *g) { return (size_t)g->kh * g->kw; }
static bool dw_can(const it_conv_geom *g, const it_epi *e) { return g->in_c == g->out_c && e->bias != NULL; }
static size_t dw_packed_bytes(const it_conv_geom *g, const it_epi *e) { return ref_packed_bytes(g, e, dw_taps(g)); }
static void dw_pack(const it_conv_geom *g, const it_epi *e, const int8_t *w, void *dst) { ref_pack(g, e, w, dw_taps(g), dst); }
static uint32_t dw_units(const it_conv_geom *g, uint32_t batch) { return batch * g->out_h; }
static size_t dw_scratch_bytes(const it_conv_geom *g) { return (size_t)g->out_c * sizeof(int64_t); }

/* The input pixel under tap (kh, kw) of output pixel (oh, ow) as an element index; false: padding. */
static bool tap_at(const it_conv_geom *g, uint32_t oh, uint32_t ow, uint32_t kh, uint32_t kw, size_t *at)
{
    int64_t ih = (int64_t)oh * g->stride_h + (int64_t)kh * g->dil_h - g->pad_t;
    int64_t iw = (int64_t)ow * g->stride_w + (int64_t)kw * g->dil_w - g->pad_l;
    *at = ((size_t)ih * g->in_w + (size_t)iw) * it_conv_in_pitch(g);
    return ih >= 0 && ih < g->in_h && iw >= 0 && iw < g->in_w;
}

/* What a fix adds at output pixel (oh, ow). */
static int64_t fix_at(const it_conv_geom *g, const it_fix *f, const void *x, size_t elem, uint32_t oh, uint32_t ow)
{
    size_t at;
    int32_t v = g->in_zero;
    if (tap_at(g, oh, ow, f->tap / g->kw, f->tap % g->kw, &at))
        v = elem == 1 ? ((const uint8_t *)x)[at + f->out] : ((const int16_t *)x)[at + f->out];
    return f->add * v;
}

static void pixel_u8(const it_conv_geom *g, const it_ref_packed *p, const uint8_t *x, uint32_t oh, uint32_t ow, int32_t *acc)
{
    const int8_t *w = p->w;
    memcpy(acc, p->bias, g->out_c * sizeof *acc);
    for (uint32_t kh = 0; kh < g->kh; kh++)
        for (uint32_t kw = 0; kw < g->kw; kw++, w += g->in_c) {
            size_t at;
            if (tap_at(g, oh, ow, kh, kw, &at))
                for (uint32_t c = 0; c < g->in_c; c++)
                    acc[c] += x[at + c] * w[c];
            else
                for (uint32_t c = 0; c < g->in_c; c++)
                    acc[c] += g->in_zero * w[c];
        }
    for (uint32_t k = 0; k < g->fixes_len; k++)
        acc[g->fixes[k].out] += (int32_t)fix_at(g, &g->fixes[k], x, 1, oh, ow);
}

/* 64 bits hold both kinds of accumulator; s16 layers are rare, so there is no version in 32. */
static void pixel_s16(const it_conv_geom *g, const it_ref_packed *p, const int16_t *x, uint32_t oh, uint32_t ow, int64_t *acc)
{
    const int8_t *w = p->w;
    for (uint32_t c = 0; c < g->out_c; c++)
        acc[c] = p->bias[c];
    for (uint32_t kh = 0; kh < g->kh; kh++)
        for (uint32_t kw = 0; kw < g->kw; kw++, w += g->in_c) {
            size_t at;
            bool inside = tap_at(g, oh, ow, kh, kw, &at);
            for (uint32_t c = 0; c < g->in_c; c++)
                acc[c] += (inside ? x[at + c] : g->in_zero) * w[c];
        }
    for (uint32_t k = 0; k < g->fixes_len; k++)
        acc[g->fixes[k].out] += fix_at(g, &g->fixes[k], x, 2, oh, ow);
}

static void dw_u8_run(const it_conv_geom *g, const it_epi *e, const void *packed, const it_conv_io *io, uint32_t unit_begin,
                      uint32_t unit_end, void *scratch)
{
    it_ref_packed p = ref_open(g, e, packed);
    size_t in_len = (size_t)g->in_h * g->in_w * it_conv_in_pitch(g);
    int32_t *acc = scratch;
    for (uint32_t u = unit_begin; u < unit_end; u++)
        for (uint32_t ow = 0; ow < g->out_w; ow++) {
            pixel_u8(g, &p, (const uint8_t *)io->x + u / g->out_h * in_len, u % g->out_h, ow, acc);
            for (size_t c = 0; c < g->out_c; c++)
                ref_store(g, e, &p, io, (size_t)u * g->out_w + ow, c, acc[c]);
        }
}

static void dw_s16_run(const it_conv_geom *g, const it_epi *e, const void *packed, const it_conv_io *io, uint32_t unit_begin,
                       uint32_t unit_end, void *scratch)
{
    it_ref_packed p = ref_open(g, e, packed);
    size_t in_len = (size_t)g->in_h * g->in_w * it_conv_in_pitch(g);
    int64_t *acc = scratch;
    for (uint32_t u = unit_begin; u < unit_end; u++)
        for (uint32_t ow = 0; ow < g->out_w; ow++) {
            pixel_s16(g, &p, (const int16_t *)io->x + u / g->out_h * in_len, u % g->out_h, ow, acc);
            for (size_t c = 0; c < g->out_c; c++)
                ref_store(g, e, &p, io, (size_t)u * g->out_w + ow, c, acc[c]);
        }
}

const it_kern_conv it_kern_dwconv_u8_ref = { "dwconv_u8_ref", dw_can, dw_packed_bytes, dw_pack, dw_units, dw_scratch_bytes, dw_u8_run };
const it_kern_conv it_kern_dwconv_s16_ref = { "dwconv_s16_ref", dw_can, dw_packed_bytes, dw_pack, dw_units, dw_scratch_bytes, dw_s16_run };
