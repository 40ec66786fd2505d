/* SPDX-License-Identifier: Apache-2.0 */
/* qat.c: making and freeing a quantization-aware training. */
#include <math.h>
#include <string.h>

#include "pass/pass.h"
#include "qat/state.h"

const it_qat_method *const it_qat_method_all[] = {
#define QAT(name) &it_qat_##name,
#include "qat/qat_list.h"
#undef QAT
    NULL
};

const char *it_qat_name(const it_qat_method *m) { return m->name; }
const char *it_qat_summary(const it_qat_method *m) { return m->summary; }

intact_status it_qat_find(const char *name, const it_qat_method **out, intact_error *err)
{
    const char *names[IT_LEN(it_qat_method_all)];
    size_t len = 0;
    for (; it_qat_method_all[len]; len++) {
        names[len] = it_qat_method_all[len]->name;
        if (strcmp(name, names[len]) == 0) {
            *out = it_qat_method_all[len];
            return INTACT_OK;
        }
    }
    const char *near = it_nearest(name, names, len);
    char list[200] = "";
    for (size_t i = 0; i < len; i++) strncat(strncat(list, i ? ", " : "", 4), names[i], 40);
    return it_fail(err, INTACT_E_ARG, "training method", "there is no \"%.60s\"%s%s; there are: %s", name, near ? "; nearest: " : "", near ? near : "", list);
}

/* ---- the network before training ---- */

intact_status it_qat_prepare(it_graph *g, intact_error *err)
{
    static const it_pass *const PASSES[] = { &it_pass_free_batch, &it_pass_fold_constants, &it_pass_fold_moves, &it_pass_fuse_matmul, &it_pass_fuse_clamp, &it_pass_drop_dead };
    for (size_t i = 0; i < g->nodes.len; i++) {
        const char *op = g->nodes.items[i]->op->onnx;
        if (strcmp(op, "LSTM") == 0 || strcmp(op, "GRU") == 0 || strcmp(op, "RNN") == 0)
            return it_node_fail(g->nodes.items[i], err, INTACT_E_UNSUPPORTED, "recurrent layers cannot be trained with rounding; train the network in float, then quantize it");
    }
    IT_TRY(it_graph_infer(g, 1, NULL, err));
    for (size_t changes = 1; changes > 0;) {
        changes = 0;
        for (size_t i = 0; i < IT_LEN(PASSES); i++) {
            size_t here = 0;
            IT_TRY(PASSES[i]->run(g, &here, err));
            changes += here;
            if (!here) continue;
            IT_TRY(it_graph_sort(g, err));
            IT_TRY(it_graph_verify(g, err));
            IT_TRY(it_graph_infer(g, 1, NULL, err));
        }
    }
    return INTACT_OK;
}

/* ---- parts ---- */

static intact_status check_options(const it_qat_options *o, intact_error *err)
{
    if (!o->method || !o->feed || !o->job || !o->pool) return it_fail(err, INTACT_E_ARG, "training", "method, calibration samples, job and pool are needed");
    const struct { const char *what; int bits; } bits[] = { { "weights", o->weight_bits }, { "activations", o->act_bits } };
    for (size_t i = 0; i < IT_LEN(bits); i++)
        if (bits[i].bits < 2 || bits[i].bits > 8)
            return it_fail(err, INTACT_E_ARG, it_qat_name(o->method), "%d bits for %s; 2 to 8 are possible", bits[i].bits, bits[i].what);
    return INTACT_OK;
}

static intact_status own_new(it_qat *q, it_qat_own *own, const char *name, const char *what, intact_error *err)
{
    if (!own->len) return INTACT_OK;
    own->index = q->own_len++;
    float least = INFINITY;
    for (size_t i = 0; i < own->len; i++) least = fminf(least, own->init[i]);
    q->least[own->index] = least * 0x1p-10f;
    q->own[own->index] = (it_train_own){ .name = it_arena_printf(&q->arena, "%s %s", name, what), .len = own->len, .init = own->init, .decays = own->decays, .rate = 1 };
    return q->own[own->index].name ? INTACT_OK : it_fail_nomem(err, name, 64);
}

static intact_status begin_act(it_qat *q, size_t i, intact_error *err)
{
    it_qat_act *a = &q->acts.items[i];
    const uint32_t workers = it_pool_threads(q->o.pool);
    const float half = a->rounds ? 1 : 0.5f; /* answers have room for twice what calibration saw (ptq/acts.c) */
    a->average = &q->kept->average[i];
    *a->average = (it_qat_average){ a->scale * (a->rounds ? (float)(0 - a->zero) : -32767 * half), a->scale * (float)(a->top - a->zero) * half };
    a->seen = it_arena_raw(&q->arena, workers * sizeof *a->seen);
    a->own.init = it_arena_new(&q->arena, sizeof(float));
    if (!a->seen || !a->own.init) return it_fail_nomem(err, a->name, workers * sizeof *a->seen);
    for (uint32_t w = 0; w < workers; w++) a->seen[w] = (it_qat_seen){ .lo = INFINITY, .hi = -INFINITY };
    q->method->act_begin(a, q->o.from != NULL);
    q->averages = q->averages || a->tracks;
    return own_new(q, &a->own, a->name, "step", err);
}

static intact_status begin_weight(it_qat *q, it_qat_weight *w, intact_error *err)
{
    const size_t bytes = (size_t)w->channels * sizeof(float), channel = (size_t)(w->inner * w->outer) * sizeof(float);
    w->step = it_arena_new(&q->arena, bytes);
    w->sums = it_arena_new(&q->arena, bytes);
    w->own.init = it_arena_new(&q->arena, bytes);
    if (w->per_tensor && w->norm) w->unfold = it_arena_new(&q->arena, bytes);
    w->room = it_alloc_new(q->alloc, channel);
    if (!w->step || !w->sums || !w->own.init || (w->per_tensor && w->norm && !w->unfold) || !w->room) {
        it_alloc_free(q->alloc, w->room, channel);
        return it_fail_nomem(err, w->v->name, bytes + channel);
    }
    if (w->unfold) it_qat_unfold(w, w->norm->in[1]->t.data, w->norm->in[4]->t.data);
    q->method->weight_begin(w, w->v->t.data, q->o.from != NULL);
    it_alloc_free(q->alloc, w->room, channel);
    w->room = NULL;
    return own_new(q, &w->own, w->v->name, "step", err);
}

static intact_status begin(it_qat *q, intact_error *err)
{
    IT_TRY(it_qat_probe(q, err));
    const size_t most = q->acts.len + q->weights.len + 1;
    q->own = it_arena_new(&q->arena, most * sizeof *q->own);
    q->least = it_arena_new(&q->arena, most * sizeof *q->least);
    q->kept_bytes = sizeof *q->kept + q->acts.len * sizeof *q->kept->average;
    q->kept = it_arena_new(&q->arena, q->kept_bytes);
    if (!q->own || !q->least || !q->kept) return it_fail_nomem(err, "training", most * sizeof *q->own);
    for (size_t i = 0; i < q->acts.len; i++) IT_TRY(begin_act(q, i, err));
    for (size_t i = 0; i < q->weights.len; i++) IT_TRY(begin_weight(q, &q->weights.items[i], err));
    it_qat_set_hooks(q);
    return INTACT_OK;
}

intact_status it_qat_new(it_graph *g, const it_qat_options *o, it_qat **out, intact_error *err)
{
    *out = NULL;
    IT_TRY(check_options(o, err));
    it_qat *q = it_alloc_zero(g->alloc, sizeof *q);
    if (!q) return it_fail_nomem(err, g->name, sizeof *q);
    q->alloc = g->alloc;
    q->g = g;
    q->o = *o;
    q->method = o->method;
    it_arena_init(&q->arena, g->alloc);
    it_recipe_init(&q->recipe, g->alloc);
    intact_status st = begin(q, err);
    if (st != INTACT_OK) {
        it_qat_free(q);
        return st;
    }
    *out = q;
    return INTACT_OK;
}

void it_qat_free(it_qat *q)
{
    if (!q) return;
    it_graph_release(&q->coded);
    IT_VEC_FREE(q->alloc, q->acts);
    IT_VEC_FREE(q->alloc, q->weights);
    IT_VEC_FREE(q->alloc, q->names);
    IT_VEC_FREE(q->alloc, q->low);
    it_recipe_release(&q->recipe);
    it_arena_release(&q->arena);
    it_alloc_free(q->alloc, q, sizeof *q);
}

void it_qat_state(it_qat *q, void **data, size_t *len)
{
    *data = q->kept;
    *len = q->kept_bytes;
}

size_t it_qat_state_bytes(const it_qat *q) { return q->kept_bytes; }

void it_qat_state_at(it_qat *q, void *room)
{
    memcpy(room, q->kept, q->kept_bytes);
    q->kept = room;
    for (size_t i = 0; i < q->acts.len; i++) q->acts.items[i].average = &q->kept->average[i];
}

const it_recipe *it_qat_recipe(const it_qat *q) { return &q->recipe; }

it_qat_counts it_qat_count(const it_qat *q)
{
    it_qat_counts n = { .weights = q->weights.len, .values = q->acts.len };
    for (size_t i = 0; i < q->weights.len; i++) n.low_weights += q->weights.items[i].bits < 8;
    for (size_t i = 0; i < q->acts.len; i++) n.low_values += q->acts.items[i].bits < 8;
    return n;
}
