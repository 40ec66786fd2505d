/* SPDX-License-Identifier: Apache-2.0 */
/* tape_place.c: buffers to addresses: in the order of their first use, each at the lowest place that is free while it is used. */
#include <stdlib.h>

#include "train/tape.h"

#define GAP 1088 /* between neighbours, so that large buffers of equal size do not begin in the same ways of a cache */

typedef struct spot { uint32_t first, last; size_t at, bytes; } spot;
typedef struct room { spot *all; spot **near; size_t len; } room;

static int by_address(const void *a, const void *b)
{
    const spot *x = *(spot *const *)a, *y = *(spot *const *)b;
    return x->at < y->at ? -1 : x->at > y->at;
}

static size_t place(room *r, uint32_t first, uint32_t last, size_t bytes)
{
    size_t near = 0, at = 0;
    for (size_t i = 0; i < r->len; i++)
        if (r->all[i].first <= last && first <= r->all[i].last) r->near[near++] = &r->all[i];
    qsort(r->near, near, sizeof *r->near, by_address);
    for (size_t i = 0; i < near && at + bytes > r->near[i]->at; i++)
        if (r->near[i]->at + r->near[i]->bytes > at) at = r->near[i]->at + r->near[i]->bytes;
    r->all[r->len++] = (spot){ first, last, at, bytes };
    return at;
}

static intact_status place_in(it_train *t, it_tape_place where, const uint32_t *order, room *r, intact_error *err)
{
    size_t *total = where == IT_AT_WHOLE ? &t->whole_bytes : &t->local_bytes;
    r->len = 0;
    for (size_t i = 0; i < t->bufs.len; i++) {
        it_tape_buf *b = &t->bufs.items[order[i]];
        if (b->root != order[i] || b->place != where) continue;
        uint32_t first = b->first, last = b->last;
        const int pass = it_tape_pass(t, first);
        const size_t samples = where == IT_AT_WHOLE ? t->opt.batch : (size_t)t->block[it_tape_pass_seg(t, pass)];
        size_t bytes;
        if (where == IT_AT_WHOLE) { /* workers are not at the same place of a pass */
            first = (uint32_t)pass;
            last = (uint32_t)it_tape_pass(t, last);
            if (b->fixed)
                return it_fail(err, INTACT_E_UNSUPPORTED, t->g->name, "a value that does not grow with the batch is needed beyond a normalization of the batch");
        }
        if (!it_mul_size(b->per_sample, samples, &bytes) || !it_add_size(bytes, b->fixed + GAP, &bytes))
            return it_fail_nomem(err, t->g->name, SIZE_MAX);
        b->at = place(r, first, last, it_round_up(bytes, IT_ALIGN));
        if (b->at + bytes + IT_ALIGN > *total) *total = b->at + bytes + IT_ALIGN;
    }
    return INTACT_OK;
}

typedef struct born { uint32_t first, buf; } born;
static int by_birth(const void *a, const void *b)
{
    const born *x = a, *y = b;
    if (x->first != y->first) return x->first < y->first ? -1 : 1;
    return x->buf < y->buf ? -1 : x->buf > y->buf;
}

intact_status it_tape_place_all(it_train *t, intact_error *err)
{
    const size_t len = t->bufs.len;
    it_arena a;
    it_arena_init(&a, t->alloc);
    born *birth = it_arena_new(&a, len * sizeof *birth + 1);
    uint32_t *order = it_arena_new(&a, len * sizeof *order + 1);
    room r = { it_arena_new(&a, len * sizeof *r.all + 1), it_arena_new(&a, len * sizeof *r.near + 1), 0 };
    intact_status st = birth && order && r.all && r.near ? INTACT_OK : it_fail_nomem(err, t->g->name, len * sizeof *r.all);
    for (size_t i = 0; st == INTACT_OK && i < len; i++) {
        it_tape_buf *b = &t->bufs.items[i];
        birth[i] = (born){ b->first, (uint32_t)i };
        if (b->place == IT_AT_NONE && b->root == i && b->first <= b->last)
            b->place = it_tape_pass(t, b->first) == it_tape_pass(t, b->last) ? IT_AT_LOCAL : IT_AT_WHOLE;
    }
    if (st == INTACT_OK) {
        qsort(birth, len, sizeof *birth, by_birth);
        for (size_t i = 0; i < len; i++) order[i] = birth[i].buf;
        st = place_in(t, IT_AT_WHOLE, order, &r, err);
    }
    if (st == INTACT_OK) st = place_in(t, IT_AT_LOCAL, order, &r, err);
    it_arena_release(&a);
    return st;
}
