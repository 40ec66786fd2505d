/* SPDX-License-Identifier: Apache-2.0 */
/* table.h: y = table[x] over u8 codes: what lut and requantize share. */
#ifndef IT_TABLE_H
#define IT_TABLE_H

#include "run/rows.h"
#include "run/views.h"

typedef struct it_table {
    intact_type y;
    const void *entries; /* 256, u8 or s16 as y */
    uint64_t elements;   /* per sample */
    it_fn_lut_u8 *kern;
    uint64_t pixels;     /* per sample, where x or y lies in another tensor, pixel by pixel; 0: all side by side */
    uint32_t channels, x_pitch, y_pitch; /* then, in elements */
} it_table;

/* it_instr.pitches */
static inline bool it_table_pitches(const it_kern *kern, const it_prog *p, const it_pinstr *i, const it_place *places)
{
    (void)kern;
    (void)places;
    return it_in(p, i, 0)->type == INTACT_U8 && it_channels(it_in(p, i, 0)) == it_channels(it_out(p, i, 0));
}

static inline void it_table_place(it_table *t, const it_prep *prep, const it_prog *p, const it_pinstr *i)
{
    const it_place *x = &prep->places[i->in[0]], *y = &prep->places[i->out[0]];
    if (!x->pitch && !y->pitch)
        return;
    t->pixels = it_pixels(it_in(p, i, 0));
    t->channels = it_channels(it_in(p, i, 0));
    t->x_pitch = x->pitch ? x->pitch : t->channels;
    t->y_pitch = y->pitch ? y->pitch : t->channels;
}

static inline void it_table_run_of(const it_table *t, const uint8_t *x, void *y, size_t n)
{
    if (t->y == INTACT_U8) {
        t->kern(x, y, n, t->entries);
        return;
    }
    const int16_t *entries = t->entries;
    int16_t *to = y;
    for (size_t j = 0; j < n; j++)
        to[j] = entries[x[j]];
}

static inline void it_table_rows(void *work, uint32_t begin, uint32_t end, uint32_t thread)
{
    const it_work *w = work;
    const it_table *t = w->state;
    const size_t x_step = t->x_pitch, y_step = t->y_pitch * intact_type_bytes(t->y);
    (void)thread;
    for (size_t r = begin; r < end; r++)
        it_table_run_of(t, (const uint8_t *)w->f->in[0] + r * x_step, (uint8_t *)w->f->out[0] + r * y_step, t->channels);
}

static inline void it_table_blocks(void *work, uint32_t begin, uint32_t end, uint32_t thread)
{
    const it_work *w = work;
    const it_table *t = w->state;
    it_range r = it_flat_range(begin, end, t->elements * w->f->batch);
    (void)thread;
    it_table_run_of(t, (const uint8_t *)w->f->in[0] + r.at, (uint8_t *)w->f->out[0] + r.at * intact_type_bytes(t->y), r.len);
}

static inline void it_table_run(const it_table *t, const it_frame *f)
{
    if (t->pixels)
        it_rows_for(f, t->pixels * f->batch, 2 * t->channels, it_table_rows, t);
    else
        it_flat_for(f, t->elements * f->batch, 2, it_table_blocks, t);
}

#endif
