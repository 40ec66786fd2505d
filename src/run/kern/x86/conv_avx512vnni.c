/* SPDX-License-Identifier: Apache-2.0 */
/* conv_avx512vnni: u8 convolution and dense with vpdpbusd on 512-bit vectors, tiles of up to 24 accumulators. */
#include <immintrin.h>

#include "run/kern/x86/epi_avx512.h"
#include "run/kern/x86/tile.h"

#define V __m512i
#define VL 16
#define V_LOAD(p) _mm512_loadu_si512(p)
#define V_STORE(p, v) _mm512_storeu_si512(p, v)
#define V_BCAST(p) _mm512_set1_epi32(bcast_load(p))
#define V_DOT(acc, x, w) _mm512_dpbusd_epi32(acc, x, w)

static inline int32_t bcast_load(const uint8_t *p)
{
    int32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

#include "run/kern/x86/tile_mac.h"

TILE(1, 1) TILE(2, 1) TILE(3, 1) TILE(4, 1) TILE(5, 1) TILE(6, 1) TILE(7, 1) TILE(8, 1) TILE(9, 1) TILE(10, 1) TILE(11, 1) TILE(12, 1)
TILE(1, 2) TILE(2, 2) TILE(3, 2) TILE(4, 2) TILE(5, 2) TILE(6, 2) TILE(7, 2) TILE(8, 2) TILE(9, 2) TILE(10, 2)
TILE(1, 3) TILE(2, 3) TILE(3, 3) TILE(4, 3) TILE(5, 3) TILE(6, 3) TILE(7, 3) TILE(8, 3)
TILE(1, 4) TILE(2, 4) TILE(3, 4) TILE(4, 4) TILE(5, 4) TILE(6, 4)

static tile_fn *const tiles[5][TILE_PX_MAX + 1] = {
    { NULL },
    { NULL, tile_1x1, tile_2x1, tile_3x1, tile_4x1, tile_5x1, tile_6x1, tile_7x1, tile_8x1, tile_9x1, tile_10x1, tile_11x1, tile_12x1 },
    { NULL, tile_1x2, tile_2x2, tile_3x2, tile_4x2, tile_5x2, tile_6x2, tile_7x2, tile_8x2, tile_9x2, tile_10x2 },
    { NULL, tile_1x3, tile_2x3, tile_3x3, tile_4x3, tile_5x3, tile_6x3, tile_7x3, tile_8x3 },
    { NULL, tile_1x4, tile_2x4, tile_3x4, tile_4x4, tile_5x4, tile_6x4 },
};

/* The last `channels` of a panel may be fewer than its lanes: masked stores. */
static inline __attribute__((always_inline)) void epi_pixels(const int nv, const epi_mode mode, const bool wide, const int32_t *acc,
                                                             const int32_t *consts, const it_epi *e, uint32_t px, uint8_t *y,
                                                             size_t y_pixel_bytes, uint32_t channels)
{
    epi512 c[4] = { 0 };
    for (int i = 0; i < nv; i++)
        c[i] = epi512_open(consts + i * VL, consts + (nv + i) * VL);
    epi512_pack k = epi512_pack_open(e);
    __mmask64 keep = epi512_first(channels);
    uint32_t i = 0;
    if (nv < 3 && !wide)
        for (uint32_t joined = 4 / nv; i + joined <= px; i += joined, acc += 4 * VL, y += joined * y_pixel_bytes) {
            __m512i q[4];
            for (int j = 0; j < 4; j++)
                q[j] = epi512_scale(mode, V_LOAD(acc + j * VL), &c[j % nv]);
            epi512_store_u8_joined(nv, &k, q, y, y_pixel_bytes, channels);
        }
    for (; i < px; i++, acc += nv * VL, y += y_pixel_bytes) {
        __m512i q[4];
        for (int j = 0; j < nv; j++)
            q[j] = epi512_scale(mode, V_LOAD(acc + j * VL), &c[j]);
        if (wide)
            epi512_store_s16(nv, &k, q, y, keep);
        else
            epi512_store_u8(nv, &k, q, y, keep);
    }
}

#define EPI(nv, mode, wide) epi_pixels(nv, mode, wide, acc, consts, e, px, y, y_pixel_bytes, channels)
#define EPI_BY_NV(mode, wide)                                                                                                             \
    switch (vecs) {                                                                                                                       \
    case 1: EPI(1, mode, wide); break;                                                                                                    \
    case 2: EPI(2, mode, wide); break;                                                                                                    \
    case 3: EPI(3, mode, wide); break;                                                                                                    \
    default: EPI(4, mode, wide); break;                                                                                                   \
    }

static void epi(const int32_t *acc, const int32_t *consts, const it_epi *e, uint32_t vecs, uint32_t px, epi_mode mode, uint8_t *y,
                size_t y_pixel_bytes, uint32_t channels)
{
    bool wide = e->out == INTACT_S16;
    if (mode == EPI_HIGH && !wide)
        EPI_BY_NV(EPI_HIGH, false)
    else if (mode == EPI_LIFTED && !wide)
        EPI_BY_NV(EPI_LIFTED, false)
    else if (mode == EPI_HIGH)
        EPI_BY_NV(EPI_HIGH, true)
    else
        EPI_BY_NV(mode, wide)
}

static const tile_level level = { .lanes = VL, .granule = 4, .in_bytes = 1, .x_bytes = 1, .vec_max = 4, .px_max = { 0, 12, 10, 8, 6 },
                                  .tiles = tiles, .epi = epi };

static bool conv_u8_can(const it_conv_geom *g, const it_epi *e) { return g->group > 0 && !e->acc64; }
static bool dense_u8_can(const it_conv_geom *g, const it_epi *e) { return g->kh == 1 && g->kw == 1 && !e->acc64; }
TILE_KERN(conv_u8, level)

const it_kern_conv it_kern_conv_u8_avx512vnni = { "conv_u8_avx512vnni_6x64", conv_u8_can, conv_u8_packed_bytes, conv_u8_pack,
                                                  conv_u8_units, conv_u8_scratch_bytes, conv_u8_run };
const it_kern_conv it_kern_dense_u8_avx512vnni = { "dense_u8_avx512vnni_6x64", dense_u8_can, conv_u8_packed_bytes, conv_u8_pack,
                                                   conv_u8_units, conv_u8_scratch_bytes, conv_u8_run };
