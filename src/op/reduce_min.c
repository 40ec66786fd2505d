/* SPDX-License-Identifier: Apache-2.0 */
/* ReduceMin: y = the smallest over the axes; NaN when one is. */
#include "op/reduce.h"

#define real_INIT INFINITY
#define REAL(a, v) ((a) < (v) || (a) != (a) ? (a) : (v))
#define JOIN(a, b) ((a) < (b) || (a) != (a) ? (a) : (b))
IT_REDUCE_STEPS(real, double, REAL, JOIN)
#define whole_INIT INT64_MAX
#define WHOLE(a, v) ((a) < (v) ? (a) : (v))
IT_REDUCE_STEPS(whole, int64_t, WHOLE, WHOLE)

static const it_reduce_real ON_REALS = {real_INIT, real_fold, real_each, NULL, NULL};
static const it_reduce_int ON_INTS = {whole_INIT, whole_fold, whole_each, NULL, true};

IT_REDUCE_FORWARD(reduce_min, &ON_REALS, &ON_INTS)

static intact_status reduce_min_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    uint32_t bytes = n->opset >= 12 ? IT_T(IT_I8) | IT_T(IT_U8) : 0, bools = n->opset >= 20 ? IT_T(IT_BOOL) : 0;
    return it_reduce_infer_types(n, in, IT_T_WIDE | bytes | bools, out, err);
}

const it_op it_op_reduce_min = {
    IT_REDUCE_FIELDS(reduce_min), .onnx = "ReduceMin", .parse = it_reduce_parse, .infer = reduce_min_infer,
    .hint = "in integers only ReduceMean and ReduceMax over the spatial axes run",
};
