/* SPDX-License-Identifier: Apache-2.0 */
/* export_qdq.c: float operators between DequantizeLinear and QuantizeLinear, which ONNX Runtime and others fuse into integer ones. */
#include <math.h>
#include <string.h>

#include "format/export.h"

static it_value *dequantize(it_exporter *e, it_value *x, it_value *scale, it_value *zero)
{
    return it_export_node(e, "DequantizeLinear", IT_EX_IN(x, scale, zero), IT_EX_ATTRS(IT_EX_INT("axis", 0)));
}

static void emit_conv(it_exporter *e, const it_pinstr *i)
{
    const it_conv_args *a = i->args;
    it_export_mac m;
    it_export_window w;
    it_attr attrs[6];
    if (a->levels != IT_NO_CONST) {
        it_export_counted(e, i);
        return;
    }
    if (!it_export_mac_of(e, i, &m) || !it_export_window_of(e, i, &w))
        return;
    it_value *x = it_export_real(e, i->in[0]), *weight = dequantize(e, m.weight, m.scale, m.zero), *bias = dequantize(e, m.bias, m.bias_scale, m.bias_zero);
    it_value *y = it_export_node(e, "Conv", IT_EX_IN(x, weight, bias), it_export_conv_attrs(e, i, &w, attrs));
    it_export_quantize(e, i->out[0], y, m.lo, m.hi);
}

static void emit_dense(it_exporter *e, const it_pinstr *i)
{
    const it_dense_args *a = i->args;
    it_export_mac m;
    if (a->levels != IT_NO_CONST) {
        it_export_counted(e, i);
        return;
    }
    if (!it_export_mac_of(e, i, &m))
        return;
    it_value *x = it_export_real(e, i->in[0]);
    if (it_in(e->p, i, 0)->rank != 2) /* flat as codes, so that the pattern stays whole */
        x = it_export_node(e, "DequantizeLinear", IT_EX_IN(it_export_flat(e, i->in[0]), it_export_scale(e, i->in[0]), it_export_zero(e, i->in[0])), NULL);
    it_value *weight = dequantize(e, m.weight, m.scale, m.zero), *bias = dequantize(e, m.bias, m.bias_scale, m.bias_zero);
    it_value *y = it_export_node(e, "Gemm", IT_EX_IN(x, weight, bias), IT_EX_ATTRS(IT_EX_INT("transB", 1)));
    it_export_quantize(e, i->out[0], y, m.lo, m.hi);
    if (it_out(e->p, i, 0)->rank != 2)
        it_export_set_all(e, i->out[0], it_export_from_rows(e, i->out[0], it_export_codes(e, i->out[0])));
}

static void emit_add(it_exporter *e, const it_pinstr *i)
{
    const it_add_args *a = i->args;
    const double s_y = it_export_scale_of(it_out(e->p, i, 0));
    const double s_a = s_y * it_export_factor(a->m_a, a->shift), s_b = s_y * it_export_factor(a->m_b, a->shift);
    it_value *x = it_export_real_at(e, i->in[0], s_a), *z = it_export_real_at(e, i->in[1], fabs(s_b));
    it_export_quantize(e, i->out[0], it_export_node(e, s_b < 0 ? "Sub" : "Add", IT_EX_IN(x, z), NULL), a->lo, a->hi);
}

/* The multiplier stands for S_a S_b / S_y; where it does not, b's scale takes the difference. */
static void emit_mul(it_exporter *e, const it_pinstr *i)
{
    const it_mul_args *a = i->args;
    const double s_y = it_export_scale_of(it_out(e->p, i, 0)), s_b = s_y * it_export_factor(a->mult, a->shift) / it_export_scale_of(it_in(e->p, i, 0));
    it_value *x = it_export_real(e, i->in[0]), *z = it_export_real_at(e, i->in[1], s_b);
    it_export_quantize(e, i->out[0], it_export_node(e, "Mul", IT_EX_IN(x, z), NULL), a->lo, a->hi);
}

static void emit_maxpool(it_exporter *e, const it_pinstr *i)
{
    const it_maxpool_args *a = i->args;
    it_export_window w;
    if (!it_export_window_of(e, i, &w))
        return;
    it_value *x = it_export_real(e, i->in[0]);
    x = it_export_node(e, "MaxPool", IT_EX_IN(x),
                       IT_EX_ATTRS(IT_EX_INTS("kernel_shape", w.kernel, w.len), IT_EX_INTS("strides", w.stride, w.len), IT_EX_INTS("dilations", w.dil, w.len),
                                   IT_EX_INTS("pads", w.pad, 2 * w.len)));
    it_export_quantize(e, i->out[0], x, a->lo, a->hi);
}

/* S_x as the multipliers say it: those by number of elements must agree. 0: failed. */
static double pool_scale(it_exporter *e, const it_pinstr *i)
{
    const it_avgpool_args *a = i->args;
    const int32_t *m = it_const(e->p, a->mult)->data, *s = it_const(e->p, a->shift)->data;
    const uint64_t len = it_const(e->p, a->mult)->len;
    const double s_y = it_export_scale_of(it_out(e->p, i, 0));
    const double all = s_y * it_export_factor(m[len - 1], (uint32_t)s[len - 1]) * a->kh * a->kw;
    for (uint64_t n = 1; n <= len && len > 1; n++)
        if (!it_export_near(s_y * it_export_factor(m[n - 1], (uint32_t)s[n - 1]) * (double)n, all))
            return it_export_fail(e, "its multiplier for %llu elements is not that for all of the window; AveragePool has one scale",
                                  (unsigned long long)n), 0;
    return all;
}

static void emit_avgpool(it_exporter *e, const it_pinstr *i)
{
    const it_avgpool_args *a = i->args;
    const it_ptensor *x = it_in(e->p, i, 0), *y = it_out(e->p, i, 0);
    uint32_t in[3];
    it_export_window w;
    it_ptensor_nhwc(x, in);
    const bool global = a->kh == in[0] && a->kw == in[1] && !(a->pad_t | a->pad_l | a->pad_b | a->pad_r);
    it_value *v = it_export_real_at(e, i->in[0], pool_scale(e, i));
    if (global) {
        v = it_export_node(e, "GlobalAveragePool", IT_EX_IN(v), NULL);
    } else {
        if (!it_export_window_of(e, i, &w))
            return;
        v = it_export_node(e, "AveragePool", IT_EX_IN(v),
                           IT_EX_ATTRS(IT_EX_INTS("kernel_shape", w.kernel, w.len), IT_EX_INTS("strides", w.stride, w.len), IT_EX_INTS("pads", w.pad,
                                                                                                    2 * w.len),
                                       IT_EX_INT("count_include_pad", it_const(e->p, a->mult)->len == 1)));
    }
    it_export_quantize(e, i->out[0], v, a->lo, a->hi);
    if (y->rank != x->rank)
        it_export_set_all(e, i->out[0], it_export_from_rows(e, i->out[0], it_export_codes(e, i->out[0])));
}

/* The table's second entry says what one code is worth; y_one is 1. */
bool it_export_softmax_is_plain(const it_exporter *e, const it_pinstr *i)
{
    const it_softmax_args *a = i->args;
    const it_pconst *t = it_const(e->p, a->table);
    const double s_x = it_export_scale_of(it_in(e->p, i, 0)), one = it_export_scale_of(it_out(e->p, i, 0)) * a->y_one;
    const double want = exp(-s_x), have = t->len > 1 ? (double)((const uint32_t *)t->data)[1] / ((const uint32_t *)t->data)[0] : want;
    return a->d_shift == 0 && fabs(one - 1) < 1e-4 && fabs(have - want) < 1e-3;
}

static void emit_softmax(it_exporter *e, const it_pinstr *i)
{
    if (!it_export_softmax_is_plain(e, i)) {
        it_export_softmax(e, i);
        return;
    }
    it_value *v = it_export_node(e, "Softmax", IT_EX_IN(it_export_real(e, i->in[0])), IT_EX_ATTRS(IT_EX_INT("axis", 1)));
    const bool wide = it_out(e->p, i, 0)->type == INTACT_S16;
    it_export_quantize(e, i->out[0], v, wide ? -32767 : 0, wide ? 32767 : 255);
}

static const it_export_rule rules[] = {
    { &it_instr_conv, emit_conv },
    { &it_instr_dwconv, emit_conv },
    { &it_instr_dense, emit_dense },
    { &it_instr_add, emit_add },
    { &it_instr_mul, emit_mul },
    { &it_instr_maxpool, emit_maxpool },
    { &it_instr_avgpool, emit_avgpool },
    { &it_instr_softmax, emit_softmax },
    { &it_instr_concat, it_export_concat },
    { &it_instr_pad, it_export_pad },
    { &it_instr_copy, it_export_copy },
    { &it_instr_resize, it_export_resize },
    { &it_instr_lut, it_export_lut },
    { &it_instr_pixels, it_export_pixels },
    { &it_instr_requantize, it_export_requantize },
    { &it_instr_argmax, it_export_argmax },
    { &it_instr_threshold, it_export_threshold },
};

const it_export_format it_export_qdq = {
    .name = "qdq", .summary = "float operators between QuantizeLinear and DequantizeLinear", .rules = rules, .rules_len = IT_LEN(rules),
};
