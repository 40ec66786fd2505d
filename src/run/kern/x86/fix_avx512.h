/* SPDX-License-Identifier: Apache-2.0 */
/* fix_avx512.h: what fixes add to a tile's accumulators (tile.h), a vector of channels of up to eight pixels at a time.
**
** Each fix is a step whose weights are zero but in one lane. Two sets of accumulators take turns, so that a product need not wait for the
** one before. */
#ifndef IT_KERN_X86_FIX_AVX512_H
#define IT_KERN_X86_FIX_AVX512_H

#include "run/kern/x86/tile_run.h"

enum { FIX_PX = 8 };

static inline __attribute__((always_inline)) __m512i fix_dot(__m512i acc, __mmask16 place, const uint8_t *x, __m512i w)
{
    int32_t v;
    memcpy(&v, x, sizeof v);
    __m512i all = _mm512_set1_epi32(v);
    __asm__("vpdpbusd %2, %1, %0%{%3%}" : "+v"(acc) : "v"(all), "v"(w), "Yk"(place));
    return acc;
}

/* Inputs of the first pixel, of the last, where a side misses them. */
static const uint8_t fix_none[4];

#define FIX_EACH(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7)
#define FIX_LOAD(i)                                                                                                                       \
    const uint8_t *p##i = px[(i) < n ? (i) : 0];                                                                                          \
    __m512i a##i = _mm512_loadu_si512(acc + ((i) < n ? (i) : 0) * lanes), b##i = zero;
#define FIX_AT(i) ((i) == 0 && k->sides & first ? fix_none : (i) == n - 1 && k->sides & last ? fix_none : p##i + k->at)
#define FIX_DOT_A(i) if ((i) < n) a##i = fix_dot(a##i, place, FIX_AT(i), w);
#define FIX_DOT_B(i) if ((i) < n) b##i = fix_dot(b##i, place, FIX_AT(i), w);
#define FIX_STORE(i) if ((i) < n) _mm512_storeu_si512(acc + (i) * lanes, _mm512_add_epi32(a##i, b##i));
#define FIX_WITH(dot)                                                                                                                     \
    {                                                                                                                                     \
        const __mmask16 place = (__mmask16)k->place;                                                                                      \
        const __m512i w = _mm512_set1_epi32((int32_t)k->word);                                                                            \
        FIX_EACH(dot)                                                                                                                     \
        k++;                                                                                                                              \
    }

/* The fixes of one vector after the other, for n pixels. */
static inline __attribute__((always_inline)) void fix_pixels(const int n, const tile_fix *k, const tile_fix *end, const uint32_t first,
                                                             const uint32_t last, const uint8_t *const *px, const size_t lanes,
                                                             int32_t *all)
{
    const __m512i zero = _mm512_setzero_si512();
    while (k != end) {
        int32_t *acc = all + (k->lane & ~15u);
        const tile_fix *stop = k + k->left;
        FIX_EACH(FIX_LOAD)
        while (k + 1 < stop) {
            FIX_WITH(FIX_DOT_A)
            FIX_WITH(FIX_DOT_B)
        }
        if (k != stop)
            FIX_WITH(FIX_DOT_A)
        FIX_EACH(FIX_STORE)
    }
}

#define FIX_CASE(n, sides)                                                                                                                \
    case n:                                                                                                                               \
        fix_pixels(n, k, end, sides ? first : 0, sides ? last : 0, px, lanes, acc);                                                       \
        break;
#define FIX_FN(name, sides)                                                                                                               \
    static __attribute__((noinline)) void name(const tile_fix *k, const tile_fix *end, uint32_t first, uint32_t last,                     \
                                               const uint8_t *const *px, uint32_t n, size_t lanes, int32_t *acc)                          \
    {                                                                                                                                     \
        switch (n) {                                                                                                                      \
            FIX_CASE(1, sides) FIX_CASE(2, sides) FIX_CASE(3, sides) FIX_CASE(4, sides)                                                   \
            FIX_CASE(5, sides) FIX_CASE(6, sides) FIX_CASE(7, sides) FIX_CASE(8, sides)                                                   \
        }                                                                                                                                 \
    }
FIX_FN(fix_inside, false)
FIX_FN(fix_sides, true)

static void fix512(const tile_fixes *f, const uint8_t *const *px, uint32_t n, uint32_t lanes, int32_t *acc)
{
    const uint8_t *even[TILE_PX_MAX];
    if (f->sides) { /* the first row of the map, or the last */
        tile_fix_px(f, px, n, lanes, acc);
        return;
    }
    if (f->sides_first | f->sides_last) {
        fix_sides(f->first, f->end, f->sides_first, f->sides_last, px, n, lanes, acc);
        return;
    }
    for (uint32_t i = 0; n > TILE_TALL && i < n; i++)
        even[i] = px[0] + i * (size_t)(px[1] - px[0]);
    px = n > TILE_TALL ? even : px;
    for (uint32_t i = 0; i < n; i += FIX_PX)
        fix_inside(f->first, f->end, 0, 0, px + i, n - i < FIX_PX ? n - i : FIX_PX, lanes, acc + (size_t)i * lanes);
}

#undef FIX_EACH
#undef FIX_LOAD
#undef FIX_AT
#undef FIX_DOT_A
#undef FIX_DOT_B
#undef FIX_STORE
#undef FIX_WITH
#undef FIX_CASE
#undef FIX_FN

#endif
