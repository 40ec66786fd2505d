/* SPDX-License-Identifier: Apache-2.0 */
/* export_mac.c: weights, biases and windows of layers as ONNX has them. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "format/export.h"
#include "op/lower.h"

/* conv, dwconv and dense alike: filter o has `channels` times `taps` weights, channels first here, last in the program. */
typedef struct filters {
    int64_t out, channels, taps;
    bool apart;  /* element k of filter o is at k * out + o (dwconv as bytes) */
    uint32_t weight, bias, mult, shift, thresholds, levels, fixes;
    int32_t lo, hi;
} filters;

static filters filters_of(const it_exporter *e, const it_pinstr *i)
{
    const it_ptensor *x = it_in(e->p, i, 0);
    int64_t channels, positions;
    it_export_planes(x, &channels, &positions);
    if (i->kind == &it_instr_dense) {
        const it_dense_args *a = i->args;
        return (filters){ (int64_t)it_ptensor_elements(it_out(e->p, i, 0)), channels, positions, false, a->weight, a->bias, a->mult, a->shift,
                          a->thresholds, a->levels, a->fixes, a->lo, a->hi };
    }
    const it_conv_args *a = i->args;
    const bool depthwise = i->kind == &it_instr_dwconv;
    int64_t out, pixels;
    it_export_planes(it_out(e->p, i, 0), &out, &pixels);
    return (filters){ out, depthwise ? 1 : channels / a->group, (int64_t)a->kh * a->kw, depthwise && it_const(e->p, a->weight)->bits == 0, a->weight,
                      a->bias, a->mult, a->shift, a->thresholds, a->levels, a->fixes, a->lo, a->hi };
}

static int8_t packed_at(const it_codes *c, size_t row, size_t k)
{
    const uint8_t *p = it_codes_row(c, row);
    size_t bit = k * c->bits, at = bit / 8, end = it_codes_row_bytes(c->bits, c->row_len);
    uint32_t two = p[at] | (at + 1 < end ? (uint32_t)p[at + 1] << 8 : 0);
    return it_codes_table(c, row)[two >> bit % 8 & ((1u << c->bits) - 1)];
}

/* Where element k of a filter is with channels first. */
static int64_t channels_first(const filters *f, int64_t k) { return k % f->channels * f->taps + k / f->channels; }

/* Filters with channels first; sum[o] is that of filter o. Fixes may lead out of a byte. */
static int16_t *unpack(it_exporter *e, const filters *f, int64_t *sum)
{
    const it_pconst *w = it_const(e->p, f->weight), *fixes = it_const(e->p, f->fixes);
    const int64_t per = f->channels * f->taps;
    int16_t *to = it_export_room(e, (size_t)(f->out * per), sizeof *to);
    it_codes codes = { 0 };
    if (w->bits)
        codes = it_pconst_codes(e->p, w);
    for (int64_t o = 0; to && o < f->out; o++)
        for (int64_t k = 0; k < per; k++) {
            int8_t v = w->bits ? packed_at(&codes, (size_t)o, (size_t)k) : ((const int8_t *)w->data)[f->apart ? k * f->out + o : o * per + k];
            to[o * per + channels_first(f, k)] = v;
            sum[o] += v;
        }
    for (uint64_t n = 0; to && fixes && n + 2 < fixes->len; n += 3) {
        const int32_t *fix = (const int32_t *)fixes->data + n; /* channel, tap, what the weight is more */
        const int64_t at = fix[0] * per + channels_first(f, fix[1]);
        if (to[at] + fix[2] < INT16_MIN || to[at] + fix[2] > INT16_MAX)
            return it_export_fail(e, "a weight of channel %d is %d + %d; 16 bits are the most that ONNX has", fix[0], to[at], fix[2]), NULL;
        to[at] = (int16_t)(to[at] + fix[2]);
        sum[fix[0]] += fix[2];
    }
    return to;
}

static bool fits(const int16_t *w, int64_t len, int16_t lo, int16_t hi)
{
    for (int64_t k = 0; k < len; k++)
        if (w[k] < lo || w[k] > hi)
            return false;
    return true;
}

/* Bytes where all filters fit them; else words, which nothing fuses. */
static it_type type_of(const it_exporter *e, const filters *f, const int16_t *w, int64_t len)
{
    if (e->opt.int4 && it_const(e->p, f->weight)->bits && f->levels == IT_NO_CONST && fits(w, len, -8, 7))
        return IT_I4;
    return fits(w, len, -128, 127) ? IT_I8 : IT_I16;
}

static it_value *weight_const(it_exporter *e, it_type type, const int16_t *w, int64_t len, int rank, const int64_t *dim)
{
    if (type == IT_I16)
        return it_export_const(e, "_weight", type, rank, dim, w);
    int8_t *bytes = it_export_room(e, (size_t)len, 1); /* int4 has a byte each, too, until it is written */
    for (int64_t k = 0; bytes && k < len; k++)
        bytes[k] = (int8_t)w[k];
    return it_export_const(e, "_weight", type, rank, dim, bytes);
}

static int weight_shape(const it_exporter *e, const it_pinstr *i, const filters *f, int64_t dim[4])
{
    const it_conv_args *a = i->args;
    dim[0] = f->out;
    dim[1] = f->channels;
    if (i->kind == &it_instr_dense) {
        dim[1] = f->channels * f->taps;
        return 2;
    }
    if (it_in(e->p, i, 0)->rank == 3) {
        dim[2] = f->taps;
        return 3;
    }
    dim[2] = a->kh;
    dim[3] = a->kw;
    return 4;
}

/* A float has 24 bits of the multiplier's 31: of those near it the one with which ONNX Runtime gives the program's codes. */
static float nearest_scale(const it_exporter *e, const it_pinstr *i, const filters *f, int64_t o, const int16_t *w, double scale)
{
    const it_ptensor *x = it_in(e->p, i, 0), *y = it_out(e->p, i, 0);
    const it_mult m = { ((const int32_t *)it_const(e->p, f->mult)->data)[o], ((const int32_t *)it_const(e->p, f->shift)->data)[o] };
    const int32_t bias = ((const int32_t *)it_const(e->p, f->bias)->data)[o];
    it_fit fit = { .sum_lo = bias, .sum_hi = bias, .first = f->lo - y->zero_point, .last = f->hi - y->zero_point };
    if (x->type != INTACT_U8 || y->type != INTACT_U8)
        return (float)scale;
    for (int64_t k = 0; k < f->channels * f->taps; k++) {
        fit.sum_lo += w[k] < 0 ? 255 * w[k] : 0;
        fit.sum_hi += w[k] > 0 ? 255 * w[k] : 0;
    }
    return it_lower_fit_weight(&fit, &m, (float)it_export_scale_of(x), (float)scale, (float)it_export_scale_of(y));
}

/* S_w = S_y m 2^-s / S_x; bias has S_x S_w. A channel without a multiplier is constant 0: weights 0 at any scale. */
static bool find_scales(it_exporter *e, const it_pinstr *i, const filters *f, int16_t *w, int32_t *bias, float *scale, float *bias_scale)
{
    const double s_x = it_export_scale_of(it_in(e->p, i, 0)), s_y = it_export_scale_of(it_out(e->p, i, 0));
    const int32_t *m = it_const(e->p, f->mult)->data, *s = it_const(e->p, f->shift)->data;
    for (int64_t o = 0; o < f->out; o++) {
        double whole = s_y * it_export_factor(m[o], (uint32_t)s[o]), v = m[o] ? whole / s_x : 1;
        if (m[o] == 0) {
            memset(w + o * f->channels * f->taps, 0, (size_t)(f->channels * f->taps) * sizeof *w);
            bias[o] = 0;
        }
        if (!(v >= (double)FLT_MIN && v <= (double)FLT_MAX && v * s_x >= (double)FLT_MIN))
            return it_export_fail(e, "the weights of channel %lld have the scale %g, their bias %g; normal positive floats are needed", (long long)o, v,
                                  v * s_x),
                   false;
        scale[o] = m[o] ? nearest_scale(e, i, f, o, w + o * f->channels * f->taps, v) : (float)v;
        bias_scale[o] = (float)((double)scale[o] * s_x);
    }
    return true;
}

bool it_export_mac_of(it_exporter *e, const it_pinstr *i, it_export_mac *m)
{
    const filters f = filters_of(e, i);
    const int32_t z = it_in(e->p, i, 0)->zero_point, *folded = it_const(e->p, f.bias)->data;
    int64_t dim[4], *sum = it_export_room(e, (size_t)f.out, sizeof *sum);
    int32_t *bias = it_export_room(e, (size_t)f.out, sizeof *bias), *no_zero = it_export_room(e, (size_t)f.out, sizeof *no_zero);
    float *scale = it_export_room(e, (size_t)f.out, sizeof *scale), *bias_scale = it_export_room(e, (size_t)f.out, sizeof *bias_scale);
    int16_t *w = sum ? unpack(e, &f, sum) : NULL;
    if (!w || !bias || !no_zero || !scale || !bias_scale)
        return false;
    *m = (it_export_mac){ .no_bias = true, .thresholds = f.thresholds, .levels = f.levels, .lo = f.lo, .hi = f.hi };
    for (int64_t o = 0; o < f.out; o++)
        bias[o] = (int32_t)(folded[o] + z * sum[o]); /* at most 255 sum|w| + |bias|: proved below 2^31; s16 has no zero point */
    const bool counted = f.levels != IT_NO_CONST;
    if (!counted && !find_scales(e, i, &f, w, bias, scale, bias_scale))
        return false;
    for (int64_t o = 0; o < f.out; o++)
        m->no_bias &= bias[o] == 0;
    int rank = weight_shape(e, i, &f, dim);
    const int64_t len = f.out * f.channels * f.taps;
    const it_type type = type_of(e, &f, w, len);
    m->bytes = type == IT_I8;
    m->weight = weight_const(e, type, w, len, rank, dim);
    m->bias = it_export_const(e, "_bias", IT_I32, 1, dim, bias);
    if (counted)
        return e->st == INTACT_OK;
    m->scale = it_export_const(e, "_weight_scale", IT_F32, 1, dim, scale);
    m->zero = it_export_const(e, "_weight_zero_point", type, 1, dim, no_zero);
    m->bias_scale = it_export_const(e, "_bias_scale", IT_F32, 1, dim, bias_scale);
    m->bias_zero = it_export_const(e, "_bias_zero_point", IT_I32, 1, dim, no_zero);
    return e->st == INTACT_OK;
}

/* ---- windows ---- */

static int64_t end_pad(int64_t in, int64_t out, int64_t reach, int64_t stride, int64_t before)
{
    int64_t pad = (out - 1) * stride + reach - in - before;
    return pad > 0 ? pad : 0;
}

bool it_export_window_of(it_exporter *e, const it_pinstr *i, it_export_window *w)
{
    uint32_t x[3], y[3];
    it_ptensor_nhwc(it_in(e->p, i, 0), x);
    it_ptensor_nhwc(it_out(e->p, i, 0), y);
    uint32_t v[8]; /* kernel, stride, dilation, padding before: heights first */
    if (i->kind == &it_instr_maxpool) {
        const it_maxpool_args *a = i->args;
        memcpy(v, (uint32_t[]){ a->kh, a->kw, a->stride_h, a->stride_w, a->dil_h, a->dil_w, a->pad_t, a->pad_l }, sizeof v);
    } else if (i->kind == &it_instr_avgpool) {
        const it_avgpool_args *a = i->args;
        memcpy(v, (uint32_t[]){ a->kh, a->kw, a->stride_h, a->stride_w, 1, 1, a->pad_t, a->pad_l }, sizeof v);
    } else {
        const it_conv_args *a = i->args;
        memcpy(v, (uint32_t[]){ a->kh, a->kw, a->stride_h, a->stride_w, a->dil_h, a->dil_w, a->pad_t, a->pad_l }, sizeof v);
    }
    const bool flat = it_in(e->p, i, 0)->rank == 3;
    w->len = flat ? 1 : 2;
    if (flat && (v[0] != 1 || y[0] != 1))
        return it_export_fail(e, "a window %u high over three dimensions; ONNX needs four for it", v[0]), false;
    for (int k = 0; k < w->len; k++) {
        const int from = flat ? 1 : k;
        w->kernel[k] = v[from];
        w->stride[k] = v[2 + from];
        w->dil[k] = v[4 + from];
        w->pad[k] = v[6 + from];
        w->pad[w->len + k] = end_pad(x[from], y[from], w->dil[k] * (w->kernel[k] - 1) + 1, w->stride[k], w->pad[k]);
    }
    return e->st == INTACT_OK;
}

const it_attr *it_export_conv_attrs(it_exporter *e, const it_pinstr *i, const it_export_window *w, it_attr *attrs)
{
    const it_conv_args *a = i->args;
    const int64_t group = i->kind == &it_instr_dwconv ? it_in(e->p, i, 0)->dims[it_in(e->p, i, 0)->rank - 1] : a->group;
    memcpy(attrs, IT_EX_ATTRS(IT_EX_INTS("kernel_shape", w->kernel, w->len), IT_EX_INTS("strides", w->stride, w->len), IT_EX_INTS("dilations", w->dil, w->len),
                              IT_EX_INTS("pads", w->pad, 2 * w->len), IT_EX_INT("group", group)), 6 * sizeof *attrs);
    return attrs;
}

it_value *it_export_flat(it_exporter *e, uint32_t t)
{
    const it_ptensor *x = &e->p->tensors.items[t];
    it_value *v = it_export_codes(e, t);
    return x->rank == 2 ? v : it_export_reshape(e, v, 2, (const int64_t[]){ 1, (int64_t)it_ptensor_elements(x) });
}
