/* SPDX-License-Identifier: Apache-2.0 */
/* ReduceSum: y = the sum over the axes. Integers wrap. */
#include "op/reduce.h"

#define real_INIT 0.0
#define REAL(a, v) ((a) + (v))
#define JOIN(a, b) ((a) + (b))
IT_REDUCE_STEPS(real, double, REAL, JOIN)
#define whole_INIT 0
#define WHOLE(a, v) ((int64_t)((uint64_t)(a) + (uint64_t)(v)))
IT_REDUCE_STEPS(whole, int64_t, WHOLE, WHOLE)

static const it_reduce_real ON_REALS = {real_INIT, real_fold, real_each, NULL, NULL};
static const it_reduce_int ON_INTS = {whole_INIT, whole_fold, whole_each, NULL, false};

IT_REDUCE_FORWARD(reduce_sum, &ON_REALS, &ON_INTS)

static intact_status reduce_sum_parse(it_parse *p) { return it_reduce_parse_since(p, 13); }

IT_REDUCE_BACK(reduce_sum, false)

const it_op it_op_reduce_sum = {
    IT_REDUCE_FIELDS(reduce_sum), .onnx = "ReduceSum", .parse = reduce_sum_parse, .infer = it_reduce_infer,
    .hint = "in integers only ReduceMean and ReduceMax over the spatial axes run",
    .back = &reduce_sum_back,
};
