/* SPDX-License-Identifier: Apache-2.0 */
/* broadcast.h: walks a tensor a and a second one b that has 1 in some of its dimensions, row by row (add, mul). */
#ifndef IT_BROADCAST_H
#define IT_BROADCAST_H

#include "run/instr.h"

/* Dimensions of one sample, those that b treats alike merged: a row is `inner` elements of a that lie side by side; in b they lie
** side by side too (b_step 1) or are one and the same (b_step 0). Row r of a sample begins in b at it_broadcast_at(). */
typedef struct it_broadcast {
    uint64_t inner, rows; /* elements a row, rows a sample */
    uint32_t b_step;
    uint64_t b_elements; /* per sample */
    uint32_t len;        /* of the outer dimensions, innermost first */
    uint32_t dims[INTACT_RANK_MAX];
    uint64_t b_stride[INTACT_RANK_MAX];
    bool same; /* b has a's shape: one row, whatever the batch */
} it_broadcast;

INTACT_MUST_USE intact_status it_broadcast_check(const it_pinstr *i, const it_ptensor *a, const it_ptensor *b, intact_error *err);
it_broadcast it_broadcast_of(const it_ptensor *a, const it_ptensor *b);

/* row counts through all samples of a batch. */
static inline uint64_t it_broadcast_at(const it_broadcast *c, uint64_t row)
{
    uint64_t at = row / c->rows * c->b_elements, r = row % c->rows;
    for (uint32_t k = 0; k < c->len; k++) {
        at += r % c->dims[k] * c->b_stride[k];
        r /= c->dims[k];
    }
    return at;
}

#endif
