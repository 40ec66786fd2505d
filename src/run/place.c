/* SPDX-License-Identifier: Apache-2.0 */
/* place.c: decides for every tensor where its bytes are: the caller's buffers, or the workspace (plan.c gives the offsets); inside another
** tensor (views.c), or over one that is dead. */
#include <string.h>

#include "run/machine.h"
#include "run/views.h"

#define NO_SLOT UINT32_MAX

typedef struct place_work {
    intact_program *p;
    it_slot *slots;    /* [tensors] at most */
    uint32_t *slot_of; /* [tensors]: of roots */
    uint32_t *last;    /* [tensors]: of roots: the last instruction that needs the bytes; the number of instructions: needed at the end */
    uint32_t *order;   /* [instructions] */
    uint8_t *read;     /* [tensors] */
    uint32_t slots_len;
} place_work;

static const it_place *root_of(const place_work *w, uint32_t t) { return &w->p->places[w->p->places[t].root]; }

static void find_last_uses(place_work *w)
{
    const it_prog *g = &w->p->prog;
    for (uint32_t k = 0; k < g->instrs.len; k++) {
        const it_pinstr *i = &g->instrs.items[k];
        for (uint32_t j = 0; j < i->out_len; j++)
            w->last[w->p->places[i->out[j]].root] = k;
        for (uint32_t j = 0; j < i->in_len; j++)
            w->last[w->p->places[i->in[j]].root] = k;
    }
}

static void new_slot(place_work *w, uint32_t root, uint32_t first)
{
    w->slots[w->slots_len] =
        (it_slot){ .first = first, .last = w->last[root], .bytes = it_ptensor_bytes(&w->p->prog.tensors.items[root]) };
    w->slot_of[root] = w->slots_len++;
    w->p->places[root].kind = IT_PLACE_WORK;
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

/* An output is written where the caller wants it, unless it is read again, is an input, or is wanted twice. Outputs are roots. */
static void place_outputs(place_work *w)
{
    const it_prog *g = &w->p->prog;
    for (uint32_t k = 0; k < g->outputs_len; k++) {
        const uint32_t t = g->outputs[k];
        it_place *at = &w->p->places[t];
        if (at->kind == IT_PLACE_NOWHERE && !w->read[t]) {
            at->kind = IT_PLACE_OUT;
            at->port = k;
            continue;
        }
        if (at->kind == IT_PLACE_OUT)
            at->kind = IT_PLACE_NOWHERE; /* the second wish: into the workspace after all */
        w->read[t] = 1;
        w->last[t] = (uint32_t)g->instrs.len;
        if (w->slot_of[t] != NO_SLOT)
            w->slots[w->slot_of[t]].last = (uint32_t)g->instrs.len;
    }
}

/* Whether the bytes of in[j] may be overwritten at instruction `at`: nothing that lies there is needed afterwards, and nothing else of it
** is read by i, at other places perhaps. */
static bool dies(const place_work *w, const it_pinstr *i, uint32_t j, uint32_t at)
{
    const it_place *x = &w->p->places[i->in[j]];
    for (uint32_t k = 0; k < i->in_len; k++)
        if (i->in[k] != i->in[j] && w->p->places[i->in[k]].root == x->root)
            return false;
    return w->slot_of[x->root] != NO_SLOT && w->last[x->root] == at && x->pitch == 0 &&
           x->step == it_ptensor_bytes(&w->p->prog.tensors.items[i->in[j]]);
}

/* out[0] takes over the bytes of an input where the kind allows it. */
static bool take_over(place_work *w, const it_pinstr *i, uint32_t at)
{
    const uint32_t y = i->out[0], may = it_inplace(i);
    for (uint32_t j = 0; j < i->in_len && j < 32; j++) {
        if (!(may >> j & 1) || !it_same_bytes(it_in(&w->p->prog, i, j), it_out(&w->p->prog, i, 0)) || !dies(w, i, j, at))
            continue;
        const uint32_t slot = w->slot_of[w->p->places[i->in[j]].root];
        w->slot_of[y] = slot;
        w->slots[slot].last = w->last[y];
        w->p->places[y].kind = IT_PLACE_WORK;
        return true;
    }
    return false;
}

static void place_values(place_work *w)
{
    const it_prog *g = &w->p->prog;
    for (uint32_t k = 0; k < g->instrs.len; k++) {
        const it_pinstr *i = &g->instrs.items[k];
        for (uint32_t j = 0; j < i->out_len; j++) {
            const uint32_t t = i->out[j], root = w->p->places[t].root;
            if (w->p->places[root].kind == IT_PLACE_NOWHERE && !(j == 0 && t == root && take_over(w, i, k)))
                new_slot(w, root, k);
        }
    }
}

/* Slots for p->prog in its present order, given roots. */
static intact_status plan_slots(place_work *w, intact_error *err)
{
    const it_prog *g = &w->p->prog;
    w->slots_len = 0;
    for (size_t t = 0; t < g->tensors.len; t++) {
        w->slot_of[t] = NO_SLOT;
        w->p->places[t].kind = IT_PLACE_NOWHERE;
    }
    memset(w->read, 0, g->tensors.len);
    for (uint32_t k = 0; k < g->instrs.len; k++)
        for (uint32_t j = 0; j < g->instrs.items[k].in_len; j++)
            w->read[g->instrs.items[k].in[j]] = 1;
    find_last_uses(w);
    place_inputs(w);
    place_outputs(w);
    place_values(w);
    IT_TRY(it_plan(w->slots, w->slots_len, w->p->alloc, &w->p->peak_bytes, err));
    w->p->info.peak_bytes = w->p->peak_bytes;
    w->p->info.bound_bytes = it_plan_bound(w->slots, w->slots_len);
    return INTACT_OK;
}

/* items[k] becomes what was items[order[k]]; done: zeroed, of that length. */
static void reorder(it_pinstr *items, size_t len, const uint32_t *order, uint8_t *done)
{
    for (uint32_t k = 0; k < len; k++) {
        if (done[k])
            continue;
        const it_pinstr first = items[k];
        uint32_t at = k;
        for (; order[at] != k; at = order[at]) {
            items[at] = items[order[at]];
            done[at] = 1;
        }
        items[at] = first;
        done[at] = 1;
    }
}

static void invert(uint32_t *order, size_t len, uint32_t *to)
{
    for (uint32_t k = 0; k < len; k++)
        to[order[k]] = k;
}

/* Another order, if that needs less memory when all is placed. */
static intact_status try_order(place_work *w, intact_error *err)
{
    const it_prog *g = &w->p->prog;
    const size_t n = g->instrs.len, peak = w->p->peak_bytes;
    uint32_t *back = w->order + n;
    bool better;
    IT_TRY(it_order_find(g, w->p->places, w->order, &better, err));
    if (!better)
        return INTACT_OK;
    memset(w->p->by_sample, 0, n);
    reorder(g->instrs.items, n, w->order, w->p->by_sample);
    IT_TRY(plan_slots(w, err));
    if (w->p->peak_bytes < peak)
        return INTACT_OK;
    invert(w->order, n, back);
    memset(w->p->by_sample, 0, n);
    reorder(g->instrs.items, n, back, w->p->by_sample);
    return plan_slots(w, err);
}

/* From roots and slots to every tensor, and to the instructions that have to take samples one by one. */
static intact_status finish(place_work *w, intact_error *err)
{
    const it_prog *g = &w->p->prog;
    uint32_t ports = 0;
    for (uint32_t t = 0; t < g->tensors.len; t++) {
        it_place *at = &w->p->places[t];
        const it_place *root = root_of(w, t);
        at->kind = root->kind;
        at->port = root->port;
        if (w->slot_of[at->root] != NO_SLOT)
            at->offset = w->slots[w->slot_of[at->root]].offset;
        ports += at->kind == IT_PLACE_IN || at->kind == IT_PLACE_OUT;
    }
    w->p->at_ports = it_arena_new(&w->p->arena, ports * sizeof *w->p->at_ports);
    if (!w->p->at_ports)
        return it_fail_nomem(err, "memory plan", ports * sizeof *w->p->at_ports);
    for (uint32_t t = 0; t < g->tensors.len; t++)
        if (w->p->places[t].kind == IT_PLACE_IN || w->p->places[t].kind == IT_PLACE_OUT)
            w->p->at_ports[w->p->at_ports_len++] = t;
    memset(w->p->by_sample, 0, g->instrs.len);
    for (size_t k = 0; k < g->instrs.len; k++) {
        const it_pinstr *i = &g->instrs.items[k];
        for (uint32_t j = 0; j < i->in_len + i->out_len; j++) {
            const uint32_t t = j < i->in_len ? i->in[j] : i->out[j - i->in_len];
            w->p->by_sample[k] |= w->p->places[t].step != it_place_step(&w->p->places[t], &g->tensors.items[t]);
        }
    }
    return INTACT_OK;
}

static intact_status place_all(place_work *w, const it_kern *kern, bool separate, intact_error *err)
{
    IT_TRY(it_views_find(&w->p->prog, kern, separate, w->p->places, err));
    IT_TRY(plan_slots(w, err));
    if (!separate)
        IT_TRY(try_order(w, err));
    return finish(w, err);
}

intact_status it_program_place(intact_program *p, const it_kern *kern, bool separate, intact_error *err)
{
    const size_t n = p->prog.tensors.len, m = p->prog.instrs.len;
    const size_t bytes = n * (sizeof(it_slot) + 2 * sizeof(uint32_t) + 1) + 2 * m * sizeof(uint32_t);
    place_work w = { .p = p, .slots = it_alloc_zero(p->alloc, bytes) };
    p->places = it_arena_new(&p->arena, n * sizeof *p->places);
    p->by_sample = it_arena_new(&p->arena, m);
    if (!w.slots || !p->places || !p->by_sample) {
        it_alloc_free(p->alloc, w.slots, bytes);
        return it_fail_nomem(err, "memory plan", bytes);
    }
    w.slot_of = (uint32_t *)(w.slots + n);
    w.last = w.slot_of + n;
    w.order = w.last + n;
    w.read = (uint8_t *)(w.order + 2 * m);
    intact_status st = place_all(&w, kern, separate, err);
    it_alloc_free(p->alloc, w.slots, bytes);
    return st;
}
