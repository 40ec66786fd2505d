/* SPDX-License-Identifier: Apache-2.0 */
/* conv: the definition of grouped, strided, dilated, padded convolution: a patch is gathered for each output pixel,
** then one dot product a channel. */
#include "run/kern/ref/ref.h"

static size_t conv_taps(const it_conv_geom *g) { return (size_t)g->kh * g->kw * (g->in_c / g->group); }
static bool conv_can(const it_conv_geom *g, const it_epi *e) { return g->group > 0 && e->bias != NULL; }
static size_t conv_packed_bytes(const it_conv_geom *g, const it_epi *e) { return ref_packed_bytes(g, e, conv_taps(g)); }
static void conv_pack(const it_conv_geom *g, const it_epi *e, const int8_t *w, void *dst) { ref_pack(g, e, w, conv_taps(g), dst); }
static uint32_t conv_units(const it_conv_geom *g, uint32_t batch) { return batch * g->out_h; }
static size_t conv_scratch_bytes(const it_conv_geom *g) { return conv_taps(g) * 2; }

/* The inputs of output pixel (oh, ow) of one group, in the order of the weights (KH, KW, I/group); outside of the picture: in_zero. */
static void gather(const it_conv_geom *g, size_t elem, const uint8_t *x, uint32_t oh, uint32_t ow, uint32_t group, uint8_t *patch)
{
    size_t c_len = g->in_c / g->group, bytes = c_len * elem;
    for (uint32_t kh = 0; kh < g->kh; kh++)
        for (uint32_t kw = 0; kw < g->kw; kw++, patch += bytes) {
            int64_t ih = (int64_t)oh * g->stride_h + (int64_t)kh * g->dil_h - g->pad_t;
            int64_t iw = (int64_t)ow * g->stride_w + (int64_t)kw * g->dil_w - g->pad_l;
            if (ih >= 0 && ih < g->in_h && iw >= 0 && iw < g->in_w)
                memcpy(patch, x + (((size_t)ih * g->in_w + (size_t)iw) * it_conv_in_pitch(g) + group * c_len) * elem, bytes);
            else if (elem == 1)
                memset(patch, g->in_zero, bytes);
            else
                for (size_t c = 0; c < c_len; c++)
                    ((int16_t *)patch)[c] = (int16_t)g->in_zero;
        }
}

/* Units are rows of output. elem: bytes of an input element, a constant after inlining. */
static inline void conv_run(const it_conv_geom *g, const it_epi *e, const void *packed, const it_conv_io *io, uint32_t unit_begin,
                            uint32_t unit_end, void *scratch, size_t elem)
{
    it_ref_packed p = ref_open(g, e, packed);
    const uint8_t *x = io->x;
    size_t taps = conv_taps(g), in_bytes = (size_t)g->in_h * g->in_w * it_conv_in_pitch(g) * elem;
    uint32_t out_len = g->out_c / g->group;
    for (uint32_t u = unit_begin; u < unit_end; u++)
        for (uint32_t ow = 0; ow < g->out_w; ow++)
            for (uint32_t group = 0; group < g->group; group++) {
                gather(g, elem, x + u / g->out_h * in_bytes, u % g->out_h, ow, group, scratch);
                for (size_t o = (size_t)group * out_len; o < (size_t)(group + 1) * out_len; o++) {
                    const int8_t *w = p.w + o * taps;
                    int64_t acc = elem == 1 ? ref_dot_u8(scratch, w, taps) : ref_dot_s16(scratch, w, taps, e->acc64);
                    acc += ref_fixes(g, o, scratch, elem);
                    ref_store(g, e, &p, io, (size_t)u * g->out_w + ow, o, p.bias[o] + acc);
                }
            }
}

static void conv_u8_run(const it_conv_geom *g, const it_epi *e, const void *packed, const it_conv_io *io, uint32_t unit_begin,
                        uint32_t unit_end, void *scratch)
{
    conv_run(g, e, packed, io, unit_begin, unit_end, scratch, 1);
}

static void conv_s16_run(const it_conv_geom *g, const it_epi *e, const void *packed, const it_conv_io *io, uint32_t unit_begin,
                         uint32_t unit_end, void *scratch)
{
    conv_run(g, e, packed, io, unit_begin, unit_end, scratch, 2);
}

const it_kern_conv it_kern_conv_u8_ref = { "conv_u8_ref", conv_can, conv_packed_bytes, conv_pack, conv_units,
                                           conv_scratch_bytes, conv_u8_run };
const it_kern_conv it_kern_conv_s16_ref = { "conv_s16_ref", conv_can, conv_packed_bytes, conv_pack, conv_units,
                                            conv_scratch_bytes, conv_s16_run };
