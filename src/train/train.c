/* SPDX-License-Identifier: Apache-2.0 */
/* train.c: making a trainer and freeing it. */
#include "train/train.h"

#include <stdio.h>
#include <string.h>

#include "op/operand.h"
#include "train/tape.h"

static intact_status check_options(const it_graph *g, const it_train_options *o, intact_error *err)
{
    if (!o->loss.loss || !o->optimizer.optimizer || !o->pool) return it_fail(err, INTACT_E_ARG, "training", "loss, optimizer and pool are needed");
    if (o->batch < 1 || o->batch > 1u << 20) return it_fail(err, INTACT_E_ARG, "training", "a batch of %zu samples; 1 to 1048576 are possible", o->batch);
    if (g->inputs.len == 0 || g->outputs.len == 0) return it_fail(err, INTACT_E_ARG, g->name, "the network has no %s", g->inputs.len ? "output" : "input");
    if (o->products >= IT_PRODUCTS_COUNT || (o->products == IT_PRODUCTS_BF16_DOT && !it_operand_has_dot()))
        return it_fail(err, INTACT_E_UNSUPPORTED, "training", "this processor has no instructions for products of bfloat16; float32 ones of rounded operands are the same");
    if (!(o->scaling.start >= 0 && o->scaling.start <= IT_SCALE_MOST))
        return it_fail(err, INTACT_E_ARG, "training", "a loss scale of %g; above 0 to %d are possible", o->scaling.start, IT_SCALE_MOST);
    if (o->hooks && !o->hooks->wants) return it_fail(err, INTACT_E_ARG, "training", "hooks without a function that says what they want");
    return INTACT_OK;
}

static intact_status sums_alloc(it_train *t, intact_error *err)
{
    int64_t least = t->block[0];
    for (int s = 0; s < t->segs; s++)
        if (t->block[s] < least) least = t->block[s];
    t->blocks_max = (t->opt.batch + (size_t)least - 1) / (size_t)least;
    t->seg_sums = it_arena_new(&t->arena, ((size_t)t->segs + 1) * sizeof *t->seg_sums);
    if (!t->seg_sums) return it_fail_nomem(err, t->g->name, (size_t)t->segs * sizeof *t->seg_sums);
    for (int s = 0; s < t->segs; s++) {
        t->seg_sums[s] = t->sums_all;
        for (size_t i = 1; i <= t->nodes_len; i++) {
            it_tape_node *p = &t->nodes[i];
            if (p->gather != s) continue;
            it_tensor in_mem[8] = { { .rank = 0 } };
            const it_tensor *in[8] = { NULL };
            for (int k = 0; k < p->n->in_len && k < 8; k++)
                if (p->n->in[k]) {
                    in_mem[k] = p->n->in[k]->is_const ? t->values[p->n->in[k]->id].fixed : t->sizes[0].shape[p->n->in[k]->id];
                    in[k] = &in_mem[k];
                }
            p->sums_at = t->sums_all;
            p->sums_len = (size_t)p->n->op->across->sums(p->n, in);
            t->sums_all += p->sums_len;
        }
    }
    t->seg_sums[t->segs] = t->sums_all;
    const size_t all = t->sums_all + 1;
    for (int d = 0; d < 2; d++) {
        t->sums[d] = it_arena_new(&t->arena, t->blocks_max * all * sizeof(double));
        t->total[d] = it_arena_new(&t->arena, all * sizeof(double));
        if (!t->sums[d] || !t->total[d]) return it_fail_nomem(err, t->g->name, t->blocks_max * all * sizeof(double));
    }
    t->restat = it_arena_new(&t->arena, all * sizeof(double));
    t->zeros = it_arena_new(&t->arena, all * sizeof(double));
    t->stats_at_zero = it_arena_new(&t->arena, (t->running_len + 1) * sizeof(float));
    t->stats_before = it_arena_new(&t->arena, (t->running_len + 1) * sizeof(float));
    t->loss = it_arena_new(&t->arena, t->blocks_max * sizeof *t->loss);
    t->right = it_arena_new(&t->arena, t->blocks_max * sizeof *t->right);
    return t->restat && t->zeros && t->stats_at_zero && t->stats_before && t->loss && t->right ? INTACT_OK : it_fail_nomem(err, t->g->name, all * sizeof(double));
}

static intact_status worker_alloc(it_train *t, it_tape_worker *w, intact_error *err)
{
    const size_t in = t->widest_in + 1, out = t->widest_out + 1;
    w->t = t;
    it_arena_init(&w->scratch, t->alloc);
    w->local = it_alloc_new(t->alloc, t->local_bytes);
    w->grad = it_alloc_zero(t->alloc, t->flat_len * sizeof(float));
    w->touched = it_arena_new(&t->arena, t->params_len + 1);
    w->state = it_arena_new(&t->arena, (size_t)IT_TAPE_SIZES * 2 * (t->nodes_len + 1) * sizeof *w->state);
    w->in = it_arena_new(&t->arena, in * sizeof *w->in);
    w->in_mem = it_arena_new(&t->arena, in * sizeof *w->in_mem);
    w->dx = it_arena_new(&t->arena, in * sizeof *w->dx);
    w->dx_mem = it_arena_new(&t->arena, in * sizeof *w->dx_mem);
    w->out = it_arena_new(&t->arena, out * sizeof *w->out);
    w->out_const = it_arena_new(&t->arena, out * sizeof *w->out_const);
    w->out_mem = it_arena_new(&t->arena, out * sizeof *w->out_mem);
    w->dy = it_arena_new(&t->arena, out * sizeof *w->dy);
    w->dy_mem = it_arena_new(&t->arena, out * sizeof *w->dy_mem);
    w->ns = it_arena_new(&t->arena, (t->nodes_len + 2) * 4 * sizeof *w->ns);
    if (!w->local || !w->grad) return it_fail_nomem(err, t->g->name, t->local_bytes);
    return w->touched && w->state && w->in && w->in_mem && w->dx && w->dx_mem && w->out && w->out_const && w->out_mem && w->dy && w->dy_mem && w->ns
               ? INTACT_OK : it_fail_nomem(err, t->g->name, t->nodes_len * sizeof *w->state);
}

static intact_status prepare(it_train *t, intact_error *err)
{
    IT_TRY(it_tape_plan(t, err));
    IT_TRY(it_tape_buffers(t, err));
    IT_TRY(sums_alloc(t, err));
    t->times = it_arena_new(&t->arena, (t->nodes_len + 1) * sizeof *t->times);
    t->worker = it_arena_new(&t->arena, it_pool_threads(t->opt.pool) * sizeof *t->worker);
    t->whole = it_alloc_new(t->alloc, t->whole_bytes);
    if (!t->worker || !t->whole || !t->times) return it_fail_nomem(err, t->g->name, t->whole_bytes);
    const uint32_t workers = it_pool_threads(t->opt.pool);
    for (; t->workers < workers; t->workers++) {
        intact_status st = worker_alloc(t, &t->worker[t->workers], err);
        if (st != INTACT_OK) {
            t->workers++; /* what it has is freed with the others */
            return st;
        }
    }
    return INTACT_OK;
}

intact_status it_train_new(it_graph *g, const it_train_options *o, it_train **out, intact_error *err)
{
    *out = NULL;
    IT_TRY(check_options(g, o, err));
    it_train *t = it_alloc_zero(g->alloc, sizeof *t);
    if (!t) return it_fail_nomem(err, g->name, sizeof *t);
    t->g = g;
    t->alloc = g->alloc;
    t->opt = *o;
    it_optimizer_spec *s = &t->opt.optimizer;
    if (s->beta1 == 0 && s->beta2 == 0) s->beta1 = 0.9, s->beta2 = 0.999;
    if (s->epsilon == 0) s->epsilon = 1e-8;
    t->optimizer.power1 = t->optimizer.power2 = 1;
    it_scaling_begin(&t->opt.scaling, &t->scaling);
    t->weights_at = 1;
    t->stale = true;
    it_arena_init(&t->arena, g->alloc);
    intact_status st = prepare(t, err);
    if (st != INTACT_OK) {
        it_train_free(t);
        return st;
    }
    *out = t;
    return INTACT_OK;
}

void it_train_free(it_train *t)
{
    if (!t) return;
    for (uint32_t i = 0; i < t->workers; i++) {
        it_tape_worker *w = &t->worker[i];
        for (size_t k = 0; w->state && k < (size_t)IT_TAPE_SIZES * 2 * (t->nodes_len + 1); k++)
            if (w->state[k]) w->state[k]->free(w->state[k]);
        it_alloc_free(t->alloc, w->local, t->local_bytes);
        it_alloc_free(t->alloc, w->grad, t->flat_len * sizeof(float));
        it_arena_release(&w->scratch);
    }
    it_alloc_free(t->alloc, t->whole, t->whole_bytes);
    it_tape_params_free(t);
    IT_VEC_FREE(t->alloc, t->bufs);
    it_arena_release(&t->arena);
    it_alloc_free(t->alloc, t, sizeof *t);
}

const float *it_train_answers(const it_train *t, size_t *per_sample)
{
    const it_tape_buf *b = &t->bufs.items[t->answers_copy];
    *per_sample = b->per_sample / sizeof(float);
    return (const float *)(const void *)(t->whole + b->at);
}

size_t it_train_bytes(const it_train *t)
{
    const size_t flats = 2 + (t->moment[0] != NULL) + (t->moment[1] != NULL) + (t->average != NULL) + (t->used != NULL) + t->workers;
    return t->whole_bytes + t->workers * t->local_bytes + flats * t->flat_len * sizeof(float);
}

const it_train_time *it_train_times(const it_train *t, size_t *len, int64_t *loss_ns, int64_t *update_ns)
{
    *loss_ns = 0;
    *update_ns = t->update_ns;
    *len = t->nodes_len;
    for (size_t i = 0; i < t->nodes_len; i++) {
        t->times[i] = (it_train_time){ .n = t->nodes[i + 1].n };
        for (uint32_t w = 0; w < t->workers; w++)
            for (int f = 0; f < 4; f++) t->times[i].ns[f] += t->worker[w].ns[(i + 1) * 4 + (size_t)f];
    }
    for (uint32_t w = 0; w < t->workers; w++) *loss_ns += t->worker[w].ns[(t->nodes_len + 1) * 4];
    return t->times;
}

void it_train_times_clear(it_train *t)
{
    t->update_ns = 0;
    for (uint32_t w = 0; w < t->workers; w++) memset(t->worker[w].ns, 0, (t->nodes_len + 2) * 4 * sizeof *t->worker[w].ns);
}
