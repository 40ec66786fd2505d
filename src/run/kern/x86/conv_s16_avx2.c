/* SPDX-License-Identifier: Apache-2.0 */
/* conv_s16_avx2: convolution and dense of 16-bit inputs with vpmaddwd, in one plane (tile16.h); weights are widened in registers. */
#include "run/kern/x86/tile16_avx2.h"

#define V __m256i
#define VL 8
#define PLANES 1
#define V_ZERO _mm256_setzero_si256()
#define V_STORE(p, v) _mm256_store_si256((__m256i *)(p), v)
#define V_BCAST(p) _mm256_set1_epi32(load_four(p))
#define V_WEIGHT(p) _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(p)))
#define V_WEIGHT_BYTES 16
#define V_DOT(acc, x, w) _mm256_add_epi32(acc, _mm256_madd_epi16(x, w))

#include "run/kern/x86/mac16.h"

TILE16(1, 1) TILE16(2, 1) TILE16(3, 1) TILE16(4, 1) TILE16(5, 1) TILE16(6, 1) TILE16(7, 1) TILE16(8, 1)
TILE16(1, 2) TILE16(2, 2) TILE16(3, 2) TILE16(4, 2) TILE16(5, 2) TILE16(6, 2)
TILE16(1, 3) TILE16(2, 3) TILE16(3, 3) TILE16_HALVES(4, 3, 2)
TILE16(1, 4) TILE16(2, 4) TILE16_HALVES(3, 4, 2)

static tile16_fn *const tiles[TILE16_VEC_MAX + 1][TILE16_PX_MAX + 1] = TILE16_TABLE_8643(tile16);

/* Sums of at most TILE16_BLOCK products become their low 16 bits and the rest, which are added up apart. */
typedef struct block_sum {
    tile16_fn *fn;
    const uint8_t *w;
    uint32_t px, vecs;
    int32_t *acc;
} block_sum;

static void block_add(block_sum *b, const uint8_t *const *from, size_t at, const tile16_walk *k)
{
    _Alignas(32) int32_t part[TILE16_ACC_MAX * VL];
    const uint8_t *px[TILE16_PX_MAX];
    const __m256i low = _mm256_set1_epi32(0xffff);
    for (uint32_t i = 0; i < b->px; i++)
        px[i] = from[i] + at;
    b->fn(px, b->w, k, part);
    b->w += (size_t)k->kh * k->runs_w * k->steps * b->vecs * V_WEIGHT_BYTES;
    int32_t *acc = b->acc;
    for (uint32_t i = 0; i < b->px * b->vecs; i++, acc += 2 * VL) {
        __m256i v = tile16_load(part + i * VL);
        V_STORE(acc, _mm256_add_epi32(tile16_load(acc), _mm256_and_si256(v, low)));
        V_STORE(acc + VL, _mm256_add_epi32(tile16_load(acc + VL), _mm256_srai_epi32(v, 16)));
    }
}

/* As large blocks as can be: kernel rows, or a row, or a run, or a part of it. */
static inline __attribute__((always_inline)) void blocks(uint32_t mr, uint32_t nv, const uint8_t *const *px, const uint8_t *w,
                                                         const tile16_walk *k, int32_t *acc)
{
    enum { STEPS = TILE16_BLOCK / 2 };
    const uint64_t row = (uint64_t)k->runs_w * k->steps;
    const uint32_t runs = row <= STEPS ? k->runs_w : 1, rows = row <= STEPS ? (uint32_t)(STEPS / row) : 1;
    block_sum b = { .fn = tiles[nv][mr], .w = w, .px = mr, .vecs = nv, .acc = acc };
    memset(acc, 0, sizeof(int32_t) * mr * nv * 2 * VL);
    for (uint32_t h = 0; h < k->kh; h += rows)
        for (uint32_t r = 0; r < k->runs_w; r += runs)
            for (uint32_t s = 0; s < k->steps; s += STEPS) {
                tile16_walk part = *k;
                part.kh = k->kh - h < rows ? k->kh - h : rows;
                part.runs_w = runs;
                part.steps = k->steps - s < STEPS ? k->steps - s : STEPS;
                block_add(&b, px, h * k->kh_bytes + r * k->run_bytes + (size_t)s * 4, &part);
            }
}

#define BLOCKS(mr, nv)                                                                                                                    \
    static void blocks_##mr##x##nv(const uint8_t *const *px, const uint8_t *w, const tile16_walk *k, int32_t *acc)                       \
    {                                                                                                                                     \
        blocks(mr, nv, px, w, k, acc);                                                                                                    \
    }
BLOCKS(1, 1) BLOCKS(2, 1) BLOCKS(3, 1) BLOCKS(4, 1) BLOCKS(5, 1) BLOCKS(6, 1) BLOCKS(7, 1) BLOCKS(8, 1)
BLOCKS(1, 2) BLOCKS(2, 2) BLOCKS(3, 2) BLOCKS(4, 2) BLOCKS(5, 2) BLOCKS(6, 2)
BLOCKS(1, 3) BLOCKS(2, 3) BLOCKS(3, 3) BLOCKS(4, 3)
BLOCKS(1, 4) BLOCKS(2, 4) BLOCKS(3, 4)

static tile16_fn *const block_tiles[TILE16_VEC_MAX + 1][TILE16_PX_MAX + 1] = TILE16_TABLE_8643(blocks);

static void codes32(const int32_t *acc, const tile16_out *o, uint32_t px, uint8_t *y) { tile16_codes32(1, 16, acc, o, px, y); }
static void codes64(const int32_t *acc, const tile16_out *o, uint32_t px, uint8_t *y) { tile16_codes64(16, acc, o, px, y); }

static const tile16_level level = { .lanes = VL, .granule = 2, .planes = 1, .split = 16, .px_max = TILE16_PX_8643, .tiles = tiles,
                                    .blocks = block_tiles, .codes32 = codes32, .codes64 = codes64, .add = it_kern_add_u8_avx2,
                                    .lut = it_kern_lut_u8_ref };
TILE16_KERNS(avx2, "avx2_6x16", level)
