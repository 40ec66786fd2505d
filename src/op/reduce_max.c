/* SPDX-License-Identifier: Apache-2.0 */
/* ReduceMax: y = the largest over the axes; NaN when one is. In integers: global max pooling. */
#include "op/reduce.h"

#define real_INIT -INFINITY
#define REAL(a, v) ((a) > (v) || (a) != (a) ? (a) : (v))
#define JOIN(a, b) ((a) > (b) || (a) != (a) ? (a) : (b))
IT_REDUCE_STEPS(real, double, REAL, JOIN)
#define whole_INIT INT64_MIN
#define WHOLE(a, v) ((a) > (v) ? (a) : (v))
IT_REDUCE_STEPS(whole, int64_t, WHOLE, WHOLE)

static const it_reduce_real ON_REALS = {real_INIT, real_fold, real_each, NULL, NULL};
static const it_reduce_int ON_INTS = {whole_INIT, whole_fold, whole_each, NULL, true};

IT_REDUCE_FORWARD(reduce_max, &ON_REALS, &ON_INTS)

static intact_status reduce_max_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    uint32_t bytes = n->opset >= 12 ? IT_T(IT_I8) | IT_T(IT_U8) : 0, bools = n->opset >= 20 ? IT_T(IT_BOOL) : 0;
    return it_reduce_infer_types(n, in, IT_T_WIDE | bytes | bools, out, err);
}

/* The pool gives x's rank; dimensions that are not kept go in a requantization, which is exact when the scales agree. */
static intact_status emit_pool(it_lower *lw, const it_node *n, uint32_t tx, uint32_t y, intact_error *err)
{
    const it_value *x = n->in[0];
    it_maxpool_args a = {.kh = x->t.rank == 4 ? (uint32_t)x->t.dim[2] : 1, .kw = (uint32_t)x->t.dim[x->t.rank - 1],
                         .stride_h = 1, .stride_w = 1, .dil_h = 1, .dil_w = 1};
    it_clamp_codes(x->q, n->clamp_lo, n->clamp_hi, &a.lo, &a.hi);
    return it_lower_emit(lw, &it_instr_maxpool, n->name, &tx, 1, &y, 1, &a, err);
}

static intact_status reduce_max_lower(it_lower *lw, const it_node *n, intact_error *err)
{
    const it_value *x = n->in[0], *out = n->out[0];
    if (!it_reduce_is_spatial(n))
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED,
                            "the integer form needs constant axes, and exactly those behind batch and channel");
    uint32_t tx, ty, mid, channels = (uint32_t)x->t.dim[1], dims[4] = {1, 1, 1, 1};
    IT_TRY(it_lower_tensor(lw, x, &tx, err));
    IT_TRY(it_lower_tensor(lw, out, &ty, err));
    bool same = it_lower_same_quant(x->q, out->q);
    if (same && out->t.rank == x->t.rank) return emit_pool(lw, n, tx, ty, err);
    dims[x->t.rank - 1] = channels;
    IT_TRY(it_lower_temp(lw, out->name, x->q->type, (uint32_t)x->t.rank, dims, x->q->scale[0], x->q->zero[0], &mid, err));
    IT_TRY(emit_pool(lw, n, tx, mid, err));
    return it_lower_requantize(lw, n, mid, x->q, out, err);
}

const it_op it_op_reduce_max = {
    IT_REDUCE_FIELDS(reduce_max), .onnx = "ReduceMax", .parse = it_reduce_parse, .infer = reduce_max_infer,
    .lower = reduce_max_lower,
    .quant = { .out = IT_Q_SAME, .in_types = IT_LUT_TYPES, .out_types = IT_LUT_TYPES },
};
