/* SPDX-License-Identifier: Apache-2.0 */
/* test_hostile.c: models that are wrong in each way we know: an error that names the place, never a crash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "onnx/helpers.h"
#include "op/op.h"

static build b; /* of the test that runs */

static int setup(void **state)
{
    (void)state;
    build_begin(&b, 13);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    build_end(&b);
    return 0;
}

static void model_level(void **state)
{
    (void)state;
    build_relu(&b);
    b.opset.version = 22;
    expect_fail(&b, INTACT_E_UNSUPPORTED, "opset 22");
    b.opset.version = -1;
    expect_fail(&b, INTACT_E_UNSUPPORTED, "opset -1");
    b.opset.version = INT64_MAX;
    expect_fail(&b, INTACT_E_UNSUPPORTED, "7 to 21");
    b.opset.version = 13;
    b.model.n_opset_import = 0;
    expect_fail(&b, INTACT_E_FORMAT, "which opset");
    b.model.n_opset_import = 1;
    b.graph.n_output = 0;
    expect_fail(&b, INTACT_E_FORMAT, "no outputs");
    b.graph.n_output = 1;
    b.model.graph = NULL;
    expect_fail(&b, INTACT_E_FORMAT, "no graph");
}

static void names(void **state)
{
    (void)state;
    build_relu(&b);
    build_node(&b, "Relu", "second", "x", "y");
    expect_fail(&b, INTACT_E_FORMAT, "second (Relu)");
    b.nodes[1]->output[0] = "x";
    expect_fail(&b, INTACT_E_FORMAT, "\"x\" is also an input");
    b.nodes[1]->output[0] = "z";
    b.nodes[1]->input[0] = "nowhere";
    expect_fail(&b, INTACT_E_FORMAT, "\"nowhere\", is neither");
    b.nodes[1]->input[0] = "z"; /* its own output */
    expect_fail(&b, INTACT_E_FORMAT, "cycle");
    b.nodes[1]->input[0] = "y";
    b.nodes[0]->input[0] = "z";
    expect_fail(&b, INTACT_E_FORMAT, "cycle");
    b.nodes[0]->input[0] = "x";
    b.outputs[0]->name = "absent";
    expect_fail(&b, INTACT_E_FORMAT, "absent");
    b.outputs[0]->name = "y";
    build_output(&b, "y");
    expect_fail(&b, INTACT_E_FORMAT, "listed twice");
    b.graph.n_output = 1;
    build_input(&b, "x", 1, 0, NULL);
    expect_fail(&b, INTACT_E_FORMAT, "have this name");
    b.inputs[1]->name = "";
    expect_fail(&b, INTACT_E_FORMAT, "no name");
}

static void inputs(void **state)
{
    (void)state;
    build_relu(&b);
    Onnx__TypeProto *type = b.inputs[0]->type;
    type->tensor_type->elem_type = 16;
    expect_fail(&b, INTACT_E_UNSUPPORTED, "bfloat16");
    type->tensor_type->elem_type = 99;
    expect_fail(&b, INTACT_E_UNSUPPORTED, "99");
    type->tensor_type->elem_type = 1;
    type->tensor_type->shape->dim[1]->dim_value = -2;
    expect_fail(&b, INTACT_E_FORMAT, "-2");
    type->tensor_type->shape->dim[1]->dim_value = INT64_MAX;
    expect_fail(&b, INTACT_E_FORMAT, "2^40");
    type->tensor_type->shape->dim[1]->dim_value = 2;
    Onnx__TypeProto__Sequence seq = ONNX__TYPE_PROTO__SEQUENCE__INIT;
    Onnx__TypeProto holder = ONNX__TYPE_PROTO__INIT;
    holder.value_case = ONNX__TYPE_PROTO__VALUE_SEQUENCE_TYPE;
    holder.sequence_type = &seq;
    seq.elem_type = type;
    b.inputs[0]->type = &holder;
    expect_fail(&b, INTACT_E_UNSUPPORTED, "sequence");
    b.inputs[0]->type = NULL;
    expect_fail(&b, INTACT_E_FORMAT, "type of this input");
    b.graph.n_input = 0;
    build_input(&b, "x", 1, 9, (int64_t[]){1, 1, 1, 1, 1, 1, 1, 1, 1});
    expect_fail(&b, INTACT_E_UNSUPPORTED, "9 dimensions");
}

static void tensor_case(int type, int rank, const int64_t *dims, size_t bytes, intact_status status, const char *text)
{
    static const char zeros[64];
    b.graph.n_initializer = 0;
    build_init(&b, "w", type, rank, dims, zeros, bytes);
    expect_fail(&b, status, text);
}

static void tensors(void **state)
{
    (void)state;
    build_relu(&b);
    tensor_case(1, 1, (int64_t[]){2}, 7, INTACT_E_FORMAT, "float[2]");
    tensor_case(1, 1, (int64_t[]){2}, 12, INTACT_E_FORMAT, "needs 8");
    tensor_case(1, 1, (int64_t[]){-2}, 8, INTACT_E_SHAPE, "-2");
    tensor_case(1, 2, (int64_t[]){INT64_MAX, INT64_MAX}, 8, INTACT_E_SHAPE, "2^40");
    tensor_case(1, 2, (int64_t[]){(int64_t)1 << 32, (int64_t)1 << 32}, 0, INTACT_E_SHAPE, "2^40");
    tensor_case(1, 3, (int64_t[]){0, INT64_MAX, INT64_MAX}, 0, INTACT_E_SHAPE, "2^40");
    tensor_case(1, 2, (int64_t[]){(int64_t)1 << 20, (int64_t)1 << 20}, 16, INTACT_E_FORMAT, "raw_data has 16");
    tensor_case(1, 9, (int64_t[]){1, 1, 1, 1, 1, 1, 1, 1, 1}, 4, INTACT_E_UNSUPPORTED, "9 dimensions");
    tensor_case(8, 0, NULL, 4, INTACT_E_UNSUPPORTED, "string");
    tensor_case(0, 0, NULL, 4, INTACT_E_UNSUPPORTED, "undefined");
    tensor_case(-5, 0, NULL, 4, INTACT_E_UNSUPPORTED, "initializer \"w\"");
    b.graph.n_initializer = 0;
    Onnx__TensorProto *t = build_init(&b, "w", 1, 1, (int64_t[]){3}, NULL, 0);
    expect_fail(&b, INTACT_E_FORMAT, "float_data has 0");
    t->data_type = 2;
    t->n_int32_data = 2;
    t->int32_data = (int32_t[]){1, 2};
    expect_fail(&b, INTACT_E_FORMAT, "int32_data has 2");
    b.graph.n_initializer = 0;
    build_init(&b, "w", 1, 0, NULL, "abcd", 4);
    build_init(&b, "w", 1, 0, NULL, "abcd", 4);
    expect_fail(&b, INTACT_E_FORMAT, "have this name");
    b.inits[1]->name = "";
    expect_fail(&b, INTACT_E_FORMAT, "no name");
}

static void nodes(void **state)
{
    (void)state;
    build_relu(&b);
    b.nodes[0]->op_type = "ReluRelu";
    expect_fail(&b, INTACT_E_UNSUPPORTED, "relu (ReluRelu)");
    b.nodes[0]->op_type = NULL;
    expect_fail(&b, INTACT_E_FORMAT, "no operator");
    b.nodes[0]->op_type = "Relu";
    b.nodes[0]->domain = "com.example";
    expect_fail(&b, INTACT_E_UNSUPPORTED, "com.example");
    b.nodes[0]->domain = NULL;
    b.nodes[0]->n_output = 0;
    expect_fail(&b, INTACT_E_FORMAT, "0 outputs");
    b.nodes[0]->n_output = 1;
    b.nodes[0]->n_input = 0;
    expect_fail(&b, INTACT_E_FORMAT, "0 inputs");
    b.nodes[0]->n_input = 2;
    b.nodes[0]->input = (char *[]){"x", "x"};
    expect_fail(&b, INTACT_E_FORMAT, "2 inputs");
    b.nodes[0]->op_type = "Add";
    b.nodes[0]->input = (char *[]){"", "x"};
    expect_fail(&b, INTACT_E_FORMAT, "input 0 is left out");
}

static void attributes(void **state)
{
    (void)state;
    build_relu(&b);
    b.nodes[0]->op_type = "Softmax";
    Onnx__AttributeProto *a = build_attr(&b, b.nodes[0], "axis", ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT);
    expect_fail(&b, INTACT_E_FORMAT, "axis is a float");
    a->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__GRAPH;
    Onnx__GraphProto inner = ONNX__GRAPH_PROTO__INIT;
    a->g = &inner;
    expect_fail(&b, INTACT_E_UNSUPPORTED, "axis holds a subgraph");
    a->g = NULL;
    a->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT;
    a->ref_attr_name = "outer";
    expect_fail(&b, INTACT_E_FORMAT, "outer");
    a->ref_attr_name = NULL;
    a->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR;
    expect_fail(&b, INTACT_E_FORMAT, "has none");
    a->type = (Onnx__AttributeProto__AttributeType)77;
    expect_fail(&b, INTACT_E_FORMAT, "unsupported kind");
    b.nodes[0]->op_type = "Constant";
    b.nodes[0]->n_input = 0;
    a->name = "value_string";
    expect_fail(&b, INTACT_E_UNSUPPORTED, "value_string");
    b.nodes[0]->n_attribute = 0;
    expect_fail(&b, INTACT_E_FORMAT, "no attribute gives the value");
}

static void functions_and_sparse(void **state)
{
    (void)state;
    build_relu(&b);
    Onnx__FunctionProto f = ONNX__FUNCTION_PROTO__INIT, *list[1] = {&f};
    f.name = "Mine";
    b.model.functions = list;
    b.model.n_functions = 1;
    b.nodes[0]->op_type = "Mine";
    expect_fail(&b, INTACT_E_UNSUPPORTED, "as a function");
    b.nodes[0]->op_type = "Relu";
    Onnx__SparseTensorProto s = ONNX__SPARSE_TENSOR_PROTO__INIT, *sparse[1] = {&s};
    s.values = build_tensor(&b, "w", 1, 0, NULL);
    b.graph.sparse_initializer = sparse;
    b.graph.n_sparse_initializer = 1;
    b.nodes[0]->input[0] = "w";
    expect_fail(&b, INTACT_E_UNSUPPORTED, "sparse");
}

/* ---- bytes ---- */

static void expect_bytes(const void *bytes, size_t len, intact_status status, const char *text)
{
    it_graph g;
    intact_error err = {0};
    it_graph_init(&g, NULL);
    intact_status st = it_onnx_read_memory(bytes, len, "test.onnx", NULL, &g, &err);
    it_graph_release(&g);
    if (st != status || !strstr(err.message, text)) fail_msg("got %s: %s: %s", intact_status_name(st), err.where, err.message);
}

/* A message that holds itself, over and over: key and length around what there is. */
static size_t wrap(uint8_t *at, size_t len, uint8_t key, uint8_t **out)
{
    uint8_t head[8];
    size_t n = 0, v = len;
    head[n++] = key;
    do {
        head[n++] = (uint8_t)((v & 127) | (v > 127 ? 128 : 0));
        v >>= 7;
    } while (v);
    memcpy(at - n, head, n);
    *out = at - n;
    return len + n;
}

static void nesting(void **state)
{
    (void)state;
    static uint8_t mem[1 << 20];
    for (int depth = 30; depth <= 100000; depth *= 10) {
        uint8_t *at = mem + sizeof mem;
        size_t len = 0;
        for (int i = 0; i < depth; i++) { /* graph { node { attribute { g { node ... */
            len = wrap(at, len, 6 << 3 | 2, &at);
            len = wrap(at, len, 5 << 3 | 2, &at);
            len = wrap(at, len, 1 << 3 | 2, &at);
        }
        len = wrap(at, len, 7 << 3 | 2, &at);
        expect_bytes(at, len, INTACT_E_FORMAT, "nested more than 64");
    }
}

static void broken_bytes(void **state)
{
    (void)state;
    expect_bytes("", 0, INTACT_E_FORMAT, "no graph");
    expect_bytes("\x08", 1, INTACT_E_FORMAT, "cut off");
    expect_bytes("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12, INTACT_E_FORMAT, "more than 10 bytes");
    expect_bytes("\x3a\x05\x0a", 3, INTACT_E_FORMAT, "longer than what holds it");
    expect_bytes("\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, INTACT_E_FORMAT, "longer than what holds it");
    expect_bytes("\x3a\x02\x0a\x05", 4, INTACT_E_FORMAT, "longer than what holds it");
    expect_bytes("\x00\x01", 2, INTACT_E_FORMAT, "number that is not allowed");
    expect_bytes("\x3b\x3c", 2, INTACT_E_FORMAT, "wire type");
    expect_bytes("\x0b\x0c", 2, INTACT_E_FORMAT, "unknown wire type");
    expect_bytes("\x38\x01", 2, INTACT_E_FORMAT, "wrong wire type");
    expect_bytes("\x3a\x00\x3a\x00", 4, INTACT_E_FORMAT, "occurs twice");
    expect_bytes("not a model at all", 18, INTACT_E_FORMAT, "");
}

/* Cut short anywhere, or with any one byte changed, a model is read or refused. */
static void cut_and_changed(void **state)
{
    (void)state;
    float w[4] = {1, 2, 3, 4};
    build_relu(&b);
    build_init(&b, "w", 1, 2, (int64_t[]){2, 2}, w, sizeof w);
    build_node(&b, "MatMul", "m", "y,w", "m");
    Onnx__AttributeProto *a =
        build_attr(&b, build_node(&b, "Transpose", "t", "m", "t"), "perm", ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);
    a->n_ints = 2;
    a->ints = (int64_t[]){1, 0};
    build_output(&b, "t");
    size_t len;
    uint8_t *bytes = build_pack(&b, &len);
    for (size_t i = 0; i < len; i++)
        for (int change = 0; change < 10; change++) {
            it_graph g;
            intact_error err;
            uint8_t *copy = malloc(change == 9 ? i + 1 : len); /* exact size: sanitizers see each byte read beyond it */
            memcpy(copy, bytes, change == 9 ? i : len);
            if (change < 8)
                copy[i] ^= (uint8_t)(1 << change);
            else if (change == 8)
                copy[i] = 0xff;
            it_graph_init(&g, NULL);
            intact_status st = it_onnx_read_memory(copy, change == 9 ? i : len, "test.onnx", NULL, &g, &err);
            if (st == INTACT_OK) st = it_graph_infer(&g, 1, NULL, &err);
            it_graph_release(&g);
            free(copy);
        }
}

static void tensor_files(void **state)
{
    (void)state;
    it_arena arena;
    it_tensor t;
    intact_error err = {0};
    it_arena_init(&arena, NULL);
    Onnx__TensorProto *p = build_tensor(&b, "x", 1, 1, (int64_t[]){2});
    build_raw(p, "\0\0\x80\x3f\0\0\0\x40", 8);
    uint8_t bytes[128];
    size_t len = onnx__tensor_proto__pack(p, bytes);
    assert_int_equal(it_onnx_tensor(bytes, len, "in.pb", &arena, &t, &err), INTACT_OK);
    assert_true(t.rank == 1 && t.dim[0] == 2 && it_tensor_get(&t, 0) == 1 && it_tensor_get(&t, 1) == 2);
    assert_int_equal(it_onnx_tensor(bytes, len - 1, "in.pb", &arena, &t, &err), INTACT_E_FORMAT);
    assert_non_null(strstr(err.where, "in.pb"));
    build_external(&b, p, "x", NULL, NULL);
    len = onnx__tensor_proto__pack(p, bytes);
    assert_int_equal(it_onnx_tensor(bytes, len, "in.pb", &arena, &t, &err), INTACT_E_UNSUPPORTED);
    it_arena_release(&arena);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(model_level), T(names),        T(inputs),          T(tensors),      T(nodes),       T(attributes), T(functions_and_sparse),
        T(nesting),     T(broken_bytes), T(cut_and_changed), T(tensor_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
