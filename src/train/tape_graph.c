/* SPDX-License-Identifier: Apache-2.0 */
/* tape_graph.c: which nodes the loss depends on, their segments and layouts, and where gradients go. */
#include <math.h>
#include <string.h>

#include "exec/buffers.h"
#include "train/tape.h"

static bool is_image(const it_tensor *t) { return t->rank == 4 && t->type == IT_F32; }
static uint32_t bit_of(int k) { return 1u << (k < 31 ? k : 31); }
static bool has_across(const it_train *t, const it_node *n) { return n->op->across && !t->opt.fixed_statistics; }

/* ---- the nodes ---- */

static void find_answers(it_train *t)
{
    const it_value *v = t->g->outputs.items[0];
    while (t->opt.loss.loss->logits && v->producer && v->producer->op->quant.role == IT_ROLE_SOFTMAX && v->producer->in[0] && !v->producer->in[0]->is_const)
        v = v->producer->in[0];
    t->answers = v;
}

static intact_status add_node(it_train *t, const it_node *n, intact_error *err)
{
    it_tape_node *p = &t->nodes[++t->nodes_len];
    p->n = n;
    p->index = (int)t->nodes_len;
    p->gather = -1;
    p->clamp = n->clamp_lo != -INFINITY || n->clamp_hi != INFINITY;
    p->in = it_arena_new(&t->arena, ((size_t)n->in_len + 1) * sizeof *p->in);
    p->out_layout = it_arena_new(&t->arena, ((size_t)n->out_len + 1) * sizeof *p->out_layout);
    if (!p->in || !p->out_layout) return it_fail_nomem(err, n->name, sizeof *p->in);
    if ((size_t)n->in_len > t->widest_in) t->widest_in = (size_t)n->in_len;
    if ((size_t)n->out_len > t->widest_out) t->widest_out = (size_t)n->out_len;
    if (has_across(t, n) && (!n->in[0] || n->in[0]->is_const || n->out_len < 1 || !n->out[0]))
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "its input is a constant; training needs one that the network computes");
    return INTACT_OK;
}

static intact_status choose_nodes(it_train *t, intact_error *err)
{
    const it_graph *g = t->g;
    t->values[t->answers->id].cell[0].live = true;
    for (size_t i = g->nodes.len; i-- > 0;) {
        const it_node *n = g->nodes.items[i];
        bool live = false;
        for (int k = 0; k < n->out_len; k++) live = live || (n->out[k] && t->values[n->out[k]->id].cell[0].live);
        for (int k = 0; live && k < n->in_len; k++)
            if (n->in[k]) t->values[n->in[k]->id].cell[0].live = true;
    }
    for (size_t i = 0; i < g->nodes.len; i++) {
        const it_node *n = g->nodes.items[i];
        bool live = false;
        for (int k = 0; k < n->out_len; k++) live = live || (n->out[k] && t->values[n->out[k]->id].cell[0].live);
        if (live) IT_TRY(add_node(t, n, err));
    }
    if (t->nodes_len == 0) return it_fail(err, INTACT_E_UNSUPPORTED, g->name, "output %s is no layer's answer; there is nothing to train", t->answers->name);
    t->span = (uint32_t)t->nodes_len + 2;
    return INTACT_OK;
}

/* ---- segments ---- */

static void choose_segments(it_train *t)
{
    for (size_t i = 1; i <= t->nodes_len; i++) {
        it_tape_node *p = &t->nodes[i];
        int seg = 0;
        for (int k = 0; k < p->n->in_len; k++)
            if (p->n->in[k] && t->values[p->n->in[k]->id].cell[0].seg > seg) seg = t->values[p->n->in[k]->id].cell[0].seg;
        if (has_across(t, p->n)) p->gather = seg++;
        p->seg = seg;
        for (int k = 0; k < p->n->out_len; k++)
            if (p->n->out[k]) t->values[p->n->out[k]->id].cell[0].seg = t->values[p->n->out[k]->id].cell[1].seg = seg;
        if (seg >= t->segs) t->segs = seg + 1;
    }
    t->answers_seg = t->values[t->answers->id].cell[0].seg;
}

/* ---- layouts: as the executor chooses them ---- */

static bool any_nhwc(it_train *t, const it_node *n)
{
    const it_tensor *shape = t->sizes[0].shape;
    bool wish = false;
    for (int k = 0; k < n->in_len; k++) {
        if (!n->in[k]) continue;
        const it_tensor *s = n->in[k]->is_const ? &n->in[k]->t : &shape[n->in[k]->id];
        if (is_image(s)) {
            if (n->in[k]->is_const && !it_layout_same(s)) return false;
            wish = wish || (!n->in[k]->is_const && t->values[n->in[k]->id].cell[0].layout == IT_NHWC);
        } else if (it_tensor_len(s) != 1 || s->rank == 4) {
            return false;
        }
    }
    for (int k = 0; k < n->out_len; k++)
        if (n->out[k] && !is_image(&shape[n->out[k]->id])) return false;
    return wish;
}

static void choose_layouts(it_train *t)
{
    const it_tensor *shape = t->sizes[0].shape;
    for (size_t i = 1; i <= t->nodes_len; i++) {
        it_tape_node *p = &t->nodes[i];
        const it_node *n = p->n;
        const bool any = n->op->layout == IT_LAYOUT_ANY && any_nhwc(t, n);
        for (int k = 0; k < n->in_len; k++) {
            const bool image = n->in[k] && is_image(n->in[k]->is_const ? &n->in[k]->t : &shape[n->in[k]->id]);
            p->in[k].layout = image && (any || (n->op->layout == IT_LAYOUT_NHWC && k == 0)) ? IT_NHWC : IT_PLAIN;
        }
        for (int k = 0; k < n->out_len; k++) {
            const bool image = n->out[k] && is_image(&shape[n->out[k]->id]);
            p->out_layout[k] = image && (any || (n->op->layout == IT_LAYOUT_NHWC && k == 0)) ? IT_NHWC : IT_PLAIN;
            if (n->out[k]) t->values[n->out[k]->id].cell[0].layout = t->values[n->out[k]->id].cell[1].layout = p->out_layout[k];
        }
    }
}

/* ---- gradients ---- */

bool it_tape_is_param(const it_train *t, const it_node *n, int k)
{
    const it_value *v = n->in[k];
    const it_op *op = n->op;
    if (!v || !v->is_const || v->t.type != IT_F32 || !v->t.data) return false;
    if (op->across && op->across->running & bit_of(k)) return false;
    if (has_across(t, n) ? k == 0 : !op->back || !(op->back->gives & bit_of(k))) return false;
    if (op->quant.shape_inputs && k > 0) return false;
    if (t->opt.frozen && t->opt.frozen(t->opt.frozen_user, v)) return false;
    /* a lone number is part of a formula, unless it is a layer of one channel */
    return it_tensor_len(&v->t) > 1 || op->quant.all_parameters || (k > 0 && (k == op->quant.weight_in || k == op->quant.bias_in));
}

static bool gets_gradient(const it_train *t, const it_value *v) { return v && t->values[v->id].needs && t->values[v->id].reached; }

static void find_needs(it_train *t)
{
    for (size_t i = 0; i < t->g->values.len; i++) t->values[i].needs = t->values[i].param != IT_TAPE_NO || t->values[i].learns;
    for (size_t i = 1; i <= t->nodes_len; i++) {
        const it_node *n = t->nodes[i].n;
        bool needs = false;
        for (int k = 0; k < n->in_len; k++) needs = needs || (n->in[k] && t->values[n->in[k]->id].needs);
        for (int k = 0; needs && k < n->out_len; k++)
            if (n->out[k] && t->sizes[0].shape[n->out[k]->id].type == IT_F32) t->values[n->out[k]->id].needs = true;
    }
}

static intact_status find_reached(it_train *t, intact_error *err)
{
    t->values[t->answers->id].reached = true;
    if (!t->values[t->answers->id].needs)
        return it_fail(err, INTACT_E_UNSUPPORTED, t->g->name, "no parameter stands between the inputs and output %s; there is nothing to train", t->answers->name);
    for (size_t i = t->nodes_len; i > 0; i--) {
        it_tape_node *p = &t->nodes[i];
        const it_node *n = p->n;
        bool reached = false, needs = false;
        for (int k = 0; k < n->out_len; k++) reached = reached || gets_gradient(t, n->out[k]);
        for (int k = 0; k < n->in_len; k++) needs = needs || (n->in[k] && t->values[n->in[k]->id].needs);
        if (!reached || !needs) continue;
        if (p->gather < 0 && !n->op->back) return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "the operator cannot be trained through");
        p->back = true;
        for (int k = 0; k < n->in_len; k++)
            if (n->in[k] && t->values[n->in[k]->id].needs && (p->gather >= 0 || n->op->back->gives & bit_of(k))) t->values[n->in[k]->id].reached = true;
    }
    return INTACT_OK;
}

/* ---- what hooks ask for ---- */

static void ask_hooks(it_train *t)
{
    const it_train_hooks *h = t->opt.hooks;
    for (size_t i = 0; h && i < t->g->values.len; i++) {
        const it_value *v = t->g->values.items[i];
        it_tape_value *x = &t->values[i];
        if (!x->cell[0].live || (v->is_const && x->param == IT_TAPE_NO) || (!v->is_const && t->sizes[0].shape[i].type != IT_F32)) continue;
        const uint32_t wants = h->wants(h->user, v);
        x->hooked = !v->is_const && wants & IT_TRAIN_HOOKED && h->forward;
        x->learns = x->hooked && wants & IT_TRAIN_LEARNS;
        if (v->is_const && wants & IT_TRAIN_HOOKED) t->params[x->param].apart = true;
    }
}

/* ---- aliases ---- */

static void find_aliases(it_train *t)
{
    for (size_t i = 1; i <= t->nodes_len; i++) {
        it_tape_node *p = &t->nodes[i];
        const it_node *n = p->n;
        bool alone = n->op->view && !p->clamp && p->gather < 0 && n->in_len && n->in[0] && !n->in[0]->is_const && n->out_len && n->out[0];
        for (int k = 1; k < n->out_len; k++) alone = alone && !n->out[k];
        if (!alone) continue;
        const it_tensor *x = &t->sizes[0].shape[n->in[0]->id], *y = &t->sizes[0].shape[n->out[0]->id];
        p->alias = it_tensor_bytes(x) == it_tensor_bytes(y) && (t->values[n->in[0]->id].cell[0].layout == p->in[0].layout || it_layout_same(x));
    }
}

static intact_status check_values(it_train *t, intact_error *err)
{
    for (size_t i = 0; i < t->g->values.len; i++) {
        const it_value *v = t->g->values.items[i];
        if (!t->values[i].cell[0].live || v->is_const) continue;
        if (t->sizes[0].shape[i].rank < 0)
            return it_fail(err, INTACT_E_UNSUPPORTED, v->name, "its shape hangs on what the inputs hold; training needs shapes that are known before");
    }
    return INTACT_OK;
}

intact_status it_tape_plan(it_train *t, intact_error *err)
{
    const size_t values = t->g->values.len, nodes = t->g->nodes.len;
    int size;
    t->values = it_arena_new(&t->arena, (values + 1) * sizeof *t->values);
    t->nodes = it_arena_new(&t->arena, (nodes + 1) * sizeof *t->nodes);
    if (!t->values || !t->nodes) return it_fail_nomem(err, t->g->name, values * sizeof *t->values);
    for (size_t i = 0; i < values; i++) {
        it_tape_value *x = &t->values[i];
        x->cell[0].v = x->cell[1].v = t->g->values.items[i];
        x->cell[0].buf = x->cell[1].buf = x->grad = x->param = IT_TAPE_NO;
        x->fixed = t->g->values.items[i]->t;
    }
    IT_TRY(it_tape_size_of(t, t->opt.batch < 8 ? (int64_t)t->opt.batch : 8, &size, err));
    find_answers(t);
    t->segs = 1;
    IT_TRY(choose_nodes(t, err));
    IT_TRY(check_values(t, err));
    choose_segments(t);
    choose_layouts(t);
    IT_TRY(it_tape_params(t, err));
    ask_hooks(t);
    find_needs(t);
    IT_TRY(find_reached(t, err));
    find_aliases(t);
    return it_tape_params_alloc(t, err);
}
