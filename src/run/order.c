/* SPDX-License-Identifier: Apache-2.0 */
/* order.c: another order of the instructions may need less memory where a network branches.
**
** The program falls into segments: each ends with an instruction that needs all before it and that all behind it need, so no order moves
** anything across. Within a segment a beam search goes through the sets of instructions done: what is alive depends only on the set, so of
** two ways to one set only the one with the smaller peak goes on. While no more than BEAM sets of one size are worth keeping, which is so
** for all common networks, the result is the best there is. The time is linear in the number of instructions, and limited by VISITS. */
#include <string.h>

#include "run/views.h"

enum { SEGMENT_MAX = 256, WORDS = SEGMENT_MAX / 64, BEAM = 32, REUSES = 2, NONE = -1,
       VISITS = 1 << 25 /* of roots, in all segments together: four of the longest, with three roots an instruction */ };

typedef struct root { /* of the whole program, or of a segment */
    size_t bytes;
    uint32_t first, last;  /* instructions that touch it, in the present order; last: the number of instructions: needed at the end */
    uint32_t local;        /* its index in the segment that was the `seen`-th to be opened */
    uint32_t seen;
    uint32_t touched;      /* 1 + the last instruction that listed it */
    bool output, read;     /* of the program; by an instruction */
    uint64_t by[WORDS];    /* local: the instructions of the segment that touch it */
    bool before, beyond;   /* local: alive before the segment, after it */
} root;

typedef struct instr { /* of a segment */
    uint32_t at, len;      /* the roots that it touches, in order_work.touches */
    int32_t over[REUSES], y; /* y may take the bytes of the roots over[], where they die; NONE: not */
    uint64_t needs[WORDS]; /* instructions of the segment that come before it */
} instr;

typedef struct state {
    uint64_t done[WORDS];
    size_t live, peak;
    uint32_t from, instr; /* the state of the level before, what was done there */
} state;

typedef struct segment { uint32_t begin, len; size_t peak; } segment;

typedef struct order_work {
    const it_prog *p;
    const it_place *places;
    root *roots;       /* [tensors] */
    root *local;       /* [tensors] */
    size_t *live;      /* [instructions + 1]: bytes alive before each, whatever the order inside segments, at segments' begins */
    instr *instrs;     /* [SEGMENT_MAX] */
    state *states;     /* [SEGMENT_MAX + 1][BEAM] */
    segment *segments; /* [instructions] */
    uint32_t *producer;/* [tensors]: the instruction that writes it; the number of instructions: none */
    uint32_t *reach;   /* [instructions]: the least reader of its outputs, of those up to it the largest; then where it may be cut */
    uint32_t *touches; /* [operands of all instructions] */
    uint32_t segments_len, local_len, opened;
    uint32_t len[SEGMENT_MAX + 1]; /* states of each level */
} order_work;

static uint32_t operands(const it_pinstr *i) { return i->in_len + i->out_len; }
static uint32_t operand(const it_pinstr *i, uint32_t k) { return k < i->in_len ? i->in[k] : i->out[k - i->in_len]; }

static bool has(const uint64_t *set, uint32_t k) { return set[k / 64] >> (k % 64) & 1; }
static void put(uint64_t *set, uint32_t k) { set[k / 64] |= UINT64_C(1) << (k % 64); }

/* ---- the whole program ---- */

static void find_roots(order_work *w)
{
    const it_prog *p = w->p;
    const uint32_t n = (uint32_t)p->instrs.len;
    for (uint32_t t = 0; t < p->tensors.len; t++) {
        w->roots[t] = (root){ .bytes = it_round_up(it_ptensor_bytes(&p->tensors.items[t]), IT_ALIGN), .first = n };
        w->producer[t] = n;
    }
    for (uint32_t k = 0; k < p->outputs_len; k++)
        w->roots[p->outputs[k]].output = true;
    for (uint32_t k = 0; k < n; k++) {
        const it_pinstr *i = &p->instrs.items[k];
        for (uint32_t j = 0; j < operands(i); j++) {
            root *r = &w->roots[w->places[operand(i, j)].root];
            r->first = r->first < k ? r->first : k;
            r->last = k;
        }
        for (uint32_t j = 0; j < i->out_len; j++)
            w->producer[i->out[j]] = k;
        for (uint32_t j = 0; j < i->in_len; j++)
            w->roots[i->in[j]].read = true;
    }
    for (uint32_t t = 0; t < p->tensors.len; t++)
        if (w->roots[t].output) { /* in the caller's buffer, unless it is read */
            w->roots[t].bytes = w->roots[t].read ? w->roots[t].bytes : 0;
            w->roots[t].last = n;
        }
    for (uint32_t k = 0; k < p->inputs_len; k++) {
        root *r = &w->roots[p->inputs[k]];
        r->bytes = p->tensors.items[p->inputs[k]].type == INTACT_S16 ? r->bytes : 0;
        r->first = 0;
    }
    for (uint32_t t = 0; t < p->tensors.len; t++)
        if (w->places[t].root == t && w->roots[t].first < n) {
            w->live[w->roots[t].first + 1] += w->roots[t].bytes;
            if (w->roots[t].last < n)
                w->live[w->roots[t].last + 1] -= w->roots[t].bytes; /* together never below 0 */
        }
    for (uint32_t k = 0; k < n; k++)
        w->live[k + 1] += w->live[k];
}

/* Instruction k ends a segment if each one before it is read by one up to k (so, link by link, k needs all of them) and each one behind it
** reads one from k on. */
static void find_segments(order_work *w)
{
    const it_prog *p = w->p;
    const uint32_t n = (uint32_t)p->instrs.len;
    for (uint32_t k = 0; k < n; k++)
        w->reach[k] = n;
    for (uint32_t k = n; k-- > 0;)
        for (uint32_t j = 0; j < p->instrs.items[k].in_len; j++)
            if (w->producer[p->instrs.items[k].in[j]] < n)
                w->reach[w->producer[p->instrs.items[k].in[j]]] = k;
    for (uint32_t k = 0, most = 0; k < n; k++) { /* reach[k] becomes 1 if all before k are read by then */
        const uint32_t next = w->reach[k] > most ? w->reach[k] : most;
        w->reach[k] = most <= k;
        most = next;
    }
    uint32_t begin = 0, least = n; /* of 1 + the latest instruction that one behind reads from; 0: there is one that reads only inputs */
    for (uint32_t k = n; k-- > 0;) {
        w->reach[k] = w->reach[k] && least > k;
        uint32_t latest = 0;
        for (uint32_t j = 0; j < p->instrs.items[k].in_len; j++) {
            const uint32_t from = w->producer[p->instrs.items[k].in[j]];
            latest = from < n && from + 1 > latest ? from + 1 : latest;
        }
        least = latest < least ? latest : least;
    }
    for (uint32_t k = 0; k < n; k++)
        if (w->reach[k] || k + 1 == n || k + 1 - begin == SEGMENT_MAX) {
            w->segments[w->segments_len++] = (segment){ begin, k + 1 - begin, 0 };
            begin = k + 1;
        }
}

/* ---- one segment ---- */

static uint32_t local_root(order_work *w, const segment *s, uint32_t t)
{
    root *r = &w->roots[w->places[t].root];
    if (r->seen != w->opened) {
        r->seen = w->opened;
        r->local = w->local_len++;
        w->local[r->local] = *r;
        w->local[r->local].before = r->first < s->begin;
        w->local[r->local].beyond = r->last >= s->begin + s->len;
        memset(w->local[r->local].by, 0, sizeof r->by);
    }
    return r->local;
}

/* Roots whose bytes out[0] may take when they die, by the rules of place.c. */
static void find_reuses(order_work *w, const it_pinstr *i, instr *to)
{
    const uint32_t may = it_inplace(i), y = i->out[0];
    to->over[0] = to->over[1] = to->y = NONE;
    if (may == 0 || w->places[y].root != y)
        return;
    to->y = (int32_t)w->roots[y].local;
    for (uint32_t j = 0; j < i->in_len && j < REUSES; j++) {
        const it_place *x = &w->places[i->in[j]];
        bool alone = it_same_bytes(it_in(w->p, i, j), it_out(w->p, i, 0)); /* in what it lies in */
        for (uint32_t k = 0; k < i->in_len; k++)
            alone = alone && (i->in[k] == i->in[j] || w->places[i->in[k]].root != x->root);
        if (may >> j & 1 && alone && x->pitch == 0 && x->step == it_ptensor_bytes(it_in(w->p, i, j)))
            to->over[j] = (int32_t)w->roots[x->root].local;
    }
}

static void open_segment(order_work *w, const segment *s)
{
    uint32_t at = 0;
    w->local_len = 0;
    w->opened++;
    for (uint32_t k = 0; k < s->len; k++) {
        const it_pinstr *i = &w->p->instrs.items[s->begin + k];
        instr *to = &w->instrs[k];
        *to = (instr){ .at = at };
        for (uint32_t j = 0; j < operands(i); j++) {
            const uint32_t t = operand(i, j), r = local_root(w, s, t);
            if (j < i->in_len && w->producer[t] >= s->begin && w->producer[t] < s->begin + s->len)
                put(to->needs, w->producer[t] - s->begin);
            if (w->local[r].touched != s->begin + k + 1) {
                w->local[r].touched = s->begin + k + 1;
                put(w->local[r].by, k);
                w->touches[at++] = r;
            }
        }
        to->len = at - to->at;
        find_reuses(w, i, to);
    }
}

static bool started(const root *r, const uint64_t *done)
{
    bool any = r->before;
    for (uint32_t k = 0; k < WORDS; k++)
        any = any || (r->by[k] & done[k]);
    return any;
}

/* Once `next` is done, too. */
static bool dead(const root *r, const uint64_t *done, uint32_t next)
{
    uint64_t left = r->beyond;
    for (uint32_t k = 0; k < WORDS; k++)
        left |= r->by[k] & ~done[k] & ~(k == next / 64 ? UINT64_C(1) << (next % 64) : 0);
    return left == 0;
}

/* The state after instruction k. */
static state do_next(const order_work *w, const state *s, uint32_t k)
{
    const instr *i = &w->instrs[k];
    size_t more = 0, less = 0, reused = 0;
    for (uint32_t j = 0; j < i->len; j++) {
        const root *r = &w->local[w->touches[i->at + j]];
        more += started(r, s->done) ? 0 : r->bytes;
        less += dead(r, s->done, k) ? r->bytes : 0;
    }
    for (uint32_t j = 0; j < REUSES && i->y != NONE && reused == 0; j++)
        if (i->over[j] != NONE && !started(&w->local[i->y], s->done) && dead(&w->local[i->over[j]], s->done, k) && w->local[i->y].bytes)
            reused = w->local[i->over[j]].bytes;
    state to = *s;
    put(to.done, k);
    const size_t most = s->live + more - reused;
    to.peak = most > s->peak ? most : s->peak;
    to.live = s->live + more - less;
    to.instr = k;
    return to;
}

static bool is_ready(const order_work *w, const state *s, uint32_t k)
{
    bool ready = !has(s->done, k);
    for (uint32_t j = 0; j < WORDS; j++)
        ready = ready && !(w->instrs[k].needs[j] & ~s->done[j]);
    return ready;
}

static bool better(const state *a, const state *b) { return a->peak != b->peak ? a->peak < b->peak : a->live < b->live; }

static void keep(order_work *w, uint32_t level, const state *s)
{
    state *all = w->states + (size_t)level * BEAM;
    uint32_t worst = 0;
    for (uint32_t k = 0; k < w->len[level]; k++) {
        if (memcmp(all[k].done, s->done, sizeof s->done) == 0) {
            if (better(s, &all[k]))
                all[k] = *s;
            return;
        }
        worst = better(&all[worst], &all[k]) ? k : worst;
    }
    if (w->len[level] < BEAM)
        all[w->len[level]++] = *s;
    else if (better(s, &all[worst]))
        all[worst] = *s;
}

/* What neither raises the peak nor leaves more alive may as well happen at once. */
static void expand(order_work *w, const segment *g, uint32_t level, uint32_t index)
{
    const state *s = w->states + (size_t)level * BEAM + index;
    state free;
    bool any = false;
    for (uint32_t k = 0; k < g->len && !any; k++) {
        if (!is_ready(w, s, k))
            continue;
        free = do_next(w, s, k);
        any = free.peak == s->peak && free.live <= s->live;
    }
    for (uint32_t k = 0; k < g->len; k++) {
        if (any ? k != free.instr : !is_ready(w, s, k))
            continue;
        state to = do_next(w, s, k);
        to.from = index;
        keep(w, level + 1, &to);
    }
}

/* The peak in the present order; *least: no order can have less. */
static size_t present_peak(const order_work *w, const segment *g, size_t *least)
{
    state s = { .live = w->live[g->begin] };
    for (uint32_t k = 0; k < g->len; k++) {
        const instr *i = &w->instrs[k];
        size_t sum = 0;
        for (uint32_t j = 0; j < i->len; j++)
            sum += w->local[w->touches[i->at + j]].bytes;
        size_t reused = 0; /* the caller's buffers count as nothing and are never overwritten */
        for (uint32_t j = 0; j < REUSES; j++)
            if (i->over[j] != NONE && w->local[i->over[j]].bytes > reused)
                reused = w->local[i->over[j]].bytes;
        sum -= reused;
        *least = sum > *least ? sum : *least;
        s = do_next(w, &s, k);
    }
    return s.peak;
}

/* Its best order found into order[begin..], and the peak of that. */
static size_t search(order_work *w, const segment *g, uint32_t *order)
{
    memset(w->len, 0, sizeof w->len);
    w->states[0] = (state){ .live = w->live[g->begin] };
    w->len[0] = 1;
    for (uint32_t level = 0; level < g->len; level++)
        for (uint32_t k = 0; k < w->len[level]; k++)
            expand(w, g, level, k);
    const state *s = w->states + (size_t)g->len * BEAM;
    const size_t peak = s->peak;
    for (uint32_t level = g->len; level-- > 0;) {
        order[g->begin + level] = g->begin + s->instr;
        s = w->states + (size_t)level * BEAM + s->from;
    }
    return peak;
}

/* Roots that a search through an open segment visits at most: each level does each instruction in each of its states. */
static uint64_t visits(const order_work *w, const segment *s)
{
    const instr *last = &w->instrs[s->len - 1];
    return (uint64_t)s->len * BEAM * (last->at + last->len + s->len);
}

/* Segments that would need more than the others can do with anyway are searched; those that stay above get their new order. */
static bool find_order(order_work *w, uint32_t *order)
{
    size_t least = 0, peak = 0;
    uint64_t left = VISITS;
    for (uint32_t k = 0; k < w->p->instrs.len; k++)
        order[k] = k;
    find_roots(w);
    find_segments(w);
    for (uint32_t k = 0; k < w->segments_len; k++) {
        open_segment(w, &w->segments[k]);
        w->segments[k].peak = present_peak(w, &w->segments[k], &least);
    }
    for (uint32_t k = 0; k < w->segments_len; k++) {
        segment *s = &w->segments[k];
        size_t best = s->peak;
        if (s->peak > least && s->len > 1) {
            open_segment(w, s);
            const uint64_t cost = visits(w, s);
            if (cost <= left) {
                best = search(w, s, order);
                left -= cost;
            }
        }
        peak = best > peak ? best : peak;
    }
    bool any = false;
    for (uint32_t k = 0; k < w->segments_len; k++) {
        const segment *s = &w->segments[k];
        for (uint32_t j = s->begin; j < s->begin + s->len; j++) {
            order[j] = s->peak > peak ? order[j] : j;
            any = any || order[j] != j;
        }
    }
    return any;
}

/* Pieces of one block, the largest alignment first. */
static void *piece(uint8_t **at, size_t items, size_t size)
{
    void *p = *at;
    *at += it_round_up(items * size, IT_ALIGN);
    return p;
}

intact_status it_order_find(const it_prog *p, const it_place *places, uint32_t *order, bool *better_one, intact_error *err)
{
    const size_t n = p->instrs.len, t = p->tensors.len, states_bytes = (SEGMENT_MAX + 1) * (size_t)BEAM * sizeof(state);
    const intact_alloc *a = p->arena.alloc;
    size_t ports = 0;
    for (size_t k = 0; k < n; k++)
        ports += operands(&p->instrs.items[k]);
    const size_t bytes = 2 * t * sizeof(root) + (n + 1) * sizeof(size_t) + SEGMENT_MAX * sizeof(instr) + n * sizeof(segment) +
                         (t + n + ports) * sizeof(uint32_t) + 8 * IT_ALIGN;
    order_work w = { .p = p, .places = places, .states = it_alloc_new(a, states_bytes) };
    uint8_t *block = it_alloc_zero(a, bytes), *at = block;
    intact_status st = block && w.states ? INTACT_OK : it_fail_nomem(err, "memory plan", bytes + states_bytes);
    if (st == INTACT_OK) {
        w.roots = piece(&at, t, sizeof *w.roots);
        w.local = piece(&at, t, sizeof *w.local);
        w.live = piece(&at, n + 1, sizeof *w.live);
        w.instrs = piece(&at, SEGMENT_MAX, sizeof *w.instrs);
        w.segments = piece(&at, n, sizeof *w.segments);
        w.producer = piece(&at, t, sizeof *w.producer);
        w.reach = piece(&at, n, sizeof *w.reach);
        w.touches = piece(&at, ports, sizeof *w.touches);
        *better_one = find_order(&w, order);
    }
    it_alloc_free(a, block, bytes);
    it_alloc_free(a, w.states, states_bytes);
    return st;
}
