/* SPDX-License-Identifier: Apache-2.0 */
/* Elementwise and reducing operators alone, in integers and in float: one rounding of the output apart, plus that of computed operands. */
#include "lower/helpers.h"

static const int64_t SHAPES[4][5] = {{1, 6}, {1, 5, 9}, {1, 4, 6, 5}, {1, 3, 2, 4, 3}}; /* rank 2 to 5 */

static double step(const it_value *v) { return (double)v->q->scale[0]; }
static double most(const it_value *v) /* largest magnitude that v's codes can say */
{
    return step(v) * (v->q->type == INTACT_U8 ? 255 : 32767);
}

static it_value *number(net *t, float v)
{
    it_value *c = net_const(t, 0, SHAPES[0], 0, 0);
    *(float *)c->t.data = v;
    return c;
}

/* ---- functions of one number ---- */

static void test_tables(void **state)
{
    static const struct {
        const char *onnx;
        float lo, hi;
        int opset;
    } OPS[] = {
        {"Relu", -2, 3, 13}, {"LeakyRelu", -3, 2, 13}, {"Elu", -3, 2, 13},         {"Selu", -3, 2, 13},
        {"Celu", -3, 2, 13}, {"Sigmoid", -6, 6, 13},   {"HardSigmoid", -4, 4, 13}, {"HardSwish", -5, 4, 14},
        {"Tanh", -3, 3, 13}, {"Softplus", -4, 4, 13},  {"Softsign", -4, 4, 13},    {"ThresholdedRelu", -2, 4, 13},
        {"Gelu", -4, 4, 20}, {"Mish", -5, 4, 18},      {"Erf", -3, 3, 13},         {"Exp", -3, 1, 13},
        {"Sqrt", 0, 4, 13},  {"Abs", -2, 3, 13},       {"Neg", -2, 3, 13},         {"Sin", -4, 4, 13},
        {"Cos", -4, 4, 13},  {"Atan", -4, 4, 13},      {"Floor", -3, 3, 13},       {"Sign", -1, 1, 13},
        {"Clip", -3, 3, 10},
    };
    (void)state;
    for (size_t i = 0; i < IT_LEN(OPS); i++)
        for (int wide = 0; wide < 2; wide++) {
            net t;
            net_init(&t, 100 + i);
            t.opset = OPS[i].opset;
            net_input(&t, INTACT_U8, OPS[i].lo, OPS[i].hi, 4, SHAPES[2]);
            it_value *y = net_node(&t, OPS[i].onnx, IN(t.x), ATTRS(A_FLOAT("max", 1.5f)));
            net_measure(&t, y, wide ? INTACT_S16 : INTACT_U8);
            net_check(&t, 0.51);
            net_free(&t);
        }
}

/* ---- one constant ---- */

static void one_constant(const char *onnx, float c, bool first, float lo, float hi, uint64_t seed)
{
    net t;
    net_init(&t, seed);
    net_input(&t, INTACT_U8, lo, hi, 4, SHAPES[2]);
    it_value *k = number(&t, c), *y = net_node(&t, onnx, first ? IN(k, t.x) : IN(t.x, k), NULL);
    if (seed % 2) y->producer->clamp_lo = 0;
    net_measure(&t, y, INTACT_U8);
    assert_int_equal(net_lower(&t, &it_alloc_libc), INTACT_OK);
    assert_int_equal(net_count(&t, &it_instr_lut), 1);
    assert_int_equal(net_count(&t, NULL), 1);
    net_check(&t, 0.51);
    net_free(&t);
}

static void test_one_constant(void **state)
{
    (void)state;
    for (uint64_t first = 0; first < 2; first++) {
        one_constant("Add", 0.7f, first, -1, 2, first);
        one_constant("Sub", 0.7f, first, -1, 2, 2 + first);
        one_constant("Mul", -1.3f, first, -1, 2, 4 + first);
        one_constant("Div", 2.5f, first, 0.5f, 2, 6 + first);
        one_constant("Max", 0.4f, first, -1, 2, 8 + first);
        one_constant("Min", 0.4f, first, -1, 2, 10 + first);
        one_constant("PRelu", 0.2f, false, -1, 2, 14);
    }
    one_constant("Pow", 2.0f, false, -1, 2, 12);
    one_constant("Sum", 0.7f, false, -1, 2, 13);
}

/* One constant a channel, in every rank. */
static void channel_constants(const char *onnx, int rank, bool first, intact_type type, uint64_t seed)
{
    net t;
    int64_t dim[4] = {SHAPES[rank - 2][1], 1, 1, 1};
    net_init(&t, seed);
    net_input(&t, type, -1, 2, rank, SHAPES[rank - 2]);
    it_value *k = net_const(&t, rank - 1, dim, 0.3f, 1.6f), *y = net_node(&t, onnx, first ? IN(k, t.x) : IN(t.x, k), NULL);
    if (seed % 2) y->producer->clamp_hi = 1;
    net_measure(&t, y, type);
    net_check(&t, 0.56); /* the constant's own rounding is 1/254 of a step of x */
    net_free(&t);
}

static void test_channel_constants(void **state)
{
    (void)state;
    for (int rank = 2; rank <= 5; rank++)
        for (int wide = 0; wide < 2; wide++) {
            intact_type type = wide ? INTACT_S16 : INTACT_U8;
            channel_constants("Add", rank, rank % 2, type, 20);
            channel_constants("Sub", rank, false, type, 21);
            channel_constants("Sub", rank, true, type, 22);
            channel_constants("Mul", rank, rank % 2, type, 23);
            channel_constants("Div", rank, false, type, 24);
            if (wide) continue;
            channel_constants("PRelu", rank, false, type, 25);
            channel_constants("Max", rank, false, type, 26);
        }
}

/* A constant for each element, each row or each column: a position embedding. */
static void element_constants(const char *onnx, int rank, int shape, bool const_first, intact_type type, uint64_t seed)
{
    net t;
    int64_t dim[5];
    int from = shape == 1 ? rank - 1 : shape == 2 && rank > 2 ? 1 : 0; /* all dimensions; the last alone; without the batch */
    net_init(&t, seed);
    net_input(&t, type, -2, 2.5f, rank, SHAPES[rank - 2]);
    memcpy(dim, SHAPES[rank - 2] + from, sizeof(*dim) * (size_t)(rank - from));
    if (shape == 3) dim[1] = 1;
    it_value *k = net_const(&t, rank - from, dim, 0.5f, 2);
    it_value *y = net_node(&t, onnx, const_first ? IN(k, t.x) : IN(t.x, k), NULL);
    if (seed % 2) y->producer->clamp_hi = 1;
    net_measure(&t, y, type);
    net_check(&t, 0.6);
    net_free(&t);
}

static void test_element_constants(void **state)
{
    (void)state;
    for (int rank = 2; rank <= 5; rank++)
        for (int shape = 0; shape < 4; shape++)
            for (int wide = 0; wide < 2 && !(rank == 2 && shape == 3); wide++) { /* (1, 1) is one value */
                intact_type type = wide ? INTACT_S16 : INTACT_U8;
                uint64_t seed = 100 + (uint64_t)(rank * 8 + shape);
                element_constants("Add", rank, shape, shape % 2, type, seed);
                element_constants("Sub", rank, shape, false, type, seed + 1);
                element_constants("Sub", rank, shape, true, type, seed + 2);
                element_constants("Mul", rank, shape, shape % 2 == 0, type, seed + 3);
                element_constants("Div", rank, shape, false, type, seed + 4);
            }
}

/* ---- two computed operands ---- */

static void two_operands(const char *onnx, intact_type in, intact_type mid, bool gate, bool swap, uint64_t seed)
{
    net t;
    net_init(&t, seed);
    net_input(&t, in, -2, 2.5f, 4, SHAPES[2]);
    it_value *a = net_node(&t, "LeakyRelu", IN(t.x), NULL), *b = gate ? net_node(&t, "GlobalAveragePool", IN(t.x), NULL) : t.x;
    b = net_node(&t, gate ? "Sigmoid" : "Tanh", IN(b), NULL);
    it_value *y = net_node(&t, onnx, swap ? IN(b, a) : IN(a, b), NULL);
    if (seed % 2) y->producer->clamp_lo = 0;
    net_measure(&t, y, mid);
    bool product = !strcmp(onnx, "Mul");
    /* half a step of either operand, plus, for a gate, that of the mean through a slope of 1/4 and of the table */
    double ea = 0.51 * step(a), eb = 0.51 * step(b) + (gate ? 0.13 * step(b->producer->in[0]) : 0);
    double error = product ? ea * most(b) + eb * most(a) : ea + eb;
    net_check(&t, 0.51 + error / step(y));
    net_free(&t);
}

static void test_two_operands(void **state)
{
    static const char *const OPS[] = {"Add", "Sub", "Mul", "Sum"};
    (void)state;
    for (uint64_t i = 0; i < 4; i++)
        for (int k = 0; k < 8; k++)
            two_operands(OPS[i], INTACT_U8, k & 1 ? INTACT_S16 : INTACT_U8, k & 2, k & 4, 40 + i + (uint64_t)k);
}

static void expect_unsupported(net *t, it_value *y, const char *says)
{
    net_measure(t, y, INTACT_U8);
    assert_int_equal(net_lower(t, &it_alloc_libc), INTACT_E_UNSUPPORTED);
    if (!strstr(t->err.message, says)) fail_msg("\"%s\" does not say \"%s\"", t->err.message, says);
    net_free(t);
}

static void test_unsupported(void **state)
{
    net t;
    (void)state;
    net_init(&t, 70);
    net_input(&t, INTACT_U8, -1, 1, 4, SHAPES[2]);
    expect_unsupported(&t, net_node(&t, "Pow", IN(t.x, net_const(&t, 1, (int64_t[]){5}, 0, 1)), NULL), "one per channel");
    net_init(&t, 71);
    net_input(&t, INTACT_U8, 1, 2, 4, SHAPES[2]);
    expect_unsupported(&t, net_node(&t, "Div", IN(t.x, net_node(&t, "Exp", IN(t.x), NULL)), NULL), "Reciprocal");
    net_init(&t, 72);
    net_input(&t, INTACT_U8, 1, 2, 4, SHAPES[2]);
    expect_unsupported(&t, net_node(&t, "Max", IN(t.x, net_node(&t, "Exp", IN(t.x), NULL)), NULL), "no integer form");
    net_init(&t, 73);
    net_input(&t, INTACT_U8, 1, 2, 4, SHAPES[2]);
    expect_unsupported(&t, net_node(&t, "ReduceMean", IN(t.x), ATTRS(A_INTS("axes", 1, ((const int64_t[]){1})))),
                       "behind batch and channel");
}

/* ---- reductions ---- */

static void reduction(const char *onnx, int rank, int keep, intact_type in, intact_type out, uint64_t seed)
{
    net t;
    const int64_t axes[2] = {2, -1};
    net_init(&t, seed);
    net_input(&t, in, -2, 2.5f, rank, SHAPES[rank - 2]);
    it_value *y = net_node(&t, onnx, IN(t.x), ATTRS(A_INTS("axes", rank - 2, axes), A_INT("keepdims", keep)));
    net_measure(&t, y, out);
    net_check(&t, 0.51);
    net_free(&t);
}

static void test_reductions(void **state)
{
    (void)state;
    for (int rank = 3; rank <= 4; rank++)
        for (int k = 0; k < 8; k++) {
            intact_type in = k & 1 ? INTACT_S16 : INTACT_U8;
            reduction("ReduceMean", rank, k >> 2, in, k & 2 ? INTACT_S16 : INTACT_U8, 80 + (uint64_t)k);
            reduction("ReduceMax", rank, k >> 2, in, in, 90 + (uint64_t)k);
        }
}

/* The index goes out as s32 in runtime order. */
static void arg_case(const char *onnx, int rank, int keep)
{
    net t;
    intact_program *p = NULL;
    intact_session *s = NULL;
    it_pack_options opt = {.alloc = &it_alloc_libc, .cpu = INTACT_CPU_SCALAR, .threads = 1};
    int32_t got[64];
    net_init(&t, 95);
    net_input(&t, INTACT_U8, -2, 2.5f, rank, SHAPES[rank - 2]);
    it_value *y = net_node(&t, onnx, IN(t.x), ATTRS(A_INT("axis", 1), A_INT("keepdims", keep)));
    y->is_output = true;
    assert_true(IT_VEC_ROOM(t.g.alloc, t.g.outputs));
    t.g.outputs.items[t.g.outputs.len++] = y;
    t.y = y;
    assert_int_equal(it_graph_infer(&t.g, 1, NULL, &t.err), INTACT_OK);
    if (net_lower(&t, &it_alloc_libc) != INTACT_OK || it_program_pack(&t.prog, &opt, &p, &t.err) != INTACT_OK)
        fail_msg("%s", t.err.message);
    t.lowered = false;
    it_lower_release(&t.lw);
    assert_int_equal(intact_session_new(p, NULL, &s, &t.err), INTACT_OK);
    const void *in[1] = {t.x_codes};
    void *out[1] = {got};
    assert_int_equal(intact_session_run(s, in, 1, out, 1, &t.err), INTACT_OK);
    const int64_t *d = SHAPES[rank - 2];
    int64_t h = rank > 3 ? d[2] : 1, w = rank > 2 ? d[rank - 1] : 1;
    for (int64_t i = 0; i < h * w; i++) {
        int32_t best = 0;
        for (int32_t c = 1; c < d[1]; c++) {
            float a = t.x_real[c * h * w + i], b = t.x_real[best * h * w + i];
            if (!strcmp(onnx, "ArgMax") ? a > b : a < b) best = c;
        }
        int64_t at = keep || rank < 4 ? i : i % w * h + i / w; /* without the channel, (N,H,W) has H where channels would be */
        assert_int_equal(got[at], best);
    }
    intact_session_free(s);
    intact_program_free(p);
    net_free(&t);
}

static void test_arg(void **state)
{
    (void)state;
    for (int rank = 2; rank <= 4; rank++)
        for (int keep = 0; keep < 2; keep++) {
            arg_case("ArgMax", rank, keep);
            arg_case("ArgMin", rank, keep);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables),       cmocka_unit_test(test_one_constant), cmocka_unit_test(test_channel_constants), cmocka_unit_test(test_element_constants),
        cmocka_unit_test(test_two_operands), cmocka_unit_test(test_unsupported),  cmocka_unit_test(test_reductions),
        cmocka_unit_test(test_arg),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
