/* SPDX-License-Identifier: Apache-2.0 */
/* edit.c: looking at nodes and changing graphs, for all passes. */
#include "pass/edit.h"

#include <math.h>
#include <string.h>

bool it_edit_is(const it_node *n, const char *onnx)
{
    if (!n || !n->op->onnx || strcmp(n->op->onnx, onnx) != 0) return false;
    return !n->op->domain || !n->op->domain[0] || strcmp(n->op->domain, "ai.onnx") == 0;
}

bool it_edit_clamped(const it_node *n) { return n->clamp_lo > -INFINITY || n->clamp_hi < INFINITY; }

it_value *it_edit_in(const it_node *n, int k) { return k < n->in_len ? n->in[k] : NULL; }

const it_attr *it_edit_attr(const it_node *n, const char *name)
{
    for (int i = 0; i < n->attrs_len; i++)
        if (strcmp(n->attrs[i].name, name) == 0) return &n->attrs[i];
    return NULL;
}

int64_t it_edit_attr_int(const it_node *n, const char *name, int64_t def)
{
    const it_attr *a = it_edit_attr(n, name);
    return a && a->kind == IT_ATTR_INT ? a->i : def;
}

float it_edit_attr_float(const it_node *n, const char *name, float def)
{
    const it_attr *a = it_edit_attr(n, name);
    return a && a->kind == IT_ATTR_FLOAT ? a->f : def;
}

bool it_edit_attr_str_is(const it_node *n, const char *name, const char *def, const char *want)
{
    const it_attr *a = it_edit_attr(n, name);
    return strcmp(a && a->kind == IT_ATTR_STRING && a->s ? a->s : def, want) == 0;
}

const float *it_edit_floats(const it_value *v) { return v && v->is_const && !v->q && v->t.type == IT_F32 ? v->t.data : NULL; }

bool it_edit_scalar(const it_value *v, double *out)
{
    if (!v || !v->is_const || v->q || !it_type_is_float(v->t.type) || it_tensor_len(&v->t) != 1) return false;
    *out = it_tensor_get(&v->t, 0);
    return true;
}

bool it_edit_reads_once(const it_graph *g, const it_value *v, const it_node *n)
{
    int at = 0;
    for (int k = 0; k < n->in_len; k++) at += n->in[k] == v;
    return at == 1 && !v->is_output && it_graph_uses(g, v, NULL) == 1;
}

bool it_edit_bypass(it_graph *g, it_node *n, it_value *to)
{
    it_value *from = n->out[0];
    if (from->q || to->q) return false;
    if (from->is_output && (to->is_input || to->is_output || to->is_const)) return false;
    it_graph_replace(g, from, to);
    it_graph_remove(g, n);
    return true;
}

void it_edit_take(it_graph *g, it_node *p, it_node *n)
{
    it_value *out = n->out[0];
    it_graph_remove(g, n);
    p->out[0]->producer = NULL;
    p->out[0] = out;
    out->producer = p;
}

intact_status it_edit_const(it_graph *g, const char *base, const it_tensor *t, it_value **out, intact_error *err)
{
    const char *name = base;
    for (int i = 1; name && it_graph_find(g, name); i++) name = it_arena_printf(&g->arena, "%s.%d", base, i);
    *out = name ? it_graph_const(g, name, t) : NULL;
    return *out ? INTACT_OK : it_fail_nomem(err, base, it_tensor_bytes(t));
}

intact_status it_edit_set_in(it_graph *g, it_node *n, int k, it_value *v, intact_error *err)
{
    if (k >= n->in_len) {
        it_value **in = it_arena_new(&g->arena, (size_t)(k + 1) * sizeof(*in));
        if (!in) return it_fail_nomem(err, n->name, (size_t)(k + 1) * sizeof(*in));
        if (n->in_len > 0) memcpy(in, n->in, (size_t)n->in_len * sizeof(*in));
        n->in = in;
        n->in_len = k + 1;
    }
    n->in[k] = v;
    return INTACT_OK;
}

/* New arguments: the old ones may be in use by nobody, but parse expects zeros. */
static intact_status parse_again(it_graph *g, it_node *n, intact_error *err)
{
    size_t bytes = n->op->args_bytes ? n->op->args_bytes : 1;
    n->args = it_arena_new(&g->arena, bytes);
    if (!n->args) return it_fail_nomem(err, n->name, bytes);
    return it_node_parse(g, n, err);
}

intact_status it_edit_set_attrs(it_graph *g, it_node *n, const it_attr *attrs, int len, intact_error *err)
{
    it_attr *all = it_arena_new(&g->arena, (size_t)(n->attrs_len + len + 1) * sizeof(*all));
    int all_len = 0;
    if (!all) return it_fail_nomem(err, n->name, (size_t)(n->attrs_len + len + 1) * sizeof(*all));
    for (int i = 0; i < n->attrs_len; i++) {
        bool replaced = false;
        for (int j = 0; j < len; j++) replaced |= strcmp(attrs[j].name, n->attrs[i].name) == 0;
        if (!replaced) all[all_len++] = n->attrs[i];
    }
    for (int j = 0; j < len; j++) all[all_len++] = attrs[j];
    n->attrs = all;
    n->attrs_len = all_len;
    return parse_again(g, n, err);
}

intact_status it_edit_become(it_graph *g, it_node *n, const it_op *op, it_value *const *in, int in_len, const it_attr *attrs, int attrs_len,
                             intact_error *err)
{
    it_value **list = it_arena_new(&g->arena, (size_t)(in_len + 1) * sizeof(*list));
    if (!list) return it_fail_nomem(err, n->name, (size_t)(in_len + 1) * sizeof(*list));
    memcpy(list, in, (size_t)in_len * sizeof(*list));
    n->op = op;
    n->in = list;
    n->in_len = in_len;
    n->attrs = NULL;
    n->attrs_len = 0;
    if (n->opset < op->since) n->opset = op->since;
    if (n->opset < g->opset) n->opset = g->opset;
    return it_edit_set_attrs(g, n, attrs, attrs_len, err);
}
