/* SPDX-License-Identifier: Apache-2.0 */
/* lower_affine.c: y = weight x + bias with a pair per channel or per element, as a depthwise convolution of one tap. */
#include <math.h>
#include <string.h>

#include "op/lower.h"

#define IS_ZERO 0x1p-100 /* a smaller weight acts as 0 on any 16-bit code */

/* The convolution takes rank 3 and 4. What is not so, or has more channels than its last dimension, is seen as (1, rest, channels). */
static intact_status emit(it_lower *lw, const it_node *n, uint32_t x, uint32_t y, int64_t channels, const it_conv_args *args, intact_error *err)
{
    const it_ptensor tx = lw->prog->tensors.items[x], ty = lw->prog->tensors.items[y];
    if ((tx.rank == 3 || tx.rank == 4) && tx.dims[tx.rank - 1] == channels)
        return it_lower_emit(lw, &it_instr_dwconv, n->name, &x, 1, &y, 1, args, err);
    uint64_t rest = it_ptensor_elements(&tx) / (uint64_t)channels;
    if (rest > INT32_MAX)
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "%llu positions; at most 2^31 are possible", (unsigned long long)rest);
    uint32_t dims[3] = { 1, (uint32_t)rest, (uint32_t)channels }, a, b;
    it_copy_args flat = { .d0 = 1, .d1 = 1, .d2 = 1, .d3 = 1, .d4 = (uint32_t)rest, .d5 = (uint32_t)channels, .s4 = (int32_t)channels, .s5 = 1 };
    float sx, sy;
    memcpy(&sx, &tx.scale_bits, sizeof(sx));
    memcpy(&sy, &ty.scale_bits, sizeof(sy));
    IT_TRY(it_lower_temp(lw, tx.name, tx.type, 3, dims, sx, tx.zero_point, &a, err));
    IT_TRY(it_lower_temp(lw, ty.name, ty.type, 3, dims, sy, ty.zero_point, &b, err));
    IT_TRY(it_lower_emit(lw, &it_instr_copy, n->name, &x, 1, &a, 1, &flat, err));
    IT_TRY(it_lower_emit(lw, &it_instr_dwconv, n->name, &a, 1, &b, 1, args, err));
    return it_lower_emit(lw, &it_instr_copy, n->name, &b, 1, &y, 1, &flat, err);
}

typedef struct room { float *scale, *bias; int32_t *zero; int8_t *code; } room;

/* Code +-127 at scale |weight| / 127 is the weight exactly, so no quantizer needs to have seen it. */
static intact_status fill(const it_node *n, double scale_x, int64_t channels, const double *weight, const double *bias, const room *r,
                          intact_error *err)
{
    for (int64_t c = 0; c < channels; c++) {
        double size = fabs(weight[c]);
        if (!isfinite(weight[c]) || !isfinite(bias[c]))
            return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "the constants of channel %lld give %g x + %g; finite numbers are needed",
                                (long long)c, weight[c], bias[c]);
        r->bias[c] = (float)bias[c];
        r->code[c] = size <= IS_ZERO ? 0 : weight[c] > 0 ? 127 : -127;
        if (r->code[c]) /* else only the bias is left: the finest step that takes it */
            r->scale[c] = (float)(size / 127);
        else
            r->scale[c] = bias[c] != 0 ? fmaxf((float)(fabs(bias[c]) / scale_x / 0x1p30), 0x1p-120f) : 1;
        r->zero[c] = 0;
    }
    return INTACT_OK;
}

static intact_status lower(it_lower *lw, const it_node *n, const it_value *x, int64_t channels, const room *r, intact_error *err)
{
    const it_value *out = n->out[0];
    it_conv_args args = { .group = 1, .kh = 1, .kw = 1, .stride_h = 1, .stride_w = 1, .dil_h = 1, .dil_w = 1, IT_NO_LEVELS };
    it_quant qw = { .type = INTACT_S8, .bits = 8, .axis = 0, .len = channels, .scale = r->scale, .zero = r->zero };
    it_mac_consts k;
    uint32_t tx, ty;
    IT_TRY(it_lower_tensor(lw, x, &tx, err));
    IT_TRY(it_lower_tensor(lw, out, &ty, err));
    IT_TRY(it_lower_mac(lw, n, r->code, channels, 1, true, &qw, r->bias, x->q, out->q, &k, err));
    args.weight = k.weight, args.bias = k.bias, args.mult = k.mult, args.shift = k.shift;
    args.thresholds = k.thresholds, args.levels = k.levels;
    args.lo = k.lo, args.hi = k.hi, args.acc64 = k.acc64;
    return emit(lw, n, tx, ty, channels, &args, err);
}

intact_status it_lower_affine(it_lower *lw, const it_node *n, const it_value *x, int64_t channels, const double *weight, const double *bias,
                              intact_error *err)
{
    size_t bytes = (size_t)channels * (2 * sizeof(float) + sizeof(int32_t) + 1);
    uint32_t tx;
    IT_TRY(it_lower_tensor(lw, x, &tx, err)); /* checks x's scale */
    float *p = it_alloc_new(lw->alloc, bytes);
    if (!p)
        return it_fail_nomem(err, n->name, bytes);
    room r = { p, p + channels, (int32_t *)(p + 2 * channels), (int8_t *)(p + 3 * channels) };
    intact_status st = fill(n, x->q->scale[0], channels, weight, bias, &r, err);
    if (st == INTACT_OK)
        st = lower(lw, n, x, channels, &r, err);
    it_alloc_free(lw->alloc, p, bytes);
    return st;
}
