/* SPDX-License-Identifier: Apache-2.0 */
/* levels_lloyd.c: the levels of least squared error (Lloyd 1982, Max 1960), found exactly: with levels on a grid of 256 codes, what lies between two
** neighbouring levels costs the same whatever the others are, so the best k levels that end in a code follow from the best k - 1. */
#include <math.h>

#include "ptq/method.h"

enum { CODES = 256 };

typedef struct sums { double mass[CODES + 1], sum[CODES + 1], square[CODES + 1]; } sums; /* of the codes before */

/* Codes from..to - 1 as level. */
static double cost(const sums *s, int from, int to, int level)
{
    double e = (s->square[to] - s->square[from]) - 2.0 * level * (s->sum[to] - s->sum[from]) + (double)(level * level) * (s->mass[to] - s->mass[from]);
    return e > 0 ? e : 0;
}

/* Codes a..b - 1 between neighbouring levels a and b; from the middle on they are b's. */
static double between(const sums *s, int a, int b)
{
    int middle = (a + b + 1) / 2;
    return cost(s, a, middle, a) + cost(s, middle, b, b);
}

static int lloyd_fit(const it_code_stats of[CODES], int most, uint8_t *levels)
{
    double best[CODES][IT_QUANT_LEVELS_MAX], least = INFINITY; /* [b][k]: codes before b, with k levels before the one at b */
    uint8_t before[CODES][IT_QUANT_LEVELS_MAX];
    sums s = { { 0 }, { 0 }, { 0 } };
    int last = 0;
    for (int c = 0; c < CODES; c++) {
        s.mass[c + 1] = s.mass[c] + of[c].mass;
        s.sum[c + 1] = s.sum[c] + of[c].sum;
        s.square[c + 1] = s.square[c] + of[c].square;
    }
    for (int b = 0; b < CODES; b++) {
        for (int k = 1; k < most; k++)
            best[b][k] = INFINITY;
        best[b][0] = cost(&s, 0, b, b);
        for (int a = 0; a < b; a++) {
            const double e = between(&s, a, b);
            for (int k = 1; k < most; k++)
                if (best[a][k - 1] + e < best[b][k]) {
                    best[b][k] = best[a][k - 1] + e;
                    before[b][k] = (uint8_t)a;
                }
        }
        if (best[b][most - 1] + cost(&s, b, CODES, b) < least) {
            least = best[b][most - 1] + cost(&s, b, CODES, b);
            last = b;
        }
    }
    for (int k = most - 1; k >= 0; k--) {
        levels[k] = (uint8_t)last;
        last = k ? before[last][k] : 0;
    }
    return most;
}

const it_levels it_levels_lloyd = { .name = "lloyd", .summary = "the least squared error", .fit = lloyd_fit };
