/* SPDX-License-Identifier: Apache-2.0 */
/* plan.c: places buffers with lifetimes into one block of memory.
**
** The problem is NP-hard; first fit and best fit over a few orders come within a percent or so of the bound on real networks.
** Slots are placed one by one; each looks at the slots placed already that live at some time together with it, by rising offset, and
** takes the first (or the tightest) gap that holds it. No two slots alive together ever overlap, whatever the order. Where that is not
** as small as the bound, what ends at the top is placed earlier. */
#include <string.h>

#include "run/program.h"

enum { MANY_SLOTS = 4096, /* from here on one order only: each costs len^2 */
       TRIES = 32,        /* times that slots at the top are moved to the front of an order, */
       TRIES_WORK = 1 << 19 }; /* but no more than fit into this, times len^2 */

typedef enum order_kind { BY_SIZE, BY_AREA, BY_LIFE, BY_TIME, ORDER_KINDS } order_kind;

typedef struct plan_work {
    it_slot *slots;
    size_t len;
    uint32_t *order;  /* slots in the order of placing */
    uint32_t *placed; /* slots placed so far, by rising offset */
    size_t *best;     /* offsets of the best plan so far */
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

/* Shell sort with Ciura's gaps: qsort() has no context argument and may allocate. */
static void sort_order(plan_work *w, order_kind kind)
{
    static const uint32_t gaps[] = { 14764, 6561, 2916, 1296, 576, 256, 132, 57, 23, 10, 4, 1 };
    for (size_t i = 0; i < w->len; i++)
        w->order[i] = (uint32_t)i;
    for (size_t g = 0; g < IT_LEN(gaps); g++) {
        for (size_t i = gaps[g]; i < w->len; i++) {
            uint32_t x = w->order[i];
            size_t j = i;
            for (; j >= gaps[g] && comes_before(w, x, w->order[j - gaps[g]], kind); j -= gaps[g])
                w->order[j] = w->order[j - gaps[g]];
            w->order[j] = x;
        }
    }
}

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

static size_t plan_all(plan_work *w)
{
    size_t bound = it_plan_bound(w->slots, w->len), peak = SIZE_MAX;
    for (int tightest = 0; tightest < 2; tightest++) {
        for (int kind = w->len > MANY_SLOTS ? BY_TIME : BY_SIZE; kind < ORDER_KINDS; kind++) {
            sort_order(w, (order_kind)kind);
            size_t now = place_all(w, tightest);
            if (now < peak) {
                peak = now;
                keep_plan(w);
            }
        }
        if (w->len > MANY_SLOTS || peak <= bound)
            break;
    }
    for (int kind = BY_SIZE; kind < ORDER_KINDS && w->len * w->len <= TRIES_WORK && peak > bound; kind++) {
        sort_order(w, (order_kind)kind);
        peak = raise_tops(w, bound, peak, kind % 2);
    }
    for (size_t i = 0; i < w->len; i++)
        w->slots[i].offset = w->best[i];
    return peak;
}

intact_status it_plan(it_slot *slots, size_t len, const intact_alloc *a, size_t *peak, intact_error *err)
{
    *peak = 0;
    if (len == 0)
        return INTACT_OK;
    size_t total = 0;
    for (size_t i = 0; i < len; i++) /* with the sum in range, no offset can leave it */
        if (slots[i].bytes > SIZE_MAX / 4 || !it_add_size(total, padded(&slots[i]), &total) || total > SIZE_MAX / 4)
            return it_fail(err, INTACT_E_NOMEM, "memory plan", "%zu buffers add up to more bytes than this machine can address", len);
    plan_work w = { .slots = slots, .len = len };
    const size_t item = 2 * sizeof(uint32_t) + sizeof(size_t);
    size_t bytes;
    if (len > UINT32_MAX || !it_mul_size(len, item, &bytes) || !(w.best = it_alloc_new(a, bytes)))
        return it_fail_nomem(err, "memory plan", len * item);
    w.order = (uint32_t *)(w.best + len);
    w.placed = w.order + len;
    *peak = plan_all(&w);
    it_alloc_free(a, w.best, bytes);
    return INTACT_OK;
}

/* The sum can only grow where a slot begins. */
size_t it_plan_bound(const it_slot *slots, size_t len)
{
    size_t bound = 0;
    for (size_t i = 0; i < len; i++) {
        size_t sum = 0;
        for (size_t j = 0; j < len; j++)
            if (slots[j].first <= slots[i].first && slots[i].first <= slots[j].last)
                sum += slots[j].bytes;
        bound = sum > bound ? sum : bound;
    }
    return bound;
}
