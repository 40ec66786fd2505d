/* SPDX-License-Identifier: Apache-2.0 */
/* CumSum: sums of the elements up to each one along an axis (without itself when exclusive; from the end when reverse). */
#include <string.h>

#include "op/elem.h"

typedef struct cum_sum_args { int64_t exclusive, reverse; } cum_sum_args;

static intact_status cum_sum_parse(it_parse *p)
{
    cum_sum_args *a = p->n->args;
    IT_TRY(it_attr_int(p, "exclusive", 0, &a->exclusive));
    return it_attr_int(p, "reverse", 0, &a->reverse);
}

static intact_status cum_sum_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    IT_TRY(it_elem_check(n, in, 0, IT_T_WIDE, err));
    IT_TRY(it_elem_check(n, in, 1, IT_T(IT_I32) | IT_T(IT_I64), err));
    if (in[1]->rank > 1 || it_tensor_len(in[1]) != 1)
        return it_node_fail(n, err, INTACT_E_SHAPE, "the axis has %lld elements; it must be a scalar", (long long)it_tensor_len(in[1]));
    int axis;
    if (in[1]->data) IT_TRY(it_axis(n, it_tensor_get_int(in[1], 0), in[0]->rank, &axis, err));
    it_shape_copy(&out[0], in[0]);
    return INTACT_OK;
}

/* len rows of inner elements, rows step apart in the order of summing: inner sums run side by side. */
#define CUM(id, suffix, T)                                                                                                        \
    static void cum_##suffix(const T *x, T *y, int64_t len, int64_t step, int64_t inner, bool exclusive)                          \
    {                                                                                                                             \
        for (int64_t i = 0; i < inner; i++) y[i] = exclusive ? 0 : x[i];                                                          \
        for (int64_t k = 1; k < len; k++) {                                                                                       \
            const T *before = y + (k - 1) * step, *add = x + (exclusive ? k - 1 : k) * step;                                      \
            T *to = y + k * step;                                                                                                 \
            for (int64_t i = 0; i < inner; i++) to[i] = before[i] + add[i];                                                       \
        }                                                                                                                         \
    }
IT_EACH_REAL(CUM)
CUM(IT_U32, u32, uint32_t)
CUM(IT_U64, u64, uint64_t)
#undef CUM

static intact_status cum_sum_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out, intact_error *err)
{
    const cum_sum_args *a = n->args;
    int axis;
    it_tensor x, y = *out[0];
    bool half = y.type == IT_F16;
    IT_TRY(it_axis(n, it_tensor_get_int(in[1], 0), in[0]->rank, &axis, err));
    if (it_tensor_len(&y) == 0) return INTACT_OK;
    IT_TRY(it_elem_cast(c, n, in[0], half ? IT_F32 : y.type, &x, err));
    if (half) IT_TRY(it_elem_scratch(c, n, (size_t)it_tensor_len(&y), sizeof(float), &y.data, err));
    int64_t outer = 1, inner = 1, len = x.dim[axis];
    for (int k = 0; k < axis; k++) outer *= x.dim[k];
    for (int k = axis + 1; k < x.rank; k++) inner *= x.dim[k];
    int64_t first = a->reverse ? (len - 1) * inner : 0, step = a->reverse ? -inner : inner;
    for (int64_t o = 0; o < outer; o++) {
        int64_t at = o * len * inner + first;
        bool ex = a->exclusive != 0;
        switch (x.type) { /* signed sums wrap as unsigned ones do */
        case IT_F32: cum_f32((const float *)x.data + at, (float *)y.data + at, len, step, inner, ex); break;
        case IT_F64: cum_f64((const double *)x.data + at, (double *)y.data + at, len, step, inner, ex); break;
        case IT_I32:
        case IT_U32: cum_u32((const uint32_t *)x.data + at, (uint32_t *)y.data + at, len, step, inner, ex); break;
        default: cum_u64((const uint64_t *)x.data + at, (uint64_t *)y.data + at, len, step, inner, ex); break;
        }
    }
    if (half) it_elem_narrow(y.data, out[0]->data, it_tensor_len(&y));
    return INTACT_OK;
}

const it_op it_op_cum_sum = {
    .name = "cum_sum", .onnx = "CumSum", .since = 11, .in_min = 2, .in_max = 2, .out_min = 1, .out_max = 1,
    .args_bytes = sizeof(cum_sum_args), .parse = cum_sum_parse, .infer = cum_sum_infer, .forward = cum_sum_forward,
    .hint = "compute it outside the network",
};
