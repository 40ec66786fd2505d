/* SPDX-License-Identifier: Apache-2.0 */
/* step.c: a batch through the passes: blocks to workers, sums of all blocks in order between them, then the update. */
#include <math.h>
#include <string.h>

#include "train/tape.h"

void omp_set_num_threads(int threads); /* OpenMP's, by which oneDNN finds its number of threads; of the calling thread */

static size_t blocks_of(const it_train *t, int seg) { return (t->batch->len + (size_t)t->block[seg] - 1) / (size_t)t->block[seg]; }

/* ---- a pass ---- */

static intact_status run_block(it_tape_worker *w, int seg, size_t index, intact_error *err)
{
    it_train *t = w->t;
    it_tape_block b = { .first = (int64_t)index * t->block[seg], .n = t->block[seg], .seg = seg, .index = (uint32_t)index };
    if (b.n > (int64_t)t->batch->len - b.first) b.n = (int64_t)t->batch->len - b.first;
    for (b.size = 0; t->sizes[b.size].n != b.n;) b.size++;
    if (t->pass < t->segs) IT_TRY(it_tape_forward(w, &b, err));
    return t->pass >= t->segs - 1 || seg == t->answers_seg ? it_tape_backward(w, &b, err) : INTACT_OK;
}

/* Passes go through the blocks to and fro: the last ones of the pass before are the first, still in the cache. */
static void work(void *user, uint32_t begin, uint32_t end, uint32_t thread)
{
    it_train *t = user;
    const int seg = it_tape_pass_seg(t, t->pass);
    const size_t blocks = blocks_of(t, seg);
    (void)thread; /* what a worker is given does not hang on who does it */
    omp_set_num_threads(1);
    for (uint32_t u = begin; u < end; u++) {
        it_tape_worker *w = &t->worker[u];
        const size_t from = blocks * u / t->workers, to = blocks * (u + 1) / t->workers;
        w->st = INTACT_OK;
        for (size_t i = from; i < to && w->st == INTACT_OK; i++) w->st = run_block(w, seg, t->pass % 2 ? from + to - 1 - i : i, &w->err);
    }
}

static intact_status run_pass(it_train *t, int pass, intact_error *err)
{
    t->pass = pass;
    it_pool_for(t->opt.pool, t->workers, 1, work, t);
    for (uint32_t u = 0; u < t->workers; u++)
        if (t->worker[u].st != INTACT_OK) {
            if (err) *err = t->worker[u].err;
            return t->worker[u].st;
        }
    return INTACT_OK;
}

/* The sums of segment seg's operators over all blocks, which were those of a pass of segment of; over all processes where they share statistics. */
static intact_status add_sums(it_train *t, int dir, int seg, int of, intact_error *err)
{
    double *total = t->total[dir];
    const size_t blocks = blocks_of(t, of);
    for (size_t i = t->seg_sums[seg]; i < t->seg_sums[seg + 1]; i++) total[i] = 0;
    for (size_t b = 0; b < blocks; b++)
        for (size_t i = t->seg_sums[seg]; i < t->seg_sums[seg + 1]; i++) total[i] += t->sums[dir][b * t->sums_all + i];
    if (!t->opt.comm || !t->opt.sync_statistics) return INTACT_OK;
    return t->opt.comm->sum_f64(t->opt.comm->user, total + t->seg_sums[seg], t->seg_sums[seg + 1] - t->seg_sums[seg], err);
}

/* ---- before and after ---- */

static intact_status check_labels(it_train *t, const it_train_batch *b, bool must, size_t *count, intact_error *err)
{
    const it_loss *l = t->opt.loss.loss;
    *count = b->len;
    if (b->len < 1 || b->len > t->opt.batch) return it_fail(err, INTACT_E_ARG, "training", "a batch of %zu samples; the trainer was made for 1 to %zu", b->len, t->opt.batch);
    if (must && (l->labels ? !b->label : !b->target)) return it_fail(err, INTACT_E_ARG, "training", "the loss %s needs %s", l->name, l->labels ? "labels" : "target numbers");
    if (l->labels && b->label) {
        *count = 0;
        for (size_t i = 0; i < b->len; i++) *count += b->label[i] >= 0;
    }
    return INTACT_OK;
}

static intact_status begin(it_train *t, const it_train_batch *b, intact_error *err)
{
    const it_train_hooks *h = t->opt.hooks;
    int size;
    t->batch = b;
    t->samples = (double)b->len;
    for (int s = 0; s < t->segs; s++) {
        const int64_t rest = (int64_t)b->len % t->block[s];
        if ((int64_t)b->len >= t->block[s]) IT_TRY(it_tape_size_of(t, t->block[s], &size, err));
        if (rest) IT_TRY(it_tape_size_of(t, rest, &size, err));
    }
    if (t->stale && t->used) {
        for (size_t i = 0; i < t->params_len; i++)
            if (t->params[i].apart) memcpy(t->params[i].used, t->params[i].w, t->params[i].len * sizeof(float));
    }
    if (t->stale && h && h->weights) IT_TRY(h->weights(h->user, t, err));
    t->stale = false;
    return INTACT_OK;
}

static void add_up(const it_train *t, it_train_result *r, size_t count)
{
    double loss = 0;
    *r = (it_train_result){ .count = count };
    for (size_t b = 0, blocks = blocks_of(t, t->answers_seg); b < blocks; b++) {
        loss += t->loss[b];
        r->right += t->right[b];
    }
    r->loss = count ? loss / (double)count : 0;
}

static void node_inputs(it_train *t, const it_tape_node *p, const it_tensor **in, it_tensor *mem)
{
    for (int k = 0; k < p->n->in_len; k++) {
        in[k] = p->n->in[k] ? &mem[k] : NULL;
        if (!p->n->in[k]) continue;
        mem[k] = p->n->in[k]->is_const ? t->values[p->n->in[k]->id].fixed : t->sizes[0].shape[p->n->in[k]->id];
        if (!p->n->in[k]->is_const) mem[k].layout = p->in[k].layout;
    }
}

static double count_of(const it_train *t, const it_tensor *x, double samples) { return samples * (double)(it_tensor_len(x) / (t->sizes[0].n * (x->rank > 1 ? x->dim[1] : 1))); }

/* Frozen statistics: the sums that the running ones stand for, in place of the batch's. */
static void assume_sums(it_train *t, int seg)
{
    it_tape_worker *w = &t->worker[0];
    for (size_t i = 1; i <= t->nodes_len; i++) {
        const it_tape_node *p = &t->nodes[i];
        if (p->gather != seg) continue;
        node_inputs(t, p, w->in, w->in_mem);
        p->n->op->across->assume(p->n, w->in, count_of(t, w->in[0], t->samples), t->total[0] + p->sums_at);
    }
}

/* Forward passes and, where wanted, backward ones. */
static intact_status passes(it_train *t, intact_error *err)
{
    const int last = t->forward_only ? t->segs - 1 : 2 * (t->segs - 1);
    for (int pass = 0; pass <= last; pass++) {
        const int seg = it_tape_pass_seg(t, pass);
        IT_TRY(run_pass(t, pass, err));
        if (pass < t->segs - 1 && t->training) IT_TRY(add_sums(t, 0, seg, seg, err));
        if (pass < t->segs - 1 && t->frozen && t->training && !t->forward_only) assume_sums(t, seg);
        if (pass < t->segs - 1 || t->forward_only) continue;
        if (pass < last) IT_TRY(add_sums(t, 1, seg - 1, seg, err));
        IT_TRY(it_train_grads_reduce(t, seg, err));
    }
    return INTACT_OK;
}

/* Parameters and running statistics of the operators across the batch. */
static void finish(it_train *t, const double *sums, double samples, bool gradients)
{
    it_tape_worker *w = &t->worker[0];
    for (size_t i = 1; i <= t->nodes_len; i++) {
        const it_tape_node *p = &t->nodes[i];
        if (p->gather < 0) continue;
        node_inputs(t, p, w->in, w->in_mem);
        for (int k = 0; k < p->n->in_len; k++) {
            const uint32_t param = p->n->in[k] ? t->values[p->n->in[k]->id].param : IT_TAPE_NO;
            w->dx[k] = NULL;
            if (!gradients || param == IT_TAPE_NO || !p->back || w->touched[param]) continue;
            w->dx_mem[k] = w->in_mem[k];
            w->dx_mem[k].data = w->grad + t->params[param].at;
            w->dx[k] = &w->dx_mem[k];
            w->touched[param] = true;
        }
        p->n->op->across->finish(p->n, w->in, sums + p->sums_at, t->total[1] + p->sums_at, count_of(t, w->in[0], samples), w->dx);
    }
}

static void forget_grads(it_train *t)
{
    for (uint32_t u = 0; u < t->workers; u++) {
        it_tape_worker *w = &t->worker[u];
        memset(w->touched, 0, t->params_len);
        for (size_t i = t->own_at; i < t->params_len; i++) {
            memset(w->grad + t->params[i].at, 0, t->params[i].len * sizeof(float));
            w->touched[i] = true;
        }
    }
}

/* The gradient's own size again. Where it is not finite nothing moves but the scale; *on false then. */
static intact_status unscale(it_train *t, it_train_result *r, bool *on, intact_error *err)
{
    *on = true;
    if (t->opt.scaling.kind == IT_SCALE_NONE) return INTACT_OK;
    it_train_unscale(t);
    r->norm = it_train_norm(t);
    *on = isfinite(r->norm);
    r->skipped = !*on;
    it_scaling_step(&t->opt.scaling, &t->scaling, *on);
    if (*on) return INTACT_OK;
    memcpy(t->running, t->running_before, t->running_len * sizeof *t->running);
    if (t->scaling.skips < IT_SCALE_SKIPS) return INTACT_OK;
    return it_fail(err, INTACT_E_DATA, "training", "the gradient was not finite for %d steps in a row, at a loss scale of %g at last; a smaller learning rate or bf16 would help",
                   IT_SCALE_SKIPS, r->scale);
}

static intact_status update(it_train *t, double rate, it_train_result *r, intact_error *err)
{
    const it_train_hooks *h = t->opt.hooks;
    const int64_t start = it_tape_clock(t);
    bool on;
    t->rate = rate;
    const it_comm *c = t->opt.comm;
    if (t->running_before) memcpy(t->running_before, t->running, t->running_len * sizeof *t->running);
    if (t->frozen) memcpy(t->stats_at_zero, t->running, t->running_len * sizeof *t->running);
    finish(t, t->total[0], t->samples, !c || !t->opt.sync_statistics || c->rank == 0); /* shared sums give everyone's gradient at once */
    if (t->frozen) memcpy(t->running, t->stats_at_zero, t->running_len * sizeof *t->running);
    IT_TRY(it_train_grads_reduce(t, IT_TAPE_LATE, err));
    if (c) IT_TRY(c->wait(c->user, err));
    IT_TRY(unscale(t, r, &on, err));
    if (!on) return INTACT_OK;
    if (h && h->gradients) IT_TRY(h->gradients(h->user, t, err));
    r->norm = it_train_norm(t);
    if (!isfinite(r->norm)) return it_fail(err, INTACT_E_DATA, "training", "the gradient is not finite (loss %g); a smaller learning rate would help", r->loss);
    it_train_update(t, r->norm);
    if (h && h->stepped) IT_TRY(h->stepped(h->user, t, err));
    it_train_average_own(t);
    t->update_ns += it_tape_clock(t) - start;
    return INTACT_OK;
}

/* Everyone's samples: those that count, and all of them. */
static intact_status share_counts(it_train *t, size_t *count, intact_error *err)
{
    const it_comm *c = t->opt.comm;
    double n[2] = { (double)*count, (double)t->batch->len };
    if (!c) return INTACT_OK;
    IT_TRY(c->sum_f64(c->user, n, 2, err));
    *count = (size_t)n[0];
    if (t->opt.sync_statistics) t->samples = n[1];
    return INTACT_OK;
}

static intact_status share_result(it_train *t, it_train_result *r, intact_error *err)
{
    const it_comm *c = t->opt.comm;
    double n[2] = { r->loss, (double)r->right };
    if (!c) return INTACT_OK;
    IT_TRY(c->sum_f64(c->user, n, 2, err));
    r->loss = n[0];
    r->right = (size_t)n[1];
    return INTACT_OK;
}

/* ---- what callers ask for ---- */

intact_status it_train_step(it_train *t, const it_train_batch *b, double rate, it_train_result *r, intact_error *err)
{
    size_t count;
    IT_TRY(check_labels(t, b, true, &count, err));
    IT_TRY(begin(t, b, err));
    IT_TRY(share_counts(t, &count, err));
    if (!count) return it_fail(err, INTACT_E_DATA, "training", "no sample of the batch has a label");
    t->training = true;
    t->forward_only = false;
    t->weight = (double)t->scaling.scale / (double)count;
    forget_grads(t);
    IT_TRY(passes(t, err));
    add_up(t, r, count);
    IT_TRY(share_result(t, r, err));
    if (!isfinite(r->loss)) return it_fail(err, INTACT_E_DATA, "training", "the loss is not finite; a smaller learning rate would help");
    r->scale = (double)t->scaling.scale;
    return update(t, rate, r, err);
}

intact_status it_train_eval(it_train *t, const it_train_batch *b, it_train_result *r, intact_error *err)
{
    size_t count;
    IT_TRY(check_labels(t, b, false, &count, err));
    IT_TRY(begin(t, b, err));
    t->training = false;
    t->forward_only = true;
    IT_TRY(passes(t, err));
    add_up(t, r, count);
    return INTACT_OK;
}

void it_train_freeze(it_train *t, bool frozen) { t->frozen = frozen; }

void it_train_restat_begin(it_train *t)
{
    memset(t->restat, 0, t->sums_all * sizeof *t->restat);
    t->restat_count = 0;
}

intact_status it_train_restat_add(it_train *t, const it_train_batch *b, intact_error *err)
{
    size_t count;
    IT_TRY(check_labels(t, b, false, &count, err));
    IT_TRY(begin(t, b, err));
    IT_TRY(share_counts(t, &count, err));
    t->training = t->forward_only = true;
    IT_TRY(passes(t, err));
    for (size_t i = 0; i < t->sums_all; i++) t->restat[i] += t->total[0][i];
    t->restat_count += t->samples;
    return INTACT_OK;
}

/* An operator moves its statistics r to m r + a with a momentum m of its own: from 0 it gives a, from a it gives (1 + m) a, and a / (1 - m)
** are the batch's. Where a is 0 the second try begins with 1 and gives m: with m = 1 the operator takes nothing, and keeps what it had. */
void it_train_restat_end(it_train *t)
{
    float *restrict r = t->running, *restrict a = t->stats_at_zero, *restrict had = t->stats_before;
    if (t->restat_count == 0) return;
    memcpy(had, r, t->running_len * sizeof *r);
    memset(r, 0, t->running_len * sizeof *r);
    finish(t, t->restat, t->restat_count, false);
    memcpy(a, r, t->running_len * sizeof *r);
    for (size_t i = 0; i < t->running_len; i++) r[i] = a[i] != 0 ? a[i] : 1;
    finish(t, t->restat, t->restat_count, false);
    for (size_t i = 0; i < t->running_len; i++) {
        if (a[i] != 0) r[i] = (float)((double)a[i] / (2 - (double)r[i] / (double)a[i]));
        else r[i] = r[i] == 1 ? had[i] : 0;
    }
    it_train_touch(t);
}

intact_status it_train_share_statistics(it_train *t, intact_error *err)
{
    const it_comm *c = t->opt.comm;
    if (!c || t->opt.sync_statistics || !t->running_len) return INTACT_OK;
    IT_TRY(c->start_f32(c->user, t->running, t->running_len, err));
    IT_TRY(c->wait(c->user, err));
    for (size_t i = 0; i < t->running_len; i++) t->running[i] /= (float)c->size;
    it_train_touch(t);
    return INTACT_OK;
}
