/* SPDX-License-Identifier: Apache-2.0 */
/* Integer constants of one multiply-accumulate layer: bias, multiplier and shift per channel, and the proof that accumulators fit. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "op/lower.h"

typedef struct mac {
    const it_node *n;
    int8_t *w;
    int8_t *w0;               /* the codes as they came, once a channel had to be raised */
    int64_t out_c, per_out;
    int64_t stride_c, stride_k; /* element (c, k) is w[c * stride_c + k * stride_k] */
    const it_quant *qw, *qx, *qy;
    const float *bias;
    const int32_t *wide;      /* the bias's codes at the weights' first scale, when it came with them */
    int32_t *bias_q, *mult, *shift;
    int64_t raised, raised_first;
    double raised_by;
    bool acc64;
} mac;

/* Sum and sum of magnitudes of a channel's codes. */
static void channel_sums(const mac *m, int64_t c, int64_t *sum, int64_t *abs_sum)
{
    const int8_t *w = m->w + c * m->stride_c;
    *sum = *abs_sum = 0;
    for (int64_t k = 0; k < m->per_out; k++) {
        *sum += w[k * m->stride_k];
        *abs_sum += abs(w[k * m->stride_k]);
    }
}

/* The layer's bias when it came as codes of the sums' scale (absorbed networks). */
static const int32_t *wide_bias(const it_node *n, const float *bias, int64_t out_c)
{
    int k = n->op->quant.bias_in;
    const it_value *b = k > 0 && k < n->in_len ? n->in[k] : NULL;
    return bias && b && b->q && b->q->wide && !b->tuned && it_tensor_len(&b->t) == out_c ? b->q->wide : NULL;
}

static double bias_steps(const mac *m, int64_t c, double s)
{
    if (m->wide)
        return floor(m->wide[c] * ((double)m->qw->scale[m->qw->len == 1 ? 0 : c] / s) + 0.5);
    return m->bias ? floor((double)m->bias[c] / ((double)m->qx->scale[0] * s) + 0.5) : 0;
}

/* Bias code with the zero-point term at weight scale s; false when even 64 bits are too few. */
static bool bias_code(const mac *m, int64_t c, double s, int64_t sum, int64_t *out)
{
    double b = bias_steps(m, c, s);
    if (!(fabs(b) < 0x1p61))
        return false;
    *out = (int64_t)b - (int64_t)m->qx->zero[0] * sum; /* |zero * sum| <= 255 * 128 * 2^40 */
    return true;
}

/* u8: everything in 32 bits. s16: the bias in 32 bits with room to spare; the sum may take 64 (|acc| < 2^47), see acc64. */
static bool fits(const mac *m, int64_t bias, int64_t abs_sum, int64_t *total)
{
    bool wide = m->qx->type == INTACT_S16;
    if (bias > INT32_MAX || bias < -INT32_MAX)
        return false;
    *total = (bias < 0 ? -bias : bias) + (wide ? 32768 : 255) * abs_sum;
    return wide ? (bias <= (1 << 30) && bias >= -(1 << 30) && *total < ((int64_t)1 << 47)) : *total < INT32_MAX; /* a threshold of INT32_MAX is never passed */
}

static void requantize_codes(const mac *m, int64_t c, double factor)
{
    for (int64_t k = 0; k < m->per_out; k++) {
        int64_t i = c * m->stride_c + k * m->stride_k;
        m->w[i] = (int8_t)floor(m->w0[i] / factor + 0.5);
    }
}

/* Finds the smallest raise (in steps of a quarter) of channel c's scale that makes it fit. */
static intact_status raise_channel(it_lower *lw, mac *m, int64_t c, double *scale, int64_t *bias, int64_t *total, intact_error *err)
{
    double s0 = *scale, factor = 1;
    int64_t sum, abs_sum;
    if (!m->w0) {
        size_t bytes = (size_t)(m->out_c * m->per_out);
        m->w0 = it_alloc_new(lw->alloc, bytes);
        if (!m->w0)
            return it_fail_nomem(err, m->n->name, bytes);
        memcpy(m->w0, m->w, bytes);
    }
    for (int step = 0; step < 2000; step++) { /* 1.25^2000 is beyond any ratio of two floats */
        channel_sums(m, c, &sum, &abs_sum);
        if (isfinite(s0 * factor) && bias_code(m, c, s0 * factor, sum, bias) && fits(m, *bias, abs_sum, total)) {
            *scale = s0 * factor;
            if (m->raised++ == 0) {
                m->raised_first = c;
                m->raised_by = factor;
            }
            return INTACT_OK;
        }
        factor *= 1.25;
        requantize_codes(m, c, factor);
    }
    return it_node_fail(m->n, err, INTACT_E_UNSUPPORTED, "channel %lld (weight scale %g, bias %g, input scale %g) does not fit 32-bit "
                        "accumulators at any weight scale", (long long)c, s0, m->bias ? (double)m->bias[c] : 0.0,
                        (double)m->qx->scale[0]);
}

static intact_status channel(it_lower *lw, mac *m, int64_t c, double *scale, intact_error *err)
{
    int64_t sum, abs_sum, bias = 0, total = 0;
    *scale = m->qw->scale[m->qw->len == 1 ? 0 : c];
    if (!(*scale > 0) || !isfinite(*scale))
        return it_node_fail(m->n, err, INTACT_E_UNSUPPORTED, "weight scale of channel %lld is %g; a positive finite number is needed",
                            (long long)c, *scale);
    if (m->bias && !isfinite(m->bias[c]))
        return it_node_fail(m->n, err, INTACT_E_UNSUPPORTED, "bias of channel %lld is not a finite number", (long long)c);
    channel_sums(m, c, &sum, &abs_sum);
    if (!bias_code(m, c, *scale, sum, &bias) || !fits(m, bias, abs_sum, &total))
        IT_TRY(raise_channel(lw, m, c, scale, &bias, &total, err));
    m->bias_q[c] = (int32_t)bias;
    if (total > INT32_MAX)
        m->acc64 = true;
    return INTACT_OK;
}

/* The codes that float arithmetic with these scales gives. */
static void fit(const mac *m, int64_t c, double scale, it_mult *q)
{
    const int8_t *w = m->w + c * m->stride_c;
    int32_t lo, hi;
    it_fit f = { .scale = m->qx->scale[0] * (float)scale / m->qy->scale[0], .sum_lo = m->bias_q[c], .sum_hi = m->bias_q[c] };
    for (int64_t k = 0; k < m->per_out; k++) {
        int32_t code = w[k * m->stride_k];
        f.sum_lo += code < 0 ? 255 * (int64_t)code : 0;
        f.sum_hi += code < 0 ? 0 : 255 * (int64_t)code;
    }
    it_clamp_codes(m->qy, m->n->clamp_lo, m->n->clamp_hi, &lo, &hi);
    f.first = lo - m->qy->zero[0];
    f.last = hi - m->qy->zero[0];
    it_lower_fit(&f, q);
}

static intact_status channels(it_lower *lw, mac *m, double *scale, intact_error *err)
{
    char where[200];
    snprintf(where, sizeof(where), "%s (%s)", m->n->name, m->n->op->onnx ? m->n->op->onnx : m->n->op->name);
    for (int64_t c = 0; c < m->out_c; c++)
        IT_TRY(channel(lw, m, c, &scale[c], err));
    for (int64_t c = 0; c < m->out_c; c++) { /* the width of m is known once every channel is */
        it_mult q;
        IT_TRY(it_mult_of((double)m->qx->scale[0] * scale[c] / (double)m->qy->scale[0], m->acc64 ? 15 : 31, &q, where, err));
        if (m->qx->type == INTACT_U8 && m->qy->type == INTACT_U8)
            fit(m, c, scale[c], &q);
        m->mult[c] = q.m;
        m->shift[c] = q.s;
    }
    if (m->raised && it_lower_note(lw, m->n->name, "weight scale of %lld of %lld channels raised so that bias and accumulator fit 32 bits; "
                                   "channel %lld by a factor of %.4g", (long long)m->raised, (long long)m->out_c,
                                   (long long)m->raised_first, m->raised_by) != INTACT_OK)
        return it_fail_nomem(err, where, sizeof(it_note));
    return INTACT_OK;
}

static intact_status check(const mac *m, intact_error *err)
{
    if (m->qw->len != 1 && m->qw->len != m->out_c)
        return it_node_fail(m->n, err, INTACT_E_UNSUPPORTED, "%lld weight scales for %lld output channels; one, or one a channel, is "
                            "needed", (long long)m->qw->len, (long long)m->out_c);
    for (int64_t i = 0; i < m->qw->len; i++)
        if (m->qw->zero[i] != 0)
            return it_node_fail(m->n, err, INTACT_E_UNSUPPORTED, "zero point of the weights is %d in channel %lld; the integer form needs "
                                "0", (int)m->qw->zero[i], (long long)i);
    if (m->out_c < 1 || m->per_out < 1 || m->out_c > INT32_MAX || m->per_out > ((int64_t)1 << 32))
        return it_node_fail(m->n, err, INTACT_E_UNSUPPORTED, "%lld channels of %lld weights cannot be lowered", (long long)m->out_c,
                            (long long)m->per_out);
    return INTACT_OK;
}

static intact_status epilogue(it_lower *lw, const mac *m, it_mac_consts *out, intact_error *err)
{
    const uint64_t len = (uint64_t)m->out_c;
    out->mult = out->shift = out->thresholds = out->levels = IT_NO_CONST;
    if (!m->qy->levels || m->acc64) {
        IT_TRY(it_lower_const(lw, INTACT_S32, len, m->mult, &out->mult, err));
        return it_lower_const(lw, INTACT_S32, len, m->shift, &out->shift, err);
    }
    IT_TRY(it_lower_thresholds(lw, m->n, m->out_c, m->mult, m->shift, m->qy, out->lo, out->hi, &out->thresholds, &out->levels, err));
    out->lo = 0;
    out->hi = 255;
    return INTACT_OK;
}

intact_status it_lower_mac(it_lower *lw, const it_node *n, int8_t *weight, int64_t out_c, int64_t per_out, bool depthwise_order,
                           const it_quant *qw, const float *bias, const it_quant *qx, const it_quant *qy,
                           it_mac_consts *out, intact_error *err)
{
    mac m = { .n = n, .w = weight, .out_c = out_c, .per_out = per_out, .qw = qw, .qx = qx, .qy = qy, .bias = bias, .wide = wide_bias(n, bias, out_c) };
    size_t bytes;
    int32_t *room;
    intact_status st;
    IT_TRY(check(&m, err));
    m.stride_c = depthwise_order ? 1 : per_out;
    m.stride_k = depthwise_order ? out_c : 1;
    bytes = (size_t)out_c * (3 * sizeof(int32_t) + sizeof(double));
    room = it_alloc_new(lw->alloc, bytes);
    if (!room)
        return it_fail_nomem(err, n->name, bytes);
    m.bias_q = room + 2 * out_c; /* doubles first: they need the alignment */
    m.mult = m.bias_q + out_c;
    m.shift = m.mult + out_c;
    st = channels(lw, &m, (double *)room, err);
    if (st == INTACT_OK)
        st = it_lower_weights(lw, &(it_weights){ m.w, out_c, per_out, m.stride_c, m.stride_k }, qw->bits, &out->weight, err);
    if (st == INTACT_OK)
        st = it_lower_const(lw, INTACT_S32, (uint64_t)out_c, m.bias_q, &out->bias, err);
    out->acc64 = m.acc64;
    it_clamp_codes(qy, n->clamp_lo, n->clamp_hi, &out->lo, &out->hi);
    if (st == INTACT_OK)
        st = epilogue(lw, &m, out, err);
    it_alloc_free(lw->alloc, m.w0, (size_t)(out_c * per_out));
    it_alloc_free(lw->alloc, room, bytes);
    return st;
}

intact_status it_lower_weight_check(const it_node *n, intact_error *err)
{
    const it_value *w = n->in_len > 1 ? n->in[1] : NULL;
    if (!w || !w->is_const)
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "the weight is computed by the network; the integer form needs a constant one");
    if (!w->q || !w->q->codes)
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "weight %s is not quantized", w->name);
    return INTACT_OK;
}

intact_status it_lower_bias(it_lower *lw, const it_node *n, int64_t out_c, float **out, intact_error *err)
{
    const it_value *b = n->in_len > 2 ? n->in[2] : NULL;
    int64_t len;
    *out = NULL;
    if (!b)
        return INTACT_OK;
    if (!b->is_const || !b->t.data)
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "bias %s is computed by the network; the integer form needs a constant one",
                            b->name);
    len = it_tensor_len(&b->t);
    if (len != out_c && len != 1)
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "bias %s has %lld values for %lld channels", b->name, (long long)len,
                            (long long)out_c);
    *out = it_alloc_new(lw->alloc, (size_t)out_c * sizeof(float));
    if (!*out)
        return it_fail_nomem(err, n->name, (size_t)out_c * sizeof(float));
    for (int64_t c = 0; c < out_c; c++)
        (*out)[c] = b->tuned ? b->tuned[len == 1 ? 0 : c] : (float)it_tensor_get(&b->t, len == 1 ? 0 : c);
    return INTACT_OK;
}
