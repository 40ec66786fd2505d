/* SPDX-License-Identifier: Apache-2.0 */
/* dwconv_avx2: u8 and s16 depthwise convolution: two taps' s16 values are interleaved, so that vpmaddwd sums them per channel. */
#include "run/kern/x86/epi_avx2.h"

#define DW_COPY_PX(dst, src, n, level) copy_in(dst, src, n, (level)->in_bytes, (level)->x_bytes)
#include "run/kern/x86/dw.h"

/* A block's head. */
typedef struct dw_head {
    int32_t mode, unused[7];
    __m256i bias[2];
    epi256 scale[2];
} dw_head;

static void pack_head(void *dst, const int32_t *bias, const int32_t *mult, const int32_t *shift, epi_mode mode)
{
    dw_head h = { .mode = (int32_t)mode };
    for (int v = 0; v < 2; v++) {
        h.bias[v] = _mm256_loadu_si256((const __m256i *)(bias + v * 8));
        h.scale[v] = epi256_open(mult + v * 8, shift + v * 8);
    }
    memcpy(dst, &h, sizeof h);
}

static inline __m256i load(const uint8_t *p) { return _mm256_loadu_si256((const __m256i *)p); }

static inline __attribute__((always_inline)) void row_dot(const dw_row *r, const uint8_t *x, uint32_t groups, __m256i acc[2])
{
    const dw_head *head = (const dw_head *)r->block;
    const uint8_t *w = r->block + sizeof *head;
    acc[0] = head->bias[0];
    acc[1] = head->bias[1];
    for (uint32_t t = 0; t < groups; t++) {
        __m256i x0 = load(x + r->offset[2 * t]), x1 = load(x + r->offset[2 * t + 1]);
        acc[0] = _mm256_add_epi32(acc[0], _mm256_madd_epi16(_mm256_unpacklo_epi16(x0, x1), load(w + t * 64)));
        acc[1] = _mm256_add_epi32(acc[1], _mm256_madd_epi16(_mm256_unpackhi_epi16(x0, x1), load(w + t * 64 + 32)));
    }
}

static inline __attribute__((always_inline)) void row_groups(const dw_row *r, uint32_t groups, const it_epi *e, epi_mode mode, bool wide)
{
    const dw_head *head = (const dw_head *)r->block;
    const uint8_t *x = r->x;
    epi256_pack k = epi256_pack_open(e);
    uint8_t *y = r->y;
    for (uint32_t i = 0; i < r->steps; i++, x += r->x_step, y += r->y_step) {
        __m256i acc[2];
        row_dot(r, x, groups, acc);
        const __m256i a = epi256_scale(mode, acc[0], &head->scale[0]), b = epi256_scale(mode, acc[1], &head->scale[1]);
        epi256_store_x16(&k, a, b, wide, y, r->n);
    }
}

static inline __attribute__((always_inline)) void row_by_size(const dw_row *r, const it_epi *e, epi_mode mode)
{
    if (r->groups == 5) /* 3x3 */
        row_groups(r, 5, e, mode, false);
    else
        row_groups(r, r->groups, e, mode, false);
}

static void row_levels(const dw_row *r, const it_epi *e)
{
    const uint8_t *x = r->x;
    uint8_t *y = r->y;
    for (uint32_t i = 0; i < r->steps; i++, x += r->x_step, y += r->y_step) {
        __m256i acc[2];
        row_dot(r, x, r->groups, acc);
        epi256_levels(2, (const int32_t *)acc, r->thresholds, e, 1, y, r->y_step, r->n);
    }
}

static void row(const dw_row *r, const it_epi *e)
{
    epi_mode mode = (epi_mode)((const dw_head *)r->block)->mode;
    bool wide = e->out == INTACT_S16;
    if (mode == EPI_LEVELS)
        row_levels(r, e);
    else if (mode == EPI_HIGH && !wide)
        row_by_size(r, e, EPI_HIGH);
    else if (mode == EPI_LIFTED && !wide)
        row_by_size(r, e, EPI_LIFTED);
    else
        row_groups(r, r->groups, e, mode, wide);
}

static const dw_level level_u8 = { .lanes = 8, .vecs = 2, .granule = 2, .in_bytes = 1, .x_bytes = 2, .slab = 4,
                                   .head_bytes = sizeof(dw_head), .pack_head = pack_head, .row = row,
                                   .add = it_kern_add_u8_avx2, .lut = it_kern_lut_u8_ref };
static const dw_level level_s16 = { .lanes = 8, .vecs = 2, .granule = 2, .in_bytes = 2, .x_bytes = 2, .slab = 4,
                                    .head_bytes = sizeof(dw_head), .pack_head = pack_head, .row = row,
                                    .add = it_kern_add_u8_avx2, .lut = it_kern_lut_u8_ref };
CONV_FUNCTIONS(u8, dw, level_u8)
CONV_FUNCTIONS(s16, dw, level_s16)

const it_kern_conv it_kern_dwconv_u8_avx2 = CONV_VERSION("dwconv_u8_avx2_1x16", dw_can, u8);
const it_kern_conv it_kern_dwconv_s16_avx2 = CONV_VERSION("dwconv_s16_avx2_1x16", dw_can, s16);
