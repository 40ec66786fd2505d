/* SPDX-License-Identifier: Apache-2.0 */
/* knapsack.c: dynamic programming over items and sizes (multiple-choice knapsack). */
#include "ptq/knapsack.h"

#include <math.h>
#include <string.h>

#define UNITS 16384u /* steps that the budget is divided into */

uint64_t it_knapsack_least(const it_knapsack_item *items, size_t len)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < len; i++) {
        uint64_t least = items[i].size[0];
        for (size_t k = 1; k < items[i].len; k++)
            least = items[i].size[k] < least ? items[i].size[k] : least;
        sum += least;
    }
    return sum;
}

/* best[u]: least cost of the items so far in at most u units, with the choice in taken[u]. */
static void add_item(const it_knapsack_item *it, uint64_t unit, size_t units, const double *before, double *best, uint8_t *taken)
{
    for (size_t u = 0; u <= units; u++) {
        best[u] = INFINITY;
        taken[u] = 0;
        for (size_t k = 0; k < it->len; k++) {
            uint64_t need = (it->size[k] + unit - 1) / unit;
            if (need > u || !(before[u - need] + it->cost[k] < best[u]))
                continue;
            best[u] = before[u - need] + it->cost[k];
            taken[u] = (uint8_t)k;
        }
    }
}

static void take_smallest(const it_knapsack_item *items, size_t len, uint8_t *pick)
{
    for (size_t i = 0; i < len; i++) {
        pick[i] = 0;
        for (size_t k = 1; k < items[i].len; k++)
            if (items[i].size[k] < items[i].size[pick[i]])
                pick[i] = (uint8_t)k;
    }
}

intact_status it_knapsack(const it_knapsack_item *items, size_t len, uint64_t budget, const intact_alloc *a, uint8_t *pick, intact_error *err)
{
    uint64_t least = it_knapsack_least(items, len), unit = budget / UNITS ? budget / UNITS : 1;
    if (budget < least)
        return it_fail(err, INTACT_E_UNSUPPORTED, "budget", "%llu for the weights was asked for; the smallest that can be had is %llu", (unsigned long long)budget,
                       (unsigned long long)least);
    size_t units = (size_t)(budget / unit), row = units + 1, bytes = row * (2 * sizeof(double) + len);
    double *best = it_alloc_zero(a, bytes);
    if (!best)
        return it_fail_nomem(err, "budget", bytes);
    uint8_t *taken = (uint8_t *)(best + 2 * row);
    for (size_t i = 0; i < len; i++)
        add_item(&items[i], unit, units, best + i % 2 * row, best + (i + 1) % 2 * row, taken + i * row);
    if (isfinite(best[len % 2 * row + units])) {
        size_t at = units;
        for (size_t i = len; i-- > 0;) {
            pick[i] = taken[i * row + at];
            at -= (size_t)((items[i].size[pick[i]] + unit - 1) / unit);
        }
    } else {
        take_smallest(items, len, pick); /* they fit, but not once rounded up to units */
    }
    it_alloc_free(a, best, bytes);
    return INTACT_OK;
}
