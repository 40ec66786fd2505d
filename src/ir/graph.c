/* SPDX-License-Identifier: Apache-2.0 */
/* graph.c: making and editing a graph. A value's id is its index in graph.values for ever: values are never taken out, only left
** without producer and readers. Making nodes and inferring shapes need the operators: op/infer.c. */
#include <string.h>

#include "ir/ir.h"

void it_graph_init(it_graph *g, const intact_alloc *alloc)
{
    memset(g, 0, sizeof *g);
    g->alloc = it_alloc_or_libc(alloc);
    g->name = "network";
    it_arena_init(&g->arena, g->alloc);
}

void it_graph_release(it_graph *g)
{
    if (!g || !g->alloc) return;
    IT_VEC_FREE(g->alloc, g->values);
    IT_VEC_FREE(g->alloc, g->nodes);
    IT_VEC_FREE(g->alloc, g->inputs);
    IT_VEC_FREE(g->alloc, g->outputs);
    if (g->map_close) g->map_close(g->map, g->map_len);
    it_arena_release(&g->arena);
    memset(g, 0, sizeof *g);
}

it_value *it_graph_value(it_graph *g, const char *name)
{
    if (g->values.len >= INT32_MAX || !IT_VEC_ROOM(g->alloc, g->values)) return NULL;
    it_value *v = it_arena_new(&g->arena, sizeof *v);
    if (!v || !(v->name = it_arena_text(&g->arena, name))) return NULL;
    v->id = (int)g->values.len;
    v->t.rank = IT_RANK_UNKNOWN;
    v->declared_rank = IT_RANK_UNKNOWN;
    g->values.items[g->values.len++] = v;
    return v;
}

it_value *it_graph_find(const it_graph *g, const char *name)
{
    for (size_t i = 0; i < g->values.len; i++)
        if (!strcmp(g->values.items[i]->name, name)) return g->values.items[i];
    return NULL;
}

it_value *it_graph_const(it_graph *g, const char *name, const it_tensor *t)
{
    void *data = it_arena_copy(&g->arena, t->data, it_tensor_bytes(t));
    it_value *v = data ? it_graph_value(g, name) : NULL;
    if (!v) return NULL;
    v->t = *t;
    v->t.layout = IT_PLAIN;
    v->t.data = data;
    v->is_const = true;
    return v;
}

int it_graph_uses(const it_graph *g, const it_value *v, const it_node **only)
{
    int uses = 0;
    if (only) *only = NULL;
    for (size_t i = 0; i < g->nodes.len; i++) {
        const it_node *n = g->nodes.items[i];
        for (int k = 0; k < n->in_len; k++)
            if (n->in[k] == v) {
                uses++;
                if (only) *only = n;
                break;
            }
    }
    for (size_t i = 0; i < g->outputs.len; i++) uses += g->outputs.items[i] == v;
    return uses;
}

void it_graph_replace(it_graph *g, it_value *from, it_value *to)
{
    if (from == to) return;
    for (size_t i = 0; i < g->nodes.len; i++) {
        it_node *n = g->nodes.items[i];
        for (int k = 0; k < n->in_len; k++)
            if (n->in[k] == from) n->in[k] = to;
    }
    if (!from->is_output) return;
    for (size_t i = 0; i < g->outputs.len; i++)
        if (g->outputs.items[i] == from) g->outputs.items[i] = to;
    /* The output's name goes with it, except where to is known to the outside by its own name already. */
    if (!to->is_input && !to->is_output) {
        const char *name = to->name;
        to->name = from->name;
        from->name = name;
        memcpy(to->declared, from->declared, sizeof to->declared);
        to->declared_rank = from->declared_rank;
    }
    to->is_output = true;
    from->is_output = false;
}

void it_graph_remove(it_graph *g, it_node *n)
{
    for (int k = 0; k < n->out_len; k++)
        if (n->out[k] && n->out[k]->producer == n) n->out[k]->producer = NULL;
    for (size_t i = 0; i < g->nodes.len; i++)
        if (g->nodes.items[i] == n) {
            memmove(&g->nodes.items[i], &g->nodes.items[i + 1], (g->nodes.len - i - 1) * sizeof n);
            g->nodes.len--;
            return;
        }
}
