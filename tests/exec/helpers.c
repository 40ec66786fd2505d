/* SPDX-License-Identifier: Apache-2.0 */
/* helpers.c: graphs made by hand for the executor's tests. */
#include "exec/helpers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

it_value *add_input(it_graph *g, const char *name, it_type type, int rank, const int64_t *declared)
{
    it_value *v = it_graph_value(g, name);
    if (!v || !IT_VEC_ROOM(g->alloc, g->inputs)) return NULL;
    v->is_input = true;
    v->t.type = type;
    v->declared_rank = rank;
    for (int i = 0; i < rank; i++) v->declared[i] = declared[i];
    g->inputs.items[g->inputs.len++] = v;
    return v;
}

void add_output(it_graph *g, it_value *v)
{
    if (!v || !IT_VEC_ROOM(g->alloc, g->outputs)) return;
    g->outputs.items[g->outputs.len++] = v;
    v->is_output = true;
}

it_value *add_const(it_graph *g, const char *name, it_type type, int rank, const int64_t *dim, const double *v)
{
    it_tensor t = {.type = type, .rank = rank};
    for (int i = 0; i < rank; i++) t.dim[i] = dim[i];
    t.data = it_arena_new(&g->arena, it_tensor_bytes(&t) + 1);
    if (!t.data) return NULL;
    for (int64_t i = 0; i < it_tensor_len(&t); i++) it_tensor_set(&t, i, v[i]);
    return it_graph_const(g, name, &t);
}

it_value *add_node(it_graph *g, const char *onnx, const char *name, it_value *const *in, int in_len, const it_attr *attrs, int attrs_len)
{
    intact_error err = {0};
    it_node *n = it_graph_node(g, name, it_op_find(onnx, "", 13), in_len, 1);
    it_value *v = n ? it_graph_value(g, name) : NULL;
    if (!v) return NULL;
    assert_non_null(n->op);
    n->opset = 13;
    for (int k = 0; k < in_len; k++) n->in[k] = in[k];
    n->out[0] = v;
    v->producer = n;
    n->attrs = it_arena_copy(&g->arena, attrs, (size_t)attrs_len * sizeof *attrs);
    n->attrs_len = attrs_len;
    if (attrs_len && !n->attrs) return NULL;
    intact_status st = it_node_parse(g, n, &err);
    if (st != INTACT_OK && st != INTACT_E_NOMEM) fail_msg("%s: %s", err.where, err.message);
    return st == INTACT_OK ? v : NULL;
}

it_value *add_unary(it_graph *g, const char *onnx, const char *name, it_value *x) { return add_node(g, onnx, name, &x, 1, NULL, 0); }

it_value *add_binary(it_graph *g, const char *onnx, const char *name, it_value *a, it_value *b)
{
    return add_node(g, onnx, name, (it_value *[]){a, b}, 2, NULL, 0);
}

static void *count_grow(void *user, void *p, size_t bytes_old, size_t bytes_new)
{
    counting *c = user;
    if (bytes_new && ++c->calls == c->fail_at) return NULL;
    if (!p && bytes_new) c->live++;
    if (p && !bytes_new) c->live--;
    return it_alloc_libc.grow(NULL, p, bytes_old, bytes_new);
}

intact_alloc counting_alloc(counting *c) { return (intact_alloc){.grow = count_grow, .user = c}; }
