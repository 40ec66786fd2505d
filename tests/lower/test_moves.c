/* SPDX-License-Identifier: Apache-2.0 */
/* What moves or maps codes: reshapes in every order, tables, changes of parameters; and the constants of difficult layers. */
#include "lower/helpers.h"

/* ---- reshapes ---- */

typedef struct shape { int rank; int64_t dim[6]; } shape;
static const shape FROM[] = { { 2, { 1, 24 } }, { 3, { 1, 4, 6 } }, { 4, { 1, 4, 2, 3 } }, { 4, { 1, 24, 1, 1 } }, { 4, { 1, 1, 4, 6 } }, { 4, { 1, 6, 2, 2 } },
                              { 5, { 1, 2, 3, 2, 2 } }, { 4, { 1, 8, 3, 1 } }, { 6, { 1, 2, 2, 3, 1, 2 } }, { 3, { 1, 24, 1 } } };

static void test_reshape(void **state)
{
    (void)state;
    for (size_t i = 0; i < IT_LEN(FROM) * IT_LEN(FROM); i++) {
        const shape *from = &FROM[i / IT_LEN(FROM)], *to = &FROM[i % IT_LEN(FROM)];
        net t;
        it_value *y;
        net_init(&t, i + 1);
        net_input(&t, i % 3 ? INTACT_U8 : INTACT_S16, -1, 2, from->rank, from->dim);
        y = net_node(&t, "Reshape", IN(t.x, net_shape(&t, to->rank, to->dim)), NULL);
        if (i % 4 == 3)
            y->q = net_quant(&t, i % 8 == 3 ? INTACT_U8 : INTACT_S16, -1, 2);
        net_measure(&t, y, INTACT_U8);
        net_check(&t, 0.501);
        net_free(&t);
    }
}

/* Reshape, transpose, reshape: one copy together. */
static void test_channel_shuffle(void **state)
{
    int64_t split[5] = { 1, 3, 4, 2, 5 }, join[4] = { 1, 12, 2, 5 }, perm[5] = { 0, 2, 1, 3, 4 };
    net t;
    it_value *y;
    (void)state;
    net_init(&t, 5);
    net_input(&t, INTACT_U8, -1, 2, DIM(1, 12, 2, 5));
    y = net_node(&t, "Reshape", IN(t.x, net_shape(&t, 5, split)), NULL);
    y = net_node(&t, "Transpose", IN(y), ATTRS(A_INTS("perm", 5, perm)));
    y = net_node(&t, "Reshape", IN(y, net_shape(&t, 4, join)), NULL);
    net_measure(&t, y, INTACT_U8);
    net_check(&t, 0.001);
    assert_int_equal(net_lower(&t, &it_alloc_libc), INTACT_OK);
    assert_int_equal(net_count(&t, &it_instr_copy), 1);
    assert_int_equal(net_count(&t, NULL), 1);
    net_free(&t);
}

/* Bytes that keep their order need no instruction when the reader does not look at the dims. */
static void test_alias(void **state)
{
    net t;
    it_value *y;
    (void)state;
    net_init(&t, 6);
    net_input(&t, INTACT_U8, -1, 2, DIM(1, 20, 3, 3));
    y = net_node(&t, "GlobalAveragePool", IN(t.x), NULL);
    y = net_node(&t, "Flatten", IN(y), NULL);
    y = net_node(&t, "Gemm", IN(y, net_weight(&t, DIM(20, 5), 1)), NULL);
    y->q = net_quant(&t, INTACT_S16, -6, 6);
    net_measure(&t, y, INTACT_S16);
    net_check(&t, 3); /* the pooled codes round first */
    assert_int_equal(net_lower(&t, &it_alloc_libc), INTACT_OK);
    assert_int_equal(net_count(&t, NULL), 2);
    net_free(&t);
}

static void test_pass(void **state)
{
    (void)state;
    for (int i = 0; i < 8; i++) {
        net t;
        it_value *y;
        net_init(&t, 70 + (uint64_t)i);
        net_input(&t, i & 1 ? INTACT_U8 : INTACT_S16, -1, 2, DIM(1, 3, 4, 5));
        y = net_node(&t, "Identity", IN(t.x), NULL);
        if (i & 2)
            y->producer->clamp_lo = 0;
        y->q = i & 2 ? net_quant(&t, i & 4 ? INTACT_U8 : INTACT_S16, 0, 1) : NULL;
        net_measure(&t, y, INTACT_U8);
        net_check(&t, 0.501);
        net_free(&t);
    }
}

/* ---- tables ---- */

static void test_scalar(void **state)
{
    static const char *const ONNX[] = { "Sigmoid", "Tanh", "Elu", "LeakyRelu", "HardSwish", "Exp", "Sqrt" };
    (void)state;
    for (size_t i = 0; i < IT_LEN(ONNX) * 4; i++) {
        intact_type in = i % 2 ? INTACT_U8 : INTACT_S16, out = i / 2 % 2 ? INTACT_U8 : INTACT_S16;
        const char *onnx = ONNX[i / 4];
        bool sqrt_of = strcmp(onnx, "Sqrt") == 0;
        net t;
        it_value *y;
        net_init(&t, 80 + i);
        t.opset = 14;
        if (sqrt_of && in == INTACT_S16) { /* its slope at 0 is not for interpolation */
            net_free(&t);
            continue;
        }
        net_input(&t, in, sqrt_of ? 0 : -4, 4, DIM(1, 6, 5, 7));
        y = net_node(&t, onnx, IN(t.x), NULL);
        net_measure(&t, y, out);
        /* from s16: 513 points over -4..4 are h = 1/64 apart; a chord is off by h^2 / 8 * max|f''|, at a kink (saturation is one) by
        ** h / 4 times the change of slope */
        net_check(&t, in == INTACT_U8 ? 0.501 : 1.01 + exp(strcmp(onnx, "Exp") ? 0 : 4) / 256 / (double)y->q->scale[0]);
        net_free(&t);
    }
}

/* ---- constants of difficult layers ---- */

/* A channel whose scale went to almost nothing keeps its bias. */
static void test_dead_channel(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        net t;
        it_value *w, *b, *y;
        int64_t c = 5;
        net_init(&t, 90 + (uint64_t)i);
        net_input(&t, i % 2 ? INTACT_U8 : INTACT_S16, -1, 2, DIM(1, 8, 4, 4));
        w = net_weight(&t, DIM(5, 8, 1, 1), 0);
        b = net_const(&t, 1, &c, -2, 2);
        w->q->scale[2] = i < 2 ? 1e-12f : 1e-38f;
        for (int k = 0; k < 8; k++)
            ((float *)w->t.data)[16 + k] = w->q->scale[2] * (float)w->q->codes[16 + k];
        ((float *)b->t.data)[2] = 0.7f;
        y = net_node(&t, "Conv", IN(t.x, w, b), NULL);
        net_measure(&t, y, INTACT_U8);
        net_check(&t, 0.6);
        assert_int_equal(net_lower(&t, &it_alloc_libc), INTACT_OK);
        if (!strstr(t.note, "channel 2"))
            fail_msg("note is: %s", t.note);
        net_free(&t);
    }
}

/* 70000 weights of full size overflow 32 bits: u8 gives up a little precision in that channel, s16 takes 64-bit accumulators. */
static void test_long_sums(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        int64_t k = 70000;
        net t;
        it_value *w, *y;
        int8_t *codes;
        bool wide = false;
        net_init(&t, 95);
        net_input(&t, i ? INTACT_S16 : INTACT_U8, 0, 1, DIM(1, 70000));
        w = net_weight(&t, 2, (const int64_t[]){ 2, k }, 0);
        codes = (int8_t *)w->q->codes;
        for (int64_t j = 0; j < k; j++) {
            codes[j] = 127;
            ((float *)w->t.data)[j] = 127 * w->q->scale[0];
        }
        y = net_node(&t, "Gemm", IN(t.x, w), ATTRS(A_INT("transB", 1)));
        net_measure(&t, y, INTACT_S16);
        net_check_near(&t, 1.5, 2e-4);
        assert_int_equal(net_lower(&t, &it_alloc_libc), INTACT_OK);
        for (size_t j = 0; j < t.prog.instrs.len; j++)
            wide = wide || ((const it_dense_args *)t.prog.instrs.items[j].args)->acc64;
        assert_int_equal(wide, i == 1);
        assert_int_equal(t.note[0] != 0, i == 0);
        net_free(&t);
    }
}

static void test_impossible(void **state)
{
    net t;
    it_value *w, *y;
    (void)state;
    net_init(&t, 97);
    net_input(&t, INTACT_U8, -1, 1, DIM(1, 4, 3, 3));
    w = net_weight(&t, DIM(2, 4, 1, 1), 0);
    y = net_node(&t, "Conv", IN(t.x, w), NULL);
    net_measure(&t, y, INTACT_U8);
    w->q->scale[1] = 1e30f;
    assert_int_equal(net_lower(&t, &it_alloc_libc), INTACT_E_UNSUPPORTED);
    assert_non_null(strstr(t.err.where, "conv"));
    w->q->scale[1] = 0;
    assert_int_equal(net_lower(&t, &it_alloc_libc), INTACT_E_UNSUPPORTED);
    assert_non_null(strstr(t.err.message, "channel 1"));
    net_free(&t);
}

/* ---- clamp codes ---- */

static void test_clamp_codes(void **state)
{
    float scale = 0.5f;
    int32_t zero = 10, none = 0, lo, hi;
    it_quant u8 = { .type = INTACT_U8, .bits = 8, .len = 1, .scale = &scale, .zero = &zero };
    it_quant u4 = { .type = INTACT_U8, .bits = 4, .len = 1, .scale = &scale, .zero = &zero };
    it_quant s16 = { .type = INTACT_S16, .bits = 16, .len = 1, .scale = &scale, .zero = &none };
    (void)state;
    it_clamp_codes(&u8, -INFINITY, INFINITY, &lo, &hi);
    assert_true(lo == 0 && hi == 255);
    it_clamp_codes(&u8, 0, 6, &lo, &hi);
    assert_true(lo == 10 && hi == 22);
    it_clamp_codes(&u8, -0.25f, 0.25f, &lo, &hi); /* ties go up */
    assert_true(lo == 10 && hi == 11);
    it_clamp_codes(&u4, 0, 6, &lo, &hi);
    assert_true(lo == 10 && hi == 15);
    it_clamp_codes(&s16, -1e30f, 1e30f, &lo, &hi);
    assert_true(lo == -32767 && hi == 32767);
}

/* ---- allocation failures ---- */

typedef struct failing { long left; long live; } failing;

static void *failing_grow(void *user, void *ptr, size_t old, size_t bytes)
{
    failing *f = user;
    if (bytes == 0) {
        f->live -= ptr != NULL;
        return it_alloc_libc.grow(it_alloc_libc.user, ptr, old, 0);
    }
    if (f->left-- <= 0)
        return NULL;
    f->live += ptr == NULL;
    return it_alloc_libc.grow(it_alloc_libc.user, ptr, old, bytes);
}

static void test_no_memory(void **state)
{
    net t;
    it_value *y, *w;
    int64_t c = 6;
    intact_status st = INTACT_E_NOMEM;
    (void)state;
    net_init(&t, 99);
    net_input(&t, INTACT_U8, -1, 1, DIM(1, 4, 6, 6));
    w = net_weight(&t, DIM(6, 4, 3, 3), 0);
    w->q->scale[1] = 1e-14f; /* a raised channel allocates, too */
    y = net_node(&t, "Conv", IN(t.x, w, net_const(&t, 1, &c, 1, 2)), NULL);
    y = net_node(&t, "BatchNormalization", IN(y, net_const(&t, 1, &c, -1, 1), net_const(&t, 1, &c, -1, 1), net_const(&t, 1, &c, -1, 1), net_const(&t, 1, &c, 1, 2)), NULL);
    y = net_node(&t, "AveragePool", IN(y), ATTRS(A_INTS("kernel_shape", 2, ((int64_t[]){ 2, 2 })), A_INTS("pads", 4, ((int64_t[]){ 1, 1, 0, 0 }))));
    y = net_node(&t, "Sigmoid", IN(y), NULL);
    y = net_node(&t, "Reshape", IN(y, net_shape(&t, 2, (const int64_t[]){ 1, 96 })), NULL);
    y = net_node(&t, "Gemm", IN(y, net_weight(&t, DIM(96, 5), 1)), NULL);
    y = net_node(&t, "Softmax", IN(y), NULL);
    net_measure(&t, y, INTACT_U8);
    for (long n = 0; st == INTACT_E_NOMEM; n++) {
        failing f = { .left = n };
        intact_alloc a = { failing_grow, &f };
        st = net_lower(&t, &a);
        assert_true(st == INTACT_OK || st == INTACT_E_NOMEM);
        it_lower_release(&t.lw);
        it_prog_release(&t.prog);
        t.lowered = false;
        assert_int_equal(f.live, 0);
        assert_true(n < 1000);
    }
    assert_int_equal(st, INTACT_OK);
    net_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_reshape), cmocka_unit_test(test_channel_shuffle), cmocka_unit_test(test_alias),
                                        cmocka_unit_test(test_pass), cmocka_unit_test(test_scalar), cmocka_unit_test(test_dead_channel),
                                        cmocka_unit_test(test_long_sums), cmocka_unit_test(test_impossible), cmocka_unit_test(test_clamp_codes),
                                        cmocka_unit_test(test_no_memory) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
