/* SPDX-License-Identifier: Apache-2.0 */
/* free_batch: Reshape and Expand targets that were computed from the batch, or that fix it to 1, become constants good for any batch. */
#include "pass/edit.h"

#include <string.h>

typedef struct target { /* the integers a node is told to make, at batch 1 */
    int64_t dim[IT_RANK_MAX];
    int len;
} target;

static bool target_at(const it_probe *p, int at, const it_value *v, target *out)
{
    const it_tensor *t = &p->t[at][v->id];
    if (!t->data || t->rank != 1 || t->dim[0] > IT_RANK_MAX || t->type != IT_I64) return false;
    out->len = (int)t->dim[0];
    for (int i = 0; i < out->len; i++) out->dim[i] = it_tensor_get_int(t, i);
    return true;
}

/* The one place where the targets differ between batches; -1 when none, -2 when several, or when a content is not known. */
static int place_that_varies(const it_probe *p, const it_value *v, target *first)
{
    int place = -1;
    if (!target_at(p, 0, v, first)) return -2;
    for (int at = 1; at < p->len; at++) {
        target t;
        if (!target_at(p, at, v, &t) || t.len != first->len) return -2;
        for (int i = 0; i < t.len; i++) {
            if (t.dim[i] == first->dim[i]) continue;
            if (place >= 0 && place != i) return -2;
            place = i;
        }
    }
    return place;
}

/* At every batch dimension k of x is what the target says at its place. */
static bool follows(const it_probe *p, const it_value *x, int k, const it_value *v, int place)
{
    for (int at = 0; at < p->len; at++) {
        target t;
        const it_tensor *s = &p->t[at][x->id];
        if (!target_at(p, at, v, &t) || k < 0 || k >= s->rank || s->dim[k] != t.dim[place]) return false;
    }
    return true;
}

static bool has_open(const target *t)
{
    for (int i = 0; i < t->len; i++)
        if (t->dim[i] == -1) return true;
    return false;
}

/* Reshape: 0 copies the input's dimension at the same place, -1 takes what is left. */
static bool free_reshape(const it_probe *p, const it_node *n, target *t)
{
    const it_value *x = n->in[0], *v = n->in[1];
    bool zero_copies = it_edit_attr_int(n, "allowzero", 0) == 0;
    int place = place_that_varies(p, v, t);
    if (place >= 0 && zero_copies && follows(p, x, place, v, place)) {
        t->dim[place] = 0;
        return true;
    }
    if (place >= 0 && !has_open(t)) {
        t->dim[place] = -1;
        return true;
    }
    /* a network written down for one sample: where input and target both begin with 1, that 1 is the input's */
    const it_tensor *shape = &p->t[0][x->id];
    if (place != -1 || !v->is_const || !zero_copies || t->len == 0 || t->dim[0] != 1 || shape->rank < 1 || shape->dim[0] != 1) return false;
    t->dim[0] = 0;
    return true;
}

/* Expand: 1 keeps the input's dimension, counted from the end. */
static bool free_expand(const it_probe *p, const it_node *n, target *t)
{
    const it_value *x = n->in[0], *v = n->in[1];
    int place = place_that_varies(p, v, t), rank = p->t[0][x->id].rank;
    if (place < 0 || !follows(p, x, place - t->len + rank, v, place)) return false;
    t->dim[place] = 1;
    return true;
}

static intact_status run(it_graph *g, const it_probe *p, size_t *changes, intact_error *err)
{
    for (size_t i = 0; i < g->nodes.len; i++) {
        it_node *n = g->nodes.items[i];
        target t;
        bool found = it_edit_is(n, "Reshape") ? free_reshape(p, n, &t) : it_edit_is(n, "Expand") && free_expand(p, n, &t);
        if (!found) continue;
        it_tensor made = {.type = IT_I64, .rank = 1, .dim = {t.len}, .data = t.dim};
        it_value *v = NULL;
        IT_TRY(it_edit_const(g, n->in[1]->name, &made, &v, err));
        n->in[1] = v;
        ++*changes;
    }
    return INTACT_OK;
}

static intact_status free_batch_run(it_graph *g, size_t *changes, intact_error *err)
{
    it_probe p;
    IT_TRY(it_probe_run(g, &p, err));
    intact_status st = run(g, &p, changes, err);
    it_probe_release(&p);
    return st;
}

const it_pass it_pass_free_batch = {
    .name = "free_batch", .what = "makes Reshape and Expand targets independent of the batch", .run = free_batch_run,
};
