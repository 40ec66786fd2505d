/* SPDX-License-Identifier: Apache-2.0 */
/* clone.c: a second graph of the same network, for passes and parameters that the first one is not to have. */
#include <string.h>

#include "pass/pass.h"

static it_value *same(const it_graph *to, const it_value *v) { return v ? to->values.items[v->id] : NULL; }

static intact_status copy_value(const it_value *from, it_graph *to, intact_error *err)
{
    it_value *v = it_graph_value(to, from->name);
    if (!v) return it_fail_nomem(err, from->name, sizeof *v);
    const int id = v->id;
    const char *name = v->name;
    *v = *from;
    v->id = id;
    v->name = name;
    v->producer = NULL;
    return INTACT_OK;
}

static intact_status copy_node(const it_node *from, it_graph *to, intact_error *err)
{
    it_node *n = it_graph_node(to, from->name, from->op, from->in_len, from->out_len);
    if (!n) return it_fail_nomem(err, from->name, sizeof *n);
    for (int k = 0; k < from->in_len; k++) n->in[k] = same(to, from->in[k]);
    for (int k = 0; k < from->out_len; k++) {
        n->out[k] = same(to, from->out[k]);
        if (n->out[k]) n->out[k]->producer = n;
    }
    n->opset = from->opset;
    n->clamp_lo = from->clamp_lo;
    n->clamp_hi = from->clamp_hi;
    n->attrs = from->attrs_len ? it_arena_copy(&to->arena, from->attrs, (size_t)from->attrs_len * sizeof *from->attrs) : NULL;
    n->attrs_len = from->attrs_len;
    if (from->attrs_len && !n->attrs) return it_fail_nomem(err, from->name, (size_t)from->attrs_len * sizeof *from->attrs);
    return it_node_parse(to, n, err);
}

intact_status it_pass_clone(const it_graph *from, it_graph *to, intact_error *err)
{
    it_graph_init(to, from->alloc);
    to->name = from->name;
    to->opset = from->opset;
    to->file_bytes = from->file_bytes;
    intact_status st = INTACT_OK;
    for (size_t i = 0; st == INTACT_OK && i < from->values.len; i++) st = copy_value(from->values.items[i], to, err);
    for (size_t i = 0; st == INTACT_OK && i < from->nodes.len; i++) st = copy_node(from->nodes.items[i], to, err);
    for (size_t i = 0; st == INTACT_OK && i < from->inputs.len + from->outputs.len; i++) {
        const bool in = i < from->inputs.len;
        it_value *v = same(to, in ? from->inputs.items[i] : from->outputs.items[i - from->inputs.len]);
        if (in ? !IT_VEC_ROOM(to->alloc, to->inputs) : !IT_VEC_ROOM(to->alloc, to->outputs))
            st = it_fail_nomem(err, v->name, sizeof v);
        else if (in)
            to->inputs.items[to->inputs.len++] = v;
        else
            to->outputs.items[to->outputs.len++] = v;
    }
    if (st == INTACT_OK) st = it_graph_infer(to, 1, NULL, err);
    if (st != INTACT_OK) it_graph_release(to);
    return st;
}
