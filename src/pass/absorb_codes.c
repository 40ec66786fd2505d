/* SPDX-License-Identifier: Apache-2.0 */
/* absorb_codes.c: operators on codes, spelled out: DequantizeLinear, the float operator, QuantizeLinear. Ranges that DynamicQuantizeLinear finds while
** running are left to calibration. */
#include "pass/absorb.h"

#include <string.h>

#include "op/quant_form.h"

/* ---- QLinearConv and its like ---- */

/* A constant of len elements on one axis: its own, or its only one for all. What is no such thing stays for DequantizeLinear to refuse. */
static intact_status along_axis(it_absorb *a, it_value **v, int64_t len, intact_error *err)
{
    const it_tensor *t = &(*v)->t;
    int64_t own = it_tensor_len(t);
    int longer = 0;
    for (int k = 0; k < t->rank; k++) longer += t->dim[k] != 1;
    if (!(*v)->is_const || len == 1 || longer > 1 || (own != 1 && own != len) || (own == len && t->rank == 1)) return INTACT_OK;
    it_tensor to = {.type = t->type, .rank = 1, .dim = {len}, .data = it_arena_new(&a->g->arena, (size_t)len * it_type_bytes(t->type))};
    if (!to.data) return it_fail_nomem(err, (*v)->name, (size_t)len);
    for (int64_t i = 0; i < len; i++)
        memcpy((char *)to.data + (size_t)i * it_type_bytes(t->type), (const char *)t->data + (own == 1 ? 0 : (size_t)i * it_type_bytes(t->type)),
               it_type_bytes(t->type));
    return it_edit_const(a->g, (*v)->name, &to, v, err);
}

/* These operators take one zero point for many scales, many for one, and shapes as (1,n); DequantizeLinear takes as many of each, on one axis. */
static intact_status same_many(it_absorb *a, it_value **scale, it_value **zero, intact_error *err)
{
    int64_t len = it_tensor_len(&(*scale)->t), zeros = *zero ? it_tensor_len(&(*zero)->t) : 1;
    if (len == 1) len = zeros;
    IT_TRY(along_axis(a, scale, len, err));
    return *zero ? along_axis(a, zero, len, err) : INTACT_OK;
}

/* A DequantizeLinear of codes with this scale and zero point (NULL: 0) along axis; its output. */
static intact_status dequantized(it_absorb *a, const it_node *n, it_value *codes, it_value *scale, it_value *zero, int64_t axis, it_value **out,
                                 intact_error *err)
{
    IT_TRY(same_many(a, &scale, &zero, err));
    it_value *in[3] = {codes, scale, zero};
    it_attr attr = {.name = "axis", .kind = IT_ATTR_INT, .i = axis};
    IT_TRY(it_absorb_value(a, it_arena_printf(&a->g->arena, "%s.real", codes->name), &codes->t, out, err));
    return it_absorb_node(a, n, &it_op_dequantize_linear, in, zero ? 3 : 2, &attr, *out, err);
}

/* One scale is written as a tensor of one element: then the axis does not matter. */
static intact_status scale_const(it_absorb *a, const it_node *n, const float *scale, int64_t len, it_value **out, intact_error *err)
{
    it_tensor t = {.type = IT_F32, .rank = len > 1, .dim = {len}, .data = (void *)(uintptr_t)scale};
    return it_edit_const(a->g, it_arena_printf(&a->g->arena, "%s.scale", n->name), &t, out, err);
}

/* The bias has the scale of the sums: alpha * x * w. */
static intact_status bias_of(it_absorb *a, const it_node *n, float alpha, it_value **out, intact_error *err)
{
    const it_q_form *f = n->op->form;
    const it_value *sx = n->in[f->in[0] + 1], *sw = n->in[f->in[1] + 1];
    if (!sx->is_const || !sw->is_const) return it_node_fail(n, err, INTACT_E_UNSUPPORTED,
                                                            "its scales are computed in the network; the integer form needs constants");
    int64_t len = it_tensor_len(&sw->t);
    float *scale = it_arena_new(&a->g->arena, (size_t)len * sizeof *scale + 1);
    it_value *s;
    if (!scale) return it_fail_nomem(err, n->name, (size_t)len * sizeof *scale);
    for (int64_t c = 0; c < len; c++) scale[c] = (float)((double)alpha * it_tensor_get(&sx->t, 0) * it_tensor_get(&sw->t, c));
    IT_TRY(scale_const(a, n, scale, len, &s, err));
    return dequantized(a, n, n->in[f->bias], s, NULL, 0, out, err);
}

/* "conv1_quantized" are the codes of "conv1", as ONNX Runtime names them. */
static const char *real_name(it_absorb *a, const char *codes)
{
    static const char TAIL[] = "_quantized";
    size_t len = strlen(codes), tail = sizeof TAIL - 1;
    if (len <= tail || strcmp(codes + len - tail, TAIL) != 0) return it_arena_printf(&a->g->arena, "%s.real", codes);
    return it_arena_printf(&a->g->arena, "%.*s", (int)(len - tail), codes);
}

static intact_status quantize_output(it_absorb *a, it_node *n, it_value *scale, it_value *zero, intact_error *err)
{
    it_value *codes = n->out[0], *real, *in[3] = {NULL, scale, zero};
    if (!zero && codes->t.type != IT_U8) { /* without one QuantizeLinear makes uint8 */
        it_tensor t = {.type = codes->t.type, .rank = 0, .data = &(int64_t){0}};
        IT_TRY(it_edit_const(a->g, it_arena_printf(&a->g->arena, "%s.zero", codes->name), &t, &in[2], err));
        zero = in[2];
    }
    IT_TRY(it_absorb_value(a, real_name(a, codes->name), &codes->t, &real, err));
    in[0] = real;
    IT_TRY(it_absorb_node(a, n, &it_op_quantize_linear, in, zero ? 3 : 2, NULL, codes, err));
    n->out[0] = real;
    real->producer = n;
    return INTACT_OK;
}

static intact_status spell_out(it_absorb *a, it_node *n, intact_error *err)
{
    const it_q_form *f = n->op->form;
    int len = it_q_form_len(n), opset = n->opset;
    it_value **in = it_arena_new(&a->g->arena, (size_t)(len + 1) * sizeof *in), *y = it_edit_in(n, f->y), *y_zero = it_edit_in(n, f->y + 1);
    float alpha = 1;
    if (!in) return it_fail_nomem(err, n->name, (size_t)len * sizeof *in);
    if (n->op->domain) { /* ONNX Runtime's: whose rules it follows is an attribute */
        const it_q_form_args *args = n->args;
        opset = args->base.opset;
        alpha = f->bias ? args->alpha : 1;
    }
    const it_node before = *n;
    for (int j = 0; j < len; j++) {
        int k = it_q_form_place(f, j);
        it_node base = before;
        base.op = f->base;
        base.args = n->op->domain ? ((const it_q_form_args *)n->args)->base.args : n->args;
        int64_t axis = j && f->base->quant.weight_in == j ? f->base->quant.weight_axis(&base) : 0;
        if (f->base == &it_op_mat_mul) axis = n->in[k]->t.rank - 1;
        if (f->bias && k == f->bias)
            IT_TRY(bias_of(a, n, alpha, &in[j], err));
        else
            IT_TRY(dequantized(a, n, n->in[k], n->in[k + 1], it_edit_in(n, k + 2), axis, &in[j], err));
    }
    IT_TRY(it_edit_become(a->g, n, f->base, in, len, before.attrs, before.attrs_len, err));
    if (before.op->domain) {
        n->opset = opset;
        IT_TRY(it_edit_set_attrs(a->g, n, NULL, 0, err));
    }
    if (y) return quantize_output(a, n, y, y_zero, err);
    n->out[0]->t.type = IT_F32;
    return INTACT_OK;
}

/* ---- ConvInteger, MatMulInteger: (sums as int32) -> Cast -> Mul by the scales [-> Add of the bias] ---- */

static it_node *only_reader(const it_graph *g, const it_value *v, const it_op *op)
{
    const it_node *n;
    if (v->is_output || it_graph_uses(g, v, &n) != 1 || n->op != op) return NULL;
    for (size_t i = 0; i < g->nodes.len; i++)
        if (g->nodes.items[i] == n) return g->nodes.items[i];
    return NULL;
}

/* A product of constants and at most one scale that DynamicQuantizeLinear d found: the constants multiplied, by output channel. */
typedef struct factors { it_arena *arena; const it_value *dynamic; bool found; double *scale; int64_t len; } factors;

static bool multiply_const(factors *f, const it_value *v)
{
    int64_t len = it_tensor_len(&v->t);
    if (!v->t.data || !it_type_is_float(v->t.type) || len < 1 || (len > 1 && f->len > 1 && len != f->len)) return false;
    if (len > f->len) {
        double *more = it_arena_new(f->arena, (size_t)len * sizeof *more);
        for (int64_t c = 0; more && c < len; c++) more[c] = f->scale[0];
        if (!more) return false;
        f->scale = more;
        f->len = len;
    }
    for (int64_t c = 0; c < f->len; c++) f->scale[c] *= it_tensor_get(&v->t, len == 1 ? 0 : c);
    return true;
}

static bool collect(factors *f, const it_value *v, int depth)
{
    if (v == f->dynamic && !f->found) {
        f->found = true;
        return true;
    }
    if (v->is_const) return multiply_const(f, v);
    const it_node *n = v->producer;
    return depth < 4 && it_edit_is(n, "Mul") && collect(f, n->in[0], depth + 1) && collect(f, n->in[1], depth + 1);
}

typedef struct sums { /* an integer product and what is around it */
    it_node *n, *cast, *mul, *from; /* from: DynamicQuantizeLinear or QuantizeLinear before it */
    factors f;
} sums;

/* The scales run along the output channels: one for all, or shaped so that they meet axis 1 (convolution), the last (product). */
static bool along_channels(const sums *s, const it_value *v)
{
    const it_tensor *t = &v->t, *y = &s->mul->out[0]->t;
    int channel = s->n->op == &it_op_conv_integer ? 1 : y->rank - 1;
    if (!v->is_const) {
        const it_node *n = v->producer;
        return v == s->f.dynamic || (it_edit_is(n, "Mul") && along_channels(s, n->in[0]) && along_channels(s, n->in[1]));
    }
    if (t->rank > y->rank || channel < 0) return false;
    for (int k = 0; k < t->rank; k++)
        if (t->dim[k] != 1 && y->rank - t->rank + k != channel) return false;
    return true;
}

/* -1000: computed. */
static int64_t zero_of(const it_value *v) { return !v ? 0 : v->is_const && it_tensor_len(&v->t) == 1 ? it_tensor_get_int(&v->t, 0) : -1000; }

static intact_status find_sums(it_absorb *a, it_node *n, sums *s, intact_error *err)
{
    *s = (sums){.n = n, .from = n->in[0]->producer};
    bool dynamic = s->from && s->from->op == &it_op_dynamic_quantize_linear;
    if (!n->in[1]->is_const || (it_edit_in(n, 3) && !n->in[3]->is_const))
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "the weights or their zero points are computed in the network; the integer form needs constants");
    if (!dynamic && !it_absorb_is_q(s->from))
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "its codes \"%.60s\" do not come from a QuantizeLinear or a DynamicQuantizeLinear", n->in[0]->name);
    if (it_edit_clamped(n)) return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "its sums are clamped");
    s->cast = only_reader(a->g, n->out[0], &it_op_cast);
    s->mul = s->cast ? only_reader(a->g, s->cast->out[0], &it_op_mul) : NULL;
    it_value *scale = s->mul ? s->mul->in[s->mul->in[0] == s->cast->out[0]] : NULL;
    s->f = (factors){.arena = &a->g->arena, .len = 1, .dynamic = dynamic && s->from->out_len > 1 ? s->from->out[1] : NULL};
    s->f.scale = it_arena_new(&a->g->arena, sizeof *s->f.scale);
    if (!s->f.scale) return it_fail_nomem(err, n->name, sizeof *s->f.scale);
    s->f.scale[0] = 1;
    if (!scale || scale == s->cast->out[0] || !along_channels(s, scale) || !collect(&s->f, scale, 0) || s->f.found != dynamic)
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED,
                            "its sums are not cast to float and multiplied by the scales next; that is the form which becomes integer");
    const it_value *zero = it_edit_in(n, 2), *own = dynamic ? s->from->out_len > 2 ? s->from->out[2] : NULL : it_edit_in(s->from, 2);
    if (!dynamic) IT_TRY(it_absorb_check_scale(s->from, err));
    if (zero != own && (dynamic || zero_of(zero) != zero_of(own)))
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "the zero point of its input is not the one that its codes were made with");
    if (!dynamic) {
        double x = it_tensor_get(&s->from->in[1]->t, 0);
        for (int64_t c = 0; c < s->f.len; c++) s->f.scale[c] /= x;
    }
    return INTACT_OK;
}

/* The bias that an Add brings next, as (channels); NULL when there is none. */
static intact_status take_bias(it_absorb *a, sums *s, it_value **out, intact_error *err)
{
    it_node *add = only_reader(a->g, s->mul->out[0], &it_op_add);
    *out = NULL;
    if (!add || add->in[0] == add->in[1] || it_edit_clamped(s->mul)) return INTACT_OK;
    const it_value *k = add->in[add->in[0] == s->mul->out[0]];
    const it_tensor *w = &s->n->in[1]->t;
    bool conv = s->n->op == &it_op_conv_integer;
    if (!it_edit_floats(k) || !along_channels(s, k) || !it_tensor_same_shape(&add->out[0]->t, &s->mul->out[0]->t)) return INTACT_OK;
    if (!conv && (w->rank != 2 || s->n->in[0]->t.rank != 2)) return INTACT_OK; /* a Gemm takes one, a product of stacks does not */
    int64_t channels = conv ? w->dim[0] : w->dim[1];
    it_tensor t = {.type = IT_F32, .rank = 1, .dim = {channels}};
    float *x = it_arena_new(&a->g->arena, (size_t)channels * sizeof *x + 1);
    if (!x) return it_fail_nomem(err, add->name, (size_t)channels * sizeof *x);
    for (int64_t c = 0; c < channels; c++) x[c] = (float)it_tensor_get(&k->t, it_tensor_len(&k->t) == 1 ? 0 : c);
    t.data = x;
    IT_TRY(it_edit_const(a->g, it_arena_printf(&a->g->arena, "%s.bias", s->n->name), &t, out, err));
    s->mul->clamp_lo = add->clamp_lo;
    s->mul->clamp_hi = add->clamp_hi;
    it_edit_take(a->g, s->mul, add);
    return INTACT_OK;
}

static intact_status spell_out_sums(it_absorb *a, it_node *n, intact_error *err)
{
    sums s;
    it_value *in[3], *scale;
    IT_TRY(find_sums(a, n, &s, err));
    bool conv = n->op == &it_op_conv_integer, dynamic = s.f.found;
    int in_len = 2;
    float *w = it_arena_new(&a->g->arena, (size_t)s.f.len * sizeof *w + 1);
    if (!w) return it_fail_nomem(err, n->name, (size_t)s.f.len * sizeof *w);
    for (int64_t c = 0; c < s.f.len; c++) w[c] = (float)s.f.scale[c];
    IT_TRY(scale_const(a, n, w, s.f.len, &scale, err));
    it_value *zero = it_edit_in(n, 3);
    if (zero && it_tensor_len(&zero->t) != s.f.len && it_tensor_len(&zero->t) != 1 && s.f.len != 1)
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "%lld zero points of the weights for %lld scales", (long long)it_tensor_len(&zero->t),
                            (long long)s.f.len);
    if (dynamic)
        in[0] = s.from->in[0];
    else
        IT_TRY(dequantized(a, n, n->in[0], s.from->in[1], it_edit_in(s.from, 2), 0, &in[0], err));
    IT_TRY(dequantized(a, n, n->in[1], scale, zero, conv ? 0 : n->in[1]->t.rank - 1, &in[1], err));
    IT_TRY(take_bias(a, &s, &in[2], err));
    in_len += in[2] != NULL;
    const it_op *op = conv ? &it_op_conv : in[2] ? &it_op_gemm : &it_op_mat_mul;
    IT_TRY(it_edit_become(a->g, n, op, in, in_len, conv ? n->attrs : NULL, conv ? n->attrs_len : 0, err));
    n->clamp_lo = s.mul->clamp_lo;
    n->clamp_hi = s.mul->clamp_hi;
    n->out[0]->producer = NULL;
    n->out[0] = s.mul->out[0];
    it_graph_remove(a->g, s.mul);
    it_graph_remove(a->g, s.cast);
    n->out[0]->producer = n;
    return INTACT_OK;
}

/* ---- DynamicQuantizeLinear ---- */

/* Its result, dequantized with its own scale, is its input. */
static intact_status drop_dynamic(it_absorb *a, it_node *n, intact_error *err)
{
    it_node *d = n->in[0] ? n->in[0]->producer : NULL;
    if (!it_absorb_is_dq(n) || !d || d->op != &it_op_dynamic_quantize_linear) return INTACT_OK;
    if (d->out_len < 2 || n->in[1] != d->out[1]) return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "its scale is not the one that \"%.60s\" found", d->name);
    if (n->out[0]->is_output) return INTACT_OK;
    it_graph_replace(a->g, n->out[0], d->in[0]);
    return INTACT_OK;
}

static intact_status note_dynamic(it_absorb *a, intact_error *err)
{
    const it_node *n = NULL;
    size_t len = 0;
    for (size_t i = 0; i < a->g->nodes.len; i++)
        if (a->g->nodes.items[i]->op == &it_op_dynamic_quantize_linear && len++ == 0) n = a->g->nodes.items[i];
    if (!n) return INTACT_OK;
    if (!a->calibrates)
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED,
                            "the range of \"%.60s\" is found anew for every input; --calib DATA finds a fixed one, which the integer form needs",
                            n->in[0]->name);
    return it_absorb_say(a, n->in[0]->name, err, "the ranges of %zu values, this one first, were found anew for every input; now fixed ones are calibrated",
                         len);
}

intact_status it_absorb_codes(it_absorb *a, intact_error *err)
{
    it_graph *g = a->g;
    IT_TRY(note_dynamic(a, err));
    for (size_t i = 0; i < g->nodes.len;) {
        it_node *n = g->nodes.items[i];
        IT_TRY(drop_dynamic(a, n, err));
        bool integer = n->op == &it_op_conv_integer || n->op == &it_op_mat_mul_integer;
        if (integer) IT_TRY(spell_out_sums(a, n, err));
        if (n->op->form) IT_TRY(spell_out(a, n, err));
        i = integer ? 0 : i + 1; /* nodes anywhere went */
    }
    IT_TRY(it_graph_sort(g, err));
    size_t dropped = 0;
    return it_pass_drop_dead.run(g, &dropped, err);
}
