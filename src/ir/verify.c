/* SPDX-License-Identifier: Apache-2.0 */
/* verify.c: what holds of every graph between two passes.
**
**   1  values.items[i]->id is i; names are not empty and belong to one value each (a dead value's name counts too)
**   2  a value is a constant, or a graph input, or produced by one node; or it is dead: nothing reads it
**   3  a constant has content, plain layout, a shape of rank 0..8 without negative dimensions
**   4  graph inputs have no producer; inputs and outputs are marked as such and are values of this graph
**   5  a node has an operator, a name, and inputs and outputs that are values of this graph (or NULL: left out)
**   6  what a node reads was produced by an earlier node, is a constant or a graph input
**   7  a node is the producer of each of its outputs; no value is the output of two nodes, or of a node and an input
**   8  clamp_lo <= clamp_hi, neither is NaN
**   9  quantization parameters: 1 scale, or as many as the dimension of axis; scales positive and finite; zero points and
**      widths that the type can hold; s32 for biases alone, with their codes
*/
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ir/ir.h"

#define BAD(where, n, ...) return it_fail(err, INTACT_E_FORMAT, (where), "graph invariant " #n ": " __VA_ARGS__)

static intact_status verify_quant(const it_value *v, intact_error *err)
{
    const it_quant *q = v->q;
    int64_t lo = q->type == INTACT_U8 ? 0 : q->type == INTACT_S8 ? -128 : q->type == INTACT_S32 ? 0 : -32767;
    int64_t hi = q->type == INTACT_U8 ? 255 : q->type == INTACT_S8 ? 127 : q->type == INTACT_S32 ? 0 : 32767;
    if (q->type != INTACT_U8 && q->type != INTACT_S8 && q->type != INTACT_S16 && q->type != INTACT_S32) BAD(v->name, 9, "quantized to type %d", (int)q->type);
    if (q->type == INTACT_S32 ? q->bits != 32 || !q->wide : q->type == INTACT_S16 ? q->bits != 16 : q->bits < 2 || q->bits > 8) BAD(v->name, 9, "%d bits", q->bits);
    if (q->axis < -1 || (v->t.rank >= 0 && q->axis >= v->t.rank)) BAD(v->name, 9, "scales along axis %d of %d", q->axis, v->t.rank);
    int64_t want = q->axis < 0 ? 1 : v->t.rank < 0 ? q->len : v->t.dim[q->axis];
    if (q->len != want || !q->scale || !q->zero)
        BAD(v->name, 9, "%lld scales, there must be %lld", (long long)q->len, (long long)want);
    for (int64_t c = 0; c < q->len; c++) {
        if (!(q->scale[c] > 0) || !isfinite(q->scale[c])) BAD(v->name, 9, "scale %g of channel %lld", (double)q->scale[c], (long long)c);
        if (q->zero[c] < lo || q->zero[c] > hi) BAD(v->name, 9, "zero point %d of channel %lld", q->zero[c], (long long)c);
    }
    return INTACT_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const it_value *const *)a)->name, (*(const it_value *const *)b)->name);
}

static intact_status verify_names(const it_graph *g, const it_value **sorted, intact_error *err)
{
    if (!g->values.len) return INTACT_OK;
    memcpy(sorted, g->values.items, g->values.len * sizeof *sorted);
    qsort(sorted, g->values.len, sizeof *sorted, by_name);
    for (size_t i = 1; i < g->values.len; i++)
        if (!strcmp(sorted[i - 1]->name, sorted[i]->name)) BAD(sorted[i]->name, 1, "two values have this name");
    return INTACT_OK;
}

static bool belongs(const it_graph *g, const it_value *v)
{
    return v && v->id >= 0 && (size_t)v->id < g->values.len && g->values.items[v->id] == v;
}

static intact_status verify_values(const it_graph *g, bool *ready, intact_error *err)
{
    for (size_t i = 0; i < g->values.len; i++) {
        const it_value *v = g->values.items[i];
        if (!v || v->id != (int)i) BAD(g->name, 1, "value %zu has another id", i);
        if (!v->name || !v->name[0]) BAD(g->name, 1, "value %zu has no name", i);
        if (v->is_const + v->is_input + (v->producer != NULL) > 1)
            BAD(v->name, 2, "a value has one origin: a constant, an input or a node's output");
        if (v->is_const) {
            if (!v->t.data || v->t.layout != IT_PLAIN) BAD(v->name, 3, "a constant without content in plain layout");
            IT_TRY(it_shape_check(&v->t, v->name, err));
        }
        if (v->q) IT_TRY(verify_quant(v, err));
        ready[i] = v->is_const;
    }
    for (size_t i = 0; i < g->inputs.len; i++) {
        const it_value *v = g->inputs.items[i];
        if (!belongs(g, v) || !v->is_input) BAD(g->name, 4, "graph input %zu is not marked as one, or of another graph", i);
        ready[v->id] = true;
    }
    return INTACT_OK;
}

static intact_status verify_node(const it_graph *g, const it_node *n, size_t i, bool *ready, intact_error *err)
{
    if (!n || !n->op || !n->name || !n->name[0]) BAD(g->name, 5, "node %zu has no operator or no name", i);
    if (!(n->clamp_lo <= n->clamp_hi)) BAD(n->name, 8, "clamp %g..%g", (double)n->clamp_lo, (double)n->clamp_hi);
    for (int k = 0; k < n->in_len; k++) {
        if (!n->in[k]) continue;
        if (!belongs(g, n->in[k])) BAD(n->name, 5, "input %d is of another graph", k);
        if (!ready[n->in[k]->id]) BAD(n->name, 6, "input %d, \"%s\", is not computed before it", k, n->in[k]->name);
    }
    for (int k = 0; k < n->out_len; k++) {
        const it_value *v = n->out[k];
        if (!v) continue;
        if (!belongs(g, v)) BAD(n->name, 5, "output %d is of another graph", k);
        if (v->producer != n || ready[v->id]) BAD(n->name, 7, "output %d, \"%s\", has another producer", k, v->name);
        ready[v->id] = true;
    }
    return INTACT_OK;
}

intact_status it_graph_verify(const it_graph *g, intact_error *err)
{
    it_arena a;
    it_arena_init(&a, g->alloc);
    const it_value **sorted = it_arena_new(&a, (g->values.len + 1) * sizeof *sorted);
    bool *ready = it_arena_new(&a, g->values.len + 1);
    intact_status st = sorted && ready ? verify_values(g, ready, err)
                                       : it_fail_nomem(err, g->name, (g->values.len + 1) * sizeof *sorted);
    if (st == INTACT_OK) st = verify_names(g, sorted, err);
    for (size_t i = 0; i < g->nodes.len && st == INTACT_OK; i++) st = verify_node(g, g->nodes.items[i], i, ready, err);
    for (size_t i = 0; i < g->outputs.len && st == INTACT_OK; i++) {
        const it_value *v = g->outputs.items[i];
        if (!belongs(g, v) || !v->is_output)
            st = it_fail(err, INTACT_E_FORMAT, g->name, "graph invariant 4: graph output %zu is not marked as one, or of another graph", i);
        else if (!ready[v->id])
            st = it_fail(err, INTACT_E_FORMAT, v->name, "graph invariant 6: nothing computes this graph output");
    }
    it_arena_release(&a);
    return st;
}
