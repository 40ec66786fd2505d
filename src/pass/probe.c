/* SPDX-License-Identifier: Apache-2.0 */
/* probe.c: shapes and shape arithmetic at several batch sizes: what is equal at all of them does not depend on the batch. */
#include "pass/edit.h"

#include <string.h>

static intact_status input_shapes(it_graph *g, it_arena *a, it_tensor **out, intact_error *err)
{
    it_tensor *t = it_arena_new(a, (g->inputs.len + 1) * sizeof(*t));
    if (!t) return it_fail_nomem(err, g->name, (g->inputs.len + 1) * sizeof(*t));
    for (size_t i = 0; i < g->inputs.len; i++) t[i] = g->inputs.items[i]->t;
    *out = t;
    return INTACT_OK;
}

intact_status it_edit_infer(it_graph *g, intact_error *err)
{
    it_arena a;
    it_tensor *shapes = NULL;
    it_arena_init(&a, g->alloc);
    intact_status st = input_shapes(g, &a, &shapes, err);
    if (st == INTACT_OK) st = it_graph_infer(g, 1, shapes, err);
    it_arena_release(&a);
    return st;
}

static intact_status record(it_graph *g, it_probe *p, int at, intact_error *err)
{
    it_tensor *t = it_arena_new(&p->arena, (g->values.len + 1) * sizeof(*t));
    if (!t) return it_fail_nomem(err, g->name, (g->values.len + 1) * sizeof(*t));
    for (size_t i = 0; i < g->values.len; i++) {
        const it_value *v = g->values.items[i];
        t[i] = v->t;
        if (v->is_const || !v->t.data) continue;
        size_t bytes = it_tensor_bytes(&v->t);
        t[i].data = it_arena_copy(&p->arena, v->t.data, bytes); /* the next inference writes over it */
        if (!t[i].data) return it_fail_nomem(err, v->name, bytes);
    }
    p->t[at] = t;
    p->len = at + 1;
    return INTACT_OK;
}

static intact_status probe(it_graph *g, it_probe *p, intact_error *err)
{
    it_tensor *shapes = NULL, *varied = NULL;
    intact_error ignored;
    intact_status st = INTACT_OK;
    IT_TRY(input_shapes(g, &p->arena, &shapes, err));
    IT_TRY(input_shapes(g, &p->arena, &varied, err));
    IT_TRY(it_graph_infer(g, 1, shapes, err));
    IT_TRY(record(g, p, 0, err));
    for (int at = 1; at < IT_PROBES && st == INTACT_OK; at++) {
        for (size_t i = 0; i < g->inputs.len; i++) {
            const it_value *v = g->inputs.items[i];
            bool varies = v->declared_rank < 0 || (v->declared_rank > 0 && (v->declared[0] < 0 || v->declared[0] == 1));
            if (varies && varied[i].rank > 0) varied[i].dim[0] = at + 1;
        }
        st = it_graph_infer(g, 1, varied, &ignored);
        if (st == INTACT_E_NOMEM) return it_fail_nomem(err, g->name, 0);
        if (st == INTACT_OK) IT_TRY(record(g, p, at, err));
    }
    if (st != INTACT_OK) p->len = 1; /* written for one batch only: then that one is the truth */
    return it_graph_infer(g, 1, shapes, err);
}

intact_status it_probe_run(it_graph *g, it_probe *p, intact_error *err)
{
    memset(p, 0, sizeof(*p));
    it_arena_init(&p->arena, g->alloc);
    intact_status st = probe(g, p, err);
    if (st != INTACT_OK) it_probe_release(p);
    return st;
}

void it_probe_release(it_probe *p)
{
    it_arena_release(&p->arena);
    p->len = 0;
}

bool it_probe_same_shape(const it_probe *p, const it_value *a, const it_value *b)
{
    for (int i = 0; i < p->len; i++) {
        const it_tensor *x = &p->t[i][a->id], *y = &p->t[i][b->id];
        if (x->rank < 0 || x->type != y->type || !it_tensor_same_shape(x, y)) return false;
    }
    return true;
}
