/* SPDX-License-Identifier: Apache-2.0 */
/* conv_s16_avx512vnni: convolution and dense of 16-bit inputs in two planes of bytes (tile16.h), each with vpdpbusd. */
#include "run/kern/x86/dot512.h"
#include "run/kern/x86/epi_avx512.h"
#include "run/kern/x86/tile16.h"

#define V __m512i
#define VL 16
#define PLANES 2
#define V_ZERO _mm512_setzero_si512()
#define V_STORE(p, v) _mm512_store_si512(p, v)
#define V_BCAST(p) _mm512_set1_epi32(load_four(p))
#define V_WEIGHT(p) _mm512_loadu_si512(p)
#define V_WEIGHT_BYTES 64
#define V_DOT(acc, x, w) dot512(acc, x, w)

#include "run/kern/x86/mac16.h"

TILE16(1, 1) TILE16(2, 1) TILE16(3, 1) TILE16(4, 1) TILE16(5, 1) TILE16(6, 1) TILE16(7, 1) TILE16(8, 1)
TILE16(1, 2) TILE16(2, 2) TILE16(3, 2) TILE16(4, 2) TILE16(5, 2) TILE16(6, 2)
TILE16(1, 3) TILE16(2, 3) TILE16(3, 3) TILE16(4, 3)
TILE16(1, 4) TILE16(2, 4) TILE16(3, 4)

static tile16_fn *const tiles[TILE16_VEC_MAX + 1][TILE16_PX_MAX + 1] = TILE16_TABLE_8643(tile16);

static void copy(uint8_t *dst, size_t plane, const int16_t *x, size_t n)
{
    const __m256i sign = _mm256_set1_epi8((char)0x80);
    for (size_t i = 0; i < n; i += 32) {
        __mmask32 keep = (__mmask32)epi512_first(n - i < 32 ? (uint32_t)(n - i) : 32);
        __m512i v = _mm512_maskz_loadu_epi16(keep, x + i);
        _mm256_mask_storeu_epi8(dst + i, keep, _mm512_cvtepi16_epi8(v));
        _mm256_mask_storeu_epi8(dst + plane + i, keep, _mm256_xor_si256(_mm512_cvtepi16_epi8(_mm512_srli_epi16(v, 8)), sign));
    }
}

/* 16 channels; q less the zero point, within 31 bits. */
static inline __attribute__((always_inline)) void store(const it_epi *e, bool wide, __m512i q, uint8_t *y, __mmask16 keep)
{
    q = _mm512_add_epi32(q, _mm512_set1_epi32(e->zero));
    q = _mm512_min_epi32(_mm512_max_epi32(q, _mm512_set1_epi32(e->lo)), _mm512_set1_epi32(e->hi));
    if (wide)
        _mm256_mask_storeu_epi16(y, keep, _mm512_cvtepi32_epi16(q));
    else
        _mm_mask_storeu_epi8(y, keep, _mm512_cvtepi32_epi8(q));
}

static __mmask32 kept(const tile16_out *o, uint32_t vec) { return (__mmask32)epi512_first(o->channels - vec * 16); }

/* What a vector of channels needs. */
typedef struct vec_consts {
    __m512i bias;
    epi512 scale;
} vec_consts;

static inline vec_consts vec_open(const tile16_out *o, uint32_t j)
{
    const int32_t *k = o->consts + j * 16;
    return (vec_consts){ _mm512_loadu_si512(k), epi512_open(k + o->vecs * 16, k + o->vecs * 32) };
}

static inline __attribute__((always_inline)) __m512i scaled(epi_mode mode, const int32_t *acc, const vec_consts *c)
{
    __m512i l = _mm512_add_epi32(_mm512_load_si512(acc), c->bias);
    return epi512_scale(mode, _mm512_add_epi32(l, _mm512_slli_epi32(_mm512_load_si512(acc + 16), 8)), &c->scale);
}

/* 32 channels of two vectors. */
static inline __attribute__((always_inline)) void store_two(const epi512_pack *k, bool wide, __m512i a, __m512i b, uint8_t *y,
                                                            __mmask32 keep)
{
    __m512i v = epi512_clamp16(k, epi512_pair(k, a, b));
    v = _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7), v);
    if (wide)
        _mm512_mask_storeu_epi16(y, keep, v);
    else
        _mm256_mask_storeu_epi8(y, keep, _mm512_cvtepi16_epi8(v));
}

static inline __attribute__((always_inline)) void codes32_as(epi_mode mode, bool wide, const int32_t *acc, const tile16_out *o, uint32_t px,
                                                             uint8_t *y)
{
    const epi512_pack pack = epi512_pack_open(o->e);
    const uint32_t step = o->vecs * 32;
    uint32_t j = 0;
    for (; j + 2 <= o->vecs; j += 2, acc += 64, y += wide ? 64 : 32) {
        const vec_consts c0 = vec_open(o, j), c1 = vec_open(o, j + 1);
        const __mmask32 keep = kept(o, j);
        for (uint32_t i = 0; i < px; i++)
            store_two(&pack, wide, scaled(mode, acc + i * step, &c0), scaled(mode, acc + i * step + 32, &c1), y + i * o->pixel_bytes, keep);
    }
    if (j < o->vecs) {
        const vec_consts c = vec_open(o, j);
        for (uint32_t i = 0; i < px; i++)
            store(o->e, wide, scaled(mode, acc + i * step, &c), y + i * o->pixel_bytes, (__mmask16)kept(o, j));
    }
}

static void codes32(const int32_t *acc, const tile16_out *o, uint32_t px, uint8_t *y)
{
    bool wide = o->e->out == INTACT_S16;
    if (o->mode == EPI_HIGH && wide)
        codes32_as(EPI_HIGH, true, acc, o, px, y);
    else if (o->mode == EPI_HIGH)
        codes32_as(EPI_HIGH, false, acc, o, px, y);
    else
        codes32_as(o->mode, wide, acc, o, px, y);
}

/* ((h * m << 8) + l * m + C) >> s of eight lanes (those in the low halves), cut to +-2^30. */
static inline __m512i scale64(__m512i h, __m512i l, __m512i m, const int32_t *c, const int32_t *s)
{
    __m512i v = _mm512_add_epi64(_mm512_slli_epi64(_mm512_mul_epi32(h, m), 8), _mm512_mul_epi32(l, m));
    v = _mm512_srav_epi64(_mm512_add_epi64(v, _mm512_loadu_si512(c)), _mm512_loadu_si512(s));
    return _mm512_max_epi64(_mm512_min_epi64(v, _mm512_set1_epi64(1 << 30)), _mm512_set1_epi64(-(1 << 30)));
}

static void codes64(const int32_t *acc, const tile16_out *o, uint32_t px, uint8_t *y)
{
    bool wide = o->e->out == INTACT_S16;
    for (uint32_t j = 0; j < o->vecs; j++, acc += 32, y += wide ? 32 : 16) {
        const int32_t *k = o->consts + j * 80; /* m, C even, C odd, s even, s odd */
        const __m512i m = _mm512_loadu_si512(k);
        for (uint32_t i = 0; i < px; i++) {
            __m512i l = _mm512_load_si512(acc + i * o->vecs * 32), h = _mm512_load_si512(acc + i * o->vecs * 32 + 16);
            __m512i even = scale64(h, l, m, k + 16, k + 48);
            __m512i odd = scale64(_mm512_srli_epi64(h, 32), _mm512_srli_epi64(l, 32), _mm512_srli_epi64(m, 32), k + 32, k + 64);
            store(o->e, wide, _mm512_mask_shuffle_epi32(even, 0xaaaa, odd, _MM_PERM_CDAB), y + i * o->pixel_bytes,
                  (__mmask16)kept(o, j));
        }
    }
}

static const tile16_level level = { .lanes = VL, .granule = 4, .planes = 2, .split = 8, .px_max = TILE16_PX_8643, .tiles = tiles,
                                    .copy = copy, .codes32 = codes32, .codes64 = codes64, .add = it_kern_add_u8_avx512vnni,
                                    .lut = it_kern_lut_u8_avx512vnni };
TILE16_KERNS(avx512vnni, "avx512vnni_6x32", level)
