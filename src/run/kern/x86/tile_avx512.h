/* SPDX-License-Identifier: Apache-2.0 */
/* tile_avx512.h: the epilogue of the 512-bit tiles: accumulators from memory to codes.
**
** Codes in u8 need v = (acc * m + 2^(s-1)) >> s only from -255 to 255; beyond, the clamp decides. With f = min(s - 32, 7) and
** h = hi32(acc * m) >> (s - 32 - f), v = (h + 2^(f-1)) >> f: floors of floors, for s >= 33. Saturated to 16 bits, h still tells every
** |v| <= 255 and stays beyond where it was; vpmulhrsw by 2^(15-f) is that sum and shift. So two vectors are rounded by one
** instruction, and where all s <= 39 nothing is shifted before.
**
** Four vectors at a time become 64 bytes. In panels of four, lanes are ordered so that this is a pixel's channels; in others lanes are in
** their natural order and a permutation of quarters leaves the vectors one behind the other, which are the codes of neighbouring
** pixels. Vectors of 512 bits occupy two ports, p0 (shifts, saturating sums, minima) and p5 (packs, permutations); multiplications
** and sums take either: 17 to 27 for four vectors. vmovshdup from memory costs none. */
#ifndef IT_KERN_X86_TILE_AVX512_H
#define IT_KERN_X86_TILE_AVX512_H

#include "run/kern/x86/after_avx512.h"
#include "run/kern/x86/epi_avx512.h"
#include "run/kern/x86/tile.h"

enum { CODES_SHIFT = 39, CODES_FRACTION = 7 };

/* How accumulators become codes; constants after inlining. CODES_LEVELS + n: 2^n - 1 thresholds. */
enum { CODES_NARROW, CODES_WIDE, CODES_LEVELS };

static inline uint32_t codes_channel(uint32_t vecs, uint32_t vec, uint32_t lane)
{
    return vecs == 4 ? panel_channel(vecs, vec, lane) : vec * 16 + lane;
}

/* consts: mult, shift, rounding factors. */
static inline epi_mode codes_finish(epi_mode mode, uint32_t lanes, const it_epi *e, int32_t *consts)
{
    if (mode != EPI_HIGH || e->out != INTACT_U8)
        return mode;
    int32_t *shift = consts + lanes, *factor = shift + lanes;
    mode = EPI_CODES_NARROW;
    for (uint32_t i = 0; i < lanes; i++) {
        int32_t f = shift[i] < CODES_SHIFT ? shift[i] - 32 : CODES_FRACTION;
        if (shift[i] > CODES_SHIFT)
            mode = EPI_CODES;
        shift[i] -= 32 + f;
        factor[i] = 1 << (15 - f);
    }
    return mode;
}

typedef struct codes_vec {
    __m512i m, m_odd, shift;
    __m512i factor; /* of this vector and the next one of a pixel (after the last: the first), as packing orders them */
} codes_vec;

typedef struct codes {
    epi512_pack pack;
    __m512i order;       /* dwords of four packed vectors that become the first bytes */
    __m512i levels;
    bool plain, clamped; /* plain: zero point 0, clamp 0 to 255 */
    bool joined;         /* few vectors: pixels follow each other without a gap, in y and in other */
    after512 after;
    codes_vec vec[TILE_VEC_MAX];
} codes;
_Static_assert(sizeof(codes) <= TILE_STATE, "the state of a panel");

static inline __attribute__((always_inline)) __m512i codes_high(const bool narrow, const int32_t *acc, const codes_vec *c)
{
    __m512i odd, even = _mm512_mul_epi32(_mm512_loadu_si512(acc), c->m);
    __asm__("vmovshdup %1, %0" : "=v"(odd) : "m"(*(const int32_t(*)[16])acc));
    odd = _mm512_mul_epi32(odd, c->m_odd);
    odd = _mm512_mask_shuffle_epi32(odd, 0x5555, even, _MM_PERM_CDAB);
    return narrow ? odd : _mm512_srav_epi32(odd, c->shift);
}

/* Masked moves of bytes. As intrinsics they are a check for each byte where sanitizers watch, and compiling takes minutes. */
#define BYTES_MASKED(bits, mask)                                                                                                          \
    static inline __attribute__((always_inline)) void bytes_store##bits(uint8_t *y, mask keep, __m##bits##i v)                            \
    {                                                                                                                                     \
        __asm__ volatile("vmovdqu8 %1, (%0)%{%2%}" : : "r"(y), "v"(v), "Yk"(keep) : "memory");                                            \
    }                                                                                                                                     \
    static inline __attribute__((always_inline)) __m##bits##i bytes_load##bits(const uint8_t *b, mask keep)                               \
    {                                                                                                                                     \
        __m##bits##i v;                                                                                                                   \
        __asm__ volatile("vmovdqu8 (%1), %0%{%2%}%{z%}" : "=v"(v) : "r"(b), "Yk"(keep) : "memory");                                       \
        return v;                                                                                                                         \
    }
BYTES_MASKED(512, __mmask64)
BYTES_MASKED(256, __mmask32)
BYTES_MASKED(128, __mmask16)

/* How many of a lane's 2^n - 1 thresholds are <= acc, by halving. t: the first of each vector's lane; step: from one to the next. */
static inline __attribute__((always_inline)) __m512i codes_count(const int n, const int32_t *acc, const int32_t *t, const size_t step)
{
#define T(k) _mm512_loadu_si512(t + (k) * step)
#define EITHER(m, k, l) _mm512_mask_mov_epi32(T(k), m, T(l)) /* a masked load would be 16 checks where sanitizers watch */
    const __m512i a = _mm512_loadu_si512(acc);
    const int half = 1 << (n - 1), quarter = half >> 1, eighth = half >> 2;
    __mmask16 m1 = _mm512_cmple_epi32_mask(T(half - 1), a), m2, m3;
    __m512i passed = _mm512_maskz_set1_epi32(m1, half), low, high;
    if (n == 1)
        return passed;
    m2 = _mm512_cmple_epi32_mask(EITHER(m1, quarter - 1, half + quarter - 1), a);
    passed = _mm512_mask_add_epi32(passed, m2, passed, _mm512_set1_epi32(quarter));
    if (n == 2)
        return passed;
    low = EITHER(m1, eighth - 1, half + eighth - 1);
    high = EITHER(m1, quarter + eighth - 1, half + quarter + eighth - 1);
    m3 = _mm512_cmple_epi32_mask(_mm512_mask_mov_epi32(low, m2, high), a);
    passed = _mm512_mask_add_epi32(passed, m3, passed, _mm512_set1_epi32(eighth));
    if (n == 3)
        return passed;
    low = _mm512_mask_mov_epi32(EITHER(m1, 0, 8), m2, EITHER(m1, 4, 12));
    high = _mm512_mask_mov_epi32(EITHER(m1, 2, 10), m2, EITHER(m1, 6, 14));
    __mmask16 m4 = _mm512_cmple_epi32_mask(_mm512_mask_mov_epi32(low, m3, high), a);
    return _mm512_mask_add_epi32(passed, m4, passed, _mm512_set1_epi32(1));
#undef T
#undef EITHER
}

/* One vector's values before they are packed. vec: which of a pixel's. */
static inline __attribute__((always_inline)) __m512i codes_one(const int nv, const int kind, const int vec, const int32_t *acc,
                                                               const codes_vec *c, const tile_out *o)
{
    if (kind > CODES_LEVELS)
        return codes_count(kind - CODES_LEVELS, acc, o->consts + vec * 16, (size_t)nv * 16);
    return codes_high(kind == CODES_NARROW, acc, &c[vec]);
}

/* Four neighbouring vectors (n: only the first n count), the first being a pixel's vector `first`. */
static inline __attribute__((always_inline)) __m512i codes_four(const int nv, const int first, const int n, const int kind,
                                                                const bool plain, const int32_t *acc, const codes_vec *c, const codes *k,
                                                                const tile_out *o)
{
    __m512i q0 = codes_one(nv, kind, first % nv, acc, c, o), q1 = q0, q2 = q0, q3 = q0, v;
    if (n > 1)
        q1 = codes_one(nv, kind, (first + 1) % nv, acc + 16, c, o);
    if (n > 2)
        q3 = q2 = codes_one(nv, kind, (first + 2) % nv, acc + 32, c, o);
    if (n > 3)
        q3 = codes_one(nv, kind, (first + 3) % nv, acc + 48, c, o);
    __m512i front = _mm512_packs_epi32(q0, q1), back = _mm512_packs_epi32(q2, q3);
    if (kind > CODES_LEVELS) {
        v = _mm512_shuffle_epi8(k->levels, _mm512_packus_epi16(front, back));
    } else {
        front = _mm512_mulhrs_epi16(front, c[first % nv].factor);
        back = _mm512_mulhrs_epi16(back, c[(first + 2) % nv].factor);
        if (!plain) {
            front = _mm512_adds_epi16(front, k->pack.zero16);
            back = _mm512_adds_epi16(back, k->pack.zero16);
        }
        v = _mm512_packus_epi16(front, back);
        if (!plain && k->clamped)
            v = _mm512_min_epu8(_mm512_max_epu8(v, k->pack.lo8), k->pack.hi8);
    }
    return nv == 4 ? v : _mm512_permutexvar_epi32(k->order, v);
}

/* Four vectors: a pixel of four, or several of one or two. */
static inline __attribute__((always_inline)) void codes_store(const int nv, const codes *k, const tile_out *o, uint8_t *y, uint32_t px,
                                                              __m512i v)
{
    uint32_t n = o->channels;
    if (nv == 4 ? n == 64 : k->joined && px * n == 64) {
        _mm512_storeu_si512(y, v);
    } else if (nv == 4) {
        bytes_store512(y, epi512_first(n), v);
    } else if (k->joined) {
        bytes_store512(y, epi512_first(px * n), v);
    } else if (nv == 2) {
        bytes_store256(y, (__mmask32)epi512_first(n), _mm512_castsi512_si256(v));
        if (px > 1)
            bytes_store256(y + o->pixel_bytes, (__mmask32)epi512_first(n), _mm512_extracti32x8_epi32(v, 1));
    } else {
        __mmask16 keep = (__mmask16)epi512_first(n);
        bytes_store128(y, keep, _mm512_castsi512_si128(v));
        if (px > 1)
            bytes_store128(y + o->pixel_bytes, keep, _mm512_extracti32x4_epi32(v, 1));
        if (px > 2)
            bytes_store128(y + 2 * o->pixel_bytes, keep, _mm512_extracti32x4_epi32(v, 2));
        if (px > 3)
            bytes_store128(y + 3 * o->pixel_bytes, keep, _mm512_extracti32x4_epi32(v, 3));
    }
}

/* What stands in other where codes_store() writes. */
static inline __attribute__((always_inline)) __m512i codes_other(const int nv, const codes *k, const tile_out *o, const uint8_t *b,
                                                                 uint32_t px)
{
    uint32_t n = o->channels;
    if (nv == 4)
        return n == 64 ? _mm512_loadu_si512(b) : bytes_load512(b, epi512_first(n));
    if (k->joined)
        return bytes_load512(b, epi512_first(px * n));
    if (nv == 2) {
        __mmask32 keep = (__mmask32)epi512_first(n);
        __m512i v = _mm512_castsi256_si512(bytes_load256(b, keep));
        return px < 2 ? v : _mm512_inserti32x8(v, bytes_load256(b + o->other_bytes, keep), 1);
    }
    __mmask16 keep = (__mmask16)epi512_first(n);
    __m512i v = _mm512_castsi128_si512(bytes_load128(b, keep));
    if (px > 1)
        v = _mm512_inserti32x4(v, bytes_load128(b + o->other_bytes, keep), 1);
    if (px > 2)
        v = _mm512_inserti32x4(v, bytes_load128(b + 2 * o->other_bytes, keep), 2);
    if (px > 3)
        v = _mm512_inserti32x4(v, bytes_load128(b + 3 * o->other_bytes, keep), 3);
    return v;
}

/* v becomes its sum with keep bytes at b, then what the table has for it. after: whether there is such a thing at all. */
static inline __attribute__((always_inline)) __m512i codes_then(const bool after, const codes *k, __m512i v, const uint8_t *b,
                                                                __mmask64 keep)
{
    if (!after)
        return v;
    if (k->after.sum)
        v = after512_sum(&k->after, v, bytes_load512(b, keep));
    return k->after.lut ? after512_lut(k->after.lut, v) : v;
}

typedef struct codes_to { /* where the pixels of a flush go */
    uint8_t *y;
    const uint8_t *b; /* of other */
    uint32_t px;
} codes_to;

/* Whole pixels of four vectors two by two, for the sum's sake. Leaves in *to at most one. */
static inline __attribute__((always_inline)) const int32_t *codes_twos(const int kind, const bool plain, const int32_t *acc,
                                                                       const codes_vec *c, const codes *k, const tile_out *o, codes_to *to)
{
    for (; to->px > 1; to->px -= 2, acc += 128, to->y += 2 * o->pixel_bytes, to->b += 2 * o->other_bytes) {
        const __m512i b[2] = { _mm512_loadu_si512(to->b), _mm512_loadu_si512(to->b + o->other_bytes) };
        __m512i v[2] = { codes_four(4, 0, 4, kind, plain, acc, c, k, o), codes_four(4, 0, 4, kind, plain, acc + 64, c, k, o) };
        after512_sums_of(2, &k->after, v, b);
        _mm512_storeu_si512(to->y, v[0]);
        _mm512_storeu_si512(to->y + o->pixel_bytes, v[1]);
    }
    return acc;
}

static inline __attribute__((always_inline)) void codes_few(const int nv, const int kind, const bool plain, const bool after,
                                                            const int32_t *acc, const codes_vec *c, const codes *k, const tile_out *o,
                                                            codes_to to)
{
    const uint32_t joined = 4 / nv;
    if (after && nv == 4 && o->channels == 64 && k->after.sum && !k->after.lut)
        acc = codes_twos(kind, plain, acc, c, k, o, &to);
    for (uint32_t px = joined; to.px; to.px -= px, acc += 64, to.y += joined * o->pixel_bytes) {
        px = to.px < joined ? to.px : joined;
        __m512i v = codes_four(nv, 0, 4, kind, plain, acc, c, k, o);
        if (after && k->after.sum) {
            v = after512_sum(&k->after, v, codes_other(nv, k, o, to.b, px));
            to.b += joined * o->other_bytes;
        }
        if (after && k->after.lut)
            v = after512_lut(k->after.lut, v);
        codes_store(nv, k, o, to.y, px, v);
    }
}

/* Other numbers of vectors, whole pixels one behind the other: one stream of bytes. */
static inline __attribute__((always_inline)) void codes_stream(const int nv, const int kind, const bool plain, const bool after,
                                                               const int32_t *acc, const codes_vec *c, const codes *k, const tile_out *o,
                                                               codes_to to)
{
    const int block = nv % 2 ? nv : nv / 2; /* fours after which the pattern repeats */
    uint32_t bytes = to.px * (uint32_t)nv * 16, at = 0;
    for (; at + (uint32_t)block * 64 <= bytes; at += (uint32_t)block * 64) {
#pragma GCC unroll 9
        for (int i = 0; i < block; i++) {
            __m512i v = codes_four(nv, i * 4 % nv, 4, kind, plain, acc + at + i * 64, c, k, o);
            _mm512_storeu_si512(to.y + at + i * 64, codes_then(after, k, v, to.b + at + i * 64, ~(__mmask64)0));
        }
    }
#pragma GCC unroll 9
    for (int i = 0; i < block; i++)
        if (at + (uint32_t)i * 64 < bytes) {
            __mmask64 keep = epi512_first(bytes - at - (uint32_t)i * 64);
            __m512i v = codes_four(nv, i * 4 % nv, 4, kind, plain, acc + at + i * 64, c, k, o);
            bytes_store512(to.y + at + i * 64, keep, codes_then(after, k, v, to.b + at + i * 64, keep));
        }
}

/* And with something between the pixels. */
static inline __attribute__((always_inline)) void codes_apart(const int nv, const int kind, const bool plain, const bool after,
                                                              const int32_t *acc, const codes_vec *c, const codes *k, const tile_out *o,
                                                              codes_to to)
{
    for (uint32_t i = 0; i < to.px; i++, acc += nv * 16, to.y += o->pixel_bytes, to.b += after ? o->other_bytes : 0)
#pragma GCC unroll 3
        for (int v = 0; v < nv; v += 4) {
            __mmask64 keep = epi512_first(o->channels - (uint32_t)v * 16);
            __m512i q = codes_four(nv, v, nv - v < 4 ? nv - v : 4, kind, plain, acc + v * 16, c, k, o);
            bytes_store512(to.y + v * 16, keep, codes_then(after, k, q, to.b + v * 16, keep));
        }
}

static inline __attribute__((always_inline)) void codes_pixels(const int nv, const int kind, const bool plain, const bool after,
                                                               const int32_t *acc, const codes *k, const tile_out *o, codes_to to)
{
    codes_vec c[TILE_VEC_MAX];
    for (int i = 0; i < nv && kind < CODES_LEVELS; i++)
        c[i] = k->vec[i];
    if (nv == 1 || nv == 2 || nv == 4)
        codes_few(nv, kind, plain, after, acc, c, k, o, to);
    else if (k->joined)
        codes_stream(nv, kind, plain, after, acc, c, k, o, to);
    else
        codes_apart(nv, kind, plain, after, acc, c, k, o, to);
}

/* Packing leaves in each 128-bit block a quarter of each of four vectors. Rows: dwords of a pixel, which are fewer than its lanes where
** one or two vectors have lanes without a channel and pixels follow each other without a gap. */
static inline __m512i codes_order(uint32_t nv, bool joined, const tile_out *o)
{
    static const uint8_t order[8][16] = {
        { 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3 },
        { 0, 4, 1, 5, 2, 6, 3, 7, 0, 4, 1, 5, 2, 6, 3, 7 },
        { 0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11, 0, 4, 8, 1 },
        { 0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15 },
        { 0, 4, 8, 12, 1, 2, 6, 10, 14, 3, 0, 4, 8, 12, 1, 2 },
        { 0, 4, 8, 12, 1, 5, 2, 6, 10, 14, 3, 7, 0, 4, 8, 12 },
        { 0, 4, 8, 12, 1, 5, 9, 2, 6, 10, 14, 3, 7, 11, 0, 4 },
        { 0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15 },
    };
    uint32_t dwords = nv < 3 && joined ? o->channels / 4 : nv == 2 ? 8 : 4;
    return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)order[dwords - 1]));
}

static inline bool codes_mode(epi_mode mode) { return mode == EPI_CODES || mode == EPI_CODES_NARROW || mode == EPI_LEVELS; }

static inline bool codes_fuses(const tile_out *o) { return codes_mode(o->mode) && (!o->e->add || after512_sums(o->e->add)); }

static inline __m512i codes_levels(const it_epi *e)
{
    uint8_t all[16];
    for (uint32_t i = 0; i < 16; i++)
        all[i] = e->levels[i < e->levels_len ? i : e->levels_len - 1];
    return _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)all));
}

static inline void codes_open(const tile_out *o, void *state)
{
    if (!codes_mode(o->mode))
        return;
    codes *k = state;
    uint32_t nv = o->vecs, n = o->channels;
    k->pack = epi512_pack_open(o->e);
    k->joined = n == o->pixel_bytes && n % 4 == 0 && (nv < 3 || n == nv * 16) && (!o->e->add || n == o->other_bytes);
    k->order = codes_order(nv, k->joined, o);
    k->after = after512_open(o->staged ? NULL : o->e);
    if (o->mode == EPI_LEVELS) {
        k->levels = codes_levels(o->e);
        return;
    }
    k->clamped = o->e->lo != 0 || o->e->hi != 255;
    k->plain = o->e->zero == 0 && !k->clamped;
    const int32_t *shift = o->consts + nv * 16, *factor = shift + nv * 16;
    for (uint32_t i = 0; i < nv; i++) {
        codes_vec *c = &k->vec[i];
        c->m = _mm512_loadu_si512(o->consts + i * 16);
        c->m_odd = _mm512_srli_epi64(c->m, 32);
        c->shift = _mm512_loadu_si512(shift + i * 16);
        c->factor = _mm512_packs_epi32(_mm512_loadu_si512(factor + i * 16), _mm512_loadu_si512(factor + (i + 1) % nv * 16));
    }
}

/* Each a function of its own: together they take compilers minutes where sanitizers watch. */
typedef void codes_fn(const int32_t *acc, const codes *k, const tile_out *o, codes_to to);
#define CODES_PIXELS(name, nv, kind, plain, after)                                                                                        \
    static void name##_##nv(const int32_t *acc, const codes *k, const tile_out *o, codes_to to)                                           \
    {                                                                                                                                     \
        codes_pixels(nv, kind, plain, after, acc, k, o, to);                                                                              \
    }
#define CODES_FN(name, kind, plain, after)                                                                                                \
    CODES_PIXELS(name, 1, kind, plain, after) CODES_PIXELS(name, 2, kind, plain, after) CODES_PIXELS(name, 3, kind, plain, after)         \
    CODES_PIXELS(name, 4, kind, plain, after) CODES_PIXELS(name, 5, kind, plain, after) CODES_PIXELS(name, 6, kind, plain, after)         \
    CODES_PIXELS(name, 7, kind, plain, after) CODES_PIXELS(name, 9, kind, plain, after)                                                   \
    static codes_fn *const name[TILE_VEC_MAX + 1] = { NULL, name##_1, name##_2, name##_3, name##_4, name##_5, name##_6, name##_7, NULL,  \
                                                      name##_9 };
CODES_FN(codes_narrow_plain, CODES_NARROW, true, false)
CODES_FN(codes_narrow, CODES_NARROW, false, false)
CODES_FN(codes_narrow_then, CODES_NARROW, false, true)
CODES_FN(codes_wide_plain, CODES_WIDE, true, false)
CODES_FN(codes_wide, CODES_WIDE, false, false)
CODES_FN(codes_wide_then, CODES_WIDE, false, true)
CODES_FN(codes_levels_1, CODES_LEVELS + 1, true, false)
CODES_FN(codes_levels_2, CODES_LEVELS + 2, true, false)
CODES_FN(codes_levels_3, CODES_LEVELS + 3, true, false)
CODES_FN(codes_levels_4, CODES_LEVELS + 4, true, false)

/* All other panels: small shifts, s16. */
static inline void epi_any(const int32_t *acc, const tile_out *o, uint32_t px, uint8_t *y)
{
    const it_epi *e = o->e;
    const int32_t *consts = o->consts;
    uint32_t vecs = o->vecs;
    epi512_pack k = epi512_pack_open(e);
    const __m512i zero = _mm512_set1_epi32(e->zero), lo = _mm512_set1_epi32(e->lo), hi = _mm512_set1_epi32(e->hi);
    for (uint32_t i = 0; i < px; i++, y += o->pixel_bytes, acc += vecs * 16) {
        __m512i q[9];
        for (uint32_t j = 0; j < vecs; j++) {
            epi512 c = epi512_open(consts + j * 16, consts + (vecs + j) * 16);
            __m512i a = _mm512_loadu_si512(acc + j * 16);
            q[j] = o->mode == EPI_HIGH ? epi512_scale(EPI_HIGH, a, &c)
                 : o->mode == EPI_LIFTED ? epi512_scale(EPI_LIFTED, a, &c) : epi512_scale(EPI_FULL, a, &c);
        }
        if (vecs == 4 && e->out == INTACT_S16)
            epi512_store_s16(4, &k, q, y, epi512_first(o->channels));
        else if (vecs == 4)
            epi512_store_u8(4, &k, q, y, epi512_first(o->channels));
        else
            for (uint32_t j = 0; j < vecs && j * 16 < o->channels; j++) {
                __m512i v = _mm512_min_epi32(_mm512_max_epi32(_mm512_add_epi32(q[j], zero), lo), hi);
                __mmask16 keep = (__mmask16)epi512_first(o->channels - j * 16 < 16 ? o->channels - j * 16 : 16);
                if (e->out == INTACT_S16)
                    _mm512_mask_cvtepi32_storeu_epi16(y + j * 32, keep, v);
                else
                    _mm512_mask_cvtepi32_storeu_epi8(y + j * 16, keep, v);
            }
    }
}

static inline void codes_epi(const int32_t *acc, const tile_out *o, const void *state, uint32_t px, uint8_t *y)
{
    const codes *k = state;
    const uint32_t levels = o->e->levels_len;
    codes_fn *const *fn;
    if (!codes_mode(o->mode)) {
        epi_any(acc, o, px, y);
        return;
    }
    if (o->mode == EPI_LEVELS)
        fn = levels > 8 ? codes_levels_4 : levels > 4 ? codes_levels_3 : levels > 2 ? codes_levels_2 : codes_levels_1;
    else if (k->after.sum || k->after.lut)
        fn = o->mode == EPI_CODES_NARROW ? codes_narrow_then : codes_wide_then;
    else if (o->mode == EPI_CODES_NARROW)
        fn = k->plain ? codes_narrow_plain : codes_narrow;
    else
        fn = k->plain ? codes_wide_plain : codes_wide;
    fn[o->vecs](acc, k, o, (codes_to){ y, o->other ? o->other : y, px } /* without a sum b is not read */);
}

#endif
