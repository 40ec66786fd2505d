/* SPDX-License-Identifier: Apache-2.0 */
/* unroll.c: recurrent layers become the steps that they take. */
#include "pass/unroll.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "op/recurrent.h"
#include "pass/edit.h"

#define OPSET 13   /* of the operators that stand in */
#define KINDS 32   /* different things in a step */
#define STEPS_MAX 4096
#define LISTS 16     /* different lists of whole numbers besides the steps */

typedef struct unroll {
    it_graph *g;
    it_node *n;           /* the layer */
    const char *base;     /* names begin with it */
    int64_t steps, in, hidden;
    int64_t at;           /* the step being made, from 0 in the order of work */
    struct { const char *what; it_value *first; } kind[KINDS];
    int kinds;
    struct { int64_t dim[3], len; it_value *v; } list[LISTS];
    int lists;
    it_value *w, *b, *r, *r_bias, *reset_r; /* (G*H,I), (G*H), (G*H,H); of linear_before_reset; of the new state's gate alone */
    intact_status st;
    intact_error *err;
} unroll;

enum { WIDE = 1 };

static void stop(unroll *u, intact_status st)
{
    if (u->st == INTACT_OK) u->st = st;
}

static bool stop_nomem(unroll *u, const void *p)
{
    if (!p) stop(u, it_fail_nomem(u->err, u->n->name, 64));
    return !p;
}

/* what is said once a layer. */
static it_value *constant(unroll *u, const char *what, const it_tensor *t)
{
    const char *name = u->st == INTACT_OK ? it_arena_printf(&u->g->arena, "%s.%s", u->base, what) : NULL;
    if (u->st != INTACT_OK || stop_nomem(u, name)) return NULL;
    it_value *v = it_graph_const(u->g, name, t);
    return stop_nomem(u, v) ? NULL : v;
}

/* Up to three whole numbers; one constant for all who ask for the same. */
static it_value *ints(unroll *u, const int64_t *list, int64_t len)
{
    char what[32];
    for (int i = 0; i < u->lists; i++)
        if (u->list[i].len == len && memcmp(u->list[i].dim, list, (size_t)len * sizeof *list) == 0) return u->list[i].v;
    snprintf(what, sizeof what, "list%d", u->lists);
    it_value *v = constant(u, what, &(it_tensor){.type = IT_I64, .rank = 1, .dim = {len}, .data = (int64_t *)(uintptr_t)list});
    if (v && u->lists < LISTS) {
        memcpy(u->list[u->lists].dim, list, (size_t)len * sizeof *list);
        u->list[u->lists].len = len;
        u->list[u->lists++].v = v;
    }
    return v;
}

static it_value *step_index(unroll *u, int64_t t)
{
    char what[32];
    snprintf(what, sizeof what, "%lld.step", (long long)u->at);
    return constant(u, what, &(it_tensor){.type = IT_I64, .rank = 0, .data = &t});
}

/* The first of its kind gives its quantization parameters to those of later steps. */
static void like_first(unroll *u, const char *what, it_value *v)
{
    for (int i = 0; i < u->kinds; i++)
        if (strcmp(u->kind[i].what, what) == 0) {
            v->like = u->kind[i].first;
            if (v->producer->op->quant.weight_in) v->producer->repeats = u->kind[i].first->producer;
            return;
        }
    u->kind[u->kinds].what = what;
    u->kind[u->kinds++].first = v;
}

typedef struct emit_spec {
    const char *what, *onnx;
    it_value *in[4];
    int in_len;
    it_attr attr;   /* name NULL: none */
    unsigned flags;
} emit_spec;

static it_value *emit(unroll *u, emit_spec s)
{
    if (u->st != INTACT_OK) return NULL;
    const it_op *op = it_op_find(s.onnx, "", OPSET);
    const char *name = it_arena_printf(&u->g->arena, "%s.%lld.%s", u->base, (long long)u->at, s.what);
    it_node *n = name ? it_graph_node(u->g, name, op, s.in_len, 1) : NULL;
    it_value *y = n ? it_graph_value(u->g, name) : NULL;
    it_attr *attr = y ? it_arena_copy(&u->g->arena, &s.attr, sizeof s.attr) : NULL;
    if (stop_nomem(u, attr)) return NULL;
    memcpy(n->in, s.in, (size_t)s.in_len * sizeof *s.in);
    n->opset = OPSET;
    n->attrs = attr;
    n->attrs_len = s.attr.name != NULL;
    n->out[0] = y;
    y->producer = n;
    y->wide = s.flags & WIDE;
    stop(u, it_node_parse(u->g, n, u->err));
    like_first(u, s.what, y);
    return y;
}

static it_value *unary(unroll *u, const char *what, const char *onnx, it_value *x) { return emit(u, (emit_spec){.what = what, .onnx = onnx, .in = {x}, .in_len = 1}); }
static it_value *binary(unroll *u, const char *what, const char *onnx, it_value *a, it_value *b, unsigned flags)
{
    return emit(u, (emit_spec){.what = what, .onnx = onnx, .in = {a, b}, .in_len = 2, .flags = flags});
}

/* Columns first..last-1 of x (B, ...). */
static it_value *columns(unroll *u, const char *what, it_value *x, int64_t first, int64_t last)
{
    it_value *from = ints(u, &first, 1), *to = ints(u, &last, 1), *axis = ints(u, &(int64_t){1}, 1);
    return emit(u, (emit_spec){.what = what, .onnx = "Slice", .in = {x, from, to, axis}, .in_len = 4});
}

/* x W^T + b. */
static it_value *product(unroll *u, const char *what, it_value *x, it_value *w, it_value *b)
{
    return emit(u, (emit_spec){.what = what, .onnx = "Gemm", .in = {x, w, b}, .in_len = b ? 3 : 2,
                               .attr = {.name = "transB", .kind = IT_ATTR_INT, .i = 1}, .flags = WIDE});
}

/* ---- one step: from the input's product (B, G*H) and the state to the next state; h NULL: zeros ---- */

typedef struct state { it_value *h, *c; } state;

static void lstm_step(unroll *u, it_value *x, state *s)
{
    const int64_t h = u->hidden;
    it_value *sum = s->h ? binary(u, "sum", "Add", x, product(u, "back", s->h, u->r, NULL), WIDE) : x;
    it_value *gates = unary(u, "gates", "Sigmoid", columns(u, "gate_sums", sum, 0, 3 * h));
    it_value *cell = unary(u, "cell", "Tanh", columns(u, "cell_sum", sum, 3 * h, 4 * h));
    it_value *i = columns(u, "i", gates, 0, h), *o = columns(u, "o", gates, h, 2 * h);
    it_value *c = binary(u, "new", "Mul", i, cell, WIDE);
    if (s->c) c = binary(u, "c", "Add", binary(u, "kept", "Mul", columns(u, "f", gates, 2 * h, 3 * h), s->c, WIDE), c, WIDE);
    s->c = c;
    s->h = binary(u, "h", "Mul", o, unary(u, "squashed", "Tanh", c), 0);
}

static void gru_step(unroll *u, it_value *x, state *s)
{
    const int64_t h = u->hidden;
    const bool linear = ((const it_rnn_args *)u->n->args)->linear_before_reset;
    it_value *back = s->h ? product(u, "back", s->h, u->r, linear ? u->r_bias : NULL) : NULL;
    it_value *sums = columns(u, "gate_x", x, 0, 2 * h), *news = columns(u, "new_x", x, 2 * h, 3 * h);
    if (back) sums = binary(u, "gate_sums", "Add", sums, linear ? columns(u, "gate_back", back, 0, 2 * h) : back, WIDE);
    it_value *gates = unary(u, "gates", "Sigmoid", sums);
    it_value *z = columns(u, "z", gates, 0, h), *r = columns(u, "r", gates, h, 2 * h);
    if (linear) {
        it_value *beside = back ? columns(u, "new_back", back, 2 * h, 3 * h) : u->reset_r;
        news = binary(u, "new_sum", "Add", news, binary(u, "reset", "Mul", r, beside, WIDE), WIDE);
    } else if (s->h) {
        news = binary(u, "new_sum", "Add", news, product(u, "new_back", binary(u, "reset", "Mul", r, s->h, 0), u->reset_r, NULL), WIDE);
    }
    it_value *fresh = unary(u, "fresh", "Tanh", news);
    /* (1 - z) fresh + z h = fresh + z (h - fresh) */
    if (!s->h)
        s->h = binary(u, "h", "Sub", fresh, binary(u, "part", "Mul", z, fresh, WIDE), 0);
    else
        s->h = binary(u, "h", "Add", fresh, binary(u, "part", "Mul", z, binary(u, "apart", "Sub", s->h, fresh, WIDE), WIDE), 0);
}

static void rnn_step(unroll *u, it_value *x, state *s)
{
    it_value *sum = s->h ? binary(u, "sum", "Add", x, product(u, "back", s->h, u->r, NULL), WIDE) : x;
    s->h = unary(u, "h", "Tanh", sum);
}

typedef struct recurrent { const char *onnx; int gates; void (*step)(unroll *u, it_value *x, state *s); it_rnn_act_kind act[3]; } recurrent;
static const recurrent KNOWN[] = {
    {"LSTM", 4, lstm_step, {IT_ACT_SIGMOID, IT_ACT_TANH, IT_ACT_TANH}},
    {"GRU", 3, gru_step, {IT_ACT_SIGMOID, IT_ACT_TANH}},
    {"RNN", 1, rnn_step, {IT_ACT_TANH}},
};

static const recurrent *known(const it_node *n)
{
    for (size_t i = 0; i < IT_LEN(KNOWN); i++)
        if (it_edit_is(n, KNOWN[i].onnx)) return &KNOWN[i];
    return NULL;
}

/* ---- what can be unrolled ---- */

/* Zeros for every batch: a constant, or one that is filled or spread out while running. */
static bool is_zero(const it_value *v)
{
    while (v && !v->is_const && v->producer) {
        const it_node *p = v->producer;
        if (it_edit_is(p, "ConstantOfShape")) {
            const it_attr *a = it_edit_attr(p, "value");
            return !a || (a->kind == IT_ATTR_TENSOR && a->tensor.data && it_tensor_get(&a->tensor, 0) == 0.0);
        }
        if (!it_edit_is(p, "Expand") && !it_edit_is(p, "Identity") && !it_edit_is(p, "Reshape")) return false;
        v = p->in[0];
    }
    const float *x = it_edit_floats(v);
    for (int64_t i = 0; x && i < it_tensor_len(&v->t); i++)
        if (x[i] != 0) return false;
    return x != NULL;
}

static intact_status check(const it_node *n, const recurrent *k, intact_error *err)
{
    const it_rnn_args *a = n->args;
    const char *why = NULL;
    for (int i = 0; i < a->acts_len; i++)
        if (a->act[0][i].kind != k->act[i]) why = "activations other than the usual ones";
    if (a->directions != 1) why = "two directions; one layer for each, with reversed input, has an integer form";
    if (a->batch_first) why = "layout 1; export with layout 0, as all exporters do";
    if (a->input_forget || a->clip < INFINITY) why = "input_forget or clip";
    for (int i = 1; i < 4; i++)
        if (it_edit_in(n, i) && !it_edit_floats(n->in[i])) why = "weights that are no float32 constants";
    if (it_edit_in(n, 4)) why = "sequence_lens; pad sequences to one length";
    if (it_edit_in(n, 7)) why = "peepholes";
    for (int i = 5; i < 7; i++)
        if (it_edit_in(n, i) && !is_zero(n->in[i])) why = "an initial state that is not zero";
    if (n->out_len > 2 && n->out[2] && n->out[2]->is_output) why = "its cell state as an output of the network";
    if (n->out_len > 0 && n->out[0] && n->out[0]->is_output)
        why = "the states of all steps as an output of the network, with the steps first; an integer network has the batch first: Squeeze and Transpose them (batch_first=True in PyTorch)";
    if (n->in[0]->t.rank != 3 || n->in[0]->t.dim[0] > STEPS_MAX) why = "a sequence of unknown length, or of more than 4096 steps";
    return why ? it_node_fail(n, err, INTACT_E_UNSUPPORTED, "has %s: that has no integer form", why) : INTACT_OK;
}

/* The value that holds the sequence as (batch, steps, ...): before the Transpose that turns it. */
static intact_status batch_first(const it_node *n, it_value **out, intact_error *err)
{
    const it_node *p = n->in[0]->producer;
    const it_attr *perm = it_edit_is(p, "Transpose") ? it_edit_attr(p, "perm") : NULL;
    if (!perm || perm->len != 3 || perm->ints[0] != 1 || perm->ints[1] != 0 || perm->ints[2] != 2)
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "reads a sequence that does not come from a Transpose of (batch, steps, features): an integer network has the batch first "
                            "(batch_first=True in PyTorch)");
    *out = p->in[0];
    return INTACT_OK;
}

/* ---- constants ---- */

static it_value *slice_floats(unroll *u, const char *what, const float *from, int64_t rows, int64_t cols)
{
    return constant(u, what, &(it_tensor){.type = IT_F32, .rank = cols ? 2 : 1, .dim = {rows, cols}, .data = (float *)(uintptr_t)from});
}

/* The input's product takes every bias that no reset gate stands before. */
static void make_constants(unroll *u, const recurrent *k)
{
    const it_rnn_args *a = u->n->args;
    const int64_t rows = k->gates * u->hidden, h = u->hidden;
    const bool gru = k->step == gru_step, linear = gru && a->linear_before_reset;
    const float *bias = it_edit_floats(it_edit_in(u->n, 3)), *r = it_edit_floats(u->n->in[2]);
    float *b = it_arena_new(&u->g->arena, (size_t)rows * 2 * sizeof *b), *rb = b ? b + rows : NULL; /* zeros */
    if (stop_nomem(u, b)) return;
    for (int64_t i = 0; bias && i < rows; i++) {
        const bool apart = linear && i >= 2 * h;
        b[i] = bias[i] + (apart ? 0 : bias[rows + i]);
        rb[i] = apart ? bias[rows + i] : 0;
    }
    u->w = slice_floats(u, "w", it_edit_floats(u->n->in[1]), rows, u->in);
    u->b = slice_floats(u, "b", b, rows, 0);
    u->r = slice_floats(u, "r", r, gru && !linear ? 2 * h : rows, h);
    if (linear) {
        u->r_bias = slice_floats(u, "rb", rb, rows, 0);
        u->reset_r = slice_floats(u, "rbh", rb + 2 * h, 1, h);
    } else if (gru) {
        u->reset_r = slice_floats(u, "rh", r + 2 * h * h, h, h);
    }
}

/* ---- what reads the answers ---- */

static void replace(unroll *u, it_node *reader, it_value *by)
{
    it_value *in[1] = {by};
    if (u->st == INTACT_OK) stop(u, it_edit_become(u->g, reader, it_op_find("Identity", "", OPSET), in, 1, NULL, 0, u->err)); /* passes fold it where its name may go */
}

/* All states as (B, T, H). */
static it_value *stack(unroll *u, it_value *const *h)
{
    it_graph *g = u->g;
    const int64_t shape[3] = {0, 1, u->hidden};
    it_value *to = ints(u, shape, 3);
    const char *name = it_arena_printf(&g->arena, "%s.states", u->base);
    it_node *n = name && u->st == INTACT_OK ? it_graph_node(g, name, it_op_find("Concat", "", OPSET), (int)u->steps, 1) : NULL;
    it_value *y = n ? it_graph_value(g, name) : NULL;
    it_attr *attr = y ? it_arena_copy(&g->arena, &(it_attr){.name = "axis", .kind = IT_ATTR_INT, .i = 1}, sizeof(it_attr)) : NULL;
    if (stop_nomem(u, attr)) return NULL;
    for (u->at = 0; u->at < u->steps; u->at++) n->in[u->at] = binary(u, "state_row", "Reshape", h[u->at], to, 0);
    n->opset = OPSET;
    n->attrs = attr;
    n->attrs_len = 1;
    n->out[0] = y;
    y->producer = n;
    if (u->st == INTACT_OK) stop(u, it_node_parse(g, n, u->err));
    return y;
}

/* A reader of the states (T, B, H): one that turns them, or takes one step out. */
static bool replace_reader(unroll *u, it_node *q, it_value *const *by_time, it_value **all)
{
    const it_attr *perm = it_edit_is(q, "Transpose") ? it_edit_attr(q, "perm") : NULL;
    if (perm && perm->len == 3 && perm->ints[0] == 1 && perm->ints[1] == 0) {
        if (!*all) *all = stack(u, by_time);
        replace(u, q, *all);
        return true;
    }
    if (!it_edit_is(q, "Gather") || it_edit_attr_int(q, "axis", 0) != 0 || !q->in[1]->is_const || !q->in[1]->t.data || q->in[1]->t.rank != 0) return false;
    int64_t i = it_tensor_get_int(&q->in[1]->t, 0);
    i += i < 0 ? u->steps : 0;
    if (i < 0 || i >= u->steps) return false;
    replace(u, q, by_time[i]);
    return true;
}

static it_node *reader_of(const it_graph *g, const it_value *v)
{
    for (size_t i = 0; i < g->nodes.len; i++)
        for (int k = 0; k < g->nodes.items[i]->in_len; k++)
            if (g->nodes.items[i]->in[k] == v) return g->nodes.items[i];
    return NULL;
}

static intact_status replace_sequence(unroll *u, it_value *y, it_value *const *by_time)
{
    it_value *all = NULL;
    it_node *squeeze = NULL;
    while (u->st == INTACT_OK && (squeeze = reader_of(u->g, y))) {
        it_value *flat = squeeze->out[0];
        it_node *q = NULL;
        bool ok = !y->is_output && (it_edit_is(squeeze, "Squeeze") || it_edit_is(squeeze, "Reshape")) && flat->t.rank == 3 && flat->t.dim[0] == u->steps && !flat->is_output;
        while (ok && u->st == INTACT_OK && (q = reader_of(u->g, flat))) ok = replace_reader(u, q, by_time, &all);
        if (!ok && u->st == INTACT_OK)
            return it_node_fail(u->n, u->err, INTACT_E_UNSUPPORTED, "the states of all steps are read in an order with the steps first; an integer network has the batch first: "
                                "Squeeze and Transpose them to (batch, steps, hidden) (batch_first=True in PyTorch)");
        it_graph_remove(u->g, squeeze);
    }
    return u->st;
}

/* Who takes the one direction out of (1, B, H). */
static bool takes_direction(const it_node *q)
{
    if (it_edit_is(q, "Squeeze")) return q->out[0]->t.rank == 2 && q->out[0]->t.dim[1] == q->in[0]->t.dim[2];
    return it_edit_is(q, "Gather") && it_edit_attr_int(q, "axis", 0) == 0 && q->in[1]->is_const && q->in[1]->t.rank == 0;
}

/* The last state as ONNX gives it: (1, B, H). */
static void replace_last(unroll *u, it_value *y, it_value *h, const char *what)
{
    if (!y || u->st != INTACT_OK) return;
    for (size_t i = 0; i < u->g->nodes.len && u->st == INTACT_OK; i++)
        if (u->g->nodes.items[i]->in_len && u->g->nodes.items[i]->in[0] == y && takes_direction(u->g->nodes.items[i])) replace(u, u->g->nodes.items[i], h);
    it_value *v = binary(u, what, "Unsqueeze", h, ints(u, &(int64_t){0}, 1), 0);
    if (u->st != INTACT_OK) return;
    it_node *p = v->producer;
    p->out[0]->producer = NULL;
    for (int k = 0; k < u->n->out_len; k++)
        if (u->n->out[k] == y) u->n->out[k] = NULL;
    p->out[0] = y;
    y->producer = p;
}

/* A name that no value begins with yet: the node's, else that of a value that it gives. */
static const char *base_of(const it_graph *g, const it_node *n)
{
    const size_t len = strlen(n->name);
    bool taken = false;
    for (size_t i = 0; i < g->values.len; i++) taken = taken || (strncmp(g->values.items[i]->name, n->name, len) == 0 && g->values.items[i]->name[len] == '.');
    for (int k = 0; taken && k < n->out_len; k++)
        if (n->out[k]) return n->out[k]->name;
    return n->name;
}

static intact_status unroll_one(it_graph *g, it_node *n, const recurrent *k, intact_error *err)
{
    it_value *x;
    IT_TRY(check(n, k, err));
    IT_TRY(batch_first(n, &x, err));
    const it_rnn_args *a = n->args;
    const it_tensor *r = &n->in[2]->t;
    unroll u = {.g = g, .n = n, .base = base_of(g, n), .steps = n->in[0]->t.dim[0], .in = n->in[0]->t.dim[2], .hidden = r->dim[2], .err = err};
    it_value **by_time = it_arena_new(&g->arena, (size_t)(u.steps + 1) * sizeof *by_time);
    if (stop_nomem(&u, by_time)) return u.st;
    make_constants(&u, k);
    state s = {0};
    for (u.at = 0; u.at < u.steps && u.st == INTACT_OK; u.at++) {
        const int64_t t = a->reverse ? u.steps - 1 - u.at : u.at;
        it_value *index = step_index(&u, t);
        it_value *row = emit(&u, (emit_spec){.what = "x", .onnx = "Gather", .in = {x, index}, .in_len = 2, .attr = {.name = "axis", .kind = IT_ATTR_INT, .i = 1}});
        k->step(&u, product(&u, "in", row, u.w, u.b), &s);
        by_time[t] = s.h;
    }
    u.at--;
    it_value *y = n->out_len > 0 ? n->out[0] : NULL, *last = n->out_len > 1 ? n->out[1] : NULL, *cell = n->out_len > 2 ? n->out[2] : NULL;
    replace_last(&u, last, s.h, "last");
    if (cell && it_graph_uses(g, cell, NULL)) replace_last(&u, cell, s.c, "last_cell");
    if (y && u.st == INTACT_OK) u.st = replace_sequence(&u, y, by_time);
    if (u.st == INTACT_OK) it_graph_remove(g, n);
    return u.st;
}

intact_status it_unroll_run(it_graph *g, size_t *layers, intact_error *err)
{
    *layers = 0;
    for (size_t i = 0; i < g->nodes.len; i++) {
        it_node *n = g->nodes.items[i];
        const recurrent *k = known(n);
        if (!k) continue;
        IT_TRY(unroll_one(g, n, k, err));
        i = (size_t)-1; /* the list has changed */
        ++*layers;
    }
    if (!*layers) return INTACT_OK;
    IT_TRY(it_graph_sort(g, err));
    IT_TRY(it_graph_verify(g, err));
    IT_TRY(it_edit_infer(g, err));
    return it_pass_all_run(g, err);
}
