/* SPDX-License-Identifier: Apache-2.0 */
/* operand.c: float32 numbers rounded to those of bfloat16 or float16, the same bits on every processor; what the processor multiplies. */
#include "op/operand.h"

#include <string.h>

#include "op/levels.h"
#if defined(__x86_64__)
#include <cpuid.h>
#endif

IT_INLINE uint32_t bits_of(float f)
{
    uint32_t b;
    memcpy(&b, &f, 4);
    return b;
}

IT_INLINE float float_of(uint32_t b)
{
    float f;
    memcpy(&f, &b, 4);
    return f;
}

/* A not-a-number must not round to infinity. */
IT_INLINE uint32_t near_bf16(uint32_t b)
{
    return (b & 0x7fffffffu) > 0x7f800000u ? (b | 0x400000u) & 0xffff0000u : (b + 0x7fff + (b >> 16 & 1)) & 0xffff0000u;
}

IT_INLINE void bf16_body(const float *from, float *to, int64_t len)
{
    for (int64_t i = 0; i < len; i++) to[i] = float_of(near_bf16(bits_of(from[i])));
}
IT_LEVELS(bf16, (const float *from, float *to, int64_t len), (from, to, len))

/* By masks: of a choice the compiler makes a branch around the floating-point sum, and no vectors. */
IT_INLINE uint32_t pick(bool which, uint32_t yes, uint32_t no)
{
    const uint32_t mask = -(uint32_t)which;
    return (yes & mask) | (no & ~mask);
}

/* Below 2^-14 numbers are multiples of 2^-24, the last place of what lies between 1/2 and 1: adding 1/2 rounds to them. */
IT_INLINE void f16_body(const float *from, float *to, int64_t len)
{
    for (int64_t i = 0; i < len; i++) {
        const uint32_t b = bits_of(from[i]), a = b & 0x7fffffffu;
        const uint32_t near = (a + 0xfff + (a >> 13 & 1)) & 0xffffe000u, tiny = bits_of((float_of(a) + 0.5f) - 0.5f);
        uint32_t y = pick(a < 0x38800000u, tiny, near);
        y = pick(a >= 0x477ff000u, 0x7f800000u, y); /* 65520 */
        y = pick(a > 0x7f800000u, a | 0x400000u, y);
        to[i] = float_of(y | (b & 0x80000000u));
    }
}
IT_LEVELS(f16, (const float *from, float *to, int64_t len), (from, to, len))

IT_INLINE void pack_body(float *restrict x, uint16_t *restrict to, int64_t len)
{
    for (int64_t i = 0; i < len; i++) {
        const uint32_t b = near_bf16(bits_of(x[i]));
        x[i] = float_of(b);
        to[i] = (uint16_t)(b >> 16);
    }
}
IT_LEVELS(pack, (float *restrict x, uint16_t *restrict to, int64_t len), (x, to, len))

IT_INLINE void unpack_body(const uint16_t *restrict from, float *restrict x, int64_t len)
{
    for (int64_t i = 0; i < len; i++) x[i] = float_of((uint32_t)from[i] << 16);
}
IT_LEVELS(unpack, (const uint16_t *restrict from, float *restrict x, int64_t len), (from, x, len))

void it_operand_pack(float *x, uint16_t *to, int64_t len) { pack(x, to, len); }
void it_operand_unpack(const uint16_t *from, float *x, int64_t len) { unpack(from, x, len); }

void it_operand_round(it_products p, const float *from, float *to, int64_t len)
{
    if (p == IT_PRODUCTS_F16)
        f16(from, to, len);
    else if (p != IT_PRODUCTS_F32)
        bf16(from, to, len);
    else if (to != from)
        memcpy(to, from, (size_t)len * sizeof *to);
}

intact_status it_operand_of(it_products p, it_arena *scratch, const it_node *n, const float **x, int64_t len, intact_error *err)
{
    float *to;
    if (p == IT_PRODUCTS_F32 || len == 0)
        return INTACT_OK;
    to = it_arena_raw(scratch, (size_t)len * sizeof *to);
    if (!to)
        return it_fail_nomem(err, n->name, (size_t)len * sizeof *to);
    it_operand_round(p, *x, to, len);
    *x = to;
    return INTACT_OK;
}

typedef struct kept { it_op_state base; const intact_alloc *alloc; float *w; int64_t len; uint64_t weights_at; it_products products; } kept;

static void kept_free(it_op_state *base)
{
    kept *k = (kept *)base;
    it_alloc_free(k->alloc, k->w, (size_t)k->len * sizeof *k->w);
    it_alloc_free(k->alloc, k, sizeof *k);
}

static kept *kept_new(const intact_alloc *alloc, int64_t len)
{
    kept *k = it_alloc_zero(alloc, sizeof *k);
    float *w = it_alloc_new(alloc, (size_t)len * sizeof *w);
    if (k && w) {
        *k = (kept){ .base.free = kept_free, .alloc = alloc, .w = w, .len = len };
        return k;
    }
    it_alloc_free(alloc, w, (size_t)len * sizeof *w);
    it_alloc_free(alloc, k, sizeof *k);
    return NULL;
}

intact_status it_operand_weights(it_products p, const intact_alloc *alloc, it_op_state **state, uint64_t weights_at, const it_node *n, const float **w,
                               int64_t len, intact_error *err)
{
    kept *k;
    if (p == IT_PRODUCTS_F32 || len == 0)
        return INTACT_OK;
    if (!*state) {
        k = kept_new(alloc, len);
        if (!k)
            return it_fail_nomem(err, n->name, (size_t)len * sizeof **w);
        *state = &k->base;
    }
    k = (kept *)*state;
    if (!weights_at || weights_at != k->weights_at || p != k->products)
        it_operand_round(p, *w, k->w, len);
    k->weights_at = weights_at;
    k->products = p;
    *w = k->w;
    return INTACT_OK;
}

/* ---- the processor ---- */

#if defined(__x86_64__)
bool it_operand_has_dot(void) { return __builtin_cpu_supports("avx512bf16") != 0; }

/* Tiles, and the system saves them: bits 17 and 18 of XCR0. The vector instruction alone has half the rate of float32's on those processors. */
bool it_operand_dot_is_faster(void)
{
    unsigned a, b, c, d, low, high;
    if (!it_operand_has_dot() || !__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d >> 22 & 1))
        return false;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0)); /* there is: AVX-512 is in use */
    return (low >> 17 & 3) == 3;
}
#else
bool it_operand_has_dot(void) { return false; }
bool it_operand_dot_is_faster(void) { return false; }
#endif
