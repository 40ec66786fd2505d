/* SPDX-License-Identifier: Apache-2.0 */
/* lines.c: finds the lines of lines.h.
**
** With N(a) = (a - 128) * 256 * factor + I and I = tail * factor + 65536 * offset the line is N(a) >> (16 + shift): both roundings are
** toward minus infinity. A code q at a asks for q * 2^(16+shift) <= N(a) < (q + 1) * 2^(16+shift), hence for I in an interval. Those of all a
** together leave an interval for I, out of which tail and offset are taken. */
#include "run/kern/lines.h"

enum { SHIFT_MIN = 2, SHIFT_MAX = 7, FACTORS_TRIED = 5 };

typedef struct line { int32_t factor, offset, tail, shift; } line;

/* Codes of all a at one b: 47 bits of product and the rounding term below 2^62. */
static void exact_codes(const it_mul_consts *k, int64_t slope, uint8_t q[256])
{
    int64_t v = ((int64_t)1 << (k->shift - 1)) - k->z_a * slope;
    for (int a = 0; a < 256; a++, v += slope)
        q[a] = (uint8_t)it_clamp_s32((v >> k->shift) + k->z_y, k->lo, k->hi);
}

/* I = tail * factor + 65536 * offset within [least, most]; the offset has 16 bits. */
static bool take_apart(int64_t least, int64_t most, line *l)
{
    for (int32_t tail = 0; tail < 256; tail++) {
        const int64_t offset = (least - (int64_t)tail * l->factor + 65535) >> 16;
        if (offset >= INT16_MIN && offset <= INT16_MAX && offset * 65536 + (int64_t)tail * l->factor <= most) {
            l->offset = (int32_t)offset;
            l->tail = tail;
            return true;
        }
    }
    return false;
}

static bool fits(const it_mul_consts *k, const uint8_t q[256], line *l)
{
    const int64_t one = (int64_t)1 << (16 + l->shift), step = 256 * (int64_t)l->factor;
    int64_t least = -((int64_t)1 << 31), most = ((int64_t)1 << 31) - 1, at = -128 * step;
    for (int a = 0; a < 256; a++, at += step) {
        const int64_t low = q[a] > k->lo ? q[a] * one - at : least, high = q[a] < k->hi ? (q[a] + 1) * one - 1 - at : most;
        least = low > least ? low : least;
        most = high < most ? high : most;
    }
    return least <= most && take_apart(least, most, l);
}

static bool line_of(const it_mul_consts *k, int32_t b, line *l)
{
    const int64_t slope = (int64_t)(b - k->z_b) * k->mult; /* below 2^39 */
    uint8_t q[256];
    exact_codes(k, slope, q);
    for (l->shift = SHIFT_MAX; l->shift >= SHIFT_MIN; l->shift--) {
        const int32_t drop = k->shift - 8 - l->shift; /* factor = slope * 2^(8 + shift - s) */
        const int64_t near = (slope + ((int64_t)1 << (drop - 1))) >> drop;
        for (int i = 0; i < FACTORS_TRIED; i++) {
            const int64_t factor = near + (i % 2 ? (i + 1) / 2 : -i / 2);
            l->factor = (int32_t)factor;
            if (factor >= INT16_MIN && factor <= INT16_MAX && fits(k, q, l))
                return true;
        }
    }
    return false;
}

bool it_lines_find(const it_mul_consts *k, it_lines *lines)
{
    if (k->shift <= 8 + SHIFT_MAX)
        return false;
    for (int32_t b = 0; b < 256; b++) {
        line l;
        if (!line_of(k, b, &l))
            return false;
        lines->factor_low[b] = (uint8_t)(l.factor & 0xff);
        lines->factor_high[b] = (uint8_t)(l.factor >> 8 & 0xff);
        lines->offset_low[b] = (uint8_t)(l.offset & 0xff);
        lines->offset_high[b] = (uint8_t)(l.offset >> 8 & 0xff);
        lines->tail[b] = (uint8_t)l.tail;
        lines->shift[b] = (uint8_t)l.shift;
    }
    return true;
}
