/* SPDX-License-Identifier: Apache-2.0 */
/* lower_fit.c: of the multipliers near a scale, those that give the codes of ONNX Runtime's arithmetic, which multiplies the sum, as a float, by the
** scale, as a float, and rounds half to even: networks that came quantized answer as they do there, and exported ones as they do here. */
#include <math.h>

#include "op/lower.h"

#define CODES 256
#define SLACK 1024     /* sums by which float rounding may move a threshold: 2^31 has floats 128 apart */
#define FAR 18         /* multipliers further away than 2^-18 of it are not looked for: 1/1000 of a code at 255 */
#define NEAR 22        /* where thresholds contradict each other */

/* Multipliers first..last give the threshold between two codes its place; weight: how much that matters. */
typedef struct place { int64_t first, last; double weight; } place;
typedef struct places { place at[CODES]; int len; } places;

static double reference(int64_t sum, float scale) { return (double)nearbyintf((float)sum * scale); }

/* The least sum that gives j + 1 or more; outside of what can occur: false. */
static bool threshold(const it_fit *f, int32_t j, int64_t *out)
{
    double guess = ceil((j + 0.5) / (double)f->scale);
    if (!(guess > (double)(f->sum_lo - SLACK) && guess < (double)(f->sum_hi + SLACK)))
        return false;
    int64_t sum = (int64_t)guess;
    while (reference(sum - 1, f->scale) >= j + 1) sum--;
    while (reference(sum, f->scale) < j + 1) sum++;
    *out = sum;
    return sum > f->sum_lo && sum <= f->sum_hi;
}

static double importance(int32_t j) { return 1 / (1 + (double)j * j / 256); } /* codes far from zero are rare */

static int64_t div_up(int64_t a, int64_t b) { return (a + b - 1) / b; } /* a >= 0, b > 0 */

/* sum * m rounds to j + 1 and (sum - 1) * m to less: both sides of (j + 1/2) 2^s. It is below 2^31 * 2^31, as sum and m are. */
static place place_of(int32_t j, int64_t sum, int32_t s)
{
    place p = { .first = 1 << 30, .last = INT32_MAX, .weight = importance(j) };
    if (j >= 0) {
        int64_t half = (2 * (int64_t)j + 1) << (s - 1);
        p.first = div_up(half, sum);
        if (sum > 1)
            p.last = div_up(half, sum - 1) - 1;
    } else {
        int64_t half = (-2 * (int64_t)j - 1) << (s - 1);
        p.first = half / (1 - sum) + 1;
        if (sum < 0)
            p.last = half / -sum;
    }
    p.first = p.first < 1 << 30 ? 1 << 30 : p.first;
    p.last = p.last > INT32_MAX ? INT32_MAX : p.last;
    return p;
}

static double misplaced(const places *p, int64_t m)
{
    double sum = 0;
    for (int i = 0; i < p->len; i++) sum += m < p->at[i].first || m > p->at[i].last ? p->at[i].weight : 0;
    return sum;
}

static int64_t distance(int64_t a, int64_t b) { return a < b ? b - a : a - b; }

/* Where no multiplier serves all thresholds: the one that serves most of them, the nearest of those. */
static int64_t compromise(const places *p, int64_t m)
{
    places near = { .len = 0 };
    int64_t room = m >> NEAR, best = m;
    for (int i = 0; i < p->len; i++)
        if (p->at[i].first > m - room || p->at[i].last < m + room)
            near.at[near.len++] = p->at[i];
    double least = misplaced(&near, m);
    for (int i = 0; i < 2 * near.len; i++) {
        int64_t k = i & 1 ? near.at[i / 2].last : near.at[i / 2].first;
        if (distance(k, m) > room)
            continue;
        double sum = misplaced(&near, k);
        if (sum < least || (sum == least && distance(k, m) < distance(best, m))) {
            least = sum;
            best = k;
        }
    }
    return best;
}

void it_lower_fit(const it_fit *f, it_mult *mult)
{
    places p = { .len = 0 };
    int64_t m = mult->m, first = m - (m >> FAR), last = m + (m >> FAR), sum;
    if (m < 1 << 30 || !(fabs(ldexp((double)m, -mult->s) / (double)f->scale - 1) < 0x1p-20) || f->last - f->first >= CODES)
        return; /* the float scale is another number: it overflowed, or lost digits near zero */
    first = first < 1 << 30 ? 1 << 30 : first;
    last = last > INT32_MAX ? INT32_MAX : last;
    for (int32_t j = f->first; j < f->last; j++)
        if (threshold(f, j, &sum))
            p.at[p.len++] = place_of(j, sum, mult->s);
    for (int i = 0; i < p.len; i++) {
        first = p.at[i].first > first ? p.at[i].first : first;
        last = p.at[i].last < last ? p.at[i].last : last;
    }
    if (first > last)
        mult->m = (int32_t)compromise(&p, m);
    else
        mult->m = (int32_t)(m < first ? first : m > last ? last : m);
}

/* ---- the other way round ---- */

#define ULPS 24 /* on each side */

/* A threshold of integer arithmetic near enough to a tie that floats might have it elsewhere. */
typedef struct doubt { int32_t j; int64_t sum; double weight; } doubt;

static int collect_doubts(const it_fit *f, const it_mult *mult, doubt *at)
{
    const int64_t m = mult->m;
    int len = 0;
    for (int32_t j = f->first; j < f->last; j++) {
        double tie = ldexp(j + 0.5, mult->s) / (double)m;
        if (!(tie > (double)f->sum_lo && tie < (double)f->sum_hi))
            continue;
        int64_t half = (2 * (int64_t)j + 1) * ((int64_t)1 << (mult->s - 1)), sum = half / m; /* below 2^62: f's sums are */
        sum += sum * m < half; /* up; truncation was up below zero */
        int64_t over = sum * m - half, near = (half < 0 ? -half : half) >> 19;
        if (over < near || m - over < near)
            at[len++] = (doubt){ j, sum, importance(j) };
    }
    return len;
}

static double disagreement(const doubt *at, int len, float scale)
{
    double sum = 0;
    for (int i = 0; i < len; i++)
        sum += reference(at[i].sum, scale) >= at[i].j + 1 && reference(at[i].sum - 1, scale) < at[i].j + 1 ? 0 : at[i].weight;
    return sum;
}

float it_lower_fit_weight(const it_fit *f, const it_mult *mult, float s_x, float s_w, float s_y)
{
    doubt at[CODES];
    if (mult->m < 1 << 30 || f->last - f->first >= CODES)
        return s_w;
    int len = collect_doubts(f, mult, at);
    float best = s_w, down = s_w, up = s_w;
    double least = disagreement(at, len, s_x * s_w / s_y);
    for (int n = 0; n < 2 * ULPS && least > 0; n++) {
        float v = n & 1 ? (up = nextafterf(up, INFINITY)) : (down = nextafterf(down, 0));
        double sum = disagreement(at, len, s_x * v / s_y);
        if (sum < least) {
            least = sum;
            best = v;
        }
    }
    return best;
}

/* ---- sums of two ---- */

#define CLOSE 12 /* pairs of codes within 2^-12 of a tie may be rounded otherwise by floats */
#define PAIRS 2048 /* more: the scales make ties by themselves, which no multiplier rounds half to even */
#define REACH 32 /* steps of 2^(s-26) tried for each multiplier: 255 * 2^-21 of a code each, both together what is close */

typedef struct pair { int32_t a, b; int64_t least; bool passes; double weight; } pair; /* a * m_a + b * m_b must reach least, or must not */

/* QLinearAdd: fused products upon one constant. */
static double reference_sum(const it_fit_sum *f, int32_t a, int32_t b)
{
    float of_a = f->scale_a / f->scale_y, of_b = f->scale_b / f->scale_y;
    float fixed = (float)f->zero_y - (of_a * (float)f->zero_a + of_b * (float)f->zero_b);
    return (double)nearbyintf(fmaf((float)a, of_a, fmaf((float)b, of_b, fixed)));
}

static int collect(const it_fit_sum *f, const it_add_args *g, pair *at)
{
    int len = 0;
    const int64_t one = (int64_t)1 << g->shift, half = one / 2, close = one >> CLOSE;
    for (int32_t a = 0; a < CODES; a++)
        for (int32_t b = 0; b < CODES; b++) {
            int64_t v = (int64_t)(a - f->zero_a) * g->m_a + (int64_t)(b - f->zero_b) * g->m_b, near = (v + half + close) & (one - 1);
            if (near >= 2 * close)
                continue;
            if (len == PAIRS)
                return 0;
            int64_t tie = v + close - near, upper = ((tie + half) >> g->shift) + f->zero_y; /* the code from there on */
            if (upper > g->lo && upper <= g->hi)
                at[len++] = (pair){ a - f->zero_a, b - f->zero_b, tie, reference_sum(f, a, b) >= (double)upper,
                                    importance(a - f->zero_a) * importance(b - f->zero_b) };
        }
    return len;
}

static double failures(const pair *at, int len, int64_t m_a, int64_t m_b)
{
    double sum = 0;
    for (int i = 0; i < len; i++) sum += (at[i].a * m_a + at[i].b * m_b >= at[i].least) != at[i].passes ? at[i].weight : 0;
    return sum;
}

void it_lower_fit_sum(const it_fit_sum *f, it_add_args *g)
{
    pair at[PAIRS];
    if (g->shift < 27 || g->shift > 60)
        return;
    int len = collect(f, g, at), nearest = INT32_MAX;
    double least = failures(at, len, g->m_a, g->m_b);
    int64_t step = (int64_t)1 << (g->shift - 26), m_a = g->m_a, m_b = g->m_b;
    for (int i = -REACH; i <= REACH && least > 0; i++)
        for (int k = -REACH; k <= REACH; k++) {
            int64_t a = m_a + i * step, b = m_b + k * step;
            int far = i * i + k * k;
            double bad = failures(at, len, a, b);
            if (a > INT32_MAX || b > INT32_MAX || a < 0 || b < 0 || bad > least || (bad == least && far >= nearest))
                continue;
            least = bad;
            nearest = far;
            g->m_a = (int32_t)a;
            g->m_b = (int32_t)b;
        }
}
