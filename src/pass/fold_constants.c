/* SPDX-License-Identifier: Apache-2.0 */
/* fold_constants: what does not depend on the inputs is computed once: nodes that read constants only, and shape arithmetic whose result is
** the same at every batch. */
#include "pass/absorb.h"

#include <math.h>
#include <string.h>

#define BYTES_MAX ((size_t)64 << 20) /* a constant larger than this, made from less, stays a computation */

static bool quantizes(const it_node *n) { return it_absorb_is_q(n) || it_absorb_is_dq(n); }

/* Weights that came quantized, and what is made from them, keep their codes for the integer program. */
static bool may_fold(const it_node *n)
{
    if (quantizes(n) || n->out_len == 0) return false;
    for (int k = 0; k < n->in_len; k++)
        if (n->in[k] && (n->in[k]->q || quantizes(n->in[k]->producer))) return false;
    for (int k = 0; k < n->out_len; k++)
        if (n->out[k] && (n->out[k]->is_output || n->out[k]->q)) return false;
    return true;
}

static bool same_at_every_batch(const it_probe *p, const it_node *n)
{
    for (int k = 0; k < n->out_len; k++) {
        if (!n->out[k]) continue;
        const it_tensor *first = &p->t[0][n->out[k]->id];
        if (first->rank < 0 || !first->data) return false;
        for (int at = 1; at < p->len; at++) {
            const it_tensor *t = &p->t[at][n->out[k]->id];
            if (t->rank < 0 || !t->data || t->type != first->type || !it_tensor_same_shape(t, first)) return false;
            if (memcmp(t->data, first->data, it_tensor_bytes(first)) != 0) return false;
        }
    }
    return true;
}

static bool reads_constants_only(const it_node *n)
{
    for (int k = 0; k < n->in_len; k++)
        if (n->in[k] && !n->in[k]->is_const) return false;
    return true;
}

/* Forward in plain layout is enough: operators that insist on channels-last take four dimensions plain nowhere. */
static bool can_run(const it_node *n, const it_tensor *out)
{
    if (!n->op->forward && !n->op->view) return false;
    size_t in_bytes = 0, out_bytes = 0;
    for (int k = 0; k < n->in_len; k++) {
        if (!n->in[k]) continue;
        if (n->op->layout == IT_LAYOUT_NHWC && n->in[k]->t.rank == 4) return false;
        in_bytes += it_tensor_bytes(&n->in[k]->t);
    }
    for (int k = 0; k < n->out_len; k++) {
        if (!n->out[k]) continue;
        if (out[k].rank < 0 || (n->op->layout == IT_LAYOUT_NHWC && out[k].rank == 4)) return false;
        out_bytes += it_tensor_bytes(&out[k]);
    }
    return out_bytes <= BYTES_MAX || out_bytes <= in_bytes;
}

static void apply_clamp(const it_node *n, const it_tensor *t)
{
    int64_t len = it_edit_clamped(n) ? it_tensor_len(t) : 0;
    for (int64_t i = 0; i < len; i++) it_tensor_set(t, i, fmin(fmax(it_tensor_get(t, i), (double)n->clamp_lo), (double)n->clamp_hi));
}

/* The outputs' content into the graph's arena; *done false when the operator cannot tell its shape, or refuses: then running the network
** says so. */
static intact_status evaluate(it_graph *g, const it_node *n, it_tensor *out, it_arena *scratch, bool *done, intact_error *err)
{
    const it_tensor **in = it_arena_new(scratch, (size_t)(n->in_len + 1) * sizeof(*in));
    it_tensor **out_ptr = it_arena_new(scratch, (size_t)(n->out_len + 1) * sizeof(*out_ptr));
    it_arena work;
    intact_error ignored;
    *done = false;
    if (!in || !out_ptr) return it_fail_nomem(err, n->name, (size_t)(n->in_len + n->out_len + 2) * sizeof(*in));
    for (int k = 0; k < n->in_len; k++) in[k] = n->in[k] ? &n->in[k]->t : NULL;
    intact_status st = n->op->infer(n, in, out, &ignored);
    if (st != INTACT_OK) return st == INTACT_E_NOMEM ? it_fail_nomem(err, n->name, 0) : INTACT_OK;
    for (int k = 0; k < n->out_len; k++)
        if (n->out[k] && out[k].rank >= 0 && it_shape_check(&out[k], n->name, &ignored) != INTACT_OK) return INTACT_OK;
    if (!can_run(n, out)) return INTACT_OK;
    for (int k = 0; k < n->out_len; k++) {
        if (!n->out[k]) continue;
        size_t bytes = it_tensor_bytes(&out[k]);
        out[k].data = it_arena_new(&g->arena, bytes);
        if (!out[k].data) return it_fail_nomem(err, n->name, bytes);
        out_ptr[k] = &out[k];
    }
    it_op_state *state = NULL;
    it_arena_init(&work, g->alloc);
    it_run_ctx c = {.alloc = g->alloc, .state = &state, .scratch = &work};
    if (n->op->forward) st = n->op->forward(&c, n, in, out_ptr, &ignored);
    else memcpy(out[0].data, in[0]->data, it_tensor_bytes(&out[0]));
    if (state) state->free(state);
    it_arena_release(&work);
    if (st == INTACT_E_NOMEM) return it_fail_nomem(err, n->name, 0);
    *done = st == INTACT_OK;
    if (*done && n->out[0]) apply_clamp(n, &out[0]);
    return INTACT_OK;
}

/* The outputs keep their names and become constants; data is the graph's already when own. */
static intact_status make_constant(it_graph *g, it_node *n, const it_tensor *out, bool own, intact_error *err)
{
    for (int k = 0; k < n->out_len; k++) {
        if (!n->out[k]) continue;
        it_value *v = n->out[k];
        it_tensor t = own ? out[k] : v->t;
        t.layout = IT_PLAIN;
        if (!own) t.data = it_arena_copy(&g->arena, out[k].data, it_tensor_bytes(&t));
        if (!t.data) return it_fail_nomem(err, v->name, it_tensor_bytes(&t));
        v->t = t;
    }
    for (int k = 0; k < n->out_len; k++)
        if (n->out[k]) n->out[k]->is_const = true;
    it_graph_remove(g, n);
    return INTACT_OK;
}

static intact_status fold(it_graph *g, it_node *n, const it_probe *p, bool *folded, intact_error *err)
{
    it_arena scratch;
    bool same = same_at_every_batch(p, n), done = same;
    *folded = false;
    if (!may_fold(n) || (!same && !reads_constants_only(n))) return INTACT_OK;
    it_arena_init(&scratch, g->alloc);
    it_tensor *out = it_arena_new(&scratch, (size_t)n->out_len * sizeof(*out));
    intact_status st = out ? INTACT_OK : it_fail_nomem(err, n->name, (size_t)n->out_len * sizeof(*out));
    for (int k = 0; k < n->out_len && st == INTACT_OK && same; k++)
        if (n->out[k]) out[k] = p->t[0][n->out[k]->id];
    if (st == INTACT_OK && !same) st = evaluate(g, n, out, &scratch, &done, err);
    if (st == INTACT_OK && done) st = make_constant(g, n, out, !same, err);
    *folded = st == INTACT_OK && done;
    it_arena_release(&scratch);
    return st;
}

static intact_status fold_constants_run(it_graph *g, size_t *changes, intact_error *err)
{
    it_probe p;
    IT_TRY(it_probe_run(g, &p, err));
    intact_status st = INTACT_OK;
    for (size_t i = 0; i < g->nodes.len && st == INTACT_OK;) {
        bool folded;
        st = fold(g, g->nodes.items[i], &p, &folded, err);
        *changes += folded;
        i += !folded; /* a folded node left its place to the next */
    }
    it_probe_release(&p);
    return st;
}

const it_pass it_pass_fold_constants = {
    .name = "fold_constants", .what = "computes what does not depend on the inputs", .run = fold_constants_run,
};
