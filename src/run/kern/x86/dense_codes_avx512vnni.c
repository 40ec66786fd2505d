/* SPDX-License-Identifier: Apache-2.0 */
/* dense_codes_avx512vnni: dense layers with weights of 2 to 4 bits, looked up with vpshufb, multiplied with vpdpbusd, 512 bits at a time. */
#include <immintrin.h>
#include <stdint.h>

#include "run/kern/kern_level.h"

#define V __m512i
#define V_LANES 4
#define V_SPLITS 0
#define V_WIDE 12 /* with more samples than these weights are decoded once, into scratch */
#define V_ZERO _mm512_setzero_si512()
#define V_LOAD(p) _mm512_loadu_si512(p)
#define V_STORE(p, v) _mm512_storeu_si512(p, v)
#define V_AND(a, b) _mm512_and_si512(a, b)
#define V_NIBBLE_MASK _mm512_set1_epi8(15)
#define V_HIGH_NIBBLES(v) _mm512_and_si512(_mm512_srli_epi16(v, 4), _mm512_set1_epi8(15))
#define V_SHUFFLE(table, v) _mm512_shuffle_epi8(table, v)
#define V_SIXTEEN(p) _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(p)))
#define V_DOT(acc, x, w) _mm512_dpbusd_epi32(acc, x, w)
#define V_ADD(a, b) _mm512_add_epi32(a, b)
#define V_IN_REGISTER(v) "+v"(v)
#define V_REDUCE(a, b, c, d) reduce(a, b, c, d)

/* Lane l, place j: the sum of the four numbers in lane l of vector j. */
static inline V reduce(V a, V b, V c, V d)
{
    V ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
    V cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
    return _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
}

/* Eight of the codes, in 64 bits: any shift. */
static inline V scaled(V acc, V m, V s, const it_epi *e)
{
    V round = _mm512_sllv_epi64(_mm512_set1_epi64(1), _mm512_sub_epi64(s, _mm512_set1_epi64(1)));
    V v = _mm512_srav_epi64(_mm512_add_epi64(_mm512_mul_epi32(acc, m), round), s);
    v = _mm512_add_epi64(v, _mm512_set1_epi64(e->zero));
    return _mm512_min_epi64(_mm512_max_epi64(v, _mm512_set1_epi64(e->lo)), _mm512_set1_epi64(e->hi));
}

/* consts: bias, mult, shift of the block; y: `channels` outputs. */
static inline void codes_store(const it_epi *e, V sums, const int32_t *consts, uint8_t *y, uint32_t channels)
{
    V acc = _mm512_add_epi32(sums, V_LOAD(consts)), m = V_LOAD(consts + 16), s = V_LOAD(consts + 32);
    V even = scaled(acc, m, _mm512_and_si512(s, _mm512_set1_epi64(63)), e);
    V odd = scaled(_mm512_srli_epi64(acc, 32), _mm512_srli_epi64(m, 32), _mm512_srli_epi64(s, 32), e);
    V v = _mm512_mask_shuffle_epi32(even, 0xaaaa, odd, _MM_PERM_CDAB);
    __mmask16 keep = (__mmask16)((1u << channels) - 1);
    if (e->out == INTACT_S16)
        _mm256_mask_storeu_epi16(y, keep, _mm512_cvtepi32_epi16(v));
    else
        _mm_mask_storeu_epi8(y, keep, _mm512_cvtepi32_epi8(v));
}

#include "run/kern/x86/codes_mac.h"

const it_kern_codes it_kern_dense_codes_u8_avx512vnni = { "dense_codes_u8_avx512vnni", codes_packed_bytes, codes_pack, codes_units,
                                                          codes_scratch_bytes, codes_run };
