/* SPDX-License-Identifier: Apache-2.0 */
/* onnx_read.c: an ONNX model to a graph: inputs, initializers, nodes, outputs; then sorted and verified. The unpacked message lives as long
** as the graph, because constants point into it: weights are in memory once. */
#include <stdio.h>
#include <string.h>

#include "format/onnx.h"
#include "op/op.h"

static const char *text(const char *s) { return s ? s : ""; }

static intact_status read_opset(it_onnx_reader *r, const Onnx__ModelProto *m)
{
    int64_t opset = 0;
    for (size_t i = 0; i < m->n_opset_import; i++) {
        const char *domain = text(m->opset_import[i]->domain);
        if (!domain[0] || !strcmp(domain, "ai.onnx")) opset = m->opset_import[i]->version;
    }
    if (!opset) return it_fail(r->err, INTACT_E_FORMAT, "opset_import", "the model does not say which opset of ai.onnx it uses");
    /* below IT_OPSET_MIN, operators that have not changed since are understood: onnx_node.c */
    if (opset < 1 || opset > IT_OPSET_MAX)
        return it_fail(r->err, INTACT_E_UNSUPPORTED,
                       "opset_import", "the model uses opset %lld; %d to %d are supported: export or convert it to one of these",
                       (long long)opset, IT_OPSET_MIN, IT_OPSET_MAX);
    r->g->opset = (int)opset;
    return INTACT_OK;
}

/* What the file declares of an input or output. An output may say nothing. */
static intact_status read_declared(it_onnx_reader *r, const Onnx__ValueInfoProto *p, bool is_input, it_value *v)
{
    const Onnx__TypeProto *type = p->type;
    const char *what = is_input ? "input" : "output";
    if (!type || type->value_case == ONNX__TYPE_PROTO__VALUE__NOT_SET)
        return is_input ? it_fail(r->err, INTACT_E_FORMAT, v->name, "the model does not give the type of this input") : INTACT_OK;
    if (type->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE)
        return it_fail(r->err, INTACT_E_UNSUPPORTED, v->name,
                       "this %s is a sequence, a map, optional or sparse; only dense tensors are supported", what);
    if (is_input && !it_type_of_onnx(type->tensor_type->elem_type, &v->t.type))
        return it_fail(r->err, INTACT_E_UNSUPPORTED, v->name,
                       "this input's type is %s (%d); numbers from 8 to 64 bits and bool are supported",
                       it_type_onnx_name(type->tensor_type->elem_type), (int)type->tensor_type->elem_type);
    const Onnx__TensorShapeProto *shape = type->tensor_type->shape;
    if (!shape) return INTACT_OK;
    if (shape->n_dim > IT_RANK_MAX)
        return it_fail(r->err, INTACT_E_UNSUPPORTED, v->name,
                       "this %s has %zu dimensions; at most %d are supported", what, shape->n_dim, IT_RANK_MAX);
    v->declared_rank = (int)shape->n_dim;
    for (size_t i = 0; i < shape->n_dim; i++) {
        const Onnx__TensorShapeProto__Dimension *d = shape->dim[i];
        bool fixed = d->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
        v->declared[i] = fixed ? d->dim_value : -1;
        if (v->declared[i] < -1 || v->declared[i] > (int64_t)1 << 40)
            return it_fail(r->err, INTACT_E_FORMAT, v->name,
                           "dimension %zu of this %s is %lld; it must be in 0..2^40, or symbolic", i, what,
                           (long long)v->declared[i]);
    }
    return INTACT_OK;
}

static intact_status new_value(it_onnx_reader *r, const char *name, const char *what, it_value **out)
{
    if (!name[0]) return it_fail(r->err, INTACT_E_FORMAT, what, "a graph %s has no name", what);
    if (it_onnx_names_find(&r->names, name)) return it_fail(r->err, INTACT_E_FORMAT, name, "two inputs or initializers have this name");
    *out = it_graph_value(r->g, name);
    if (!*out || !it_onnx_names_add(&r->names, *out)) return it_fail_nomem(r->err, name, sizeof **out);
    return INTACT_OK;
}

static intact_status read_initializers(it_onnx_reader *r, const Onnx__GraphProto *graph)
{
    for (size_t i = 0; i < graph->n_initializer; i++) {
        it_value *v = NULL;
        IT_TRY(new_value(r, text(graph->initializer[i]->name), "initializer", &v));
        IT_TRY(it_onnx_read_tensor(r, graph->initializer[i], "initializer", v->name, &v->t));
        v->is_const = true;
    }
    return INTACT_OK;
}

static intact_status read_inputs(it_onnx_reader *r, const Onnx__GraphProto *graph)
{
    it_graph *g = r->g;
    for (size_t i = 0; i < graph->n_input; i++) {
        it_value *v = it_onnx_names_find(&r->names, text(graph->input[i]->name));
        if (v && v->is_const) continue; /* files before IR version 4 list the initializers here too */
        IT_TRY(new_value(r, text(graph->input[i]->name), "input", &v));
        v->is_input = true;
        if (!IT_VEC_ROOM(g->alloc, g->inputs)) return it_fail_nomem(r->err, v->name, sizeof v);
        g->inputs.items[g->inputs.len++] = v;
        IT_TRY(read_declared(r, graph->input[i], true, v));
    }
    return INTACT_OK;
}

/* The output of a Constant node becomes a constant, the node goes. */
static void fold_constant(it_node *n)
{
    it_value *v = n->out[0];
    v->t = *(const it_tensor *)n->args;
    v->is_const = true;
    v->producer = NULL;
}

static intact_status read_nodes(it_onnx_reader *r, const Onnx__GraphProto *graph)
{
    it_graph *g = r->g;
    size_t kept = 0;
    for (size_t i = 0; i < graph->n_node; i++) IT_TRY(it_onnx_read_node(r, graph->node[i], i));
    for (size_t i = 0; i < graph->n_node; i++) {
        it_node *n = g->nodes.items[i];
        IT_TRY(it_onnx_join_node(r, graph->node[i], n));
        if (n->op == &it_op_constant)
            fold_constant(n);
        else
            g->nodes.items[kept++] = n;
    }
    g->nodes.len = kept;
    return INTACT_OK;
}

static intact_status read_outputs(it_onnx_reader *r, const Onnx__GraphProto *graph)
{
    it_graph *g = r->g;
    if (!graph->n_output) return it_fail(r->err, INTACT_E_FORMAT, "graph", "the model has no outputs");
    for (size_t i = 0; i < graph->n_output; i++) {
        const char *name = text(graph->output[i]->name);
        it_value *v = it_onnx_names_find(&r->names, name);
        if (!v) return it_fail(r->err, INTACT_E_FORMAT, name, "nothing in the model computes this output");
        if (v->is_output) return it_fail(r->err, INTACT_E_FORMAT, name, "this output is listed twice");
        if (!IT_VEC_ROOM(g->alloc, g->outputs)) return it_fail_nomem(r->err, name, sizeof v);
        g->outputs.items[g->outputs.len++] = v;
        v->is_output = true;
        if (!v->is_input) IT_TRY(read_declared(r, graph->output[i], false, v));
    }
    return INTACT_OK;
}

/* The texts live as long as the message, and that as the graph. */
static intact_status read_about(it_onnx_reader *r, const Onnx__ModelProto *m)
{
    it_about *a = &r->g->about;
    it_prop *props = it_arena_new(r->arena, (m->n_metadata_props + 1) * sizeof *props);
    if (!props) return it_fail_nomem(r->err, "metadata", m->n_metadata_props * sizeof *props);
    for (size_t i = 0; i < m->n_metadata_props; i++) props[i] = (it_prop){text(m->metadata_props[i]->key), text(m->metadata_props[i]->value)};
    *a = (it_about){.title = m->graph->name, .doc = m->doc_string, .domain = m->domain, .version = m->has_model_version ? m->model_version : 0, .props = props,
                    .props_len = m->n_metadata_props};
    return INTACT_OK;
}

static intact_status read_model(it_onnx_reader *r)
{
    const Onnx__ModelProto *m = r->owner->model;
    if (!m->graph) return it_fail(r->err, INTACT_E_FORMAT, "model", "there is no graph in it; the file is not an ONNX model");
    IT_TRY(read_about(r, m));
    IT_TRY(read_opset(r, m));
    IT_TRY(read_initializers(r, m->graph));
    IT_TRY(read_inputs(r, m->graph));
    IT_TRY(read_nodes(r, m->graph));
    IT_TRY(read_outputs(r, m->graph));
    IT_TRY(it_graph_sort(r->g, r->err));
    return it_graph_verify(r->g, r->err);
}

/* Other things that people pass, which their first bytes tell. */
static intact_status check_kind(it_onnx_reader *r, const void *b, size_t len)
{
    if (len >= 4 && memcmp(b, "ITM", 3) == 0)
        return it_fail(r->err, INTACT_E_FORMAT, "model", "this is an integer program (.itm) already; the float network (.onnx) is needed here");
    return INTACT_OK;
}

static intact_status unpack(it_onnx_reader *r, const void *bytes, size_t len)
{
    IT_TRY(check_kind(r, bytes, len));
    IT_TRY(it_onnx_scan(bytes, len, IT_ONNX_MODEL, r->err));
    IT_TRY(it_onnx_owner_new(r->g->alloc, &r->owner, r->err));
    r->g->map = r->owner;
    r->g->map_close = it_onnx_owner_free;
    r->owner->model = onnx__model_proto__unpack(&r->owner->proto, len, bytes);
    if (r->owner->model) return INTACT_OK;
    if (r->owner->heap.failed) return it_fail_nomem(r->err, "model", len);
    return it_fail(r->err, INTACT_E_FORMAT, "model", "its %zu bytes are not in ONNX's format", len);
}

intact_status it_onnx_read_memory(const void *bytes, size_t len, const char *name, const char *folder, it_graph *g, intact_error *err)
{
    char prefix[96];
    it_onnx_reader r = {.g = g, .arena = &g->arena, .folder = folder, .names = {.alloc = g->alloc}, .err = err};
    snprintf(prefix, sizeof prefix, "%.90s: ", name);
    const char *kept = it_arena_text(&g->arena, name);
    if (kept) g->name = kept;
    g->file_bytes = len;
    intact_status st = kept ? unpack(&r, bytes, len) : it_fail_nomem(err, "model", strlen(name));
    if (st == INTACT_OK) st = read_model(&r);
    for (size_t i = 0; st == INTACT_OK && i < r.owner->files.len; i++) g->file_bytes += r.owner->files.items[i].map.len;
    it_onnx_names_release(&r.names);
    return st == INTACT_OK ? st : it_fail_in(err, st, prefix);
}

intact_status it_onnx_read(const char *path, it_graph *g, intact_error *err)
{
    char folder[4096];
    it_map map;
    const char *slash = strrchr(path, '/');
    if (snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".") >= (int)sizeof folder)
        return it_fail(err, INTACT_E_ARG, "path", "it is longer than %zu bytes", sizeof folder);
    IT_TRY(it_map_open(path, &map, err));
    intact_status st = it_onnx_read_memory(map.data, map.len, slash ? slash + 1 : path, slash == path ? "/" : folder, g, err);
    it_map_close(&map);
    return st;
}

intact_status it_onnx_sha256(const char *path, const it_graph *g, char out[65], intact_error *err)
{
    const it_onnx_owner *o = g->map_close == it_onnx_owner_free ? g->map : NULL;
    it_sha256 h;
    it_map map;
    IT_TRY(it_map_open(path, &map, err));
    it_sha256_init(&h);
    it_sha256_add(&h, map.data, map.len);
    it_map_close(&map);
    for (size_t i = 0; o && i < o->files.len; i++) it_sha256_add(&h, o->files.items[i].map.data, o->files.items[i].map.len);
    it_sha256_hex(&h, out);
    return INTACT_OK;
}
