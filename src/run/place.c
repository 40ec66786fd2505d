/* SPDX-License-Identifier: Apache-2.0 */
/* place.c: decides for every tensor where its bytes are: the caller's buffers, or the workspace (plan.c gives the offsets); inside another
** tensor (views.c), or over one that is dead. */
#include <string.h>

#include "run/machine.h"
#include "run/views.h"

#define NO_SLOT UINT32_MAX

enum { ROUNDS = 8, INSTANTS = 64 }; /* times that views are given up to need less memory; instants each that are looked at */

/* Where everything is in one order of the instructions. */
typedef struct layout {
    it_plan_size size;
    it_place *places;  /* [tensors] */
    it_slot *slots;    /* [tensors] at most */
    uint32_t *slot_of; /* [tensors]: of roots */
    uint32_t *order;   /* [instructions]: which of w->instrs comes k-th */
    uint32_t slots_len;
} layout;

typedef struct place_work {
    intact_program *p;
    const it_kern *kern;
    const it_pinstr *instrs; /* [instructions]: in the order in which the program came */
    layout *best, *now, *other;
    uint32_t *last;   /* [tensors]: of roots: the last instruction that needs the bytes; the number of instructions: needed at the end */
    uint32_t *begin, *end; /* [tensors]: the same of tensors by themselves */
    uint64_t *needed; /* [tensors]: of roots: by what lies there */
    size_t *live;     /* [instructions + 2]: bytes alive at each; at the end; 0 */
    uint8_t *read;    /* [tensors] */
    uint8_t *limits;  /* [tensors]: it_view_limit */
} place_work;

/* ---- slots of one layout ---- */

static void set_order(place_work *w, const layout *l)
{
    for (size_t k = 0; k < w->p->prog.instrs.len; k++)
        w->p->prog.instrs.items[k] = w->instrs[l->order[k]];
}

static void find_last_uses(place_work *w, const layout *l)
{
    const it_prog *g = &w->p->prog;
    for (uint32_t k = 0; k < g->instrs.len; k++) {
        const it_pinstr *i = &g->instrs.items[k];
        for (uint32_t j = 0; j < i->out_len; j++)
            w->last[l->places[i->out[j]].root] = k;
        for (uint32_t j = 0; j < i->in_len; j++)
            w->last[l->places[i->in[j]].root] = k;
    }
}

static void new_slot(place_work *w, layout *l, uint32_t root, uint32_t first)
{
    l->slots[l->slots_len] =
        (it_slot){ .first = first, .last = w->last[root], .bytes = it_ptensor_bytes(&w->p->prog.tensors.items[root]) };
    l->slot_of[root] = l->slots_len++;
    l->places[root].kind = IT_PLACE_WORK;
}

/* Inputs are read where they are; s16 ones are copied, since -32768 has to become -32767 (docs/NUMERICS.md). */
static void place_inputs(place_work *w, layout *l)
{
    const it_prog *g = &w->p->prog;
    for (uint32_t k = 0; k < g->inputs_len; k++) {
        uint32_t t = g->inputs[k];
        l->places[t].port = k;
        if (g->tensors.items[t].type == INTACT_S16)
            new_slot(w, l, t, 0);
        else
            l->places[t].kind = IT_PLACE_IN;
    }
}

/* An output is written where the caller wants it, unless it is read again, is an input, or is wanted twice. Outputs are roots. */
static void place_outputs(place_work *w, layout *l)
{
    const it_prog *g = &w->p->prog;
    for (uint32_t k = 0; k < g->outputs_len; k++) {
        const uint32_t t = g->outputs[k];
        it_place *at = &l->places[t];
        if (at->kind == IT_PLACE_NOWHERE && !w->read[t]) {
            at->kind = IT_PLACE_OUT;
            at->port = k;
            continue;
        }
        if (at->kind == IT_PLACE_OUT)
            at->kind = IT_PLACE_NOWHERE; /* the second wish: into the workspace after all */
        w->read[t] = 1;
        w->last[t] = (uint32_t)g->instrs.len;
        if (l->slot_of[t] != NO_SLOT)
            l->slots[l->slot_of[t]].last = (uint32_t)g->instrs.len;
    }
}

/* Whether the bytes of in[j] may be overwritten at instruction `at`: nothing that lies there is needed afterwards, and nothing else of it
** is read by i, at other places perhaps. */
static bool dies(const place_work *w, const layout *l, const it_pinstr *i, uint32_t j, uint32_t at)
{
    const it_place *x = &l->places[i->in[j]];
    for (uint32_t k = 0; k < i->in_len; k++)
        if (i->in[k] != i->in[j] && l->places[i->in[k]].root == x->root)
            return false;
    return l->slot_of[x->root] != NO_SLOT && w->last[x->root] == at && x->pitch == 0 &&
           x->step == it_ptensor_bytes(&w->p->prog.tensors.items[i->in[j]]);
}

/* out[0] takes over the bytes of an input where the kind allows it. */
static bool take_over(place_work *w, layout *l, const it_pinstr *i, uint32_t at)
{
    const uint32_t y = i->out[0], may = it_inplace(i);
    for (uint32_t j = 0; j < i->in_len && j < 32; j++) {
        if (!(may >> j & 1) || !it_same_bytes(it_in(&w->p->prog, i, j), it_out(&w->p->prog, i, 0)) || !dies(w, l, i, j, at))
            continue;
        const uint32_t slot = l->slot_of[l->places[i->in[j]].root];
        l->slot_of[y] = slot;
        l->slots[slot].last = w->last[y];
        l->places[y].kind = IT_PLACE_WORK;
        return true;
    }
    return false;
}

static void place_values(place_work *w, layout *l)
{
    const it_prog *g = &w->p->prog;
    for (uint32_t k = 0; k < g->instrs.len; k++) {
        const it_pinstr *i = &g->instrs.items[k];
        for (uint32_t j = 0; j < i->out_len; j++) {
            const uint32_t t = i->out[j], root = l->places[t].root;
            if (l->places[root].kind == IT_PLACE_NOWHERE && !(j == 0 && t == root && take_over(w, l, i, k)))
                new_slot(w, l, root, k);
        }
    }
}

/* From l's order and the roots of its places. */
static void find_slots(place_work *w, layout *l)
{
    const it_prog *g = &w->p->prog;
    set_order(w, l);
    l->slots_len = 0;
    for (size_t t = 0; t < g->tensors.len; t++) {
        l->slot_of[t] = NO_SLOT;
        l->places[t].kind = IT_PLACE_NOWHERE;
    }
    memset(w->read, 0, g->tensors.len);
    for (uint32_t k = 0; k < g->instrs.len; k++)
        for (uint32_t j = 0; j < g->instrs.items[k].in_len; j++)
            w->read[g->instrs.items[k].in[j]] = 1;
    find_last_uses(w, l);
    place_inputs(w, l);
    place_outputs(w, l);
    place_values(w, l);
}

static intact_status plan(place_work *w, layout *l, intact_error *err)
{
    find_slots(w, l);
    return it_plan(l->slots, l->slots_len, w->p->alloc, &l->size, err);
}

/* ---- the best of several layouts ---- */

static void swap(layout **a, layout **b)
{
    layout *was = *a;
    *a = *b;
    *b = was;
}

static void first_order(const place_work *w, layout *l)
{
    for (uint32_t k = 0; k < w->p->prog.instrs.len; k++)
        l->order[k] = k;
}

/* Into w->now: views within the limits, in the program's order, or in another one if that needs less memory when all is placed. */
static intact_status plan_views(place_work *w, bool keep_order, intact_error *err)
{
    const it_prog *g = &w->p->prog;
    bool better = false;
    first_order(w, w->now);
    set_order(w, w->now);
    IT_TRY(it_views_find(g, w->kern, w->limits, w->now->places, err));
    IT_TRY(plan(w, w->now, err));
    if (keep_order)
        return INTACT_OK;
    IT_TRY(it_order_find(g, w->now->places, w->other->order, &better, err));
    if (!better)
        return INTACT_OK;
    memcpy(w->other->places, w->now->places, g->tensors.len * sizeof *w->now->places);
    IT_TRY(plan(w, w->other, err));
    if (w->other->size.peak < w->now->size.peak)
        swap(&w->now, &w->other);
    return INTACT_OK;
}

/* From its first to its last use. */
static void find_lives(place_work *w)
{
    const it_prog *g = &w->p->prog;
    memset(w->begin, 0, g->tensors.len * sizeof *w->begin);
    memset(w->end, 0, g->tensors.len * sizeof *w->end);
    for (uint32_t k = 0; k < g->instrs.len; k++) {
        const it_pinstr *i = &g->instrs.items[k];
        for (uint32_t j = 0; j < i->out_len; j++)
            w->begin[i->out[j]] = w->end[i->out[j]] = k;
        for (uint32_t j = 0; j < i->in_len; j++)
            w->end[i->in[j]] = k;
    }
    for (uint32_t k = 0; k < g->outputs_len; k++)
        w->end[g->outputs[k]] = (uint32_t)g->instrs.len;
}

static void find_live(place_work *w, const layout *l)
{
    const size_t n = w->p->prog.instrs.len;
    memset(w->live, 0, (n + 2) * sizeof *w->live);
    for (uint32_t k = 0; k < l->slots_len; k++) {
        w->live[l->slots[k].first] += l->slots[k].bytes;
        w->live[l->slots[k].last + 1] -= l->slots[k].bytes; /* together never below 0 */
    }
    for (size_t k = 0; k < n; k++)
        w->live[k + 1] += w->live[k];
}

static bool alive(const place_work *w, uint32_t t, uint32_t at) { return w->begin[t] <= at && at <= w->end[t]; }

/* All bytes of a root are kept for the tensors that lie in it. Where these are fewer bytes themselves, at this instant of w->now, they
** shall lie in it no more. False: there are none. */
static bool limit_at(place_work *w, uint32_t at)
{
    const it_ptensor *tensors = w->p->prog.tensors.items;
    const uint32_t n = (uint32_t)w->p->prog.tensors.len;
    const layout *l = w->now;
    bool any = false;
    memset(w->needed, 0, n * sizeof *w->needed);
    for (uint32_t t = 0; t < n; t++)
        if (alive(w, t, at))
            w->needed[l->places[t].root] += it_ptensor_bytes(&tensors[t]);
    for (uint32_t t = 0; t < n; t++) {
        const uint32_t root = l->places[t].root;
        if (t == root || !alive(w, t, at) || w->needed[root] >= it_ptensor_bytes(&tensors[root]) || l->slot_of[root] == NO_SLOT ||
            w->limits[t] != IT_VIEW_ANY)
            continue;
        w->limits[t] = IT_VIEW_ALL;
        any = true;
    }
    return any;
}

/* The same where w->now needs more than it shall. */
static bool limit_views(place_work *w, size_t most)
{
    const layout *l = w->now;
    bool any = false;
    set_order(w, l);
    find_lives(w);
    find_live(w, l);
    for (uint32_t k = 0, n = 0; k <= w->p->prog.instrs.len && n < INSTANTS; k++)
        if (w->live[k] > most || w->live[k] == l->size.bound) {
            any = limit_at(w, k) || any;
            n++;
        }
    return any;
}

/* Other ones than reshapes. */
static bool has_views(const place_work *w)
{
    const it_ptensor *t = w->p->prog.tensors.items;
    bool any = false;
    for (uint32_t k = 0; k < w->p->prog.tensors.len; k++)
        any = any || !it_same_bytes(&t[k], &t[w->now->places[k].root]);
    return any;
}

/* Views save copies, and memory mostly. But the bytes of a whole tensor may be kept for long for the sake of a small one in it. Where less
** is needed without any views, only those remain with which it is no more than that. */
static intact_status plan_best(place_work *w, intact_error *err)
{
    const size_t n = w->p->prog.tensors.len;
    IT_TRY(plan_views(w, false, err));
    const bool any = has_views(w);
    swap(&w->now, &w->best);
    if (!any)
        return INTACT_OK;
    memset(w->limits, IT_VIEW_ALL, n);
    IT_TRY(plan_views(w, false, err));
    if (w->best->size.peak <= w->now->size.peak)
        return INTACT_OK;
    swap(&w->now, &w->best);
    memset(w->limits, IT_VIEW_ANY, n);
    for (int round = 0; round < ROUNDS; round++) {
        IT_TRY(plan_views(w, false, err));
        if (w->now->size.peak <= w->best->size.peak) {
            swap(&w->now, &w->best);
            break;
        }
        if (!limit_views(w, w->best->size.peak))
            break;
    }
    return INTACT_OK;
}

/* Of w->best's order, with its views or with none. */
static intact_status find_bound(place_work *w, intact_error *err)
{
    const size_t n = w->p->prog.tensors.len, m = w->p->prog.instrs.len;
    memcpy(w->now->order, w->best->order, m * sizeof *w->best->order);
    memset(w->limits, IT_VIEW_NONE, n);
    IT_TRY(it_views_find(&w->p->prog, w->kern, w->limits, w->now->places, err));
    find_slots(w, w->now);
    IT_TRY(it_plan_bound(w->now->slots, w->now->slots_len, w->p->alloc, &w->now->size, err));
    w->p->info.bound_bytes = w->now->size.bound < w->best->size.bound ? w->now->size.bound : w->best->size.bound;
    return INTACT_OK;
}

/* ---- what the program keeps ---- */

/* From roots and slots to every tensor, and to the instructions that have to take samples one by one. */
static intact_status finish(place_work *w, intact_error *err)
{
    const it_prog *g = &w->p->prog;
    const layout *l = w->best;
    uint32_t ports = 0;
    set_order(w, l);
    w->p->info.peak_bytes = w->p->peak_bytes = l->size.peak;
    for (uint32_t t = 0; t < g->tensors.len; t++) {
        const it_place *root = &l->places[l->places[t].root];
        it_place *at = &w->p->places[t];
        *at = l->places[t];
        at->kind = root->kind;
        at->port = root->port;
        if (l->slot_of[at->root] != NO_SLOT)
            at->offset = l->slots[l->slot_of[at->root]].offset;
        ports += at->kind == IT_PLACE_IN || at->kind == IT_PLACE_OUT;
    }
    w->p->at_ports = it_arena_new(&w->p->arena, ports * sizeof *w->p->at_ports);
    if (!w->p->at_ports)
        return it_fail_nomem(err, "memory plan", ports * sizeof *w->p->at_ports);
    for (uint32_t t = 0; t < g->tensors.len; t++)
        if (w->p->places[t].kind == IT_PLACE_IN || w->p->places[t].kind == IT_PLACE_OUT)
            w->p->at_ports[w->p->at_ports_len++] = t;
    for (size_t k = 0; k < g->instrs.len; k++) {
        const it_pinstr *i = &g->instrs.items[k];
        for (uint32_t j = 0; j < i->in_len + i->out_len; j++) {
            const uint32_t t = j < i->in_len ? i->in[j] : i->out[j - i->in_len];
            w->p->by_sample[k] |= w->p->places[t].step != it_place_step(&w->p->places[t], &g->tensors.items[t]);
        }
    }
    return INTACT_OK;
}

static intact_status place_all(place_work *w, bool separate, intact_error *err)
{
    memset(w->limits, separate ? IT_VIEW_NONE : IT_VIEW_ANY, w->p->prog.tensors.len);
    if (separate) {
        IT_TRY(plan_views(w, true, err));
        swap(&w->now, &w->best);
    } else {
        IT_TRY(plan_best(w, err));
    }
    IT_TRY(find_bound(w, err));
    return finish(w, err);
}

/* The next piece of a block. */
static void *piece(uint8_t **at, size_t items, size_t size)
{
    void *p = *at;
    *at += it_round_up(items * size, IT_ALIGN);
    return p;
}

static void cut_layout(layout *l, uint8_t **at, size_t tensors, size_t instrs)
{
    l->places = piece(at, tensors, sizeof *l->places);
    l->slots = piece(at, tensors, sizeof *l->slots);
    l->slot_of = piece(at, tensors, sizeof *l->slot_of);
    l->order = piece(at, instrs, sizeof *l->order);
}

intact_status it_program_place(intact_program *p, const it_kern *kern, bool separate, intact_error *err)
{
    enum { LAYOUTS = 3, PIECES = 4 * LAYOUTS + 8 };
    const size_t n = p->prog.tensors.len, m = p->prog.instrs.len;
    const size_t bytes = LAYOUTS * (n * (sizeof(it_place) + sizeof(it_slot) + sizeof(uint32_t)) + m * sizeof(uint32_t)) +
                         n * (3 * sizeof(uint32_t) + sizeof(uint64_t) + 2) + m * sizeof(it_pinstr) + (m + 2) * sizeof(size_t) +
                         PIECES * IT_ALIGN;
    layout layouts[LAYOUTS];
    place_work w = { .p = p, .kern = kern, .best = &layouts[0], .now = &layouts[1], .other = &layouts[2] };
    uint8_t *block = it_alloc_zero(p->alloc, bytes), *at = block;
    p->places = it_arena_new(&p->arena, n * sizeof *p->places);
    p->by_sample = it_arena_new(&p->arena, m);
    if (!block || !p->places || !p->by_sample) {
        it_alloc_free(p->alloc, block, bytes);
        return it_fail_nomem(err, "memory plan", bytes);
    }
    for (int k = 0; k < LAYOUTS; k++)
        cut_layout(&layouts[k], &at, n, m);
    w.last = piece(&at, n, sizeof *w.last);
    w.begin = piece(&at, n, sizeof *w.begin);
    w.end = piece(&at, n, sizeof *w.end);
    w.needed = piece(&at, n, sizeof *w.needed);
    w.live = piece(&at, m + 2, sizeof *w.live);
    w.read = piece(&at, n, 1);
    w.limits = piece(&at, n, 1);
    w.instrs = memcpy(piece(&at, m, sizeof *w.instrs), p->prog.instrs.items, m * sizeof *w.instrs);
    intact_status st = place_all(&w, separate, err);
    it_alloc_free(p->alloc, block, bytes);
    return st;
}
