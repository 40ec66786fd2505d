/* SPDX-License-Identifier: Apache-2.0 */
/* Operators on codes: their own arithmetic in the float executor against the integer program; ranges found while running; what is refused. */
#include "qdq/helpers.h"

#define STEP 1.01

/* The codes of the input, with t->x->q's parameters. */
static it_value *codes(net *t, int rank, const int64_t *dim)
{
    net_input(t, INTACT_U8, -1.5f, 2.5f, rank, dim);
    return quantize(t, t->x, IT_U8, t->x->q->scale[0], t->x->q->zero[0]);
}

static it_value *scale_x(net *t) { return number(t, t->x->q->scale[0]); }
static it_value *zero_x(net *t) { return code(t, IT_U8, t->x->q->zero[0]); }

static void test_q_linear_conv(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        net t;
        coded w;
        net_init(&t, 300 + (uint64_t)i);
        it_value *x = codes(&t, DIM(1, 4, 6, 5));
        weight_make(&t, &w, i & 1 ? IT_I8 : IT_U8, DIM(i == 3 ? 4 : 6, i == 3 ? 1 : 4, 3, 3), i & 2 ? 0 : -1, i & 1 ? -127 : 0, i & 1 ? 127 : 255);
        for (int64_t c = 0; c < w.channels && !(i & 1); c++)
            weight_zero(&w, c, 128);
        it_value *in[9] = { x, scale_x(&t), zero_x(&t), w.codes, w.scale, w.zero, number(&t, 0.1f), code(&t, IT_U8, 130), bias_codes(&t, i == 3 ? 4 : 6,
                                                                                                    2000) };
        it_value *y = op_node(&t, &it_op_q_linear_conv, in, i == 2 ? 8 : 9, ATTRS(A_INT("group", i == 3 ? 4 : 1)));
        check(&t, dequantize(&t, y, IT_U8, 0.1f, 130), STEP);
    }
}

static void test_q_linear_mat_mul(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        net t;
        coded w;
        net_init(&t, 310 + (uint64_t)i);
        it_value *x = i ? codes(&t, DIM(1, 5, 9)) : codes(&t, DIM(1, 9));
        weight_make(&t, &w, IT_I8, DIM(9, 7), i ? 1 : -1, -127, 127);
        it_value *y = op_node(&t, &it_op_q_linear_mat_mul, (it_value *[]){ x, scale_x(&t), zero_x(&t), w.codes, w.scale, w.zero, number(&t, 0.03f), code(&t,
                                                                                                    IT_U8, 120) }, 8, NULL);
        check(&t, dequantize(&t, y, IT_U8, 0.03f, 120), STEP);
    }
}

/* Scales and zero points as others write them: one for all (a scalar, or one element), one a channel, for products as (1,n) too. */
static it_value *formed(net *t, const coded *w, const it_value *from, int form)
{
    const int64_t one = 1, row[2] = { 1, w->channels };
    return typed(t, from->t.type, form == 0 ? 0 : form == 3 ? 2 : 1, form == 1 ? &one : form == 2 ? &w->channels : row, from->t.data);
}

static void test_forms_of_scales(void **state)
{
    (void)state;
    for (int i = 0; i < 2 * 9 + 2 * 16; i++) { /* every pair of forms, with and without zero points that matter */
        bool conv = i < 18, even = i % 2;
        int pair = (conv ? i : i - 18) / 2, forms = conv ? 3 : 4, scale = pair / forms, zero = pair % forms;
        net t;
        coded w;
        net_init(&t, 420 + (uint64_t)i);
        it_value *x = conv ? codes(&t, DIM(1, 4, 6, 5)) : codes(&t, DIM(1, 9)), *y;
        if (conv)
            weight_make(&t, &w, even ? IT_U8 : IT_I8, DIM(6, 4, 3, 3), 0, even ? 0 : -127, even ? 255 : 127);
        else
            weight_make(&t, &w, even ? IT_U8 : IT_I8, DIM(9, 7), 1, even ? 0 : -127, even ? 255 : 127);
        for (int64_t c = 0; even && c < w.channels; c++)
            weight_zero(&w, c, zero > 1 ? 120 + (int32_t)c : 128);
        it_value *in[8] = { x, scale_x(&t), zero_x(&t), w.codes, formed(&t, &w, w.scale, scale), formed(&t, &w, w.zero, zero), number(&t, 0.1f),
                            code(&t, IT_U8, 130) };
        y = op_node(&t, conv ? &it_op_q_linear_conv : &it_op_q_linear_mat_mul, in, 8, NULL);
        check(&t, dequantize(&t, y, IT_U8, 0.1f, 130), STEP);
    }
}

/* Without a zero point of y the codes have the inputs' type. */
static void test_no_zero_point(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        it_type type = i ? IT_I8 : IT_U8;
        net t;
        net_init(&t, 480);
        net_input(&t, INTACT_U8, -1.5f, 2.5f, DIM(1, 12));
        int32_t zx = t.x->q->zero[0] - (i ? 128 : 0);
        it_value *x = quantize(&t, t.x, type, t.x->q->scale[0], zx), *sx = scale_x(&t), *zero = code(&t, type, zx);
        it_value *y = op_node(&t, &it_op_q_linear_add, (it_value *[]){ x, sx, zero, x, sx, zero, number(&t, 0.05f) }, 7, NULL);
        check(&t, op_node(&t, &it_op_dequantize_linear, (it_value *[]){ y, number(&t, 0.05f) }, 2, NULL), STEP);
    }
}

static void test_q_gemm(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) { /* with bias or without, codes or floats out, a factor */
        net t;
        coded w;
        net_init(&t, 320 + (uint64_t)i);
        it_value *x = codes(&t, DIM(1, 20));
        weight_make(&t, &w, IT_I8, DIM(6, 20), 0, -127, 127);
        it_value *in[9] = { x, scale_x(&t), zero_x(&t), w.codes, w.scale, w.zero, i & 1 ? bias_codes(&t, 6, 3000) : NULL, number(&t, 0.05f), code(&t, IT_U8,
                                                                                                    130) };
        bool real = i == 1;
        it_value *y = op_node(&t, &it_op_q_gemm, in, real ? 7 : 9, ATTRS(A_INT("transB", 1), A_FLOAT("alpha", i == 3 ? 0.5f : 1)));
        check(&t, real ? y : dequantize(&t, y, IT_U8, 0.05f, 130), STEP);
    }
}

static void test_elementwise(void **state)
{
    (void)state;
    static const it_op *const OPS[] = { &it_op_q_linear_sigmoid, &it_op_q_linear_leaky_relu, &it_op_q_linear_global_average_pool, &it_op_q_linear_average_pool,
                                        &it_op_q_linear_softmax, &it_op_q_linear_add, &it_op_q_linear_mul, &it_op_q_linear_concat };
    const int64_t kernel[2] = { 2, 2 };
    for (size_t i = 0; i < IT_LEN(OPS); i++) {
        net t;
        net_init(&t, 330 + i);
        it_value *x = codes(&t, DIM(1, 5, i == 4 ? 1 : 6, i == 4 ? 1 : 6)), *y, *sx = scale_x(&t), *zx = zero_x(&t), *sy = number(&t, 0.02f), *zy = code(&t,
                                                                                                    IT_U8, 90);
        it_value *b = op_node(&t, &it_op_q_linear_sigmoid, (it_value *[]){ x, sx, zx, number(&t, 1 / 255.0f), NULL }, 5, NULL), *sb = number(&t,
                                                                                                    1 / 255.0f), *zb = code(&t, IT_U8, 0);
        if (i < 5)
            y = op_node(&t, OPS[i], (it_value *[]){ x, sx, zx, sy, zy }, 5, i == 3 ? ATTRS(A_INTS("kernel_shape", 2, kernel)) : i == 4 ? ATTRS(A_INT("axis",
                                                                                                    1)) : NULL);
        else if (i < 7)
            y = op_node(&t, OPS[i], (it_value *[]){ x, sx, zx, b, sb, zb, sy, zy }, 8, NULL);
        else
            y = op_node(&t, OPS[i], (it_value *[]){ sy, zy, x, sx, zx, b, sb, zb }, 8, ATTRS(A_INT("axis", 1)));
        check(&t, dequantize(&t, y, IT_U8, 0.02f, 90), STEP);
    }
}

/* Codes that are only moved between two operators. */
static void test_moved(void **state)
{
    (void)state;
    const int64_t kernel[2] = { 2, 2 }, pads[8] = { 0, 0, 1, 0, 0, 0, 0, 2 };
    for (int i = 0; i < 2; i++) {
        net t;
        net_init(&t, 350 + (uint64_t)i);
        it_value *x = codes(&t, DIM(1, 4, 6, 6)), *y;
        y = net_node(&t, "MaxPool", IN(x), ATTRS(A_INTS("kernel_shape", 2, kernel)));
        if (i)
            y = net_node(&t, "Pad", IN(y, net_shape(&t, 8, pads), zero_x(&t)), NULL);
        y = net_node(&t, "Concat", IN(y, y), ATTRS(A_INT("axis", 1)));
        y = net_node(&t, "Flatten", IN(y), ATTRS(A_INT("axis", 1)));
        check(&t, dequantize(&t, y, IT_U8, t.x->q->scale[0], t.x->q->zero[0]), STEP);
    }
}

/* ---- sums as integers ---- */

static it_value *sums(net *t, it_value *x, it_value *zx, const coded *w, it_value *factor, bool conv, bool zero)
{
    it_value *in[4] = { x, w->codes, zx, zero ? w->zero : NULL };
    it_value *y = op_node(t, conv ? &it_op_conv_integer : &it_op_mat_mul_integer, in, zero ? 4 : 3, NULL);
    return net_node(t, "Mul", IN(net_node(t, "Cast", IN(y), ATTRS(A_INT("to", 1))), factor), NULL);
}

static void test_integer_sums(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        bool conv = i & 1;
        net t;
        coded w;
        net_init(&t, 360 + (uint64_t)i);
        it_value *x = conv ? codes(&t, DIM(1, 4, 5, 5)) : codes(&t, DIM(1, 12)), *y;
        const int64_t dims[2][4] = { { 12, 6 }, { 6, 4, 3, 3 } }, one_each[4] = { 1, 6, 1, 1 };
        weight_make(&t, &w, IT_U8, conv ? 4 : 2, dims[conv], -1, 0, 255);
        weight_zero(&w, 0, i & 2 ? 119 : 128);
        y = sums(&t, x, zero_x(&t), &w, number(&t, t.x->q->scale[0] * 0.01f), conv, true);
        it_value *b = conv ? net_const(&t, 4, one_each, -1, 1) : net_const(&t, DIM(6), -1, 1);
        y = net_node(&t, "Relu", IN(net_node(&t, "Add", IN(y, b), NULL)), NULL);
        it_absorb a;
        absorb_and_check(&t, &a, both(&t, y, IT_U8, 0.04f, 0), STEP);
        assert_int_equal(t.g.nodes.len, 1); /* bias and Relu are the layer's */
        it_absorb_release(&a);
        net_free(&t);
    }
}

/* A range that is found anew each time: refused, or left to calibration. */
static void test_dynamic(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        net t;
        coded w;
        net_init(&t, 370);
        net_input(&t, INTACT_U8, -1, 2, DIM(1, 12));
        it_node *d = it_graph_node(&t.g, "finder", &it_op_dynamic_quantize_linear, 1, 3);
        d->in[0] = t.x;
        for (int k = 0; k < 3; k++) {
            static const char *const NAMES[] = { "dq", "ds", "dz" };
            d->out[k] = it_graph_value(&t.g, NAMES[k]);
            d->out[k]->producer = d;
        }
        weight_make(&t, &w, IT_I8, DIM(12, 6), -1, -127, 127);
        it_value *y = sums(&t, d->out[0], d->out[2], &w, net_node(&t, "Mul", IN(d->out[1], w.scale), NULL), false, false);
        t.x->q = NULL;
        run_float(&t, y);
        it_absorb a = { .g = &t.g, .alloc = &it_alloc_libc, .calibrates = i };
        intact_status st = it_absorb_run(&a, &t.err);
        if (!i) {
            assert_int_equal(st, INTACT_E_UNSUPPORTED);
            assert_non_null(strstr(t.err.where, "finder"));
            assert_non_null(strstr(t.err.message, "--calib"));
        } else {
            assert_int_equal(st, INTACT_OK);
            assert_int_equal(t.g.nodes.len, 1);
            assert_int_equal(a.weights, 1);
            assert_int_equal(a.missing_len, 2); /* input and output */
            it_exec *e; /* the float network is the same but for rounding the input */
            it_tensor in = t.x->t;
            in.data = t.x_real;
            assert_int_equal(it_exec_new(&t.g, NULL, &e, &t.err), INTACT_OK);
            assert_int_equal(it_exec_run(e, &in, 1, &t.err), INTACT_OK);
            for (int k = 0; k < 6; k++)
                assert_true(fabsf(((float *)it_exec_output(e, 0)->data)[k] - t.y_float[k]) < 0.3f);
            it_exec_free(e);
        }
        it_absorb_release(&a);
        net_free(&t);
    }
}

/* ---- refusals ---- */

static void refuse(net *t, it_value *y, intact_status want, const char *where, const char *text)
{
    it_absorb a = { .g = &t->g, .alloc = &it_alloc_libc };
    t->x->q = NULL;
    y->is_output = true;
    assert_true(IT_VEC_ROOM(t->g.alloc, t->g.outputs));
    t->g.outputs.items[t->g.outputs.len++] = y;
    intact_status st = it_graph_infer(&t->g, 1, NULL, &t->err);
    if (st == INTACT_OK)
        st = it_absorb_run(&a, &t->err);
    if (st != want || !strstr(t->err.where, where) || !strstr(t->err.message, text))
        fail_msg("status %d, %s: %s", (int)st, t->err.where, t->err.message);
    it_absorb_release(&a);
    net_free(t);
}

static void test_bad_scales(void **state)
{
    (void)state;
    static const float BAD[] = { 0, -0.1f, NAN, INFINITY };
    for (size_t i = 0; i < 2 * IT_LEN(BAD); i++) {
        net t;
        net_init(&t, 380);
        it_value *x = input(&t, IT_U8, DIM(1, 4));
        float bad = BAD[i / 2];
        if (i & 1) { /* of a weight */
            coded w;
            weight_make(&t, &w, IT_I8, DIM(4, 4), 1, -5, 5);
            ((float *)w.scale->t.data)[2] = bad;
            refuse(&t, net_node(&t, "MatMul", IN(x, weight_real(&t, &w)), NULL), INTACT_E_DATA, "dequantize_linear", "scale 2");
        } else {
            refuse(&t, both(&t, net_node(&t, "Relu", IN(x), NULL), IT_U8, bad, 0), INTACT_E_DATA, "quantize_linear", "positive finite");
        }
    }
}

static void test_refusals(void **state)
{
    (void)state;
    int64_t four = 4;
    net t;
    net_init(&t, 390); /* the two halves disagree */
    it_value *x = input(&t, IT_U8, DIM(1, 4));
    x = dequantize(&t, quantize(&t, net_node(&t, "Relu", IN(x), NULL), IT_U8, 0.1f, 0), IT_U8, 0.2f, 0);
    refuse(&t, x, INTACT_E_UNSUPPORTED, "dequantize_linear", "both must agree");
    net_init(&t, 391); /* an activation with a scale a channel */
    x = input(&t, IT_U8, DIM(1, 4));
    it_value *in[2] = { net_node(&t, "Relu", IN(x), NULL), net_const(&t, 1, &four, 0.1f, 0.2f) };
    refuse(&t, op_node(&t, &it_op_quantize_linear, in, 2, NULL), INTACT_E_UNSUPPORTED, "quantize_linear", "one scale for an activation");
    net_init(&t, 392); /* a scale that the network computes */
    x = input(&t, IT_U8, DIM(1, 4));
    in[0] = x;
    in[1] = net_node(&t, "ReduceMax", IN(x), ATTRS(A_INT("keepdims", 0)));
    refuse(&t, op_node(&t, &it_op_quantize_linear, in, 2, NULL), INTACT_E_UNSUPPORTED, "quantize_linear", "computed in the network");
    net_init(&t, 393); /* arithmetic with codes */
    x = codes(&t, DIM(1, 4));
    refuse(&t, net_node(&t, "Cast", IN(x), ATTRS(A_INT("to", 1))), INTACT_E_UNSUPPORTED, "cast", "DequantizeLinear before it");
    net_init(&t, 394); /* weights in blocks */
    t.opset = t.g.opset = 21;
    coded w;
    x = input(&t, IT_U8, DIM(1, 4));
    weight_make(&t, &w, IT_I8, DIM(4, 6), -1, -5, 5);
    it_value *blocks[2] = { w.codes, net_const(&t, DIM(2, 6), 0.1f, 0.2f) };
    it_value *y = op_node(&t, &it_op_dequantize_linear, blocks, 2, ATTRS(A_INT("axis", 0), A_INT("block_size", 2)));
    refuse(&t, net_node(&t, "MatMul", IN(x, y), NULL), INTACT_E_UNSUPPORTED, "dequantize_linear", "each block of 2");
}

/* Scales that do not fit together, zero points that are not there, or are not the codes'. */
static void test_bad_zeros(void **state)
{
    (void)state;
    int64_t three = 3;
    net t;
    coded w;
    net_init(&t, 395); /* the halves agree in scale alone */
    it_value *x = input(&t, IT_U8, DIM(1, 4));
    x = dequantize(&t, quantize(&t, net_node(&t, "Relu", IN(x), NULL), IT_U8, 0.1f, 3), IT_U8, 0.1f, 4);
    refuse(&t, x, INTACT_E_UNSUPPORTED, "dequantize_linear", "zero point 4 for codes that were made with scale 0.1, zero point 3");
    net_init(&t, 396); /* three for four scales */
    x = input(&t, IT_U8, DIM(1, 4));
    weight_make(&t, &w, IT_I8, DIM(4, 4), 1, -5, 5);
    w.zero = typed(&t, IT_I8, 1, &three, &(int64_t){ 0 });
    refuse(&t, net_node(&t, "MatMul", IN(x, weight_real(&t, &w)), NULL), INTACT_E_SHAPE, "dequantize_linear", "3 zero points for 4 scales");
    net_init(&t, 397); /* of another type than the codes */
    x = input(&t, IT_U8, DIM(1, 4));
    weight_make(&t, &w, IT_I8, DIM(4, 4), -1, -5, 5);
    w.zero = code(&t, IT_U8, 0);
    refuse(&t, net_node(&t, "MatMul", IN(x, weight_real(&t, &w)), NULL), INTACT_E_SHAPE, "dequantize_linear", "int8");
    net_init(&t, 398); /* an operator that must have them */
    x = codes(&t, DIM(1, 4, 6, 5));
    weight_make(&t, &w, IT_I8, DIM(6, 4, 3, 3), 0, -5, 5);
    it_node *n = it_graph_node(&t.g, "lacks", &it_op_q_linear_conv, 8, 1);
    it_value *const in[8] = { x, scale_x(&t), NULL, w.codes, w.scale, w.zero, number(&t, 0.1f), code(&t, IT_U8, 130) };
    memcpy(n->in, in, sizeof in);
    n->out[0] = it_graph_value(&t.g, "none");
    n->opset = 10;
    assert_int_equal(it_node_parse(&t.g, n, &t.err), INTACT_E_FORMAT);
    assert_non_null(strstr(t.err.where, "lacks"));
    assert_non_null(strstr(t.err.message, "input 2 is left out"));
    net_free(&t);
    net_init(&t, 399); /* codes of two scales side by side */
    x = codes(&t, DIM(1, 4));
    it_value *y = quantize(&t, net_node(&t, "Relu", IN(dequantize(&t, x, IT_U8, t.x->q->scale[0], t.x->q->zero[0])), NULL), IT_U8, 0.25f, 0);
    refuse(&t, net_node(&t, "Concat", IN(x, y), ATTRS(A_INT("axis", 1))), INTACT_E_UNSUPPORTED, "concat", "they must agree");
}

/* A branch that stayed in float is named. */
static void test_missing(void **state)
{
    (void)state;
    net t;
    coded w;
    net_init(&t, 400);
    it_value *x = input(&t, IT_U8, DIM(1, 8)), *y, *first;
    weight_make(&t, &w, IT_I8, DIM(8, 8), 1, -127, 127);
    first = net_node(&t, "MatMul", IN(x, weight_real(&t, &w)), NULL);
    y = net_node(&t, "MatMul", IN(net_node(&t, "Tanh", IN(first), NULL), net_const(&t, DIM(8, 3), -1, 1)), NULL);
    t.x->q = NULL;
    run_float(&t, both(&t, y, IT_U8, 0.01f, 9));
    it_absorb a = { .g = &t.g, .alloc = &it_alloc_libc };
    assert_int_equal(it_absorb_run(&a, &t.err), INTACT_OK);
    assert_int_equal(a.missing_len, 2); /* the first product, and the second one's weight */
    assert_non_null(strstr(a.missing, first->name));
    it_absorb_release(&a);
    net_free(&t);
}

/* ---- memory ---- */

typedef struct failing { long left; } failing;

static void *grow_failing(void *user, void *p, size_t old, size_t bytes)
{
    failing *f = user;
    return bytes && f->left-- <= 0 ? NULL : it_alloc_libc.grow(it_alloc_libc.user, p, old, bytes);
}

/* Every allocation fails once, the graph's own among them: an error each time (that nothing stays behind, the address sanitizer sees). */
static void test_memory(void **state)
{
    (void)state;
    intact_status st = INTACT_E_NOMEM;
    for (long n = 0; st == INTACT_E_NOMEM; n++) {
        net t;
        coded w;
        net_init(&t, 410);
        it_value *x = codes(&t, DIM(1, 4, 6, 5));
        weight_make(&t, &w, IT_U8, DIM(6, 4, 3, 3), 0, 0, 255);
        it_value *in[9] = { x, scale_x(&t), zero_x(&t), w.codes, w.scale, w.zero, number(&t, 0.1f), code(&t, IT_U8, 130), bias_codes(&t, 6, 2000) };
        it_value *y = dequantize(&t, op_node(&t, &it_op_q_linear_conv, in, 9, NULL), IT_U8, 0.1f, 130);
        t.x->q = NULL;
        run_float(&t, y);
        failing f = { .left = n };
        intact_alloc a = { grow_failing, &f };
        it_absorb b = { .g = &t.g, .alloc = &a };
        t.g.alloc = t.g.arena.alloc = &a;
        st = it_absorb_run(&b, &t.err);
        it_absorb_release(&b);
        assert_true(st == INTACT_OK || st == INTACT_E_NOMEM);
        t.g.alloc = t.g.arena.alloc = &it_alloc_libc;
        net_free(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_q_linear_conv), cmocka_unit_test(test_q_linear_mat_mul), cmocka_unit_test(test_forms_of_scales), cmocka_unit_test(test_no_zero_point),
        cmocka_unit_test(test_q_gemm), cmocka_unit_test(test_elementwise),
        cmocka_unit_test(test_moved), cmocka_unit_test(test_integer_sums), cmocka_unit_test(test_dynamic), cmocka_unit_test(test_bad_scales),
        cmocka_unit_test(test_refusals), cmocka_unit_test(test_bad_zeros), cmocka_unit_test(test_missing), cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
