/* SPDX-License-Identifier: Apache-2.0 */
/* absorb_fill.c: parameters that follow from others, what then is missing, and whether biases fit the sums that they are added to. */
#include "pass/absorb.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "op/lower.h"

static bool is_activation(const it_value *v) { return v && !v->is_const && it_type_is_float(v->t.type) && (v->producer || v->is_input); }

static bool takes(const it_op_quant *q, uint32_t types, intact_type t)
{
    if (types == 0) return q->out == IT_Q_SAME || q->out == IT_Q_SHARED || t == INTACT_U8;
    return types >> t & 1;
}

static bool all_take_s16(const it_graph *g, const it_value *v)
{
    if (!v->producer || !takes(&v->producer->op->quant, v->producer->op->quant.out_types, INTACT_S16)) return false;
    for (size_t i = 0; i < g->nodes.len; i++)
        for (int k = 0; k < g->nodes.items[i]->in_len; k++)
            if (g->nodes.items[i]->in[k] == v && !takes(&g->nodes.items[i]->op->quant, g->nodes.items[i]->op->quant.in_types, INTACT_S16)) return false;
    return true;
}

/* ---- ranges that follow ---- */

typedef struct range { double lo, hi; } range;

static range range_of(const it_quant *q)
{
    int32_t least = q->type == INTACT_U8 ? 0 : -32767, most = q->type == INTACT_U8 ? (1 << q->bits) - 1 : 32767;
    return (range){(double)q->scale[0] * (least - q->zero[0]), (double)q->scale[0] * (most - q->zero[0])};
}

static void widen(range *r, double v)
{
    r->lo = v < r->lo ? v : r->lo;
    r->hi = v > r->hi ? v : r->hi;
}

/* An operator of one number, at all codes, or at as many places of 16 bits. */
static range range_of_scalar(const it_node *n, const it_quant *q)
{
    range x = range_of(q), y = {INFINITY, -INFINITY};
    for (int i = 0; i <= 512; i++) widen(&y, (double)n->op->scalar(n, (float)(x.lo + (x.hi - x.lo) * i / 512)));
    return y;
}

static bool operand(const it_value *v, range *r)
{
    if (v->is_const && v->t.data && it_type_is_float(v->t.type)) {
        *r = (range){INFINITY, -INFINITY};
        for (int64_t i = 0, len = it_tensor_len(&v->t); i < len; i++) widen(r, it_tensor_get(&v->t, i));
        return r->lo <= r->hi;
    }
    if (v->q) *r = range_of(v->q);
    return v->q != NULL;
}

static bool range_of_two(const it_node *n, range *y)
{
    range a, b;
    if (n->in_len != 2 || !operand(n->in[0], &a) || !operand(n->in[1], &b)) return false;
    *y = (range){INFINITY, -INFINITY};
    for (int i = 0; i < 4; i++) {
        double u = i & 1 ? a.hi : a.lo, v = i & 2 ? b.hi : b.lo;
        if (n->op == &it_op_div && b.lo <= 0 && b.hi >= 0) return false;
        widen(y, n->op == &it_op_add ? u + v : n->op == &it_op_sub ? u - v : n->op == &it_op_mul ? u * v : u / v);
    }
    return true;
}

/* The largest sum that the codes of x and the weights allow: what an answer may be, not what it will be, so only for 16 bits. */
static bool range_of_layer(const it_node *n, range *y)
{
    const it_op_quant *o = &n->op->quant;
    if (!o->weight_in || n->in_len <= o->weight_in || !n->in[0]->q || !n->in[o->weight_in]->is_const || !it_tensor_len(&n->in[o->weight_in]->t)) return false;
    const it_tensor *w = &n->in[o->weight_in]->t;
    const it_value *b = o->bias_in && o->bias_in < n->in_len ? n->in[o->bias_in] : NULL;
    range x = range_of(n->in[0]->q);
    int axis = o->weight_axis(n);
    int64_t inner = 1, channels = w->dim[axis];
    for (int k = axis + 1; k < w->rank; k++) inner *= w->dim[k];
    *y = (range){0, 0};
    for (int64_t c = 0; c < channels; c++) {
        double bias = b && b->t.data ? it_tensor_get(&b->t, it_tensor_len(&b->t) == 1 ? 0 : c) : 0, lo = bias, hi = bias;
        for (int64_t i = c * inner; i < it_tensor_len(w); i += inner * channels)
            for (int64_t k = 0; k < inner; k++) {
                double v = it_tensor_get(w, i + k);
                lo += v > 0 ? v * x.lo : v * x.hi;
                hi += v > 0 ? v * x.hi : v * x.lo;
            }
        widen(y, lo);
        widen(y, hi);
    }
    return true;
}

/* ---- giving ---- */

static intact_status give(it_absorb *a, it_value *v, intact_type type, double scale, int32_t zero, bool *changed, intact_error *err)
{
    it_quant like = {.type = type, .bits = type == INTACT_S16 ? 16 : 8, .axis = -1};
    if (!((float)scale > 0) || !isfinite((float)scale)) return INTACT_OK;
    IT_TRY(it_absorb_quant(a, &like, 1, &v->q, err));
    v->q->scale[0] = (float)scale;
    v->q->zero[0] = zero;
    *changed = true;
    return INTACT_OK;
}

static intact_status give_range(it_absorb *a, it_value *v, range r, bool wide_only, bool *changed, intact_error *err)
{
    r.lo = r.lo < 0 ? r.lo : 0;
    r.hi = r.hi > 0 ? r.hi : 0;
    if (all_take_s16(a->g, v)) return give(a, v, INTACT_S16, (-r.lo > r.hi ? -r.lo : r.hi) / 32767, 0, changed, err);
    if (wide_only) return INTACT_OK;
    double scale = (r.hi - r.lo) / 255;
    return give(a, v, INTACT_U8, scale, scale > 0 ? (int32_t)floor(-r.lo / scale + 0.5) : 0, changed, err);
}

static void share(it_value *v, it_quant *q, bool *changed)
{
    v->q = q;
    *changed = true;
}

/* Parameters that hand on the very codes: to what a mover gives, and back to what only it reads. */
static void fill_moved(it_absorb *a, it_node *n, bool *changed)
{
    it_value *x = n->in_len ? n->in[0] : NULL, *y = n->out_len ? n->out[0] : NULL;
    if (!is_activation(x) || !is_activation(y)) return;
    if (n->op->quant.out == IT_Q_SAME) {
        for (int k = 0; k < n->out_len; k++)
            if (is_activation(n->out[k]) && !n->out[k]->q && x->q) share(n->out[k], x->q, changed);
        if (!x->q && y->q && x->producer && n->out_len == 1 && it_edit_reads_once(a->g, x, n)) share(x, y->q, changed);
        return;
    }
    const it_quant *first = x->q;
    bool equal = first != NULL;
    for (int k = 0; k < n->in_len; k++) {
        it_value *v = n->in[k];
        if (is_activation(v) && !v->q && y->q && v->producer && it_edit_reads_once(a->g, v, n)) share(v, y->q, changed);
        equal = equal && v && v->q && it_lower_same_quant(first, v->q);
    }
    if (equal && !y->q) share(y, x->q, changed);
}

static bool is_pool(const it_node *n) { return n->op->quant.role == IT_ROLE_POOL; }

/* What data are not needed for, though no one said it: wide enough for every number that can occur. */
static intact_status fill_estimated(it_absorb *a, it_node *n, bool *changed, intact_error *err)
{
    it_value *x = n->in_len ? n->in[0] : NULL, *y = n->out_len ? n->out[0] : NULL;
    range r;
    if (!is_activation(y) || y->q || !x) return INTACT_OK;
    bool two = n->op == &it_op_add || n->op == &it_op_sub || n->op == &it_op_mul || n->op == &it_op_div;
    if (n->op->scalar && x->q) {
        r = range_of_scalar(n, x->q);
    } else if (two) {
        if (!range_of_two(n, &r)) return INTACT_OK;
    } else if (is_pool(n) && x->q) {
        r = range_of(x->q);
    } else if (!y->is_output || !range_of_layer(n, &r)) {
        return INTACT_OK;
    }
    r.lo = fmax(r.lo, (double)n->clamp_lo);
    r.hi = fmin(r.hi, (double)n->clamp_hi);
    if (!isfinite(r.lo) || !isfinite(r.hi)) return INTACT_OK;
    return give_range(a, y, r, n->op->quant.weight_in > 0, changed, err);
}

static intact_status fill_round(it_absorb *a, bool *changed, intact_error *err)
{
    for (size_t i = 0; i < a->g->nodes.len; i++) {
        it_node *n = a->g->nodes.items[i];
        it_value *y = n->out_len ? n->out[0] : NULL;
        if (it_lower_is_shape_arithmetic(a->g, n)) continue;
        if (n->op->quant.out == IT_Q_SAME || n->op->quant.out == IT_Q_SHARED) fill_moved(a, n, changed);
        if (n->op->quant.out == IT_Q_FIXED && is_activation(y) && !y->q && !a->calibrates)
            IT_TRY(give_range(a, y, (range){(double)n->op->quant.fixed_lo, (double)n->op->quant.fixed_hi}, false, changed, err));
    }
    for (size_t i = 0; i < a->g->nodes.len && !*changed && !a->calibrates; i++) IT_TRY(fill_estimated(a, a->g->nodes.items[i], changed, err));
    return INTACT_OK;
}

/* ---- what is left ---- */

static void miss(it_absorb *a, const it_value *v, const it_node *n)
{
    if (a->missing_len++ == 0)
        snprintf(a->missing, sizeof a->missing, "\"%.80s\"%s%.60s%s%.30s%s", v->name, n ? " of " : "", n ? n->name : "", n ? " (" : "",
                 n ? n->op->onnx ? n->op->onnx : n->op->name : "", n ? ")" : "");
}

static void count_missing(it_absorb *a)
{
    for (size_t i = 0; i < a->g->inputs.len; i++)
        if (!a->g->inputs.items[i]->q && is_activation(a->g->inputs.items[i])) miss(a, a->g->inputs.items[i], NULL);
    for (size_t i = 0; i < a->g->nodes.len; i++) {
        const it_node *n = a->g->nodes.items[i];
        int w = n->op->quant.weight_in;
        if (it_lower_is_shape_arithmetic(a->g, n)) continue;
        if (w > 0 && w < n->in_len && n->in[w] && n->in[w]->is_const && !n->op->quant.all_parameters && (!n->in[w]->q || !n->in[w]->q->codes)) miss(a,
                                                                                                    n->in[w], n);
        for (int k = 0; k < n->out_len; k++)
            if (is_activation(n->out[k]) && !n->out[k]->q) miss(a, n->out[k], n);
    }
}

/* The codes of a bias count in steps of x * w; at any other scale, its real numbers are what counts. */
static intact_status check_bias(it_absorb *a, const it_node *n, intact_error *err)
{
    const it_op_quant *o = &n->op->quant;
    it_value *b = o->bias_in && o->bias_in < n->in_len ? n->in[o->bias_in] : NULL;
    if (!b || !b->q || !b->q->wide) return INTACT_OK;
    const it_quant *x = n->in[0]->q, *w = n->in[o->weight_in]->q;
    int64_t len = it_tensor_len(&b->t), off = 0, at = 0;
    bool plain = n->op != &it_op_gemm || (it_edit_attr_float(n, "alpha", 1) == 1 && it_edit_attr_float(n, "beta", 1) == 1);
    for (int64_t c = 0; c < len && x && w && plain; c++) {
        double ratio = (double)b->q->scale[b->q->len == 1 ? 0 : c] / ((double)x->scale[0] * (double)w->scale[w->len == 1 ? 0 : c < w->len ? c : 0]);
        if (fabs(ratio - 1) <= 1e-5) continue;
        if (off++ == 0) at = c;
    }
    if (x && w && plain && off == 0) return INTACT_OK;
    b->q = NULL;
    if (!off) return INTACT_OK;
    return it_absorb_say(a, n->name, err,
                         "the scale of its bias is not that of its sums in %lld of %lld channels (first: %lld); the bias was rounded anew from its real values",
                         (long long)off, (long long)len, (long long)at);
}

intact_status it_absorb_fill(it_absorb *a, intact_error *err)
{
    bool changed = true;
    for (size_t round = 0; round <= a->g->values.len && changed; round++) { /* each but the last gives a value its parameters */
        changed = false;
        IT_TRY(fill_round(a, &changed, err));
    }
    for (size_t i = 0; i < a->g->nodes.len; i++) IT_TRY(check_bias(a, a->g->nodes.items[i], err));
    count_missing(a);
    return INTACT_OK;
}
