/* SPDX-License-Identifier: Apache-2.0 */
/* test_index.c: operators that pick or place elements by index, against their definitions; and what they refuse. */
#include "helpers.h"

#include <math.h>
#include <string.h>

static void ok(net *t, intact_status st)
{
    if (st != INTACT_OK)
        fail_msg("%s: %s", t->err.where, t->err.message);
}

static void expect(const it_tensor *y, int rank, const int64_t *dim, const double *want)
{
    assert_int_equal(y->rank, rank);
    for (int k = 0; k < rank; k++)
        assert_int_equal(y->dim[k], dim[k]);
    for (int64_t i = 0; i < it_tensor_len(y); i++)
        if (it_tensor_get(y, i) != want[i])
            fail_msg("element %lld is %g instead of %g", (long long)i, it_tensor_get(y, i), want[i]);
}

/* A tensor of any type from doubles. */
static it_tensor of(net *t, it_type type, int rank, const int64_t *dim, const double *v)
{
    it_tensor x = tensor(t, type, rank, dim);
    for (int64_t i = 0; i < it_tensor_len(&x); i++)
        it_tensor_set(&x, i, v[i]);
    return x;
}

#define V(...) (const double[]){ __VA_ARGS__ }
#define RUN(t, onnx, opset, attrs, in, outs) (ok(t, MAKE(t, onnx, opset, attrs, in, 0, outs)), ok(t, net_run(t)))

static const it_type types[] = { IT_F32, IT_F64, IT_F16, IT_I8, IT_U8, IT_I16, IT_U16, IT_I32, IT_U32, IT_I64, IT_U64 };

static void gathers(void **state)
{
    (void)state;
    for (size_t k = 0; k < IT_LEN(types); k++) {
        net t, u, v;
        net_init(&t, 0);
        net_init(&u, 0);
        net_init(&v, 0);
        it_attr one[] = { INT("axis", 1) }, batch[] = { INT("batch_dims", 1) };
        it_tensor x = of(&t, types[k], DIMS(2, 3), V(1, 2, 3, 4, 5, 6)), at = of(&t, IT_I32, DIMS(2, 2), V(0, -1, 2, 0));
        it_tensor a[] = { x, at }, b[] = { x, at }, c[] = { x, list(&t, 2, (const int64_t[]){ 2, -3 }) };
        RUN(&t, "Gather", 13, one, a, 1);
        expect(net_out(&t, 0), DIMS(2, 2, 2), V(1, 3, 3, 1, 4, 6, 6, 4));
        RUN(&u, "GatherElements", 13, one, b, 1);
        expect(net_out(&u, 0), DIMS(2, 2), V(1, 3, 6, 4));
        c[1].rank = 2;
        c[1].dim[1] = 1;
        RUN(&v, "GatherND", 13, batch, c, 1);
        expect(net_out(&v, 0), DIMS(2), V(3, 4));
        net_free(&t);
        net_free(&u);
        net_free(&v);
    }
}

static void scatters(void **state)
{
    /* two updates land on element 1 and two on element 3 (ScatterElements); one each (ScatterND) */
    static const struct { const char *how; double elements[6], nd[6]; } rows[] = {
        { "none", { 1, 9, 3, 7, 5, 6 }, { 1, 9, 3, 7, 5, 6 } },     { "add", { 1, 13, 3, 12, 5, 6 }, { 1, 11, 3, 11, 5, 6 } },
        { "mul", { 1, 36, 3, 28, 5, 6 }, { 1, 18, 3, 28, 5, 6 } },  { "max", { 1, 9, 3, 7, 5, 6 }, { 1, 9, 3, 7, 5, 6 } },
        { "min", { 1, 2, 3, 1, 5, 6 }, { 1, 2, 3, 4, 5, 6 } },
    };
    (void)state;
    for (size_t r = 0; r < IT_LEN(rows); r++) {
        for (size_t k = 0; k < IT_LEN(types); k++) {
            net t, u;
            net_init(&t, 0);
            net_init(&u, 0);
            it_attr attrs[] = { STR("reduction", rows[r].how), INT("axis", 1) };
            it_tensor x = of(&t, types[k], DIMS(2, 3), V(1, 2, 3, 4, 5, 6));
            it_tensor a[] = { x, of(&t, IT_I64, DIMS(2, 2), V(1, 1, 0, -3)), of(&t, types[k], DIMS(2, 2), V(2, 9, 1, 7)) };
            it_tensor b[] = { x, of(&t, IT_I64, DIMS(2, 2), V(0, 1, 1, -3)), of(&t, types[k], DIMS(2), V(9, 7)) };
            RUN(&t, "ScatterElements", 18, attrs, a, 1);
            expect(net_out(&t, 0), DIMS(2, 3), rows[r].elements);
            RUN(&u, "ScatterND", 18, attrs, b, 1);
            expect(net_out(&u, 0), DIMS(2, 3), rows[r].nd);
            net_free(&t);
            net_free(&u);
        }
    }
}

static void scatter_first_name(void **state)
{
    net t;
    (void)state;
    net_init(&t, 0);
    it_attr attrs[] = { INT("axis", 0) };
    it_tensor in[] = { of(&t, IT_F32, DIMS(3), V(1, 2, 3)), of(&t, IT_I64, DIMS(1), V(2)), of(&t, IT_F32, DIMS(1), V(9)) };
    RUN(&t, "Scatter", 9, attrs, in, 1);
    expect(net_out(&t, 0), DIMS(3), V(1, 2, 9));
    assert_null(it_op_find("Scatter", "", 11));
    net_free(&t);
}

/* Every answer is in order, no left-out element would have come before one that was chosen, and equal ones stand by index. */
static void top_k(void **state)
{
    (void)state;
    for (int round = 0; round < 120; round++) {
        net t;
        net_init(&t, (uint64_t)round);
        bool largest = round & 1;
        int64_t k = (int64_t)net_random(14);
        it_attr attrs[] = { INT("axis", 1), INT("largest", largest) };
        it_tensor in[] = { tensor(&t, types[round % 11], DIMS(2, 13, 3)), list(&t, 1, &k) };
        for (int64_t i = 0; i < it_tensor_len(&in[0]); i++)
            it_tensor_set(&in[0], i,
                          (double)net_random(6) - (it_type_is_float(in[0].type) || in[0].type == IT_I8 || in[0].type == IT_I64 ? 3 : 0));
        ok(&t, MAKE(&t, "TopK", 11, attrs, in, round % 3 ? 2 : 0, 2));
        ok(&t, net_run(&t));
        const it_tensor *y = net_out(&t, 0), *at = net_out(&t, 1);
        for (int64_t o = 0; o < 6; o++) {
            int64_t row = o / 3, col = o % 3;
            bool taken[13] = { false };
            double before = 0, last = 0;
            int64_t index = -1;
            for (int64_t j = 0; j < k; j++) {
                double v = it_tensor_get(y, (row * k + j) * 3 + col);
                int64_t i = it_tensor_get_int(at, (row * k + j) * 3 + col);
                assert_true(v == it_tensor_get(&in[0], (row * 13 + i) * 3 + col) && !taken[i]);
                assert_true(j == 0 || (largest ? v < before : v > before) || (v == before && i > index));
                taken[i] = true;
                before = last = v;
                index = i;
            }
            for (int64_t i = 0; k > 0 && i < 13; i++) {
                double v = it_tensor_get(&in[0], (row * 13 + i) * 3 + col);
                assert_true(taken[i] || (largest ? v <= last : v >= last));
            }
        }
        net_free(&t);
    }
}

/* 64-bit integers keep their last bit, both zeros are equal. */
static void top_k_exact(void **state)
{
    net t, u;
    uint64_t big[3] = { UINT64_MAX - 1, UINT64_MAX, 5 };
    (void)state;
    net_init(&t, 0);
    net_init(&u, 0);
    it_attr attrs[] = { INT("axis", 0) };
    it_tensor in[] = { tensor(&t, IT_U64, DIMS(3)), list(&t, 1, (const int64_t[]){ 2 }) };
    memcpy(in[0].data, big, sizeof(big));
    RUN(&t, "TopK", 11, attrs, in, 2);
    expect(net_out(&t, 1), DIMS(2), V(1, 0));
    it_tensor zeros[] = { of(&u, IT_F32, DIMS(3), V(-1, -0.0, 0.0)), in[1] };
    RUN(&u, "TopK", 11, attrs, zeros, 2);
    expect(net_out(&u, 1), DIMS(2), V(1, 2));
    net_free(&t);
    net_free(&u);
}

static void one_hot(void **state)
{
    net t, u;
    (void)state;
    net_init(&t, 0);
    net_init(&u, 0);
    it_attr attrs[] = { INT("axis", 1) };
    it_tensor in[] = { of(&t, IT_I64, DIMS(2, 2), V(0, -1, 5, 1)), of(&t, IT_F32, 0, NULL, V(3)), of(&t, IT_I32, DIMS(2), V(2, 7)) };
    RUN(&t, "OneHot", 11, attrs, in, 1);
    expect(net_out(&t, 0), DIMS(2, 3, 2), V(7, 2, 2, 2, 2, 7, 2, 2, 2, 7, 2, 2));
    it_attr last[] = { INT("axis", -1) };
    it_tensor real[] = { of(&u, IT_F32, DIMS(2), V(1.0, -2.0)), of(&u, IT_I64, DIMS(1), V(2)), of(&u, IT_F32, DIMS(2), V(0, 1)) };
    RUN(&u, "OneHot", 9, last, real, 1);
    expect(net_out(&u, 0), DIMS(2, 2), V(0, 1, 1, 0));
    net_free(&t);
    net_free(&u);
}

static void small_ones(void **state)
{
    net t[6];
    (void)state;
    for (int k = 0; k < 6; k++)
        net_init(&t[k], 0);
    it_attr time[] = { INT("time_axis", 0), INT("batch_axis", 1) };
    it_tensor reverse[] = { of(&t[0], IT_I16, DIMS(3, 2), V(0, 1, 2, 3, 4, 5)), list(&t[0], 2, (const int64_t[]){ 3, 2 }) };
    RUN(&t[0], "ReverseSequence", 10, time, reverse, 1);
    expect(net_out(&t[0], 0), DIMS(3, 2), V(4, 3, 2, 1, 0, 5));
    it_attr axis[] = { INT("axis", 1) };
    it_tensor keep[] = { of(&t[1], IT_F64, DIMS(2, 3), V(1, 2, 3, 4, 5, 6)), of(&t[1], IT_BOOL, DIMS(2), V(0, 1)) };
    RUN(&t[1], "Compress", 11, axis, keep, 1);
    expect(net_out(&t[1], 0), DIMS(2, 1), V(2, 5));
    it_tensor some[] = { of(&t[2], IT_F32, DIMS(2, 2), V(0, 1, -0.0, 2)) };
    RUN(&t[2], "NonZero", 13, axis, some, 1);
    expect(net_out(&t[2], 0), DIMS(2, 2), V(0, 1, 1, 1));
    it_attr lower[] = { INT("upper", 0) };
    it_tensor tri[] = { of(&t[3], IT_I8, DIMS(3, 3), V(1, 2, 3, 4, 5, 6, 7, 8, 9)), of(&t[3], IT_I64, 0, NULL, V(-1)) };
    RUN(&t[3], "Trilu", 14, lower, tri, 1);
    expect(net_out(&t[3], 0), DIMS(3, 3), V(0, 0, 0, 4, 0, 0, 7, 8, 0));
    it_attr k[] = { INT("k", 1), INT("dtype", 7) };
    it_tensor like[] = { of(&t[4], IT_F32, DIMS(2, 3), V(0, 0, 0, 0, 0, 0)) };
    RUN(&t[4], "EyeLike", 9, k, like, 1);
    assert_int_equal(net_out(&t[4], 0)->type, IT_I64);
    expect(net_out(&t[4], 0), DIMS(2, 3), V(0, 1, 0, 0, 0, 1));
    it_attr none_at_all[] = { INT("unused", 0) };
    it_tensor flat[] = { of(&t[5], IT_F32, DIMS(2, 2), V(1, 2, 3, 4)), of(&t[5], IT_BOOL, DIMS(4), V(1, 0, 0, 1)) };
    RUN(&t[5], "Compress", 9, none_at_all, flat, 1);
    expect(net_out(&t[5], 0), DIMS(2), V(1, 4));
    for (int j = 0; j < 6; j++)
        net_free(&t[j]);
}

/* One node with int64 second input; the failure names the node and quotes what is wrong. */
static void refused(const char *onnx, int opset, it_attr a, const int64_t *dim, int rank, const int64_t *second, int second_len,
                    intact_status code, const char *word)
{
    net t;
    intact_status st;
    net_init(&t, 0);
    it_attr attrs[] = { a };
    it_tensor in[] = { tensor(&t, IT_F32, rank, dim), second ? list(&t, second_len, second) : none };
    st = net_make(&t, onnx, opset, attrs, 1, in, second ? 2 : 1, 0, 1);
    st = st == INTACT_OK ? net_run(&t) : st;
    assert_int_equal(st, code);
    assert_non_null(strstr(t.err.where, "the_node"));
    if (!strstr(t.err.message, word))
        fail_msg("\"%s\" is not in \"%s\"", word, t.err.message);
    net_free(&t);
}

#define AND(...) (const int64_t[]){ __VA_ARGS__ }, (int)(sizeof((const int64_t[]){ __VA_ARGS__ }) / 8)
static void refusals(void **state)
{
    static const int64_t dim[3] = { 2, 3, 4 };
    it_attr no = INT("unused", 0);
    (void)state;
    refused("Reshape", 13, no, dim, 3, AND(5, -1), INTACT_E_SHAPE, "24 elements");
    refused("Reshape", 13, no, dim, 3, AND(-1, -1), INTACT_E_SHAPE, "only one");
    refused("Reshape", 13, no, dim, 3, AND(1 << 30, 1 << 30, 1 << 30), INTACT_E_SHAPE, "2^63");
    refused("Flatten", 13, (it_attr)INT("axis", 4), dim, 3, NULL, 0, INTACT_E_SHAPE, "4");
    refused("Squeeze", 13, no, dim, 3, AND(1), INTACT_E_SHAPE, "size 3");
    refused("Unsqueeze", 13, no, dim, 3, AND(1, 1), INTACT_E_SHAPE, "twice");
    refused("Unsqueeze", 13, no, dim, 3, AND(0, 1, 2, 3, 4, 5), INTACT_E_UNSUPPORTED, "9");
    refused("Transpose", 13, (it_attr)INTS("perm", 0, 1, 1), dim, 3, NULL, 0, INTACT_E_SHAPE, "once");
    refused("Transpose", 13, (it_attr)STR("perm", "x"), dim, 3, NULL, 0, INTACT_E_FORMAT, "perm");
    refused("Slice", 9, (it_attr)INTS("starts", 0), dim, 3, NULL, 0, INTACT_E_FORMAT, "starts");
    refused("Concat", 13, no, dim, 3, NULL, 0, INTACT_E_FORMAT, "axis");
    refused("Concat", 13, (it_attr)INT("axis", 3), dim, 3, NULL, 0, INTACT_E_SHAPE, "3");
    refused("Split", 13, (it_attr)INT("axis", 1), dim, 3, AND(1, 2), INTACT_E_SHAPE, "1 outputs");
    refused("Pad", 13, no, dim, 3, AND(1, 1), INTACT_E_SHAPE, "2 entries");
    refused("Pad", 13, no, dim, 3, AND(0, 0, -5, 0, 0, 0), INTACT_E_SHAPE, "-5");
    refused("Pad", 13, no, dim, 3, AND(0, 0, INT64_MAX, 0, 0, INT64_MAX), INTACT_E_SHAPE, "padded");
    refused("Pad", 13, (it_attr)STR("mode", "wrap"), dim, 3, AND(0, 0, 0, 0, 0, 0), INTACT_E_UNSUPPORTED, "wrap");
    refused("Gather", 13, no, dim, 3, AND(2), INTACT_E_SHAPE, "index 2");
    refused("Tile", 13, no, dim, 3, AND(1, 1), INTACT_E_SHAPE, "3 dimensions");
    refused("Tile", 13, no, dim, 3, AND(1, INT64_MAX, INT64_MAX), INTACT_E_SHAPE, "times");
    refused("Tile", 13, no, dim, 3, AND(1 << 20, 1 << 20, 1 << 20), INTACT_E_SHAPE, "2^40");
    refused("DepthToSpace", 13, (it_attr)INT("blocksize", 0), dim, 3, NULL, 0, INTACT_E_FORMAT, "0");
    refused("DepthToSpace", 13, (it_attr)INT("blocksize", 2), dim, 3, NULL, 0, INTACT_E_SHAPE, "3 dimensions");
    refused("TopK", 11, no, dim, 3, AND(5), INTACT_E_SHAPE, "k is 5");
    refused("TopK", 9, no, dim, 3, NULL, 0, INTACT_E_FORMAT, "k");
    refused("Upsample", 7, no, dim, 3, NULL, 0, INTACT_E_FORMAT, "scales");
    refused("Resize", 13, (it_attr)STR("mode", "area"), dim, 3, NULL, 0, INTACT_E_FORMAT, "area");
    refused("Resize", 13, (it_attr)STR("coordinate_transformation_mode", "x"), dim, 3, NULL, 0, INTACT_E_UNSUPPORTED, "coordinate");
    refused("Resize", 13, no, dim, 3, NULL, 0, INTACT_E_SHAPE, "neither");
    refused("ReverseSequence", 10, no, dim, 3, AND(5, 1, 1), INTACT_E_SHAPE, "5");
    refused("Trilu", 14, no, dim, 1, NULL, 0, INTACT_E_SHAPE, "1 dimensions");
    refused("EyeLike", 9, (it_attr)INT("dtype", 16), dim, 2, NULL, 0, INTACT_E_UNSUPPORTED, "bfloat16");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gathers), cmocka_unit_test(scatters), cmocka_unit_test(scatter_first_name), cmocka_unit_test(top_k),
        cmocka_unit_test(top_k_exact), cmocka_unit_test(one_hot), cmocka_unit_test(small_ones), cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
