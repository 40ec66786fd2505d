/* SPDX-License-Identifier: Apache-2.0 */
/* test_type.c: element types, half precision, tensors element by element, multipliers. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "ir/ir.h"

static float bits_to_f32(uint32_t b)
{
    float f;
    memcpy(&f, &b, 4);
    return f;
}

/* Every half goes to single and back unchanged; NaNs stay NaNs. */
static void half_round_trip(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 65536; h++) {
        float f = it_f16_to_f32((uint16_t)h);
        if ((h & 0x7c00) == 0x7c00 && (h & 0x3ff)) {
            assert_true(isnan(f));
            assert_true(isnan(it_f16_to_f32(it_f32_to_f16(f))));
        } else {
            assert_int_equal(it_f32_to_f16(f), h);
        }
    }
}

/* Nearest, ties to even: around the middle of every two neighbouring halves. */
static void half_rounds_to_nearest(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 0x7c00; h++) {
        double lo = (double)it_f16_to_f32((uint16_t)h), hi = h == 0x7bff ? 65536.0 : (double)it_f16_to_f32((uint16_t)(h + 1));
        float mid = (float)((lo + hi) / 2); /* exact */
        assert_int_equal(it_f32_to_f16(mid), h & 1 ? h + 1 : h);
        assert_int_equal(it_f32_to_f16(nextafterf(mid, 0)), h);
        assert_int_equal(it_f32_to_f16(nextafterf(mid, INFINITY)), h + 1);
        assert_int_equal(it_f32_to_f16(-nextafterf(mid, 0)), h | 0x8000);
    }
    assert_int_equal(it_f32_to_f16(bits_to_f32(1)), 0);
    assert_int_equal(it_f32_to_f16(INFINITY), 0x7c00);
}

/* From double there is one rounding only: just above a tie goes up though single precision sees the tie. */
static void double_to_half_rounds_once(void **state)
{
    (void)state;
    uint16_t h;
    it_tensor t = {.type = IT_F16, .rank = 0, .data = &h};
    it_tensor_set(&t, 0, 1.0 + 0x1p-11 + 0x1p-40);
    assert_int_equal(h, 0x3c01);
    it_tensor_set(&t, 0, 1.0 + 0x1p-11);
    assert_int_equal(h, 0x3c00);
    it_tensor_set(&t, 0, -(1.0 + 3 * 0x1p-11 - 0x1p-40));
    assert_int_equal(h, 0xbc01);
    it_tensor_set(&t, 0, 1e300);
    assert_int_equal(h, 0x7c00);
    it_tensor_set(&t, 0, 65519.999999999);
    assert_int_equal(h, 0x7bff);
}

static void elements(void **state)
{
    (void)state;
    uint64_t mem[2];
    for (int type = 0; type < IT_TYPE_COUNT; type++) {
        it_tensor t = {.type = (it_type)type, .rank = 1, .dim = {2}, .data = mem};
        it_tensor_set(&t, 0, 1);
        it_tensor_set(&t, 1, 0);
        assert_true(it_tensor_get(&t, 0) == 1 && it_tensor_get_int(&t, 0) == 1 && it_tensor_get(&t, 1) == 0);
        assert_int_equal(it_tensor_bytes(&t), 2 * it_type_bytes(t.type));
    }
    it_tensor t = {.type = IT_U64, .rank = 1, .dim = {2}, .data = mem};
    it_tensor_set(&t, 0, 0x1p63);
    assert_true(mem[0] == (uint64_t)1 << 63 && it_tensor_get(&t, 0) == 0x1p63);
    it_tensor_set(&t, 0, 1e30);
    assert_true(mem[0] == UINT64_MAX);
    t.type = IT_I64;
    it_tensor_set(&t, 0, 1e30);
    assert_true((int64_t)mem[0] == INT64_MAX);
    it_tensor_set(&t, 0, (double)NAN);
    assert_true(mem[0] == 0);
    t.type = IT_I8;
    it_tensor_set(&t, 0, -3.9);
    assert_int_equal(it_tensor_get_int(&t, 0), -3);
    t.type = IT_U8;
    it_tensor_set(&t, 0, 257);
    assert_int_equal(it_tensor_get_int(&t, 0), 1);
}

static void shapes(void **state)
{
    (void)state;
    intact_error err;
    char buf[64];
    it_tensor t = {.type = IT_F32, .rank = 4, .dim = {1, 3, 224, 224}};
    assert_string_equal(it_tensor_print(&t, buf, sizeof buf), "float[1,3,224,224]");
    assert_string_equal(it_tensor_print(&t, buf, 9), "float[1,");
    assert_int_equal(it_shape_check(&t, "x", &err), INTACT_OK);
    t.dim[2] = -1;
    assert_int_equal(it_shape_check(&t, "x", &err), INTACT_E_SHAPE);
    assert_non_null(strstr(err.message, "dimension 2 is -1"));
    t = (it_tensor){.rank = 2, .dim = {(int64_t)1 << 20, (int64_t)1 << 20}};
    assert_int_equal(it_shape_check(&t, "x", &err), INTACT_OK);
    t.dim[1]++;
    assert_int_equal(it_shape_check(&t, "x", &err), INTACT_E_SHAPE);
    t = (it_tensor){.rank = 3, .dim = {0, INT64_MAX, INT64_MAX}}; /* a zero does not excuse the rest */
    assert_int_equal(it_shape_check(&t, "x", &err), INTACT_E_SHAPE);
    t = (it_tensor){.rank = 3, .dim = {0, 7, 0}};
    assert_int_equal(it_shape_check(&t, "x", &err), INTACT_OK);
    assert_int_equal(it_tensor_len(&t), 0);
    t = (it_tensor){.rank = IT_RANK_MAX + 1};
    assert_int_equal(it_shape_check(&t, "x", &err), INTACT_E_UNSUPPORTED);
    it_tensor scalar = {.rank = 0};
    assert_int_equal(it_tensor_len(&scalar), 1);
}

static void onnx_types(void **state)
{
    (void)state;
    it_type type;
    for (int t = 0; t < IT_TYPE_COUNT; t++) {
        assert_true(it_type_of_onnx(it_type_to_onnx((it_type)t), &type) && type == (it_type)t);
        assert_string_equal(it_type_onnx_name(it_type_to_onnx((it_type)t)), it_type_name((it_type)t));
    }
    assert_false(it_type_of_onnx(16, &type));
    assert_string_equal(it_type_onnx_name(16), "bfloat16");
    assert_false(it_type_of_onnx(-1, &type) || it_type_of_onnx(0, &type) || it_type_of_onnx(INT64_MAX, &type));
}

/* |m * 2^-s - real| <= 2^-bits * |real|, in the ranges that the runtime asks for. */
static void check_mult(double real, int bits)
{
    it_mult m;
    intact_error err;
    assert_int_equal(it_mult_of(real, bits, &m, "x", &err), INTACT_OK);
    assert_in_range(m.s, 1, 62);
    assert_true(fabs((double)m.m) >= ldexp(1, bits - 1) && fabs((double)m.m) < ldexp(1, bits));
    assert_true(fabs(ldexp((double)m.m, -m.s) - real) <= fabs(real) * ldexp(1, -bits));
}

static void multipliers(void **state)
{
    (void)state;
    intact_error err;
    it_mult m;
    for (int e = -31; e < 29; e++)
        for (int k = 0; k < 64; k++) {
            double real = ldexp(1 + k / 64.0, e);
            check_mult(real, 31);
            check_mult(-real * (1 - 0x1p-40), 31);
            if (e < 13) check_mult(real, 15);
        }
    check_mult(1 - 0x1p-50, 31); /* rounds up to a power of two */
    check_mult(0x1p30 - 1, 31);
    assert_int_equal(it_mult_of(0x1p-33, 31, &m, "x", &err), INTACT_OK);
    assert_true(m.m == 0 && m.s >= 1 && m.s <= 62);
    assert_int_equal(it_mult_of(0, 15, &m, "x", &err), INTACT_OK);
    assert_true(m.m == 0 && m.s >= 1 && m.s <= 62);
    assert_int_equal(it_mult_of(0x1p30, 31, &m, "x", &err), INTACT_E_UNSUPPORTED);
    assert_int_equal(it_mult_of(0x1p30 - 0x1p-4, 31, &m, "x", &err), INTACT_E_UNSUPPORTED); /* rounds up to 2^30 */
    assert_int_equal(it_mult_of((double)NAN, 31, &m, "x", &err), INTACT_E_UNSUPPORTED);
    assert_int_equal(it_mult_of((double)INFINITY, 15, &m, "x", &err), INTACT_E_UNSUPPORTED);
    assert_int_equal(it_mult_of(1, 30, &m, "x", &err), INTACT_E_ARG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(half_round_trip), cmocka_unit_test(half_rounds_to_nearest), cmocka_unit_test(double_to_half_rounds_once),
        cmocka_unit_test(elements),        cmocka_unit_test(shapes),                 cmocka_unit_test(onnx_types),
        cmocka_unit_test(multipliers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
