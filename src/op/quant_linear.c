/* SPDX-License-Identifier: Apache-2.0 */
/* Scales per tensor, axis and block; codes from reals. */
#include "op/quant_linear.h"

intact_status it_q_parse(it_parse *p)
{
    it_q_args *a = p->n->args;
    IT_TRY(it_attr_int(p, "axis", 1, &a->axis));
    IT_TRY(it_attr_int(p, "block_size", 0, &a->block));
    IT_TRY(it_attr_int(p, "output_dtype", 0, &a->dtype));
    if (a->block < 0) return it_node_fail(p->n, p->err, INTACT_E_FORMAT, "block_size is %lld", (long long)a->block);
    return INTACT_OK;
}

static intact_status fail_scale(const it_node *n, const it_tensor *const *in, const char *want, intact_error *err)
{
    char s[128], x[128];
    return it_node_fail(n, err, INTACT_E_SHAPE, "the scale is %s for %s; it must have %s", it_tensor_print(in[1], s, sizeof(s)),
                        it_tensor_print(in[0], x, sizeof(x)), want);
}

intact_status it_q_axis_of(const it_node *n, const it_tensor *const *in, it_q_axis *out, intact_error *err)
{
    const it_q_args *a = n->args;
    const it_tensor *x = in[0], *scale = in[1], *zero = it_elem_in(n, in, 2);
    int axis;
    if (zero && it_tensor_len(zero) != it_tensor_len(scale))
        return it_node_fail(n, err, INTACT_E_SHAPE, "%lld zero points for %lld scales; they must be as many",
                            (long long)it_tensor_len(zero),
                            (long long)it_tensor_len(scale));
    if (it_tensor_len(scale) == 1 && !a->block) {
        *out = (it_q_axis){1, 1, it_tensor_len(x), 0};
        return INTACT_OK;
    }
    IT_TRY(it_axis(n, a->axis, x->rank, &axis, err));
    *out = (it_q_axis){1, x->dim[axis], 1, a->block};
    for (int k = 0; k < axis; k++) out->outer *= x->dim[k];
    for (int k = axis + 1; k < x->rank; k++) out->inner *= x->dim[k];
    if (!a->block)
        return scale->rank == 1 && scale->dim[0] == out->len ? INTACT_OK : fail_scale(n, in, "one element, or one along the axis", err);
    bool fits = scale->rank == x->rank;
    for (int k = 0; k < x->rank && fits; k++)
        fits = scale->dim[k] == (k == axis ? (x->dim[k] - 1) / a->block + 1 : x->dim[k]) && x->dim[k] > 0;
    return fits ? INTACT_OK : fail_scale(n, in, "one element a block along the axis", err);
}

intact_status it_q_one(const it_node *n, const it_tensor *const *in, int k, const char *what, uint32_t types, intact_error *err)
{
    if (!it_elem_in(n, in, k)) return INTACT_OK;
    IT_TRY(it_elem_check(n, in, k, types, err));
    if (it_tensor_len(in[k]) != 1)
        return it_node_fail(n, err, INTACT_E_SHAPE, "the %s has %lld elements; it must be a scalar", what, (long long)it_tensor_len(in[k]));
    return INTACT_OK;
}

void it_q_limits(it_type t, float *lo, float *hi)
{
    *lo = t == IT_I4 ? -8 : t == IT_I8 ? -128 : t == IT_I16 ? -32768 : 0;
    *hi = t == IT_I4 ? 7 : t == IT_U4 ? 15 : t == IT_I8 ? 127 : t == IT_U8 ? 255 : t == IT_I16 ? 32767 : 65535;
}

#define EACH_CODE(X) X(IT_U4, uint8_t) X(IT_I4, int8_t) X(IT_U8, uint8_t) X(IT_I8, int8_t) X(IT_U16, uint16_t) X(IT_I16, int16_t)

void it_q_row(const float *x, void *y, it_type type, int64_t len, float scale, float zero)
{
    float lo, hi;
    it_q_limits(type, &lo, &hi);
    switch (type) {
#define ROW(id, T)                                                                                                                \
    case id:                                                                                                                      \
        IT_IVDEP for (int64_t i = 0; i < len; i++) ((T *)y)[i] = (T)(int32_t)it_q_code(x[i] / scale, zero, lo, hi);               \
        break;
        EACH_CODE(ROW)
#undef ROW
    default: break;
    }
}

void it_q_scale_row(const int32_t *acc, void *y, it_type type, int64_t len, float mult, float zero)
{
    float lo, hi;
    it_q_limits(type, &lo, &hi);
    switch (type) {
#define ROW(id, T)                                                                                                                \
    case id:                                                                                                                      \
        IT_IVDEP for (int64_t i = 0; i < len; i++) ((T *)y)[i] = (T)(int32_t)it_q_code((float)acc[i] * mult, zero, lo, hi);       \
        break;
        EACH_CODE(ROW)
#undef ROW
    default: break;
    }
}

void it_q_widen(const it_tensor *from, int64_t at, int64_t len, int32_t zero, int32_t *to)
{
    const uint8_t *u = (const uint8_t *)from->data + at;
    const int8_t *s = (const int8_t *)from->data + at;
    if (from->type == IT_U8)
        for (int64_t i = 0; i < len; i++) to[i] = u[i] - zero;
    else
        for (int64_t i = 0; i < len; i++) to[i] = s[i] - zero;
}
