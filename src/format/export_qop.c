/* SPDX-License-Identifier: Apache-2.0 */
/* export_qop.c: operators on codes: QLinearConv, QLinearMatMul, and those of domain com.microsoft where ONNX has none. They know 8 bits only;
** instructions on 16 bits are written as export_qdq.c does. */
#include <math.h>
#include <string.h>

#include "format/export.h"

/* Codes, scale and zero point of a tensor: three inputs of every such operator. */
#define PARTS(e, t) it_export_codes((e), (t)), it_export_scale((e), (t)), it_export_zero((e), (t))

static void as_base(it_exporter *e, const it_pinstr *i)
{
    for (const it_export_format *f = e->format->base; f; f = f->base)
        for (size_t k = 0; k < f->rules_len; k++)
            if (f->rules[k].kind == i->kind) {
                f->rules[k].emit(e, i);
                return;
            }
}

static bool all_u8(const it_exporter *e, const it_pinstr *i)
{
    bool u8 = it_out(e->p, i, 0)->type == INTACT_U8;
    for (uint32_t k = 0; k < i->in_len; k++)
        u8 &= it_in(e->p, i, k)->type == INTACT_U8;
    return u8;
}

static void emit_conv(it_exporter *e, const it_pinstr *i)
{
    const it_conv_args *a = i->args;
    it_export_mac m;
    it_export_window w;
    it_attr attrs[6];
    if (!all_u8(e, i) || a->levels != IT_NO_CONST) {
        as_base(e, i);
        return;
    }
    if (!it_export_mac_of(e, i, &m) || !it_export_window_of(e, i, &w))
        return;
    if (!m.bytes) { /* the constants are left out of the file */
        as_base(e, i);
        return;
    }
    it_value *const in[] = { PARTS(e, i->in[0]), m.weight, m.scale, m.zero, it_export_scale(e, i->out[0]), it_export_zero(e, i->out[0]), m.bias };
    it_export_set(e, i->out[0], it_export_node(e, "QLinearConv", in, m.no_bias ? 8 : 9, it_export_conv_attrs(e, i, &w, attrs)), m.lo, m.hi);
}

/* QGemm without y's scale gives real numbers: what becomes s16. */
static void emit_dense(it_exporter *e, const it_pinstr *i)
{
    const it_dense_args *a = i->args;
    const uint32_t t = i->out[0];
    it_export_mac m;
    if (it_in(e->p, i, 0)->type != INTACT_U8 || a->levels != IT_NO_CONST) {
        as_base(e, i);
        return;
    }
    if (!it_export_mac_of(e, i, &m))
        return;
    if (!m.bytes) {
        as_base(e, i);
        return;
    }
    const bool u8 = all_u8(e, i);
    it_value *x = it_export_flat(e, i->in[0]), *x_scale = it_export_scale(e, i->in[0]), *x_zero = it_export_zero(e, i->in[0]);
    it_value *y_scale = u8 ? it_export_scale(e, t) : NULL, *y_zero = u8 ? it_export_zero(e, t) : NULL, *y;
    if (u8 && m.no_bias) {
        it_value *w = it_export_node(e, "Transpose", IT_EX_IN(m.weight), NULL);
        y = it_export_node(e, "QLinearMatMul", IT_EX_IN(x, x_scale, x_zero, w, m.scale, m.zero, y_scale, y_zero), NULL);
    } else {
        it_value *const in[] = { x, x_scale, x_zero, m.weight, m.scale, m.zero, m.bias, y_scale, y_zero };
        y = it_export_node(e, "QGemm", in, u8 ? 9 : 7, IT_EX_ATTRS(IT_EX_INT("transB", 1)));
    }
    if (u8)
        it_export_set(e, t, y, m.lo, m.hi);
    else
        it_export_quantize(e, t, y, m.lo, m.hi);
    if (it_out(e->p, i, 0)->rank != 2)
        it_export_set_all(e, t, it_export_from_rows(e, t, it_export_codes(e, t)));
}

/* The scale that a tensor has in an instruction, from its multiplier; its own where they agree. */
static it_value *scale_at(it_exporter *e, uint32_t t, double scale)
{
    return it_export_near(scale, it_export_scale_of(&e->p->tensors.items[t])) ? it_export_scale(e, t) : it_export_one(e, "_in_scale", IT_F32, scale);
}

static void emit_add(it_exporter *e, const it_pinstr *i)
{
    const it_add_args *a = i->args;
    const double s_y = it_export_scale_of(it_out(e->p, i, 0));
    if (!all_u8(e, i) || a->m_a <= 0 || a->m_b <= 0) {
        as_base(e, i);
        return;
    }
    it_value *const in[] = { it_export_codes(e, i->in[0]), scale_at(e, i->in[0], s_y * it_export_factor(a->m_a, a->shift)), it_export_zero(e, i->in[0]),
                             it_export_codes(e, i->in[1]), scale_at(e, i->in[1], s_y * it_export_factor(a->m_b, a->shift)), it_export_zero(e, i->in[1]),
                             it_export_scale(e, i->out[0]), it_export_zero(e, i->out[0]) };
    it_export_set(e, i->out[0], it_export_node(e, "QLinearAdd", in, (int)IT_LEN(in), NULL), a->lo, a->hi);
}

static void emit_mul(it_exporter *e, const it_pinstr *i)
{
    const it_mul_args *a = i->args;
    const double s_b = it_export_scale_of(it_out(e->p, i, 0)) * it_export_factor(a->mult, a->shift) / it_export_scale_of(it_in(e->p, i, 0));
    if (!all_u8(e, i) || a->mult <= 0) {
        as_base(e, i);
        return;
    }
    it_value *const in[] = { PARTS(e, i->in[0]), it_export_codes(e, i->in[1]), scale_at(e, i->in[1], s_b), it_export_zero(e, i->in[1]),
                             it_export_scale(e, i->out[0]), it_export_zero(e, i->out[0]) };
    it_export_set(e, i->out[0], it_export_node(e, "QLinearMul", in, (int)IT_LEN(in), NULL), a->lo, a->hi);
}

/* Codes keep their order: the largest code is the largest value. */
static void emit_maxpool(it_exporter *e, const it_pinstr *i)
{
    const it_maxpool_args *a = i->args;
    it_export_window w;
    if (!all_u8(e, i)) {
        as_base(e, i);
        return;
    }
    if (!it_export_window_of(e, i, &w))
        return;
    it_value *v = it_export_node(e, "MaxPool", IT_EX_IN(it_export_codes(e, i->in[0])),
                                 IT_EX_ATTRS(IT_EX_INTS("kernel_shape", w.kernel, w.len), IT_EX_INTS("strides", w.stride, w.len),
                                             IT_EX_INTS("dilations", w.dil, w.len), IT_EX_INTS("pads", w.pad, 2 * w.len)));
    it_export_set(e, i->out[0], v, a->lo, a->hi);
}

/* One multiplier alone: those by number of elements are left to the base, which compares them. */
static void emit_avgpool(it_exporter *e, const it_pinstr *i)
{
    const it_avgpool_args *a = i->args;
    const it_pconst *m = it_const(e->p, a->mult), *s = it_const(e->p, a->shift);
    const it_ptensor *x = it_in(e->p, i, 0);
    uint32_t in[3];
    it_export_window w;
    it_ptensor_nhwc(x, in);
    if (!all_u8(e, i) || m->len != 1 || ((const int32_t *)m->data)[0] == 0) {
        as_base(e, i);
        return;
    }
    const bool global = a->kh == in[0] && a->kw == in[1] && !(a->pad_t | a->pad_l | a->pad_b | a->pad_r);
    const double scale =
        it_export_scale_of(it_out(e->p, i, 0)) * it_export_factor(((const int32_t *)m->data)[0], ((const uint32_t *)s->data)[0]) * a->kh * a->kw;
    it_value *const parts[] = { it_export_codes(e, i->in[0]), scale_at(e, i->in[0], scale), it_export_zero(e, i->in[0]),
                                it_export_scale(e, i->out[0]), it_export_zero(e, i->out[0]) };
    it_value *v;
    if (global) {
        v = it_export_node(e, "QLinearGlobalAveragePool", parts, (int)IT_LEN(parts), NULL);
    } else {
        if (!it_export_window_of(e, i, &w))
            return;
        v = it_export_node(e, "QLinearAveragePool", parts, (int)IT_LEN(parts),
                           IT_EX_ATTRS(IT_EX_INTS("kernel_shape", w.kernel, w.len), IT_EX_INTS("strides", w.stride, w.len),
                                       IT_EX_INTS("pads", w.pad, 2 * w.len), IT_EX_INT("count_include_pad", 1)));
    }
    it_export_set(e, i->out[0], v, a->lo, a->hi);
    if (it_out(e->p, i, 0)->rank != x->rank)
        it_export_set_all(e, i->out[0], it_export_from_rows(e, i->out[0], it_export_codes(e, i->out[0])));
}

static void emit_softmax(it_exporter *e, const it_pinstr *i)
{
    if (!all_u8(e, i) || !it_export_softmax_is_plain(e, i)) {
        as_base(e, i);
        return;
    }
    it_value *const in[] = { PARTS(e, i->in[0]), it_export_scale(e, i->out[0]), it_export_zero(e, i->out[0]) };
    it_export_set_all(e, i->out[0], it_export_node(e, "QLinearSoftmax", in, (int)IT_LEN(in), IT_EX_ATTRS(IT_EX_INT("axis", 1), IT_EX_INT("opset", 13))));
}

static const it_export_rule rules[] = {
    { &it_instr_conv, emit_conv }, { &it_instr_dwconv, emit_conv },     { &it_instr_dense, emit_dense },     { &it_instr_add, emit_add },
    { &it_instr_mul, emit_mul },   { &it_instr_maxpool, emit_maxpool }, { &it_instr_avgpool, emit_avgpool },
    { &it_instr_softmax, emit_softmax },
};

const it_export_format it_export_qop = {
    .name = "qop", .summary = "QLinear operators, those of com.microsoft where ONNX has none", .rules = rules, .rules_len = IT_LEN(rules),
    .base = &it_export_qdq,
};
