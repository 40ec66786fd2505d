/* SPDX-License-Identifier: Apache-2.0 */
/* ReduceMean: y = the mean over the axes. In integers: global average pooling. */
#include "op/reduce.h"

#define real_INIT 0.0
#define REAL(a, v) ((a) + (v))
#define JOIN(a, b) ((a) + (b))
IT_REDUCE_STEPS(real, double, REAL, JOIN)
#define whole_INIT 0
#define WHOLE(a, v) ((int64_t)((uint64_t)(a) + (uint64_t)(v)))
IT_REDUCE_STEPS(whole, int64_t, WHOLE, WHOLE)

static double real_finish(double acc, int64_t count)
{
    return acc / (double)count;
}

static int64_t whole_finish(int64_t acc, int64_t count) { return count ? acc / count : 0; }

static const it_reduce_real ON_REALS = {real_INIT, real_fold, real_each, real_finish, NULL};
static const it_reduce_int ON_INTS = {whole_INIT, whole_fold, whole_each, whole_finish, false};

IT_REDUCE_FORWARD(reduce_mean, &ON_REALS, &ON_INTS)

static intact_status reduce_mean_lower(it_lower *lw, const it_node *n, intact_error *err)
{
    const it_value *x = n->in[0], *out = n->out[0];
    if (!it_reduce_is_spatial(n))
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED,
                            "the integer form needs constant axes, and exactly those behind batch and channel");
    int64_t h = x->t.rank == 4 ? x->t.dim[2] : 1, w = x->t.dim[x->t.rank - 1];
    uint32_t tx, ty;
    it_mult m;
    IT_TRY(it_lower_tensor(lw, x, &tx, err));
    IT_TRY(it_lower_tensor(lw, out, &ty, err));
    it_avgpool_args a = {.kh = (uint32_t)h, .kw = (uint32_t)w, .stride_h = 1, .stride_w = 1};
    IT_TRY(it_mult_of((double)x->q->scale[0] / (double)out->q->scale[0] / ((double)h * (double)w), 31, &m, n->name, err));
    IT_TRY(it_lower_const(lw, INTACT_S32, 1, &m.m, &a.mult, err));
    IT_TRY(it_lower_const(lw, INTACT_S32, 1, &m.s, &a.shift, err));
    it_clamp_codes(out->q, n->clamp_lo, n->clamp_hi, &a.lo, &a.hi);
    return it_lower_emit(lw, &it_instr_avgpool, n->name, &tx, 1, &ty, 1, &a, err);
}

IT_REDUCE_BACK(reduce_mean, true)

const it_op it_op_reduce_mean = {
    IT_REDUCE_FIELDS(reduce_mean), .onnx = "ReduceMean", .parse = it_reduce_parse, .infer = it_reduce_infer,
    .lower = reduce_mean_lower,
    .quant = { .role = IT_ROLE_POOL, .out = IT_Q_FREE, .in_types = IT_LUT_TYPES, .out_types = IT_LUT_TYPES },
    .back = &reduce_mean_back,
};
