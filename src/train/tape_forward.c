/* SPDX-License-Identifier: Apache-2.0 */
/* tape_forward.c: one block of samples up through one segment. */
#include <string.h>
#include <time.h>

#include "exec/buffers.h"
#include "op/levels.h"
#include "op/operand.h"
#include "train/tape.h"

int64_t it_tape_clock(const it_train *t)
{
    struct timespec now;
    if (!t->opt.profile) return 0;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now); /* what other programs take does not count */
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void *it_tape_data(const it_tape_worker *w, const it_tape_block *b, uint32_t buf)
{
    const it_train *t = w->t;
    if (buf == IT_TAPE_NO) return NULL;
    const it_tape_buf *x = &t->bufs.items[it_tape_root(t, buf)];
    switch (x->place) {
    case IT_AT_INPUT: return (char *)(uintptr_t)t->batch->in[x->at] + (size_t)b->first * x->per_sample; /* operators do not write their inputs */
    case IT_AT_WHOLE: return t->whole + x->at + (size_t)b->first * x->per_sample;
    case IT_AT_LOCAL: return w->local + x->at;
    default: return NULL;
    }
}

void it_tape_unpack(const it_tape_worker *w, const it_tape_block *b, uint32_t buf, uint32_t to, it_tensor *x)
{
    const it_tape_buf *from = &w->t->bufs.items[it_tape_root(w->t, buf)];
    x->data = it_tape_data(w, b, to);
    it_operand_unpack(it_tape_data(w, b, from->packed), x->data, it_tensor_len(x));
}

it_tensor it_tape_tensor(const it_tape_worker *w, const it_tape_block *b, const it_tape_cell *c)
{
    it_tensor x = w->t->sizes[b->size].shape[c->v->id];
    x.layout = c->layout;
    x.data = it_tape_data(w, b, c->buf);
    return x;
}

it_tensor it_tape_input(it_tape_worker *w, const it_tape_block *b, const it_tape_node *p, int k, int phase, bool content)
{
    it_train *t = w->t;
    const it_value *v = p->n->in[k];
    if (v->is_const) {
        it_tensor x = t->values[v->id].fixed;
        x.layout = p->in[k].layout; /* other layouts are asked of constants only where the bytes are the same */
        return x;
    }
    it_tensor x = it_tape_tensor(w, b, it_tape_used(t, v));
    if (content && p->in[k].unpack[phase] != IT_TAPE_NO) it_tape_unpack(w, b, it_tape_used(t, v)->buf, p->in[k].unpack[phase], &x);
    if (content && p->in[k].copy[phase] != IT_TAPE_NO) {
        it_tensor y = x;
        y.layout = p->in[k].layout;
        y.data = it_tape_data(w, b, p->in[k].copy[phase]);
        it_layout_convert(&x, &y);
        return y;
    }
    x.layout = p->in[k].layout;
    if (!content) x.data = NULL;
    return x;
}

/* Not-a-number passes: both comparisons are false for it. */
IT_INLINE void clamp_body(float *restrict y, int64_t len, float lo, float hi)
{
    for (int64_t i = 0; i < len; i++) {
        float v = y[i] < lo ? lo : y[i];
        y[i] = v > hi ? hi : v;
    }
}
IT_LEVELS(clamp, (float *restrict y, int64_t len, float lo, float hi), (y, len, lo, hi))

static intact_status hook(it_tape_worker *w, const it_tape_block *b, const it_value *v, intact_error *err)
{
    const it_train *t = w->t;
    const it_tape_value *x = &t->values[v->id];
    if (!x->hooked) return INTACT_OK;
    it_tensor from = it_tape_tensor(w, b, &x->cell[0]), to = it_tape_tensor(w, b, &x->cell[1]);
    return t->opt.hooks->forward(t->opt.hooks->user, v, &(it_train_block){ (uint32_t)(w - t->worker), b->first, b->n, t->training && !t->forward_only }, &from, &to, err);
}

uint32_t it_tape_rounded(const it_train *t, const it_tape_node *p)
{
    uint32_t bits = 0;
    const bool same = t->opt.compact && t->opt.products != IT_PRODUCTS_F16; /* values are kept as bfloat16 */
    for (int k = 0; same && k < p->n->in_len && k < 32; k++) {
        const it_value *v = p->n->in[k];
        const uint32_t buf = v && !v->is_const ? t->values[v->id].cell[t->values[v->id].hooked].buf : IT_TAPE_NO;
        if (buf != IT_TAPE_NO && t->bufs.items[it_tape_root(t, buf)].packed != IT_TAPE_NO) bits |= 1u << k;
    }
    return bits;
}

static intact_status compute(it_tape_worker *w, const it_tape_block *b, const it_tape_node *p, intact_error *err)
{
    it_train *t = w->t;
    const it_node *n = p->n;
    if (p->gather >= 0 && t->training) {
        n->op->across->forward(n, w->in, t->total[0] + p->sums_at, it_tape_count(t, b, w->in[0]), w->out);
        return INTACT_OK;
    }
    if (n->op->forward) {
        it_run_ctx c = { .alloc = t->alloc, .state = &w->state[((size_t)b->size * 2) * (t->nodes_len + 1) + (size_t)p->index], .scratch = &w->scratch, .weights_at = t->weights_at,
                         .rounded = it_tape_rounded(t, p) };
        if (!t->forward_only) c.products = t->opt.products; /* what is measured is the network as others will run it */
        intact_status st = n->op->forward(&c, n, w->in, w->out, err);
        it_arena_release(&w->scratch);
        IT_TRY(st);
    } else if (n->op->view) {
        memcpy(w->out[0]->data, w->in[0]->data, it_tensor_bytes(w->out[0]));
    } else {
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "the operator cannot be run in float");
    }
    if (p->clamp && w->out[0]->type == IT_F32) clamp(w->out[0]->data, it_tensor_len(w->out[0]), n->clamp_lo, n->clamp_hi);
    return INTACT_OK;
}

static intact_status run_node(it_tape_worker *w, const it_tape_block *b, const it_tape_node *p, intact_error *err)
{
    const it_node *n = p->n;
    for (int k = 0; k < n->in_len && !p->alias; k++) {
        w->in[k] = n->in[k] ? &w->in_mem[k] : NULL;
        if (n->in[k]) w->in_mem[k] = it_tape_input(w, b, p, k, IT_PHASE_FORWARD, true);
    }
    for (int k = 0; k < n->out_len; k++) {
        w->out[k] = n->out[k] ? &w->out_mem[k] : NULL;
        if (n->out[k]) w->out_mem[k] = it_tape_tensor(w, b, &w->t->values[n->out[k]->id].cell[0]);
    }
    if (!p->alias) IT_TRY(compute(w, b, p, err));
    for (int k = 0; k < n->out_len; k++)
        if (n->out[k]) IT_TRY(hook(w, b, n->out[k], err));
    for (int k = 0; k < n->out_len && !p->alias; k++) {
        const uint32_t buf = n->out[k] ? w->t->bufs.items[w->t->values[n->out[k]->id].cell[0].buf].packed : IT_TAPE_NO;
        if (buf != IT_TAPE_NO) it_operand_pack(w->out[k]->data, it_tape_data(w, b, buf), it_tensor_len(w->out[k]));
    }
    return INTACT_OK;
}

static void gather(it_tape_worker *w, const it_tape_block *b, const it_tape_node *p)
{
    double *sums = it_tape_sums(w->t, 0, b, p);
    for (int k = 0; k < p->n->in_len; k++) {
        w->in[k] = p->n->in[k] ? &w->in_mem[k] : NULL;
        if (p->n->in[k]) w->in_mem[k] = it_tape_input(w, b, p, k, IT_PHASE_SUMS, true);
    }
    memset(sums, 0, p->sums_len * sizeof *sums);
    if (w->t->frozen && !w->t->forward_only) return;
    p->n->op->across->gather(p->n, w->in, sums);
}

static intact_status keep_answers(it_tape_worker *w, const it_tape_block *b)
{
    it_train *t = w->t;
    it_tensor from = it_tape_tensor(w, b, it_tape_used(t, t->answers)), to = from;
    to.layout = IT_PLAIN;
    to.data = it_tape_data(w, b, t->answers_copy);
    if (from.rank == 4)
        it_layout_convert(&from, &to);
    else
        memcpy(to.data, from.data, it_tensor_bytes(&from));
    return INTACT_OK;
}

intact_status it_tape_forward(it_tape_worker *w, const it_tape_block *b, intact_error *err)
{
    it_train *t = w->t;
    for (size_t i = 0; b->seg == 0 && i < t->g->inputs.len; i++)
        if (t->values[t->g->inputs.items[i]->id].cell[0].live) IT_TRY(hook(w, b, t->g->inputs.items[i], err));
    for (size_t i = 1; i <= t->nodes_len; i++) {
        const it_tape_node *p = &t->nodes[i];
        if (p->seg != b->seg && (p->gather != b->seg || !t->training)) continue;
        const int64_t start = it_tape_clock(t);
        if (p->seg == b->seg)
            IT_TRY(run_node(w, b, p, err));
        else
            gather(w, b, p);
        if (t->opt.profile) w->ns[i * 4 + (p->seg == b->seg ? IT_PHASE_FORWARD : IT_PHASE_SUMS)] += it_tape_clock(t) - start;
    }
    return b->seg == t->answers_seg ? keep_answers(w, b) : INTACT_OK;
}
