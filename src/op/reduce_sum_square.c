/* SPDX-License-Identifier: Apache-2.0 */
/* ReduceSumSquare: y = the sum of squares over the axes. Integers wrap. */
#include "op/reduce.h"

#define real_INIT 0.0
#define REAL(a, v) ((a) + (v) * (v))
#define JOIN(a, b) ((a) + (b))
IT_REDUCE_STEPS(real, double, REAL, JOIN)
#define whole_INIT 0
#define WHOLE(a, v) ((int64_t)((uint64_t)(a) + (uint64_t)(v) * (uint64_t)(v)))
#define WHOLE_JOIN(a, b) ((int64_t)((uint64_t)(a) + (uint64_t)(b)))
IT_REDUCE_STEPS(whole, int64_t, WHOLE, WHOLE_JOIN)

static const it_reduce_real ON_REALS = {real_INIT, real_fold, real_each, NULL, NULL};
static const it_reduce_int ON_INTS = {whole_INIT, whole_fold, whole_each, NULL, false};

IT_REDUCE_FORWARD(reduce_sum_square, &ON_REALS, &ON_INTS)

const it_op it_op_reduce_sum_square = {
    IT_REDUCE_FIELDS(reduce_sum_square), .onnx = "ReduceSumSquare", .parse = it_reduce_parse, .infer = it_reduce_infer,
    .hint = "in integers only ReduceMean and ReduceMax over the spatial axes run",
};
