/* SPDX-License-Identifier: Apache-2.0 */
/* place.c: decides for every tensor where its bytes are: the caller's buffers, or the workspace (plan.c gives the offsets). */
#include <string.h>

#include "run/machine.h"

#define NO_SLOT UINT32_MAX

typedef struct place_work {
    intact_program *p;
    it_slot *slots;    /* [tensors] at most */
    uint32_t *slot_of; /* [tensors] */
    uint32_t *last;    /* [tensors]: the last instruction that reads it; the number of instructions: read at the end */
    uint32_t slots_len;
} place_work;

static void find_last_reads(place_work *w)
{
    const it_prog *g = &w->p->prog;
    for (uint32_t k = 0; k < g->instrs.len; k++) {
        const it_pinstr *i = &g->instrs.items[k];
        for (uint32_t j = 0; j < i->out_len; j++)
            w->last[i->out[j]] = k;
        for (uint32_t j = 0; j < i->in_len; j++)
            w->last[i->in[j]] = k;
    }
}

static void new_slot(place_work *w, uint32_t tensor, uint32_t first)
{
    w->slots[w->slots_len] =
        (it_slot){ .first = first, .last = w->last[tensor], .bytes = it_ptensor_bytes(&w->p->prog.tensors.items[tensor]) };
    w->slot_of[tensor] = w->slots_len++;
    w->p->places[tensor].kind = IT_PLACE_WORK;
}

/* Inputs are read where they are; s16 ones are copied, since -32768 has to become -32767 (docs/NUMERICS.md). */
static void place_inputs(place_work *w)
{
    const it_prog *g = &w->p->prog;
    for (uint32_t k = 0; k < g->inputs_len; k++) {
        uint32_t t = g->inputs[k];
        w->p->places[t].port = k;
        if (g->tensors.items[t].type == INTACT_S16)
            new_slot(w, t, 0);
        else
            w->p->places[t].kind = IT_PLACE_IN;
    }
}

/* An output is written where the caller wants it, unless it is read again, is an input, or is wanted twice. */
static void place_outputs(place_work *w, uint8_t *read)
{
    const it_prog *g = &w->p->prog;
    for (uint32_t k = 0; k < g->outputs_len; k++) {
        it_place *at = &w->p->places[g->outputs[k]];
        if (at->kind == IT_PLACE_NOWHERE && !read[g->outputs[k]]) {
            *at = (it_place){ .kind = IT_PLACE_OUT, .port = k };
            continue;
        }
        if (at->kind == IT_PLACE_OUT)
            at->kind = IT_PLACE_NOWHERE; /* the second wish: into the workspace after all */
        read[g->outputs[k]] = 1;
        w->last[g->outputs[k]] = (uint32_t)g->instrs.len;
        if (w->slot_of[g->outputs[k]] != NO_SLOT)
            w->slots[w->slot_of[g->outputs[k]]].last = (uint32_t)g->instrs.len;
    }
}

/* out[0] takes over the slot of in[0] where the kind allows it and in[0] is not read again. */
static bool take_over(place_work *w, const it_pinstr *i, uint32_t at)
{
    const it_prog *g = &w->p->prog;
    uint32_t x = i->in[0], y = i->out[0];
    if (!i->kind->inplace || w->slot_of[x] == NO_SLOT || w->last[x] != at ||
        it_ptensor_bytes(&g->tensors.items[x]) != it_ptensor_bytes(&g->tensors.items[y]))
        return false;
    w->slot_of[y] = w->slot_of[x];
    w->slots[w->slot_of[y]].last = w->last[y];
    w->p->places[y].kind = IT_PLACE_WORK;
    return true;
}

static void place_values(place_work *w)
{
    const it_prog *g = &w->p->prog;
    for (uint32_t k = 0; k < g->instrs.len; k++) {
        const it_pinstr *i = &g->instrs.items[k];
        for (uint32_t j = 0; j < i->out_len; j++)
            if (w->p->places[i->out[j]].kind == IT_PLACE_NOWHERE && !(j == 0 && take_over(w, i, k)))
                new_slot(w, i->out[j], k);
    }
}

static intact_status place_all(place_work *w, uint8_t *read, intact_error *err)
{
    const it_prog *g = &w->p->prog;
    for (size_t t = 0; t < g->tensors.len; t++)
        w->slot_of[t] = NO_SLOT;
    for (uint32_t k = 0; k < g->instrs.len; k++)
        for (uint32_t j = 0; j < g->instrs.items[k].in_len; j++)
            read[g->instrs.items[k].in[j]] = 1;
    find_last_reads(w);
    place_inputs(w);
    place_outputs(w, read);
    place_values(w);
    IT_TRY(it_plan(w->slots, w->slots_len, w->p->alloc, &w->p->peak_bytes, err));
    for (size_t t = 0; t < g->tensors.len; t++)
        if (w->slot_of[t] != NO_SLOT)
            w->p->places[t].offset = w->slots[w->slot_of[t]].offset;
    w->p->info.peak_bytes = w->p->peak_bytes;
    w->p->info.bound_bytes = it_plan_bound(w->slots, w->slots_len);
    return INTACT_OK;
}

intact_status it_program_place(intact_program *p, intact_error *err)
{
    const size_t n = p->prog.tensors.len, bytes = n * (sizeof(it_slot) + 2 * sizeof(uint32_t) + 1);
    place_work w = { .p = p, .slots = it_alloc_zero(p->alloc, bytes) };
    p->places = it_arena_new(&p->arena, n * sizeof *p->places);
    if (!w.slots || !p->places) {
        it_alloc_free(p->alloc, w.slots, bytes);
        return it_fail_nomem(err, "memory plan", bytes);
    }
    w.slot_of = (uint32_t *)(w.slots + n);
    w.last = w.slot_of + n;
    intact_status st = place_all(&w, (uint8_t *)(w.last + n), err);
    it_alloc_free(p->alloc, w.slots, bytes);
    return st;
}
