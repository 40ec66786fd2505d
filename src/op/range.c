/* SPDX-License-Identifier: Apache-2.0 */
/* range: start, start + delta, ... up to but not including limit. */
#include <math.h>

#include "op/elem.h"

static intact_status range_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    IT_TRY(it_elem_check_same(n, in, 3, IT_T_FLOAT | IT_T(IT_I16) | IT_T(IT_I32) | IT_T(IT_I64), err));
    out[0].type = in[0]->type;
    out[0].rank = IT_RANK_UNKNOWN;
    for (int k = 0; k < 3; k++) {
        if (it_tensor_len(in[k]) != 1) return it_node_fail(n, err, INTACT_E_SHAPE, "input %d must be one number", k);
        if (!in[k]->data) return INTACT_OK;
    }
    double from = it_tensor_get(in[0], 0), to = it_tensor_get(in[1], 0), step = it_tensor_get(in[2], 0);
    double len = ceil((to - from) / step);
    if (step == 0 || !(len < 0x1p40))
        return it_node_fail(n, err, INTACT_E_SHAPE,
                            "from %g to %g in steps of %g is not a range of fewer than 2^40 elements", from, to, step);
    out[0].rank = 1;
    out[0].dim[0] = len > 0 ? (int64_t)len : 0;
    return INTACT_OK;
}

static intact_status range_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out, intact_error *err)
{
    (void)c;
    (void)n;
    (void)err;
    int64_t len = out[0]->dim[0];
    if (out[0]->type == IT_I64) { /* beyond 2^53 a double would not do; the sums wrap */
        uint64_t from = (uint64_t)it_tensor_get_int(in[0], 0), step = (uint64_t)it_tensor_get_int(in[2], 0);
        for (int64_t i = 0; i < len; i++) ((uint64_t *)out[0]->data)[i] = from + (uint64_t)i * step;
    } else if (out[0]->type == IT_F32) {
        float from = *(const float *)in[0]->data, step = *(const float *)in[2]->data;
        for (int64_t i = 0; i < len; i++) ((float *)out[0]->data)[i] = from + (float)i * step;
    } else {
        double from = it_tensor_get(in[0], 0), step = it_tensor_get(in[2], 0);
        for (int64_t i = 0; i < len; i++) it_tensor_set(out[0], i, from + (double)i * step);
    }
    return INTACT_OK;
}

const it_op it_op_range = {
    .name = "range", .onnx = "Range", .since = 11,
    .in_min = 3, .in_max = 3, .out_min = 1, .out_max = 1,
    .infer = range_infer, .forward = range_forward,
    .hint = "fix the input's shape, so that it is computed when the network is read, or store a constant",
};
