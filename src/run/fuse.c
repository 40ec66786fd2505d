/* SPDX-License-Identifier: Apache-2.0 */
/* fuse.c: while loading, layers take over what follows them where the level's kernels do both in one pass (it_instr.takes).
**
** Instruction k takes the only reader of its output if that reader's other inputs have their values before k: the reader then happens
** at k. Of two layers that feed one addition only the later one can. Where the other inputs come later and no layer lies between (they
** are copied, padded, resized), k moves to its reader's place. Bits never change; the value between is gone. */
#include <string.h>

#include "run/instr.h"
#include "run/machine.h"

typedef struct fuse_work {
    intact_program *p;
    const it_kern *kern;
    uint32_t *reads;   /* [tensors]: how often it is read; an output of the program counts twice more */
    uint32_t *reader;  /* [tensors]: the instruction that does */
    uint32_t *written; /* [tensors]: 1 + the instruction that writes it; 0: an input of the program */
} fuse_work;

static void find_uses(fuse_work *w)
{
    const it_prog *g = &w->p->prog;
    for (uint32_t k = 0; k < g->instrs.len; k++) {
        const it_pinstr *i = &g->instrs.items[k];
        for (uint32_t j = 0; j < i->in_len; j++) {
            w->reads[i->in[j]]++;
            w->reader[i->in[j]] = k;
        }
        for (uint32_t j = 0; j < i->out_len; j++)
            w->written[i->out[j]] = k + 1;
    }
    for (uint32_t k = 0; k < g->outputs_len; k++)
        w->reads[g->outputs[k]] += 2;
}

/* i is a copy of an instruction of two operands. */
static intact_status swap_operands(it_arena *arena, it_pinstr *i, intact_error *err)
{
    const uint32_t in[] = { i->in[1], i->in[0] };
    i->in = it_arena_copy(arena, in, sizeof in);
    i->args = it_arena_copy(arena, i->args, i->kind->args_bytes);
    if (!i->in || !i->args)
        return it_fail_nomem(err, i->name, sizeof in + i->kind->args_bytes);
    i->kind->swap(i->args);
    return INTACT_OK;
}

static bool layer_between(const fuse_work *w, uint32_t from, uint32_t to)
{
    for (uint32_t k = from + 1; k < to; k++)
        if (w->p->prog.instrs.items[k].kind && w->p->prog.instrs.items[k].kind->takes)
            return true;
    return false;
}

/* Where instruction k would be together with the only reader of its output, at r; UINT32_MAX: nowhere. late: r will do. */
static uint32_t meeting(const fuse_work *w, uint32_t k, uint32_t r, bool late)
{
    const it_pinstr *i = &w->p->prog.instrs.items[r];
    if (i->in_len > 2 || i->out_len != 1)
        return UINT32_MAX;
    for (uint32_t j = 0; j < i->in_len; j++)
        if (w->written[i->in[j]] > k + 1)
            return late && !layer_between(w, k, r) ? r : UINT32_MAX;
    return k;
}

/* A copy, in the program's arena, of instruction r, which reads tensor t, with t as in[0]; *out is NULL where it cannot be. */
static intact_status turned(const fuse_work *w, uint32_t r_at, uint32_t t, it_pinstr **out, intact_error *err)
{
    const it_pinstr *r = &w->p->prog.instrs.items[r_at];
    *out = NULL;
    it_pinstr *next = it_arena_copy(&w->p->arena, r, sizeof *r);
    if (!next)
        return it_fail_nomem(err, r->name, sizeof *r);
    if (next->kind->swap && next->in[1] == t)
        IT_TRY(swap_operands(&w->p->arena, next, err));
    *out = next->in[0] == t ? next : NULL;
    return INTACT_OK;
}

/* Instruction k and what follows it become one, at k or in the place of the other. kind NULL marks the place that is left. */
static intact_status join(fuse_work *w, uint32_t k, uint32_t at, const it_pinstr *next, intact_error *err)
{
    it_pinstr *items = w->p->prog.instrs.items, *i = &items[k];
    const uint32_t more = next->in_len - 1, r = w->reader[i->out[0]];
    uint32_t *in = it_arena_new(&w->p->arena, (i->in_len + more) * sizeof *in), then = 0;
    if (!in)
        return it_fail_nomem(err, i->name, (i->in_len + more) * sizeof *in);
    memcpy(in, i->in, i->in_len * sizeof *in);
    memcpy(in + i->in_len, next->in + 1, more * sizeof *in);
    while (i->then[then])
        then++;
    i->then[then] = next;
    i->in = in;
    i->in_len += more;
    i->out = next->out;
    if (at == r)
        items[r] = *i;
    items[at == r ? k : r].kind = NULL;
    for (uint32_t j = 0; j < items[at].in_len; j++)
        w->reader[in[j]] = at;
    w->written[next->out[0]] = at + 1;
    return INTACT_OK;
}

static intact_status take_all(fuse_work *w, uint32_t k, bool late, intact_error *err)
{
    const it_prog *g = &w->p->prog;
    for (;;) {
        const it_pinstr *i = &g->instrs.items[k];
        if (!i->kind || !i->kind->takes || i->then[IT_THEN_MAX - 1] || w->reads[i->out[0]] != 1)
            return INTACT_OK;
        const uint32_t r = w->reader[i->out[0]], at = meeting(w, k, r, late);
        it_pinstr *next;
        if (at == UINT32_MAX)
            return INTACT_OK;
        IT_TRY(turned(w, r, i->out[0], &next, err));
        if (!next || !i->kind->takes(w->kern, g, i, next))
            return INTACT_OK;
        IT_TRY(join(w, k, at, next, err));
        k = at;
    }
}

intact_status it_program_fuse(intact_program *p, const it_kern *kern, intact_error *err)
{
    it_prog *g = &p->prog;
    const size_t n = g->tensors.len, bytes = 3 * n * sizeof(uint32_t);
    fuse_work w = { .p = p, .kern = kern, .reads = it_alloc_zero(p->alloc, bytes) };
    if (!w.reads)
        return it_fail_nomem(err, "fusion", bytes);
    w.reader = w.reads + n;
    w.written = w.reader + n;
    find_uses(&w);
    intact_status st = INTACT_OK;
    for (int late = 0; late < 2; late++)
        for (uint32_t k = 0; st == INTACT_OK && k < g->instrs.len; k++)
            st = take_all(&w, k, late != 0, err);
    size_t left = 0;
    for (size_t k = 0; k < g->instrs.len; k++)
        if (g->instrs.items[k].kind)
            g->instrs.items[left++] = g->instrs.items[k];
    g->instrs.len = left;
    it_alloc_free(p->alloc, w.reads, bytes);
    return st;
}
