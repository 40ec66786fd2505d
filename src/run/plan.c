/* SPDX-License-Identifier: Apache-2.0 */
/* plan.c: places buffers with lifetimes into one block of memory.
**
** The problem is NP-hard; first fit and best fit over a few orders come within a percent or so of the bound on real networks.
** Slots are placed one by one; each looks at the slots placed already that live at some time together with it, by rising offset, and
** takes the first (or the tightest) gap that holds it. No two slots alive together ever overlap, whatever the order. Where that is not
** as small as the bound, what ends at the top is placed earlier. Each order costs len^2, so where there are many slots they are placed as
** they begin, into the holes that those have left that ended: len * (log len + HOLES). */
#include <string.h>

#include "run/program.h"

enum { MANY_SLOTS = 1024,
       HOLES = 512,            /* that are remembered; what is left elsewhere stays unused */
       TRIES = 32,             /* times that slots at the top are moved to the front of an order, */
       TRIES_WORK = 1 << 19 }; /* but no more than fit into this, times len^2 */

typedef enum order_kind { BY_SIZE, BY_AREA, BY_LIFE, BY_TIME, ORDER_KINDS, BY_END } order_kind;

typedef struct hole { size_t at, bytes; } hole;

typedef struct plan_work {
    it_slot *slots;
    size_t len;
    size_t *best;     /* offsets of the best plan so far */
    uint32_t *order;  /* slots in the order of placing */
    uint32_t *placed; /* slots placed so far, by rising offset; or slots as they end */
    hole *holes;      /* [HOLES], by rising offset, none touching another or the top. Used with many slots: */
    size_t holes_len, top;
} plan_work;

static size_t padded(const it_slot *s) { return it_round_up(s->bytes, IT_ALIGN); }

static bool alive_together(const it_slot *a, const it_slot *b) { return a->first <= b->last && b->first <= a->last; }

/* What an order sorts by: larger comes first. */
static uint64_t rank_of(const it_slot *s, order_kind kind)
{
    uint64_t life = (uint64_t)s->last - s->first + 1, area;
    switch (kind) {
    case BY_SIZE:
        return s->bytes;
    case BY_AREA:
        return __builtin_mul_overflow((uint64_t)s->bytes, life, &area) ? UINT64_MAX : area;
    case BY_LIFE:
        return life;
    case BY_END:
        return UINT32_MAX - s->last;
    default:
        return UINT32_MAX - s->first;
    }
}

static bool comes_before(const plan_work *w, uint32_t a, uint32_t b, order_kind kind)
{
    const it_slot *s = &w->slots[a], *t = &w->slots[b];
    uint64_t p = rank_of(s, kind), q = rank_of(t, kind);
    if (p != q)
        return p > q;
    if (s->bytes != t->bytes)
        return s->bytes > t->bytes;
    return s->first != t->first ? s->first < t->first : a < b;
}

/* Moves what is at `at` of a heap, whose root comes last, down to its place. */
static void sift(const plan_work *w, uint32_t *heap, size_t at, size_t len, order_kind kind)
{
    const uint32_t x = heap[at];
    for (size_t below; (below = 2 * at + 1) < len; at = below) {
        if (below + 1 < len && comes_before(w, heap[below], heap[below + 1], kind))
            below++;
        if (!comes_before(w, x, heap[below], kind))
            break;
        heap[at] = heap[below];
    }
    heap[at] = x;
}

/* Heap sort: qsort() has no context argument and may allocate. */
static void sort_slots(const plan_work *w, uint32_t *to, order_kind kind)
{
    for (size_t i = 0; i < w->len; i++)
        to[i] = (uint32_t)i;
    for (size_t i = w->len / 2; i-- > 0;)
        sift(w, to, i, w->len, kind);
    for (size_t n = w->len; n-- > 1;) {
        const uint32_t last = to[0];
        to[0] = to[n];
        to[n] = last;
        sift(w, to, 0, n, kind);
    }
}

/* Through begins and ends in the order of time: the sum can only grow where a slot begins. */
static void find_bound(plan_work *w, it_plan_size *out)
{
    size_t sum = 0, ended = 0;
    sort_slots(w, w->order, BY_TIME);
    sort_slots(w, w->placed, BY_END);
    for (size_t i = 0; i < w->len; i++) {
        const it_slot *s = &w->slots[w->order[i]];
        for (; w->slots[w->placed[ended]].last < s->first; ended++) /* s itself ends later: no end of the list */
            sum -= w->slots[w->placed[ended]].bytes;
        sum += s->bytes;
        if (sum > out->bound) {
            out->bound = sum;
            out->at = s->first;
        }
    }
}

/* ---- many slots ---- */

/* The first hole that has room, or the top. */
static size_t take(plan_work *w, size_t bytes)
{
    size_t k = 0;
    while (k < w->holes_len && w->holes[k].bytes < bytes)
        k++;
    if (k == w->holes_len) {
        w->top += bytes;
        return w->top - bytes;
    }
    hole *h = &w->holes[k];
    const size_t at = h->at;
    h->at += bytes;
    h->bytes -= bytes;
    if (h->bytes == 0)
        memmove(h, h + 1, (--w->holes_len - k) * sizeof *h);
    return at;
}

static void give(plan_work *w, size_t at, size_t bytes)
{
    size_t k = w->holes_len;
    while (k > 0 && w->holes[k - 1].at > at)
        k--;
    hole *h = &w->holes[k]; /* behind it; the one before it touches it: */
    if (k > 0 && h[-1].at + h[-1].bytes == at) {
        at = h[-1].at;
        bytes += h[-1].bytes;
        memmove(h - 1, h, (w->holes_len-- - k) * sizeof *h);
        h--;
        k--;
    }
    if (k < w->holes_len && at + bytes == h->at) {
        h->at = at;
        h->bytes += bytes;
    } else if (at + bytes == w->top) {
        w->top = at;
    } else if (w->holes_len < HOLES) {
        memmove(h + 1, h, (w->holes_len++ - k) * sizeof *h);
        *h = (hole){ at, bytes };
    }
}

/* w->order and w->placed are as find_bound() left them. */
static size_t place_by_time(plan_work *w)
{
    size_t peak = 0, ended = 0;
    for (size_t i = 0; i < w->len; i++) {
        it_slot *s = &w->slots[w->order[i]];
        for (; w->slots[w->placed[ended]].last < s->first; ended++)
            if (w->slots[w->placed[ended]].bytes)
                give(w, w->slots[w->placed[ended]].offset, padded(&w->slots[w->placed[ended]]));
        s->offset = take(w, padded(s));
        peak = w->top > peak ? w->top : peak;
    }
    return peak;
}

/* ---- not so many ---- */

/* Offset for slot s among the n placed ones. */
static size_t find_gap(const plan_work *w, const it_slot *s, size_t n, bool tightest)
{
    const size_t need = padded(s);
    size_t at = 0, best = SIZE_MAX, best_gap = SIZE_MAX;
    for (size_t k = 0; k < n; k++) {
        const it_slot *o = &w->slots[w->placed[k]];
        if (!alive_together(s, o))
            continue;
        if (o->offset >= at && o->offset - at >= need && o->offset - at < best_gap) {
            if (!tightest)
                return at;
            best = at;
            best_gap = o->offset - at;
        }
        size_t end = o->offset + padded(o);
        at = end > at ? end : at;
    }
    return best != SIZE_MAX ? best : at;
}

/* Places all slots in w->order; returns the total size. */
static size_t place_all(plan_work *w, bool tightest)
{
    size_t peak = 0;
    for (size_t i = 0; i < w->len; i++) {
        it_slot *s = &w->slots[w->order[i]];
        s->offset = find_gap(w, s, i, tightest);
        size_t end = s->offset + padded(s), k = i;
        for (; k > 0 && w->slots[w->placed[k - 1]].offset > s->offset; k--)
            w->placed[k] = w->placed[k - 1];
        w->placed[k] = w->order[i];
        peak = end > peak ? end : peak;
    }
    return peak;
}

static void keep_plan(plan_work *w)
{
    for (size_t i = 0; i < w->len; i++)
        w->best[i] = w->slots[i].offset;
}

/* Whatever ends at the top was placed too late: it goes first, as often as that helps or may still help. */
static size_t raise_tops(plan_work *w, size_t bound, size_t peak, bool tightest)
{
    size_t now = place_all(w, tightest);
    const size_t fit = TRIES_WORK / (w->len * w->len), most = fit < TRIES ? fit : TRIES;
    for (size_t tries = 0; tries < most && now > bound; tries++) {
        size_t at = w->len;
        while (at > 0 && w->slots[w->order[at - 1]].offset + padded(&w->slots[w->order[at - 1]]) < now)
            at--;
        if (at < 2)
            break;
        const uint32_t top = w->order[at - 1];
        memmove(w->order + 1, w->order, (at - 1) * sizeof *w->order);
        w->order[0] = top;
        now = place_all(w, tightest);
        if (now < peak) {
            peak = now;
            keep_plan(w);
        }
    }
    return peak;
}

static size_t plan_all(plan_work *w, size_t bound)
{
    size_t peak = SIZE_MAX;
    for (int k = 0; k < 2 * ORDER_KINDS && peak > bound; k++) {
        sort_slots(w, w->order, (order_kind)(k % ORDER_KINDS));
        size_t now = place_all(w, k >= ORDER_KINDS);
        if (now < peak) {
            peak = now;
            keep_plan(w);
        }
    }
    for (int kind = BY_SIZE; kind < ORDER_KINDS && w->len * w->len <= TRIES_WORK && peak > bound; kind++) {
        sort_slots(w, w->order, (order_kind)kind);
        peak = raise_tops(w, bound, peak, kind % 2);
    }
    for (size_t i = 0; i < w->len; i++)
        w->slots[i].offset = w->best[i];
    return peak;
}

/* With the sum in range, no offset can leave it. */
static bool sum_fits(const it_slot *slots, size_t len)
{
    size_t total = 0;
    for (size_t i = 0; i < len; i++)
        if (slots[i].bytes > SIZE_MAX / 4 || !it_add_size(total, padded(&slots[i]), &total) || total > SIZE_MAX / 4)
            return false;
    return true;
}

/* only_bound: out->peak stays 0, and the slots as they are. */
static intact_status plan(it_slot *slots, size_t len, const intact_alloc *a, bool only_bound, it_plan_size *out, intact_error *err)
{
    *out = (it_plan_size){ 0 };
    if (len == 0)
        return INTACT_OK;
    if (!sum_fits(slots, len))
        return it_fail(err, INTACT_E_NOMEM, "memory plan", "%zu buffers add up to more bytes than this machine can address", len);
    const size_t item = 2 * sizeof(uint32_t) + sizeof(size_t), holes = HOLES * sizeof(hole);
    size_t bytes;
    plan_work w = { .slots = slots, .len = len };
    if (len > UINT32_MAX || !it_mul_size(len, item, &bytes) || !it_add_size(bytes, holes, &bytes) ||
        !(w.holes = it_alloc_new(a, bytes)))
        return it_fail_nomem(err, "memory plan", len * item + holes);
    w.best = (size_t *)(w.holes + HOLES);
    w.order = (uint32_t *)(w.best + len);
    w.placed = w.order + len;
    find_bound(&w, out);
    if (!only_bound)
        out->peak = len > MANY_SLOTS ? place_by_time(&w) : plan_all(&w, out->bound);
    it_alloc_free(a, w.holes, bytes);
    return INTACT_OK;
}

intact_status it_plan(it_slot *slots, size_t len, const intact_alloc *a, it_plan_size *out, intact_error *err)
{
    return plan(slots, len, a, false, out, err);
}

intact_status it_plan_bound(const it_slot *slots, size_t len, const intact_alloc *a, it_plan_size *out, intact_error *err)
{
    return plan((it_slot *)(uintptr_t)slots, len, a, true, out, err);
}
