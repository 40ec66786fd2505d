/* SPDX-License-Identifier: Apache-2.0 */
/* codes.h: weights as codes of 2, 3 or 4 bits into tables of signed bytes: how they are stored, and how they become signed bytes. */
#ifndef IT_CODES_H
#define IT_CODES_H

#include <string.h>

#include "base/base.h"

/* One row per output channel. Code k of a row is in the bits k * bits ... of the row's bytes, the lowest bit of the first byte first;
** the bits behind the last code are zero. */
typedef struct it_codes {
    const uint8_t *data;    /* rows * it_codes_row_bytes() */
    const int8_t *table;    /* 1 << bits values, or as many for each row */
    uint32_t bits;          /* 2, 3 or 4 */
    uint32_t rows, row_len; /* codes of a row */
    bool by_row;            /* a table for each row */
} it_codes;

static inline size_t it_codes_row_bytes(uint32_t bits, size_t row_len) { return row_len / 8 * bits + (row_len % 8 * bits + 7) / 8; }

static inline const uint8_t *it_codes_row(const it_codes *c, size_t row) { return c->data + row * it_codes_row_bytes(c->bits, c->row_len); }
static inline const int8_t *it_codes_table(const it_codes *c, size_t row) { return c->table + (c->by_row ? row << c->bits : 0); }

/* Eight codes fill `bits` bytes, whatever bits is. */
static inline uint32_t it_codes_eight(const uint8_t *p, uint32_t bits)
{
    uint32_t v = p[0] | (uint32_t)p[1] << 8;
    if (bits > 2)
        v |= (uint32_t)p[2] << 16;
    if (bits > 3)
        v |= (uint32_t)p[3] << 24;
    return v;
}

/* The n < 8 codes that end a row. */
static inline uint32_t it_codes_last(const uint8_t *p, uint32_t bits, size_t n)
{
    uint32_t v = 0;
    for (size_t k = 0; k < (n * bits + 7) / 8; k++)
        v |= (uint32_t)p[k] << 8 * k;
    return v;
}

/* Both values of each pair of codes, the first in the low byte. */
static inline void it_codes_pairs(const int8_t *table, uint32_t bits, uint16_t pairs[256])
{
    for (uint32_t i = 0; i < 1u << 2 * bits; i++)
        pairs[i] = (uint16_t)((uint8_t)table[i & ((1u << bits) - 1)] | (uint8_t)table[i >> bits] << 8);
}

/* bits is a constant after inlining. */
static inline __attribute__((always_inline)) void it_codes_values_of(const uint32_t bits, const uint16_t *pairs, const uint8_t *p,
                                                                     int8_t *to, size_t n)
{
    const uint32_t mask = (1u << 2 * bits) - 1;
    for (; n >= 8; n -= 8, p += bits, to += 8) {
        uint32_t v = it_codes_eight(p, bits);
        for (int i = 0; i < 4; i++) {
            memcpy(to + 2 * i, &pairs[v & mask], 2);
            v >>= 2 * bits;
        }
    }
    uint32_t v = it_codes_last(p, bits, n);
    for (size_t i = 0; i < n; i++) {
        to[i] = (int8_t)(uint8_t)pairs[v & ((1u << bits) - 1)];
        v >>= bits;
    }
}

/* n values of a row from p, which starts a group of eight; pairs from the row's table. */
static inline void it_codes_values(uint32_t bits, const uint16_t *pairs, const uint8_t *p, int8_t *to, size_t n)
{
    if (bits == 4)
        it_codes_values_of(4, pairs, p, to, n);
    else if (bits == 3)
        it_codes_values_of(3, pairs, p, to, n);
    else
        it_codes_values_of(2, pairs, p, to, n);
}

#endif
