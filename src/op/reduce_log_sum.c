/* SPDX-License-Identifier: Apache-2.0 */
/* ReduceLogSum: y = the logarithm of the sum over the axes. */
#include "op/reduce.h"

#define real_INIT 0.0
#define REAL(a, v) ((a) + (v))
#define JOIN(a, b) ((a) + (b))
IT_REDUCE_STEPS(real, double, REAL, JOIN)

static double real_finish(double acc, int64_t count)
{
    (void)count;
    return log(acc);
}

static const it_reduce_real ON_REALS = {real_INIT, real_fold, real_each, real_finish, NULL};

IT_REDUCE_FORWARD(reduce_log_sum, &ON_REALS, NULL)

const it_op it_op_reduce_log_sum = {
    IT_REDUCE_FIELDS(reduce_log_sum), .onnx = "ReduceLogSum", .parse = it_reduce_parse, .infer = it_reduce_infer,
    .hint = "in integers only ReduceMean and ReduceMax over the spatial axes run",
};
