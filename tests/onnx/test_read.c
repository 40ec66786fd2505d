/* SPDX-License-Identifier: Apache-2.0 */
/* test_read.c: what good models become. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "onnx/helpers.h"
#include "op/op.h"

static void read_ok(build *b, const char *folder, it_graph *g)
{
    intact_error err = {0};
    it_graph_init(g, NULL);
    if (read_built(b, folder, g, &err) != INTACT_OK) fail_msg("%s: %s", err.where, err.message);
}

static void basics(void **state)
{
    (void)state;
    build b;
    it_graph g;
    build_begin(&b, 13);
    build_relu(&b);
    b.nodes[0]->name = NULL; /* made up from the output */
    read_ok(&b, NULL, &g);
    assert_string_equal(g.name, "test.onnx");
    assert_int_equal(g.opset, 13);
    assert_int_equal(g.nodes.len, 1);
    assert_string_equal(g.nodes.items[0]->name, "y");
    assert_string_equal(g.nodes.items[0]->op->name, "relu");
    assert_true(g.nodes.items[0]->clamp_lo == -INFINITY && g.nodes.items[0]->clamp_hi == INFINITY);
    assert_int_equal(g.inputs.len, 1);
    assert_int_equal(g.inputs.items[0]->declared_rank, 2);
    assert_int_equal(g.inputs.items[0]->declared[0], -1);
    assert_int_equal(g.inputs.items[0]->declared[1], 2);
    assert_true(g.inputs.items[0]->t.type == IT_F32);
    assert_ptr_equal(g.outputs.items[0]->producer, g.nodes.items[0]);
    assert_true(g.file_bytes > 0);
    it_graph_release(&g);
    build_end(&b);
}

/* Initializers also listed as inputs (IR version 3) are constants; nodes in any order; Constant nodes vanish. */
static void constants(void **state)
{
    (void)state;
    static const float w[2] = {1.5f, -2};
    build b;
    it_graph g;
    build_begin(&b, 13);
    b.model.ir_version = 3;
    build_input(&b, "x", 1, 2, (int64_t[]){-1, 2});
    build_input(&b, "w", 1, 1, (int64_t[]){2});
    build_init(&b, "w", 1, 1, (int64_t[]){2}, w, sizeof w);
    build_node(&b, "Add", "last", "s,k", "y");
    build_node(&b, "Add", "first", "x,w", "s");
    Onnx__NodeProto *n = build_node(&b, "Constant", "", NULL, "k");
    build_attr(&b, n, "value_float", ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT)->f = 7;
    build_output(&b, "y");
    read_ok(&b, NULL, &g);
    assert_int_equal(g.inputs.len, 1);
    assert_int_equal(g.nodes.len, 2);
    assert_string_equal(g.nodes.items[0]->name, "first");
    const it_value *k = it_graph_find(&g, "k"), *v = it_graph_find(&g, "w");
    assert_true(k->is_const && k->t.rank == 0 && it_tensor_get(&k->t, 0) == 7);
    assert_true(v->is_const && v->t.rank == 1 && it_tensor_get(&v->t, 1) == -2);
    it_graph_release(&g);
    build_end(&b);
}

static void constant_attributes(void **state)
{
    (void)state;
    build b;
    it_graph g;
    int64_t i[3] = {4, 5, 6};
    float f[2] = {0.5f, 0.25f};
    build_begin(&b, 13);
    build_relu(&b);
    Onnx__NodeProto *n = build_node(&b, "Constant", "", NULL, "ints");
    Onnx__AttributeProto *a = build_attr(&b, n, "value_ints", ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);
    a->n_ints = 3;
    a->ints = i;
    n = build_node(&b, "Constant", "", NULL, "floats");
    a = build_attr(&b, n, "value_floats", ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS);
    a->n_floats = 2;
    a->floats = f;
    n = build_node(&b, "Constant", "", NULL, "int");
    build_attr(&b, n, "value_int", ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT)->i = -9;
    n = build_node(&b, "Constant", "", NULL, "tensor");
    a = build_attr(&b, n, "value", ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR);
    a->t = build_tensor(&b, "", 3, 1, (int64_t[]){2});
    build_raw(a->t, "\xff\x02", 2);
    for (int k = 0; k < 4; k++) build_output(&b, (const char *[]){"ints", "floats", "int", "tensor"}[k]);
    read_ok(&b, NULL, &g);
    const it_tensor *t = &it_graph_find(&g, "ints")->t;
    assert_true(t->type == IT_I64 && t->dim[0] == 3 && it_tensor_get_int(t, 2) == 6);
    t = &it_graph_find(&g, "floats")->t;
    assert_true(t->type == IT_F32 && t->dim[0] == 2 && it_tensor_get(t, 1) == 0.25);
    t = &it_graph_find(&g, "int")->t;
    assert_true(t->type == IT_I64 && t->rank == 0 && it_tensor_get_int(t, 0) == -9);
    t = &it_graph_find(&g, "tensor")->t;
    assert_true(t->type == IT_I8 && it_tensor_get_int(t, 0) == -1);
    it_graph_release(&g);
    build_end(&b);
}

/* Each type in raw_data and in its typed list gives the same numbers. */
static void tensor_types(void **state)
{
    (void)state;
    float f[2] = {1, 2};
    double d[2] = {1, 2};
    int64_t i64[2] = {1, 2};
    uint64_t u64[2] = {1, 2};
    int32_t i32[2] = {1, 2}, half[2] = {0x3c00, 0x4000}, yes[2] = {1, 0}, both[1] = {0x21};
    for (int type = 0; type < IT_TYPE_COUNT; type++) {
        build b;
        it_graph g;
        build_begin(&b, 13);
        build_relu(&b);
        uint64_t mem[2];
        it_tensor raw = {.type = (it_type)type, .rank = 1, .dim = {2}, .data = mem};
        it_tensor_set(&raw, 0, 1);
        it_tensor_set(&raw, 1, type == IT_BOOL ? 0 : 2);
        bool halves = it_type_is_4bit((it_type)type); /* two to a byte, the first in the low half */
        build_init(&b, "raw", it_type_to_onnx((it_type)type), 1, (int64_t[]){2}, halves ? (const void *)"\x21" : mem, halves ? 1 : it_tensor_bytes(&raw));
        Onnx__TensorProto *t = build_init(&b, "typed", it_type_to_onnx((it_type)type), 1, (int64_t[]){2}, NULL, 0);
        switch (type) {
        case IT_F32: t->n_float_data = 2, t->float_data = f; break;
        case IT_F64: t->n_double_data = 2, t->double_data = d; break;
        case IT_I64: t->n_int64_data = 2, t->int64_data = i64; break;
        case IT_I4:
        case IT_U4: t->n_int32_data = 1, t->int32_data = both; break;
        case IT_U32:
        case IT_U64: t->n_uint64_data = 2, t->uint64_data = u64; break;
        default: t->n_int32_data = 2, t->int32_data = type == IT_F16 ? half : type == IT_BOOL ? yes : i32;
        }
        read_ok(&b, NULL, &g);
        const it_tensor *x = &it_graph_find(&g, "raw")->t, *y = &it_graph_find(&g, "typed")->t;
        assert_true(x->type == (it_type)type && y->type == (it_type)type);
        for (int k = 0; k < 2; k++) {
            assert_true(it_tensor_get(x, k) == it_tensor_get(&raw, k));
            assert_true(it_tensor_get(y, k) == it_tensor_get(&raw, k));
        }
        it_graph_release(&g);
        build_end(&b);
    }
}

static void zero_sizes_and_bools(void **state)
{
    (void)state;
    build b;
    it_graph g;
    build_begin(&b, 13);
    build_relu(&b);
    build_init(&b, "none", 1, 2, (int64_t[]){3, 0}, NULL, 0);
    build_init(&b, "yes", 9, 1, (int64_t[]){2}, "\x02\x00", 2); /* 2 is true too */
    read_ok(&b, NULL, &g);
    assert_non_null(it_graph_find(&g, "none")->t.data);
    assert_int_equal(((uint8_t *)it_graph_find(&g, "yes")->t.data)[0], 1);
    it_graph_release(&g);
    build_end(&b);
}

static void optional_inputs(void **state)
{
    (void)state;
    float one = 1;
    build b;
    it_graph g;
    build_begin(&b, 13);
    build_input(&b, "x", 1, 2, (int64_t[]){-1, 2});
    build_init(&b, "hi", 1, 0, NULL, &one, sizeof one);
    build_node(&b, "Clip", "clip", "x,,hi", "z");
    build_node(&b, "Clip", "open", "z,,", "y");
    build_output(&b, "y");
    read_ok(&b, NULL, &g);
    assert_int_equal(g.nodes.items[0]->in_len, 3);
    assert_null(g.nodes.items[0]->in[1]);
    assert_non_null(g.nodes.items[0]->in[2]);
    assert_int_equal(g.nodes.items[1]->in_len, 1);
    it_graph_release(&g);
    build_end(&b);
}

static void old_opsets(void **state)
{
    (void)state;
    build b;
    it_graph g;
    build_begin(&b, 6); /* Relu has been the same since 6 */
    build_relu(&b);
    read_ok(&b, NULL, &g);
    assert_int_equal(g.nodes.items[0]->opset, IT_OPSET_MIN);
    it_graph_release(&g);
    b.opset.version = 5;
    expect_fail(&b, INTACT_E_UNSUPPORTED, "older rules");
    b.nodes[0]->op_type = "Add"; /* broadcasting changed at 7 */
    b.opset.version = 6;
    b.nodes[0]->n_input = 2;
    b.nodes[0]->input = (char *[]){"x", "x"};
    expect_fail(&b, INTACT_E_UNSUPPORTED, "older rules");
    build_end(&b);
}

/* A folder with weights.bin (5 floats, 0..4), a link to it, and a link that leads out. */
static void external(void **state)
{
    (void)state;
    char dir[] = "/tmp/intact-onnx-XXXXXX", path[600], outside[600];
    float data[5] = {0, 1, 2, 3, 4};
    intact_error err = {0};
    build b;
    it_graph g;
    assert_non_null(mkdtemp(dir));
    snprintf(outside, sizeof outside, "%s.out", dir);
    snprintf(path, sizeof path, "%s/weights.bin", dir);
    FILE *f = fopen(path, "wb");
    assert_int_equal(fwrite(data, 4, 5, f), 5);
    fclose(f);
    f = fopen(outside, "wb");
    assert_int_equal(fwrite(data, 4, 5, f), 5);
    fclose(f);
    snprintf(path, sizeof path, "%s/inner", dir);
    assert_int_equal(symlink("weights.bin", path), 0);
    snprintf(path, sizeof path, "%s/outer", dir);
    assert_int_equal(symlink(outside, path), 0);

    build_begin(&b, 13);
    build_relu(&b);
    build_external(&b, build_init(&b, "a", 1, 1, (int64_t[]){2}, NULL, 0), "weights.bin", "8", "8");
    build_external(&b, build_init(&b, "b", 1, 1, (int64_t[]){5}, NULL, 0), "inner", NULL, NULL);
    build_external(&b, build_init(&b, "c", 3, 1, (int64_t[]){1}, NULL, 0), "weights.bin", "7", NULL);
    read_ok(&b, dir, &g);
    assert_true(it_tensor_get(&it_graph_find(&g, "a")->t, 1) == 3);
    assert_true(it_tensor_get(&it_graph_find(&g, "b")->t, 4) == 4);
    it_graph_release(&g);

    static const struct { const char *location, *offset, *length, *text; intact_status status; } BAD[] = {
        {"../weights.bin", NULL, NULL, "below the model", INTACT_E_FORMAT}, {"x/../../y", NULL, NULL, "below the model", INTACT_E_FORMAT},
        {"/etc/hostname", NULL, NULL, "below the model", INTACT_E_FORMAT},  {"outer", NULL, NULL, "leads out", INTACT_E_FORMAT},
        {"missing", NULL, NULL, "missing", INTACT_E_IO},                    {"weights.bin", "16", NULL, "of a file of 20", INTACT_E_FORMAT},
        {"weights.bin", "18446744073709551612", NULL, "of a file of 20", INTACT_E_FORMAT},
        {"weights.bin", NULL, "12", "needs 8", INTACT_E_FORMAT},
        {"weights.bin", "-4", NULL, "must be a number", INTACT_E_FORMAT},
        {"weights.bin", "4x", NULL, "must be a number", INTACT_E_FORMAT},   {"", NULL, NULL, "without a location", INTACT_E_FORMAT},
        {".", NULL, NULL, "", INTACT_E_IO},
    };
    for (size_t i = 0; i < IT_LEN(BAD); i++) {
        b.graph.n_initializer = 0;
        build_external(&b, build_init(&b, "a", 1, 1, (int64_t[]){2}, NULL, 0), BAD[i].location, BAD[i].offset, BAD[i].length);
        it_graph_init(&g, NULL);
        intact_status st = read_built(&b, dir, &g, &err);
        if (st != BAD[i].status && i + 1 < IT_LEN(BAD)) fail_msg("%s: %s: %s", BAD[i].location, err.where, err.message);
        assert_int_not_equal(st, INTACT_OK);
        if (!strstr(err.message, BAD[i].text)) fail_msg("%s: %s: %s", BAD[i].location, err.where, err.message);
        it_graph_release(&g);
    }
    expect_fail(&b, INTACT_E_UNSUPPORTED, "not read from a file");
    build_end(&b);
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, (const char *[]){"weights.bin", "inner", "outer"}[i]);
        unlink(path);
    }
    unlink(outside);
    rmdir(dir);
}

static void from_a_file(void **state)
{
    (void)state;
    char path[] = "/tmp/intact-onnx-XXXXXX";
    build b;
    it_graph g;
    size_t len;
    intact_error err = {0};
    int fd = mkstemp(path);
    build_begin(&b, 21);
    build_relu(&b);
    void *bytes = build_pack(&b, &len);
    assert_int_equal(write(fd, bytes, len), len);
    close(fd);
    it_graph_init(&g, NULL);
    assert_int_equal(it_onnx_read(path, &g, &err), INTACT_OK);
    assert_string_equal(g.name, path + 5);
    it_graph_release(&g);
    unlink(path);
    it_graph_init(&g, NULL);
    assert_int_equal(it_onnx_read(path, &g, &err), INTACT_E_IO);
    it_graph_release(&g);
    build_end(&b);
}

/* Every allocation fails once: the error says so, and nothing is left behind. */
static void put_prop(build *b, Onnx__StringStringEntryProto *p, const char *key, const char *value)
{
    onnx__string_string_entry_proto__init(p);
    p->key = it_arena_text(&b->arena, key);
    p->value = it_arena_text(&b->arena, value);
}

static void same_words(const it_graph *g, const char *provenance)
{
    assert_string_equal(g->about.title, "main graph");
    assert_string_equal(g->about.doc, "what it is for");
    assert_string_equal(g->about.domain, "org.example");
    assert_int_equal(g->about.version, 7);
    assert_int_equal(g->about.props_len, 2);
    for (size_t i = 0; i < 2; i++) assert_string_equal(g->about.props[i].value, strcmp(g->about.props[i].key, "intact") == 0 ? provenance : "ours");
}

/* What a file says of itself is there again when the network is written; our provenance takes the place of an older one. */
static void words_about_itself(void **state)
{
    build b;
    it_graph g, again;
    intact_error err;
    Onnx__StringStringEntryProto props[2], *list[2] = {&props[0], &props[1]};
    void *bytes;
    size_t len;
    (void)state;
    build_begin(&b, 13);
    build_relu(&b);
    put_prop(&b, &props[0], "intact", "old");
    put_prop(&b, &props[1], "license", "ours");
    b.graph.name = it_arena_text(&b.arena, "main graph");
    b.model.doc_string = it_arena_text(&b.arena, "what it is for");
    b.model.domain = it_arena_text(&b.arena, "org.example");
    b.model.has_model_version = true;
    b.model.model_version = 7;
    b.model.n_metadata_props = 2;
    b.model.metadata_props = list;
    read_ok(&b, NULL, &g);
    same_words(&g, "old");
    for (int k = 0; k < 2; k++) {
        g.meta = k ? "{\"new\":1}" : NULL;
        assert_int_equal(it_onnx_write_memory(&g, &bytes, &len, &err), INTACT_OK);
        it_graph_init(&again, NULL);
        assert_int_equal(it_onnx_read_memory(bytes, len, "again", NULL, &again, &err), INTACT_OK);
        same_words(&again, k ? g.meta : "old");
        it_graph_release(&again);
        it_alloc_free(g.alloc, bytes, len);
    }
    it_graph_release(&g);
    build_end(&b);
}

static void allocation_failures(void **state)
{
    (void)state;
    float w[4] = {1, 2, 3, 4};
    build b;
    size_t len;
    build_begin(&b, 13);
    build_relu(&b);
    build_init(&b, "w", 1, 2, (int64_t[]){2, 2}, w, sizeof w);
    build_init(&b, "e", 9, 1, (int64_t[]){2}, "\1\2", 2);
    build_node(&b, "MatMul", "m", "y,w", "m");
    Onnx__NodeProto *n = build_node(&b, "Transpose", "t", "m", "t");
    Onnx__AttributeProto *a = build_attr(&b, n, "perm", ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);
    a->n_ints = 2;
    a->ints = (int64_t[]){1, 0};
    build_output(&b, "t");
    void *bytes = build_pack(&b, &len);
    intact_status st = INTACT_E_NOMEM;
    long k = 1;
    for (; st == INTACT_E_NOMEM; k++) {
        counting c = {.fail_at = k};
        intact_alloc alloc = counting_alloc(&c);
        intact_error err = {0};
        it_graph g;
        it_graph_init(&g, &alloc);
        st = it_onnx_read_memory(bytes, len, "test.onnx", NULL, &g, &err);
        if (st == INTACT_OK) st = it_graph_infer(&g, 1, NULL, &err);
        it_graph_release(&g);
        if (c.live) fail_msg("%ld blocks left after failing allocation %ld", c.live, k);
        if (st != INTACT_OK && st != INTACT_E_NOMEM) fail_msg("%s: %s", err.where, err.message);
    }
    assert_int_equal(st, INTACT_OK);
    assert_true(k > 20);
    build_end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(basics),          cmocka_unit_test(constants),   cmocka_unit_test(constant_attributes),
        cmocka_unit_test(tensor_types),
        cmocka_unit_test(zero_sizes_and_bools), cmocka_unit_test(optional_inputs), cmocka_unit_test(old_opsets), cmocka_unit_test(external),
        cmocka_unit_test(from_a_file),     cmocka_unit_test(words_about_itself), cmocka_unit_test(allocation_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
