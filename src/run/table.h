/* SPDX-License-Identifier: Apache-2.0 */
/* table.h: y = table[x] over u8 codes: what lut and requantize share. */
#ifndef IT_TABLE_H
#define IT_TABLE_H

#include "run/rows.h"

typedef struct it_table {
    intact_type y;
    const void *entries; /* 256, u8 or s16 as y */
    uint64_t elements;   /* per sample */
    it_fn_lut_u8 *kern;
} it_table;

static inline void it_table_blocks(void *work, uint32_t begin, uint32_t end, uint32_t thread)
{
    const it_work *w = work;
    const it_table *t = w->state;
    it_range r = it_flat_range(begin, end, t->elements * w->f->batch);
    const uint8_t *x = (const uint8_t *)w->f->in[0] + r.at;
    (void)thread;
    if (t->y == INTACT_U8) {
        t->kern(x, (uint8_t *)w->f->out[0] + r.at, r.len, t->entries);
        return;
    }
    const int16_t *entries = t->entries;
    int16_t *y = (int16_t *)w->f->out[0] + r.at;
    for (size_t j = 0; j < r.len; j++)
        y[j] = entries[x[j]];
}

static inline void it_table_run(const it_table *t, const it_frame *f) { it_flat_for(f, t->elements * f->batch, 2, it_table_blocks, t); }

#endif
