/* SPDX-License-Identifier: Apache-2.0 */
/* exec_node.c: one node: shapes, layouts, memory, the operator itself, the clamp fused into it. */
#include <math.h>
#include <string.h>

#include "exec/exec_node.h"

intact_status it_exec_cell(it_exec *e, const it_value *v, it_layout layout, const it_tensor **out, intact_error *err)
{
    it_cell *c = &e->cells[v->id];
    it_layout other = layout == IT_PLAIN ? IT_NHWC : IT_PLAIN;
    *out = &c->t[layout];
    if (c->ready[layout]) return INTACT_OK;
    c->t[layout] = c->t[other];
    c->t[layout].layout = layout;
    if (it_layout_same(&c->t[layout])) { /* the same bytes serve both */
        c->block[layout] = c->block[other];
        if (c->block[layout] >= 0) e->buffers.blocks.items[c->block[layout]].refs++;
    } else {
        size_t bytes = it_tensor_bytes(&c->t[layout]);
        c->block[layout] = c->prefer[layout] = it_buffers_take(&e->buffers, bytes, c->prefer[layout]);
        if (c->block[layout] < 0) return it_fail_nomem(err, v->name, bytes);
        c->t[layout].data = e->buffers.blocks.items[c->block[layout]].data;
        it_layout_convert(&c->t[other], &c->t[layout]);
    }
    c->ready[layout] = true;
    return INTACT_OK;
}

void it_exec_drop(it_exec *e, it_cell *c)
{
    for (int k = 0; k < 2; k++) {
        it_buffers_drop(&e->buffers, c->block[k]);
        c->block[k] = IT_NO_BLOCK;
        c->ready[k] = false;
    }
}

static bool is_image(const it_tensor *t) { return t->rank == 4 && t->type == IT_F32; }
static bool has_clamp(const it_node *n) { return n->clamp_lo != -INFINITY || n->clamp_hi != INFINITY; }

/* ---- shapes ---- */

static bool all_known(const it_node *n, const it_tensor *out)
{
    for (int k = 0; k < n->out_len; k++)
        if (n->out[k] && out[k].rank < 0) return false;
    return true;
}

/* Whether the shape of an output hangs on what inputs hold, not only on their shapes. */
static bool needs_content(it_exec *e, const it_node *n)
{
    for (int k = 0; k < n->in_len; k++) {
        if (!n->in[k] || n->in[k]->is_const) continue;
        if (!it_type_is_float(e->in_mem[k].type)) return true; /* indices and shapes: what infer checks must be checked each time */
        e->in_mem[k].data = NULL;
    }
    memset(e->out_mem, 0, (size_t)n->out_len * sizeof *e->out_mem);
    return n->op->infer(n, e->in, e->out_mem, NULL) != INTACT_OK || !all_known(n, e->out_mem);
}

static bool same_inputs(const it_exec *e, const it_node *n, const it_cell_node *c)
{
    for (int k = 0; k < n->in_len; k++)
        if (e->in[k] && (c->in[k].type != e->in[k]->type || !it_tensor_same_shape(&c->in[k], e->in[k]))) return false;
    return true;
}

static void forget(it_cell_node *c)
{
    if (c->state) c->state->free(c->state);
    c->state = NULL;
}

static intact_status infer(it_exec *e, const it_node *n, it_cell_node *c, intact_error *err)
{
    for (int k = 0; k < n->in_len; k++) {
        e->in[k] = NULL;
        if (!n->in[k]) continue;
        const it_cell *from = &e->cells[n->in[k]->id];
        e->in_mem[k] = from->t[from->ready[IT_PLAIN] ? IT_PLAIN : IT_NHWC];
        if (!from->ready[IT_PLAIN]) e->in_mem[k].data = NULL; /* content is for readers of plain tensors */
        e->in_mem[k].layout = IT_PLAIN;
        e->in[k] = &e->in_mem[k];
    }
    bool same = c->seen && same_inputs(e, n, c);
    if (same && !c->by_content) return INTACT_OK;
    forget(c);
    c->seen = false;
    memset(c->out, 0, (size_t)n->out_len * sizeof *c->out);
    IT_TRY(n->op->infer(n, e->in, c->out, err));
    for (int k = 0; k < n->out_len; k++)
        if (n->out[k] && c->out[k].rank >= 0) IT_TRY(it_shape_check(&c->out[k], n->name, err));
    if (!all_known(n, c->out))
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "the shape of its output cannot be found from its inputs");
    if (!same)
        for (int k = 0; k < n->in_len; k++)
            if (e->in[k]) {
                c->in[k].type = e->in[k]->type;
                c->in[k].rank = e->in[k]->rank;
                memcpy(c->in[k].dim, e->in[k]->dim, sizeof c->in[k].dim);
            }
    if (!same) c->by_content = needs_content(e, n);
    c->seen = true;
    return INTACT_OK;
}

/* ---- layouts ---- */

/* Elementwise operators go channels-last where an input was computed so and nothing stands against it. */
static bool any_nhwc(const it_exec *e, const it_node *n, const it_cell_node *c)
{
    bool wish = false;
    for (int k = 0; k < n->in_len; k++) {
        if (!n->in[k]) continue;
        const it_cell *from = &e->cells[n->in[k]->id];
        const it_tensor *t = &c->in[k];
        if (is_image(t))
            wish = wish || (!n->in[k]->is_const && from->first == IT_NHWC);
        else if (it_tensor_len(t) != 1 || t->rank == 4)
            return false;
    }
    for (int k = 0; k < n->out_len; k++)
        if (n->out[k] && !is_image(&c->out[k])) return false;
    return wish;
}

static intact_status fetch_inputs(it_exec *e, const it_node *n, it_cell_node *c, intact_error *err)
{
    bool any = n->op->layout == IT_LAYOUT_ANY && any_nhwc(e, n, c);
    for (int k = 0; k < n->in_len; k++) {
        if (!n->in[k]) continue;
        bool nhwc = is_image(&c->in[k]) && (any || (n->op->layout == IT_LAYOUT_NHWC && k == 0));
        IT_TRY(it_exec_cell(e, n->in[k], nhwc ? IT_NHWC : IT_PLAIN, &e->in[k], err));
        if (c->in[k].layout != e->in[k]->layout) forget(c);
        c->in[k].layout = e->in[k]->layout;
    }
    for (int k = 0; k < n->out_len; k++)
        c->out[k].layout = n->out[k] && is_image(&c->out[k]) && (any || (n->op->layout == IT_LAYOUT_NHWC && k == 0)) ? IT_NHWC : IT_PLAIN;
    return INTACT_OK;
}

/* ---- memory ---- */

/* Input 0's block may become output 0's: nobody else holds it, and nobody reads it after this node. */
static bool may_overwrite(const it_exec *e, const it_node *n, int index, const it_cell_node *c)
{
    if (!n->op->inplace || !n->in_len || !n->in[0]) return false;
    const it_cell *from = &e->cells[n->in[0]->id];
    int block = from->block[e->in[0]->layout];
    if (from->last != index || block < 0 || e->buffers.blocks.items[block].refs != 1) return false;
    for (int k = 1; k < n->in_len; k++)
        if (n->in[k] == n->in[0]) return false;
    return it_type_bytes(c->out[0].type) == it_type_bytes(e->in[0]->type) && it_tensor_same_shape(&c->out[0], e->in[0]) &&
           c->out[0].layout == e->in[0]->layout;
}

static intact_status take_output(it_exec *e, const it_node *n, int index, const it_cell_node *c, int k, intact_error *err)
{
    it_cell *to = &e->cells[n->out[k]->id];
    it_layout layout = c->out[k].layout;
    bool share = k == 0 && ((n->op->view && !has_clamp(n)) || may_overwrite(e, n, index, c));
    if (share && n->op->view && it_exec_simulates(e, n->out[k])) share = false; /* its codes may be others than the input's */
    size_t bytes = it_tensor_bytes(&c->out[k]);
    if (share && it_tensor_bytes(e->in[0]) != bytes) return it_node_fail(n, err, INTACT_E_SHAPE, "output 0 has another size than input 0");
    to->t[layout] = c->out[k];
    to->first = layout;
    if (share) {
        to->block[layout] = e->cells[n->in[0]->id].block[e->in[0]->layout];
        if (to->block[layout] >= 0) e->buffers.blocks.items[to->block[layout]].refs++;
        to->t[layout].data = e->in[0]->data;
    } else {
        to->block[layout] = to->prefer[layout] = it_buffers_take(&e->buffers, bytes, to->prefer[layout]);
        if (to->block[layout] < 0) return it_fail_nomem(err, n->name, bytes);
        to->t[layout].data = e->buffers.blocks.items[to->block[layout]].data;
    }
    to->ready[layout] = true;
    e->out[k] = &to->t[layout];
    return INTACT_OK;
}

/* ---- running ---- */

/* NaN passes: both comparisons are false for it. */
static void clamp(const it_tensor *t, float lo, float hi)
{
    int64_t len = it_tensor_len(t);
    if (t->type == IT_F32) {
        float *y = t->data;
        for (int64_t i = 0; i < len; i++) {
            float v = y[i] < lo ? lo : y[i];
            y[i] = v > hi ? hi : v;
        }
        return;
    }
    for (int64_t i = 0; i < len; i++) {
        double v = it_tensor_get(t, i);
        if (v < (double)lo || v > (double)hi) it_tensor_set(t, i, v < (double)lo ? (double)lo : (double)hi);
    }
}

static intact_status compute(it_exec *e, const it_node *n, it_cell_node *c, intact_error *err)
{
    it_run_ctx ctx = {.alloc = e->alloc, .state = &c->state, .scratch = &e->scratch, .const_weights = true};
    bool shared = n->op->view && e->out[0] && e->out[0]->data == e->in[0]->data, alone = true;
    for (int k = 1; k < n->out_len; k++) alone = alone && !e->out[k];
    if (shared && alone) return INTACT_OK;
    if (n->op->forward) {
        intact_status st = n->op->forward(&ctx, n, e->in, e->out, err);
        it_arena_release(&e->scratch);
        return st;
    }
    if (!n->op->view || !alone) return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "the operator cannot be run in float");
    memcpy(e->out[0]->data, e->in[0]->data, it_tensor_bytes(e->out[0]));
    return INTACT_OK;
}

intact_status it_exec_node(it_exec *e, int index, intact_error *err)
{
    const it_node *n = e->g->nodes.items[index];
    it_cell_node *c = &e->nodes[index];
    IT_TRY(infer(e, n, c, err));
    IT_TRY(fetch_inputs(e, n, c, err));
    for (int k = 0; k < n->out_len; k++) {
        e->out[k] = NULL;
        if (n->out[k]) IT_TRY(take_output(e, n, index, c, k, err));
    }
    IT_TRY(compute(e, n, c, err));
    if (has_clamp(n) && n->out_len && e->out[0] && it_type_is_float(e->out[0]->type)) clamp(e->out[0], n->clamp_lo, n->clamp_hi);
    for (int k = 0; k < n->out_len && e->opt.simulates; k++)
        if (n->out[k] && e->out[k]->type == IT_F32 && it_exec_simulates(e, n->out[k])) it_exec_round(n->out[k], e->out[k]);
    for (int k = 0; k < n->out_len && e->opt.hook; k++)
        if (n->out[k]) IT_TRY(e->opt.hook(e->opt.hook_user, n->out[k], e->out[k], err));
    for (int k = 0; k < n->in_len; k++)
        if (n->in[k] && e->cells[n->in[k]->id].last == index) it_exec_drop(e, &e->cells[n->in[k]->id]);
    for (int k = 0; k < n->out_len; k++)
        if (n->out[k] && e->cells[n->out[k]->id].last == index) it_exec_drop(e, &e->cells[n->out[k]->id]);
    return INTACT_OK;
}
