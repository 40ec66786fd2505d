/* SPDX-License-Identifier: Apache-2.0 */
/* Pow: y = a^b, of a's type whatever b's is. Integer powers wrap; a negative power of an integer truncates toward zero. */
#include <math.h>

#include "op/binary.h"

/* x^e for integers, by squaring; e < 0 leaves only 1 / 1, 1 / -1 and, by convention, 1 / 0 = 0. */
static int64_t pow_int(int64_t x, int64_t e)
{
    if (e < 0) return x == 1 ? 1 : x == -1 ? (e & 1 ? -1 : 1) : 0;
    uint64_t base = (uint64_t)x, y = 1;
    for (; e; e >>= 1) {
        if (e & 1) y *= base;
        base *= base;
    }
    return (int64_t)y;
}

IT_BINARY(pow_f32, float, powf(x, z))
IT_BINARY(pow_f64, double, pow(x, z))
IT_BINARY(pow_i64, int64_t, pow_int(x, z))
static it_binary_table TABLE = {[IT_F32] = pow_f32, [IT_F64] = pow_f64, [IT_I64] = pow_i64};

IT_BINARY(square_f32, float, ((void)z, x * x))
IT_BINARY(root_f32, float, ((void)z, sqrtf(x)))
static it_binary_table SQUARE = {[IT_F32] = square_f32}, ROOT = {[IT_F32] = root_f32};

IT_BINARY_SCALARS(pow, pow(x, z))

static intact_status pow_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    uint32_t base = n->opset < 12 ? IT_T_FLOAT : IT_T_FLOAT | IT_T(IT_I32) | IT_T(IT_I64);
    IT_TRY(it_elem_check(n, in, 0, base, err));
    IT_TRY(it_elem_check(n, in, 1, n->opset < 12 ? IT_T_FLOAT : IT_T_NUMBER, err));
    out[0].type = in[0]->type;
    return it_broadcast(n, in, 2, &out[0], err);
}

/* Powers that have no common type: through double, for integers with a fraction in the exponent. */
static intact_status pow_cast(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *out, it_type type, intact_error *err)
{
    it_tensor a, b, y = *out;
    IT_TRY(it_elem_cast(c, n, in[0], type, &a, err));
    IT_TRY(it_elem_cast(c, n, in[1], type, &b, err));
    y.type = type;
    int64_t len = it_tensor_len(&y);
    if (type != out->type) IT_TRY(it_elem_scratch(c, n, (size_t)len, it_type_bytes(type), &y.data, err));
    IT_TRY(it_binary_forward(c, n, &a, &b, &y, TABLE, err));
    if (type == out->type) return INTACT_OK;
    if (type == IT_F32)
        it_elem_narrow(y.data, out->data, len);
    else if (type == IT_I64) /* to int32, keeping the low bits */
        for (int64_t i = 0; i < len; i++) ((int32_t *)out->data)[i] = (int32_t)((const int64_t *)y.data)[i];
    else
        for (int64_t i = 0; i < len; i++) it_tensor_set(out, i, it_tensor_get(&y, i));
    return INTACT_OK;
}

static intact_status pow_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out, intact_error *err)
{
    bool ints = !it_type_is_float(in[0]->type), whole = !it_type_is_float(in[1]->type);
    if (in[0]->type == IT_F32 && it_tensor_len(in[1]) == 1) { /* the powers that networks use */
        double e = it_tensor_get(in[1], 0);
        it_tensor one = *in[1];
        one.type = IT_F32;
        one.data = &(float){(float)e};
        if (e == 2.0) return it_binary_forward(c, n, in[0], &one, out[0], SQUARE, err);
        if (e == 0.5) return it_binary_forward(c, n, in[0], &one, out[0], ROOT, err);
    }
    return pow_cast(c, n, in, out[0], ints ? (whole ? IT_I64 : IT_F64) : in[0]->type == IT_F64 ? IT_F64 : IT_F32, err);
}

static intact_status pow_lower(it_lower *lw, const it_node *n, intact_error *err)
{
    return it_lower_channel_table(lw, n, pow_with_right, pow_with_left, err);
}

const it_op it_op_pow = {
    .name = "pow", .onnx = "Pow", .since = 7, .in_min = 2, .in_max = 2, .out_min = 1, .out_max = 1,
    .infer = pow_infer, .forward = pow_forward, .lower = pow_lower,
    .quant = IT_BINARY_QUANT,
    .layout = IT_LAYOUT_ANY,
};
