/* SPDX-License-Identifier: Apache-2.0 */
/* helpers.c: small ONNX models made in memory. */
#include "onnx/helpers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define NEW(b, p) ((p) = it_arena_new(&(b)->arena, sizeof *(p)))

void build_begin(build *b, int opset)
{
    memset(b, 0, sizeof *b);
    it_arena_init(&b->arena, NULL);
    onnx__model_proto__init(&b->model);
    onnx__graph_proto__init(&b->graph);
    onnx__operator_set_id_proto__init(&b->opset);
    b->model.has_ir_version = 1;
    b->model.ir_version = 7;
    b->model.graph = &b->graph;
    b->opset.has_version = 1;
    b->opset.version = opset;
    b->opsets[0] = &b->opset;
    b->model.opset_import = b->opsets;
    b->model.n_opset_import = 1;
    b->graph.name = "g";
    b->graph.node = b->nodes;
    b->graph.initializer = b->inits;
    b->graph.input = b->inputs;
    b->graph.output = b->outputs;
}

void build_end(build *b) { it_arena_release(&b->arena); }

static char **names(build *b, const char *list, size_t *len)
{
    char **out = it_arena_new(&b->arena, 32 * sizeof *out);
    *len = 0;
    for (const char *at = list; at; at = strchr(at, ',')) {
        at += *at == ',';
        size_t n = strcspn(at, ",");
        out[*len] = it_arena_new(&b->arena, n + 1);
        memcpy(out[(*len)++], at, n);
    }
    return out;
}

Onnx__NodeProto *build_node(build *b, const char *op, const char *name, const char *inputs, const char *outputs)
{
    Onnx__NodeProto *n;
    NEW(b, n);
    onnx__node_proto__init(n);
    n->op_type = it_arena_text(&b->arena, op);
    n->name = it_arena_text(&b->arena, name);
    if (inputs) n->input = names(b, inputs, &n->n_input);
    if (outputs) n->output = names(b, outputs, &n->n_output);
    n->attribute = it_arena_new(&b->arena, 8 * sizeof *n->attribute);
    b->nodes[b->graph.n_node++] = n;
    return n;
}

Onnx__AttributeProto *build_attr(build *b, Onnx__NodeProto *n, const char *name, Onnx__AttributeProto__AttributeType type)
{
    Onnx__AttributeProto *a;
    NEW(b, a);
    onnx__attribute_proto__init(a);
    a->name = it_arena_text(&b->arena, name);
    a->has_type = 1;
    a->type = type;
    a->has_i = type == ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT;
    a->has_f = type == ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT;
    n->attribute[n->n_attribute++] = a;
    return a;
}

Onnx__TensorProto *build_tensor(build *b, const char *name, int type, int rank, const int64_t *dims)
{
    Onnx__TensorProto *t;
    NEW(b, t);
    onnx__tensor_proto__init(t);
    t->name = it_arena_text(&b->arena, name);
    t->has_data_type = 1;
    t->data_type = type;
    t->n_dims = (size_t)rank;
    if (rank) t->dims = it_arena_copy(&b->arena, dims, (size_t)rank * sizeof *dims);
    return t;
}

void build_raw(Onnx__TensorProto *t, const void *data, size_t bytes)
{
    t->has_raw_data = 1;
    t->raw_data = (ProtobufCBinaryData){.len = bytes, .data = (uint8_t *)(uintptr_t)data};
}

Onnx__TensorProto *build_init(build *b, const char *name, int type, int rank, const int64_t *dims, const void *data, size_t bytes)
{
    Onnx__TensorProto *t = build_tensor(b, name, type, rank, dims);
    if (data) build_raw(t, data, bytes);
    b->inits[b->graph.n_initializer++] = t;
    return t;
}

Onnx__ValueInfoProto *build_input(build *b, const char *name, int type, int rank, const int64_t *dims)
{
    Onnx__ValueInfoProto *v;
    NEW(b, v);
    onnx__value_info_proto__init(v);
    v->name = it_arena_text(&b->arena, name);
    NEW(b, v->type);
    onnx__type_proto__init(v->type);
    v->type->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    Onnx__TypeProto__Tensor *t;
    NEW(b, t);
    v->type->tensor_type = t;
    onnx__type_proto__tensor__init(t);
    t->has_elem_type = 1;
    t->elem_type = type;
    if (rank >= 0) {
        NEW(b, t->shape);
        onnx__tensor_shape_proto__init(t->shape);
        t->shape->n_dim = (size_t)rank;
        t->shape->dim = it_arena_new(&b->arena, (size_t)(rank + 1) * sizeof *t->shape->dim);
    }
    for (int i = 0; i < rank; i++) {
        Onnx__TensorShapeProto__Dimension *d;
        NEW(b, d);
        onnx__tensor_shape_proto__dimension__init(d);
        d->value_case =
            dims[i] == -1 ? ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM : ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
        if (dims[i] == -1)
            d->dim_param = "N";
        else
            d->dim_value = dims[i];
        t->shape->dim[i] = d;
    }
    b->inputs[b->graph.n_input++] = v;
    return v;
}

void build_output(build *b, const char *name)
{
    Onnx__ValueInfoProto *v;
    NEW(b, v);
    onnx__value_info_proto__init(v);
    v->name = it_arena_text(&b->arena, name);
    b->outputs[b->graph.n_output++] = v;
}

void build_external(build *b, Onnx__TensorProto *t, const char *location, const char *offset, const char *length)
{
    const char *const keys[] = {"location", "offset", "length"}, *const values[] = {location, offset, length};
    t->has_data_location = 1;
    t->data_location = ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
    t->external_data = it_arena_new(&b->arena, 3 * sizeof *t->external_data);
    for (int i = 0; i < 3; i++) {
        if (!values[i]) continue;
        Onnx__StringStringEntryProto *e;
        NEW(b, e);
        onnx__string_string_entry_proto__init(e);
        e->key = it_arena_text(&b->arena, keys[i]);
        e->value = it_arena_text(&b->arena, values[i]);
        t->external_data[t->n_external_data++] = e;
    }
}

void *build_pack(build *b, size_t *len)
{
    *len = onnx__model_proto__get_packed_size(&b->model);
    void *bytes = it_arena_new(&b->arena, *len + 1);
    assert_int_equal(onnx__model_proto__pack(&b->model, bytes), *len);
    return bytes;
}

void build_relu(build *b)
{
    build_input(b, "x", 1, 2, (int64_t[]){-1, 2});
    build_node(b, "Relu", "relu", "x", "y");
    build_output(b, "y");
}

intact_status read_built(build *b, const char *folder, it_graph *g, intact_error *err)
{
    size_t len;
    void *bytes = build_pack(b, &len);
    return it_onnx_read_memory(bytes, len, "test.onnx", folder, g, err);
}

void expect_fail(build *b, intact_status status, const char *text)
{
    it_graph g;
    intact_error err = {0};
    it_graph_init(&g, NULL);
    intact_status st = read_built(b, NULL, &g, &err);
    it_graph_release(&g);
    if (st != status || err.code != status || (!strstr(err.message, text) && !strstr(err.where, text)))
        fail_msg("wanted %s with \"%s\", got %s: %s: %s", intact_status_name(status), text, intact_status_name(st), err.where, err.message);
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
