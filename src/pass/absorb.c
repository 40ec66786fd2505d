/* SPDX-License-Identifier: Apache-2.0 */
/* absorb.c: QuantizeLinear and DequantizeLinear go, and what they say becomes parameters of the values between them. */
#include "pass/absorb.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "op/lower.h"

bool it_absorb_wanted(const it_graph *g)
{
    for (size_t i = 0; i < g->nodes.len; i++) {
        const it_op *op = g->nodes.items[i]->op;
        if (it_absorb_is_q(g->nodes.items[i]) || it_absorb_is_dq(g->nodes.items[i]) || op->form || op == &it_op_conv_integer ||
            op == &it_op_mat_mul_integer || op == &it_op_dynamic_quantize_linear)
            return true;
    }
    return false;
}

intact_status it_absorb_say(it_absorb *a, const char *where, intact_error *err, const char *fmt, ...)
{
    va_list ap;
    if (!IT_VEC_ROOM(a->alloc, a->notes)) return it_fail_nomem(err, where, sizeof *a->notes.items);
    it_absorb_note *to = &a->notes.items[a->notes.len++];
    to->where = where;
    va_start(ap, fmt);
    vsnprintf(to->text, sizeof to->text, fmt, ap);
    va_end(ap);
    return INTACT_OK;
}

void it_absorb_release(it_absorb *a)
{
    IT_VEC_FREE(a->alloc, a->notes);
    it_alloc_free(a->alloc, a->real, a->real_len * sizeof *a->real);
    it_alloc_free(a->alloc, a->type, a->real_len * sizeof *a->type);
    memset(&a->notes, 0, sizeof a->notes);
    a->real = NULL;
    a->type = NULL;
    a->real_len = 0;
}

/* ---- new values and nodes ---- */

intact_status it_absorb_value(it_absorb *a, const char *base, const it_tensor *like, it_value **out, intact_error *err)
{
    const char *name = base;
    for (int i = 1; name && it_graph_find(a->g, name); i++) name = it_arena_printf(&a->g->arena, "%s.%d", base, i);
    *out = name ? it_graph_value(a->g, name) : NULL;
    if (!*out) return it_fail_nomem(err, base, sizeof **out);
    it_shape_copy(&(*out)->t, like);
    (*out)->t.type = IT_F32;
    (*out)->declared_rank = IT_RANK_UNKNOWN;
    return INTACT_OK;
}

intact_status it_absorb_node(it_absorb *a, const it_node *n, const it_op *op, it_value *const *in, int in_len, const it_attr *attr,
                             it_value *out, intact_error *err)
{
    it_node *made = it_graph_node(a->g, n->name, op, in_len, 1);
    it_attr *copy = attr ? it_arena_copy(&a->g->arena, attr, sizeof *attr) : NULL;
    if (!made || (attr && !copy)) return it_fail_nomem(err, n->name, sizeof *made);
    memcpy(made->in, in, (size_t)in_len * sizeof *in);
    made->out[0] = out;
    made->attrs = copy;
    made->attrs_len = attr != NULL;
    if (out->producer) /* takes the place of the one that made it */
        for (int k = 0; k < out->producer->out_len; k++)
            if (out->producer->out[k] == out) out->producer->out[k] = NULL;
    out->producer = made;
    return it_node_parse(a->g, made, err);
}

intact_status it_absorb_quant(it_absorb *a, const it_quant *like, int64_t len, it_quant **out, intact_error *err)
{
    it_quant *q = it_arena_copy(&a->g->arena, like, sizeof *like);
    if (!q) return it_fail_nomem(err, "parameters", sizeof *q);
    q->len = len;
    q->given = true;
    q->scale = it_arena_new(&a->g->arena, (size_t)len * sizeof *q->scale);
    q->zero = it_arena_new(&a->g->arena, (size_t)len * sizeof *q->zero);
    *out = q;
    return q->scale && q->zero ? INTACT_OK : it_fail_nomem(err, "parameters", (size_t)len * sizeof *q->scale);
}

/* ---- parameters of activations ---- */

/* lo, hi: what the codes that came could say, where those here say more. */
typedef struct params { intact_type type; int bits; float scale; int32_t zero; float lo, hi; } params;

/* 16-bit activations have zero point 0 here: others keep their range, at a coarser step. */
static intact_status params_16(it_absorb *a, const it_node *n, it_type type, double scale, int64_t zero, params *p, intact_error *err)
{
    int64_t least = type == IT_I16 ? -32768 : 0, middle = type == IT_I16 ? 0 : 32768;
    double below = (double)(zero - least), above = (double)(least + 65535 - zero);
    *p = (params){.type = INTACT_S16, .bits = 16, .scale = (float)scale, .lo = -INFINITY, .hi = INFINITY};
    if (zero == middle) return INTACT_OK;
    p->lo = (float)(-scale * below);
    p->hi = (float)(scale * above);
    p->scale = (float)(scale * (below > above ? below : above) / 32767);
    if (!it_absorb_is_q(n) || a->coarser++ > 0) return INTACT_OK;
    return it_absorb_say(a, n->name, err,
                         "zero point %lld of 16 bits: codes around 0 serve the same range, their step is %.6g instead of %.6g (and so of others)",
                         (long long)zero, (double)p->scale, scale);
}

/* What a (De)QuantizeLinear says of a value of codes. */
static intact_status params_of(it_absorb *a, const it_node *n, it_type type, params *p, intact_error *err)
{
    const it_value *zero_v = it_edit_in(n, 2);
    IT_TRY(it_absorb_check_scale(n, err));
    if (it_tensor_len(&n->in[1]->t) != 1)
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED,
                            "%lld scales of the activation \"%.60s\"; the integer form has one scale for an activation, several for weights",
                            (long long)it_tensor_len(&n->in[1]->t), n->in[0]->name);
    double scale = it_tensor_get(&n->in[1]->t, 0);
    int64_t zero = zero_v ? it_tensor_get_int(&zero_v->t, 0) : 0;
    if (type == IT_I16 || type == IT_U16) return params_16(a, n, type, scale, zero, p, err);
    bool is4 = it_type_is_4bit(type), is_signed = type == IT_I8 || type == IT_I4;
    *p = (params){.type = INTACT_U8, .bits = is4 ? 4 : 8, .scale = (float)scale, .zero = (int32_t)zero + (is_signed ? is4 ? 8 : 128 : 0),
                  .lo = -INFINITY, .hi = INFINITY};
    return INTACT_OK;
}

static bool same(const params *p, const it_quant *q) { return q->type == p->type && q->bits == p->bits && q->len == 1 && q->scale[0] == p->scale &&
                                                       q->zero[0] == p->zero; }

static intact_status give(it_absorb *a, it_value *v, const params *p, intact_error *err)
{
    it_quant like = {.type = p->type, .bits = p->bits, .axis = -1};
    IT_TRY(it_absorb_quant(a, &like, 1, &v->q, err));
    v->q->scale[0] = p->scale;
    v->q->zero[0] = p->zero;
    a->values++;
    return INTACT_OK;
}

static it_value *real_of(const it_absorb *a, const it_value *codes) { return (size_t)codes->id < a->real_len ? a->real[codes->id] : NULL; }

/* The same numbers under other parameters: a value of its own. */
static intact_status again(it_absorb *a, const it_node *n, it_value *x, const char *name, const params *p, it_value **out, intact_error *err)
{
    it_value *in[1] = {x};
    IT_TRY(it_absorb_value(a, it_arena_printf(&a->g->arena, "%s.real", name), &x->t, out, err));
    IT_TRY(it_absorb_node(a, n, &it_op_identity, in, 1, NULL, *out, err));
    return give(a, *out, p, err);
}

/* Codes from 0 on cut off what is negative, as a Relu does: that stays when they become codes around 0. */
static intact_status keep_range(it_absorb *a, const it_node *n, it_value **x, const params *p, intact_error *err)
{
    it_node *by = (*x)->producer;
    it_value *in[3] = {*x};
    if ((p->lo == -INFINITY && p->hi == INFINITY) || !by || (*x)->q) return INTACT_OK;
    if (by->op->quant.clamps && by->out[0] == *x) {
        by->clamp_lo = fminf(fmaxf(by->clamp_lo, p->lo), p->hi);
        by->clamp_hi = fmaxf(fminf(by->clamp_hi, p->hi), p->lo);
        return INTACT_OK;
    }
    for (int k = 1; k < 3; k++) {
        float bound = k == 1 ? p->lo : p->hi;
        IT_TRY(it_edit_const(a->g, it_arena_printf(&a->g->arena, "%s.bound", n->name), &(it_tensor){.type = IT_F32, .rank = 0, .data = &bound}, &in[k], err));
    }
    IT_TRY(it_absorb_value(a, it_arena_printf(&a->g->arena, "%s.cut", (*x)->name), &(*x)->t, x, err));
    return it_absorb_node(a, n, &it_op_clip, in, 3, NULL, *x, err);
}

/* A graph output that was `from` is `to` from now on. */
static intact_status hand_over(it_absorb *a, const it_node *n, it_value *from, it_value *to, intact_error *err)
{
    if (from->is_output && (to->is_input || to->is_output || to->is_const)) {
        params p = {to->q->type, to->q->bits, to->q->scale[0], to->q->zero[0], -INFINITY, INFINITY};
        IT_TRY(again(a, n, to, from->name, &p, &to, err));
    }
    it_graph_replace(a->g, from, to);
    return INTACT_OK;
}

static bool read_in_float(const it_graph *g, const it_value *x)
{
    for (size_t i = 0; i < g->nodes.len; i++)
        for (int k = 0; k < g->nodes.items[i]->in_len; k++)
            if (g->nodes.items[i]->in[k] == x && !it_absorb_is_q(g->nodes.items[i])) return true;
    return x->is_output;
}

static intact_status absorb_q(it_absorb *a, it_node *n, intact_error *err)
{
    it_value *x = n->in[0], *codes = n->out[0], *to = x;
    params p;
    if (x->is_const) return it_absorb_const_codes(a, n, err);
    if (!it_type_is_float(x->t.type))
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "it quantizes \"%.60s\" of type %s; float is supported", x->name, it_type_name(x->t.type));
    if (!it_absorb_is_code(codes->t.type)) return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "codes of type %s; 4, 8 and 16 bits are supported",
                                                               it_type_name(codes->t.type));
    IT_TRY(params_of(a, n, codes->t.type, &p, err));
    IT_TRY(keep_range(a, n, &x, &p, err));
    to = x;
    if (!x->q) {
        if (read_in_float(a->g, x))
            IT_TRY(it_absorb_say(a, x->name, err, "was also read in float; all its readers get the codes' values now"));
        IT_TRY(give(a, x, &p, err));
    } else if (!same(&p, x->q)) {
        IT_TRY(again(a, n, x, codes->name, &p, &to, err));
    }
    a->real[codes->id] = to;
    if (codes->is_output) IT_TRY(hand_over(a, n, codes, to, err));
    return INTACT_OK;
}

/* A graph input of codes: from here on the float input that they stand for. */
static intact_status input_codes(it_absorb *a, it_value *codes, const params *p, intact_error *err)
{
    if (codes->t.type == IT_I8 || codes->t.type == IT_I4)
        IT_TRY(it_absorb_say(a, codes->name, err, "its codes are signed; those of the program are %d more", codes->t.type == IT_I8 ? 128 : 8));
    codes->t.type = IT_F32;
    a->real[codes->id] = codes;
    return give(a, codes, p, err);
}

static intact_status absorb_dq(it_absorb *a, it_node *n, intact_error *err)
{
    it_value *codes = n->in[0], *out = n->out[0], *real = real_of(a, codes);
    params p;
    if (codes->is_const) return it_absorb_const_real(a, n, err);
    it_type type = (size_t)codes->id < a->real_len ? a->type[codes->id] : codes->t.type; /* an input of codes is a float one by now */
    if (!it_absorb_is_code(type))
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "it reads \"%.60s\" of type %s; codes of 4, 8 and 16 bits from a QuantizeLinear are supported",
                            codes->name,
                            it_type_name(type));
    IT_TRY(params_of(a, n, type, &p, err));
    if (!real && codes->is_input) {
        IT_TRY(input_codes(a, codes, &p, err));
        real = codes;
    }
    if (!real)
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "the codes \"%.60s\" come from %s, which the integer form cannot take for a quantization",
                            codes->name,
                            codes->producer ? codes->producer->op->onnx ? codes->producer->op->onnx : codes->producer->op->name : "nowhere");
    if (!same(&p, real->q))
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "scale %g, zero point %d for codes that were made with scale %g, zero point %d; both must agree",
                            (double)p.scale,
                            (int)p.zero, (double)real->q->scale[0], (int)real->q->zero[0]);
    return hand_over(a, n, out, real, err);
}

/* ---- operators that move codes ---- */

/* Codes padded with: the real number that they stand for. */
static intact_status pad_value(it_absorb *a, it_node *n, const it_quant *q, it_type type, intact_error *err)
{
    const it_value *v = it_edit_in(n, 2);
    if (v && !v->is_const) return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "the value to pad with is computed; the integer form needs a constant");
    int64_t code = (v ? it_tensor_get_int(&v->t, 0) : 0) + (type == IT_I8 ? 128 : type == IT_I4 ? 8 : type == IT_U16 ? -32768 : 0);
    float x = q->scale[0] * (float)(code - q->zero[0]);
    it_value *made;
    IT_TRY(it_edit_const(a->g, it_arena_printf(&a->g->arena, "%s.value", n->name), &(it_tensor){.type = IT_F32, .rank = 0, .data = &x}, &made, err));
    return it_edit_set_in(a->g, n, 2, made, err);
}

static intact_status absorb_mover(it_absorb *a, it_node *n, const it_value *first, intact_error *err)
{
    it_type type = n->out[0] ? n->out[0]->t.type : IT_F32;
    bool moves = n->op->quant.out == IT_Q_SAME || n->op->quant.out == IT_Q_SHARED;
    if (!moves && !(n->op->quant.in_types && n->op->lower && !it_absorb_is_code(type))) /* argmax gives no codes */
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "it computes with the codes of \"%.60s\"; put a DequantizeLinear before it", first->name);
    for (int k = 0; k < n->in_len; k++) {
        it_value *real = n->in[k] ? real_of(a, n->in[k]) : NULL;
        if (!real && k > 0 && n->op->quant.out == IT_Q_SHARED)
            return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "input %d, \"%.60s\", has no scale; a QuantizeLinear must have made it", k, n->in[k] ?
                                n->in[k]->name : "");
        if (!real) continue;
        if (!it_lower_same_quant(real->q, real_of(a, first)->q))
            return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "it joins codes of scale %g and of scale %g; they must agree", (double)real->q->scale[0],
                                (double)real_of(a, first)->q->scale[0]);
        n->in[k] = real;
    }
    if (n->op == &it_op_pad && it_edit_attr_str_is(n, "mode", "constant", "constant")) IT_TRY(pad_value(a, n, n->in[0]->q, type, err));
    for (int k = 0; k < n->out_len && moves; k++) {
        it_value *out = n->out[k];
        if (!out || out->t.type != type) continue;
        out->t.type = IT_F32;
        out->q = real_of(a, first) ? real_of(a, first)->q : n->in[0]->q;
        a->real[out->id] = out;
    }
    return INTACT_OK;
}

static intact_status absorb_node(it_absorb *a, it_node *n, intact_error *err)
{
    bool done = false;
    if (it_absorb_is_q(n)) return absorb_q(a, n, err);
    if (it_absorb_is_dq(n)) return absorb_dq(a, n, err);
    IT_TRY(it_absorb_const_moved(a, n, &done, err));
    for (int k = 0; k < n->in_len && !done; k++)
        if (n->in[k] && real_of(a, n->in[k]) && n->in[k]->t.type != IT_F32) return absorb_mover(a, n, n->in[k], err);
    for (int k = 0; k < n->in_len && !done; k++) /* an input of codes that is a float one now, or what another mover gave */
        if (n->in[k] && real_of(a, n->in[k]) == n->in[k] && it_absorb_is_code(n->out[0] ? n->out[0]->t.type : IT_F32)) return absorb_mover(a, n, n->in[k], err);
    return INTACT_OK;
}

/* Nodes are only appended while this goes on, or go themselves. */
static intact_status absorb_all(it_absorb *a, intact_error *err)
{
    it_graph *g = a->g;
    a->real_len = g->values.len;
    a->real = it_alloc_zero(a->alloc, a->real_len * sizeof *a->real);
    a->type = it_alloc_zero(a->alloc, a->real_len * sizeof *a->type);
    if (!a->real || !a->type) return it_fail_nomem(err, g->name, a->real_len * sizeof *a->real);
    for (size_t i = 0; i < a->real_len; i++) a->type[i] = g->values.items[i]->t.type;
    size_t last = g->nodes.len;
    for (size_t i = 0; i < last;) {
        it_node *n = g->nodes.items[i];
        IT_TRY(absorb_node(a, n, err));
        if (g->nodes.items[i] == n)
            i++;
        else
            last--;
    }
    return INTACT_OK;
}

intact_status it_absorb_run(it_absorb *a, intact_error *err)
{
    size_t dropped = 0;
    IT_TRY(it_absorb_codes(a, err));
    IT_TRY(it_edit_infer(a->g, err)); /* types of what came new */
    IT_TRY(absorb_all(a, err));
    IT_TRY(it_graph_sort(a->g, err));
    IT_TRY(it_pass_drop_dead.run(a->g, &dropped, err));
    IT_TRY(it_graph_verify(a->g, err));
    IT_TRY(it_edit_infer(a->g, err));
    IT_TRY(it_pass_all_run(a->g, err));
    return it_absorb_fill(a, err);
}
