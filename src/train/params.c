/* SPDX-License-Identifier: Apache-2.0 */
/* params.c: what is learned: the network's parameters and hooks' own in flat arrays, running statistics beside them, and back into the graph. */
#include <string.h>

#include "train/tape.h"

static bool is_running(const it_train *t, const it_node *n, int k)
{
    return n->op->across && !t->opt.fixed_statistics && k < 32 && n->op->across->running >> k & 1 && n->in[k] && n->in[k]->is_const && n->in[k]->t.type == IT_F32;
}

/* Normalizations and biases: what has one number a channel beside the layer's weight. */
static bool decays(const it_train *t, const it_node *n, int k)
{
    if (t->opt.decay_all) return true;
    if (n->op->across || n->op->quant.all_parameters) return false;
    return n->in[k]->t.rank > 1 && !(k > 0 && k == n->op->quant.bias_in);
}

static void add_param(it_train *t, it_train_param *p, size_t len)
{
    p->at = t->flat_len;
    p->len = len;
    t->flat_len += it_round_up(len, IT_ALIGN / sizeof(float));
}

static intact_status find_stat(it_train *t, const it_value *v, intact_error *err)
{
    for (size_t i = 0; i < t->stats.len; i++)
        if (t->stats.items[i] == v) return INTACT_OK;
    if (!IT_VEC_ROOM(t->alloc, t->stats)) return it_fail_nomem(err, v->name, sizeof v);
    t->stats.items[t->stats.len++] = v;
    t->running_len += (size_t)it_tensor_len(&v->t);
    return INTACT_OK;
}

intact_status it_tape_params(it_train *t, intact_error *err)
{
    const it_train_hooks *h = t->opt.hooks;
    size_t most = h ? h->own_len : 0;
    for (size_t i = 1; i <= t->nodes_len; i++) most += (size_t)t->nodes[i].n->in_len;
    t->params = it_arena_new(&t->arena, (most + 1) * sizeof *t->params);
    if (!t->params) return it_fail_nomem(err, t->g->name, most * sizeof *t->params);
    for (size_t i = 1; i <= t->nodes_len; i++) {
        const it_node *n = t->nodes[i].n;
        for (int k = 0; k < n->in_len; k++) {
            if (is_running(t, n, k)) IT_TRY(find_stat(t, n->in[k], err));
            if (!it_tape_is_param(t, n, k)) continue;
            it_tape_value *x = &t->values[n->in[k]->id];
            if (x->param != IT_TAPE_NO) {
                t->params[x->param].decays = t->params[x->param].decays && decays(t, n, k);
                continue;
            }
            x->param = (uint32_t)t->params_len;
            it_train_param *p = &t->params[t->params_len++];
            *p = (it_train_param){ .name = n->in[k]->name, .v = n->in[k], .decays = decays(t, n, k), .rate = 1 };
            add_param(t, p, (size_t)it_tensor_len(&n->in[k]->t));
        }
    }
    t->own_at = t->params_len;
    for (size_t i = 0; h && i < h->own_len; i++) {
        it_train_param *p = &t->params[t->params_len++];
        *p = (it_train_param){ .name = h->own[i].name, .decays = h->own[i].decays, .rate = h->own[i].rate };
        add_param(t, p, h->own[i].len);
    }
    return INTACT_OK;
}

static intact_status flat(it_train *t, float **out, size_t len, intact_error *err)
{
    *out = it_alloc_zero(t->alloc, len * sizeof **out);
    return *out ? INTACT_OK : it_fail_nomem(err, t->g->name, len * sizeof **out);
}

/* The segment on the way back after which nothing more comes to a parameter's gradient. */
static int complete_at(const it_train *t, const it_train_param *p)
{
    int seg = p->v ? t->segs - 1 : IT_TAPE_LATE;
    for (size_t i = 1; p->v && i <= t->nodes_len; i++)
        for (int k = 0; k < t->nodes[i].n->in_len; k++) {
            if (t->nodes[i].n->in[k] != p->v) continue;
            if (t->nodes[i].gather >= 0) return IT_TAPE_LATE;
            seg = t->nodes[i].seg < seg ? t->nodes[i].seg : seg;
        }
    return seg;
}

static intact_status cut_chunks(it_train *t, intact_error *err)
{
    size_t len = 0;
    for (size_t i = 0; i < t->params_len; i++) len += (t->params[i].len + IT_TAPE_CHUNK - 1) / IT_TAPE_CHUNK;
    t->chunks = it_arena_new(&t->arena, (len + 1) * sizeof *t->chunks);
    if (!t->chunks) return it_fail_nomem(err, t->g->name, len * sizeof *t->chunks);
    for (size_t i = 0; i < t->params_len; i++) {
        const int seg = complete_at(t, &t->params[i]);
        for (size_t at = 0; at < t->params[i].len; at += IT_TAPE_CHUNK) {
            const size_t rest = t->params[i].len - at;
            t->chunks[t->chunks_len++] = (it_tape_chunk){ (uint32_t)i, seg, t->params[i].at + at, rest < IT_TAPE_CHUNK ? rest : IT_TAPE_CHUNK, 0 };
        }
    }
    return INTACT_OK;
}

intact_status it_tape_params_alloc(it_train *t, intact_error *err)
{
    const it_train_hooks *h = t->opt.hooks;
    bool apart = false;
    for (size_t i = 0; i < t->params_len; i++) apart = apart || t->params[i].apart;
    IT_TRY(flat(t, &t->w, t->flat_len, err));
    IT_TRY(flat(t, &t->grad, t->flat_len, err));
    for (int i = 0; i < t->opt.optimizer.optimizer->moments; i++) IT_TRY(flat(t, &t->moment[i], t->flat_len, err));
    if (t->opt.average > 0) IT_TRY(flat(t, &t->average, t->flat_len, err));
    if (apart) IT_TRY(flat(t, &t->used, t->flat_len, err));
    IT_TRY(flat(t, &t->running, t->running_len + 1, err));
    if (t->opt.scaling.kind != IT_SCALE_NONE) IT_TRY(flat(t, &t->running_before, t->running_len + 1, err));
    for (size_t i = 0; i < t->params_len; i++) {
        it_train_param *p = &t->params[i];
        const float *from = p->v ? p->v->t.data : h->own[i - t->own_at].init;
        p->w = t->w + p->at;
        p->grad = t->grad + p->at;
        p->used = p->apart ? t->used + p->at : p->w;
        if (from) memcpy(p->w, from, p->len * sizeof(float));
        if (p->v) t->values[p->v->id].fixed.data = p->used;
    }
    if (t->used) memcpy(t->used, t->w, t->flat_len * sizeof(float));
    if (t->average) memcpy(t->average, t->w, t->flat_len * sizeof(float));
    for (size_t i = 0, at = 0; i < t->stats.len; i++) {
        const it_value *v = t->stats.items[i];
        const size_t len = (size_t)it_tensor_len(&v->t);
        memcpy(t->running + at, v->t.data, len * sizeof(float));
        t->values[v->id].fixed.data = t->running + at;
        at += len;
    }
    return cut_chunks(t, err);
}

void it_tape_params_free(it_train *t)
{
    float *const all[] = { t->w, t->grad, t->moment[0], t->moment[1], t->average, t->used };
    for (size_t i = 0; i < IT_LEN(all); i++) it_alloc_free(t->alloc, all[i], t->flat_len * sizeof(float));
    it_alloc_free(t->alloc, t->running, (t->running_len + 1) * sizeof(float));
    it_alloc_free(t->alloc, t->running_before, (t->running_len + 1) * sizeof(float));
    IT_VEC_FREE(t->alloc, t->stats);
}

/* ---- seen from outside ---- */

it_train_param *it_train_params(it_train *t, size_t *len)
{
    *len = t->params_len;
    return t->params;
}

const it_train_param *it_train_param_of(const it_train *t, const it_value *v)
{
    const uint32_t i = t->values[v->id].param;
    return i == IT_TAPE_NO ? NULL : &t->params[i];
}

const float *it_train_stat_of(const it_train *t, const it_value *v) { return t->values[v->id].fixed.data; }

const it_train_param *it_train_own_param(const it_train *t, size_t i) { return &t->params[t->own_at + i]; }
float *it_train_worker_grad(it_train *t, uint32_t worker, const it_train_param *p) { return t->worker[worker].grad + p->at; }
uint32_t it_train_workers(const it_train *t) { return t->workers; }
const it_comm *it_train_comm(const it_train *t) { return t->opt.comm; }

void it_train_touch(it_train *t)
{
    t->weights_at++;
    t->stale = true;
}

void it_train_swap_average(it_train *t)
{
    for (size_t i = 0; t->average && i < t->flat_len; i++) {
        const float w = t->w[i];
        t->w[i] = t->average[i];
        t->average[i] = w;
    }
    t->averaged = t->average && !t->averaged;
    it_train_touch(t);
}

bool it_train_learned_at(const it_train *t, size_t i, it_train_learned *out)
{
    if (i >= t->own_at + t->stats.len) return false;
    const it_value *v = i < t->own_at ? t->params[i].v : t->stats.items[i - t->own_at];
    const float *data = i < t->own_at ? t->params[i].w : t->values[v->id].fixed.data;
    *out = (it_train_learned){ v, data, (size_t)it_tensor_len(&v->t), i >= t->own_at };
    return true;
}

static intact_status store(it_train *t, const it_value *v, const float *from, size_t len, intact_error *err)
{
    it_value *to = t->g->values.items[v->id];
    float *data = t->stored ? to->t.data : it_arena_raw(&t->g->arena, len * sizeof *data); /* the same memory every time */
    if (!data) return it_fail_nomem(err, v->name, len * sizeof *data);
    memcpy(data, from, len * sizeof *data);
    to->t.data = data;
    return INTACT_OK;
}

intact_status it_train_store(it_train *t, intact_error *err)
{
    for (size_t i = 0; i < t->params_len; i++)
        if (t->params[i].v) IT_TRY(store(t, t->params[i].v, t->params[i].w, t->params[i].len, err));
    for (size_t i = 0; i < t->stats.len; i++)
        IT_TRY(store(t, t->stats.items[i], t->values[t->stats.items[i]->id].fixed.data, (size_t)it_tensor_len(&t->stats.items[i]->t), err));
    t->stored = true;
    return INTACT_OK;
}

it_train_state it_train_state_of(it_train *t)
{
    const bool scaled = t->opt.scaling.kind != IT_SCALE_NONE;
    return (it_train_state){ .array = { { "weights", t->w, t->flat_len }, { "running", t->running, t->running_len }, { "moment 1", t->moment[0], t->flat_len },
                                        { "moment 2", t->moment[1], t->flat_len }, { "average", t->average, t->flat_len },
                                        { "loss scale", &t->scaling.scale, sizeof t->scaling / sizeof(float) } },
                             .arrays = scaled ? 6 : 5, .optimizer = &t->optimizer };
}
