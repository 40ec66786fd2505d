/* SPDX-License-Identifier: Apache-2.0 */
/* dwconv_neon: u8 depthwise convolution with smlal, inputs and weights widened to s16.
**
** A block is eight channels. As packed: epi_mode (16 bytes) | bias, then mult, shift or each threshold: 8 x s32 each | weights: taps x
** 8 x s16. A unit is a slab of blocks over a band of rows. Scratch is a ring of the input rows that one output row needs, s16, (columns,
** slab) with the padding in place; going down a band, only new rows enter. With add or lut an output row of the slab is made behind the
** ring first, and the summands lie there. Four output pixels are worked on together; the ring's rows are wide enough for the last four to
** lie beyond the picture. */
#include "run/kern/arm/arm.h"

enum {
    DW_BLOCK = 8,
    DW_PX = 4,
    DW_SLAB = 4,      /* blocks: 64 bytes of a column */
    DW_BAND_ROWS = 8, /* the copied halo stays small and the units many */
    DW_KH_MAX = 64,
};

typedef struct dw_head {
    int32_t mode, unused[3];
    int32_t bias[DW_BLOCK], consts[][DW_BLOCK]; /* epi_words() - 1 of them */
} dw_head;

typedef struct dw_plan {
    uint32_t blocks, slabs, band_rows, bands, span /* rows of the ring */;
    size_t columns, px_bytes, row_bytes, block_bytes;
    size_t w_at; /* bytes of a block before its weights */
} dw_plan;

static uint32_t dw_ceil(uint32_t a, uint32_t b) { return a / b + (a % b != 0); }

/* e may be NULL where packed weights are not looked at. */
static dw_plan dw_plan_of(const it_conv_geom *g, const it_epi *e)
{
    dw_plan p = { .blocks = dw_ceil(g->in_c, DW_BLOCK) };
    p.slabs = dw_ceil(p.blocks, DW_SLAB);
    p.bands = dw_ceil(g->out_h, DW_BAND_ROWS);
    p.band_rows = dw_ceil(g->out_h, p.bands);
    p.bands = dw_ceil(g->out_h, p.band_rows);
    p.span = (g->kh - 1) * g->dil_h + 1;
    p.columns = ((size_t)dw_ceil(g->out_w, DW_PX) * DW_PX - 1) * g->stride_w + (size_t)(g->kw - 1) * g->dil_w + 1;
    p.px_bytes = (p.slabs == 1 ? p.blocks : DW_SLAB) * (size_t)DW_BLOCK * 2;
    p.row_bytes = p.columns * p.px_bytes;
    p.w_at = offsetof(dw_head, consts) + (e ? epi_words(e) - 1 : 0) * DW_BLOCK * sizeof(int32_t);
    p.block_bytes = p.w_at + (size_t)g->kh * g->kw * DW_BLOCK * 2;
    return p;
}

static bool dw_can(const it_conv_geom *g, const it_epi *e)
{
    return g->in_c == g->out_c && !e->acc64 && g->kh <= DW_KH_MAX;
}

static size_t dw_packed_bytes(const it_conv_geom *g, const it_epi *e)
{
    dw_plan p = dw_plan_of(g, e);
    return p.blocks * p.block_bytes;
}

static uint32_t dw_units(const it_conv_geom *g, uint32_t batch)
{
    dw_plan p = dw_plan_of(g, NULL);
    return batch * p.bands * p.slabs;
}

static size_t dw_scratch_bytes(const it_conv_geom *g)
{
    dw_plan p = dw_plan_of(g, NULL);
    return p.span * p.row_bytes + g->out_w * p.px_bytes; /* px_bytes: two bytes a channel, an output's and a summand's */
}

static void dw_pack(const it_conv_geom *g, const it_epi *e, const int8_t *w, void *dst)
{
    dw_plan p = dw_plan_of(g, e);
    memset(dst, 0, p.blocks * p.block_bytes);
    for (uint32_t b = 0; b < p.blocks; b++) {
        dw_head *h = (dw_head *)((uint8_t *)dst + b * p.block_bytes);
        int16_t *to = (int16_t *)((uint8_t *)h + p.w_at);
        uint32_t first = b * DW_BLOCK, n = g->in_c - first < DW_BLOCK ? g->in_c - first : DW_BLOCK;
        epi_mode mode = e->levels_len ? EPI_LEVELS : EPI_HIGH;
        for (uint32_t c = first; c < first + n && mode == EPI_HIGH; c++)
            if (epi_mode_of(e->mult[c], e->shift[c]) == EPI_FULL)
                mode = EPI_FULL;
        h->mode = (int32_t)mode;
        for (uint32_t i = 0; i < n; i++) {
            h->bias[i] = e->bias[first + i];
            for (uint32_t k = 0; k + 1 < e->levels_len; k++)
                h->consts[k][i] = e->thresholds[(first + i) * (e->levels_len - 1) + k];
            if (mode != EPI_LEVELS) {
                h->consts[0][i] = e->mult[first + i];
                h->consts[1][i] = epi_shift(mode, e->mult[first + i], e->shift[first + i]);
            }
            for (size_t k = 0; k < (size_t)g->kh * g->kw; k++)
                to[k * DW_BLOCK + i] = w[k * g->in_c + first + i];
            for (uint32_t k = it_fix_first(g, first + i); k < g->fixes_len && g->fixes[k].out == first + i; k++)
                to[(size_t)g->fixes[k].tap * DW_BLOCK + i] += (int16_t)g->fixes[k].add;
        }
    }
}

/* One output row of one block. */
typedef struct dw_row {
    const uint8_t *rows[DW_KH_MAX]; /* the block's channels of the first column under each kernel row */
    const dw_head *head;
    const int16_t *w;
    uint32_t kh, kw, n /* channels that exist */, out_w;
    size_t tap_step, px_step; /* bytes from one column under the kernel (one output pixel) to the next */
    uint8_t *y;
    size_t y_step;
} dw_row;

static inline int16x8_t load16(const void *p) { return vld1q_s16(p); }

#define SUMS_EACH(M) M(0) M(1) M(2) M(3)
#define SUM_START(i) int32x4_t a##i = b0, z##i = b1;
#define SUM_ADD(i, x, w) a##i = vmlal_s16(a##i, vget_low_s16(x), vget_low_s16(w)), z##i = vmlal_high_s16(z##i, x, w);

/* Any kernel: each tap of each pixel is loaded. */
#define TAP(i)                                                                                                                            \
    {                                                                                                                                     \
        int16x8_t x = load16(at + (i) * r->px_step);                                                                                      \
        SUM_ADD(i, x, wk)                                                                                                                 \
    }

/* kw of 3 or 5, stride of 1 or 2: column c is loaded once for the pixels that it lies under. */
#define UNDER(i, c) ((c) >= (i) * stride && (c) - (i) * stride < kw)
#define COLUMN_TAP(i, c)                                                                                                                  \
    if (UNDER(i, c)) {                                                                                                                    \
        const int t = (c) - (i) * stride;                                                                                                 \
        int16x8_t wk = t == 0 ? w0 : t == 1 ? w1 : t == 2 ? w2 : t == 3 ? w3 : w4;                                                        \
        SUM_ADD(i, x, wk)                                                                                                                 \
    }
#define COLUMN(c)                                                                                                                         \
    if ((c) < (DW_PX - 1) * stride + kw) {                                                                                                \
        int16x8_t x = load16(at + (c) * r->tap_step);                                                                                     \
        COLUMN_TAP(0, c) COLUMN_TAP(1, c) COLUMN_TAP(2, c) COLUMN_TAP(3, c)                                                               \
    }

#define SUM_STORE(i)                                                                                                                      \
    if (ow + (i) < r->out_w && mode == EPI_LEVELS)                                                                                        \
        store_bytes(y + (i) * r->y_step, epi_levels(a##i, z##i, h->consts[0], h->consts[0] + 4, DW_BLOCK, steps, table), r->n);           \
    else if (ow + (i) < r->out_w)                                                                                                         \
        store_codes(y + (i) * r->y_step, epi_codes(&k, epi_scale(mode, a##i, m0, s0), epi_scale(mode, z##i, m1, s1)), r->n, wide);

/* kw, stride: constants after inlining; kw 0: any kernel. */
static inline __attribute__((always_inline)) void row_of(const dw_row *r, const it_epi *e, const epi_mode mode, const bool wide,
                                                         const int kw, const int stride)
{
    const dw_head *h = r->head;
    const int32_t *mult = h->consts[0], *shift = mode == EPI_LEVELS ? mult : h->consts[1];
    int32x4_t b0 = vld1q_s32(h->bias), b1 = vld1q_s32(h->bias + 4), m0 = vld1q_s32(mult), m1 = vld1q_s32(mult + 4);
    int32x4_t s0 = vld1q_s32(shift), s1 = vld1q_s32(shift + 4);
    const uint8x16_t table = mode == EPI_LEVELS ? epi_table(e) : vdupq_n_u8(0);
    const uint32_t steps = e->levels_len - 1;
    epi_pack k = epi_pack_of(e->zero, e->lo, e->hi);
    uint8_t *y = r->y;
    for (uint32_t ow = 0; ow < r->out_w; ow += DW_PX, y += DW_PX * r->y_step) {
        const int16_t *w = r->w;
        SUMS_EACH(SUM_START)
        for (uint32_t kh = 0; kh < r->kh; kh++) {
            const uint8_t *at = r->rows[kh] + ow * r->px_step;
            if (kw == 0) {
                for (uint32_t t = 0; t < r->kw; t++, at += r->tap_step, w += DW_BLOCK) {
                    int16x8_t wk = load16(w);
                    TAP(0) TAP(1) TAP(2) TAP(3)
                }
                continue;
            }
            int16x8_t w0 = load16(w), w1 = load16(w + 8), w2 = load16(w + 16), w3 = w2, w4 = w2;
            if (kw == 5) {
                w3 = load16(w + 24);
                w4 = load16(w + 32);
            }
            COLUMN(0) COLUMN(1) COLUMN(2) COLUMN(3) COLUMN(4) COLUMN(5) COLUMN(6) COLUMN(7) COLUMN(8) COLUMN(9) COLUMN(10)
            w += kw * DW_BLOCK;
        }
        SUMS_EACH(SUM_STORE)
    }
}

static void row_3x1(const dw_row *r, const it_epi *e) { row_of(r, e, EPI_HIGH, false, 3, 1); }
static void row_3x2(const dw_row *r, const it_epi *e) { row_of(r, e, EPI_HIGH, false, 3, 2); }
static void row_5x1(const dw_row *r, const it_epi *e) { row_of(r, e, EPI_HIGH, false, 5, 1); }
static void row_5x2(const dw_row *r, const it_epi *e) { row_of(r, e, EPI_HIGH, false, 5, 2); }
static void row_any(const dw_row *r, const it_epi *e) { row_of(r, e, EPI_HIGH, false, 0, 0); }
static void row_rare(const dw_row *r, const it_epi *e)
{
    row_of(r, e, r->head->mode == EPI_HIGH ? EPI_HIGH : EPI_FULL, e->out == INTACT_S16, 0, 0);
}
static void levels_3x1(const dw_row *r, const it_epi *e) { row_of(r, e, EPI_LEVELS, false, 3, 1); }
static void levels_3x2(const dw_row *r, const it_epi *e) { row_of(r, e, EPI_LEVELS, false, 3, 2); }
static void levels_any(const dw_row *r, const it_epi *e) { row_of(r, e, EPI_LEVELS, false, 0, 0); }

typedef void dw_row_fn(const dw_row *r, const it_epi *e);

static dw_row_fn *row_fn(const it_conv_geom *g, const it_epi *e, epi_mode mode)
{
    bool near = g->dil_w == 1 && g->stride_w <= 2;
    if (mode == EPI_LEVELS)
        return !near || g->kw != 3 ? levels_any : g->stride_w == 1 ? levels_3x1 : levels_3x2;
    if (mode != EPI_HIGH || e->out == INTACT_S16)
        return row_rare;
    if (near && g->kw == 3)
        return g->stride_w == 1 ? row_3x1 : row_3x2;
    if (near && g->kw == 5)
        return g->stride_w == 1 ? row_5x1 : row_5x2;
    return row_any;
}

static void widen(int16_t *dst, const uint8_t *src, size_t n)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        vst1q_s16(dst + i, vreinterpretq_s16_u16(vmovl_u8(vld1_u8(src + i))));
    for (; i < n; i++)
        dst[i] = src[i];
}

static void fill(int16_t *dst, int32_t zero, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = (int16_t)zero;
}

/* Input row ih of a sample, channels [c, c + n), padding in place. What lies right of the last kernel is padding too. */
static void enter_row(const dw_plan *p, const it_conv_geom *g, const uint8_t *x, int64_t ih, size_t c, size_t n, int16_t *dst)
{
    const row_cut k = row_cut_of(g, p->columns, ih);
    const size_t pitch = it_conv_in_pitch(g), px = p->px_bytes / 2;
    fill(dst, g->in_zero, k.left * px);
    dst += k.left * px;
    if (k.mid > 0) {
        const uint8_t *src = x + (size_t)ih * g->in_w * pitch + c;
        if (n == px && n == pitch)
            widen(dst, src, k.mid * px);
        else
            for (size_t i = 0; i < k.mid; i++) /* missing channels stay what they are: no lane of theirs is stored */
                widen(dst + i * px, src + i * pitch, n);
    }
    fill(dst + k.mid * px, g->in_zero, k.right * px);
}

static void dw_unit(const dw_plan *p, const it_conv_geom *g, const it_epi *e, const uint8_t *packed, const it_conv_io *io, uint32_t unit,
                    uint8_t *ring)
{
    uint32_t slab = unit % p->slabs, band = unit / p->slabs % p->bands, sample = unit / p->slabs / p->bands, first = slab * DW_SLAB;
    uint32_t last = first + DW_SLAB < p->blocks ? first + DW_SLAB : p->blocks, oh = band * p->band_rows;
    uint32_t oh_end = oh + p->band_rows < g->out_h ? oh + p->band_rows : g->out_h;
    size_t c = (size_t)first * DW_BLOCK, n = (last < p->blocks ? (size_t)last * DW_BLOCK : g->in_c) - c;
    size_t y_bytes = e->out == INTACT_S16 ? 2 : 1, y_pitch = it_conv_out_pitch(g) * y_bytes, other_pitch = it_conv_other_pitch(g);
    const bool direct = !e->add && !e->lut;
    uint8_t *q = ring + p->span * p->row_bytes;
    dw_row r = { .kh = g->kh, .kw = g->kw, .out_w = g->out_w, .tap_step = g->dil_w * p->px_bytes, .px_step = g->stride_w * p->px_bytes,
                 .y_step = direct ? y_pitch : n };
    const uint8_t *x = (const uint8_t *)io->x + (size_t)sample * g->in_h * g->in_w * it_conv_in_pitch(g);
    uint64_t next = 0; /* the first row, counted from -pad_t, that did not enter yet */
    for (; oh < oh_end; oh++) {
        uint64_t top = (uint64_t)oh * g->stride_h;
        size_t px = ((size_t)sample * g->out_h + oh) * g->out_w;
        uint8_t *y = (uint8_t *)io->y + px * y_pitch + c * y_bytes;
        for (next = next < top ? top : next; next < top + p->span; next++)
            enter_row(p, g, x, (int64_t)next - g->pad_t, c, n, (int16_t *)(ring + next % p->span * p->row_bytes));
        for (uint32_t b = first; b < last; b++) {
            size_t at = (size_t)b * DW_BLOCK;
            for (uint32_t kh = 0; kh < g->kh; kh++)
                r.rows[kh] = ring + (top + kh * g->dil_h) % p->span * p->row_bytes + (at - c) * 2;
            r.head = (const dw_head *)(packed + b * p->block_bytes);
            r.w = (const int16_t *)(packed + b * p->block_bytes + p->w_at);
            r.n = g->in_c - at < DW_BLOCK ? (uint32_t)(g->in_c - at) : DW_BLOCK;
            r.y = (direct ? y : q) + (at - c) * y_bytes;
            row_fn(g, e, (epi_mode)r.head->mode)(&r, e);
        }
        if (!direct)
            epi_finish(e, q, q + n * g->out_w, g->out_w, n, e->add ? (const uint8_t *)io->other + px * other_pitch + c : NULL, other_pitch,
                       y, y_pitch);
    }
}

static void dw_run(const it_conv_geom *g, const it_epi *e, const void *packed, const it_conv_io *io, uint32_t unit_begin,
                   uint32_t unit_end, void *scratch)
{
    dw_plan p = dw_plan_of(g, e);
    for (uint32_t u = unit_begin; u < unit_end; u++)
        dw_unit(&p, g, e, packed, io, u, scratch);
}

const it_kern_conv it_kern_dwconv_u8_neon = CONV_VERSION("dwconv_u8_neon_4x8", dw_can, dw);
