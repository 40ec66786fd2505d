/* SPDX-License-Identifier: Apache-2.0 */
/* tape_backward.c: one block of samples down through one segment: the loss, then the chain rule node by node. */
#include <string.h>

#include "exec/buffers.h"
#include "op/levels.h"
#include "train/tape.h"

static bool gets(const it_train *t, const it_value *v) { return v && t->values[v->id].needs && t->values[v->id].reached; }

static it_tensor grad_tensor(const it_tape_worker *w, const it_tape_block *b, const it_value *v)
{
    const it_tape_value *x = &w->t->values[v->id];
    it_tensor g = w->t->sizes[b->size].shape[v->id];
    g.layout = x->cell[0].layout;
    g.data = it_tape_data(w, b, x->grad);
    return g;
}

IT_INLINE void add_to_body(float *restrict to, const float *restrict from, int64_t len)
{
    for (int64_t i = 0; i < len; i++) to[i] += from[i];
}
IT_LEVELS(add_to, (float *restrict to, const float *restrict from, int64_t len), (to, from, len))

/* The derivative of a clamp: nothing passes where it cut, its bounds included. */
IT_INLINE void mask_body(float *restrict dy, const float *restrict y, int64_t len, float lo, float hi)
{
    for (int64_t i = 0; i < len; i++) dy[i] = ((y[i] > lo) & (y[i] < hi)) ? dy[i] : 0;
}
IT_LEVELS(mask, (float *restrict dy, const float *restrict y, int64_t len, float lo, float hi), (dy, y, len, lo, hi))

/* ---- the loss ---- */

static intact_status run_loss(it_tape_worker *w, const it_tape_block *b, intact_error *err)
{
    it_train *t = w->t;
    const it_train_batch *batch = t->batch;
    it_tensor g = { .rank = 0 };
    it_loss_block l = { .spec = &t->opt.loss, .len = b->n, .weight = t->weight, .y = it_tape_data(w, b, t->answers_copy) };
    l.per_sample = it_tensor_len(&t->sizes[b->size].shape[t->answers->id]) / b->n;
    if (batch->label) l.label = batch->label + b->first;
    if (batch->target) l.target = batch->target + b->first * l.per_sample;
    if (batch->teacher) l.teacher = batch->teacher + b->first * l.per_sample;
    if (!t->forward_only) {
        g = grad_tensor(w, b, t->answers);
        l.dy = t->answers_grad == IT_TAPE_NO ? g.data : it_tape_data(w, b, t->answers_grad);
    }
    if (l.label || l.target) IT_TRY(t->opt.loss.loss->run(&l, err));
    if (l.dy && t->answers_grad != IT_TAPE_NO) {
        it_tensor from = g;
        from.layout = IT_PLAIN;
        from.data = l.dy;
        it_layout_convert(&from, &g);
    }
    t->loss[b->index] = l.loss;
    t->right[b->index] = l.right;
    return INTACT_OK;
}

/* ---- one node ---- */

static intact_status unhook(it_tape_worker *w, const it_tape_block *b, const it_value *v, intact_error *err)
{
    const it_train *t = w->t;
    const it_tape_value *x = &t->values[v->id];
    const it_train_hooks *h = t->opt.hooks;
    if (!x->hooked || !h->backward || !gets(t, v)) return INTACT_OK;
    it_tensor from = it_tape_tensor(w, b, &x->cell[0]), to = it_tape_tensor(w, b, &x->cell[1]), dy = grad_tensor(w, b, v);
    if (!h->reads_y) to.data = NULL;
    return h->backward(h->user, v, &(it_train_block){ (uint32_t)(w - t->worker), b->first, b->n, true }, &from, &to, &dy, err);
}

static void set_inputs(it_tape_worker *w, const it_tape_block *b, const it_tape_node *p, int phase, uint32_t reads)
{
    for (int k = 0; k < p->n->in_len; k++) {
        w->in[k] = p->n->in[k] ? &w->in_mem[k] : NULL;
        if (p->n->in[k]) w->in_mem[k] = it_tape_input(w, b, p, k, phase, reads >> (k < 31 ? k : 31) & 1);
    }
}

static void set_outputs(it_tape_worker *w, const it_tape_block *b, const it_tape_node *p, uint32_t reads)
{
    for (int k = 0; k < p->n->out_len; k++) {
        const it_value *v = p->n->out[k];
        w->out_const[k] = v ? &w->out_mem[k] : NULL;
        w->dy[k] = NULL;
        if (!v) continue;
        w->out_mem[k] = it_tape_tensor(w, b, &w->t->values[v->id].cell[0]);
        if (!(reads >> (k < 31 ? k : 31) & 1)) w->out_mem[k].data = NULL;
        else if (k == 0 && p->unpack_out != IT_TAPE_NO) it_tape_unpack(w, b, w->t->values[v->id].cell[0].buf, p->unpack_out, &w->out_mem[k]);
        if (!gets(w->t, v)) continue;
        w->dy_mem[k] = grad_tensor(w, b, v);
        w->dy[k] = &w->dy_mem[k];
    }
}

/* Where the node is to write its gradient for input k; false: nowhere. */
static bool set_dx(it_tape_worker *w, const it_tape_block *b, const it_tape_node *p, int k)
{
    it_train *t = w->t;
    const it_tape_in *in = &p->in[k];
    w->dx[k] = NULL;
    if (in->dx == IT_DX_NONE || in->dx == IT_DX_SHARED) return false;
    w->dx_mem[k] = w->in_mem[k];
    if (in->dx == IT_DX_PARAM) {
        const uint32_t param = t->values[p->n->in[k]->id].param;
        w->dx_mem[k].data = w->touched[param] ? it_tape_data(w, b, in->temp) : w->grad + t->params[param].at;
    } else {
        w->dx_mem[k].data = it_tape_data(w, b, in->dx == IT_DX_FIRST ? t->values[p->n->in[k]->id].grad : in->temp);
    }
    w->dx[k] = &w->dx_mem[k];
    return true;
}

static void take_dx(it_tape_worker *w, const it_tape_block *b, const it_tape_node *p, int k)
{
    it_train *t = w->t;
    const it_tape_in *in = &p->in[k];
    it_tensor *dx = w->dx[k], to, g;
    if (!dx || in->dx == IT_DX_FIRST) return;
    if (in->dx == IT_DX_PARAM) {
        const uint32_t param = t->values[p->n->in[k]->id].param;
        if (w->touched[param]) add_to(w->grad + t->params[param].at, dx->data, (int64_t)t->params[param].len);
        w->touched[param] = true;
        return;
    }
    g = grad_tensor(w, b, p->n->in[k]);
    if (in->dx != IT_DX_ADD) {
        to = g;
        if (in->dx == IT_DX_TURN_ADD) to.data = it_tape_data(w, b, in->temp2);
        it_layout_convert(dx, &to);
        dx = &to;
    }
    if (in->dx != IT_DX_TURN) add_to(g.data, dx->data, it_tensor_len(&g));
}

static intact_status back_node(it_tape_worker *w, const it_tape_block *b, const it_tape_node *p, intact_error *err)
{
    it_train *t = w->t;
    const it_node *n = p->n;
    const it_backward *back = n->op->back;
    bool asked = false;
    for (int k = 0; k < n->out_len; k++)
        if (n->out[k]) IT_TRY(unhook(w, b, n->out[k], err));
    set_inputs(w, b, p, IT_PHASE_BACK, back->reads_in);
    set_outputs(w, b, p, back->reads_out | (p->clamp ? 1 : 0));
    if (p->clamp && w->dy[0]) mask(w->dy_mem[0].data, w->out_mem[0].data, it_tensor_len(&w->out_mem[0]), n->clamp_lo, n->clamp_hi);
    for (int k = 0; k < n->in_len; k++) asked = set_dx(w, b, p, k) || asked;
    if (!asked) return INTACT_OK;
    it_back_ctx c = { .alloc = t->alloc, .state = &w->state[((size_t)b->size * 2 + 1) * (t->nodes_len + 1) + (size_t)p->index], .scratch = &w->scratch, .weights_at = t->weights_at,
                      .products = t->opt.products, .rounded = it_tape_rounded(t, p) };
    intact_status st = back->run(&c, n, w->in, w->out_const, w->dy, w->dx, err);
    it_arena_release(&w->scratch);
    IT_TRY(st);
    for (int k = 0; k < n->in_len; k++) take_dx(w, b, p, k);
    return INTACT_OK;
}

/* ---- an operator across the batch ---- */

static intact_status gather_back(it_tape_worker *w, const it_tape_block *b, const it_tape_node *p, intact_error *err)
{
    it_train *t = w->t;
    double *back = it_tape_sums(t, 1, b, p);
    IT_TRY(unhook(w, b, p->n->out[0], err));
    set_inputs(w, b, p, IT_PHASE_BACK, 1);
    set_outputs(w, b, p, 0);
    memset(back, 0, p->sums_len * sizeof *back);
    p->n->op->across->gather_back(p->n, w->in, w->out_const, w->dy[0], t->total[0] + p->sums_at, it_tape_count(t, b, w->in[0]), back);
    return INTACT_OK;
}

static void across_back(it_tape_worker *w, const it_tape_block *b, const it_tape_node *p)
{
    it_train *t = w->t;
    set_inputs(w, b, p, IT_PHASE_ACROSS, 1);
    set_outputs(w, b, p, 0);
    if (!set_dx(w, b, p, 0)) return;
    /* frozen statistics do not depend on the batch: nothing comes back through them */
    const double *back = (t->frozen ? t->zeros : t->total[1]) + p->sums_at;
    p->n->op->across->backward(p->n, w->in, w->out_const, w->dy[0], t->total[0] + p->sums_at, back, it_tape_count(t, b, w->in[0]), w->dx[0]);
    take_dx(w, b, p, 0);
}

intact_status it_tape_backward(it_tape_worker *w, const it_tape_block *b, intact_error *err)
{
    it_train *t = w->t;
    if (b->seg == t->answers_seg) {
        const int64_t start = it_tape_clock(t);
        IT_TRY(run_loss(w, b, err));
        if (t->opt.profile) w->ns[(t->nodes_len + 1) * 4] += it_tape_clock(t) - start;
    }
    if (t->forward_only) return INTACT_OK;
    for (size_t i = t->nodes_len; i > 0; i--) {
        const it_tape_node *p = &t->nodes[i];
        if (!p->back || (p->seg != b->seg && p->gather != b->seg)) continue;
        const int64_t start = it_tape_clock(t);
        if (p->gather == b->seg)
            across_back(w, b, p);
        else if (p->gather >= 0)
            IT_TRY(gather_back(w, b, p, err));
        else
            IT_TRY(back_node(w, b, p, err));
        if (t->opt.profile) w->ns[i * 4 + (p->gather == b->seg ? IT_PHASE_ACROSS : IT_PHASE_BACK)] += it_tape_clock(t) - start;
    }
    for (size_t i = 0; b->seg == 0 && i < t->g->inputs.len; i++)
        if (t->values[t->g->inputs.items[i]->id].cell[0].live) IT_TRY(unhook(w, b, t->g->inputs.items[i], err));
    return INTACT_OK;
}
