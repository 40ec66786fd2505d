/* SPDX-License-Identifier: Apache-2.0 */
/* split_streams.c: a value that multiply-accumulate layers read with few bits and others with more (a residual stream) becomes two. */
#include <string.h>

#include "pass/edit.h"

typedef struct split {
    it_graph *g;
    bool (*wants)(void *user, const it_node *n);
    void *user;
    int *root;           /* [value id]: the value whose codes it has */
    uint8_t *readers;    /* [root]: SOME wants, SOME others */
} split;

enum { WANTS = 1, OTHERS = 2 };

static bool hands_on(const it_node *n)
{
    return n->op->quant.out == IT_Q_SAME && n->in_len && n->in[0] && !n->in[0]->is_const && n->out_len && n->out[0] && !it_edit_clamped(n);
}

static void find_roots(split *s)
{
    for (size_t i = 0; i < s->g->values.len; i++) s->root[i] = (int)i;
    for (size_t i = 0; i < s->g->nodes.len; i++) {
        const it_node *n = s->g->nodes.items[i];
        for (int k = 0; hands_on(n) && k < n->out_len; k++)
            if (n->out[k]) s->root[n->out[k]->id] = s->root[n->in[0]->id];
    }
}

static void find_readers(split *s)
{
    for (size_t i = 0; i < s->g->nodes.len; i++) {
        const it_node *n = s->g->nodes.items[i];
        const bool wants = s->wants(s->user, n);
        for (int k = 0; k < n->in_len; k++)
            if (n->in[k] && !(k == 0 && hands_on(n))) s->readers[s->root[n->in[k]->id]] |= k == 0 && wants ? WANTS : OTHERS;
    }
    for (size_t i = 0; i < s->g->outputs.len; i++) s->readers[s->root[s->g->outputs.items[i]->id]] |= OTHERS;
}

/* A value of that name which lost its producer to a pass comes back; values are never taken out of a graph. */
static it_value *value_named(it_graph *g, const char *name)
{
    it_value *v = it_graph_find(g, name);
    return v && !v->producer && !v->is_const && !v->is_input && it_graph_uses(g, v, NULL) == 0 ? v : it_graph_value(g, name);
}

static intact_status insert(split *s, it_value *x, intact_error *err)
{
    it_arena *a = &s->g->arena;
    const char *value = it_arena_printf(a, "%s.requantized", x->name), *node = it_arena_printf(a, "%s.requantize", x->name);
    it_value *y = value ? value_named(s->g, value) : NULL;
    it_node *n = y && node ? it_graph_node(s->g, node, &it_op_requantize, 1, 1) : NULL;
    if (!n) return it_fail_nomem(err, x->name, sizeof *n);
    y->t = x->t;
    y->t.data = NULL;
    y->producer = n;
    n->out[0] = y;
    for (size_t i = 0; i + 1 < s->g->nodes.len; i++)
        if (s->g->nodes.items[i]->in_len && s->g->nodes.items[i]->in[0] == x && s->wants(s->user, s->g->nodes.items[i])) s->g->nodes.items[i]->in[0] = y;
    n->in[0] = x;
    return INTACT_OK;
}

static bool is_wanted(const split *s, const it_value *x)
{
    for (size_t i = 0; i < s->g->nodes.len; i++)
        if (s->g->nodes.items[i]->in_len && s->g->nodes.items[i]->in[0] == x && s->wants(s->user, s->g->nodes.items[i])) return true;
    return false;
}

static intact_status run(split *s, size_t *changes, intact_error *err)
{
    const size_t values = s->g->values.len;
    find_roots(s);
    find_readers(s);
    for (size_t i = 0; i < values; i++) {
        it_value *x = s->g->values.items[i];
        if (x->is_const || s->readers[s->root[i]] != (WANTS | OTHERS) || !is_wanted(s, x)) continue;
        IT_TRY(insert(s, x, err));
        ++*changes;
    }
    return it_graph_sort(s->g, err);
}

intact_status it_pass_split_streams(it_graph *g, bool (*wants)(void *user, const it_node *n), void *user, size_t *changes, intact_error *err)
{
    split s = { .g = g, .wants = wants, .user = user };
    const size_t len = g->values.len;
    s.root = it_alloc_new(g->alloc, len * sizeof *s.root);
    s.readers = it_alloc_zero(g->alloc, len);
    intact_status st = s.root && s.readers ? run(&s, changes, err) : it_fail_nomem(err, g->name, len * sizeof *s.root);
    it_alloc_free(g->alloc, s.root, len * sizeof *s.root);
    it_alloc_free(g->alloc, s.readers, len);
    return st;
}
