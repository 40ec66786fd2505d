/* SPDX-License-Identifier: Apache-2.0 */
/* dwconv_avx512vnni: u8 depthwise convolution. Four taps' bytes are interleaved (8 unpacks), so that vpdpbusd sums them per channel;
** interleaving leaves channels in the lane order that packing undoes. 3-wide rows are interleaved once, in scratch (quads, dw.h). */
#include <string.h>

#include "run/kern/x86/epi_avx512.h"
#include "run/kern/x86/x86.h"

static inline void copy_px(uint8_t *dst, const uint8_t *src, size_t n)
{
    for (; n >= 64; n -= 64, dst += 64, src += 64)
        _mm512_storeu_si512(dst, _mm512_loadu_si512(src));
    if (n > 0)
        _mm512_mask_storeu_epi8(dst, epi512_first((uint32_t)n), _mm512_maskz_loadu_epi8(epi512_first((uint32_t)n), src));
}
#define DW_COPY_PX(dst, src, n, level) copy_px(dst, src, n)
#include "run/kern/x86/dw.h"

/* A block's head. */
typedef struct dw_head {
    int32_t mode, unused[15];
    __m512i bias[4];
    epi512 scale[4];
} dw_head;

static void pack_head(void *dst, const int32_t *bias, const int32_t *mult, const int32_t *shift, epi_mode mode)
{
    dw_head h = { .mode = (int32_t)mode };
    for (int v = 0; v < 4; v++) {
        h.bias[v] = _mm512_loadu_si512(bias + v * 16);
        h.scale[v] = epi512_open(mult + v * 16, shift + v * 16);
    }
    memcpy(dst, &h, sizeof h);
}

typedef struct quad { __m512i v[4]; } quad; /* a block's channels in 32-bit lanes, panel order */
typedef struct bytes2 { __m512i lo, hi; } bytes2;

static inline __attribute__((always_inline)) bytes2 bytes_of(__m512i a, __m512i b)
{
    return (bytes2){ _mm512_unpacklo_epi8(a, b), _mm512_unpackhi_epi8(a, b) };
}

static inline __attribute__((always_inline)) quad join(const bytes2 *ab, const bytes2 *cd)
{
    return (quad){ { _mm512_unpacklo_epi16(ab->lo, cd->lo), _mm512_unpackhi_epi16(ab->lo, cd->lo), _mm512_unpacklo_epi16(ab->hi, cd->hi),
                     _mm512_unpackhi_epi16(ab->hi, cd->hi) } };
}

static inline __attribute__((always_inline)) quad interleave(const uint8_t *a, const uint8_t *b, const uint8_t *c, const uint8_t *d)
{
    bytes2 ab = bytes_of(_mm512_loadu_si512(a), _mm512_loadu_si512(b)), cd = bytes_of(_mm512_loadu_si512(c), _mm512_loadu_si512(d));
    return join(&ab, &cd);
}

static inline __attribute__((always_inline)) void quad_dot(quad *acc, const quad *x, const uint8_t *w)
{
    for (int v = 0; v < 4; v++)
        acc->v[v] = _mm512_dpbusd_epi32(acc->v[v], x->v[v], _mm512_loadu_si512(w + v * 64));
}

static inline __attribute__((always_inline)) void quad_store(const quad *acc, const dw_head *h, const epi512_pack *k, epi_mode mode,
                                                             bool wide, uint8_t *y, __mmask64 keep)
{
    __m512i q[4];
    for (int v = 0; v < 4; v++)
        q[v] = epi512_scale(mode, acc->v[v], &h->scale[v]);
    if (wide)
        epi512_store_s16(4, k, q, y, keep);
    else
        epi512_store_u8(4, k, q, y, keep);
}

/* Column `at` of a row (a fold: and those behind it), zero where it is padding. */
static inline __attribute__((always_inline)) __m512i column(const dw_fill *f, int64_t at, __m512i zero)
{
    __mmask64 keep = at >= 0 && at < f->in_w ? epi512_first(f->n) : 0;
    if (f->fold == 2 && at + 1 >= 0 && at + 1 < f->in_w)
        keep |= epi512_first(f->n) << 32;
    return _mm512_mask_loadu_epi8(zero, keep, f->src + at * (int64_t)f->px_bytes);
}

static void fill(const dw_fill *f)
{
    const __m512i zero = _mm512_set1_epi8((char)f->zero);
    const __mmask64 all = epi512_first(f->n * f->fold);
    bytes2 last = bytes_of(zero, zero);
    if (f->src)
        last = bytes_of(column(f, f->at, zero), column(f, f->at + 1, zero));
    for (uint32_t j = 0; j < f->quads; j++) {
        int64_t at = f->at + 2 + 2 * (int64_t)j;
        bytes2 next = last;
        if (f->src && at >= 0 && at + f->fold < f->in_w) {
            const uint8_t *p = f->src + (size_t)at * f->px_bytes;
            next = bytes_of(_mm512_maskz_loadu_epi8(all, p), _mm512_maskz_loadu_epi8(all, p + f->px_bytes));
        } else if (f->src)
            next = bytes_of(column(f, at, zero), column(f, at + 1, zero));
        quad q = join(&last, &next);
        for (int v = 0; v < 4; v++)
            _mm512_storeu_si512(f->dst + j * DW_QUAD + v * 64, q.v[v]);
        last = next;
    }
}

static inline __attribute__((always_inline)) void row_quads(const dw_row *r, uint32_t kh, uint32_t per_quad, const it_epi *e, epi_mode mode,
                                                            bool wide)
{
    const dw_head *head = (const dw_head *)r->block;
    const uint8_t *x = r->x, *w = r->block + sizeof *head;
    epi512_pack k = epi512_pack_open(e);
    __mmask64 keep = epi512_first(r->n), last = epi512_first(r->n_last);
    uint8_t *y = r->y;
    for (uint32_t i = 0; i < r->steps; i += per_quad, x += DW_QUAD, y += per_quad * r->y_step) {
        quad one = { { head->bias[0], head->bias[1], head->bias[2], head->bias[3] } }, two = one;
        for (uint32_t h = 0; h < kh; h++) {
            const uint8_t *at = x + r->offset[h];
            quad in = { { _mm512_loadu_si512(at), _mm512_loadu_si512(at + 64), _mm512_loadu_si512(at + 128),
                          _mm512_loadu_si512(at + 192) } };
            quad_dot(&one, &in, w + per_quad * h * DW_QUAD);
            if (per_quad == 2)
                quad_dot(&two, &in, w + (2 * h + 1) * DW_QUAD);
        }
        quad_store(&one, head, &k, mode, wide, y, i + 1 < r->steps ? keep : last);
        if (per_quad == 2)
            quad_store(&two, head, &k, mode, wide, y + r->y_step, i + 1 < r->steps ? keep : 0);
    }
}

static inline __attribute__((always_inline)) void row_groups(const dw_row *r, uint32_t groups, const it_epi *e, epi_mode mode, bool wide)
{
    const dw_head *head = (const dw_head *)r->block;
    const uint8_t *x = r->x, *w = r->block + sizeof *head;
    epi512_pack k = epi512_pack_open(e);
    uint8_t *y = r->y;
    __mmask64 keep = epi512_first(r->n), last = epi512_first(r->n_last);
    for (uint32_t i = 0; i < r->steps; i++, x += r->x_step, y += r->y_step) {
        quad acc = { { head->bias[0], head->bias[1], head->bias[2], head->bias[3] } };
        for (uint32_t t = 0; t < groups; t++) {
            const size_t *at = r->offset + t * 4;
            quad in = interleave(x + at[0], x + at[1], x + at[2], x + at[3]);
            quad_dot(&acc, &in, w + t * DW_QUAD);
        }
        quad_store(&acc, head, &k, mode, wide, y, i + 1 < r->steps ? keep : last);
    }
}

static inline __attribute__((always_inline)) void row_by_size(const dw_row *r, const it_epi *e, epi_mode mode, bool wide)
{
    if (r->per_quad == 2 && r->kh == 3)
        row_quads(r, 3, 2, e, mode, wide);
    else if (r->per_quad == 1 && r->kh == 3)
        row_quads(r, 3, 1, e, mode, wide);
    else if (r->per_quad)
        row_quads(r, r->kh, r->per_quad, e, mode, wide);
    else
        row_groups(r, r->groups, e, mode, wide);
}

static void row(const dw_row *r, const it_epi *e)
{
    epi_mode mode = (epi_mode)((const dw_head *)r->block)->mode;
    bool wide = e->out == INTACT_S16;
    if (mode == EPI_HIGH && !wide)
        row_by_size(r, e, EPI_HIGH, false);
    else if (mode == EPI_LIFTED && !wide)
        row_by_size(r, e, EPI_LIFTED, false);
    else if (r->per_quad)
        row_quads(r, r->kh, r->per_quad, e, mode, wide);
    else
        row_groups(r, r->groups, e, mode, wide);
}

static const dw_level level = { .lanes = 16, .vecs = 4, .granule = 4, .in_bytes = 1, .x_bytes = 1, .slab = 2, .folds = true,
                                .head_bytes = sizeof(dw_head), .pack_head = pack_head, .fill = fill, .row = row };
DW_KERN(dwconv_u8, level)

const it_kern_conv it_kern_dwconv_u8_avx512vnni = { "dwconv_u8_avx512vnni_2x64", dw_can, dwconv_u8_packed_bytes, dwconv_u8_pack,
                                                    dwconv_u8_units, dwconv_u8_scratch_bytes, dwconv_u8_run };
