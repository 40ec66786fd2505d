/* SPDX-License-Identifier: Apache-2.0 */
/* test_codes.c: instructions that move codes or look them up: their exports give the very same codes. And what cannot be exported says so. */
#include <stdlib.h>
#include <string.h>

#include "export/helpers.h"
#include "format/format.h"

/* ---- copies ---- */

typedef struct copy_case {
    uint32_t x_rank, x[5], y_rank, y[5];
    it_copy_args a;
    const char *op; /* what the network must have; NULL: nothing special */
    bool gathers;
} copy_case;

static void test_copy(void **state)
{
    static const copy_case cases[] = {
        /* every second row and column, some channels */
        { 4, { 1, 8, 6, 10 }, 4, { 1, 4, 3, 4 }, { 4, 3, 4, 1, 1, 1, 120, 20, 1, 0, 0, 0, 3 }, "Slice", false },
        { 4, { 1, 7, 6, 10 }, 4, { 1, 4, 3, 10 }, { 4, 3, 10, 1, 1, 1, 120, 20, 1, 0, 0, 0, 0 }, "Slice", false },
        /* height and width exchanged */
        { 4, { 1, 8, 6, 10 }, 4, { 1, 6, 8, 10 }, { 6, 8, 10, 1, 1, 1, 10, 60, 1, 0, 0, 0, 0 }, "Transpose", false },
        /* the program's own order as a matrix: in ONNX that is a transposition */
        { 4, { 1, 8, 6, 10 }, 2, { 1, 480 }, { 480, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0 }, "Transpose", false },
        /* ONNX's order as a matrix: there nothing moves */
        { 4, { 1, 8, 6, 10 }, 2, { 1, 480 }, { 10, 48, 1, 1, 1, 1, 1, 10, 0, 0, 0, 0, 0 }, "Reshape", false },
        /* channels shuffled in groups of 5 */
        { 4, { 1, 4, 4, 10 }, 4, { 1, 4, 4, 10 }, { 16, 5, 2, 1, 1, 1, 10, 1, 5, 0, 0, 0, 0 }, "Transpose", false },
        /* depth to space */
        { 4, { 1, 3, 3, 8 }, 4, { 1, 6, 6, 2 }, { 3, 2, 3, 2, 2, 1, 24, 4, 8, 2, 1, 0, 0 }, "Transpose", false },
        /* backwards, and repeated: no view of any kind */
        { 2, { 1, 20 }, 2, { 1, 20 }, { 20, 1, 1, 1, 1, 1, -1, 0, 0, 0, 0, 0, 19 }, "Gather", true },
        { 4, { 1, 1, 1, 6 }, 4, { 1, 2, 3, 6 }, { 6, 6, 1, 1, 1, 1, 0, 1, 0, 0, 0, 0, 0 }, "Gather", true },
        /* one element; all of them */
        { 4, { 1, 2, 3, 6 }, 2, { 1, 1 }, { 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 17 }, "Slice", false },
        { 3, { 1, 7, 6 }, 3, { 1, 7, 6 }, { 42, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0 }, NULL, false },
        { 5, { 1, 2, 3, 4, 6 }, 3, { 1, 24, 6 }, { 24, 6, 1, 1, 1, 1, 6, 1, 0, 0, 0, 0, 0 }, "Reshape", false },
    };
    (void)state;
    for (size_t k = 0; k < IT_LEN(cases) * 2; k++) {
        const copy_case *c = &cases[k / 2];
        const intact_type type = k & 1 ? INTACT_S16 : INTACT_U8;
        it_prog p;
        x_begin(&p);
        uint32_t x = x_tensor(&p, "x", type, 0.1, type ? 0 : 20, c->x_rank, c->x), y = x_tensor(&p, "y", type, 0.1, type ? 0 : 20, c->y_rank, c->y);
        net_emit(&p, &it_instr_copy, "copy", &x, 1, y, &c->a);
        net_ports(&p, &x, 1, &y, 1);
        x_expect(&p, (x_check){ .qdq = c->op, .qop = c->op, .never = c->gathers ? NULL : "Gather" });
        x_end(&p);
    }
}

/* ---- concat, pad ---- */

static void test_concat(void **state)
{
    (void)state;
    for (uint32_t axis = 1; axis < 4; axis++)
        for (int k = 0; k < 2; k++) {
            const intact_type type = k ? INTACT_S16 : INTACT_U8;
            uint32_t a[4] = { 1, 4, 5, 6 }, b[4] = { 1, 4, 5, 6 }, y[4] = { 1, 4, 5, 6 };
            it_prog p;
            b[axis] = 3;
            y[axis] += 3;
            x_begin(&p);
            uint32_t in[2] = { x_tensor(&p, "same", type, 0.1, 0, 4, a), x_tensor(&p, "same", type, 0.1, 0, 4, b) }, out = x_tensor(&p, "", type, 0.1, 0, 4, y);
            net_emit(&p, &it_instr_concat, "concat", in, 2, out, &(it_concat_args){ axis });
            net_ports(&p, in, 2, &out, 1);
            x_expect(&p, (x_check){ .qdq = "Concat", .qop = "Concat" });
            x_end(&p);
        }
}

static void test_pad(void **state)
{
    (void)state;
    for (uint32_t k = 0; k < 18; k++) {
        const intact_type type = k & 1 ? INTACT_S16 : INTACT_U8;
        const uint32_t mode = k / 2 % 3, rank = k / 6 + 2;
        it_pad_args a = { .before_1 = 1, .after_1 = 2, .mode = mode, .value = 17 };
        it_prog p;
        x_begin(&p);
        if (rank > 2) {
            a.before_2 = 3;
            a.after_2 = 0;
        }
        if (rank > 3) {
            a.before_3 = 0;
            a.after_3 = 4;
        }
        uint32_t x = x_tensor(&p, "x", type, 0.1, 0, rank, (uint32_t[]){ 1, 4, 5, 6 }), y = x_tensor(&p, "y", type, 0.1, 0, rank, (uint32_t[]){ 1, 7, 8, 10 });
        net_emit(&p, &it_instr_pad, "pad", &x, 1, y, &a);
        net_ports(&p, &x, 1, &y, 1);
        x_expect(&p, (x_check){ .qdq = "Pad", .qop = "Pad" });
        x_end(&p);
    }
}

/* ---- resizing ---- */

static void resize_case(intact_type type, bool flat, uint32_t oh, uint32_t ow, const int32_t *h, const int32_t *w, const char *op)
{
    it_prog p;
    x_begin(&p);
    uint32_t x = flat ? X_TENSOR(&p, "x", type, 0.1, 0, 1, 4, 5) : X_TENSOR(&p, "x", type, 0.1, 0, 1, 3, 4, 5);
    uint32_t y = flat ? X_TENSOR(&p, "y", type, 0.1, 0, 1, ow, 5) : X_TENSOR(&p, "y", type, 0.1, 0, 1, oh, ow, 5);
    it_resize_args a = { net_const(&p, INTACT_S32, oh, h), net_const(&p, INTACT_S32, oh, h + oh), net_const(&p, INTACT_S32, oh, h + 2 * oh),
                         net_const(&p, INTACT_S32, ow, w), net_const(&p, INTACT_S32, ow, w + ow), net_const(&p, INTACT_S32, ow, w + 2 * ow) };
    net_emit(&p, &it_instr_resize, "resize", &x, 1, y, &a);
    net_ports(&p, &x, 1, &y, 1);
    x_expect(&p, (x_check){ .qdq = op, .qop = op });
    x_end(&p);
}

static void test_resize(void **state)
{
    static const int32_t one[3] = { 0, 0, 0 }, h_twice[18] = { 0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 2, 2 }, w_twice[24] = { 0, 0, 1, 1, 2, 2, 3, 3, 0, 0, 1, 1, 2, 2,
                                                                                                    3, 3 };
    static const int32_t h_odd[12] = { 0, 0, 1, 2, 0, 0, 1, 2 }, w_odd[15] = { 0, 1, 1, 2, 3, 0, 1, 1, 2, 3 };
    static const int32_t h_mix[12] = { 0, 0, 1, 2, 1, 1, 2, 2, 0, 700, 1024, 2048 }, w_mix[15] = { 0, 0, 1, 2, 3, 1, 1, 2, 3, 3, 5, 1111, 2, 2047, 0 };
    (void)state;
    for (int k = 0; k < 2; k++) {
        const intact_type type = k ? INTACT_S16 : INTACT_U8;
        resize_case(type, false, 6, 8, h_twice, w_twice, k ? "Gather" : "Resize");
        resize_case(type, true, 1, 8, one, w_twice, k ? "Gather" : "Resize");
        resize_case(type, false, 4, 5, h_odd, w_odd, "Gather");
        resize_case(type, false, 4, 5, h_mix, w_mix, "Div");
        resize_case(type, true, 1, 5, one, w_mix, "Div");
    }
}

/* ---- tables ---- */

static void test_lut(void **state)
{
    uint8_t narrow[256];
    int16_t wide[256], points[513];
    (void)state;
    for (int k = 0; k < 513; k++) {
        points[k] = (int16_t)(k * k / 4 - 32767);
        if (k < 256) {
            narrow[k] = (uint8_t)(255 - k * 7);
            wide[k] = (int16_t)(k * 200 - 20000);
        }
    }
    for (int k = 0; k < 3; k++) {
        const intact_type xt = k == 2 ? INTACT_S16 : INTACT_U8, yt = k ? INTACT_S16 : INTACT_U8;
        it_prog p;
        x_begin(&p);
        uint32_t x = X_TENSOR(&p, "x", xt, 0.1, 0, 1, 4, 5, 6), y = X_TENSOR(&p, "y", yt, 0.2, 0, 1, 4, 5, 6);
        it_lut_args a = { k == 2 ? net_const(&p, INTACT_S16, 513, points) : k ? net_const(&p, INTACT_S16, 256, wide) : net_const(&p, INTACT_U8, 256, narrow) };
        net_emit(&p, &it_instr_lut, "lut", &x, 1, y, &a);
        net_ports(&p, &x, 1, &y, 1);
        x_expect(&p, (x_check){ .qdq = "Gather", .qop = "Gather" });
        x_end(&p);
    }
}

/* Inputs between two codes, all of them: the program's go up, QuantizeLinear's to the even one. */
static void test_exact_input(void **state)
{
    (void)state;
    it_prog p;
    x_begin(&p);
    uint32_t x = X_TENSOR(&p, "x", INTACT_U8, 0.0078125, 100, 1, 6, 5, 3), y = X_TENSOR(&p, "y", INTACT_U8, 0.0078125, 100, 1, 3, 5, 6);
    net_emit(&p, &it_instr_copy, "copy", &x, 1, y, &(it_copy_args){ .d0 = 1, .d1 = 1, .d2 = 1, .d3 = 1, .d4 = 1, .d5 = 90, .s5 = 1 });
    net_ports(&p, &x, 1, &y, 1);
    x_expect(&p, (x_check){ .exact_input = true, .qdq = "Floor", .qop = "Floor" });
    x_end(&p);
}

static void test_pixels(void **state)
{
    static const int32_t source[3] = { 2, 0, 1 }, same[3] = { 0, 1, 2 };
    uint8_t table[768];
    (void)state;
    for (int k = 0; k < 768; k++)
        table[k] = (uint8_t)(k * 3 + k / 256 * 50);
    for (int k = 0; k < 2; k++) {
        it_prog p;
        x_begin(&p);
        uint32_t x = X_TENSOR(&p, "pixels", INTACT_U8, 1, 0, 1, 4, 5, 3), y = X_TENSOR(&p, "x", INTACT_U8, 0.02, 100, 1, 4, 5, 3);
        net_emit(&p, &it_instr_pixels, "pixels", &x, 1, y, &(it_pixels_args){ net_const(&p, INTACT_U8, 768, table), net_const(&p, INTACT_S32, 3,
                                                                                                    k ? source : same) });
        net_ports(&p, &x, 1, &y, 1);
        x_expect(&p, (x_check){ 0 });
        x_end(&p);
    }
}

static void test_requantize(void **state)
{
    (void)state;
    for (int k = 0; k < 4; k++) {
        const intact_type xt = k & 1 ? INTACT_S16 : INTACT_U8, yt = k & 2 ? INTACT_S16 : INTACT_U8;
        const int32_t shift = 31 + (xt ? 7 : 0) - (yt ? 7 : 0);
        it_prog p;
        x_begin(&p);
        uint32_t x = X_TENSOR(&p, "x", xt, 0.1, xt ? 0 : 99, 1, 8, 5, 6), y = X_TENSOR(&p, "y", yt, 0.21, yt ? 0 : 30, 1, 8, 5, 6);
        net_emit(&p, &it_instr_requantize, "requantize", &x, 1, y, &(it_requantize_args){ 1999999973, (uint32_t)shift, yt ? -20000 : 10, yt ? 32767 : 250 });
        net_ports(&p, &x, 1, &y, 1);
        x_expect(&p, (x_check){ .most = xt, .share = xt ? 0.02 : 0 });
        x_end(&p);
    }
}

/* ---- ranking ---- */

static void test_argmax(void **state)
{
    static const uint32_t shapes[4][5] = { { 4, 1, 4, 5, 1 }, { 3, 1, 4, 5, 0 }, { 2, 1, 20, 0, 0 }, { 3, 1, 20, 1, 0 } };
    (void)state;
    for (int k = 0; k < 32; k++) {
        const intact_type type = k & 1 ? INTACT_S16 : INTACT_U8;
        const uint32_t *shape = shapes[k / 8];
        it_prog p;
        x_begin(&p);
        uint32_t x = X_TENSOR(&p, "x", type, 0.1, 0, 1, 4, 5, 30), y = x_tensor(&p, "y", INTACT_S32, 1, 0, shape[0], shape + 1);
        net_emit(&p, &it_instr_argmax, "argmax", &x, 1, y, &(it_argmax_args){ .smallest = k >> 1 & 1, .last = k >> 2 & 1 });
        net_ports(&p, &x, 1, &y, 1);
        x_expect(&p, (x_check){ .qdq = k & 2 ? "ArgMin" : "ArgMax" });
        x_end(&p);
    }
}

/* Outputs may be inputs, be given twice, and bear names that others want. */
static void test_ports(void **state)
{
    it_prog p;
    uint8_t table[256];
    (void)state;
    for (int k = 0; k < 256; k++)
        table[k] = (uint8_t)(k ^ 5);
    x_begin(&p);
    uint32_t x = X_TENSOR(&p, "x", INTACT_U8, 0.1, 7, 1, 4, 5, 6), y = X_TENSOR(&p, "x", INTACT_U8, 0.1, 7, 1, 4, 5, 6), z = X_TENSOR(&p, "x_scale",
                                                                                                    INTACT_S32, 1, 0, 1, 4, 5);
    net_emit(&p, &it_instr_lut, "lut", &x, 1, y, &(it_lut_args){ net_const(&p, INTACT_U8, 256, table) });
    net_emit(&p, &it_instr_argmax, "arg", &y, 1, z, &(it_argmax_args){ 0, 0 });
    net_ports(&p, &x, 1, (uint32_t[]){ y, x, y, z, z }, 5);
    x_expect(&p, (x_check){ 0 });
    x_end(&p);
}

/* ---- what cannot be said ---- */

static void test_refused(void **state)
{
    it_prog p;
    int32_t mult[4], shift[4];
    uint8_t levels[2] = { 0, 1 };
    int8_t w[12] = { 1 };
    (void)state;
    x_begin(&p);
    uint32_t x = X_TENSOR(&p, "x", INTACT_U8, 0.1, 0, 1, 4, 4, 3), y = X_TENSOR(&p, "y", INTACT_U8, 0.1, 0, 1, 3, 3, 3);
    for (int k = 0; k < 4; k++) {
        mult[k] = 1 << 30;
        shift[k] = 32;
    }
    it_avgpool_args pool = { .kh = 2, .kw = 2, .stride_h = 1, .stride_w = 1, .mult = net_const(&p, INTACT_S32, 4, mult), .shift = net_const(&p, INTACT_S32, 4,
                                                                                                    shift), .hi = 255 };
    net_emit(&p, &it_instr_avgpool, "pool", &x, 1, y, &pool);
    net_ports(&p, &x, 1, &y, 1);
    x_refused(&p, "qdq", true, "program", "no raw pixels");
    x_refused(&p, "qdq", false, "pool (avgpool)", "multiplier for 1 elements");
    x_refused(&p, "qop", false, "pool (avgpool)", "multiplier for 1 elements");
    x_end(&p);

    x_begin(&p);
    x = X_TENSOR(&p, "x", INTACT_S16, 0.1, 0, 1, 12), y = X_TENSOR(&p, "y", INTACT_U8, 0.1, 0, 1, 1);
    it_dense_args d = { .weight = net_const(&p, INTACT_S8, 12, w), .bias = net_const(&p, INTACT_S32, 1, &(int32_t){ 3 }), .mult = IT_NO_CONST,
                        .shift = IT_NO_CONST, .hi = 255,
                        .thresholds = net_const(&p, INTACT_S32, 1, &(int32_t){ 100 }), .levels = net_const(&p, INTACT_U8, 2, levels), .fixes = IT_NO_CONST };
    net_emit(&p, &it_instr_dense, "fc", &x, 1, y, &d);
    net_ports(&p, &x, 1, &y, 1);
    x_refused(&p, "qdq", false, "fc (dense)", "s16");
    x_refused(&p, "qop", false, "fc (dense)", "s16");
    x_end(&p);
}

/* Every allocation fails in turn: an error each time, nothing lost. */
static void test_memory(void **state)
{
    it_prog p;
    (void)state;
    x_begin(&p);
    net_small(&p, 3);
    for (long n = 0;; n++) {
        fail_at f = { .left = n };
        intact_alloc a = { .grow = fail_grow, .user = &f };
        it_graph g;
        intact_error e;
        it_graph_init(&g, &a);
        intact_status st = it_export_graph(&p, it_export_format_find("qdq"), (it_export_options){ .pixels = true }, &g, &e);
        it_graph_release(&g);
        assert_int_equal(f.live, 0);
        if (st == INTACT_OK)
            break;
        assert_int_equal(st, INTACT_E_NOMEM);
    }
    x_end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_copy), cmocka_unit_test(test_concat), cmocka_unit_test(test_pad), cmocka_unit_test(test_resize), cmocka_unit_test(test_lut),
        cmocka_unit_test(test_pixels),
        cmocka_unit_test(test_exact_input), cmocka_unit_test(test_requantize), cmocka_unit_test(test_argmax), cmocka_unit_test(test_ports),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
