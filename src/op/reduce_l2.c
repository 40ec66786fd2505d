/* SPDX-License-Identifier: Apache-2.0 */
/* ReduceL2: y = the root of the sum of squares over the axes. */
#include "op/reduce.h"

#define real_INIT 0.0
#define REAL(a, v) ((a) + (v) * (v))
#define JOIN(a, b) ((a) + (b))
IT_REDUCE_STEPS(real, double, REAL, JOIN)

static double real_finish(double acc, int64_t count)
{
    (void)count;
    return sqrt(acc);
}

static const it_reduce_real ON_REALS = {real_INIT, real_fold, real_each, real_finish, NULL};

IT_REDUCE_FORWARD(reduce_l2, &ON_REALS, NULL)

const it_op it_op_reduce_l2 = {
    IT_REDUCE_FIELDS(reduce_l2), .onnx = "ReduceL2", .parse = it_reduce_parse, .infer = it_reduce_infer,
    .hint = "in integers only ReduceMean and ReduceMax over the spatial axes run",
};
