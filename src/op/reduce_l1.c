/* SPDX-License-Identifier: Apache-2.0 */
/* ReduceL1: y = the sum of magnitudes over the axes. */
#include "op/reduce.h"

#define real_INIT 0.0
#define REAL(a, v) ((a) + fabs(v))
#define JOIN(a, b) ((a) + (b))
IT_REDUCE_STEPS(real, double, REAL, JOIN)
#define whole_INIT 0
#define WHOLE(a, v) ((int64_t)((uint64_t)(a) + ((v) < 0 ? 0 - (uint64_t)(v) : (uint64_t)(v))))
#define WHOLE_JOIN(a, b) ((int64_t)((uint64_t)(a) + (uint64_t)(b)))
IT_REDUCE_STEPS(whole, int64_t, WHOLE, WHOLE_JOIN)

static const it_reduce_real ON_REALS = {real_INIT, real_fold, real_each, NULL, NULL};
static const it_reduce_int ON_INTS = {whole_INIT, whole_fold, whole_each, NULL, false};

IT_REDUCE_FORWARD(reduce_l1, &ON_REALS, &ON_INTS)

const it_op it_op_reduce_l1 = {
    IT_REDUCE_FIELDS(reduce_l1), .onnx = "ReduceL1", .parse = it_reduce_parse, .infer = it_reduce_infer,
    .hint = "in integers only ReduceMean and ReduceMax over the spatial axes run",
};
