/* SPDX-License-Identifier: Apache-2.0 */
/* test_write.c: a network written as ONNX and read again is the same network. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "arch/helpers.h"
#include "format/format.h"

static char folder[64], path[100];

static int make_folder(void **state)
{
    (void)state;
    test_folder(folder);
    snprintf(path, sizeof path, "%s/net.onnx", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    test_remove(folder);
    return 0;
}

static void write_ok(const it_graph *g)
{
    intact_error err = {0};
    if (it_onnx_write(g, path, &err) != INTACT_OK) fail_msg("%s: %s", err.where, err.message);
}

static void expect_same_attr(const it_attr *a, const it_attr *b)
{
    assert_string_equal(a->name, b->name);
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->len, b->len);
    if (a->kind == IT_ATTR_INT) assert_int_equal(a->i, b->i);
    if (a->kind == IT_ATTR_FLOAT) assert_true(a->f == b->f);
    if (a->kind == IT_ATTR_STRING) assert_string_equal(a->s, b->s);
    if (a->kind == IT_ATTR_INTS) assert_memory_equal(a->ints, b->ints, a->len * sizeof *a->ints);
    if (a->kind == IT_ATTR_FLOATS) assert_memory_equal(a->floats, b->floats, a->len * sizeof *a->floats);
    for (size_t i = 0; a->kind == IT_ATTR_STRINGS && i < a->len; i++) assert_string_equal(a->strings[i], b->strings[i]);
    if (a->kind == IT_ATTR_TENSOR) assert_memory_equal(a->tensor.data, b->tensor.data, it_tensor_bytes(&a->tensor));
}

static void expect_same_value(const it_value *v, const it_value *w)
{
    if (!v || !w) {
        assert_ptr_equal(v, w);
        return;
    }
    assert_string_equal(v->name, w->name);
    assert_int_equal(v->is_const, w->is_const);
    if (!v->is_const) return;
    assert_int_equal(v->t.type, w->t.type);
    assert_true(it_tensor_same_shape(&v->t, &w->t));
    assert_memory_equal(v->t.data, w->t.data, it_tensor_bytes(&v->t));
}

static void expect_same(const it_graph *a, const it_graph *b)
{
    assert_int_equal(a->opset, b->opset);
    assert_int_equal(a->nodes.len, b->nodes.len);
    for (size_t i = 0; i < a->nodes.len; i++) {
        const it_node *n = a->nodes.items[i], *m = b->nodes.items[i];
        assert_string_equal(n->name, m->name);
        assert_ptr_equal(n->op, m->op);
        assert_int_equal(n->attrs_len, m->attrs_len);
        for (int k = 0; k < n->attrs_len; k++) expect_same_attr(&n->attrs[k], &m->attrs[k]);
        assert_int_equal(n->in_len, m->in_len);
        for (int k = 0; k < n->in_len; k++) expect_same_value(n->in[k], m->in[k]);
        assert_int_equal(n->out_len, m->out_len);
        for (int k = 0; k < n->out_len; k++) expect_same_value(n->out[k], m->out[k]);
    }
    assert_int_equal(a->inputs.len, b->inputs.len);
    assert_int_equal(a->outputs.len, b->outputs.len);
    for (size_t i = 0; i < a->inputs.len + a->outputs.len; i++) {
        bool in = i < a->inputs.len;
        const it_value *v = in ? a->inputs.items[i] : a->outputs.items[i - a->inputs.len];
        const it_value *w = in ? b->inputs.items[i] : b->outputs.items[i - a->inputs.len];
        assert_string_equal(v->name, w->name);
        assert_int_equal(v->declared_rank, w->declared_rank);
        assert_memory_equal(v->declared, w->declared, (size_t)v->declared_rank * sizeof *v->declared);
    }
}

static void round_trip(void **state)
{
    (void)state;
    static const char *const names[] = {"lenet5", "resnet8", "dscnn", "mobilenet_v3_small", "shufflenet_v2", "squeezenet1_1", "efficientnet_b0"};
    for (size_t i = 0; i < IT_LEN(names); i++) {
        it_graph g, back;
        size_t len, len_back;
        test_make(names[i], &(it_arch_options){.input = {3, 64, 64}, .seed = 4}, &g);
        write_ok(&g);
        test_read(path, &back);
        expect_same(&g, &back);
        float *a = test_run(&g, 2, &len), *b = test_run(&back, 2, &len_back);
        assert_int_equal(len, len_back);
        assert_memory_equal(a, b, len * sizeof *a);
        free(a);
        free(b);
        it_graph_release(&g);
        it_graph_release(&back);
    }
}

/* ---- a graph with everything that a file can hold ---- */

static it_value *tensor_const(it_graph *g, const char *name, it_type type, const void *data, int64_t len)
{
    it_value *v = it_graph_const(g, name, &(it_tensor){.type = type, .rank = 1, .dim = {len}, .data = (void *)(uintptr_t)data});
    assert_non_null(v);
    return v;
}

static it_value *add(it_graph *g, const char *onnx, const char *name, it_value **in, int in_len, const it_attr *attrs, int attrs_len)
{
    intact_error err = {0};
    it_node *n = it_graph_node(g, name, it_op_find(onnx, "", g->opset), in_len, 1);
    assert_non_null(n);
    for (int k = 0; k < in_len; k++) n->in[k] = in[k];
    n->attrs = attrs;
    n->attrs_len = attrs_len;
    n->out[0] = it_graph_value(g, name);
    n->out[0]->producer = n;
    if (it_node_parse(g, n, &err) != INTACT_OK) fail_msg("%s: %s", err.where, err.message);
    return n->out[0];
}

static it_value *add_io(it_graph *g, it_value *v, bool input, int rank)
{
    if (input) {
        assert_true(IT_VEC_ROOM(g->alloc, g->inputs));
        g->inputs.items[g->inputs.len++] = v;
        v->is_input = true;
    } else {
        assert_true(IT_VEC_ROOM(g->alloc, g->outputs));
        g->outputs.items[g->outputs.len++] = v;
        v->is_output = true;
    }
    v->declared_rank = rank;
    v->declared[0] = v->declared[1] = -1;
    return v;
}

/* An optional input left out, every kind of attribute, every type of constant, a constant that nobody reads. */
static void every_kind(void **state)
{
    (void)state;
    static const float three = 3, floats[] = {0.5f, -1};
    static const int64_t shape[] = {2, 1}, ints[] = {1, -5};
    static const char *const strings[] = {"one", "", "three"};
    it_attr attrs[] = {
        {.name = "alpha", .kind = IT_ATTR_FLOAT, .f = 0.25f},  {.name = "i", .kind = IT_ATTR_INT, .i = INT64_MIN},
        {.name = "s", .kind = IT_ATTR_STRING, .s = "text"},    {.name = "ints", .kind = IT_ATTR_INTS, .ints = ints, .len = 2},
        {.name = "floats", .kind = IT_ATTR_FLOATS, .floats = floats, .len = 2},
        {.name = "none", .kind = IT_ATTR_INTS, .ints = ints, .len = 0},
        {.name = "strings", .kind = IT_ATTR_STRINGS, .strings = strings, .len = 3},
        {.name = "t", .kind = IT_ATTR_TENSOR, .tensor = {.type = IT_F32, .rank = 1, .dim = {2}, .data = (void *)(uintptr_t)floats}},
    };
    it_graph g, back;
    it_graph_init(&g, NULL);
    g.opset = 13;
    it_value *x = add_io(&g, it_graph_value(&g, "x"), true, 2);
    x->t.type = IT_F32;
    it_value *hi = it_graph_const(&g, "hi", &(it_tensor){.type = IT_F32, .rank = 0, .data = (void *)(uintptr_t)&three});
    x = add(&g, "Clip", "clipped", (it_value *[]){x, NULL, hi}, 3, NULL, 0);
    x = add(&g, "LeakyRelu", "leaky", &x, 1, attrs, (int)IT_LEN(attrs));
    add_io(&g, add(&g, "Reshape", "shaped", (it_value *[]){x, tensor_const(&g, "shape", IT_I64, shape, 2)}, 2, NULL, 0), false, 2);
    add_io(&g, x, false, 0)->declared_rank = 0; /* a declared scalar stays one */
    static const uint64_t bits[4] = {UINT64_C(0x8000010001003c00), 1, 0, 1};
    it_value *consts[IT_TYPE_COUNT];
    for (int t = 0; t < IT_TYPE_COUNT; t++) {
        char name[32];
        snprintf(name, sizeof name, "c_%s", it_type_name((it_type)t));
        static const uint8_t truths[4] = {1, 0, 1, 1};
        static const uint8_t halves[4] = {7, 0, 5, 3};
        const void *data = t == IT_BOOL ? (const void *)truths : it_type_is_4bit((it_type)t) ? (const void *)halves : bits;
        consts[t] = tensor_const(&g, name, (it_type)t, data, 4);
        char out[40];
        snprintf(out, sizeof out, "of_%s", it_type_name((it_type)t));
        it_value *y = add(&g, "Identity", out, &consts[t], 1, NULL, 0);
        add_io(&g, y, false, 1);
        y->t.type = (it_type)t;
    }
    tensor_const(&g, "unused", IT_F32, floats, 2);
    write_ok(&g);
    intact_error err = {0};
    it_graph_init(&back, NULL);
    if (it_onnx_read(path, &back, &err) != INTACT_OK) fail_msg("%s: %s", err.where, err.message);
    expect_same(&g, &back);
    assert_null(it_graph_find(&back, "unused"));
    it_graph_release(&g);
    it_graph_release(&back);
}

static void expect_refused(const it_graph *g, const char *where, const char *text)
{
    intact_error err = {0};
    assert_int_equal(it_onnx_write(g, path, &err), INTACT_E_UNSUPPORTED);
    if (!strstr(err.where, where) || !strstr(err.message, text)) fail_msg("%s: %s", err.where, err.message);
    assert_int_not_equal(access(path, F_OK), 0);
}

static void refused(void **state)
{
    (void)state;
    it_graph g;
    unlink(path);
    test_make("lenet5", &(it_arch_options){0}, &g);
    it_node *n = g.nodes.items[0];
    n->clamp_lo = 0;
    expect_refused(&g, n->name, "clamp to 0..inf");
    n->clamp_lo = -INFINITY;
    struct it_op own = *n->op;
    own.onnx = NULL;
    const it_op *old = n->op;
    n->op = &own;
    expect_refused(&g, n->name, "not ONNX's");
    n->op = old;
    n->attrs = &(it_attr){.name = "graph", .kind = IT_ATTR_OTHER};
    n->attrs_len = 1;
    expect_refused(&g, n->name, "attribute graph");
    it_graph_release(&g);
}

static void no_such_folder(void **state)
{
    (void)state;
    it_graph g;
    intact_error err = {0};
    test_make("dscnn", &(it_arch_options){0}, &g);
    assert_int_equal(it_onnx_write(&g, "/nowhere/at/all.onnx", &err), INTACT_E_IO);
    it_graph_release(&g);
}

/* Every allocation fails once: the error says so, nothing is left behind, no file appears. */
static void allocation_failures(void **state)
{
    (void)state;
    counting c = {.fail_at = -1};
    intact_alloc alloc = counting_alloc(&c);
    it_graph g;
    intact_error err = {0};
    unlink(path);
    it_graph_init(&g, &alloc);
    assert_int_equal(it_arch_make(it_arch_find("resnet8"), &(it_arch_options){0}, &g, &err), INTACT_OK);
    long live = c.live;
    for (long k = 0;; k++) {
        c = (counting){.fail_at = k, .live = live};
        intact_status st = it_onnx_write(&g, path, &err);
        if (c.live != live) fail_msg("%ld blocks left after failing allocation %ld", c.live - live, k);
        if (st == INTACT_OK) break;
        assert_int_equal(st, INTACT_E_NOMEM);
        assert_int_not_equal(access(path, F_OK), 0);
    }
    assert_true(c.calls > 1);
    it_graph_release(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),     cmocka_unit_test(every_kind),          cmocka_unit_test(refused),
        cmocka_unit_test(no_such_folder), cmocka_unit_test(allocation_failures),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
