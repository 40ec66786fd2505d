/* SPDX-License-Identifier: Apache-2.0 */
/* sort.c: topological order. Depth first from the nodes in their present order, so a sorted graph stays as it is. */
#include <string.h>

#include "ir/ir.h"

enum { NEW = 0, OPEN, DONE };

typedef struct it_sort {
    const it_graph *g;
    int32_t *made_by; /* [value id]: index of the node, -1 */
    uint8_t *mark;    /* [node] */
    struct { int32_t node, in; } *stack;
    it_node **order;
    size_t order_len;
} it_sort;

static intact_status visit(it_sort *s, int32_t root, intact_error *err)
{
    size_t depth = 0;
    s->stack[depth].node = root;
    s->stack[depth++].in = 0;
    s->mark[root] = OPEN;
    while (depth) {
        int32_t i = s->stack[depth - 1].node;
        it_node *n = s->g->nodes.items[i];
        int32_t next = -1;
        while (next < 0 && s->stack[depth - 1].in < n->in_len) {
            const it_value *v = n->in[s->stack[depth - 1].in++];
            next = v ? s->made_by[v->id] : -1;
            if (next >= 0 && s->mark[next] == DONE) next = -1;
        }
        if (next < 0) {
            s->mark[i] = DONE;
            s->order[s->order_len++] = n;
            depth--;
        } else if (s->mark[next] == OPEN) {
            return it_fail(err, INTACT_E_FORMAT, s->g->nodes.items[next]->name,
                           "the node is part of a cycle: it needs the output of \"%s\", which needs its own", n->name);
        } else {
            s->mark[next] = OPEN;
            s->stack[depth].node = next;
            s->stack[depth++].in = 0;
        }
    }
    return INTACT_OK;
}

static intact_status sort(it_sort *s, intact_error *err)
{
    const it_graph *g = s->g;
    memset(s->made_by, 0xff, (g->values.len + 1) * sizeof *s->made_by);
    for (size_t i = 0; i < g->nodes.len; i++)
        for (int k = 0; k < g->nodes.items[i]->out_len; k++)
            if (g->nodes.items[i]->out[k]) s->made_by[g->nodes.items[i]->out[k]->id] = (int32_t)i;
    for (size_t i = 0; i < g->nodes.len; i++)
        if (s->mark[i] == NEW) IT_TRY(visit(s, (int32_t)i, err));
    if (g->nodes.len) memcpy(g->nodes.items, s->order, g->nodes.len * sizeof *s->order);
    return INTACT_OK;
}

intact_status it_graph_sort(it_graph *g, intact_error *err)
{
    it_arena a;
    it_arena_init(&a, g->alloc);
    size_t nodes = g->nodes.len + 1;
    it_sort s = {.g = g};
    s.made_by = it_arena_new(&a, (g->values.len + 1) * sizeof *s.made_by);
    s.mark = it_arena_new(&a, nodes);
    s.stack = it_arena_new(&a, nodes * sizeof *s.stack);
    s.order = it_arena_new(&a, nodes * sizeof *s.order);
    intact_status st = s.made_by && s.mark && s.stack && s.order ? sort(&s, err)
                                                                : it_fail_nomem(err, g->name, nodes * sizeof *s.stack);
    it_arena_release(&a);
    return st;
}
