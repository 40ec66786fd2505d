/* SPDX-License-Identifier: Apache-2.0 */
/* views.c: tensors that lie in others: inputs of a concat in its output, slices and reshapes in what they are made from.
**
** First every tensor that could lie in another one does. Then each instruction is asked whether it honours the pitches that its tensors got
** by that (it_instr.pitches); where it does not, one of these tensors has its own bytes again, until nobody objects.
** A value is written once, so tensors that share bytes never disagree; place.c overwrites bytes only when all that lie there are dead. */
#include "run/views.h"

#include <string.h>

enum { ROUNDS = 16, FEW = 16 };

typedef struct views_work {
    const it_prog *p;
    const it_kern *kern;
    const uint8_t *limits;
    const it_pinstr *now; /* the instruction that tells of its views */
    it_place *places;
    it_view *views;  /* [tensors] */
    uint32_t *stack; /* [tensors] */
    uint8_t *port;   /* [tensors]: 1: an input of the program, 2: an output */
    uint8_t *done;   /* [tensors] */
} views_work;

void it_view_run(const it_ptensor *x, const it_ptensor *y, uint64_t at, it_view *v)
{
    const uint32_t c = it_channels(x), n = it_channels(y);
    v->flat = !(n == c && at % c == 0) && !(it_pixels(y) == 1 && at % c + n <= c);
    v->first = v->flat ? at : at / c;
    v->channel = v->flat ? 0 : (uint32_t)(at % c);
}

/* ---- where a view is ---- */

/* Fills *at for a tensor that lies in another one, which is placed; false: not possible. */
static bool place_in(const it_prog *p, const it_view *v, const it_place *in, const it_ptensor *t, it_place *at)
{
    const it_ptensor *x = &p->tensors.items[v->in];
    const size_t bytes = intact_type_bytes(t->type);
    const uint32_t pitch = in->pitch ? in->pitch : it_channels(x);
    if (v->flat && in->pitch)
        return false;
    at->root = in->root;
    at->step = in->step;
    at->inside = in->inside + (v->flat ? (size_t)v->first : (size_t)v->first * pitch + v->channel) * bytes;
    at->pitch = v->flat || it_pixels(t) == 1 || pitch == it_channels(t) ? 0 : pitch;
    return true;
}

bool it_view_holds(const it_prog *p, const it_place *places, uint32_t t, const it_view *v)
{
    it_place want;
    const it_place *at = &places[t];
    return place_in(p, v, &places[v->in], &p->tensors.items[t], &want) && at->root == want.root && at->inside == want.inside &&
           at->pitch == want.pitch && at->step == want.step;
}

static void place_alone(views_work *w, uint32_t t)
{
    it_place *at = &w->places[t];
    at->root = t;
    at->pitch = 0;
    at->inside = 0;
    at->step = it_ptensor_bytes(&w->p->tensors.items[t]);
}

/* Places t after all that it lies in. */
static void resolve(views_work *w, uint32_t t)
{
    uint32_t depth = 0;
    for (uint32_t at = t; at != IT_NO_TENSOR && !w->done[at]; at = w->views[at].in) {
        w->stack[depth++] = at;
        w->done[at] = 1;
    }
    while (depth-- > 0) {
        t = w->stack[depth];
        const it_view *v = &w->views[t];
        if (v->in == IT_NO_TENSOR || !place_in(w->p, v, &w->places[v->in], &w->p->tensors.items[t], &w->places[t]))
            place_alone(w, t);
    }
}

/* ---- which views there are ---- */

static bool may_lie(const views_work *w, uint32_t x, uint32_t y)
{
    const it_ptensor *t = w->p->tensors.items;
    return !w->port[x] && (w->limits[x] == IT_VIEW_ANY || (w->limits[x] == IT_VIEW_ALL && it_same_bytes(&t[x], &t[y])));
}

/* x, which lies nowhere yet, lies in y with all its elements in order. */
static bool lay_all(views_work *w, uint32_t x, uint32_t y)
{
    const it_ptensor *from = &w->p->tensors.items[x], *to = &w->p->tensors.items[y];
    if (!may_lie(w, x, y) || w->views[x].in != IT_NO_TENSOR || it_ptensor_elements(from) != it_ptensor_elements(to))
        return false;
    w->views[x].in = y;
    it_view_run(to, from, 0, &w->views[x]);
    return true;
}

/* Whether tensor t may be a part of y: it lies nowhere, or it is a reshape of something that can lie in t instead. */
static bool make_free(views_work *w, uint32_t t, uint32_t y)
{
    const uint32_t in = w->views[t].in;
    return may_lie(w, t, y) && (in == IT_NO_TENSOR || (may_lie(w, in, y) && lay_all(w, in, t)));
}

static void add_view(void *user, uint32_t t, const it_view *v)
{
    views_work *w = user;
    if (t != w->now->out[0]) {
        if (make_free(w, t, v->in))
            w->views[t] = *v;
    } else if (may_lie(w, t, v->in)) {
        w->views[t] = *v;
    } else if (w->port[t]) {
        lay_all(w, v->in, t); /* written where the output is wanted */
    }
}

static void find_all(views_work *w)
{
    const it_prog *p = w->p;
    for (size_t t = 0; t < p->tensors.len; t++)
        w->views[t].in = IT_NO_TENSOR;
    for (uint32_t k = 0; k < p->inputs_len; k++)
        w->port[p->inputs[k]] = 1;
    for (uint32_t k = 0; k < p->outputs_len; k++)
        w->port[p->outputs[k]] = 2;
    for (size_t k = 0; k < p->instrs.len; k++) {
        w->now = &p->instrs.items[k];
        if (w->now->kind->views)
            w->now->kind->views(p, w->now, add_view, w);
    }
}

typedef struct held { const views_work *w; bool all; } held;

static void ask_view(void *user, uint32_t t, const it_view *v)
{
    held *h = user;
    h->all = it_view_holds(h->w->p, h->w->places, t, v);
}

/* What moves nothing runs nothing. */
static bool is_idle(const views_work *w, const it_pinstr *i)
{
    held h = { .w = w };
    if (i->in_len == 1 && i->kind->views) /* one view, or none */
        i->kind->views(w->p, i, ask_view, &h);
    return h.all;
}

static bool accepts(const views_work *w, const it_pinstr *i)
{
    bool any = false;
    for (uint32_t k = 0; k < i->in_len; k++)
        any = any || w->places[i->in[k]].pitch;
    for (uint32_t k = 0; k < i->out_len; k++)
        any = any || w->places[i->out[k]].pitch;
    return !any || is_idle(w, i) || (i->kind->pitches && i->kind->pitches(w->kern, w->p, i, w->places));
}

/* Takes i's pitched tensors out of what they lie in, one by one, until it accepts the others; where there are many, all. */
static bool satisfy(views_work *w, const it_pinstr *i)
{
    bool was = true;
    for (uint32_t k = 0; k < i->in_len + i->out_len && (k > FEW || !accepts(w, i)); k++) {
        const uint32_t t = k < i->out_len ? i->out[k] : i->in[k - i->out_len];
        if (w->places[t].pitch) {
            place_alone(w, t);
            w->views[t].in = IT_NO_TENSOR;
        }
        was = false;
    }
    return was;
}

static void find_accepted(views_work *w)
{
    const it_prog *p = w->p;
    bool all = false;
    find_all(w);
    for (int round = 0; round < ROUNDS && !all; round++) {
        memset(w->done, 0, p->tensors.len);
        for (uint32_t t = 0; t < p->tensors.len; t++)
            resolve(w, t);
        all = true;
        for (size_t k = 0; k < p->instrs.len; k++)
            all = satisfy(w, &p->instrs.items[k]) && all;
    }
    for (uint32_t t = 0; t < p->tensors.len && !all; t++) /* a strange program: no views */
        place_alone(w, t);
}

intact_status it_views_find(const it_prog *p, const it_kern *kern, const uint8_t *limits, it_place *places, intact_error *err)
{
    const size_t n = p->tensors.len, bytes = n * (sizeof(it_view) + sizeof(uint32_t) + 2);
    const intact_alloc *a = p->arena.alloc;
    views_work w = { .p = p, .kern = kern, .limits = limits, .places = places, .views = it_alloc_zero(a, bytes) };
    if (!w.views)
        return it_fail_nomem(err, "memory plan", bytes);
    w.stack = (uint32_t *)(w.views + n);
    w.port = (uint8_t *)(w.stack + n);
    w.done = w.port + n;
    find_accepted(&w);
    it_alloc_free(a, w.views, bytes);
    return INTACT_OK;
}
