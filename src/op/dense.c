/* SPDX-License-Identifier: Apache-2.0 */
/* dense.c: lowering of matrix products with constant weights to the dense instruction, and their type check. */
#include <string.h>

#include "op/dense.h"
#include "op/move.h"
#include "op/operand.h"

intact_status it_dense_check_type(const it_node *n, const it_tensor *a, const it_tensor *b, intact_error *err)
{
    static const bool OK[IT_TYPE_COUNT] = { [IT_F16] = true, [IT_F32] = true, [IT_F64] = true, [IT_I32] = true, [IT_U32] = true,
                                            [IT_I64] = true, [IT_U64] = true };
    if (a->type == b->type && OK[a->type])
        return INTACT_OK;
    return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "inputs of type %s and %s; the same one of float16, float, double, int32, uint32, "
                        "int64, uint64 is needed", it_type_name(a->type), it_type_name(b->type));
}

bool it_dense_linear(const it_node *n, const it_tensor *x, int out_axis, it_linear *out)
{
    const it_tensor *w = &n->in[1]->t;
    if (w->rank != 2 || x->rank != 2)
        return false;
    *out = (it_linear){ .groups = 1, .in_c = w->dim[1 - out_axis], .out_c = w->dim[out_axis], .in_h = 1, .in_w = 1, .out_h = 1, .out_w = 1, .kh = 1,
                        .kw = 1, .stride_h = 1, .stride_w = 1, .dil_h = 1, .dil_w = 1 };
    return true;
}

/* Weight codes as (O,K) with K in the order in which the runtime holds source's bytes, parts side by side; negated when alpha is negative. */
static void gather(const it_dense_lower *d, const it_weight_parts *parts, const it_tensor *source, int8_t *to)
{
    int64_t channels = source->rank >= 3 ? source->dim[1] : d->k, spatial = d->k / channels;
    for (int64_t i = 0; i < d->out_c * parts->len; i++)
        for (int64_t c = 0; c < channels; c++)
            for (int64_t s = 0; s < spatial; s++) {
                int64_t o = i / parts->len, p = i % parts->len;
                int8_t w = parts->codes[p * d->out_c * d->k + o * d->out_stride + (c * spatial + s) * d->k_stride];
                to[(o * d->k + s * channels + c) * parts->len + p] = d->alpha < 0 ? (int8_t)-w : w;
            }
}

static intact_status emit(it_lower *lw, const it_node *n, const it_dense_lower *d, const it_weight_parts *parts, int8_t *weight, intact_error *err)
{
    const it_value *x = n->in[0], *y = n->out[0];
    const it_value *source = it_lower_dense_source(lw, x);
    it_dense_args a = { IT_NO_LEVELS };
    it_mac_consts k;
    uint32_t in, out;
    IT_TRY(it_lower_tensor(lw, source, &in, err));
    IT_TRY(it_lower_tensor(lw, y, &out, err)); /* of any rank: the instruction counts elements */
    IT_TRY(it_lower_repeat(lw, n, in, parts->len, &in, err));
    gather(d, parts, &source->t, weight);
    IT_TRY(it_lower_mac(lw, n, weight, d->out_c, d->k * parts->len, false, &parts->q, d->bias, x->q, y->q, &k, err));
    a.weight = k.weight, a.bias = k.bias, a.mult = k.mult, a.shift = k.shift;
    a.thresholds = k.thresholds, a.levels = k.levels;
    a.lo = k.lo, a.hi = k.hi, a.acc64 = k.acc64;
    return it_lower_emit(lw, &it_instr_dense, n->name, &in, 1, &out, 1, &a, err);
}

/* Rows to channels-last order by a copy, a convolution of one tap over them, and a copy back: (1, rows ..., k) is kept as (1, ..., k, row). */
static intact_status emit_rows(it_lower *lw, const it_node *n, const it_dense_lower *d, const it_weight_parts *parts, int8_t *weight, intact_error *err)
{
    const it_value *x = n->in[0], *y = n->out[0];
    it_conv_args a = { .group = 1, .kh = 1, .kw = 1, .stride_h = 1, .stride_w = 1, .dil_h = 1, .dil_w = 1, IT_NO_LEVELS };
    int64_t stride[IT_RANK_MAX], dim[IT_RANK_MAX], step[IT_RANK_MAX];
    int order[IT_RANK_MAX], rank = y->t.rank;
    uint32_t in, out, from, to, dims[3] = { 1, (uint32_t)d->rows, (uint32_t)d->k };
    it_mac_consts k;
    IT_TRY(it_lower_tensor(lw, x, &in, err));
    IT_TRY(it_lower_tensor(lw, y, &out, err));
    if (d->rows > INT32_MAX || it_tensor_len(&x->t) > INT32_MAX || it_tensor_len(&y->t) > INT32_MAX)
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "%lld rows of %lld; a tensor has at most 2^31 elements", (long long)d->rows,
                            (long long)d->k);
    gather(d, parts, &(it_tensor){ .rank = 2 }, weight);
    IT_TRY(it_lower_mac(lw, n, weight, d->out_c, d->k * parts->len, false, &parts->q, d->bias, x->q, y->q, &k, err));
    a.weight = k.weight, a.bias = k.bias, a.mult = k.mult, a.shift = k.shift;
    a.thresholds = k.thresholds, a.levels = k.levels;
    a.lo = k.lo, a.hi = k.hi, a.acc64 = k.acc64;
    IT_TRY(it_lower_temp(lw, x->name, x->q->type, 3, dims, x->q->scale[0], x->q->zero[0], &from, err));
    dims[2] = (uint32_t)d->out_c;
    IT_TRY(it_lower_temp(lw, y->name, y->q->type, 3, dims, y->q->scale[0], y->q->zero[0], &to, err));
    it_move_runtime_strides(&x->t, stride);
    IT_TRY(it_move_copy(lw, n, in, from, rank - 1, x->t.dim + 1, stride + 1, 0, err));
    IT_TRY(it_lower_repeat(lw, n, from, parts->len, &from, err));
    IT_TRY(it_lower_emit(lw, &it_instr_conv, n->name, &from, 1, &to, 1, &a, err));
    it_move_runtime_order(rank, order);
    for (int r = 1; r < rank; r++) {
        dim[r - 1] = y->t.dim[order[r]];
        step[r - 1] = 1;
        for (int i = order[r] + 1; i < rank; i++)
            step[r - 1] *= y->t.dim[i];
    }
    return it_move_copy(lw, n, to, out, rank - 1, dim, step, 0, err);
}

intact_status it_dense_lower_emit(it_lower *lw, const it_node *n, const it_dense_lower *d, intact_error *err)
{
    const it_quant *q = n->in[1]->q;
    double alpha = d->alpha < 0 ? -d->alpha : d->alpha;
    size_t bytes, scale_bytes = (size_t)q->len * sizeof(float);
    int8_t *weight;
    it_weight_parts parts;
    intact_status st;
    if (!(alpha > 0))
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "alpha is %g; the integer form needs a number other than 0", d->alpha);
    IT_TRY(it_lower_parts(lw, n, n->in[1], d->alpha < 0, &parts, err));
    if (parts.len == 1)
        parts.q.bits = q->bits; /* a channel has no more values than codes */
    bytes = (size_t)(d->out_c * d->k) * (size_t)parts.len;
    weight = it_alloc_new(lw->alloc, bytes);
    parts.q.scale = it_alloc_new(lw->alloc, scale_bytes);
    if (weight && parts.q.scale) {
        for (int64_t i = 0; i < q->len; i++)
            parts.q.scale[i] = (float)(q->scale[i] * alpha);
        st = d->rows > 1 ? emit_rows(lw, n, d, &parts, weight, err) : emit(lw, n, d, &parts, weight, err);
    } else {
        st = it_fail_nomem(err, n->name, bytes + scale_bytes);
    }
    it_alloc_free(lw->alloc, weight, bytes);
    it_alloc_free(lw->alloc, parts.q.scale, scale_bytes);
    return st;
}

/* ---- rounded operands ---- */

static intact_status round_second(it_products p, const intact_alloc *alloc, it_op_state **state, it_arena *scratch, uint64_t weights_at, const it_node *n,
                                  const float **b, int64_t len, intact_error *err)
{
    if (n->in[1]->is_const)
        return it_operand_weights(p, alloc, state, weights_at, n, b, len, err);
    return it_operand_of(p, scratch, n, b, len, err);
}

intact_status it_dense_round(it_run_ctx *c, const it_node *n, const float **a, int64_t a_len, const float **b, int64_t b_len, intact_error *err)
{
    if (c->products == IT_PRODUCTS_F32)
        return INTACT_OK;
    IT_TRY(it_operand_of(c->products, c->scratch, n, a, a_len, err));
    return round_second(c->products, c->alloc, c->state, c->scratch, c->weights_at, n, b, b_len, err);
}

intact_status it_dense_round_back(it_back_ctx *c, const it_node *n, const it_tensor *const *in, const it_tensor *dy, it_tensor to[3], intact_error *err)
{
    const it_tensor *from[3] = { in[0], in[1], dy };
    for (int k = 0; k < 3; k++) {
        const float *x = from[k]->data;
        to[k] = *from[k];
        if (c->products == IT_PRODUCTS_F32 || from[k]->type != IT_F32 || !x)
            continue;
        if (k == 1)
            IT_TRY(round_second(c->products, c->alloc, c->state, c->scratch, c->weights_at, n, &x, it_tensor_len(from[k]), err));
        else
            IT_TRY(it_operand_of(c->products, c->scratch, n, &x, it_tensor_len(from[k]), err));
        to[k].data = (float *)(uintptr_t)x; /* operands are not written */
    }
    return INTACT_OK;
}
