/* SPDX-License-Identifier: Apache-2.0 */
/* Operators of one number: every float type against the formula in double, table functions, special values, integers. */
#include "op_elem/helpers.h"

static double f_sigmoid(double x) { return 1 / (1 + exp(-x)); }
static double f_relu(double x) { return x > 0 ? x : 0; }
static double f_leaky(double x) { return x < 0 ? 0.01 * x : x; }
static double f_elu(double x) { return x < 0 ? expm1(x) : x; }
static double f_selu(double x) { return 1.0507009873554805 * (x < 0 ? 1.6732632423543772 * expm1(x) : x); }
static double f_hard_sigmoid(double x) { return fmin(1, fmax(0, 0.2 * x + 0.5)); }
static double f_hard_swish(double x) { return x * fmin(1, fmax(0, x / 6 + 0.5)); }
static double f_swish(double x) { return x * f_sigmoid(x); }
static double f_softplus(double x) { return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x)); }
static double f_softsign(double x) { return x / (1 + fabs(x)); }
static double f_thresholded(double x) { return x > 1 ? x : 0; }
static double f_gelu(double x) { return 0.5 * x * erfc(-x / sqrt(2)); }
static double f_mish(double x) { return x * tanh(f_softplus(x)); }
static double f_reciprocal(double x) { return 1 / x; }
static double f_sign(double x) { return (x > 0) - (x < 0); }
static double f_neg(double x) { return -x; }

static const struct {
    const char *name;
    double (*f)(double);
    double lo, hi;
    int opset;
    double rel;
} OPS[] = {
    {"Relu", f_relu, -5, 5, 7, 1e-7},
    {"LeakyRelu", f_leaky, -5, 5, 7, 1e-6},
    {"Elu", f_elu, -20, 5, 7, 1e-6},
    {"Selu", f_selu, -20, 5, 7, 1e-6},
    {"Celu", f_elu, -20, 5, 12, 1e-6},
    {"Sigmoid", f_sigmoid, -30, 30, 7, 1e-6},
    {"HardSigmoid", f_hard_sigmoid, -2.3, 5, 7, 1e-5},
    {"HardSwish", f_hard_swish, -2.9, 5, 14, 1e-5},
    {"swish", f_swish, -30, 30, 21, 1e-6},
    {"Tanh", tanh, -12, 12, 7, 1e-6},
    {"Softplus", f_softplus, -30, 30, 7, 1e-6},
    {"Softsign", f_softsign, -5, 5, 7, 1e-6},
    {"ThresholdedRelu", f_thresholded, -5, 5, 10, 1e-7},
    {"Gelu", f_gelu, -12, 12, 20, 3e-5},
    {"Mish", f_mish, -20, 30, 18, 1e-6},
    {"Erf", erf, -5, 5, 9, 1e-6},
    {"Exp", exp, -80, 80, 7, 1e-6},
    {"Log", log, 1e-3, 50, 7, 1e-6},
    {"Sqrt", sqrt, 0, 50, 7, 1e-6},
    {"Reciprocal", f_reciprocal, 0.1, 5, 7, 1e-6},
    {"Abs", fabs, -5, 5, 7, 0},
    {"Neg", f_neg, -5, 5, 7, 0},
    {"Floor", floor, -5, 5, 7, 0},
    {"Ceil", ceil, -5, 5, 7, 0},
    {"Round", rint, -5, 5, 11, 0},
    {"Sign", f_sign, -5, 5, 9, 0},
    {"Sin", sin, -3, 3, 7, 1e-6},
    {"Cos", cos, -3, 3, 7, 1e-6},
    {"Tan", tan, -1.4, 1.4, 7, 1e-6},
    {"Asin", asin, -1, 1, 7, 1e-6},
    {"Acos", acos, -1, 0.99, 7, 1e-6},
    {"Atan", atan, -5, 5, 7, 1e-6},
    {"Sinh", sinh, -5, 5, 9, 1e-6},
    {"Cosh", cosh, -5, 5, 9, 1e-6},
    {"Asinh", asinh, -5, 5, 9, 1e-6},
    {"Acosh", acosh, 1.1, 9, 9, 1e-6},
    {"Atanh", atanh, -0.99, 0.99, 9, 1e-6},
};

static void against_formula(size_t k, it_type type, it_rng *rng)
{
    rig r;
    rig_init(&r, OPS[k].name, OPS[k].opset);
    const it_tensor *x = rig_random(&r, rng, type, DIM(3, 411), OPS[k].lo, OPS[k].hi); /* an odd number: tails are seen */
    if (type == IT_F16 && !strcmp(OPS[k].name, "Exp"))
        for (int64_t i = 0; i < it_tensor_len(x); i++)
            it_tensor_set((it_tensor *)x, i, it_tensor_get(x, i) / 10);
    rig_run(&r, 1);
    assert_int_equal(r.out[0].type, type);
    for (int64_t i = 0; i < it_tensor_len(x); i++) {
        double v = it_tensor_get(x, i), want = OPS[k].f(v), got = it_tensor_get(&r.out[0], i);
        double rel = type == IT_F16 ? 1e-3 : type == IT_F64 ? 2e-7 : OPS[k].rel; /* attributes are single precision */
        if (!(fabs(got - want) <= rel * fabs(want) + (type == IT_F16 ? 1e-7 : 1e-38)))
            fail_msg("%s(%.9g) of %s is %.9g, expected %.9g", OPS[k].name, v, it_type_name(type), got, want);
        if (type == IT_F32 && r.n->op->scalar) {
            double s = (double)r.n->op->scalar(r.n, (float)v);
            if (!(fabs(s - want) <= 2e-6 * fabs(want) + 1e-38))
                fail_msg("%s's scalar(%.9g) is %.9g, expected %.9g", OPS[k].name, v, s, want);
        }
    }
    rig_free(&r);
}

static void test_formulas(void **state)
{
    it_rng rng;
    (void)state;
    it_rng_seed(&rng, 1);
    for (size_t k = 0; k < IT_LEN(OPS); k++) {
        against_formula(k, IT_F32, &rng);
        against_formula(k, IT_F64, &rng);
        against_formula(k, IT_F16, &rng);
    }
}

/* What becomes of infinities and NaN, and of values that no fast formula may spoil. */
static void expect_values(const char *name, int opset, int len, const double *x, const double *want, double rel)
{
    rig r;
    const int64_t dim[1] = {len};
    rig_init(&r, name, opset);
    rig_in(&r, IT_F32, 1, dim, x);
    rig_run(&r, 1);
    rig_expect(&r.out[0], rel, 1, dim, want);
    rig_free(&r);
}

static void test_special_values(void **state)
{
    (void)state;
    const double edge[4] = {-INFINITY, INFINITY, NAN, 1e30};
    expect_values("Sigmoid", 13, 4, edge, VALUES(0, 1, NAN, 1), 0);
    expect_values("Tanh", 13, 4, edge, VALUES(-1, 1, NAN, 1), 0);
    expect_values("Exp", 13, 4, edge, VALUES(0, INFINITY, NAN, INFINITY), 0);
    expect_values("Relu", 13, 4, edge, VALUES(0, INFINITY, NAN, 1e30f), 0);
    expect_values("Softplus", 13, 4, edge, VALUES(0, INFINITY, NAN, 1e30f), 0);
    expect_values("Erf", 13, 4, edge, VALUES(-1, 1, NAN, 1), 0);
    expect_values("Gelu", 20, 4, edge, VALUES(0, INFINITY, NAN, 1e30f), 0);
    expect_values("Elu", 13, 4, edge, VALUES(-1, INFINITY, NAN, 1e30f), 0);
    expect_values("Mish", 18, 3, edge + 1, VALUES(INFINITY, NAN, 1e30f), 0);
    expect_values("Tanh", 13, 3, VALUES(1e-20, -1e-6, 0), VALUES(1e-20f, -1e-6f, 0), 1e-7);
    expect_values("Elu", 13, 2, VALUES(-1e-6, -1e-20), VALUES(-1e-6f, -1e-20f), 1e-6);
    expect_values("Round", 13, 6, VALUES(0.5, 1.5, 2.5, -0.5, -1.5, -2.5), VALUES(0, 2, 2, 0, -2, -2), 0);
    expect_values("IsNaN", 13, 4, edge, VALUES(0, 0, 1, 0), 0);
    expect_values("IsInf", 13, 4, edge, VALUES(1, 1, 0, 0), 0);
}

static void test_attributes(void **state)
{
    rig r;
    (void)state;
    rig_init(&r, "IsInf", 13);
    rig_int(&r, "detect_negative", 0);
    rig_in(&r, IT_F64, DIM(2), VALUES(-INFINITY, INFINITY));
    rig_run(&r, 1);
    rig_expect(&r.out[0], 0, DIM(2), VALUES(0, 1));
    rig_free(&r);
    rig_init(&r, "Gelu", 20);
    rig_text(&r, "approximate", "tanh");
    rig_in(&r, IT_F32, DIM(1), VALUES(0.7));
    rig_run(&r, 1);
    rig_expect(&r.out[0], 1e-6, DIM(1), VALUES(0.35 * (1 + tanh(sqrt(2 / M_PI) * (0.7 + 0.044715 * 0.343)))));
    rig_free(&r);
    rig_init(&r, "Gelu", 20);
    rig_text(&r, "approximate", "cubic");
    rig_in(&r, IT_F32, DIM(1), VALUES(0.7));
    rig_expect_fail(&r, 1, INTACT_E_FORMAT, "\"cubic\"");
    rig_free(&r);
    rig_init(&r, "HardSigmoid", 7);
    rig_float(&r, "alpha", 0.5);
    rig_float(&r, "beta", 0.6);
    rig_in(&r, IT_F32, DIM(3), VALUES(-1, 0, 1));
    rig_run(&r, 1);
    rig_expect(&r.out[0], 1e-6, DIM(3), VALUES(0.1, 0.6, 1));
    rig_free(&r);
    rig_init(&r, "Celu", 12);
    rig_float(&r, "alpha", 2);
    rig_in(&r, IT_F32, DIM(2), VALUES(-1, 3));
    rig_run(&r, 1);
    rig_expect(&r.out[0], 1e-6, DIM(2), VALUES(2 * expm1(-0.5), 3));
    rig_free(&r);
}

static void test_integers(void **state)
{
    static const it_type types[4] = {IT_I8, IT_I16, IT_I32, IT_I64};
    rig r;
    (void)state;
    for (int k = 0; k < 4; k++) {
        const char *names[4] = {"Relu", "Abs", "Neg", "Sign"};
        const double want[4][3] = {{0, 0, 7}, {5, 0, 7}, {5, 0, -7}, {-1, 0, 1}};
        for (int i = 0; i < 4; i++) {
            rig_init(&r, names[i], 14);
            rig_in(&r, types[k], DIM(3), VALUES(-5, 0, 7));
            rig_run(&r, 1);
            rig_expect(&r.out[0], 0, DIM(3), want[i]);
            rig_free(&r);
        }
    }
    rig_init(&r, "Abs", 13); /* the least integer has no positive counterpart */
    rig_in(&r, IT_I8, DIM(2), VALUES(-128, -127));
    rig_run(&r, 1);
    rig_expect(&r.out[0], 0, DIM(2), VALUES(-128, 127));
    rig_free(&r);
    rig_init(&r, "Abs", 13);
    rig_in(&r, IT_U64, DIM(1), VALUES(0x1p63));
    rig_run(&r, 1);
    rig_expect(&r.out[0], 0, DIM(1), VALUES(0x1p63));
    rig_free(&r);
    rig_init(&r, "Exp", 13);
    rig_in(&r, IT_I32, DIM(1), VALUES(1));
    rig_expect_fail(&r, 1, INTACT_E_SHAPE, "input 0 has type int32; it may be float, double, float16");
    rig_free(&r);
}

static void test_clip(void **state)
{
    rig r;
    (void)state;
    rig_init(&r, "Clip", 6);
    rig_float(&r, "min", -1);
    rig_in(&r, IT_F32, DIM(3), VALUES(-2, 0, NAN));
    rig_run(&r, 1);
    rig_expect(&r.out[0], 0, DIM(3), VALUES(-1, 0, NAN));
    rig_free(&r);
    rig_init(&r, "Clip", 13);
    rig_in(&r, IT_U8, DIM(3), VALUES(2, 90, 255));
    rig_skip(&r);
    rig_in(&r, IT_U8, SCALAR, VALUES(100));
    rig_run(&r, 1);
    rig_expect(&r.out[0], 0, DIM(3), VALUES(2, 90, 100));
    rig_free(&r);
    rig_init(&r, "Clip", 13); /* the upper bound wins */
    rig_in(&r, IT_F16, DIM(2), VALUES(-1, 9));
    rig_in(&r, IT_F16, SCALAR, VALUES(4));
    rig_in(&r, IT_F16, DIM(1), VALUES(2));
    rig_run(&r, 1);
    rig_expect(&r.out[0], 0, DIM(2), VALUES(2, 2));
    rig_free(&r);
    rig_init(&r, "Clip", 13);
    rig_in(&r, IT_I64, DIM(2), VALUES(-5, 5));
    rig_in(&r, IT_I32, SCALAR, VALUES(0));
    rig_expect_fail(&r, 1, INTACT_E_SHAPE, "the minimum has type int32; it must be x's, int64");
    rig_free(&r);
    rig_init(&r, "Clip", 13);
    rig_in(&r, IT_F32, DIM(2), VALUES(-5, 5));
    rig_in(&r, IT_F32, DIM(2), VALUES(0, 0));
    rig_expect_fail(&r, 1, INTACT_E_SHAPE, "2 elements; it must be a scalar");
    rig_free(&r);
    rig_init(&r, "Clip", 7);
    rig_in(&r, IT_F32, DIM(2), VALUES(-5, 5));
    rig_in(&r, IT_F32, SCALAR, VALUES(0));
    rig_expect_fail(&r, 1, INTACT_E_FORMAT, "attributes before opset 11");
    rig_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_formulas), cmocka_unit_test(test_special_values), cmocka_unit_test(test_attributes),
        cmocka_unit_test(test_integers), cmocka_unit_test(test_clip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
