/* SPDX-License-Identifier: Apache-2.0 */
/* test_resize.c: Resize and Upsample against a direct sum over all input elements, in every mode, convention, layout and kind of type. */
#include "helpers.h"

#include <math.h>
#include <string.h>

#include "op/resample.h"

static const char *const coords[] = { "half_pixel",         "pytorch_half_pixel",   "align_corners",       "asymmetric",
                                      "tf_crop_and_resize", "tf_half_pixel_for_nn", "half_pixel_symmetric" };
static const char *const modes[] = { "nearest", "linear", "cubic" };
static const char *const rounds[] = { "round_prefer_floor", "round_prefer_ceil", "floor", "ceil" };

static void ok(net *t, intact_status st)
{
    if (st != INTACT_OK)
        fail_msg("%s: %s", t->err.where, t->err.message);
}

typedef struct want { const char *coord, *mode, *round; double a, roi[2]; bool exclude, antialias; } want;

/* Source position; the text of the operator's documentation. */
static double position(const want *w, int64_t in, int64_t out, double scale, int64_t j)
{
    double x = (double)j, resized = (double)in * scale;
    if (!strcmp(w->coord, "half_pixel"))
        return (x + 0.5) / scale - 0.5;
    if (!strcmp(w->coord, "pytorch_half_pixel"))
        return out > 1 ? (x + 0.5) / scale - 0.5 : 0;
    if (!strcmp(w->coord, "align_corners"))
        return out > 1 ? x * (double)(in - 1) / (resized - 1) : 0;
    if (!strcmp(w->coord, "asymmetric"))
        return x / scale;
    if (!strcmp(w->coord, "tf_half_pixel_for_nn"))
        return (x + 0.5) / scale;
    if (!strcmp(w->coord, "half_pixel_symmetric"))
        return (double)in / 2 * (1 - (double)out / resized) + (x + 0.5) / scale - 0.5;
    return out > 1 ? w->roi[0] * (double)(in - 1) + x * (w->roi[1] - w->roi[0]) * (double)(in - 1) / (resized - 1)
                   : 0.5 * (w->roi[0] + w->roi[1]) * (double)(in - 1);
}

static double bump(const want *w, double d)
{
    d = fabs(d);
    if (!strcmp(w->mode, "linear"))
        return fmax(0, 1 - d);
    return d <= 1 ? (w->a + 2) * d * d * d - (w->a + 3) * d * d + 1 : d < 2 ? w->a * (d * d * d - 5 * d * d + 8 * d - 4) : 0;
}

/* How much input i counts in output j of one axis; not-a-number: outside of the region. */
static double share(const want *w, int64_t in, int64_t out, double scale, int64_t j, int64_t i)
{
    double x = position(w, in, out, scale, j), sum = 0, mine = 0, stretch = w->antialias && scale < 1 ? scale : 1;
    if (!strcmp(w->coord, "tf_crop_and_resize") && (x < 0 || x > (double)(in - 1)))
        return NAN;
    if (!strcmp(w->mode, "nearest")) {
        x = fabs(x * 2 - rint(x * 2)) < 1e-9 ? rint(x * 2) / 2 : x; /* scales of this test are quotients of small numbers: ties are exact */
        double r = !strcmp(w->round, "floor")               ? floor(x)
                   : !strcmp(w->round, "ceil")              ? ceil(x)
                   : !strcmp(w->round, "round_prefer_ceil") ? floor(x + 0.5)
                                                            : ceil(x - 0.5);
        return fmin(fmax(r, 0), (double)(in - 1)) == (double)i;
    }
    for (int64_t k = -30; k < in + 30; k++) { /* positions beyond the edges read the edge */
        double b = w->exclude && (k < 0 || k >= in) ? 0 : bump(w, ((double)k - x) * stretch);
        sum += b;
        if (i == (k < 0 ? 0 : k >= in ? in - 1 : k))
            mine += b;
    }
    return w->exclude || w->antialias ? mine / sum : mine;
}

static double expected(const want *w, const it_tensor *x, const int64_t *out, const double *scale, const int64_t *at)
{
    double y = 0;
    for (int64_t i = 0; i < it_tensor_len(x); i++) {
        double s = 1;
        int64_t rest = i;
        for (int k = x->rank - 1; k >= 0; k--) {
            if (out[k] != x->dim[k] || scale[k] != 1 || (!strcmp(w->coord, "tf_crop_and_resize") && k == x->rank - 1))
                s *= share(w, x->dim[k], out[k], scale[k], at[k], rest % x->dim[k]);
            else
                s *= rest % x->dim[k] == at[k];
            rest /= x->dim[k];
        }
        y += s * it_tensor_get(x, i);
    }
    return y;
}

static void check(const want *w, const it_tensor *x, const it_tensor *y, const double *scale, double beyond, double tolerance)
{
    for (int64_t i = 0; i < it_tensor_len(y); i++) {
        int64_t at[IT_RANK_MAX], rest = i;
        for (int k = y->rank - 1; k >= 0; k--) {
            at[k] = rest % y->dim[k];
            rest /= y->dim[k];
        }
        double e = expected(w, x, y->dim, scale, at), got = it_tensor_get(y, i);
        e = e == e ? e : beyond;
        e = y->type == IT_U8 ? fmin(fmax(e, 0), 255) : e;
        if (!(fabs(e - got) <= tolerance))
            fail_msg("%s %s %s: element %lld is %g instead of %g", w->mode, w->coord, w->round, (long long)i, got, e);
    }
}

static void all_modes(void **state)
{
    static const it_type types[] = { IT_F32, IT_F64, IT_F16, IT_U8, IT_I32 };
    (void)state;
    for (int round = 0; round < 210; round++) {
        net t;
        net_init(&t, (uint64_t)round);
        int coord = round % 7, mode = round / 7 % 3, opset = coord == 5 ? 11 : 19, type = round / 21 % 5;
        bool sizes = round % 2 && coord != 6, antialias = opset == 19 && mode > 0 && round % 3 == 0;
        want w = { coords[coord],     modes[mode],
                   rounds[round % 4], round % 5 ? (double)-0.75f : -0.5,
                   { 0.25, 1.125 },   mode > 0 && round % 4 == 1,
                   antialias };
        it_attr attrs[] = { STR("coordinate_transformation_mode", w.coord),
                            STR("mode", w.mode),
                            STR("nearest_mode", w.round),
                            FLT("cubic_coeff_a", (float)w.a),
                            FLT("extrapolation_value", 10),
                            INT("exclude_outside", w.exclude),
                            INT("antialias", antialias) };
        int64_t size[3] = { 2, coord == 4 ? 5 : (int64_t)net_random(12) + 1, (int64_t)net_random(12) + 1 };
        float s[3] = { 1, coord == 4 ? 1 : (float)(net_random(28) + 6) / 8, (float)(net_random(28) + 6) / 8 };
        it_tensor x = tensor(&t, types[type], DIMS(2, 5, 6)), roi = floats(&t, DIMS(6), (const float[]){ 0, 0, 0.25f, 1, 1, 1.125f });
        it_tensor in[] = { x,
                           coord == 4    ? roi
                           : opset == 11 ? floats(&t, DIMS(0), s)
                                         : none,
                           sizes ? (opset == 11 ? floats(&t, DIMS(0), s) : none) : floats(&t, DIMS(3), s),
                           sizes ? list(&t, 3, size) : none };
        ok(&t, MAKE(&t, "Resize", opset, attrs, in, round % 3 ? 0xe : 0, 1));
        ok(&t, net_run(&t));
        const it_tensor *y = net_out(&t, 0);
        double scale[3] = { 1, sizes ? (double)size[1] / 5 : (double)s[1], sizes ? (double)size[2] / 6 : (double)s[2] };
        if (sizes)
            assert_true(y->dim[1] == size[1] && y->dim[2] == size[2]);
        else
            assert_true(y->dim[1] == (int64_t)(5 * s[1]) && y->dim[2] == (int64_t)(6 * s[2]));
        check(&w, &x, y, scale, 10, type < 2 ? 1e-5 : type == 2 ? 1e-2 : 0.501);
        net_free(&t);
    }
}

/* A region of interest along the last axis, half of it outside. */
static void crop(void **state)
{
    (void)state;
    for (int mode = 0; mode < 3; mode++) {
        net t;
        net_init(&t, 7);
        want w = { "tf_crop_and_resize", modes[mode], rounds[0], (double)-0.75f, { 0.5, 1.5 }, false, false };
        it_attr attrs[] = { STR("coordinate_transformation_mode", w.coord), STR("mode", w.mode), FLT("extrapolation_value", 10),
                            INTS("axes", 0) };
        it_tensor in[] = { tensor(&t, IT_F32, DIMS(9)), floats(&t, DIMS(2), (const float[]){ 0.5f, 1.5f }), none,
                           list(&t, 1, (const int64_t[]){ 7 }) };
        ok(&t, MAKE(&t, "Resize", 18, attrs, in, 0, 1));
        ok(&t, net_run(&t));
        check(&w, &in[0], net_out(&t, 0), (const double[]){ 7.0 / 9 }, 10, 1e-5);
        assert_true(((float *)net_out(&t, 0)->data)[6] == 10);
        net_free(&t);
    }
}

/* 17 / 1.7 is 10, though 17 / 1.7f is not. */
static void single_scales(void **state)
{
    net t;
    (void)state;
    net_init(&t, 0);
    it_attr attrs[] = { STR("coordinate_transformation_mode", "asymmetric"), STR("nearest_mode", "floor") };
    it_tensor in[] = { tensor(&t, IT_F32, DIMS(12)), none, floats(&t, DIMS(1), (const float[]){ 1.7f }) };
    ok(&t, MAKE(&t, "Resize", 13, attrs, in, 4, 1));
    ok(&t, net_run(&t));
    for (int j = 0; j < 20; j++)
        assert_true(((const float *)net_out(&t, 0)->data)[j] == ((const float *)in[0].data)[j * 10 / 17]);
    net_free(&t);
}

static void policies(void **state)
{
    static const struct {
        const char *policy;
        int64_t h, w;
    } rows[] = { { "stretch", 7, 8 }, { "not_larger", 4, 8 }, { "not_smaller", 7, 14 } };
    (void)state;
    for (size_t k = 0; k < IT_LEN(rows); k++) {
        net t;
        net_init(&t, k);
        it_attr attrs[] = { STR("keep_aspect_ratio_policy", rows[k].policy), INTS("axes", 2, -1) };
        it_tensor in[] = { tensor(&t, IT_F32, DIMS(1, 1, 2, 4)), none, none, list(&t, 2, (const int64_t[]){ 7, 8 }) };
        ok(&t, MAKE(&t, "Resize", 18, attrs, in, 8, 1));
        ok(&t, net_run(&t));
        assert_int_equal(net_out(&t, 0)->dim[2], rows[k].h);
        assert_int_equal(net_out(&t, 0)->dim[3], rows[k].w);
        net_free(&t);
    }
}

/* Opsets 7 and 9 (Upsample) and 10 (Resize): position j reads j / scale; growing rounds down. */
static void first_forms(void **state)
{
    static const float nearest[8] = { 1, 1, 1, 2, 2, 2, 3, 3 }, linear[6] = { 1, 1.5f, 2, 2.5f, 3, 3 };
    net t[4];
    (void)state;
    for (int k = 0; k < 4; k++)
        net_init(&t[k], 0);
    it_tensor x = floats(&t[0], DIMS(1, 3), (const float[]){ 1, 2, 3 }), three = floats(&t[0], DIMS(2), (const float[]){ 1, 3 });
    it_attr seven[] = { FLTS("scales", 1, 3) }, linear2[] = { STR("mode", "linear"), FLTS("scales", 1, 2) },
            plain[] = { STR("mode", "nearest") };
    it_tensor one[] = { x }, two[] = { x, three };
    ok(&t[0], MAKE(&t[0], "Upsample", 7, seven, one, 0, 1));
    ok(&t[1], MAKE(&t[1], "Upsample", 9, plain, two, 0, 1));
    ok(&t[2], MAKE(&t[2], "Resize", 10, plain, two, 2, 1));
    ok(&t[3], MAKE(&t[3], "Upsample", 7, linear2, one, 0, 1));
    for (int k = 0; k < 4; k++) {
        ok(&t[k], net_run(&t[k]));
        assert_int_equal(net_out(&t[k], 0)->dim[1], k < 3 ? 9 : 6);
        assert_memory_equal(net_out(&t[k], 0)->data, k < 3 ? nearest : linear, k < 3 ? 32 : 24);
    }
    for (int k = 3; k >= 0; k--)
        net_free(&t[k]);
}

/* Channels-last gives the same numbers as plain, up to the order of the two passes. */
static void layouts(void **state)
{
    (void)state;
    for (int mode = 0; mode < 3; mode++) {
        net t;
        net_init(&t, (uint64_t)mode);
        it_attr attrs[] = { STR("mode", modes[mode]) };
        it_tensor in[] = { tensor(&t, IT_F32, DIMS(2, 3, 5, 4)), none, floats(&t, DIMS(4), (const float[]){ 1, 1, 1.75f, 2 }) };
        ok(&t, MAKE(&t, "Resize", 13, attrs, in, 4, 1));
        ok(&t, net_run(&t));
        const it_tensor *y = net_out(&t, 0); /* the executor ran it channels-last */
        it_tensor plain = *y, scales = in[2];
        const it_tensor *args[] = { &in[0], NULL, &scales };
        it_tensor *outs[] = { &plain };
        it_op_state *cache = NULL;
        it_arena scratch;
        plain.data = it_arena_new(&t.arena, it_tensor_bytes(y));
        it_arena_init(&scratch, NULL);
        ok(&t,
           t.g.nodes.items[0]->op->forward(&(it_run_ctx){ .state = &cache, .scratch = &scratch }, t.g.nodes.items[0], args, outs, &t.err));
        it_arena_release(&scratch);
        for (int64_t i = 0; i < it_tensor_len(y); i++)
            assert_true(fabsf(((float *)plain.data)[i] - ((const float *)y->data)[i]) < 1e-6f);
        net_free(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_modes),   cmocka_unit_test(crop), cmocka_unit_test(single_scales),    cmocka_unit_test(policies),
        cmocka_unit_test(first_forms), cmocka_unit_test(layouts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
