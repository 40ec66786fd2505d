/* SPDX-License-Identifier: Apache-2.0 */
/* elem_rows_neon: elementwise kernels over rows that share something. */
#include <arm_neon.h>
#include <string.h>

#include "run/kern/kern_level.h"
#include "run/kern/lines.h"

/* ---- mul ---- */

typedef struct line_columns { int16x8_t factor[2], offset[2], shift[2]; uint8x16_t tail; } line_columns;

static inline int16x8_t words(const uint8_t *low, const uint8_t *high) /* of 8 */
{
    return vreinterpretq_s16_u16(vorrq_u16(vmovl_u8(vld1_u8(low)), vshll_n_u8(vld1_u8(high), 8)));
}

static line_columns columns_of(const it_lines *l, const uint8_t *b)
{
    uint8_t t[6 * 16];
    line_columns c;
    it_lines_gather(l, b, 16, 16, t);
    for (int h = 0; h < 2; h++) {
        c.factor[h] = words(t + 8 * h, t + 16 + 8 * h);
        c.offset[h] = words(t + 32 + 8 * h, t + 48 + 8 * h);
        c.shift[h] = vnegq_s16(vreinterpretq_s16_u16(vmovl_u8(vld1_u8(t + 80 + 8 * h))));
    }
    c.tail = vld1q_u8(t + 64);
    return c;
}

static inline int16x8_t high_half(int16x8_t x, int16x8_t m)
{
    const int32x4_t low = vmull_s16(vget_low_s16(x), vget_low_s16(m)), high = vmull_high_s16(x, m);
    return vuzp2q_s16(vreinterpretq_s16_s32(low), vreinterpretq_s16_s32(high));
}

static inline uint8x16_t line_codes(const line_columns *c, uint8x16_t a)
{
    const uint8x16_t x = veorq_u8(a, vdupq_n_u8(0x80));
    const int16x8_t x0 = vreinterpretq_s16_u8(vzip1q_u8(c->tail, x)), x1 = vreinterpretq_s16_u8(vzip2q_u8(c->tail, x));
    const int16x8_t v0 = vshlq_s16(vqaddq_s16(high_half(x0, c->factor[0]), c->offset[0]), c->shift[0]);
    const int16x8_t v1 = vshlq_s16(vqaddq_s16(high_half(x1, c->factor[1]), c->offset[1]), c->shift[1]);
    return vqmovun_high_s16(vqmovun_s16(v0), v1);
}

void it_kern_mul_rows_u8_neon(const uint8_t *a, const uint8_t *b, uint8_t *y, size_t rows, size_t n, const it_mul_consts *k)
{
    const uint8x16_t lo = vdupq_n_u8((uint8_t)k->lo), hi = vdupq_n_u8((uint8_t)k->hi);
    size_t j = 0; /* the columns before it are done */
    for (; k->lines && j + 16 <= n; j += 16) {
        const line_columns c = columns_of(k->lines, b + j);
        for (size_t r = 0, at = j; r < rows; r++, at += n)
            vst1q_u8(y + at, vminq_u8(vmaxq_u8(line_codes(&c, vld1q_u8(a + at)), lo), hi));
    }
    for (size_t r = 0; j < n && r < rows; r++)
        it_kern_mul_u8_neon(a + r * n + j, b + j, y + r * n + j, n - j, k);
}

/* ---- sums and maxima ---- */

enum { SUM16_ROWS = 256 }; /* of codes up to 255 that 16 bits hold */

static inline void sum_four(int32_t *acc, uint16x4_t v) { vst1q_s32(acc, vaddq_s32(vld1q_s32(acc), vreinterpretq_s32_u32(vmovl_u16(v)))); }

/* 16 columns. */
static void sum_column(const uint8_t *x, size_t pitch, size_t rows, int32_t *acc)
{
    while (rows > 0) {
        const size_t some = rows < SUM16_ROWS ? rows : SUM16_ROWS;
        uint16x8_t low = vdupq_n_u16(0), high = low;
        for (size_t r = 0; r < some; r++, x += pitch) {
            const uint8x16_t v = vld1q_u8(x);
            low = vaddw_u8(low, vget_low_u8(v));
            high = vaddw_high_u8(high, v);
        }
        sum_four(acc, vget_low_u16(low));
        sum_four(acc + 4, vget_high_u16(low));
        sum_four(acc + 8, vget_low_u16(high));
        sum_four(acc + 12, vget_high_u16(high));
        rows -= some;
    }
}

void it_kern_sum_rows_u8_neon(const uint8_t *x, size_t pitch, size_t rows, int32_t *acc, size_t n)
{
    size_t j = 0;
    for (; j + 16 <= n; j += 16)
        sum_column(x + j, pitch, rows, acc + j);
    if (j < n)
        it_kern_sum_rows_u8_ref(x + j, pitch, rows, acc + j, n - j);
}

void it_kern_max_taps_u8_neon(const uint8_t *x, size_t step, size_t tap_step, uint32_t taps, uint8_t *y, size_t outs, size_t n)
{
    if (n < 16) {
        it_kern_max_taps_u8_ref(x, step, tap_step, taps, y, outs, n);
        return;
    }
    for (; outs > 0; outs--, x += step, y += n)
        for (size_t j = 0; j < n; j += 16) { /* the last vector may overlap the one before it */
            const size_t at = j + 16 <= n ? j : n - 16;
            uint8x16_t v = vld1q_u8(x + at);
            for (uint32_t k = 1; k < taps; k++)
                v = vmaxq_u8(v, vld1q_u8(x + k * tap_step + at));
            vst1q_u8(y + at, v);
        }
}
