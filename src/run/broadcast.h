/* SPDX-License-Identifier: Apache-2.0 */
/* broadcast.h: y = f(a, b), element by element, where b may have 1 in some of a's dimensions: what add and mul share. */
#ifndef IT_BROADCAST_H
#define IT_BROADCAST_H

#include "run/rows.h"

/* Dimensions of one sample, those that b treats alike merged: a row is `inner` elements of a that lie side by side; in b they lie
** side by side too (b_step 1) or are one and the same (b_step 0). Row r of a sample begins in b at it_broadcast_at(). */
typedef struct it_broadcast {
    uint64_t inner, rows; /* elements a row, rows a sample */
    uint32_t b_step;
    uint64_t a_elements, b_elements; /* per sample */
    uint32_t len;        /* of the outer dimensions, innermost first */
    uint32_t dims[INTACT_RANK_MAX];
    uint64_t b_stride[INTACT_RANK_MAX];
    bool same;   /* b has a's shape: one row, whatever the batch */
    bool shared; /* all rows of a sample meet the same row of b */
} it_broadcast;

/* Types, shapes and the clamp of an instruction with inputs a and b. */
INTACT_MUST_USE intact_status it_broadcast_check(const it_prog *p, const it_pinstr *i, int32_t lo, int32_t hi, intact_error *err);
it_broadcast it_broadcast_of(const it_prog *p, const it_pinstr *i);

/* What add and mul begin their states with. */
typedef struct it_pair it_pair;
struct it_pair {
    it_broadcast c;
    intact_type a, b, y;
    bool codes; /* all three are u8 */
    /* n elements from a_at of a and y and b_at of b, of which b_step of c is between one and the next. */
    void (*row)(const it_pair *p, const void *a, size_t a_at, const void *b, size_t b_at, void *y, size_t n);
    /* u8, b_step 1: the same by a kernel, y may be a or b. */
    void (*row_u8)(const it_pair *p, const uint8_t *a, const uint8_t *b, uint8_t *y, size_t n);
    /* u8, shared: all rows by a kernel. NULL: row by row. */
    void (*rows_u8)(const it_pair *p, const uint8_t *a, const uint8_t *b, uint8_t *y, size_t rows, size_t n);
};
it_pair it_pair_of(const it_prog *p, const it_pinstr *i);
void it_pair_run(const it_pair *p, const it_frame *f);
uint32_t it_pair_inplace(const it_pinstr *i); /* it_instr.inplace_of: y may be a, and b where that is as large */

#endif
