/* SPDX-License-Identifier: Apache-2.0 */
/* weights.c: a layer's weights become scales, zero points and codes. */
#include <math.h>
#include <string.h>

#include "ptq/method.h"

bool it_ptq_is_mac(const it_node *n)
{
    int k = n->op->quant.weight_in;
    return k > 0 && n->in_len > k && n->in[k] && n->in[k]->is_const;
}

it_weight_view it_weight_view_of(const it_tensor *t, int axis)
{
    it_weight_view v = { .w = t->data, .dim = t->dim[axis], .inner = 1, .outer = 1 };
    for (int i = 0; i < axis; i++)
        v.outer *= t->dim[i];
    for (int i = axis + 1; i < t->rank; i++)
        v.inner *= t->dim[i];
    return v;
}

static intact_status check_finite(const it_node *n, const it_value *v, intact_error *err)
{
    const float *w = v->t.data;
    if (v->t.type != IT_F32 || !w)
        return INTACT_OK;
    int64_t len = it_tensor_len(&v->t);
    for (int64_t i = 0; i < len; i++)
        if (!isfinite(w[i]))
            return it_fail(err, INTACT_E_DATA, n->name, "weight %s holds %g at element %lld; finite numbers are needed", v->name, (double)w[i],
                           (long long)i);
    return INTACT_OK;
}

intact_status it_ptq_check_weights(const it_graph *g, intact_error *err)
{
    for (size_t i = 0; i < g->nodes.len; i++) {
        const it_node *n = g->nodes.items[i];
        for (int k = 1; k < n->in_len; k++)
            if (n->in[k] && n->in[k]->is_const && (n->op->quant.all_parameters || k == n->op->quant.weight_in || k == n->op->quant.bias_in))
                IT_TRY(check_finite(n, n->in[k], err));
    }
    return INTACT_OK;
}

/* ---- copies that may be written ---- */

it_value *it_ptq_own(it_graph *g, it_node *n, int k)
{
    it_value *v = it_graph_const(g, n->in[k]->name, &n->in[k]->t);
    if (v)
        n->in[k] = v;
    return v;
}

intact_status it_ptq_own_bias(it_graph *g, it_node *n, it_value **out, intact_error *err)
{
    const it_value *w = it_ptq_weight(n), *b = it_ptq_bias(n);
    int k = n->op->quant.bias_in;
    int64_t channels = w->t.dim[n->op->quant.weight_axis(n)];
    it_tensor t = { .type = IT_F32, .rank = 1, .dim = { channels } };
    if (k <= 0 || k > n->in_len)
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "the operator takes no bias");
    if (b && (!b->is_const || b->t.type != IT_F32 || (it_tensor_len(&b->t) != channels && it_tensor_len(&b->t) != 1)))
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "bias %s is not a constant of one number a channel", b->name);
    float *x = it_arena_new(&g->arena, (size_t)channels * sizeof *x);
    it_value **in = k == n->in_len ? it_arena_new(&g->arena, (size_t)(k + 1) * sizeof *in) : n->in;
    if (!x || !in)
        return it_fail_nomem(err, n->name, (size_t)channels * sizeof *x);
    for (int64_t c = 0; b && c < channels; c++)
        x[c] = (float)it_tensor_get(&b->t, it_tensor_len(&b->t) == 1 ? 0 : c);
    t.data = x;
    it_value *v = it_graph_const(g, b ? b->name : it_arena_printf(&g->arena, "%s.bias", n->name), &t);
    if (!v)
        return it_fail_nomem(err, n->name, (size_t)channels * sizeof *x);
    if (in != n->in) {
        memcpy(in, n->in, (size_t)k * sizeof *in);
        n->in = in;
        n->in_len = k + 1;
    }
    n->in[k] = v;
    *out = v;
    return INTACT_OK;
}

/* ---- scales ---- */

/* Channel c of v (of all when c < 0) into to; returns how many. */
static size_t gather(const it_weight_view *v, int64_t c, float *to)
{
    size_t n = 0;
    for (int64_t i = 0; i < v->outer; i++)
        for (int64_t k = c < 0 ? 0 : c; k < (c < 0 ? v->dim : c + 1); k++) {
            memcpy(to + n, v->w + (i * v->dim + k) * v->inner, (size_t)v->inner * sizeof *to);
            n += (size_t)v->inner;
        }
    return n;
}

/* A dead channel (all zeros, or nothing that could show beside the others) takes the layer's largest scale: its codes are zeros, and its
** bias, which the scale serves too, fits like the others'. */
void it_ptq_spread_scales(it_quant *q, int top)
{
    float most = 0;
    for (int64_t c = 0; c < q->len; c++)
        most = q->scale[c] > most ? q->scale[c] : most;
    for (int64_t c = 0; c < q->len; c++) {
        bool dead = !(q->scale[c] > most * 0x1p-40f);
        float m = dead ? most : q->scale[c];
        q->scale[c] = m / (float)top > 0 ? m / (float)top : 1.0f / (float)top; /* a layer of zeros: any scale */
        q->zero[c] = dead ? 0 : q->zero[c];
    }
}

/* Until it_ptq_spread_scales() a scale is the largest code's value (affine: all codes' span). */
static void channel_scale(const it_weight_plan *plan, it_range r, float *scale, int32_t *zero)
{
    if (!plan->affine) {
        *scale = fmaxf(r.hi, -r.lo);
        return;
    }
    int steps = (1 << plan->bits) - 1;
    *scale = r.hi - r.lo;
    *zero = *scale > 0 ? (int32_t)floor(-(double)r.lo / ((double)*scale / steps) + 0.5) - (1 << (plan->bits - 1)) : 0;
}

static intact_status find_scales(const it_node *n, const it_weight_view *v, const it_weight_plan *plan, const intact_alloc *a, it_quant *q, intact_error *err)
{
    bool whole = plan->grain == IT_PER_TENSOR;
    size_t bytes = (size_t)(v->outer * v->inner * (whole ? v->dim : 1)) * sizeof(float);
    float *room = it_alloc_new(a, bytes);
    if (!room)
        return it_fail_nomem(err, n->name, bytes);
    for (int64_t c = 0; c < q->len; c++) {
        size_t len = gather(v, whole ? -1 : c, room);
        channel_scale(plan, plan->range->range(room, len, plan->bits, plan->affine), &q->scale[c], &q->zero[c]);
    }
    it_alloc_free(a, room, bytes);
    it_ptq_spread_scales(q, plan->affine ? (1 << plan->bits) - 1 : (1 << (plan->bits - 1)) - 1); /* 127: -128 is never used */
    return INTACT_OK;
}

intact_status it_ptq_assign_weight(it_ptq *p, it_node *n, const it_weight_plan *plan, intact_error *err)
{
    it_value *v = it_ptq_weight(n);
    int axis = n->op->quant.weight_axis(n);
    if (v->t.type != IT_F32)
        return it_fail(err, INTACT_E_UNSUPPORTED, n->name, "weight %s is %s; float32 can be quantized", v->name, it_type_name(v->t.type));
    const bool grouped = plan->grain == IT_PER_GROUP && plan->bits < 8; /* 8 bits leave no room for multipliers, and need none */
    if (grouped && (plan->bits > 4 || plan->affine))
        return it_fail(err, INTACT_E_UNSUPPORTED, n->name, "weights.per is group:%d with %s; codes times their group's multiplier must fit 8 bits: 2 to 4 bits, symmetric, can",
                       plan->group_len, plan->affine ? "affine codes" : "5 to 7 bits");
    IT_TRY(check_finite(n, v, err));
    if (v->q && !(v = it_ptq_own(p->g, n, n->op->quant.weight_in))) /* two layers share this weight: axes or bits may differ */
        return it_fail_nomem(err, n->name, 0);
    it_arena *a = &p->g->arena;
    it_quant *q = it_arena_new(a, sizeof *q);
    size_t len = (size_t)it_tensor_len(&v->t);
    int8_t *codes = it_arena_new(a, len);
    if (!q || !codes)
        return it_fail_nomem(err, n->name, len);
    bool whole = plan->grain == IT_PER_TENSOR;
    *q = (it_quant){ .type = INTACT_S8, .bits = plan->bits, .axis = whole ? -1 : axis, .len = whole ? 1 : v->t.dim[axis] };
    q->scale = it_arena_new(a, (size_t)q->len * sizeof *q->scale);
    q->zero = it_arena_new(a, (size_t)q->len * sizeof *q->zero);
    if (!q->scale || !q->zero)
        return it_fail_nomem(err, n->name, (size_t)q->len * sizeof *q->scale);
    it_weight_view view = it_weight_view_of(&v->t, axis);
    if (grouped)
        IT_TRY(it_ptq_group_scales(p, n, &view, plan, q, err));
    else
        IT_TRY(find_scales(n, &view, plan, p->alloc, q, err));
    IT_TRY(plan->rounding->round(p, n, q, codes, err));
    if (grouped)
        it_ptq_group_codes(&view, q, codes);
    q->codes = codes;
    v->q = q;
    return INTACT_OK;
}
