/* SPDX-License-Identifier: Apache-2.0 */
/* Gemm in all its forms and numpy's matmul, every type, against triple loops. */
#include "op_nn/helpers.h"

static const it_type TYPES[] = { IT_F32, IT_F32, IT_F64, IT_F16, IT_I32, IT_I64, IT_U32, IT_U64 };

static void gemm_case(it_rng *r, it_type type)
{
    int64_t m = pick(r, 1, 9), n = pick(r, 1, 20), k = pick(r, 1, 30), ta = pick(r, 0, 1), tb = pick(r, 0, 1), form = pick(r, 0, 6);
    int64_t da[2] = { ta ? k : m, ta ? m : k }, db[2] = { tb ? n : k, tb ? k : n };
    int64_t dc[7][2] = { { 0 }, { m, n }, { 1, n }, { m, 1 }, { 1, 1 }, { n, 0 }, { 0, 0 } }; /* none, four of rank 2, (n), scalar */
    float alpha = it_type_is_float(type) ? (float)pick(r, -4, 4) / 2 : 1, beta = it_type_is_float(type) ? (float)pick(r, -4, 4) / 4 : 1;
    it_attr attrs[4] = { attr_float("alpha", alpha), attr_float("beta", beta), attr_int("transA", ta), attr_int("transB", tb) };
    it_tensor in[3];
    double *want = calloc((size_t)(m * n), sizeof(*want));
    bench b;
    bench_init(&b, "Gemm", 11);
    in[0] = bench_random(&b, r, type, 2, da);
    in[1] = bench_random(&b, r, type, 2, db);
    if (form)
        in[2] = bench_random(&b, r, type, form < 5 ? 2 : form == 5 ? 1 : 0, dc[form]);
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) {
            int64_t ci = form == 1 || form == 3 ? i : 0, cj = form == 1 || form == 2 || form == 5 ? j : 0;
            double sum = 0;
            for (int64_t l = 0; l < k; l++)
                sum += it_tensor_get(&in[0], ta ? l * m + i : i * k + l) * it_tensor_get(&in[1], tb ? j * k + l : l * n + j);
            want[i * n + j] = alpha * sum + (form ? beta * it_tensor_get(&in[2], form == 3 ? ci : ci * n + cj) : 0);
        }
    if (bench_run(&b, attrs, 4, in, form ? 3 : 2, 1, false, it_rng_below(r, 2)) != INTACT_OK)
        fail_msg("%s: %s", b.err.where, b.err.message);
    expect_near(&b.out[0], want, type == IT_F16 ? 2e-3 : 1e-5, type == IT_F16 ? 1e-2 : type == IT_F32 ? 1e-5 : 1e-9);
    free(want);
    bench_free(&b);
}

static void test_gemm(void **state)
{
    it_rng r;
    (void)state;
    it_rng_seed(&r, 21);
    for (int i = 0; i < 500; i++)
        gemm_case(&r, TYPES[i % 8]);
}

/* dims of a, b and y; rank 0 ends the list */
typedef struct mat_case { int ra; int64_t a[4]; int rb; int64_t b[4]; int ry; int64_t y[4]; } mat_case;
static const mat_case MATS[] = {
    { 2, { 3, 4 }, 2, { 4, 5 }, 2, { 3, 5 } },
    { 1, { 4 }, 1, { 4 }, 0, { 0 } },
    { 1, { 4 }, 2, { 4, 5 }, 1, { 5 } },
    { 2, { 3, 4 }, 1, { 4 }, 1, { 3 } },
    { 3, { 2, 3, 4 }, 2, { 4, 5 }, 3, { 2, 3, 5 } },
    { 3, { 2, 3, 4 }, 3, { 2, 4, 5 }, 3, { 2, 3, 5 } },
    { 3, { 1, 3, 4 }, 3, { 2, 4, 5 }, 3, { 2, 3, 5 } },
    { 2, { 3, 4 }, 3, { 2, 4, 5 }, 3, { 2, 3, 5 } },
    { 4, { 3, 1, 2, 4 }, 4, { 1, 2, 4, 5 }, 4, { 3, 2, 2, 5 } },
    { 4, { 3, 2, 2, 4 }, 3, { 1, 4, 5 }, 4, { 3, 2, 2, 5 } },
    { 3, { 2, 3, 4 }, 1, { 4 }, 2, { 2, 3 } },
    { 1, { 4 }, 3, { 2, 4, 5 }, 2, { 2, 5 } },
};

/* Position of stack index s (over y's leading dims) in t's leading dims. */
static int64_t lead(const it_tensor *t, int ry, const int64_t *dy, int64_t s)
{
    int rt = t->rank - 2;
    int64_t at = 0, step = 1;
    for (int d = 0; d < ry; d++) {
        int64_t len = dy[ry - 1 - d], i = s % len;
        s /= len;
        if (d < rt) {
            at += (t->dim[rt - 1 - d] == 1 ? 0 : i) * step;
            step *= t->dim[rt - 1 - d];
        }
    }
    return at;
}

static void test_matmul(void **state)
{
    it_rng r;
    (void)state;
    it_rng_seed(&r, 22);
    for (size_t i = 0; i < IT_LEN(MATS) * 8; i++) {
        const mat_case *c = &MATS[i / 8];
        it_type type = TYPES[i % 8];
        bench b;
        it_tensor in[2];
        int64_t m = c->ra > 1 ? c->a[c->ra - 2] : 1, k = c->a[c->ra - 1], n = c->rb > 1 ? c->b[c->rb - 1] : 1, stacks = 1;
        int ly = c->ry - (c->ra > 1) - (c->rb > 1);
        double *want;
        for (int d = 0; d < ly; d++)
            stacks *= c->y[d];
        bench_init(&b, "MatMul", 13);
        in[0] = bench_random(&b, &r, type, c->ra, c->a);
        in[1] = bench_random(&b, &r, type, c->rb, c->b);
        want = calloc((size_t)(stacks * m * n), sizeof(*want));
        for (int64_t s = 0; s < stacks; s++)
            for (int64_t e = 0; e < m * n * k; e++) {
                int64_t row = e / (n * k), col = e / k % n, l = e % k;
                want[(s * m + row) * n + col] += it_tensor_get(&in[0], (lead(&in[0], ly, c->y, s) * m + row) * k + l) *
                                                 it_tensor_get(&in[1], (lead(&in[1], ly, c->y, s) * k + l) * n + col);
            }
        assert_int_equal(bench_run(&b, NULL, 0, in, 2, 1, false, false), INTACT_OK);
        assert_int_equal(b.out[0].rank, c->ry);
        for (int d = 0; d < c->ry; d++)
            assert_int_equal(b.out[0].dim[d], c->y[d]);
        expect_near(&b.out[0], want, type == IT_F16 ? 2e-3 : 1e-5, type == IT_F16 ? 4e-3 : 1e-5);
        free(want);
        bench_free(&b);
    }
}

/* Integer products wrap as the machine's do. */
static void test_wraps(void **state)
{
    int64_t d[2] = { 1, 1 };
    bench b;
    it_tensor in[2];
    (void)state;
    bench_init(&b, "MatMul", 13);
    in[0] = bench_tensor(&b, IT_U64, 2, d);
    in[1] = bench_tensor(&b, IT_U64, 2, d);
    *(uint64_t *)in[0].data = UINT64_MAX - 1;
    *(uint64_t *)in[1].data = 3;
    assert_int_equal(bench_run(&b, NULL, 0, in, 2, 1, false, false), INTACT_OK);
    assert_true(*(uint64_t *)b.out[0].data == UINT64_MAX - 5);
    bench_free(&b);
}

static void test_refusals(void **state)
{
    int64_t da[2] = { 2, 3 }, db[2] = { 4, 5 }, dc[2] = { 3, 5 };
    it_attr trans = attr_int("transB", 1);
    bench b;
    it_tensor in[3];
    (void)state;
    bench_init(&b, "Gemm", 11);
    in[0] = bench_tensor(&b, IT_F32, 2, da);
    in[1] = bench_tensor(&b, IT_F32, 2, db);
    assert_int_not_equal(bench_run(&b, &trans, 1, in, 2, 1, false, false), INTACT_OK);
    assert_non_null(strstr(b.err.message, "inner"));
    bench_free(&b);
    bench_init(&b, "Gemm", 11);
    db[0] = 3;
    in[0] = bench_tensor(&b, IT_F32, 2, da);
    in[1] = bench_tensor(&b, IT_F32, 2, db);
    in[2] = bench_tensor(&b, IT_F32, 2, dc); /* (3,5) does not broadcast to (2,5) */
    assert_int_not_equal(bench_run(&b, NULL, 0, in, 3, 1, false, false), INTACT_OK);
    bench_free(&b);
    bench_init(&b, "MatMul", 13);
    in[0] = bench_tensor(&b, IT_F32, 2, dc);
    in[1] = bench_tensor(&b, IT_F32, 2, da);
    assert_int_not_equal(bench_run(&b, NULL, 0, in, 2, 1, false, false), INTACT_OK);
    assert_non_null(strstr(b.err.message, "inner dimensions 5 and 2"));
    bench_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_gemm), cmocka_unit_test(test_matmul), cmocka_unit_test(test_wraps),
                                        cmocka_unit_test(test_refusals) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
