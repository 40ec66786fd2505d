/* SPDX-License-Identifier: Apache-2.0 */
/* levels_entropy.c: levels that are taken equally often, so that a code tells as much as its bits can. A code that alone has more than its share
** (the zeros of a ReLU) is a level, and the others share the rest. */
#include <math.h>

#include "ptq/method.h"

enum { CODES = 256 };

/* Marks codes heavier than a share of what is left; returns how many levels and how much mass remain for the others. */
static int take_heavy(const it_code_stats of[CODES], int most, bool heavy[CODES], double *rest)
{
    *rest = 0;
    for (int c = 0; c < CODES; c++) {
        heavy[c] = false;
        *rest += of[c].mass;
    }
    for (bool found = true; found && most > 1;) {
        int top = -1;
        for (int c = 0; c < CODES; c++)
            if (!heavy[c] && of[c].mass * most > *rest && (top < 0 || of[c].mass > of[top].mass))
                top = c;
        found = top >= 0;
        if (found) {
            heavy[top] = true;
            *rest -= of[top].mass;
            most--;
        }
    }
    return most;
}

static int entropy_fit(const it_code_stats of[CODES], int most, uint8_t *levels)
{
    bool heavy[CODES], taken[CODES] = { false };
    double rest, seen = 0, mass = 0, sum = 0;
    int left = take_heavy(of, most, heavy, &rest), len = 0, part = 1;
    for (int c = 0; c < CODES; c++) {
        if (heavy[c]) {
            taken[c] = true;
            continue;
        }
        seen += of[c].mass;
        mass += of[c].mass;
        sum += of[c].sum;
        if (mass > 0 && (seen * left >= rest * part || c == CODES - 1)) { /* a share is full: its mean */
            double mean = floor(sum / mass + 0.5);
            taken[mean < 0 ? 0 : mean > CODES - 1 ? CODES - 1 : (int)mean] = true;
            mass = sum = 0;
            while (part < left && seen * left >= rest * part)
                part++;
        }
    }
    for (int c = 0; c < CODES && len < most; c++)
        if (taken[c])
            levels[len++] = (uint8_t)c;
    for (int c = CODES; c-- > 0 && len < 2;) /* fewer than two codes occur */
        if (!taken[c]) {
            levels[len++] = (uint8_t)c;
            if (len == 2 && levels[0] > levels[1]) {
                uint8_t low = levels[1];
                levels[1] = levels[0];
                levels[0] = low;
            }
        }
    return len;
}

const it_levels it_levels_entropy = { .name = "entropy", .summary = "levels that are taken equally often", .fit = entropy_fit };
