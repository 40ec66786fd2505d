/* SPDX-License-Identifier: Apache-2.0 */
/* trail.c: runs over the calibration samples that go on where those of the layer before ended. */
#include "ptq/trail.h"

#include <string.h>

#define KEPT_BYTES ((size_t)512 << 20) /* of all samples, both networks */

/* t: [live], contents behind them. lost: there was no room. */
typedef struct held { it_tensor *t; size_t bytes; uint32_t samples; bool lost; } held;

typedef struct it_trail it_trail;
struct it_trail {
    size_t at, to;           /* what is held, and where the present round goes */
    bool has;
    const it_value **live, **next; /* values read from node at, to on, that come before it */
    size_t live_len, next_len, values;
    size_t slots;
    held *held, *fresh;      /* [slots]; fresh: of to */
    size_t room;             /* bytes a slot may hold */
};

static void drop(const it_ptq *p, held *h, size_t len)
{
    for (size_t i = 0; h && i < len; i++) {
        it_alloc_free(p->alloc, h[i].t, h[i].bytes);
        h[i] = (held){ 0 };
    }
}

void it_trail_free(it_ptq *p)
{
    it_trail *t = p->trail;
    if (!t)
        return;
    drop(p, t->held, t->slots);
    drop(p, t->fresh, t->slots);
    it_alloc_free(p->alloc, t->held, t->slots * sizeof *t->held);
    it_alloc_free(p->alloc, t->fresh, t->slots * sizeof *t->fresh);
    it_alloc_free(p->alloc, t->live, t->values * sizeof *t->live);
    it_alloc_free(p->alloc, t->next, t->values * sizeof *t->next);
    it_alloc_free(p->alloc, t, sizeof *t);
    p->trail = NULL;
}

static bool reads_from(const it_graph *g, const it_value *v, size_t from)
{
    for (size_t i = from; i < g->nodes.len; i++)
        for (int k = 0; k < g->nodes.items[i]->in_len; k++)
            if (g->nodes.items[i]->in[k] == v)
                return true;
    return v->is_output;
}

/* The values that come before node at and are read behind it. */
static size_t live_at(const it_graph *g, size_t at, const it_value **live)
{
    size_t len = 0;
    for (size_t i = 0; i < g->inputs.len; i++)
        if (reads_from(g, g->inputs.items[i], at))
            live[len++] = g->inputs.items[i];
    for (size_t i = 0; i < at; i++)
        for (int k = 0; k < g->nodes.items[i]->out_len; k++) {
            const it_value *v = g->nodes.items[i]->out[k];
            if (v && !v->is_const && reads_from(g, v, at))
                live[len++] = v;
        }
    return len;
}

static intact_status make(it_ptq *p, size_t slots, intact_error *err)
{
    const size_t values = p->g->values.len + 1;
    it_trail *t = p->trail = it_alloc_zero(p->alloc, sizeof *t);
    if (!t)
        return it_fail_nomem(err, "calibration", sizeof *t);
    t->slots = slots;
    t->values = values;
    t->room = KEPT_BYTES / (slots + 1);
    t->held = it_alloc_zero(p->alloc, slots * sizeof *t->held);
    t->fresh = it_alloc_zero(p->alloc, slots * sizeof *t->fresh);
    t->live = it_alloc_zero(p->alloc, values * sizeof *t->live);
    t->next = it_alloc_zero(p->alloc, values * sizeof *t->next);
    return t->held && t->fresh && t->live && t->next ? INTACT_OK : it_fail_nomem(err, "calibration", slots * sizeof *t->held);
}

intact_status it_trail_begin(it_ptq *p, size_t to, size_t slots, intact_error *err)
{
    if (p->trail && (p->trail->at > to || p->trail->slots != slots))
        it_trail_free(p);
    if (!p->trail)
        IT_TRY(make(p, slots, err));
    p->trail->to = to;
    p->trail->next_len = live_at(p->g, to, p->trail->next);
    return INTACT_OK;
}

bool it_trail_has(const it_ptq *p) { return p->trail->has; }

uint32_t it_trail_samples(const it_ptq *p, size_t slot) { return p->trail->held[slot].samples; }

static held copy_of(const it_ptq *p, const it_exec *e, uint32_t samples)
{
    const it_trail *t = p->trail;
    held h = { .bytes = t->next_len * sizeof(it_tensor), .samples = samples, .lost = true };
    for (size_t i = 0; i < t->next_len; i++) {
        const it_tensor *v = it_exec_value(e, t->next[i]);
        if (!v)
            return h;
        h.bytes += it_tensor_bytes(v) + 15;
    }
    h.t = h.bytes > t->room ? NULL : it_alloc_new(p->alloc, h.bytes);
    if (!h.t)
        return h;
    uint8_t *to = (uint8_t *)(h.t + t->next_len);
    for (size_t i = 0; i < t->next_len; i++) {
        h.t[i] = *it_exec_value(e, t->next[i]);
        to += -(uintptr_t)to & 15;
        memcpy(to, h.t[i].data, it_tensor_bytes(&h.t[i]));
        h.t[i].data = to;
        to += it_tensor_bytes(&h.t[i]);
    }
    h.lost = false;
    return h;
}

intact_status it_trail_run(const it_ptq *p, size_t slot, it_exec *e, const it_tensor *in, uint32_t samples, intact_error *err)
{
    const it_trail *t = p->trail;
    if (t->has)
        it_exec_begin_at(e, t->at, t->live, t->held[slot].t, t->live_len);
    else
        IT_TRY(it_exec_begin(e, in, 1, err));
    IT_TRY(it_exec_advance(e, t->to, err));
    if (!t->has || t->to > t->at)
        t->fresh[slot] = copy_of(p, e, samples);
    return INTACT_OK;
}

void it_trail_end(it_ptq *p, bool all_ran)
{
    it_trail *t = p->trail;
    if (!t)
        return;
    bool kept = all_ran && (!t->has || t->to > t->at);
    for (size_t i = 0; i < t->slots; i++)
        kept = kept && !t->fresh[i].lost;
    if (kept) {
        held *h = t->held;
        const it_value **v = t->live;
        t->held = t->fresh, t->fresh = h;
        t->live = t->next, t->next = v;
        t->live_len = t->next_len;
        t->at = t->to;
        t->has = true;
    }
    drop(p, t->fresh, t->slots);
}
