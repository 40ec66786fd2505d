/* SPDX-License-Identifier: Apache-2.0 */
/* test_move.c: strided copies against loops, and the operators that only move elements against index formulas. */
#include "helpers.h"

#include <string.h>

#include "op/move.h"

static const it_type types[] = { IT_F32, IT_F64, IT_F16, IT_BOOL, IT_I8, IT_U8, IT_I16, IT_U16, IT_I32, IT_U32, IT_I64, IT_U64 };

/* Coordinates of element i. */
static void coords(const it_tensor *t, int64_t i, int64_t at[IT_RANK_MAX])
{
    for (int k = t->rank - 1; k >= 0; k--) {
        at[k] = i % t->dim[k];
        i /= t->dim[k];
    }
}

static int64_t flat(const it_tensor *t, const int64_t at[IT_RANK_MAX])
{
    int64_t i = 0;
    for (int k = 0; k < t->rank; k++)
        i = i * t->dim[k] + at[k];
    return i;
}

static void same_element(const it_tensor *y, int64_t i, const it_tensor *x, int64_t j)
{
    size_t b = it_type_bytes(x->type);
    assert_int_equal(y->type, x->type);
    assert_memory_equal((const char *)y->data + (size_t)i * b, (const char *)x->data + (size_t)j * b, b);
}

static void ok(net *t, intact_status st)
{
    if (st != INTACT_OK)
        fail_msg("%s: %s", t->err.where, t->err.message);
}

static void items_match_loops(void **state)
{
    uint8_t src[20000], dst[20000], want[20000];
    net t;
    (void)state;
    net_init(&t, 1);
    for (int i = 0; i < (int)sizeof(src); i++)
        src[i] = (uint8_t)net_random(256);
    for (int round = 0; round < 400; round++) {
        int rank = (int)net_random(6), order[6];
        size_t item = (size_t)1 << net_random(4);
        int64_t dim[6], to[6], from[6], step = 1, offset = 0, total = 1;
        for (int k = 0; k < rank; k++) {
            dim[k] = (int64_t)(rank < 3 ? net_random(40) : net_random(5)) + (round % 17 != 0);
            order[k] = k;
            total *= dim[k];
        }
        for (int k = 0; k < rank; k++) { /* a random order of memory for the source, sometimes backwards or standing still */
            int j = k + (int)net_random((uint64_t)(rank - k)), s = order[k];
            order[k] = order[j];
            order[j] = s;
            from[order[k]] = step;
            step *= dim[order[k]] ? dim[order[k]] : 1;
        }
        for (int k = 0; k < rank; k++) {
            if (net_random(4) == 0 && dim[k] > 0) {
                offset += (dim[k] - 1) * from[k];
                from[k] = -from[k];
            } else if (net_random(6) == 0) {
                from[k] = 0;
            }
        }
        step = 1;
        for (int k = rank - 1; k >= 0; k--) {
            to[k] = step;
            step *= dim[k];
        }
        memset(dst, 7, sizeof(dst));
        memset(want, 7, sizeof(want));
        for (int64_t i = 0; i < total; i++) {
            int64_t rest = i, at = offset;
            for (int k = rank - 1; k >= 0; k--) {
                at += rest % dim[k] * from[k];
                rest /= dim[k];
            }
            memcpy(want + (size_t)i * item, src + (size_t)at * item, item);
        }
        it_move_items(dst, src + (size_t)offset * item, item, rank, dim, to, from);
        assert_memory_equal(dst, want, sizeof(dst));
    }
    net_free(&t);
}

static void transposes(void **state)
{
    static const int64_t perms[][4] = { { 0, 1, 2, 3 }, { 0, 2, 3, 1 }, { 0, 3, 1, 2 }, { 3, 2, 1, 0 },
                                        { 1, 0, 3, 2 }, { 2, 3, 0, 1 }, { 0, 2, 1, 3 } };
    (void)state;
    for (size_t p = 0; p < IT_LEN(perms); p++) {
        for (size_t k = 0; k < IT_LEN(types); k++) {
            net t;
            int64_t at[IT_RANK_MAX], from[IT_RANK_MAX];
            net_init(&t, p);
            it_attr attrs[] = { { .name = "perm", .kind = IT_ATTR_INTS, .ints = perms[p], .len = 4 } };
            it_tensor in[] = { tensor(&t, types[k], DIMS(2, 19, 5, 33)) };
            ok(&t, MAKE(&t, "Transpose", 13, attrs, in, 0, 1));
            ok(&t, net_run(&t));
            for (int64_t i = 0; i < it_tensor_len(&in[0]); i++) {
                coords(net_out(&t, 0), i, at);
                for (int j = 0; j < 4; j++)
                    from[perms[p][j]] = at[j];
                same_element(net_out(&t, 0), i, &in[0], flat(&in[0], from));
            }
            net_free(&t);
        }
    }
}

static void slices(void **state)
{
    (void)state;
    for (int round = 0; round < 300; round++) {
        net t;
        int64_t start[3], end[3], step[3], axes[3] = { 0, -2, 2 }, first[3], len[3], dim[3], at[IT_RANK_MAX];
        net_init(&t, (uint64_t)round);
        for (int k = 0; k < 3; k++) {
            dim[k] = (int64_t)net_random(7) + 1;
            start[k] = (int64_t)net_random(20) - 10;
            end[k] = round % 5 ? (int64_t)net_random(20) - 10 : round % 2 ? INT64_MAX : INT64_MIN;
            step[k] = round % 7 ? (int64_t)net_random(7) - 3 : INT64_MIN;
            step[k] = step[k] ? step[k] : 1;
            /* walk as the definition does: from the clamped start while the clamped end is not reached */
            int64_t s = start[k] < 0 ? start[k] + dim[k] : start[k], e = end[k] < 0 ? end[k] + dim[k] : end[k];
            int64_t hi = step[k] > 0 ? dim[k] : dim[k] - 1, lo = step[k] > 0 ? 0 : -1;
            s = s < 0 ? 0 : s > hi ? hi : s;
            e = e < lo ? lo : e > hi ? hi : e;
            first[k] = s;
            for (len[k] = 0; step[k] > 0 ? s < e : s > e; len[k]++) {
                if (step[k] < -100)
                    s = e;
                else
                    s += step[k];
            }
        }
        it_attr attrs[] = { INT("unused", 0) };
        it_tensor in[] = { tensor(&t, types[round % 12], 3, dim), list(&t, 3, start), list(&t, 3, end), list(&t, 3, axes),
                           list(&t, 3, step) };
        ok(&t, MAKE(&t, "Slice", 13, attrs, in, round % 2 ? 0x1e : 0, 1));
        ok(&t, net_run(&t));
        const it_tensor *y = net_out(&t, 0);
        for (int k = 0; k < 3; k++)
            assert_int_equal(y->dim[k], len[k]);
        for (int64_t i = 0; i < it_tensor_len(y); i++) {
            coords(y, i, at);
            for (int k = 0; k < 3; k++)
                at[k] = first[k] + (at[k] ? at[k] * step[k] : 0);
            same_element(y, i, &in[0], flat(&in[0], at));
        }
        net_free(&t);
    }
}

static void slice_attributes(void **state)
{
    net t;
    (void)state;
    net_init(&t, 3);
    it_attr attrs[] = { INTS("starts", 1, -3), INTS("ends", 1000, -1), INTS("axes", 1, 2) };
    it_tensor in[] = { tensor(&t, IT_F32, DIMS(2, 3, 5)) };
    ok(&t, MAKE(&t, "Slice", 9, attrs, in, 0, 1));
    ok(&t, net_run(&t));
    assert_int_equal(net_out(&t, 0)->dim[1], 2);
    assert_int_equal(net_out(&t, 0)->dim[2], 2);
    same_element(net_out(&t, 0), 0, &in[0], 7);
    net_free(&t);
}

/* Concat and Split undo each other, along every axis and in every type. */
static void concat_split(void **state)
{
    (void)state;
    for (int round = 0; round < 36; round++) {
        net t, u;
        int axis = round % 3;
        int64_t dim[3] = { 3, 4, 5 }, parts[3] = { 2, 0, 7 };
        it_tensor in[3], back[2];
        net_init(&t, (uint64_t)round);
        net_init(&u, (uint64_t)round);
        for (int k = 0; k < 3; k++) {
            dim[axis] = parts[k];
            in[k] = tensor(&t, types[round / 3], 3, dim);
        }
        it_attr attrs[] = { INT("axis", axis - (round % 2 ? 3 : 0)) };
        ok(&t, MAKE(&t, "Concat", 13, attrs, in, 0, 1));
        ok(&t, net_run(&t));
        back[0] = *net_out(&t, 0);
        back[1] = list(&u, 3, parts);
        ok(&u, MAKE(&u, "Split", 13, attrs, back, round % 2 ? 2 : 0, 3));
        ok(&u, net_run(&u));
        for (int k = 0; k < 3; k++) {
            assert_true(it_tensor_same_shape(net_out(&u, k), &in[k]));
            assert_memory_equal(net_out(&u, k)->data, in[k].data, it_tensor_bytes(&in[k]));
        }
        net_free(&t);
        net_free(&u);
    }
}

static void split_equal(void **state)
{
    static const struct {
        int opset, outs;
        int64_t dim, first, last;
    } rows[] = { { 11, 3, 6, 2, 2 }, { 13, 2, 6, 3, 3 }, { 18, 3, 7, 3, 1 }, { 18, 4, 8, 2, 2 } };
    (void)state;
    for (size_t k = 0; k < IT_LEN(rows); k++) {
        net t;
        net_init(&t, k);
        it_attr attrs[] = { INT("axis", 0), INT("num_outputs", rows[k].outs) };
        it_tensor in[] = { tensor(&t, IT_F32, DIMS(rows[k].dim, 3)) };
        ok(&t, MAKE(&t, "Split", rows[k].opset, attrs, in, 0, rows[k].outs));
        ok(&t, net_run(&t));
        assert_int_equal(net_out(&t, 0)->dim[0], rows[k].first);
        assert_int_equal(net_out(&t, rows[k].outs - 1)->dim[0], rows[k].last);
        net_free(&t);
    }
}

static int64_t mirror(int mode, int64_t i, int64_t len)
{
    while (mode == 1 && (i < 0 || i >= len))
        i = i < 0 ? 0 : len - 1;
    while (mode == 2 && (i < 0 || i >= len))
        i = len == 1 ? 0 : i < 0 ? -i : 2 * (len - 1) - i;
    while (mode == 3 && (i < 0 || i >= len))
        i += i < 0 ? len : -len;
    return i;
}

static void pads(void **state)
{
    static const char *const modes[] = { "constant", "edge", "reflect", "wrap" };
    (void)state;
    for (int round = 0; round < 240; round++) {
        net t;
        int mode = round % 4;
        int64_t dim[4], pad[8], at[IT_RANK_MAX];
        net_init(&t, (uint64_t)round);
        for (int k = 0; k < 4; k++) {
            dim[k] = (int64_t)net_random(5) + 3;
            pad[k] = (int64_t)net_random(9) - 1;
            pad[4 + k] = (int64_t)net_random(9) - 1;
        }
        it_attr attrs[] = { STR("mode", modes[mode]) };
        it_type type = types[(round / 4) % 12];
        it_tensor in[] = { tensor(&t, type, 4, dim), list(&t, 8, pad), tensor(&t, type, 0, NULL) };
        ok(&t, MAKE(&t, "Pad", 19, attrs, in, round % 8 < 4 ? 6 : 0, 1));
        ok(&t, net_run(&t));
        const it_tensor *y = net_out(&t, 0);
        for (int64_t i = 0; i < it_tensor_len(y); i++) {
            bool inside = true;
            coords(y, i, at);
            for (int k = 0; k < 4; k++) {
                int64_t cut = pad[k] < 0 ? -pad[k] : 0, kept = dim[k] - cut + (pad[4 + k] < 0 ? pad[4 + k] : 0),
                        j = at[k] - (pad[k] > 0 ? pad[k] : 0);
                inside = inside && j >= 0 && j < kept;
                at[k] = cut + mirror(mode, j, kept);
            }
            if (mode > 0 || inside)
                same_element(y, i, &in[0], flat(&in[0], at));
            else
                same_element(y, i, &in[2], 0);
        }
        net_free(&t);
    }
}

static void tiles(void **state)
{
    (void)state;
    for (int round = 0; round < 60; round++) {
        net t;
        int64_t dim[3], repeat[3], at[IT_RANK_MAX];
        net_init(&t, (uint64_t)round);
        for (int k = 0; k < 3; k++) {
            dim[k] = (int64_t)net_random(4) + 1;
            repeat[k] = (int64_t)net_random(4);
        }
        it_attr attrs[] = { INT("unused", 0) };
        it_tensor in[] = { tensor(&t, types[round % 12], 3, dim), list(&t, 3, repeat) };
        ok(&t, MAKE(&t, "Tile", 13, attrs, in, 2, 1));
        ok(&t, net_run(&t));
        for (int64_t i = 0; i < it_tensor_len(net_out(&t, 0)); i++) {
            coords(net_out(&t, 0), i, at);
            for (int k = 0; k < 3; k++)
                at[k] %= dim[k];
            same_element(net_out(&t, 0), i, &in[0], flat(&in[0], at));
        }
        net_free(&t);
    }
}

/* The definitions of DCR and CRD, element by element; SpaceToDepth undoes DCR. */
static void blocks(void **state)
{
    (void)state;
    for (int round = 0; round < 24; round++) {
        net t, u;
        int64_t b = 2 + round % 2, c = 3, at[IT_RANK_MAX];
        bool crd = round & 1;
        net_init(&t, (uint64_t)round);
        net_init(&u, 0);
        it_attr attrs[] = { INT("blocksize", b), STR("mode", crd ? "CRD" : "DCR") };
        it_tensor in[] = { tensor(&t, types[round / 2], DIMS(2, c * b * b, 4, 3)) };
        ok(&t, MAKE(&t, "DepthToSpace", 13, attrs, in, 0, 1));
        ok(&t, net_run(&t));
        const it_tensor *y = net_out(&t, 0);
        for (int64_t i = 0; i < it_tensor_len(y); i++) {
            coords(y, i, at);
            int64_t bi = at[2] % b, bj = at[3] % b;
            at[1] = crd ? (at[1] * b + bi) * b + bj : (bi * b + bj) * c + at[1];
            at[2] /= b;
            at[3] /= b;
            same_element(y, i, &in[0], flat(&in[0], at));
        }
        if (!crd) {
            it_tensor back[] = { *y };
            ok(&u, net_make(&u, "SpaceToDepth", 13, attrs, 1, back, 1, 0, 1));
            ok(&u, net_run(&u));
            assert_memory_equal(net_out(&u, 0)->data, in[0].data, it_tensor_bytes(&in[0]));
        }
        net_free(&t);
        net_free(&u);
    }
}

static void shape_of(const char *onnx, int opset, const it_attr *attrs, int attrs_len, const it_tensor *x, const int64_t *second,
                     int second_len, int rank, const int64_t *want)
{
    net t;
    net_init(&t, 0);
    it_tensor in[2] = { *x, second ? list(&t, second_len, second) : none };
    ok(&t, net_make(&t, onnx, opset, attrs, attrs_len, in, second ? 2 : 1, second ? 2 : 0, 1));
    ok(&t, net_run(&t));
    assert_int_equal(net_out(&t, 0)->rank, rank);
    for (int k = 0; k < rank; k++)
        assert_int_equal(net_out(&t, 0)->dim[k], want[k]);
    assert_memory_equal(net_out(&t, 0)->data, x->data, it_tensor_bytes(x));
    net_free(&t);
}

static void shapes(void **state)
{
    net t;
    (void)state;
    net_init(&t, 5);
    it_tensor x = tensor(&t, IT_F32, DIMS(2, 1, 3, 4, 1)), empty = tensor(&t, IT_F32, DIMS(0, 3, 4));
    shape_of("Reshape", 13, NULL, 0, &x, (const int64_t[]){ 0, -1, 4 }, 3, DIMS(2, 3, 4));
    shape_of("Reshape", 13, NULL, 0, &x, (const int64_t[]){ 24 }, 1, DIMS(24));
    shape_of("Reshape", 14, (it_attr[]){ INT("allowzero", 1) }, 1, &empty, (const int64_t[]){ 3, 4, 0 }, 3, DIMS(3, 4, 0));
    shape_of("Flatten", 13, NULL, 0, &x, NULL, 0, DIMS(2, 12));
    shape_of("Flatten", 13, (it_attr[]){ INT("axis", -2) }, 1, &x, NULL, 0, DIMS(6, 4));
    shape_of("Flatten", 13, (it_attr[]){ INT("axis", 5) }, 1, &x, NULL, 0, DIMS(24, 1));
    shape_of("Squeeze", 13, NULL, 0, &x, NULL, 0, DIMS(2, 3, 4));
    shape_of("Squeeze", 13, NULL, 0, &x, (const int64_t[]){ -1 }, 1, DIMS(2, 1, 3, 4));
    shape_of("Squeeze", 11, (it_attr[]){ INTS("axes", 1) }, 1, &x, NULL, 0, DIMS(2, 3, 4, 1));
    shape_of("Unsqueeze", 13, NULL, 0, &x, (const int64_t[]){ -1, 0 }, 2, DIMS(1, 2, 1, 3, 4, 1, 1));
    shape_of("Unsqueeze", 11, (it_attr[]){ INTS("axes", 2) }, 1, &x, NULL, 0, DIMS(2, 1, 1, 3, 4, 1));
    net_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_match_loops),
        cmocka_unit_test(transposes),
        cmocka_unit_test(slices),
        cmocka_unit_test(slice_attributes),
        cmocka_unit_test(concat_split),
        cmocka_unit_test(split_equal),
        cmocka_unit_test(pads),
        cmocka_unit_test(tiles),
        cmocka_unit_test(blocks),
        cmocka_unit_test(shapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
