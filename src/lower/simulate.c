/* SPDX-License-Identifier: Apache-2.0 */
/* simulate.c: nodes one after another, each a network of its own. */
#include "lower/simulate.h"

#include <stdlib.h>
#include <string.h>

#include "lower/build.h"

typedef struct sim_node {
    const it_node *n;          /* of the whole network; NULL: it computes shapes only */
    it_graph g;                /* it alone */
    it_prog prog;              /* lowered; a layer's constants are read from here */
    intact_program *program;   /* NULL: arithmetic of its own, or a copy */
    intact_session *session;
    const it_value **in;       /* of the whole network, as g.inputs */
    bool layer;
    it_type type;              /* of a layer's arithmetic */
    const int32_t *bias, *mult, *shift, *thresholds;
    const uint8_t *levels;
    int levels_len, lo, hi;
} sim_node;

struct it_sim {
    const it_graph *g;
    const intact_alloc *alloc;
    it_arena arena;            /* for as long as the simulation */
    sim_node *nodes;
    size_t nodes_len, layers;
    void **codes;              /* [value id] */
};

static size_t code_bytes(const it_value *v) { return v->q->type == INTACT_S16 ? 2 : 1; }
static bool has_codes(const it_value *v) { return v && !v->is_const && v->q; }

/* ---- one node as a network ---- */

static intact_status take_value(sim_node *s, it_value **seen, const it_value *v, bool out, it_value **to, intact_error *err)
{
    *to = NULL;
    if (!v) return INTACT_OK;
    if (seen[v->id]) {
        *to = seen[v->id];
        return INTACT_OK;
    }
    it_value *x = it_graph_value(&s->g, v->name);
    if (!x) return it_fail_nomem(err, v->name, sizeof *x);
    const int id = x->id;
    const char *name = x->name;
    *x = *v;
    x->id = id;
    x->name = name;
    x->producer = NULL;
    x->is_input = !v->is_const && !out && v->q;
    x->is_output = out && v->q;
    if (!v->is_const && !v->q) x->is_const = v->t.data != NULL; /* sizes that inference knows */
    if (x->is_input && (!IT_VEC_ROOM(s->g.alloc, s->g.inputs))) return it_fail_nomem(err, v->name, sizeof x);
    if (x->is_input) {
        s->in[s->g.inputs.len] = v;
        s->g.inputs.items[s->g.inputs.len++] = x;
    }
    if (x->is_output && !IT_VEC_ROOM(s->g.alloc, s->g.outputs)) return it_fail_nomem(err, v->name, sizeof x);
    if (x->is_output) s->g.outputs.items[s->g.outputs.len++] = x;
    *to = seen[v->id] = x;
    return INTACT_OK;
}

static intact_status alone(it_sim *sim, sim_node *s, const it_node *from, it_value **seen, intact_error *err)
{
    it_graph_init(&s->g, sim->alloc);
    s->g.opset = sim->g->opset;
    s->in = it_arena_new(&sim->arena, ((size_t)from->in_len + 1) * sizeof *s->in);
    it_node *n = it_graph_node(&s->g, from->name, from->op, from->in_len, from->out_len);
    if (!n || !s->in) return it_fail_nomem(err, from->name, sizeof *n);
    for (int k = 0; k < from->in_len; k++) IT_TRY(take_value(s, seen, from->in[k], false, &n->in[k], err));
    for (int k = 0; k < from->out_len; k++) {
        IT_TRY(take_value(s, seen, from->out[k], true, &n->out[k], err));
        if (n->out[k]) n->out[k]->producer = n;
    }
    n->opset = from->opset;
    n->clamp_lo = from->clamp_lo;
    n->clamp_hi = from->clamp_hi;
    n->attrs = from->attrs;
    n->attrs_len = from->attrs_len;
    return it_node_parse(&s->g, n, err);
}

/* ---- a layer with weights ---- */

static const void *const_of(const it_prog *p, uint32_t id) { return id == IT_NO_CONST ? NULL : p->consts.items[id].data; }

static void read_conv(sim_node *s, const it_conv_args *a)
{
    s->bias = const_of(&s->prog, a->bias), s->mult = const_of(&s->prog, a->mult), s->shift = const_of(&s->prog, a->shift);
    s->thresholds = const_of(&s->prog, a->thresholds), s->levels = const_of(&s->prog, a->levels);
    s->levels_len = a->levels == IT_NO_CONST ? 0 : (int)s->prog.consts.items[a->levels].len;
    s->lo = a->lo, s->hi = a->hi;
}

static void read_dense(sim_node *s, const it_dense_args *a)
{
    s->bias = const_of(&s->prog, a->bias), s->mult = const_of(&s->prog, a->mult), s->shift = const_of(&s->prog, a->shift);
    s->thresholds = const_of(&s->prog, a->thresholds), s->levels = const_of(&s->prog, a->levels);
    s->levels_len = a->levels == IT_NO_CONST ? 0 : (int)s->prog.consts.items[a->levels].len;
    s->lo = a->lo, s->hi = a->hi;
}

static int64_t axis_inner(const it_tensor *t, int axis)
{
    int64_t inner = 1;
    for (int i = axis + 1; i < t->rank; i++) inner *= t->dim[i];
    return inner;
}

/* The largest sum of magnitudes of a channel's codes. */
static int64_t largest_sum(const it_value *w, int axis, int64_t *sum)
{
    const int64_t inner = axis_inner(&w->t, axis), channels = w->t.dim[axis];
    int64_t most = 0;
    memset(sum, 0, (size_t)channels * sizeof *sum);
    for (int64_t i = 0, len = it_tensor_len(&w->t); i < len; i++) sum[i / inner % channels] += abs(w->q->codes[i]);
    for (int64_t c = 0; c < channels; c++) most = sum[c] > most ? sum[c] : most;
    return most;
}

static bool no_zero_points(const it_quant *q)
{
    for (int64_t c = 0; c < q->len; c++)
        if (q->zero[c] != 0) return false;
    return true;
}

/* One instruction, weights as they are: its constants, and the arithmetic that is exact. */
static intact_status find_layer(it_sim *sim, sim_node *s, const it_lower *lw, intact_error *err)
{
    const it_node *n = s->n;
    const int k = n->op->quant.weight_in;
    const it_pinstr *i = s->prog.instrs.len == 1 ? &s->prog.instrs.items[0] : NULL;
    it_linear lin;
    if (!i || lw->notes.len || k <= 0 || k >= n->in_len || !n->in[k]->is_const || !n->in[k]->q || !n->in[k]->q->codes || !no_zero_points(n->in[k]->q)) return INTACT_OK;
    if (!n->op->quant.linear || !n->op->quant.linear(n, &n->in[0]->t, &lin)) return INTACT_OK;
    if (i->kind == &it_instr_dense)
        read_dense(s, i->args);
    else if (i->kind == &it_instr_conv || i->kind == &it_instr_dwconv)
        read_conv(s, i->args);
    else
        return INTACT_OK;
    const int axis = n->op->quant.weight_axis(n);
    int64_t *sum = it_alloc_new(sim->alloc, (size_t)n->in[k]->t.dim[axis] * sizeof *sum);
    if (!sum) return it_fail_nomem(err, n->name, (size_t)n->in[k]->t.dim[axis] * sizeof *sum);
    s->layer = true;
    s->type = largest_sum(n->in[k], axis, sum) * (n->in[0]->q->type == INTACT_S16 ? 32767 : 255) < 1 << 24 ? IT_F32 : IT_F64;
    it_alloc_free(sim->alloc, sum, (size_t)n->in[k]->t.dim[axis] * sizeof *sum);
    sim->layers++;
    return INTACT_OK;
}

/* ---- making ---- */

static intact_status add_node(it_sim *sim, sim_node *s, const it_node *n, it_value **seen, intact_error *err)
{
    it_lower lw = { 0 };
    if (it_lower_is_shape_arithmetic(sim->g, n)) return INTACT_OK;
    s->n = n;
    IT_TRY(alone(sim, s, n, seen, err));
    it_prog_init(&s->prog, sim->alloc);
    s->prog.meta = "{}";
    intact_status st = it_lower_build(&lw, &s->g, NULL, &s->prog, sim->alloc, err);
    if (st == INTACT_OK) st = find_layer(sim, s, &lw, err);
    it_lower_release(&lw);
    if (st != INTACT_OK || s->layer || s->prog.instrs.len == 0) return st;
    const it_pack_options o = { .alloc = sim->alloc, .cpu = INTACT_CPU_SCALAR, .threads = 1, .separate = true };
    IT_TRY(it_program_pack(&s->prog, &o, &s->program, err));
    return intact_session_new(s->program, &(intact_session_options){ .batch = 1, .threads = 1 }, &s->session, err);
}

static intact_status make(it_sim *sim, intact_error *err)
{
    const it_graph *g = sim->g;
    sim->nodes = it_arena_new(&sim->arena, (g->nodes.len + 1) * sizeof *sim->nodes);
    sim->codes = it_arena_new(&sim->arena, (g->values.len + 1) * sizeof *sim->codes);
    it_value **seen = it_alloc_new(sim->alloc, (g->values.len + 1) * sizeof(it_value *));
    if (!sim->nodes || !sim->codes || !seen) {
        it_alloc_free(sim->alloc, seen, (g->values.len + 1) * sizeof(it_value *));
        return it_fail_nomem(err, g->name, g->values.len * sizeof *sim->codes);
    }
    intact_status st = INTACT_OK;
    for (size_t i = 0; st == INTACT_OK && i < g->values.len; i++) {
        const it_value *v = g->values.items[i];
        if (!has_codes(v) || (!v->producer && !v->is_input)) continue;
        sim->codes[i] = it_arena_raw(&sim->arena, it_round_up((size_t)it_tensor_len(&v->t) * code_bytes(v), IT_ALIGN));
        if (!sim->codes[i]) st = it_fail_nomem(err, v->name, (size_t)it_tensor_len(&v->t));
    }
    for (size_t i = 0; st == INTACT_OK && i < g->nodes.len; i++) {
        memset(seen, 0, (g->values.len + 1) * sizeof(it_value *));
        st = add_node(sim, &sim->nodes[sim->nodes_len++], g->nodes.items[i], seen, err);
    }
    it_alloc_free(sim->alloc, seen, (g->values.len + 1) * sizeof(it_value *));
    return st;
}

intact_status it_sim_new(const it_graph *g, const intact_alloc *a, it_sim **out, intact_error *err)
{
    *out = NULL;
    it_sim *s = it_alloc_zero(it_alloc_or_libc(a), sizeof *s);
    if (!s) return it_fail_nomem(err, g->name, sizeof *s);
    s->g = g;
    s->alloc = it_alloc_or_libc(a);
    it_arena_init(&s->arena, s->alloc);
    intact_status st = make(s, err);
    if (st != INTACT_OK) {
        it_sim_free(s);
        return st;
    }
    *out = s;
    return INTACT_OK;
}

void it_sim_free(it_sim *s)
{
    if (!s) return;
    for (size_t i = 0; i < s->nodes_len; i++) {
        sim_node *n = &s->nodes[i];
        intact_session_free(n->session);
        intact_program_free(n->program);
        if (!n->program && n->prog.arena.alloc) it_prog_release(&n->prog); /* else the program has it */
        if (n->g.alloc) it_graph_release(&n->g);
    }
    it_arena_release(&s->arena);
    it_alloc_free(s->alloc, s, sizeof *s);
}

/* ---- running ---- */

static int32_t code_at(const it_value *v, const void *codes, int64_t i) { return v->q->type == INTACT_S16 ? ((const int16_t *)codes)[i] : ((const uint8_t *)codes)[i]; }

static void put_code(const it_value *v, void *codes, int64_t i, int32_t code)
{
    if (v->q->type == INTACT_S16)
        ((int16_t *)codes)[i] = (int16_t)code;
    else
        ((uint8_t *)codes)[i] = (uint8_t)code;
}

/* Where the runtime has element i of a plain tensor. */
static int64_t runtime_at(const it_tensor *t, int64_t i)
{
    int64_t at = 0, index[IT_RANK_MAX] = { 0 };
    for (int k = t->rank - 1; k >= 0; k--) {
        index[it_runtime_axis(t->rank, k)] = i % t->dim[k];
        i /= t->dim[k];
    }
    for (int p = 0; p < t->rank; p++)
        for (int k = 0; k < t->rank; k++)
            if (it_runtime_axis(t->rank, k) == p) at = at * t->dim[k] + index[p];
    return at;
}

static int64_t order_of(const it_tensor *t, int64_t i) { return t->layout == IT_NHWC || t->rank < 3 ? i : runtime_at(t, i); }

static it_tensor numbers(it_arena *a, const it_value *v, it_type type, it_layout layout)
{
    it_tensor t = v->t;
    t.type = type;
    t.layout = t.rank == 4 ? layout : IT_PLAIN;
    t.data = it_arena_raw(a, it_tensor_bytes(&t));
    return t;
}

static void set_number(const it_tensor *t, int64_t i, int32_t v)
{
    if (t->type == IT_F32)
        ((float *)t->data)[i] = (float)v;
    else
        ((double *)t->data)[i] = v;
}

static int64_t number(const it_tensor *t, int64_t i) { return t->type == IT_F32 ? (int64_t)((const float *)t->data)[i] : (int64_t)((const double *)t->data)[i]; }

/* The bias that lowering folds the input's zero point into: taken out again, for the numbers here are without it. */
static void plain_bias(const sim_node *s, const it_value *x, const it_value *w, int axis, int64_t *bias)
{
    const int64_t inner = axis_inner(&w->t, axis), channels = w->t.dim[axis];
    for (int64_t c = 0; c < channels; c++) bias[c] = s->bias[c];
    for (int64_t i = 0, len = it_tensor_len(&w->t); i < len; i++) bias[i / inner % channels] += (int64_t)x->q->zero[0] * w->q->codes[i];
}

static int32_t round_one(const sim_node *s, const it_quant *q, int64_t c, int64_t acc)
{
    if (!s->levels_len) return it_requant(acc, s->mult[c], s->shift[c], q->zero[0], s->lo, s->hi);
    int passed = 0;
    while (passed < s->levels_len - 1 && s->thresholds[c * (s->levels_len - 1) + passed] <= acc) passed++;
    return s->levels[passed];
}

static intact_status run_layer(it_sim *sim, const sim_node *s, it_arena *a, intact_error *err)
{
    const it_node *n = s->n;
    const int k = n->op->quant.weight_in, axis = n->op->quant.weight_axis(n);
    const it_value *x = n->in[0], *w = n->in[k], *y = n->out[0];
    const it_layout layout = n->op->layout == IT_LAYOUT_NHWC ? IT_NHWC : IT_PLAIN;
    const it_tensor *in[8] = { NULL };
    it_tensor tx = numbers(a, x, s->type, layout), tw = numbers(a, w, s->type, IT_PLAIN), ty = numbers(a, y, s->type, layout), *out[1] = { &ty };
    int64_t *bias = it_arena_raw(a, (size_t)w->t.dim[axis] * sizeof *bias);
    it_op_state *state = NULL;
    if (!tx.data || !tw.data || !ty.data || !bias || n->in_len > 8) return it_fail_nomem(err, n->name, it_tensor_bytes(&tx));
    for (int64_t i = 0, len = it_tensor_len(&tx); i < len; i++) set_number(&tx, i, code_at(x, sim->codes[x->id], order_of(&tx, i)) - x->q->zero[0]);
    for (int64_t i = 0, len = it_tensor_len(&tw); i < len; i++) set_number(&tw, i, w->q->codes[i]);
    plain_bias(s, x, w, axis, bias);
    in[0] = &tx;
    in[k] = &tw;
    it_run_ctx c = { .alloc = sim->alloc, .state = &state, .scratch = a };
    intact_status st = n->op->forward(&c, n, in, out, err);
    if (state) state->free(state);
    IT_TRY(st);
    const int64_t channels = y->t.dim[y->t.rank > 1 ? 1 : 0];
    int64_t inner = 1;
    for (int i = 2; i < y->t.rank; i++) inner *= y->t.dim[i];
    for (int64_t i = 0, len = it_tensor_len(&ty); i < len; i++) {
        const int64_t ch = ty.layout == IT_NHWC ? i % channels : y->t.rank == 2 || inner == 1 ? i % channels : i / inner % channels;
        put_code(y, sim->codes[y->id], order_of(&ty, i), round_one(s, y->q, ch, number(&ty, i) + bias[ch]));
    }
    return INTACT_OK;
}

static intact_status run_node(it_sim *sim, const sim_node *s, intact_error *err)
{
    const void *in[64];
    void *out[64];
    if (!s->n) return INTACT_OK;
    if (s->layer) {
        it_arena a;
        it_arena_init(&a, sim->alloc);
        intact_status st = run_layer(sim, s, &a, err);
        it_arena_release(&a);
        return st;
    }
    const size_t ins = s->g.inputs.len, outs = s->g.outputs.len;
    if (ins > 64 || outs > 64) return it_fail(err, INTACT_E_UNSUPPORTED, s->n->name, "%zu inputs and %zu outputs; at most 64 are simulated", ins, outs);
    for (size_t i = 0; i < ins; i++) in[i] = sim->codes[s->in[i]->id];
    for (size_t i = 0, k = 0; i < (size_t)s->n->out_len; i++)
        if (has_codes(s->n->out[i])) out[k++] = sim->codes[s->n->out[i]->id];
    if (!s->program) { /* nothing to do: the same codes under another name */
        if (ins && outs) memcpy(out[0], in[0], (size_t)it_tensor_len(&s->n->out[0]->t) * code_bytes(s->n->out[0]));
        return INTACT_OK;
    }
    return intact_session_run(s->session, in, (uint32_t)ins, out, (uint32_t)outs, err);
}

intact_status it_sim_run(it_sim *s, const void *const *in, intact_error *err)
{
    for (size_t i = 0; i < s->g->inputs.len; i++) {
        const it_value *v = s->g->inputs.items[i];
        memcpy(s->codes[v->id], in[i], (size_t)it_tensor_len(&v->t) * code_bytes(v));
    }
    for (size_t i = 0; i < s->nodes_len; i++) IT_TRY(run_node(s, &s->nodes[i], err));
    return INTACT_OK;
}

const void *it_sim_codes(const it_sim *s, const it_value *v) { return s->codes[v->id]; }

size_t it_sim_layers(const it_sim *s) { return s->layers; }
