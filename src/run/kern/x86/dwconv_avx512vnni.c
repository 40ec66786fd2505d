/* SPDX-License-Identifier: Apache-2.0 */
/* dwconv_avx512vnni: u8 depthwise convolution. Four taps' bytes are interleaved (8 unpacks), so that vpdpbusd sums them per channel;
** interleaving leaves channels in the lane order that packing undoes. */
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
    int32_t general, unused[15];
    __m512i bias[4];
    epi512 scale[4];
} dw_head;

static void pack_head(void *dst, const int32_t *bias, const int32_t *mult, const int32_t *shift, bool general)
{
    dw_head h = { .general = general };
    for (int v = 0; v < 4; v++) {
        h.bias[v] = _mm512_loadu_si512(bias + v * 16);
        h.scale[v] = epi512_open(mult + v * 16, shift + v * 16);
    }
    memcpy(dst, &h, sizeof h);
}

typedef struct quad { __m512i v[4]; } quad; /* a block's channels in 32-bit lanes, panel order */

static inline __attribute__((always_inline)) quad interleave(const uint8_t *pa, const uint8_t *pb, const uint8_t *pc, const uint8_t *pd)
{
    __m512i a = _mm512_loadu_si512(pa), b = _mm512_loadu_si512(pb), c = _mm512_loadu_si512(pc), d = _mm512_loadu_si512(pd);
    __m512i ab0 = _mm512_unpacklo_epi8(a, b), ab1 = _mm512_unpackhi_epi8(a, b);
    __m512i cd0 = _mm512_unpacklo_epi8(c, d), cd1 = _mm512_unpackhi_epi8(c, d);
    return (quad){ { _mm512_unpacklo_epi16(ab0, cd0), _mm512_unpackhi_epi16(ab0, cd0), _mm512_unpacklo_epi16(ab1, cd1),
                     _mm512_unpackhi_epi16(ab1, cd1) } };
}

static inline __attribute__((always_inline)) void quad_dot(quad *acc, const quad *x, const uint8_t *w)
{
    for (int v = 0; v < 4; v++)
        acc->v[v] = _mm512_dpbusd_epi32(acc->v[v], x->v[v], _mm512_loadu_si512(w + v * 64));
}

static inline __attribute__((always_inline)) void quad_store(const quad *acc, const dw_head *h, const epi512_pack *k, bool general,
                                                             bool wide, uint8_t *y, __mmask64 keep)
{
    __m512i q[4];
    for (int v = 0; v < 4; v++)
        q[v] = general ? epi512_general(acc->v[v], &h->scale[v]) : epi512_fast(acc->v[v], &h->scale[v]);
    if (wide)
        epi512_store_s16(4, k, q, y, keep);
    else
        epi512_store_u8(4, k, q, y, keep);
}

static inline __attribute__((always_inline)) void row_pairs(const dw_row *r, uint32_t kh, const it_epi *e, bool general, bool wide)
{
    const dw_head *head = (const dw_head *)r->block;
    const uint8_t *x = r->x, *w = r->block + sizeof *head;
    epi512_pack k = epi512_pack_open(e);
    uint8_t *y = r->y;
    size_t s = r->x_step;
    __mmask64 keep = epi512_first(r->n);
    for (uint32_t i = 0; i < r->steps; i += 2, x += 2 * s, y += 2 * r->y_step) {
        quad one = { { head->bias[0], head->bias[1], head->bias[2], head->bias[3] } }, two = one;
        for (uint32_t h = 0; h < kh; h++) {
            const uint8_t *row = x + r->offset[h];
            quad in = interleave(row, row + s, row + 2 * s, row + 3 * s);
            quad_dot(&one, &in, w + 2 * h * 256);
            quad_dot(&two, &in, w + (2 * h + 1) * 256);
        }
        quad_store(&one, head, &k, general, wide, y, keep);
        quad_store(&two, head, &k, general, wide, y + r->y_step, i + 1 < r->steps ? keep : 0);
    }
}

static inline __attribute__((always_inline)) void row_groups(const dw_row *r, uint32_t groups, const it_epi *e, bool general, bool wide)
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
            quad_dot(&acc, &in, w + t * 256);
        }
        quad_store(&acc, head, &k, general, wide, y, i + 1 < r->steps ? keep : last);
    }
}

static void row(const dw_row *r, const it_epi *e)
{
    bool general = ((const dw_head *)r->block)->general, wide = e->out == INTACT_S16;
    if (general || wide) {
        if (r->pair)
            row_pairs(r, r->kh, e, general, wide);
        else
            row_groups(r, r->groups, e, general, wide);
    } else if (r->pair && r->kh == 3)
        row_pairs(r, 3, e, false, false);
    else if (r->pair)
        row_pairs(r, r->kh, e, false, false);
    else if (r->groups == 3)
        row_groups(r, 3, e, false, false);
    else
        row_groups(r, r->groups, e, false, false);
}

static const dw_level level = { .lanes = 16, .vecs = 4, .granule = 4, .in_bytes = 1, .x_bytes = 1, .slab = 2, .folds = true, .pairs = true,
                                .head_bytes = sizeof(dw_head), .pack_head = pack_head, .row = row };
DW_KERN(dwconv_u8, level)

const it_kern_conv it_kern_dwconv_u8_avx512vnni = { "dwconv_u8_avx512vnni_2x64", dw_can, dwconv_u8_packed_bytes, dwconv_u8_pack,
                                                    dwconv_u8_units, dwconv_u8_scratch_bytes, dwconv_u8_run };
