/* SPDX-License-Identifier: Apache-2.0 */
/* ReduceLogSumExp: y = the logarithm of the sum of e^x over the axes. */
#include "op/reduce.h"

#define real_INIT 0.0
#define REAL(a, v) ((a) + exp(v))
#define JOIN(a, b) ((a) + (b))
IT_REDUCE_STEPS(real, double, REAL, JOIN)

static double real_finish(double acc, int64_t count)
{
    (void)count;
    return log(acc);
}

/* The largest goes first: e^(x - max) does not overflow. */
#define largest_INIT (-INFINITY)
#define LARGEST(a, v) ((a) > (v) || (a) != (a) ? (a) : (v))
IT_REDUCE_STEPS(largest, double, LARGEST, LARGEST)
static const it_reduce_real FIRST = {largest_INIT, largest_fold, largest_each, NULL, NULL};
static const it_reduce_real ON_REALS = {real_INIT, real_fold, real_each, real_finish, &FIRST};

IT_REDUCE_FORWARD(reduce_log_sum_exp, &ON_REALS, NULL)

const it_op it_op_reduce_log_sum_exp = {
    IT_REDUCE_FIELDS(reduce_log_sum_exp), .onnx = "ReduceLogSumExp", .parse = it_reduce_parse, .infer = it_reduce_infer,
    .hint = "in integers only ReduceMean and ReduceMax over the spatial axes run",
};
