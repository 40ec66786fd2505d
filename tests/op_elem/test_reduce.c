/* SPDX-License-Identifier: Apache-2.0 */
/* Reduce*, ArgMax, ArgMin, CumSum against plain loops over indexes, in every type and over random sets of axes. */
#include "op_elem/helpers.h"

static const char *const OPS[] = {"ReduceSum", "ReduceMean", "ReduceMax",       "ReduceMin",    "ReduceProd",
                                  "ReduceL1",  "ReduceL2",   "ReduceSumSquare", "ReduceLogSum", "ReduceLogSumExp"};
enum { SUM, MEAN, MAX, MIN, PROD, L1, L2, SUM_SQUARE, LOG_SUM, LOG_SUM_EXP };

static double start(int op) { return op == MAX ? -INFINITY : op == MIN ? INFINITY : op == PROD ? 1 : 0; }
static double take(int op, double a, double v)
{
    switch (op) {
    case MAX:
        return fmax(a, v);
    case MIN:
        return fmin(a, v);
    case PROD:
        return a * v;
    case L1:
        return a + fabs(v);
    case L2:
    case SUM_SQUARE:
        return a + v * v;
    case LOG_SUM_EXP:
        return a + exp(v);
    default:
        return a + v;
    }
}
static double finish(int op, double a, int64_t count)
{
    return op == MEAN ? a / (double)count : op == L2 ? sqrt(a) : op == LOG_SUM || op == LOG_SUM_EXP ? log(a) : a;
}

static void expect_reduced(rig *r, int op, const bool *reduced, bool keep, double rel)
{
    const it_tensor *x = &r->in[0], *y = &r->out[0];
    double acc[512];
    int64_t count = 1, slots = 1;
    int rank = 0;
    for (int k = 0; k < x->rank; k++) {
        if (reduced[k])
            count *= x->dim[k];
        else
            slots *= x->dim[k];
        if (!reduced[k] || keep) assert_int_equal(y->dim[rank++], reduced[k] ? 1 : x->dim[k]);
    }
    assert_int_equal(y->rank, rank);
    assert_int_equal(it_tensor_len(y), slots);
    for (int64_t i = 0; i < slots; i++)
        acc[i] = start(op);
    for (int64_t i = 0; i < it_tensor_len(x); i++) {
        int64_t rest = i, slot = 0, step = 1;
        for (int k = x->rank - 1; k >= 0; k--) {
            if (!reduced[k]) {
                slot += rest % x->dim[k] * step;
                step *= x->dim[k];
            }
            rest /= x->dim[k];
        }
        acc[slot] = take(op, acc[slot], it_tensor_get(x, i));
    }
    for (int64_t i = 0; i < slots; i++) {
        double want = finish(op, acc[i], count), got = it_tensor_get(y, i);
        if (!it_type_is_float(x->type)) want = trunc(want);
        if (!(fabs(got - want) <= rel * fabs(want) + (it_type_is_float(x->type) ? rel : 0)))
            fail_msg("%s of %s, element %lld: %.9g, expected %.9g", OPS[op], it_type_name(x->type), (long long)i, got, want);
    }
}

static void reduce_case(int op, it_type type, it_rng *rng)
{
    rig r;
    int64_t dim[5], axes[5];
    size_t axes_len = 0;
    bool reduced[5] = {0}, as_input = it_rng_below(rng, 2), keep = it_rng_below(rng, 2);
    int rank = 1 + (int)it_rng_below(rng, 5);
    for (int k = 0; k < rank; k++)
        dim[k] = 1 + (int64_t)it_rng_below(rng, k == rank - 1 ? 40 : 3);
    for (int k = 0; k < rank; k++)
        if (it_rng_below(rng, 2)) {
            reduced[k] = true;
            axes[axes_len++] = it_rng_below(rng, 2) ? k : k - rank;
        }
    if (axes_len == 0)
        for (int k = 0; k < rank; k++)
            reduced[k] = true;
    rig_init(&r, OPS[op], as_input ? 18 : 11);
    bool prod = op == PROD, positive = op == LOG_SUM;
    rig_random(&r, rng, type, rank, dim, prod ? 1 : positive ? 1 : -3, prod ? 1 + (it_type_is_float(type) ? 0.05 : 1e-9) : 3);
    rig_int(&r, "keepdims", keep);
    if (as_input) {
        it_tensor *t = rig_in(&r, IT_I64, 1, (int64_t[]){(int64_t)axes_len}, NULL);
        memcpy(t->data, axes, axes_len * sizeof(*axes));
    } else if (axes_len) {
        rig_ints(&r, "axes", axes, axes_len);
    }
    rig_run(&r, 1);
    expect_reduced(&r, op, reduced, keep, type == IT_F16 ? 2e-3 : type == IT_F32 ? 1e-5 : 1e-12);
    rig_free(&r);
}

static void test_reduce(void **state)
{
    it_rng rng;
    (void)state;
    it_rng_seed(&rng, 3);
    static const it_type types[] = {IT_F32, IT_F64, IT_F16, IT_I32, IT_I64};
    for (int op = 0; op <= LOG_SUM_EXP; op++)
        for (size_t t = 0; t < IT_LEN(types); t++)
            for (int k = 0; k < 12; k++)
                reduce_case(op, types[t], &rng);
}

static void one_row(const char *op, int opset, it_type type, int64_t len, const double *x, double want)
{
    rig r;
    rig_init(&r, op, opset);
    rig_int(&r, "keepdims", 0);
    rig_in(&r, type, DIM(len), x);
    rig_run(&r, 1);
    rig_expect(&r.out[0], 1e-6, SCALAR, VALUES(want));
    rig_free(&r);
}

static void test_reduce_edges(void **state)
{
    rig r;
    (void)state;
    one_row("ReduceMax", 13, IT_F32, 3, VALUES(1, NAN, 2), NAN);
    one_row("ReduceMin", 13, IT_F32, 3, VALUES(1, NAN, 2), NAN);
    one_row("ReduceMax", 20, IT_BOOL, 3, VALUES(0, 1, 0), 1);
    one_row("ReduceMin", 20, IT_BOOL, 3, VALUES(1, 1, 0), 0);
    one_row("ReduceMax", 13, IT_I8, 3, VALUES(-7, -3, -9), -3);
    one_row("ReduceMax", 13, IT_U64, 2, VALUES(0x1p63, 3), 0x1p63);
    one_row("ReduceMin", 13, IT_U64, 2, VALUES(0x1p63, 3), 3);
    one_row("ReduceSum", 13, IT_I32, 2, VALUES(INT32_MAX, 1), INT32_MIN);
    one_row("ReduceSum", 13, IT_F32, 0, NULL, 0);
    one_row("ReduceProd", 13, IT_F32, 0, NULL, 1);
    one_row("ReduceMax", 13, IT_F32, 0, NULL, -INFINITY);
    one_row("ReduceMin", 13, IT_I32, 0, NULL, INT32_MAX);
    one_row("ReduceMean", 13, IT_F32, 0, NULL, NAN);
    one_row("ReduceLogSumExp", 13, IT_F32, 0, NULL, -INFINITY);
    one_row("ReduceLogSumExp", 13, IT_F32, 2, VALUES(1000, 1000), 1000 + M_LN2);
    one_row("ReduceLogSumExp", 13, IT_F32, 2, VALUES(-INFINITY, -INFINITY), -INFINITY);
    one_row("ReduceLogSumExp", 13, IT_F32, 2, VALUES(INFINITY, 1), INFINITY);
    rig_init(&r, "ReduceSum", 13); /* empty axes: everything, or nothing */
    rig_int(&r, "noop_with_empty_axes", 1);
    rig_in(&r, IT_F32, DIM(2, 2), VALUES(1, 2, 3, 4));
    rig_in(&r, IT_I64, DIM(0), NULL);
    rig_run(&r, 1);
    rig_expect(&r.out[0], 0, DIM(2, 2), VALUES(1, 2, 3, 4));
    rig_free(&r);
    rig_init(&r, "ReduceSum", 13); /* axes not known before the run */
    rig_in(&r, IT_F32, DIM(2, 2), VALUES(1, 2, 3, 4));
    rig_in(&r, IT_I64, DIM(1), VALUES(0));
    rig_run(&r, 1);
    r.in[1].data = NULL;
    assert_int_equal(r.n->op->infer(r.n, r.in_ptr, r.out, &r.err), INTACT_OK);
    assert_int_equal(r.out[0].rank, IT_RANK_UNKNOWN);
    rig_free(&r);
}

static void test_reduce_refusals(void **state)
{
    rig r;
    (void)state;
    rig_init(&r, "ReduceSum", 11);
    rig_ints(&r, "axes", (int64_t[]){2}, 1);
    rig_in(&r, IT_F32, DIM(2, 2), NULL);
    rig_expect_fail(&r, 1, INTACT_E_SHAPE, "axis 2 of a tensor of rank 2");
    rig_free(&r);
    rig_init(&r, "ReduceMax", 11);
    rig_ints(&r, "axes", (int64_t[]){1, -1}, 2);
    rig_in(&r, IT_F32, DIM(2, 2), NULL);
    rig_expect_fail(&r, 1, INTACT_E_SHAPE, "axis 1 is named twice");
    rig_free(&r);
    rig_init(&r, "ReduceMean", 13);
    rig_in(&r, IT_F32, DIM(2, 2), NULL);
    rig_in(&r, IT_I64, DIM(1), NULL);
    rig_expect_fail(&r, 1, INTACT_E_FORMAT, "axes are an attribute before opset 18");
    rig_free(&r);
    rig_init(&r, "ArgMax", 13);
    rig_in(&r, IT_F32, DIM(0, 3), NULL);
    rig_expect_fail(&r, 1, INTACT_E_SHAPE, "no elements");
    rig_free(&r);
}

static void arg_case(const char *op, it_type type, int axis, int keep, int last, const double *want)
{
    rig r;
    rig_init(&r, op, 13);
    rig_int(&r, "axis", axis);
    rig_int(&r, "keepdims", keep);
    rig_int(&r, "select_last_index", last);
    rig_in(&r, type, DIM(2, 3), VALUES(2, 7, 7, 2, 1, 9));
    rig_run(&r, 1);
    assert_int_equal(r.out[0].type, IT_I64);
    bool first = axis == 0;
    if (keep)
        rig_expect(&r.out[0], 0, 2, first ? (int64_t[]){1, 3} : (int64_t[]){2, 1}, want);
    else
        rig_expect(&r.out[0], 0, 1, first ? (int64_t[]){3} : (int64_t[]){2}, want);
    rig_free(&r);
}

static void test_arg(void **state)
{
    (void)state;
    for (int type = 0; type < IT_I4; type++) {
        if (type == IT_BOOL) continue;
        arg_case("ArgMax", (it_type)type, 0, 1, 0, VALUES(0, 0, 1));
        arg_case("ArgMax", (it_type)type, 0, 0, 1, VALUES(1, 0, 1));
        arg_case("ArgMax", (it_type)type, -1, 1, 0, VALUES(1, 2));
        arg_case("ArgMax", (it_type)type, 1, 0, 1, VALUES(2, 2));
        arg_case("ArgMin", (it_type)type, 0, 0, 0, VALUES(0, 1, 0));
        arg_case("ArgMin", (it_type)type, -1, 1, 1, VALUES(0, 1));
    }
}

static void cum_case(it_type type, int axis, int exclusive, int reverse, const double *want)
{
    rig r;
    rig_init(&r, "CumSum", 14);
    rig_int(&r, "exclusive", exclusive);
    rig_int(&r, "reverse", reverse);
    rig_in(&r, type, DIM(2, 3), VALUES(1, 2, 3, 4, 5, 6));
    rig_in(&r, IT_I32, SCALAR, VALUES(axis));
    rig_run(&r, 1);
    rig_expect(&r.out[0], 0, DIM(2, 3), want);
    rig_free(&r);
}

static void test_cum_sum(void **state)
{
    static const it_type types[] = {IT_F32, IT_F64, IT_F16, IT_I32, IT_I64, IT_U32, IT_U64};
    (void)state;
    for (size_t k = 0; k < IT_LEN(types); k++) {
        cum_case(types[k], 1, 0, 0, VALUES(1, 3, 6, 4, 9, 15));
        cum_case(types[k], -1, 1, 0, VALUES(0, 1, 3, 0, 4, 9));
        cum_case(types[k], 1, 0, 1, VALUES(6, 5, 3, 15, 11, 6));
        cum_case(types[k], -1, 1, 1, VALUES(5, 3, 0, 11, 6, 0));
        cum_case(types[k], 0, 0, 0, VALUES(1, 2, 3, 5, 7, 9));
        cum_case(types[k], -2, 1, 1, VALUES(4, 5, 6, 0, 0, 0));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reduce), cmocka_unit_test(test_reduce_edges), cmocka_unit_test(test_reduce_refusals),
        cmocka_unit_test(test_arg),    cmocka_unit_test(test_cum_sum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
