/* SPDX-License-Identifier: Apache-2.0 */
/* exec.c: the float executor: defined as it runs, node after node; blocks and operators' caches are kept from run to run. */
#include <string.h>

#include "exec/exec_node.h"

/* OpenMP's, by which oneDNN finds its number of threads; declared here because clang's omp.h is a package of its own. */
void omp_set_num_threads(int threads);

static intact_status widest(it_exec *e, intact_error *err)
{
    size_t in = 1, out = 1;
    for (size_t i = 0; i < e->g->nodes.len; i++) {
        const it_node *n = e->g->nodes.items[i];
        it_cell_node *c = &e->nodes[i];
        if ((size_t)n->in_len > in) in = (size_t)n->in_len;
        if ((size_t)n->out_len > out) out = (size_t)n->out_len;
        c->in = it_arena_new(&e->arena, ((size_t)n->in_len + 1) * sizeof *c->in);
        c->out = it_arena_new(&e->arena, ((size_t)n->out_len + 1) * sizeof *c->out);
        if (!c->in || !c->out) return it_fail_nomem(err, n->name, sizeof *c->in);
    }
    e->in = it_arena_new(&e->arena, in * sizeof *e->in);
    e->in_mem = it_arena_new(&e->arena, in * sizeof *e->in_mem);
    e->out = it_arena_new(&e->arena, out * sizeof *e->out);
    e->out_mem = it_arena_new(&e->arena, out * sizeof *e->out_mem);
    return e->in && e->in_mem && e->out && e->out_mem ? INTACT_OK : it_fail_nomem(err, e->g->name, in * sizeof *e->in_mem);
}

static intact_status prepare(it_exec *e, intact_error *err)
{
    const it_graph *g = e->g;
    e->cells = it_arena_new(&e->arena, (g->values.len + 1) * sizeof *e->cells);
    e->nodes = it_arena_new(&e->arena, (g->nodes.len + 1) * sizeof *e->nodes);
    if (!e->cells || !e->nodes) return it_fail_nomem(err, g->name, g->values.len * sizeof *e->cells);
    IT_TRY(widest(e, err));
    for (size_t i = 0; i < g->values.len; i++) {
        const it_value *v = g->values.items[i];
        it_cell *c = &e->cells[i];
        c->block[0] = c->block[1] = c->prefer[0] = c->prefer[1] = IT_NO_BLOCK;
        c->last = v->is_const ? (int)g->nodes.len : -1;
        if (v->is_const) {
            c->t[IT_PLAIN] = v->t;
            c->ready[IT_PLAIN] = true;
            if (v->tuned && e->opt.simulates) c->t[IT_PLAIN].data = (void *)(uintptr_t)v->tuned;
            if (v->q && v->q->codes && it_exec_simulates(e, v)) IT_TRY(it_exec_dequantize(e, v, &c->t[IT_PLAIN], err));
        }
    }
    for (size_t i = 0; i < g->nodes.len; i++) {
        const it_node *n = g->nodes.items[i];
        for (int k = 0; k < n->out_len; k++) /* an output that nobody reads dies with its node */
            if (n->out[k]) e->cells[n->out[k]->id].last = (int)i;
        for (int k = 0; k < n->in_len; k++)
            if (n->in[k] && !n->in[k]->is_const) e->cells[n->in[k]->id].last = (int)i;
    }
    for (size_t i = 0; i < g->outputs.len; i++) e->cells[g->outputs.items[i]->id].last = (int)g->nodes.len;
    return INTACT_OK;
}

intact_status it_exec_new(const it_graph *g, const it_exec_options *opt, it_exec **out, intact_error *err)
{
    it_exec *e = it_alloc_zero(g->alloc, sizeof *e);
    *out = NULL;
    if (!e) return it_fail_nomem(err, g->name, sizeof *e);
    e->g = g;
    e->alloc = g->alloc;
    e->buffers.alloc = g->alloc;
    if (opt) e->opt = *opt;
    it_arena_init(&e->arena, g->alloc);
    it_arena_init(&e->scratch, g->alloc);
    intact_status st = prepare(e, err);
    if (st != INTACT_OK) {
        it_exec_free(e);
        return st;
    }
    *out = e;
    return INTACT_OK;
}

void it_exec_free(it_exec *e)
{
    if (!e) return;
    for (size_t i = 0; e->nodes && i < e->g->nodes.len; i++)
        if (e->nodes[i].state) e->nodes[i].state->free(e->nodes[i].state);
    it_buffers_release(&e->buffers);
    it_arena_release(&e->scratch);
    it_arena_release(&e->arena);
    it_alloc_free(e->alloc, e, sizeof *e);
}

/* The caller's numbers stay as they are. */
static intact_status own_input(it_exec *e, const it_value *v, it_cell *c, intact_error *err)
{
    size_t bytes = it_tensor_bytes(&c->t[IT_PLAIN]);
    c->block[IT_PLAIN] = c->prefer[IT_PLAIN] = it_buffers_take(&e->buffers, bytes, c->prefer[IT_PLAIN]);
    if (c->block[IT_PLAIN] < 0) return it_fail_nomem(err, v->name, bytes);
    void *to = e->buffers.blocks.items[c->block[IT_PLAIN]].data;
    memcpy(to, c->t[IT_PLAIN].data, bytes);
    c->t[IT_PLAIN].data = to;
    return INTACT_OK;
}

static intact_status bind(it_exec *e, const it_value *v, const it_tensor *t, intact_error *err)
{
    char a[160];
    IT_TRY(it_shape_check(t, v->name, err));
    if (t->layout != IT_PLAIN || !t->data) return it_fail(err, INTACT_E_ARG, v->name, "an input needs content, in plain layout");
    if (t->type != v->t.type)
        return it_fail(err, INTACT_E_SHAPE, v->name,
                       "the network's input is %s, %s was given", it_type_name(v->t.type), it_tensor_print(t, a, sizeof a));
    if (v->declared_rank >= 0 && t->rank != v->declared_rank)
        return it_fail(err, INTACT_E_SHAPE, v->name,
                       "the network's input has %d dimensions, %s was given", v->declared_rank, it_tensor_print(t, a, sizeof a));
    for (int i = 1; i < v->declared_rank; i++) /* the first is the batch, free whatever the file says */
        if (v->declared[i] >= 0 && v->declared[i] != t->dim[i])
            return it_fail(err, INTACT_E_SHAPE, v->name,
                           "dimension %d of the network's input is %lld, %s was given", i, (long long)v->declared[i],
                           it_tensor_print(t, a, sizeof a));
    it_cell *c = &e->cells[v->id];
    c->t[IT_PLAIN] = *t;
    c->first = IT_PLAIN;
    c->ready[IT_PLAIN] = true;
    if (t->type == IT_F32 && it_exec_simulates(e, v)) {
        IT_TRY(own_input(e, v, c, err));
        it_exec_round(v, &c->t[IT_PLAIN]);
    }
    return e->opt.hook ? e->opt.hook(e->opt.hook_user, v, &c->t[IT_PLAIN], err) : INTACT_OK;
}

/* Plain, and in memory of ours: what is only a view of an input is copied. */
static intact_status settle_output(it_exec *e, const it_value *v, intact_error *err)
{
    it_cell *c = &e->cells[v->id];
    const it_tensor *t;
    IT_TRY(it_exec_cell(e, v, IT_PLAIN, &t, err));
    if (v->is_const || c->block[IT_PLAIN] >= 0) return INTACT_OK;
    size_t bytes = it_tensor_bytes(t);
    c->block[IT_PLAIN] = c->prefer[IT_PLAIN] = it_buffers_take(&e->buffers, bytes, c->prefer[IT_PLAIN]);
    if (c->block[IT_PLAIN] < 0) return it_fail_nomem(err, v->name, bytes);
    void *to = e->buffers.blocks.items[c->block[IT_PLAIN]].data;
    if (bytes) memcpy(to, t->data, bytes);
    c->t[IT_PLAIN].data = to;
    return INTACT_OK;
}

static void drop_all(it_exec *e)
{
    for (size_t i = 0; i < e->g->values.len; i++)
        if (!e->g->values.items[i]->is_const) it_exec_drop(e, &e->cells[i]);
}

intact_status it_exec_begin(it_exec *e, const it_tensor *in, size_t in_len, intact_error *err)
{
    const it_graph *g = e->g;
    if (in_len != g->inputs.len)
        return it_fail(err, INTACT_E_ARG, g->name, "%zu inputs were given; the network has %zu", in_len, g->inputs.len);
    drop_all(e);
    e->at = 0;
    for (size_t i = 0; i < in_len; i++) IT_TRY(bind(e, g->inputs.items[i], &in[i], err));
    return INTACT_OK;
}

intact_status it_exec_advance(it_exec *e, size_t to, intact_error *err)
{
    const it_graph *g = e->g;
    /* One thread for oneDNN: workers run executors of their own side by side, and sums must not depend on a number of threads. The setting
    ** belongs to the calling thread, so it is made at each run. */
    omp_set_num_threads(1);
    for (; e->at < to && e->at < g->nodes.len; e->at++) IT_TRY(it_exec_node(e, (int)e->at, err));
    for (size_t i = 0; to >= g->nodes.len && i < g->outputs.len; i++) IT_TRY(settle_output(e, g->outputs.items[i], err));
    return INTACT_OK;
}

intact_status it_exec_run(it_exec *e, const it_tensor *in, size_t in_len, intact_error *err)
{
    IT_TRY(it_exec_begin(e, in, in_len, err));
    return it_exec_advance(e, e->g->nodes.len, err);
}

intact_status it_exec_resume(it_exec *e, const it_exec *base, intact_error *err)
{
    const it_graph *g = e->g;
    drop_all(e);
    for (size_t i = 0; i < g->values.len; i++) {
        it_cell *c = &e->cells[i];
        const it_cell *from = &base->cells[i];
        if (g->values.items[i]->is_const) continue;
        c->first = from->first;
        for (int k = 0; k < 2; k++) { /* blocks stay base's: nobody writes into them here */
            c->t[k] = from->t[k];
            c->ready[k] = from->ready[k];
        }
    }
    e->at = base->at;
    return it_exec_advance(e, g->nodes.len, err);
}

void it_exec_begin_at(it_exec *e, size_t at, const it_value *const *v, const it_tensor *t, size_t len)
{
    drop_all(e);
    for (size_t i = 0; i < len; i++) { /* no blocks: nobody writes into them */
        it_cell *c = &e->cells[v[i]->id];
        c->first = t[i].layout;
        c->t[t[i].layout] = t[i];
        c->ready[t[i].layout] = true;
    }
    e->at = at;
}

const it_tensor *it_exec_value(const it_exec *e, const it_value *v)
{
    const it_cell *c = &e->cells[v->id];
    return c->ready[c->first] ? &c->t[c->first] : NULL;
}

void it_exec_replace(it_exec *e, const it_value *v, const float *data)
{
    it_cell *c = &e->cells[v->id];
    it_buffers_drop(&e->buffers, c->block[IT_NHWC]);
    c->block[IT_NHWC] = IT_NO_BLOCK;
    c->ready[IT_NHWC] = false;
    c->t[IT_PLAIN].data = data ? (void *)(uintptr_t)data : v->t.data;
    for (size_t i = 0; i < e->g->nodes.len; i++)
        for (int k = 0; k < e->g->nodes.items[i]->in_len; k++) {
            it_cell_node *n = &e->nodes[i];
            if (e->g->nodes.items[i]->in[k] != v || !n->state) continue;
            n->state->free(n->state);
            n->state = NULL;
        }
}

const it_tensor *it_exec_output(const it_exec *e, size_t i) { return &e->cells[e->g->outputs.items[i]->id].t[IT_PLAIN]; }
size_t it_exec_peak_bytes(const it_exec *e) { return e->buffers.peak; }
