/* SPDX-License-Identifier: Apache-2.0 */
/* test_simple.c: comparisons, logic, casts, shapes and other small operators, in every type, against the plain definition. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "op/op.h"

static it_graph g;
static it_tensor result[2]; /* outputs of the last call; data in g's arena */

static int setup(void **state)
{
    (void)state;
    it_graph_init(&g, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    it_graph_release(&g);
    return 0;
}

static it_tensor make(it_type type, int rank, const int64_t *dim, const double *v)
{
    it_tensor t = {.type = type, .rank = rank};
    for (int i = 0; i < rank; i++)
        t.dim[i] = dim[i];
    t.data = it_arena_new(&g.arena, it_tensor_bytes(&t) + 1);
    for (int64_t i = 0; i < it_tensor_len(&t); i++)
        it_tensor_set(&t, i, v[i]);
    return t;
}

/* Parses, infers and runs; outputs in result. A NULL input is left out. */
static intact_status run(const char *onnx, int opset, const it_tensor *const *in, int in_len, int out_len, const it_attr *attrs,
                         int attrs_len)
{
    const it_op *op = it_op_find(onnx, "", opset);
    assert_non_null(op);
    it_node *n = it_graph_node(&g, "n", op, in_len, out_len);
    static it_value some;
    intact_error err = {0};
    n->opset = opset;
    for (int k = 0; k < in_len; k++)
        n->in[k] = in[k] ? &some : NULL;
    for (int k = 0; k < out_len; k++)
        n->out[k] = &some;
    n->attrs = attrs;
    n->attrs_len = attrs_len;
    IT_TRY(it_node_parse(&g, n, &err));
    it_tensor *out[2] = {&result[0], &result[1]};
    memset(result, 0, sizeof result);
    IT_TRY(op->infer(n, in, result, &err));
    it_arena scratch;
    it_op_state *state = NULL;
    it_arena_init(&scratch, NULL);
    it_run_ctx c = {.alloc = g.alloc, .state = &state, .scratch = &scratch};
    for (int k = 0; k < out_len; k++) {
        assert_int_equal(it_shape_check(&result[k], "out", &err), INTACT_OK);
        result[k].data = it_arena_new(&g.arena, it_tensor_bytes(&result[k]) + 1);
    }
    intact_status st = op->forward(&c, n, in, out, &err);
    it_arena_release(&scratch);
    return st;
}

static bool is_less(double a, double b) { return a < b; }
static bool is_greater(double a, double b) { return a > b; }
static bool is_less_equal(double a, double b) { return a <= b; }
static bool is_greater_equal(double a, double b) { return a >= b; }
static bool is_equal(double a, double b) { return a == b; }

static void compares(void **state)
{
    (void)state;
    static const struct {
        const char *onnx;
        bool (*f)(double, double);
    } OPS[] = {
        {"Less", is_less},   {"Greater", is_greater}, {"LessOrEqual", is_less_equal}, {"GreaterOrEqual", is_greater_equal},
        {"Equal", is_equal},
    };
    static const double A[6] = {0, 1, 2, 3, 1, 0}, B[3] = {1, 1, 3}, C[2] = {0, 2};
    for (size_t o = 0; o < IT_LEN(OPS); o++)
        for (int type = 0; type < IT_I4; type++) {
            if (type == IT_BOOL && strcmp(OPS[o].onnx, "Equal")) continue;
            it_tensor a = make((it_type)type, 2, (int64_t[]){2, 3}, A), b = make((it_type)type, 1, (int64_t[]){3}, B);
            it_tensor c = make((it_type)type, 2, (int64_t[]){2, 1}, C);
            assert_int_equal(run(OPS[o].onnx, 13, (const it_tensor *[]){&a, &b}, 2, 1, NULL, 0), INTACT_OK);
            assert_true(result[0].type == IT_BOOL && result[0].rank == 2);
            for (int i = 0; i < 6; i++)
                assert_int_equal(((uint8_t *)result[0].data)[i], OPS[o].f(it_tensor_get(&a, i), it_tensor_get(&b, i % 3)));
            assert_int_equal(run(OPS[o].onnx, 13, (const it_tensor *[]){&b, &c}, 2, 1, NULL, 0), INTACT_OK);
            assert_true(result[0].dim[0] == 2 && result[0].dim[1] == 3);
            for (int i = 0; i < 6; i++)
                assert_int_equal(((uint8_t *)result[0].data)[i], OPS[o].f(it_tensor_get(&b, i % 3), it_tensor_get(&c, i / 3)));
        }
    it_tensor nan = make(IT_F32, 0, NULL, (double[]){NAN}), i = make(IT_I32, 0, NULL, (double[]){1});
    assert_int_equal(run("Equal", 13, (const it_tensor *[]){&nan, &nan}, 2, 1, NULL, 0), INTACT_OK);
    assert_int_equal(((uint8_t *)result[0].data)[0], 0);
    assert_int_equal(run("Equal", 13, (const it_tensor *[]){&nan, &i}, 2, 1, NULL, 0), INTACT_E_SHAPE);
    it_tensor three = make(IT_F32, 1, (int64_t[]){3}, A), two = make(IT_F32, 1, (int64_t[]){2}, A);
    assert_int_equal(run("Less", 13, (const it_tensor *[]){&three, &two}, 2, 1, NULL, 0), INTACT_E_SHAPE);
}

/* All ways in which four dimensions can broadcast: the long rows of it_walk agree with one index at a time. */
static void broadcasts_every_way(void **state)
{
    (void)state;
    static const int64_t FULL[4] = {2, 3, 2, 4};
    double va[48], vb[48];
    for (int i = 0; i < 48; i++) {
        va[i] = i;
        vb[i] = i * 7 % 48;
    }
    for (int mask = 0; mask < 256; mask++) {
        int64_t da[4], db[4];
        for (int k = 0; k < 4; k++) {
            da[k] = mask >> k & 1 ? 1 : FULL[k];
            db[k] = mask >> (k + 4) & 1 ? 1 : FULL[k];
        }
        it_tensor a = make(IT_I32, 4, da, va), b = make(IT_I32, 4, db, vb);
        assert_int_equal(run("Less", 13, (const it_tensor *[]){&a, &b}, 2, 1, NULL, 0), INTACT_OK);
        const int64_t *d = result[0].dim;
        for (int64_t i = 0; i < it_tensor_len(&result[0]); i++) {
            int64_t at[4] = {i / (d[1] * d[2] * d[3]), i / (d[2] * d[3]) % d[1], i / d[3] % d[2], i % d[3]}, ia = 0, ib = 0;
            for (int k = 0; k < 4; k++) {
                ia = ia * da[k] + (da[k] == 1 ? 0 : at[k]);
                ib = ib * db[k] + (db[k] == 1 ? 0 : at[k]);
            }
            assert_int_equal(((uint8_t *)result[0].data)[i], va[ia] < vb[ib]);
        }
    }
    it_tensor none = make(IT_I32, 2, (int64_t[]){0, 3}, va), one = make(IT_I32, 2, (int64_t[]){1, 3}, va);
    assert_int_equal(run("Less", 13, (const it_tensor *[]){&none, &one}, 2, 1, NULL, 0), INTACT_OK);
    assert_int_equal(it_tensor_len(&result[0]), 0);
}

static void logic(void **state)
{
    (void)state;
    it_tensor a = make(IT_BOOL, 2, (int64_t[]){2, 1}, (double[]){0, 1}), b = make(IT_BOOL, 1, (int64_t[]){2}, (double[]){0, 1});
    static const struct {
        const char *onnx;
        uint8_t want[4];
    } OPS[] = {{"And", {0, 0, 0, 1}}, {"Or", {0, 1, 1, 1}}, {"Xor", {0, 1, 1, 0}}};
    for (size_t o = 0; o < IT_LEN(OPS); o++) {
        assert_int_equal(run(OPS[o].onnx, 7, (const it_tensor *[]){&a, &b}, 2, 1, NULL, 0), INTACT_OK);
        assert_memory_equal(result[0].data, OPS[o].want, 4);
    }
    assert_int_equal(run("Not", 7, (const it_tensor *[]){&b}, 1, 1, NULL, 0), INTACT_OK);
    assert_memory_equal(result[0].data, "\1\0", 2);
    it_tensor f = make(IT_F32, 0, NULL, (double[]){1});
    assert_int_equal(run("Not", 7, (const it_tensor *[]){&f}, 1, 1, NULL, 0), INTACT_E_SHAPE);
}

static void where_and_expand(void **state)
{
    (void)state;
    it_tensor c = make(IT_BOOL, 2, (int64_t[]){2, 1}, (double[]){1, 0}), shape = make(IT_I64, 3, (int64_t[]){3, 1, 1}, (double[]){2, 1, 1});
    shape.rank = 1;
    for (int type = 0; type < IT_I4; type++) {
        it_tensor a = make((it_type)type, 1, (int64_t[]){3}, (double[]){1, 0, 1}), b = make((it_type)type, 0, NULL, (double[]){0});
        assert_int_equal(run("Where", 9, (const it_tensor *[]){&c, &a, &b}, 3, 1, NULL, 0), INTACT_OK);
        assert_true(result[0].rank == 2 && result[0].dim[1] == 3 && result[0].type == (it_type)type);
        for (int i = 0; i < 6; i++)
            assert_true(it_tensor_get(&result[0], i) == (i < 3 ? it_tensor_get(&a, i) : 0));
        assert_int_equal(run("Expand", 8, (const it_tensor *[]){&a, &shape}, 2, 1, NULL, 0), INTACT_OK);
        assert_true(result[0].rank == 3 && result[0].dim[0] == 2 && result[0].dim[1] == 1 && result[0].dim[2] == 3);
        for (int i = 0; i < 6; i++)
            assert_true(it_tensor_get(&result[0], i) == it_tensor_get(&a, i % 3));
    }
}

static void casts(void **state)
{
    (void)state;
    static const double V[8] = {0, 1, 2, 100, -1, -100, 0.5, -2.75};
    for (int from = 0; from < IT_I4; from++)
        for (int to = 0; to < IT_I4; to++) {
            it_tensor x = make((it_type)from, 1, (int64_t[]){8}, V), like = make((it_type)to, 0, NULL, V);
            it_attr attr = {.name = "to", .kind = IT_ATTR_INT, .i = it_type_to_onnx((it_type)to)};
            assert_int_equal(run("Cast", 13, (const it_tensor *[]){&x}, 1, 1, &attr, 1), INTACT_OK);
            assert_true(result[0].type == (it_type)to);
            for (int i = 0; i < 8; i++) {
                double want;
                it_tensor one = {.type = (it_type)to, .data = &want};
                it_tensor_set(&one, 0, it_tensor_get(&x, i));
                if (it_tensor_get(&x, i) < 0x1p62) assert_true(it_tensor_get(&result[0], i) == it_tensor_get(&one, 0));
            }
            void *data = result[0].data;
            assert_int_equal(run("CastLike", 15, (const it_tensor *[]){&x, &like}, 2, 1, NULL, 0), INTACT_OK);
            assert_memory_equal(result[0].data, data, it_tensor_bytes(&result[0]));
        }
    int64_t big[1] = {(int64_t)1 << 53 | 1}; /* not by way of double */
    it_tensor x = {.type = IT_I64, .rank = 1, .dim = {1}, .data = big};
    it_attr attr = {.name = "to", .kind = IT_ATTR_INT, .i = it_type_to_onnx(IT_U64)};
    assert_int_equal(run("Cast", 13, (const it_tensor *[]){&x}, 1, 1, &attr, 1), INTACT_OK);
    assert_true(*(uint64_t *)result[0].data == (uint64_t)big[0]);
    attr.i = 8;
    assert_int_equal(run("Cast", 13, (const it_tensor *[]){&x}, 1, 1, &attr, 1), INTACT_E_UNSUPPORTED);
    assert_int_equal(run("Cast", 13, (const it_tensor *[]){&x}, 1, 1, NULL, 0), INTACT_E_FORMAT);
}

static void shapes(void **state)
{
    (void)state;
    static const struct {
        int64_t start, end;
        int len;
        int64_t first;
    } CASES[] = {
        {0, INT64_MAX, 3, 2}, {1, INT64_MAX, 2, 3}, {-1, INT64_MAX, 1, 4},        {0, -1, 2, 2}, {1, 2, 1, 3}, {2, 1, 0, 0},
        {-9, 9, 3, 2},        {5, 9, 0, 0},         {INT64_MIN, INT64_MAX, 3, 2},
    };
    it_tensor x = {.type = IT_F32, .rank = 3, .dim = {2, 3, 4}};
    for (size_t i = 0; i < IT_LEN(CASES); i++) {
        it_attr a[2] = {{.name = "start", .kind = IT_ATTR_INT, .i = CASES[i].start},
                        {.name = "end", .kind = IT_ATTR_INT, .i = CASES[i].end}};
        assert_int_equal(run("Shape", 15, (const it_tensor *[]){&x}, 1, 1, a, 2), INTACT_OK);
        assert_int_equal(result[0].dim[0], CASES[i].len);
        if (CASES[i].len) assert_int_equal(((int64_t *)result[0].data)[0], CASES[i].first);
        assert_int_equal(run("Shape", 13, (const it_tensor *[]){&x}, 1, 1, a, 2), INTACT_OK); /* no such attributes yet */
        assert_int_equal(result[0].dim[0], 3);
    }
    assert_int_equal(run("Size", 13, (const it_tensor *[]){&x}, 1, 1, NULL, 0), INTACT_OK);
    assert_int_equal(*(int64_t *)result[0].data, 24);
    it_tensor s = make(IT_I64, 1, (int64_t[]){2}, (double[]){2, 3}), bad = make(IT_I64, 1, (int64_t[]){2}, (double[]){2, -3});
    assert_int_equal(run("ConstantOfShape", 9, (const it_tensor *[]){&s}, 1, 1, NULL, 0), INTACT_OK);
    assert_true(result[0].type == IT_F32 && it_tensor_len(&result[0]) == 6 && it_tensor_get(&result[0], 5) == 0);
    it_attr value = {.name = "value", .kind = IT_ATTR_TENSOR, .tensor = make(IT_I8, 1, (int64_t[]){1}, (double[]){-7})};
    assert_int_equal(run("ConstantOfShape", 9, (const it_tensor *[]){&s}, 1, 1, &value, 1), INTACT_OK);
    assert_true(result[0].type == IT_I8 && it_tensor_get(&result[0], 5) == -7);
    assert_int_equal(run("ConstantOfShape", 9, (const it_tensor *[]){&bad}, 1, 1, NULL, 0), INTACT_E_SHAPE);
}

static void ranges(void **state)
{
    (void)state;
    static const struct {
        double from, to, step;
        int len;
    } CASES[] = {{0, 5, 1, 5}, {5, 0, -2, 3}, {1, 1, 1, 0}, {0, 5, -1, 0}, {1, 6, 2, 3}};
    static const it_type TYPES[] = {IT_F32, IT_F64, IT_I16, IT_I32, IT_I64};
    for (size_t t = 0; t < IT_LEN(TYPES); t++)
        for (size_t i = 0; i < IT_LEN(CASES); i++) {
            it_tensor a = make(TYPES[t], 0, NULL, &CASES[i].from), b = make(TYPES[t], 0, NULL, &CASES[i].to),
                      c = make(TYPES[t], 0, NULL, &CASES[i].step);
            assert_int_equal(run("Range", 11, (const it_tensor *[]){&a, &b, &c}, 3, 1, NULL, 0), INTACT_OK);
            assert_int_equal(result[0].dim[0], CASES[i].len);
            for (int k = 0; k < CASES[i].len; k++)
                assert_true(it_tensor_get(&result[0], k) == CASES[i].from + k * CASES[i].step);
        }
    it_tensor a = make(IT_F32, 0, NULL, (double[]){0}), inf = make(IT_F32, 0, NULL, (double[]){INFINITY}),
              nan = make(IT_F32, 0, NULL, (double[]){NAN});
    assert_int_equal(run("Range", 11, (const it_tensor *[]){&a, &inf, &nan}, 3, 1, NULL, 0), INTACT_E_SHAPE);
    assert_int_equal(run("Range", 11, (const it_tensor *[]){&a, &a, &a}, 3, 1, NULL, 0), INTACT_E_SHAPE);
}

static void dropout(void **state)
{
    (void)state;
    it_tensor x = make(IT_F32, 1, (int64_t[]){3}, (double[]){1, 2, 3}), ratio = make(IT_F32, 0, NULL, (double[]){0.5});
    it_tensor no = make(IT_BOOL, 0, NULL, (double[]){0}), yes = make(IT_BOOL, 0, NULL, (double[]){1}),
              zero = make(IT_F32, 0, NULL, (double[]){0});
    assert_int_equal(run("Dropout", 7, (const it_tensor *[]){&x}, 1, 2, NULL, 0), INTACT_OK);
    assert_true(result[1].type == IT_F32 && it_tensor_get(&result[1], 2) == 1 && it_tensor_get(&result[0], 2) == 3);
    assert_int_equal(run("Dropout", 12, (const it_tensor *[]){&x, &ratio, &no}, 3, 2, NULL, 0), INTACT_OK);
    assert_true(result[1].type == IT_BOOL && it_tensor_get(&result[1], 2) == 1 && it_tensor_get(&result[0], 2) == 3);
    assert_int_equal(run("Dropout", 13, (const it_tensor *[]){&x, &zero, &yes}, 3, 1, NULL, 0), INTACT_OK);
    assert_int_equal(run("Dropout", 13, (const it_tensor *[]){&x, &ratio, &yes}, 3, 1, NULL, 0), INTACT_E_UNSUPPORTED);
    assert_int_equal(run("Dropout", 13, (const it_tensor *[]){&x, NULL, &yes}, 3, 1, NULL, 0), INTACT_E_UNSUPPORTED);
}

/* Output sizes and pads of one axis, by hand. */
static void windows(void **state)
{
    (void)state;
    static const struct {
        const char *mode;
        int64_t x, k, s, d, begin, end;
        int ceil;
        int64_t y, want_begin, want_end;
    } CASES[] = {
        {"NOTSET", 7, 3, 2, 1, 1, 1, 0, 4, 1, 1},     {"NOTSET", 8, 3, 2, 1, 0, 0, 0, 3, 0, 0},
        {"NOTSET", 8, 3, 2, 1, 0, 0, 1, 4, 0, 0},     {"NOTSET", 2, 1, 2, 1, 0, 1, 1, 1, 0, 1},
        {"NOTSET", 9, 3, 1, 2, 0, 0, 0, 5, 0, 0},     {"VALID", 7, 3, 2, 1, 5, 5, 0, 3, 0, 0},
        {"SAME_UPPER", 7, 2, 1, 1, 0, 0, 0, 7, 0, 1}, {"SAME_LOWER", 7, 2, 1, 1, 0, 0, 0, 7, 1, 0},
        {"SAME_UPPER", 8, 3, 2, 1, 0, 0, 0, 4, 0, 1}, {"SAME_UPPER", 9, 1, 4, 1, 0, 0, 0, 3, 0, 0},
        {"NOTSET", 2, 3, 1, 1, 0, 0, 0, -1, 0, 0},
    };
    for (size_t i = 0; i < IT_LEN(CASES); i++) {
        int64_t pads[2] = {CASES[i].begin, CASES[i].end}, y[3];
        it_attr a[6] = {
            {.name = "kernel_shape", .kind = IT_ATTR_INTS, .ints = &CASES[i].k, .len = 1},
            {.name = "strides", .kind = IT_ATTR_INTS, .ints = &CASES[i].s, .len = 1},
            {.name = "dilations", .kind = IT_ATTR_INTS, .ints = &CASES[i].d, .len = 1},
            {.name = "pads", .kind = IT_ATTR_INTS, .ints = pads, .len = 2},
            {.name = "auto_pad", .kind = IT_ATTR_STRING, .s = CASES[i].mode},
            {.name = "ceil_mode", .kind = IT_ATTR_INT, .i = CASES[i].ceil},
        };
        it_node n = {.name = "n", .attrs = a, .attrs_len = 6};
        it_parse p = {.n = &n};
        it_window w, out;
        it_tensor x = {.rank = 3, .dim = {1, 1, CASES[i].x}};
        assert_int_equal(it_window_parse(&p, &w), INTACT_OK);
        intact_status st = it_window_resolve(&n, &w, NULL, &x, &out, y, NULL);
        assert_int_equal(st, CASES[i].y < 0 ? INTACT_E_SHAPE : INTACT_OK);
        if (CASES[i].y < 0) continue;
        assert_true(y[0] == CASES[i].y && out.pad[0] == CASES[i].want_begin && out.pad[1] == CASES[i].want_end && out.len == 1);
        pads[1] = -1;
        assert_int_equal(it_window_parse(&p, &w), INTACT_E_FORMAT);
    }
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(compares), T(broadcasts_every_way), T(logic), T(where_and_expand), T(casts), T(shapes), T(ranges), T(dropout), T(windows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
