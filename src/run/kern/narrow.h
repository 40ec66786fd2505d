/* SPDX-License-Identifier: Apache-2.0 */
/* narrow.h: a shorter multiplier that gives the same codes, so that rounding, zero point and shift can follow after packing to 16 bits:
**
**   z_y + ((v * m + 2^(s-1)) >> s) = (sat16(hi32(v * m')) + ((2 * z_y + 1) << (t - 1))) >> t     for the codes within the clamp, t <= 7 */
#ifndef IT_KERN_NARROW_H
#define IT_KERN_NARROW_H

#include "base/base.h"

enum { IT_NARROW_SHIFT = 7, IT_NARROW_FROM = 33, IT_NARROW_TO = 52 /* 2^s times a code has at most 62 bits */ };

/* The places T_q where a code q (less the zero point) begins: T_q = ceil((q * 2^s - 2^(s-1)) / m), in order of q. */
typedef struct it_narrow_walk { int64_t before /* T_q - 1 */, left, step, rest, m; } it_narrow_walk;

static inline it_narrow_walk it_narrow_begin(int32_t m, int32_t s, int32_t q)
{
    it_narrow_walk w = { .step = ((int64_t)1 << s) / m, .rest = ((int64_t)1 << s) % m, .m = m };
    const int64_t x = (2 * (int64_t)q - 1) * ((int64_t)1 << (s - 1)) - 1;
    w.before = x / m - (x % m < 0);
    w.left = x - w.before * m;
    return w;
}

static inline void it_narrow_next(it_narrow_walk *w)
{
    const bool carry = w->left >= w->m - w->rest;
    w->before += w->step + carry;
    w->left += w->rest - (carry ? w->m : 0);
}

/* Where hi32(v * m') reaches code q: v * m' >= x_q. */
static inline int64_t it_narrow_reach(int32_t q, int32_t t) { return (2 * (int64_t)q - 1) * ((int64_t)1 << (t + 31)); }

/* Whether m' reaches every code in (first, last] at T_q, as far as values within +-v_max can tell. */
static inline bool it_narrow_holds(int32_t narrow, int32_t m, int32_t s, int64_t v_max, int32_t first, int32_t last, int32_t t)
{
    it_narrow_walk w = it_narrow_begin(m, s, first + 1);
    for (int32_t q = first + 1; q <= last; q++, it_narrow_next(&w)) {
        const int64_t x_q = it_narrow_reach(q, t);
        if (w.before < v_max && narrow * (w.before + 1 > -v_max ? w.before + 1 : -v_max) < x_q)
            return false;
        if (w.before >= -v_max && narrow * (w.before < v_max ? w.before : v_max) >= x_q)
            return false;
    }
    return true;
}

/* m' and t for values within +-v_max < 2^31 and IT_NARROW_FROM <= s <= IT_NARROW_TO; 0 if there is none. Only codes in (first, last], the
** clamp's less the zero point, count. If m rounded to fewer bits does not hold, the bounds of m' are divided out:
** x_q / T_q <= m' < x_q / (T_q - 1). */
static inline int32_t it_narrow_mult(int32_t m, int32_t s, int64_t v_max, int32_t first, int32_t last, int32_t *t)
{
    const int32_t drop = s - 32 - IT_NARROW_SHIFT;
    *t = drop > 0 ? IT_NARROW_SHIFT : s - 32;
    if (drop <= 0 || m <= 0)
        return m < 0 ? 0 : m;
    const int32_t rounded = (int32_t)(((int64_t)m + ((int64_t)1 << (drop - 1))) >> drop);
    if (rounded > 0 && it_narrow_holds(rounded, m, s, v_max, first, last, *t))
        return rounded;
    int64_t least = 1, most = INT32_MAX;
    it_narrow_walk w = it_narrow_begin(m, s, first + 1);
    for (int32_t q = first + 1; q <= last && least <= most; q++, it_narrow_next(&w)) {
        const int64_t x_q = it_narrow_reach(q, *t), reach = w.before + 1 > -v_max ? w.before + 1 : -v_max;
        const int64_t below = w.before < v_max ? w.before : v_max;
        if (w.before < v_max && x_q > 0 && reach > 0)
            least = (x_q + reach - 1) / reach > least ? (x_q + reach - 1) / reach : least;
        else if (w.before < v_max && x_q < 0 && reach < 0)
            most = x_q / reach < most ? x_q / reach : most;
        if (w.before >= -v_max && x_q < 0 && below < 0)
            least = x_q / below + 1 > least ? x_q / below + 1 : least;
        else if (w.before >= -v_max && x_q > 0 && below > 0)
            most = (x_q - 1) / below < most ? (x_q - 1) / below : most;
    }
    const int64_t found = least + (most - least) / 2;
    return least <= most && it_narrow_holds((int32_t)found, m, s, v_max, first, last, *t) ? (int32_t)found : 0;
}

#endif
