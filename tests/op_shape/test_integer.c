/* SPDX-License-Identifier: Apache-2.0 */
/* test_integer.c: lowered moves give exactly the float network's codes, for u8 and s16, with equal and with different output parameters. */
#include "helpers.h"

#include <math.h>
#include <string.h>

#include "op/lower.h"

/* Three runs of one case: u8 and s16 with the input's parameters (exact moves: slack is that of the operator), u8 to other ones (rounded).
 */
static void lowers(const char *onnx, int opset, const it_attr *attrs, int attrs_len, int rank, const int64_t *dim, const int64_t *second,
                   int second_len, int outs, double slack)
{
    for (int way = 0; way < 3; way++) {
        net t;
        net_init(&t, (uint64_t)way);
        it_tensor in[2] = { tensor(&t, IT_F32, rank, dim), second ? list(&t, second_len, second) : none };
        net_make(&t, onnx, opset, attrs, attrs_len, in, second ? 2 : 1, 2, outs);
        net_check_integer(&t, way == 1, way == 2 ? 0.05f : 0, way == 2 ? slack + 0.5001 : slack + 0.001);
        net_free(&t);
    }
}

#define ATTRS(...) (it_attr[]){ __VA_ARGS__ }, (int)(sizeof((it_attr[]){ __VA_ARGS__ }) / sizeof(it_attr))
#define LIST(...) (const int64_t[]){ __VA_ARGS__ }, (int)(sizeof((const int64_t[]){ __VA_ARGS__ }) / 8)
#define NO_ATTRS NULL, 0
#define NO_LIST NULL, 0

static void reshapes(void **state)
{
    (void)state;
    lowers("Reshape", 13, NO_ATTRS, DIMS(1, 6, 4, 5), LIST(1, 2, 3, 4, 5), 1, 0);
    lowers("Reshape", 13, NO_ATTRS, DIMS(1, 6, 4, 5), LIST(1, -1), 1, 0);
    lowers("Reshape", 13, NO_ATTRS, DIMS(1, 120), LIST(1, 6, 4, 5), 1, 0);
    lowers("Flatten", 13, NO_ATTRS, DIMS(1, 6, 4, 5), NO_LIST, 1, 0);
    lowers("Squeeze", 13, NO_ATTRS, DIMS(1, 6, 1, 5), LIST(2), 1, 0);
    lowers("Unsqueeze", 13, NO_ATTRS, DIMS(1, 6, 5), LIST(2), 1, 0);
}

static void transposes(void **state)
{
    static const int64_t perms[][5] = { { 0, 2, 3, 1, 4 }, { 0, 4, 3, 2, 1 }, { 0, 2, 1, 3, 4 }, { 0, 1, 2, 3, 4 } };
    (void)state;
    for (size_t k = 0; k < IT_LEN(perms); k++) {
        it_attr attrs[] = { { .name = "perm", .kind = IT_ATTR_INTS, .ints = perms[k], .len = 5 } };
        lowers("Transpose", 13, attrs, 1, DIMS(1, 2, 3, 4, 5), NO_LIST, 1, 0);
    }
    lowers("Transpose", 13, ATTRS(INTS("perm", 0, 2, 1)), DIMS(1, 7, 9), NO_LIST, 1, 0);
    lowers("Transpose", 13, ATTRS(INTS("perm", 0, 2, 3, 1)), DIMS(1, 7, 3, 2), NO_LIST, 1, 0);
}

static void slices(void **state)
{
    (void)state;
    for (int round = 0; round < 40; round++) {
        net t;
        net_init(&t, (uint64_t)round);
        int64_t start[3], end[3], step[3];
        for (int k = 0; k < 3; k++) {
            bool back = net_random(2);
            start[k] = (int64_t)net_random(3) + (back ? 3 : 0);
            end[k] = back ? (int64_t)net_random(2) - 10 * (int64_t)net_random(2) : 4 + (int64_t)net_random(9);
            step[k] = (int64_t)(net_random(3) + 1) * (back ? -1 : 1);
        }
        it_attr attrs[] = { INT("unused", 0) };
        it_tensor in[] = { tensor(&t, IT_F32, DIMS(1, 6, 7, 8)), list(&t, 3, start), list(&t, 3, end),
                           list(&t, 3, (const int64_t[]){ 1, 2, 3 }), list(&t, 3, step) };
        MAKE(&t, "Slice", 13, attrs, in, 0x1e, 1);
        net_check_integer(&t, round & 1, 0, 0.001);
        net_free(&t);
    }
}

static void splits_and_concats(void **state)
{
    (void)state;
    lowers("Split", 13, ATTRS(INT("axis", 1)), DIMS(1, 6, 3, 4), LIST(1, 2, 3), 3, 0);
    lowers("Split", 13, ATTRS(INT("axis", -1)), DIMS(1, 6, 3, 4), NO_LIST, 2, 0);
    lowers("Split", 13, ATTRS(INT("axis", 1)), DIMS(1, 6), NO_LIST, 3, 0);
    for (int axis = 1; axis < 4; axis++) {
        for (int way = 0; way < 3; way++) {
            net t;
            int64_t dim[4] = { 1, 3, 4, 5 };
            it_tensor in[3];
            net_init(&t, (uint64_t)axis);
            for (int k = 0; k < 3; k++) {
                dim[axis] = k + 1;
                in[k] = tensor(&t, IT_F32, 4, dim);
            }
            it_attr attrs[] = { INT("axis", axis) };
            MAKE(&t, "Concat", 13, attrs, in, 0, 1);
            net_check_integer(&t, way == 1, way == 2 ? 0.05f : 0, way == 2 ? 0.5001 : 0.001);
            net_free(&t);
        }
    }
}

static void pads(void **state)
{
    static const char *const modes[] = { "constant", "edge", "reflect" };
    (void)state;
    for (int mode = 0; mode < 3; mode++) {
        lowers("Pad", 13, ATTRS(STR("mode", modes[mode])), DIMS(1, 3, 4, 5), LIST(0, 0, 1, 2, 0, 0, 3, 2), 1, 0);
        lowers("Pad", 13, ATTRS(STR("mode", modes[mode])), DIMS(1, 3, 4, 5), LIST(0, 2, 1, 2, 0, 1, 0, 2), 1, 0);
        lowers("Pad", 13, ATTRS(STR("mode", modes[mode])), DIMS(1, 9, 5), LIST(0, 2, 1, 0, 0, 3), 1, 0);
        lowers("Pad", 13, ATTRS(STR("mode", modes[mode])), DIMS(1, 9), LIST(0, 2, 0, 3), 1, 0);
    }
    lowers("Pad", 9, ATTRS(INTS("pads", 0, 0, 1, 1, 0, 0, 1, 1), FLT("value", 1.5f)), DIMS(1, 3, 4, 5), NO_LIST, 1, 0);
    lowers("Pad", 9, ATTRS(INTS("pads", 0, 0, 1, 1, 0, 0, 1, 1), FLT("value", -INFINITY)), DIMS(1, 3, 4, 5), NO_LIST, 1, 0);
}

static void gathers(void **state)
{
    (void)state;
    lowers("Gather", 13, ATTRS(INT("axis", 1)), DIMS(1, 6, 4, 5), LIST(1, 3, 5), 1, 0);
    lowers("Gather", 13, ATTRS(INT("axis", 1)), DIMS(1, 6, 4, 5), LIST(5, 0, 1, 2, -2, 4, 4), 1, 0);
    lowers("Gather", 13, ATTRS(INT("axis", 3)), DIMS(1, 6, 4, 5), LIST(4, 3, 1), 1, 0);
    lowers("Gather", 13, ATTRS(INT("axis", -1)), DIMS(1, 6), LIST(4, 4, 4), 1, 0);
    for (int axis = 1; axis < 4; axis++) { /* a scalar index drops the axis, a matrix puts two in its place */
        for (int way = 0; way < 2; way++) {
            net t;
            net_init(&t, (uint64_t)axis);
            it_attr attrs[] = { INT("axis", axis) };
            it_tensor in[] = { tensor(&t, IT_F32, DIMS(1, 6, 7, 5)), list(&t, 4, (const int64_t[]){ 1, 2, 3, 4 }) };
            in[1].rank = way ? 2 : 0;
            in[1].dim[0] = in[1].dim[1] = 2;
            MAKE(&t, "Gather", 13, attrs, in, 2, 1);
            net_check_integer(&t, false, 0, 0.001);
            net_free(&t);
        }
    }
}

static void tiles_and_blocks(void **state)
{
    (void)state;
    lowers("Tile", 13, NO_ATTRS, DIMS(1, 3, 4, 5), LIST(1, 2, 1, 3), 1, 0);
    lowers("Tile", 13, NO_ATTRS, DIMS(1, 3, 4, 5), LIST(1, 2, 2, 2), 1, 0);
    lowers("Tile", 13, NO_ATTRS, DIMS(1, 3), LIST(1, 4), 1, 0);
    lowers("Expand", 13, NO_ATTRS, DIMS(1, 3, 1, 5), LIST(1, 1, 4, 1), 1, 0);
    lowers("Expand", 13, NO_ATTRS, DIMS(1, 1, 4, 1), LIST(1, 6, 4, 5), 1, 0);
    lowers("DepthToSpace", 13, ATTRS(INT("blocksize", 2)), DIMS(1, 12, 3, 5), NO_LIST, 1, 0);
    lowers("DepthToSpace", 13, ATTRS(INT("blocksize", 3), STR("mode", "CRD")), DIMS(1, 18, 2, 3), NO_LIST, 1, 0);
    lowers("SpaceToDepth", 13, ATTRS(INT("blocksize", 2)), DIMS(1, 3, 4, 6), NO_LIST, 1, 0);
}

/* Linear weights have 11 bits and the result is rounded: half a code, and 255 * 2 * 2^-12 (u8), 65534 * 2^-12 + 1/2 (s16). */
static void resizes(void **state)
{
    static const char *const coords[] = { "half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel" };
    static const char *const modes[] = { "nearest", "linear" };
    (void)state;
    for (int round = 0; round < 32; round++) {
        net t;
        net_init(&t, (uint64_t)round);
        bool linear = round & 1, s16 = round >> 1 & 1, line = round >> 2 & 1;
        it_attr attrs[] = { STR("coordinate_transformation_mode", coords[round >> 3]), STR("mode", modes[linear]),
                            STR("nearest_mode", "floor") };
        it_tensor in[] = { line ? tensor(&t, IT_F32, DIMS(1, 3, 7)) : tensor(&t, IT_F32, DIMS(1, 3, 4, 7)), none, none,
                           line ? list(&t, 3, (const int64_t[]){ 1, 3, 11 }) : list(&t, 4, (const int64_t[]){ 1, 3, 9, 5 }) };
        MAKE(&t, "Resize", 13, attrs, in, 8, 1);
        net_check_integer(&t, s16, 0, linear ? (s16 ? 2 * 65534.0 / 4096 + 0.51 : 0.63) : 0.001);
        net_free(&t);
    }
    lowers("Upsample", 7, ATTRS(FLTS("scales", 1, 1, 2, 2)), DIMS(1, 3, 4, 5), NO_LIST, 1, 0);
    lowers("Upsample", 7, ATTRS(FLTS("scales", 1, 1, 2, 2), STR("mode", "linear")), DIMS(1, 3, 4, 5), NO_LIST, 1, 0.5);
}

static void refused(const char *onnx, int opset, const it_attr *attrs, int attrs_len, int rank, const int64_t *dim, const int64_t *second,
                    int second_len, unsigned consts, const char *word)
{
    net t;
    net_init(&t, 0);
    it_tensor in[2] = { tensor(&t, IT_F32, rank, dim), second ? list(&t, second_len, second) : none };
    net_make(&t, onnx, opset, attrs, attrs_len, in, second ? 2 : 1, consts, 1);
    net_check_refused(&t, word);
    net_free(&t);
}

static void refusals(void **state)
{
    (void)state;
    refused("Transpose", 13, ATTRS(INTS("perm", 1, 0)), DIMS(1, 4), NO_LIST, 0, "batch");
    refused("Slice", 9, ATTRS(INTS("starts", 0), INTS("ends", 0)), DIMS(1, 4), NO_LIST, 0, "batch");
    refused("Split", 13, ATTRS(INT("axis", 0)), DIMS(1, 4), NO_LIST, 0, "batch");
    refused("Concat", 13, ATTRS(INT("axis", 0)), DIMS(1, 4), NO_LIST, 0, "batch");
    refused("Tile", 13, NO_ATTRS, DIMS(1, 4), LIST(2, 1), 2, "batch");
    refused("Expand", 13, NO_ATTRS, DIMS(1, 4), LIST(3, 1, 4), 2, "dimensions");
    refused("Pad", 13, NO_ATTRS, DIMS(1, 4), LIST(1, 0, 0, 0), 2, "batch");
    refused("Pad", 13, NO_ATTRS, DIMS(1, 4), LIST(0, -1, 0, 0), 2, "-1");
    refused("Pad", 19, ATTRS(STR("mode", "wrap")), DIMS(1, 4), LIST(0, 1, 0, 0), 2, "wrap");
    refused("Gather", 13, ATTRS(INT("axis", 1)), DIMS(1, 4), LIST(0), 0, "constant indices");
    refused("Upsample", 7, ATTRS(FLTS("scales", 1, 2, 1, 1)), DIMS(1, 4, 2, 2), NO_LIST, 0, "height and width");
    refused("TopK", 9, ATTRS(INT("k", 2)), DIMS(1, 4), NO_LIST, 0, "no integer form");
}

/* A second node in front of the one of the net: v = Shape(x), read as input k. */
static void shape_before(net *t, int k)
{
    it_node *user = t->g.nodes.items[0], *shape = it_graph_node(&t->g, "shape", it_op_find("Shape", "", 13), 1, 1);
    it_value *v = it_graph_value(&t->g, "v");
    shape->in[0] = t->in[0];
    shape->out[0] = user->in[k] = v;
    v->producer = shape;
    assert_int_equal(it_node_parse(&t->g, shape, &t->err), INTACT_OK);
    assert_int_equal(it_graph_sort(&t->g, &t->err), INTACT_OK);
    t->status = it_graph_infer(&t->g, 1, t->fed, &t->err);
}

/* Sizes computed from an input's shape are known when the program is made, and leave no instruction. */
static void shape_arithmetic(void **state)
{
    net t;
    (void)state;
    net_init(&t, 0);
    it_attr attrs[] = { STR("mode", "linear") };
    it_tensor in[] = { tensor(&t, IT_F32, DIMS(1, 3, 4, 5)), none, none, list(&t, 4, (const int64_t[]){ 1, 3, 8, 9 }) };
    MAKE(&t, "Resize", 13, attrs, in, 8, 1);
    shape_before(&t, 3);
    assert_true(it_lower_is_shape_arithmetic(&t.g, t.g.nodes.items[0]));
    assert_false(it_lower_is_shape_arithmetic(&t.g, t.g.nodes.items[1]));
    net_check_integer(&t, false, 0, 0.001);
    net_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reshapes),           cmocka_unit_test(transposes), cmocka_unit_test(slices),
        cmocka_unit_test(splits_and_concats), cmocka_unit_test(pads),       cmocka_unit_test(gathers),
        cmocka_unit_test(tiles_and_blocks),   cmocka_unit_test(resizes), cmocka_unit_test(shape_arithmetic),    cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
