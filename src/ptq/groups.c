/* SPDX-License-Identifier: Apache-2.0 */
/* groups.c: union-find over values that must share quantization parameters, and the choice between 8 and 16 bits. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "op/lower.h"
#include "ptq/ptq.h"

static int find(int *parent, int i)
{
    while (parent[i] != i)
        i = parent[i] = parent[parent[i]];
    return i;
}

static void join(int *parent, int a, int b)
{
    a = find(parent, a);
    b = find(parent, b);
    if (a < b)
        parent[b] = a;
    else
        parent[a] = b;
}

static bool is_activation(const it_value *v) { return v && !v->is_const && v->t.type == IT_F32; }

/* Integer values (argmax) come out of operators that never asked for parameters: they have none. */
static intact_status check_node(const it_graph *g, const it_node *n, intact_error *err)
{
    if (n->op->lower || it_lower_is_shape_arithmetic(g, n))
        return INTACT_OK;
    return it_fail(err, INTACT_E_UNSUPPORTED, n->name, "%s (opset %d) has no integer form%s%s", n->op->onnx ? n->op->onnx : n->op->name, n->opset, n->op->hint ? "; " : "",
                   n->op->hint ? n->op->hint : "");
}

static void join_same(int *parent, const it_node *n)
{
    if (n->op->quant.out != IT_Q_SAME || n->out_len < 1 || n->in_len < 1 || !is_activation(n->out[0]) || !is_activation(n->in[0]))
        return;
    for (int k = 0; k < n->out_len; k++)
        if (n->out[k])
            join(parent, n->out[k]->id, n->in[0]->id);
}

/* What reads the values that are one by IT_Q_SAME alone, movers inside the class aside. */
typedef struct class_reader { const it_node *only; bool many; } class_reader;

static void count_readers(class_reader *reader, int *parent, const it_graph *g)
{
    for (size_t i = 0; i < g->nodes.len; i++) {
        const it_node *n = g->nodes.items[i];
        for (int k = 0; k < n->in_len; k++) {
            if (!is_activation(n->in[k]))
                continue;
            class_reader *r = &reader[find(parent, n->in[k]->id)];
            if (k == 0 && n->op->quant.out == IT_Q_SAME && n->out_len && is_activation(n->out[0]))
                continue;
            r->many = r->many || (r->only && r->only != n);
            r->only = n;
        }
    }
    for (size_t i = 0; i < g->outputs.len; i++)
        reader[find(parent, g->outputs.items[i]->id)].many = true;
}

/* Inputs that nobody but this concat reads share its parameters: their producer writes its codes at once. A value with other readers keeps
** its own range, which theirs depends on; lowering requantizes a copy. reader was counted before any such join. */
static void join_shared(int *parent, const int *same, const class_reader *reader, const it_node *n)
{
    if (n->op->quant.out != IT_Q_SHARED || n->out_len < 1 || !is_activation(n->out[0]))
        return;
    for (int k = 0; k < n->in_len; k++)
        if (is_activation(n->in[k]) && !reader[same[n->in[k]->id]].many)
            join(parent, n->out[0]->id, n->in[k]->id);
}

static intact_status join_all(int *parent, size_t len, const it_graph *g, const intact_alloc *a, intact_error *err)
{
    for (size_t i = 0; i < g->nodes.len; i++) {
        IT_TRY(check_node(g, g->nodes.items[i], err));
        join_same(parent, g->nodes.items[i]);
    }
    for (size_t i = 0; i < g->values.len; i++)
        if (g->values.items[i]->like)
            join(parent, g->values.items[i]->id, g->values.items[i]->like->id);
    class_reader *reader = it_alloc_zero(a, len * sizeof *reader);
    int *same = it_alloc_new(a, len * sizeof *same);
    intact_status st = INTACT_OK;
    if (reader && same) {
        count_readers(reader, parent, g);
        for (size_t i = 0; i < len; i++)
            same[i] = find(parent, (int)i);
        for (size_t i = 0; i < g->nodes.len; i++)
            join_shared(parent, same, reader, g->nodes.items[i]);
    } else {
        st = it_fail_nomem(err, "quantization", len * (sizeof *reader + sizeof *same));
    }
    it_alloc_free(a, reader, len * sizeof *reader);
    it_alloc_free(a, same, len * sizeof *same);
    return st;
}

static intact_status number_groups(it_groups *gs, const it_graph *g, int *parent, intact_error *err)
{
    for (size_t i = 0; i < g->values.len; i++) {
        const it_value *v = g->values.items[i];
        if (!is_activation(v) || (!v->producer && !v->is_input))
            continue;
        int root = find(parent, v->id);
        if (gs->of[root] < 0) {
            if (!IT_VEC_ROOM(gs->alloc, gs->g))
                return it_fail_nomem(err, v->name, sizeof *gs->g.items);
            gs->of[root] = (int)gs->g.len;
            gs->g.items[gs->g.len++] = (it_group){.first = v, .type = INTACT_U8};
        }
        gs->of[v->id] = gs->of[root];
    }
    return INTACT_OK;
}

/* A concat whose inputs all are in its group brings nothing of its own. */
static bool adds_nothing(const it_groups *gs, const it_node *n)
{
    if (n->op->quant.out == IT_Q_SHARED)
        for (int k = 0; k < n->in_len; k++)
            if (is_activation(n->in[k]) && gs->of[n->in[k]->id] != gs->of[n->out[0]->id])
                return false;
    return n->op->quant.out == IT_Q_SAME || n->op->quant.out == IT_Q_SHARED;
}

/* A group is fixed when every operator that brings values into it says the same range; the rest is calibrated. */
static void mark_fixed(it_groups *gs, const it_graph *g)
{
    for (size_t i = 0; i < gs->g.len; i++)
        gs->g.items[i].range = (it_range){NAN, NAN};
    for (size_t i = 0; i < g->values.len; i++) {
        const it_value *v = g->values.items[i];
        if (gs->of[v->id] < 0)
            continue;
        it_group *gr = &gs->g.items[gs->of[v->id]];
        const it_op_quant *q = v->producer ? &v->producer->op->quant : NULL;
        if (q && adds_nothing(gs, v->producer))
            continue;
        bool fixed = q && q->out == IT_Q_FIXED;
        if (fixed && isnan(gr->range.lo))
            gr->range = (it_range){q->fixed_lo, q->fixed_hi}, gr->fixed = true;
        else if (!fixed || gr->range.lo != q->fixed_lo || gr->range.hi != q->fixed_hi)
            gr->fixed = false, gr->range = (it_range){-INFINITY, INFINITY};
    }
}

static bool takes(uint32_t mask, it_q_out kind, intact_type t)
{
    if (mask == 0) /* movers of bytes do not care; others that say nothing know u8 alone */
        return kind == IT_Q_SAME || kind == IT_Q_SHARED || t == INTACT_U8;
    return mask >> t & 1;
}

static bool all_take(const it_groups *gs, const it_graph *g, int group, intact_type t)
{
    for (size_t i = 0; i < g->nodes.len; i++) {
        const it_node *n = g->nodes.items[i];
        const it_op_quant *q = &n->op->quant;
        for (int k = 0; k < n->out_len; k++)
            if (n->out[k] && gs->of[n->out[k]->id] == group && !takes(q->out_types, q->out, t))
                return false;
        for (int k = 0; k < n->in_len; k++)
            if (n->in[k] && gs->of[n->in[k]->id] == group && !takes(q->in_types, q->out, t))
                return false;
    }
    return true;
}

bool it_groups_can_u8(const it_groups *gs, const it_graph *g, int group) { return all_take(gs, g, group, INTACT_U8); }

bool it_groups_can_s16(const it_groups *gs, const it_graph *g, int group)
{
    for (size_t i = 0; i < g->inputs.len; i++)
        if (gs->of[g->inputs.items[i]->id] == group)
            return false;
    return all_take(gs, g, group, INTACT_S16);
}

static bool is_global_pool(const it_node *n)
{
    const it_tensor *y = &n->out[0]->t;
    return n->op->quant.role == IT_ROLE_POOL && (y->rank < 4 || (y->dim[2] == 1 && y->dim[3] == 1));
}

static bool is_dense(const it_node *n) { return n->op->quant.role == IT_ROLE_DENSE; }

/* Values that ask for 16 bits. */
static void mark_wished(it_groups *gs, const it_graph *g)
{
    for (size_t i = 0; i < g->values.len; i++) {
        const it_value *v = g->values.items[i];
        if (v->wide && gs->of[v->id] >= 0 && it_groups_can_s16(gs, g, gs->of[v->id]))
            gs->g.items[gs->of[v->id]].type = INTACT_S16;
    }
}

/* The network's answer keeps 16 bits, and so does what ends in it: the logits of a softmax or sigmoid, the input of a dense layer that
** global pooling gives. */
static void mark_wide(it_groups *gs, const it_graph *g, const it_value *v)
{
    while (v && gs->of[v->id] >= 0) {
        int group = gs->of[v->id];
        if (!it_groups_can_s16(gs, g, group))
            return;
        const it_node *n = v->producer;
        while (n && n->op->quant.out == IT_Q_SAME && n->in_len) /* the operator that made the group's values */
            v = n->in[0], n = v->producer;
        if (!n)
            return;
        gs->g.items[group].type = INTACT_S16;
        if (n->in_len && n->op->quant.out == IT_Q_FIXED) {
            v = n->in[0];
            continue;
        }
        if (!is_dense(n) || !n->in_len)
            return;
        const it_node *before = n->in[0]->producer;
        while (before && before->op->quant.out == IT_Q_SAME && before->in_len)
            before = before->in[0]->producer;
        if (!before || !is_global_pool(before))
            return;
        v = n->in[0];
    }
}

intact_status it_groups_make(it_groups *gs, const it_graph *g, const intact_alloc *a, intact_error *err)
{
    *gs = (it_groups){.alloc = it_alloc_or_libc(a), .of_len = g->values.len};
    int *parent = it_alloc_new(gs->alloc, gs->of_len * sizeof *parent);
    gs->of = it_alloc_new(gs->alloc, gs->of_len * sizeof *gs->of);
    intact_status st = parent && gs->of ? INTACT_OK : it_fail_nomem(err, "quantization", 2 * gs->of_len * sizeof *parent);
    for (size_t i = 0; st == INTACT_OK && i < gs->of_len; i++)
        parent[i] = (int)i, gs->of[i] = -1;
    if (st == INTACT_OK)
        st = join_all(parent, gs->of_len, g, gs->alloc, err);
    if (st == INTACT_OK)
        st = number_groups(gs, g, parent, err);
    if (st == INTACT_OK) {
        mark_fixed(gs, g);
        mark_wished(gs, g);
        for (size_t i = 0; i < g->outputs.len; i++)
            mark_wide(gs, g, g->outputs.items[i]);
    }
    it_alloc_free(gs->alloc, parent, gs->of_len * sizeof *parent);
    if (st != INTACT_OK)
        it_groups_release(gs);
    return st;
}

intact_status it_groups_note(it_groups *gs, const char *layer, const char *fmt, ...)
{
    va_list ap;
    if (!IT_VEC_ROOM(gs->alloc, gs->notes))
        return INTACT_E_NOMEM;
    it_ptq_note *to = &gs->notes.items[gs->notes.len++];
    to->layer = layer;
    va_start(ap, fmt);
    vsnprintf(to->text, sizeof to->text, fmt, ap);
    va_end(ap);
    return INTACT_OK;
}

void it_groups_release(it_groups *gs)
{
    if (!gs->alloc)
        return;
    for (size_t i = 0; i < gs->g.len; i++)
        it_alloc_free(gs->alloc, gs->g.items[i].hist, sizeof *gs->g.items[i].hist);
    IT_VEC_FREE(gs->alloc, gs->g);
    IT_VEC_FREE(gs->alloc, gs->notes);
    it_alloc_free(gs->alloc, gs->of, gs->of_len * sizeof *gs->of);
    *gs = (it_groups){.alloc = gs->alloc};
}
