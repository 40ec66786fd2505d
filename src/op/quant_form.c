/* SPDX-License-Identifier: Apache-2.0 */
/* quant_form.c: codes to reals, the float operator, reals to codes. */
#include "op/quant_form.h"

#define INPUTS_MAX 64 /* of QLinearConcat */

int it_q_form_place(const it_q_form *f, int j)
{
    if (f->step) return f->in[0] + j * f->step;
    return j < f->in_len ? f->in[j] : f->bias;
}

int it_q_form_len(const it_node *n)
{
    const it_q_form *f = n->op->form;
    if (f->step) return (n->in_len - f->in[0]) / f->step;
    return f->in_len + (f->bias && f->bias < n->in_len && n->in[f->bias]);
}

intact_status it_q_form_parse(it_parse *p)
{
    const it_q_form *f = p->n->op->form;
    it_q_form_args *a = p->n->args;
    int64_t last, opset;
    IT_TRY(it_attr_int(p, "channels_last", 0, &last));
    IT_TRY(it_attr_int(p, "opset", p->g->opset, &opset)); /* QLinearSoftmax: whose rules for the axis */
    if (last) return it_node_fail(p->n, p->err, INTACT_E_UNSUPPORTED, "channels_last is %lld; tensors in ONNX's own order are supported", (long long)last);
    if (f->step && (p->n->in_len - f->in[0]) % f->step)
        return it_node_fail(p->n, p->err, INTACT_E_FORMAT, "%d inputs; each tensor of codes has a scale and a zero point behind it", p->n->in_len);
    if (f->bias) IT_TRY(it_attr_float(p, "alpha", 1.0f, &a->alpha));
    if (it_q_form_len(p->n) > INPUTS_MAX)
        return it_node_fail(p->n, p->err, INTACT_E_UNSUPPORTED, "%d tensors; at most %d are supported", it_q_form_len(p->n), INPUTS_MAX);
    if (opset < f->base->since || opset > IT_OPSET_MAX) opset = p->g->opset;
    a->base = *p->n;
    a->base.op = f->base;
    a->base.opset = (int)opset;
    a->base.in_len = it_q_form_len(p->n);
    a->base.out_len = 1;
    a->base.args = it_arena_new(&p->g->arena, f->base->args_bytes ? f->base->args_bytes : 1);
    a->base.in = it_arena_new(&p->g->arena, ((size_t)a->base.in_len + 1) * sizeof *a->base.in);
    if (!a->base.args || !a->base.in) return it_fail_nomem(p->err, p->n->name, f->base->args_bytes);
    for (int j = 0; j < a->base.in_len; j++) {
        int k = it_q_form_place(f, j);
        if (k >= p->n->in_len || !p->n->in[k]) return it_node_fail(p->n, p->err, INTACT_E_FORMAT, "input %d is left out; the operator needs it", k);
        a->base.in[j] = p->n->in[k];
    }
    it_parse base = {.g = p->g, .n = &a->base, .err = p->err};
    return f->base->parse ? f->base->parse(&base) : INTACT_OK;
}

/* The output channel axis of input j, along which its scale may run; -1: one scale. */
static int axis_of(const it_node *base, int j)
{
    const it_op_quant *q = &base->op->quant;
    return q->weight_in && j == q->weight_in && q->weight_axis ? q->weight_axis(base) : -1;
}

static intact_status check_codes(const it_node *n, const it_tensor *const *in, int j, const it_node *base, intact_error *err)
{
    int k = it_q_form_place(n->op->form, j), axis = axis_of(base, j);
    const it_tensor *scale = it_elem_in(n, in, k + 1), *zero = it_elem_in(n, in, k + 2);
    IT_TRY(it_elem_check(n, in, k, IT_T(IT_U8) | IT_T(IT_I8), err));
    IT_TRY(it_elem_check(n, in, k + 1, IT_T(IT_F32), err));
    if (zero && zero->type != in[k]->type)
        return it_node_fail(n, err, INTACT_E_SHAPE, "input %d is %s, its zero point %s; they must agree", k, it_type_name(in[k]->type),
                            it_type_name(zero->type));
    int64_t len = it_tensor_len(scale), each = axis >= 0 && axis < in[k]->rank ? in[k]->dim[axis] : 1;
    if ((len != 1 && len != each) || (zero && it_tensor_len(zero) != 1 && it_tensor_len(zero) != len))
        return it_node_fail(n, err, INTACT_E_SHAPE, "%lld scales and %lld zero points of input %d; one, or one for each of %lld outputs, is needed",
                            (long long)len,
                            (long long)(zero ? it_tensor_len(zero) : 0), k, (long long)each);
    return INTACT_OK;
}

intact_status it_q_form_infer(const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    const it_q_form *f = n->op->form;
    const it_node *base = &((const it_q_form_args *)n->args)->base;
    const it_tensor *zero = it_elem_in(n, in, f->y + 1), *scale = it_elem_in(n, in, f->y);
    it_tensor t[INPUTS_MAX];
    const it_tensor *ptr[INPUTS_MAX];
    for (int j = 0; j < base->in_len; j++) {
        int k = it_q_form_place(f, j);
        IT_TRY(f->bias && k == f->bias ? it_elem_check(n, in, k, IT_T(IT_I32), err) : check_codes(n, in, j, base, err));
        it_shape_copy(&t[j], in[k]);
        t[j].type = IT_F32;
        t[j].data = NULL;
        ptr[j] = &t[j];
    }
    if (!scale && !f->float_out) return it_node_fail(n, err, INTACT_E_FORMAT, "the scale of y (input %d) is left out", f->y);
    IT_TRY(it_q_one(n, in, f->y, "scale of y", IT_T(IT_F32), err));
    IT_TRY(it_q_one(n, in, f->y + 1, "zero point of y", IT_T(IT_U8) | IT_T(IT_I8), err));
    IT_TRY(base->op->infer(base, ptr, out, err));
    if (scale) out[0].type = zero ? zero->type : in[it_q_form_place(f, 0)]->type;
    return INTACT_OK;
}

/* ---- running ---- */

/* What each byte stands for. */
static void table_of(const it_tensor *x, const it_tensor *scale, const it_tensor *zero, int64_t c, float table[256])
{
    float s = (float)it_tensor_get(scale, it_tensor_len(scale) == 1 ? 0 : c);
    int64_t z = zero ? it_tensor_get_int(zero, it_tensor_len(zero) == 1 ? 0 : c) : 0;
    for (int b = 0; b < 256; b++) table[b] = (float)((x->type == IT_I8 ? (int8_t)b : b) - z) * s;
}

/* Place in the plain order of element i of a tensor held channels last. */
static int64_t plain_place(const it_tensor *t, int64_t i)
{
    int64_t c = i % t->dim[1], area = t->dim[2] * t->dim[3], at = i / t->dim[1];
    return (at / area * t->dim[1] + c) * area + at % area;
}

static bool channels_last(const it_node *base, const it_tensor *t) { return base->op->layout == IT_LAYOUT_NHWC && t->rank == 4; }

static intact_status dequantize(it_run_ctx *c, const it_node *n, const it_tensor *const *in, int j, it_tensor *out, intact_error *err)
{
    const it_node *base = &((const it_q_form_args *)n->args)->base;
    int k = it_q_form_place(n->op->form, j), axis = axis_of(base, j);
    const it_tensor *x = in[k], *scale = in[k + 1], *zero = it_elem_in(n, in, k + 2);
    int64_t len = it_tensor_len(x), inner = len, channels = 1;
    float table[256];
    it_shape_copy(out, x);
    out->type = IT_F32;
    out->layout = j == 0 && channels_last(base, x) ? IT_NHWC : IT_PLAIN;
    IT_TRY(it_elem_scratch(c, n, (size_t)len, sizeof(float), &out->data, err));
    if (it_tensor_len(scale) != 1 || (zero && it_tensor_len(zero) != 1)) {
        channels = x->dim[axis];
        inner = 1;
        for (int i = axis + 1; i < x->rank; i++) inner *= x->dim[i];
    }
    const uint8_t *from = x->data;
    float *to = out->data;
    for (int64_t at = 0; at < len; at += inner) {
        table_of(x, scale, zero, at / (inner ? inner : 1) % channels, table);
        for (int64_t i = 0; i < inner; i++) to[at + i] = table[from[out->layout == IT_NHWC ? plain_place(x, at + i) : at + i]];
    }
    return INTACT_OK;
}

static intact_status dequantize_bias(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    const it_q_form *f = n->op->form;
    const it_tensor *b = in[f->bias], *sx = in[f->in[0] + 1], *sw = in[f->in[1] + 1];
    double alpha = (double)((const it_q_form_args *)n->args)->alpha;
    int64_t len = it_tensor_len(b);
    it_shape_copy(out, b);
    out->type = IT_F32;
    IT_TRY(it_elem_scratch(c, n, (size_t)len, sizeof(float), &out->data, err));
    for (int64_t i = 0; i < len; i++)
        ((float *)out->data)[i] = (float)(alpha * ((const int32_t *)b->data)[i] * it_tensor_get(sx, 0) * it_tensor_get(sw, i % it_tensor_len(sw)));
    return INTACT_OK;
}

static void quantize(const it_tensor *from, const it_tensor *scale, const it_tensor *zero, const it_tensor *out)
{
    float lo, hi, s = (float)it_tensor_get(scale, 0), z = zero ? (float)it_tensor_get(zero, 0) : 0;
    const float *x = from->data;
    int64_t len = it_tensor_len(out);
    it_q_limits(out->type, &lo, &hi);
    if (from->layout == IT_PLAIN)
        it_q_row(x, out->data, out->type, len, s, z);
    else
        for (int64_t i = 0; i < len; i++) ((uint8_t *)out->data)[plain_place(out, i)] = (uint8_t)(int32_t)it_q_code(x[i] / s, z, lo, hi);
}

intact_status it_q_form_forward(it_run_ctx *c, const it_node *n, const it_tensor *const *in, it_tensor *const *out, intact_error *err)
{
    const it_q_form *f = n->op->form;
    const it_node *base = &((const it_q_form_args *)n->args)->base;
    const it_tensor *scale = it_elem_in(n, in, f->y);
    it_run_ctx inner = *c;
    void *room;
    it_tensor y = *out[0], *y_ptr[1] = {&y};
    inner.const_weights = false; /* the inputs are made anew each time */
    IT_TRY(it_elem_scratch(c, n, (size_t)base->in_len, sizeof(it_tensor) + sizeof(it_tensor *), &room, err));
    it_tensor *t = room;
    const it_tensor **ptr = (const it_tensor **)(t + base->in_len);
    for (int j = 0; j < base->in_len; j++) {
        ptr[j] = &t[j];
        if (f->bias && it_q_form_place(f, j) == f->bias)
            IT_TRY(dequantize_bias(c, n, in, &t[j], err));
        else
            IT_TRY(dequantize(c, n, in, j, &t[j], err));
    }
    y.type = IT_F32;
    y.layout = channels_last(base, &y) ? IT_NHWC : IT_PLAIN;
    if (scale) IT_TRY(it_elem_scratch(c, n, (size_t)it_tensor_len(&y), sizeof(float), &y.data, err));
    IT_TRY(base->op->forward(&inner, base, ptr, y_ptr, err));
    if (scale) quantize(&y, scale, it_elem_in(n, in, f->y + 1), out[0]);
    return INTACT_OK;
}
