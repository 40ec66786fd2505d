/* SPDX-License-Identifier: Apache-2.0 */
/* Operators of two and more tensors: broadcasting in both layouts, integer rules, powers, folds. */
#include "op_elem/helpers.h"

static double apply(const char *op, double x, double z)
{
    return !strcmp(op, "Add")   ? x + z
           : !strcmp(op, "Sub") ? x - z
           : !strcmp(op, "Mul") ? x * z
           : !strcmp(op, "Div") ? x / z
           : !strcmp(op, "Max") ? fmax(x, z)
           : !strcmp(op, "Min") ? fmin(x, z)
           : x < 0              ? x * z
                                : x; /* PRelu */
}

/* Element of t that broadcasts to index (of out). */
static double element(const it_tensor *t, const int64_t *index, int rank)
{
    int64_t at = 0;
    for (int k = 0; k < t->rank; k++)
        at = at * t->dim[k] + (t->dim[k] == 1 ? 0 : index[k + rank - t->rank]);
    return rig_at(t, at);
}

static void broadcast_case(const char *op, it_rng *rng, int a_rank, const int64_t *a, int b_rank, const int64_t *b, int nhwc)
{
    rig r;
    int64_t index[IT_RANK_MAX];
    rig_init(&r, op, 14);
    rig_random(&r, rng, IT_F32, a_rank, a, -2, 2);
    rig_random(&r, rng, IT_F32, b_rank, b, 0.5, 2);
    if (nhwc & 1) rig_nhwc(&r, 0);
    if (nhwc & 2) rig_nhwc(&r, 1);
    rig_run(&r, 1);
    const it_tensor *y = &r.out[0];
    for (int64_t i = 0; i < it_tensor_len(y); i++) {
        int64_t rest = i;
        for (int k = y->rank - 1; k >= 0; k--) {
            index[k] = rest % y->dim[k];
            rest /= y->dim[k];
        }
        double want = (double)(float)apply(op, element(&r.in[0], index, y->rank), element(&r.in[1], index, y->rank));
        if (rig_at(y, i) != want) fail_msg("%s, layouts %d, element %lld: %.9g, expected %.9g", op, nhwc, (long long)i, rig_at(y, i), want);
    }
    rig_free(&r);
}

static void test_broadcast(void **state)
{
    static const char *const OPS[] = {"Add", "Sub", "Mul", "Div", "Max", "Min", "PRelu"};
    it_rng rng;
    (void)state;
    it_rng_seed(&rng, 2);
    for (size_t k = 0; k < IT_LEN(OPS); k++) {
        const char *op = OPS[k];
        for (int nhwc = 0; nhwc < 4; nhwc++) { /* any mixture of layouts */
            broadcast_case(op, &rng, DIM(2, 3, 4, 5), DIM(2, 3, 4, 5), nhwc);
            broadcast_case(op, &rng, DIM(2, 3, 4, 5), DIM(1, 3, 1, 1), nhwc);
            broadcast_case(op, &rng, DIM(2, 3, 4, 5), DIM(2, 3, 1, 1), nhwc);
            broadcast_case(op, &rng, DIM(2, 3, 4, 5), DIM(1, 1, 4, 5), nhwc);
            if (k < 6) broadcast_case(op, &rng, DIM(2, 1, 4, 1), DIM(1, 3, 1, 5), nhwc);
        }
        broadcast_case(op, &rng, DIM(2, 3, 4, 5), DIM(3, 1, 1), 1);
        broadcast_case(op, &rng, DIM(2, 3, 4, 5), SCALAR, 1);
        broadcast_case(op, &rng, DIM(2, 3, 4, 5), DIM(5), 0);
        if (k == 6) continue; /* a slope never widens the input */
        broadcast_case(op, &rng, DIM(3, 1, 2, 1, 2, 3), DIM(1, 2, 1, 2, 1, 3), 0);
        broadcast_case(op, &rng, DIM(5), DIM(2, 3, 4, 5), 0);
        broadcast_case(op, &rng, SCALAR, DIM(7), 0);
        broadcast_case(op, &rng, SCALAR, SCALAR, 0);
        broadcast_case(op, &rng, DIM(0, 3), DIM(1, 3), 0);
    }
}

static void two(const char *op, it_type type, int fmod_attr, double a, double b, double want)
{
    rig r;
    rig_init(&r, op, 14);
    if (fmod_attr >= 0) rig_int(&r, "fmod", fmod_attr);
    rig_in(&r, type, DIM(1), VALUES(a));
    rig_in(&r, type, DIM(1), VALUES(b));
    rig_run(&r, 1);
    rig_expect(&r.out[0], type == IT_F16 ? 1e-3 : 1e-7, DIM(1), VALUES(want));
    rig_free(&r);
}

static void test_integers(void **state)
{
    rig r;
    (void)state;
    two("Add", IT_U8, -1, 250, 10, 4);
    two("Add", IT_I8, -1, 127, 1, -128);
    two("Sub", IT_U16, -1, 3, 5, 65534);
    two("Mul", IT_I32, -1, 65536, 65536, 0);
    two("Div", IT_I32, -1, -7, 2, -3);
    two("Div", IT_I64, -1, 7, -2, -3);
    two("Div", IT_I32, -1, INT32_MIN, -1, INT32_MIN);
    two("Div", IT_U8, -1, 255, 2, 127);
    two("Div", IT_F16, -1, 1, 3, 1.0 / 3);
    two("Mod", IT_I32, 0, -7, 3, 2);
    two("Mod", IT_I32, 0, 7, -3, -2);
    two("Mod", IT_I32, 1, -7, 3, -1);
    two("Mod", IT_I64, 0, INT64_MIN, -1, 0);
    two("Mod", IT_I8, 0, -6, 3, 0);
    two("Mod", IT_U32, 0, 7, 3, 1);
    two("Mod", IT_F32, 1, -7.5, 2, -1.5);
    two("Mod", IT_F64, 1, 7.5, -2, 1.5);
    for (int k = 0; k < 2; k++) {
        rig_init(&r, k ? "Div" : "Mod", 14);
        rig_in(&r, IT_I32, DIM(2), VALUES(1, 2));
        rig_in(&r, IT_I32, DIM(2), VALUES(1, 0));
        rig_expect_fail(&r, 1, INTACT_E_ARG, "element 1 of the divisor is 0");
        rig_free(&r);
    }
    rig_init(&r, "Mod", 14);
    rig_in(&r, IT_F32, DIM(1), VALUES(1));
    rig_in(&r, IT_F32, DIM(1), VALUES(1));
    rig_expect_fail(&r, 1, INTACT_E_SHAPE, "it must be 1 for floats");
    rig_free(&r);
    rig_init(&r, "BitShift", 11);
    rig_text(&r, "direction", "LEFT");
    rig_in(&r, IT_U8, DIM(4), VALUES(1, 255, 3, 3));
    rig_in(&r, IT_U8, DIM(4), VALUES(7, 1, 8, 200));
    rig_run(&r, 1);
    rig_expect(&r.out[0], 0, DIM(4), VALUES(128, 254, 0, 0));
    rig_free(&r);
    rig_init(&r, "BitShift", 11);
    rig_text(&r, "direction", "RIGHT");
    rig_in(&r, IT_U64, DIM(2), VALUES(0x1p63, 5));
    rig_in(&r, IT_U64, DIM(2), VALUES(63, 64));
    rig_run(&r, 1);
    rig_expect(&r.out[0], 0, DIM(2), VALUES(1, 0));
    rig_free(&r);
}

static void power(it_type a, it_type b, double x, double e, double want)
{
    rig r;
    rig_init(&r, "Pow", 15);
    rig_in(&r, a, DIM(2), VALUES(x, x));
    rig_in(&r, b, DIM(2), VALUES(e, e));
    rig_run(&r, 1);
    assert_int_equal(r.out[0].type, a);
    rig_expect(&r.out[0], a == IT_F16 ? 1e-3 : 1e-6, DIM(2), VALUES(want, want));
    rig_free(&r);
    rig_init(&r, "Pow", 15); /* one exponent: the ways for 2 and 1/2 */
    rig_in(&r, a, DIM(2), VALUES(x, x));
    rig_in(&r, b, SCALAR, VALUES(e));
    rig_run(&r, 1);
    rig_expect(&r.out[0], a == IT_F16 ? 1e-3 : 1e-6, DIM(2), VALUES(want, want));
    rig_free(&r);
}

static void test_pow(void **state)
{
    (void)state;
    power(IT_F32, IT_F32, 1.5, 2, 2.25);
    power(IT_F32, IT_F32, 2.25, 0.5, 1.5);
    power(IT_F32, IT_I64, 1.5, 3, 3.375);
    power(IT_F32, IT_I32, -3, 2, 9);
    power(IT_F64, IT_F32, 1.5, -1, 1 / 1.5);
    power(IT_F16, IT_F16, 1.5, 3, 3.375);
    power(IT_I32, IT_I32, -3, 3, -27);
    power(IT_I32, IT_F32, 9, 0.5, 3);
    power(IT_I64, IT_I64, 3, 30, 205891132094649.0);
    power(IT_I64, IT_I32, 2, -1, 0);
    power(IT_I64, IT_U8, 0, 0, 1);
}

static void test_folds(void **state)
{
    rig r;
    (void)state;
    static const char *const OPS[4] = {"Max", "Min", "Sum", "Mean"};
    for (int k = 0; k < 4; k++)
        for (int type = IT_F32; type <= IT_F16; type++) {
            rig_init(&r, OPS[k], 13);
            rig_in(&r, (it_type)type, DIM(2, 3), VALUES(3, 2, 5, 2, 2, 2));
            rig_in(&r, (it_type)type, DIM(2, 1), VALUES(3, 4));
            rig_in(&r, (it_type)type, DIM(3), VALUES(0, 1, 6));
            rig_run(&r, 1);
            for (int64_t i = 0; i < 6; i++) {
                double a = it_tensor_get(&r.in[0], i), b = it_tensor_get(&r.in[1], i / 3), c = it_tensor_get(&r.in[2], i % 3);
                double want = k == 0 ? fmax(a, fmax(b, c)) : k == 1 ? fmin(a, fmin(b, c)) : (a + b + c) / (k == 3 ? 3 : 1);
                double rel = type == IT_F16 ? 1e-3 : type == IT_F32 ? 1e-6 : 1e-15;
                assert_true(fabs(it_tensor_get(&r.out[0], i) - want) <= rel * fabs(want));
            }
            rig_free(&r);
        }
    rig_init(&r, "Max", 13);
    rig_in(&r, IT_F32, DIM(3), VALUES(NAN, 1, 2));
    rig_in(&r, IT_F32, DIM(3), VALUES(1, NAN, 1));
    rig_run(&r, 1);
    rig_expect(&r.out[0], 0, DIM(3), VALUES(NAN, NAN, 2));
    rig_free(&r);
    rig_init(&r, "Sum", 13);
    rig_in(&r, IT_F32, DIM(2), VALUES(1, 2));
    rig_run(&r, 1);
    rig_expect(&r.out[0], 0, DIM(2), VALUES(1, 2));
    rig_free(&r);
    rig_init(&r, "Min", 13);
    rig_in(&r, IT_U64, DIM(2), VALUES(0x1p63, 1));
    rig_in(&r, IT_U64, DIM(1), VALUES(5));
    rig_run(&r, 1);
    rig_expect(&r.out[0], 0, DIM(2), VALUES(5, 1));
    rig_free(&r);
}

/* The output may be the first input's memory. */
static void test_in_place(void **state)
{
    float a[5] = {1, -2, 3, -4, 5}, b[5] = {1, 2, 3, 4, 5};
    rig r;
    (void)state;
    rig_init(&r, "Add", 13);
    rig_in(&r, IT_F32, DIM(5), NULL);
    rig_in(&r, IT_F32, DIM(5), NULL);
    rig_run(&r, 1);
    r.in[0].data = r.out[0].data = a;
    r.in[1].data = b;
    it_run_ctx c = {.alloc = &it_alloc_libc};
    assert_int_equal(r.n->op->forward(&c, r.n, r.in_ptr, r.out_ptr, NULL), INTACT_OK);
    rig_expect(&r.out[0], 0, DIM(5), VALUES(2, 0, 6, 0, 10));
    rig_free(&r);
}

static void test_refusals(void **state)
{
    rig r;
    (void)state;
    rig_init(&r, "Add", 13);
    rig_in(&r, IT_F32, DIM(2, 3), NULL);
    rig_in(&r, IT_F32, DIM(2, 4), NULL);
    rig_expect_fail(&r, 1, INTACT_E_SHAPE, "do not broadcast");
    rig_free(&r);
    rig_init(&r, "Mul", 13);
    rig_in(&r, IT_F32, DIM(2), NULL);
    rig_in(&r, IT_F64, DIM(2), NULL);
    rig_expect_fail(&r, 1, INTACT_E_SHAPE, "input 0 has type float and input 1 double");
    rig_free(&r);
    rig_init(&r, "PRelu", 13);
    rig_in(&r, IT_F32, DIM(3), NULL);
    rig_in(&r, IT_F32, DIM(2, 3), NULL);
    rig_expect_fail(&r, 1, INTACT_E_SHAPE, "does not broadcast to the shape of the input");
    rig_free(&r);
    rig_init(&r, "BitShift", 11);
    rig_text(&r, "direction", "UP");
    rig_in(&r, IT_U8, DIM(3), NULL);
    rig_in(&r, IT_U8, DIM(3), NULL);
    rig_expect_fail(&r, 1, INTACT_E_FORMAT, "LEFT or RIGHT");
    rig_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_broadcast), cmocka_unit_test(test_integers), cmocka_unit_test(test_pow),
        cmocka_unit_test(test_folds),     cmocka_unit_test(test_in_place), cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
