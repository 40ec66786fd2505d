/* SPDX-License-Identifier: Apache-2.0 */
/* knapsack.h: one choice for every item so that the sizes fit and the costs are least, exactly, on sizes rounded up to a unit. */
#ifndef IT_PTQ_KNAPSACK_H
#define IT_PTQ_KNAPSACK_H

#include "base/base.h"

#define IT_KNAPSACK_CHOICES 8

typedef struct it_knapsack_item {
    size_t len; /* 1..IT_KNAPSACK_CHOICES */
    uint64_t size[IT_KNAPSACK_CHOICES]; /* bytes, operations, time: what the budget counts */
    double cost[IT_KNAPSACK_CHOICES];
} it_knapsack_item;

uint64_t it_knapsack_least(const it_knapsack_item *items, size_t len); /* size of the smallest choices */
/* pick[len]: choices by number; of equal costs the earlier choice. E_UNSUPPORTED when even the smallest do not fit. */
INTACT_MUST_USE intact_status it_knapsack(const it_knapsack_item *items, size_t len, uint64_t budget, const intact_alloc *a, uint8_t *pick, intact_error *err);

#endif
