/* SPDX-License-Identifier: Apache-2.0 */
/* onnx_write.c: a graph to an ONNX model. The messages are built in an arena and point at the graph's own content, packed once into memory
** and written atomically. Types and shapes of inner values are left for the reader to infer. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "format/format.h"
#include "onnx/onnx.pb-c.h"
#include "op/op.h"

#define BYTES_MAX INT32_MAX    /* protobuf's limit for one message */

typedef struct onnx_writer {
    const it_graph *g;
    it_arena arena;
    bool *used; /* by value id: read by a node or a graph output */
    intact_error *err;
} onnx_writer;

/* Texts and numbers are only read when packing; protobuf-c's fields are not const. */
static char *borrow(const char *s) { return (char *)(uintptr_t)(s ? s : ""); }

static intact_status room(onnx_writer *w, size_t len, size_t size, void *out)
{
    size_t bytes;
    void *p = it_mul_size(len, size, &bytes) ? it_arena_new(&w->arena, bytes ? bytes : 1) : NULL;
    if (!p) return it_fail_nomem(w->err, w->g->name, len);
    memcpy(out, &p, sizeof p);
    return INTACT_OK;
}

/* len messages of size bytes and the list of pointers to them; the caller initializes each. */
static intact_status room_list(onnx_writer *w, size_t len, size_t size, void *list)
{
    char *items;
    void **p;
    IT_TRY(room(w, len, size, &items));
    IT_TRY(room(w, len, sizeof *p, &p));
    for (size_t i = 0; i < len; i++) p[i] = items + i * size;
    memcpy(list, &p, sizeof p);
    return INTACT_OK;
}

/* ---- tensors ---- */

static intact_status put_tensor(onnx_writer *w, const char *name, const it_tensor *t, Onnx__TensorProto *p)
{
    onnx__tensor_proto__init(p);
    if (t->rank < 0 || t->layout != IT_PLAIN || (!t->data && it_tensor_len(t)))
        return it_fail(w->err, INTACT_E_ARG, name, "a tensor can be written when its shape and content are known, in plain layout");
    p->name = borrow(name);
    p->has_data_type = true;
    p->data_type = it_type_to_onnx(t->type);
    p->n_dims = (size_t)t->rank;
    IT_TRY(room(w, p->n_dims, sizeof *p->dims, &p->dims));
    memcpy(p->dims, t->dim, p->n_dims * sizeof *p->dims);
    p->has_raw_data = true;
    p->raw_data = (ProtobufCBinaryData){.len = it_tensor_bytes(t), .data = t->data};
    if (!it_type_is_4bit(t->type)) return INTACT_OK;
    size_t len = (size_t)it_tensor_len(t); /* two to a byte */
    uint8_t *half;
    IT_TRY(room(w, (len + 1) / 2, 1, &half));
    for (size_t i = 0; i < len; i++) half[i / 2] |= (uint8_t)((((const uint8_t *)t->data)[i] & 15) << (i % 2 * 4));
    p->raw_data = (ProtobufCBinaryData){.len = (len + 1) / 2, .data = half};
    return INTACT_OK;
}

static intact_status put_initializers(onnx_writer *w, Onnx__GraphProto *graph)
{
    const it_graph *g = w->g;
    size_t len = 0;
    for (size_t i = 0; i < g->values.len; i++) len += g->values.items[i]->is_const && w->used[i];
    IT_TRY(room_list(w, len, sizeof **graph->initializer, &graph->initializer));
    for (size_t i = 0; i < g->values.len; i++) {
        const it_value *v = g->values.items[i];
        if (!v->is_const || !w->used[i]) continue;
        IT_TRY(put_tensor(w, v->name, &v->t, graph->initializer[graph->n_initializer++]));
    }
    return INTACT_OK;
}

/* ---- inputs and outputs ---- */

static intact_status put_dim(onnx_writer *w, int axis, int64_t dim, Onnx__TensorShapeProto__Dimension *p)
{
    onnx__tensor_shape_proto__dimension__init(p);
    if (dim >= 0) {
        p->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
        p->dim_value = dim;
        return INTACT_OK;
    }
    p->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
    p->dim_param = axis ? it_arena_printf(&w->arena, "dim_%d", axis) : borrow("N");
    return p->dim_param ? INTACT_OK : it_fail_nomem(w->err, w->g->name, 8);
}

/* The shape as declared; where nothing is declared, as inferred; else none. */
static intact_status put_io(onnx_writer *w, const it_value *v, Onnx__ValueInfoProto *p)
{
    Onnx__TensorShapeProto *shape;
    Onnx__TypeProto__Tensor *tensor;
    int rank = v->declared_rank >= 0 ? v->declared_rank : v->t.rank;
    onnx__value_info_proto__init(p);
    p->name = borrow(v->name);
    IT_TRY(room(w, 1, sizeof *p->type, &p->type));
    IT_TRY(room(w, 1, sizeof *tensor, &tensor));
    onnx__type_proto__init(p->type);
    onnx__type_proto__tensor__init(tensor);
    p->type->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    p->type->tensor_type = tensor;
    tensor->has_elem_type = true;
    tensor->elem_type = it_type_to_onnx(v->t.type);
    if (rank < 0) return INTACT_OK;
    IT_TRY(room(w, 1, sizeof *shape, &shape));
    onnx__tensor_shape_proto__init(shape);
    IT_TRY(room_list(w, (size_t)rank, sizeof **shape->dim, &shape->dim));
    const int64_t *dim = v->declared_rank >= 0 ? v->declared : v->t.dim;
    for (; shape->n_dim < (size_t)rank; shape->n_dim++) IT_TRY(put_dim(w, (int)shape->n_dim, dim[shape->n_dim], shape->dim[shape->n_dim]));
    tensor->shape = shape;
    return INTACT_OK;
}

static intact_status put_ios(onnx_writer *w, it_value *const *values, size_t len, Onnx__ValueInfoProto ***list)
{
    IT_TRY(room_list(w, len, sizeof ***list, list));
    for (size_t i = 0; i < len; i++) IT_TRY(put_io(w, values[i], (*list)[i]));
    return INTACT_OK;
}

/* ---- nodes ---- */

static ProtobufCBinaryData string_of(const char *s) { return (ProtobufCBinaryData){.len = strlen(s), .data = (uint8_t *)borrow(s)}; }

static intact_status put_strings(onnx_writer *w, const it_attr *a, Onnx__AttributeProto *p)
{
    p->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRINGS;
    IT_TRY(room(w, a->len, sizeof *p->strings, &p->strings));
    for (; p->n_strings < a->len; p->n_strings++) p->strings[p->n_strings] = string_of(a->strings[p->n_strings]);
    return INTACT_OK;
}

static intact_status put_attr(onnx_writer *w, const it_node *n, const it_attr *a, Onnx__AttributeProto *p)
{
    onnx__attribute_proto__init(p);
    p->name = borrow(a->name);
    p->has_type = true;
    switch (a->kind) {
    case IT_ATTR_INT:
        p->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT;
        p->has_i = true;
        p->i = a->i;
        return INTACT_OK;
    case IT_ATTR_FLOAT:
        p->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT;
        p->has_f = true;
        p->f = a->f;
        return INTACT_OK;
    case IT_ATTR_STRING:
        p->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING;
        p->has_s = true;
        p->s = string_of(a->s);
        return INTACT_OK;
    case IT_ATTR_INTS:
        p->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS;
        p->n_ints = a->len;
        p->ints = (int64_t *)(uintptr_t)a->ints;
        return INTACT_OK;
    case IT_ATTR_FLOATS:
        p->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS;
        p->n_floats = a->len;
        p->floats = (float *)(uintptr_t)a->floats;
        return INTACT_OK;
    case IT_ATTR_STRINGS: return put_strings(w, a, p);
    case IT_ATTR_TENSOR:
        p->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR;
        IT_TRY(room(w, 1, sizeof *p->t, &p->t));
        return put_tensor(w, a->name, &a->tensor, p->t);
    default: return it_node_fail(n, w->err, INTACT_E_UNSUPPORTED, "attribute %s is of a kind that cannot be written", a->name);
    }
}

static intact_status put_names(onnx_writer *w, it_value *const *values, int len, char ***out)
{
    IT_TRY(room(w, (size_t)len, sizeof **out, out));
    for (int k = 0; k < len; k++) (*out)[k] = borrow(values[k] ? values[k]->name : "");
    return INTACT_OK;
}

static intact_status put_node(onnx_writer *w, const it_node *n, Onnx__NodeProto *p)
{
    onnx__node_proto__init(p);
    if (!n->op->onnx)
        return it_node_fail(n, w->err, INTACT_E_UNSUPPORTED, "this operator is not ONNX's; write networks before rewriting them");
    if (n->clamp_lo != -INFINITY || n->clamp_hi != INFINITY)
        return it_node_fail(n, w->err, INTACT_E_UNSUPPORTED, "a clamp to %g..%g is fused into it; write networks before rewriting them",
                            (double)n->clamp_lo, (double)n->clamp_hi);
    p->name = borrow(n->name);
    p->op_type = borrow(n->op->onnx);
    if (n->op->domain) p->domain = borrow(n->op->domain);
    p->n_input = (size_t)n->in_len;
    p->n_output = (size_t)n->out_len;
    IT_TRY(put_names(w, n->in, n->in_len, &p->input));
    IT_TRY(put_names(w, n->out, n->out_len, &p->output));
    IT_TRY(room_list(w, (size_t)n->attrs_len, sizeof **p->attribute, &p->attribute));
    for (; p->n_attribute < (size_t)n->attrs_len; p->n_attribute++)
        IT_TRY(put_attr(w, n, &n->attrs[p->n_attribute], p->attribute[p->n_attribute]));
    return INTACT_OK;
}

/* ---- the model ---- */

static bool imports(const Onnx__ModelProto *m, const char *domain)
{
    for (size_t i = 0; i < m->n_opset_import; i++)
        if (!strcmp(m->opset_import[i]->domain, domain)) return true;
    return false;
}

static void put_opset(Onnx__ModelProto *m, const char *domain, int version)
{
    Onnx__OperatorSetIdProto *p = m->opset_import[m->n_opset_import++];
    onnx__operator_set_id_proto__init(p);
    p->domain = borrow(domain);
    p->has_version = true;
    p->version = version;
}

static intact_status put_opsets(onnx_writer *w, Onnx__ModelProto *m)
{
    IT_TRY(room_list(w, w->g->nodes.len + 1, sizeof **m->opset_import, &m->opset_import));
    put_opset(m, "", w->g->opset);
    for (size_t i = 0; i < w->g->nodes.len; i++) {
        const it_node *n = w->g->nodes.items[i];
        if (n->op->domain && !imports(m, n->op->domain)) put_opset(m, n->op->domain, n->opset);
    }
    return INTACT_OK;
}

static void mark_used(const onnx_writer *w)
{
    for (size_t i = 0; i < w->g->nodes.len; i++) {
        const it_node *n = w->g->nodes.items[i];
        for (int k = 0; k < n->in_len; k++)
            if (n->in[k]) w->used[n->in[k]->id] = true;
    }
    for (size_t i = 0; i < w->g->outputs.len; i++) w->used[w->g->outputs.items[i]->id] = true;
}

/* The first that knows the opset, 7 at least; readers of later versions read it too. */
static int64_t ir_version(int opset)
{
    return opset <= 14 ? 7 : opset <= 18 ? 8 : opset <= 20 ? 9 : 10;
}

static void put_prop(Onnx__ModelProto *m, const char *key, const char *value)
{
    Onnx__StringStringEntryProto *p = m->metadata_props[m->n_metadata_props++];
    onnx__string_string_entry_proto__init(p);
    p->key = borrow(key);
    p->value = borrow(value);
}

/* What the file that was read said of itself, and our own provenance in the place of an older one. */
static intact_status put_about(onnx_writer *w, Onnx__ModelProto *m, Onnx__GraphProto *graph)
{
    const it_about *a = &w->g->about;
    if (a->title && *a->title) graph->name = borrow(a->title);
    if (a->doc) m->doc_string = borrow(a->doc);
    if (a->domain) m->domain = borrow(a->domain);
    m->has_model_version = a->version != 0;
    m->model_version = a->version;
    IT_TRY(room_list(w, a->props_len + 1, sizeof **m->metadata_props, &m->metadata_props));
    for (size_t i = 0; i < a->props_len; i++)
        if (!w->g->meta || strcmp(a->props[i].key, "intact") != 0) put_prop(m, a->props[i].key, a->props[i].value);
    if (w->g->meta) put_prop(m, "intact", w->g->meta);
    return INTACT_OK;
}

static intact_status put_model(onnx_writer *w, Onnx__ModelProto *m, Onnx__GraphProto *graph)
{
    const it_graph *g = w->g;
    onnx__model_proto__init(m);
    onnx__graph_proto__init(graph);
    m->has_ir_version = true;
    m->ir_version = ir_version(g->opset);
    m->producer_name = borrow("intact");
    m->producer_version = borrow(INTACT_VERSION_STRING);
    m->graph = graph;
    graph->name = borrow(g->name);
    IT_TRY(put_opsets(w, m));
    IT_TRY(put_about(w, m, graph));
    IT_TRY(room(w, g->values.len, sizeof *w->used, &w->used));
    mark_used(w);
    IT_TRY(put_initializers(w, graph));
    graph->n_input = g->inputs.len;
    IT_TRY(put_ios(w, g->inputs.items, g->inputs.len, &graph->input));
    graph->n_output = g->outputs.len;
    IT_TRY(put_ios(w, g->outputs.items, g->outputs.len, &graph->output));
    IT_TRY(room_list(w, g->nodes.len, sizeof **graph->node, &graph->node));
    for (; graph->n_node < g->nodes.len; graph->n_node++) IT_TRY(put_node(w, g->nodes.items[graph->n_node], graph->node[graph->n_node]));
    return INTACT_OK;
}

/* Sizes of nested messages are 32-bit numbers in protobuf-c, so the content is added up before anything is packed. */
static intact_status check_bytes(const onnx_writer *w)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < w->g->values.len; i++)
        if (w->g->values.items[i]->is_const && w->used[i]) bytes += it_tensor_bytes(&w->g->values.items[i]->t);
    if (bytes <= BYTES_MAX - (64u << 20)) return INTACT_OK;
    return it_fail(w->err, INTACT_E_UNSUPPORTED, w->g->name, "%llu bytes of constants; an ONNX file holds less than 2 GiB",
                   (unsigned long long)bytes);
}

static intact_status pack(onnx_writer *w, const Onnx__ModelProto *m, void **bytes, size_t *len)
{
    IT_TRY(check_bytes(w));
    *len = onnx__model_proto__get_packed_size(m);
    if (*len > BYTES_MAX) return it_fail(w->err, INTACT_E_UNSUPPORTED, w->g->name, "%zu bytes; an ONNX file holds less than 2 GiB", *len);
    *bytes = it_alloc_new(w->g->alloc, *len);
    if (!*bytes) return it_fail_nomem(w->err, w->g->name, *len);
    onnx__model_proto__pack(m, *bytes);
    return INTACT_OK;
}

intact_status it_onnx_write_memory(const it_graph *g, void **bytes, size_t *len, intact_error *err)
{
    onnx_writer w = {.g = g, .err = err};
    Onnx__ModelProto model;
    Onnx__GraphProto graph;
    *bytes = NULL;
    *len = 0;
    it_arena_init(&w.arena, g->alloc);
    intact_status st = put_model(&w, &model, &graph);
    if (st == INTACT_OK) st = pack(&w, &model, bytes, len);
    it_arena_release(&w.arena);
    return st;
}

intact_status it_onnx_write(const it_graph *g, const char *path, intact_error *err)
{
    void *bytes;
    size_t len;
    IT_TRY(it_onnx_write_memory(g, &bytes, &len, err));
    intact_status st = it_file_replace(path, &(it_part){bytes, len}, 1, err);
    it_alloc_free(g->alloc, bytes, len);
    return st;
}
