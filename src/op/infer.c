/* SPDX-License-Identifier: Apache-2.0 */
/* infer.c: the part of ir.h that needs the operators: making nodes, and inferring every shape. */
#include <math.h>
#include <string.h>

#include "op/op.h"

#define SMALL_LEN 4096           /* elements of a tensor whose content inference computes: shape arithmetic, never activations */
#define SMALL_TOTAL (16u << 20)  /* bytes of such content in one graph */

it_node *it_graph_node(it_graph *g, const char *name, const it_op *op, int in_len, int out_len)
{
    if (g->nodes.len >= INT32_MAX || !IT_VEC_ROOM(g->alloc, g->nodes)) return NULL;
    it_node *n = it_arena_new(&g->arena, sizeof *n);
    if (!n || !(n->name = it_arena_text(&g->arena, name))) return NULL;
    n->in = it_arena_new(&g->arena, (size_t)(in_len + 1) * sizeof *n->in);
    n->out = it_arena_new(&g->arena, (size_t)(out_len + 1) * sizeof *n->out);
    n->args = it_arena_new(&g->arena, op && op->args_bytes ? op->args_bytes : 1);
    if (!n->in || !n->out || !n->args) return NULL;
    n->op = op;
    n->opset = g->opset;
    n->in_len = in_len;
    n->out_len = out_len;
    n->clamp_lo = -INFINITY;
    n->clamp_hi = INFINITY;
    g->nodes.items[g->nodes.len++] = n;
    return n;
}

intact_status it_node_parse(it_graph *g, it_node *n, intact_error *err)
{
    const it_op *op = n->op;
    if (n->in_len < op->in_min || (op->in_max >= 0 && n->in_len > op->in_max))
        return it_node_fail(n, err, INTACT_E_FORMAT, "%d inputs; the operator takes %d to %d", n->in_len, op->in_min,
                            op->in_max < 0 ? INT32_MAX : op->in_max);
    if (n->out_len < op->out_min || (op->out_max >= 0 && n->out_len > op->out_max))
        return it_node_fail(n, err, INTACT_E_FORMAT, "%d outputs; the operator gives %d to %d", n->out_len, op->out_min,
                            op->out_max < 0 ? INT32_MAX : op->out_max);
    for (int k = 0; k < op->in_min; k++)
        if (!n->in[k]) return it_node_fail(n, err, INTACT_E_FORMAT, "input %d is left out; the operator needs it", k);
    for (int k = 0; k < op->out_min; k++)
        if (!n->out[k]) return it_node_fail(n, err, INTACT_E_FORMAT, "output %d is left out; the operator always gives it", k);
    if (!op->parse) return INTACT_OK;
    it_parse p = {.g = g, .n = n, .err = err};
    return op->parse(&p);
}

/* ---- inference ---- */

typedef struct it_infer {
    it_graph *g;
    const it_tensor **in; /* as many as the widest node has */
    it_tensor *out, **out_ptr;
    it_arena scratch;
    size_t small_bytes;
} it_infer;

static intact_status bind_input(it_value *v, int64_t batch, const it_tensor *given, intact_error *err)
{
    it_tensor *t = &v->t;
    t->layout = IT_PLAIN;
    t->data = NULL;
    if (given && given->rank >= 0) {
        t->rank = given->rank;
        memcpy(t->dim, given->dim, sizeof t->dim);
        return it_shape_check(t, v->name, err);
    }
    if (v->declared_rank < 0)
        return it_fail(err, INTACT_E_UNSUPPORTED, v->name, "the network does not declare this input's shape; give it (--shape 1x3x224x224), or export the network with it");
    t->rank = v->declared_rank;
    for (int i = 0; i < t->rank; i++) {
        t->dim[i] = v->declared[i] < 0 && i == 0 ? batch : v->declared[i];
        if (t->dim[i] < 0)
            return it_fail(err, INTACT_E_UNSUPPORTED, v->name,
                           "dimension %d of this input is symbolic; only the batch may be: give the others (--shape 1x3x224x224), or export the network with them fixed", i);
    }
    return it_shape_check(t, v->name, err);
}

/* Whether the content of all outputs can and should be computed now. */
static bool is_small(const it_infer *s, const it_node *n)
{
    if ((!n->op->forward && !n->op->view) || n->clamp_lo != -INFINITY || n->clamp_hi != INFINITY) return false;
    for (int k = 0; k < n->in_len; k++)
        if (s->in[k] && !n->op->shape_only && (!s->in[k]->data || it_tensor_len(s->in[k]) > SMALL_LEN)) return false;
    for (int k = 0; k < n->out_len; k++)
        if (n->out[k] && (s->out[k].rank < 0 || it_tensor_len(&s->out[k]) > SMALL_LEN)) return false;
    return s->small_bytes <= SMALL_TOTAL;
}

static intact_status evaluate(it_infer *s, it_node *n, void *const *old, const size_t *old_bytes, intact_error *err)
{
    for (int k = 0; k < n->out_len; k++) {
        if (!n->out[k]) continue;
        size_t bytes = it_tensor_bytes(&s->out[k]);
        s->out[k].data = k < 4 && old[k] && old_bytes[k] == bytes ? old[k] : it_arena_new(&s->g->arena, bytes);
        if (!s->out[k].data) return it_fail_nomem(err, n->name, bytes);
        s->small_bytes += bytes;
    }
    it_op_state *state = NULL;
    it_run_ctx c = {.alloc = s->g->alloc, .state = &state, .scratch = &s->scratch};
    intact_status st = INTACT_OK;
    if (n->op->forward)
        st = n->op->forward(&c, n, s->in, s->out_ptr, err);
    else
        memcpy(s->out[0].data, s->in[0]->data, it_tensor_bytes(&s->out[0]));
    if (state) state->free(state);
    it_arena_release(&s->scratch);
    return st;
}

static intact_status infer_node(it_infer *s, it_node *n, intact_error *err)
{
    void *old[4] = {0};
    size_t old_bytes[4] = {0};
    bool known = true;
    for (int k = 0; k < n->in_len; k++) {
        s->in[k] = n->in[k] ? &n->in[k]->t : NULL;
        if (s->in[k] && s->in[k]->rank < 0) known = false;
    }
    for (int k = 0; k < n->out_len; k++) {
        if (k < 4 && n->out[k] && n->out[k]->t.data) { /* the last inference's content: its memory is used again */
            old[k] = n->out[k]->t.data;
            old_bytes[k] = it_tensor_bytes(&n->out[k]->t);
        }
        memset(&s->out[k], 0, sizeof s->out[k]);
        if (!known) s->out[k].rank = IT_RANK_UNKNOWN;
        s->out_ptr[k] = n->out[k] ? &s->out[k] : NULL;
    }
    if (known) {
        IT_TRY(n->op->infer(n, s->in, s->out, err));
        for (int k = 0; k < n->out_len; k++)
            if (n->out[k] && s->out[k].rank >= 0) IT_TRY(it_shape_check(&s->out[k], n->name, err));
        if (is_small(s, n)) IT_TRY(evaluate(s, n, old, old_bytes, err));
    }
    for (int k = 0; k < n->out_len; k++)
        if (n->out[k]) n->out[k]->t = s->out[k];
    return INTACT_OK;
}

static intact_status infer_all(it_infer *s, int64_t batch, const it_tensor *in_shapes, intact_error *err)
{
    it_graph *g = s->g;
    for (size_t i = 0; i < g->inputs.len; i++) IT_TRY(bind_input(g->inputs.items[i], batch, in_shapes ? &in_shapes[i] : NULL, err));
    for (size_t i = 0; i < g->nodes.len; i++) IT_TRY(infer_node(s, g->nodes.items[i], err));
    return INTACT_OK;
}

intact_status it_graph_infer(it_graph *g, int64_t batch, const it_tensor *in_shapes, intact_error *err)
{
    it_arena a;
    it_infer s = {.g = g};
    size_t in_len = 1, out_len = 1;
    if (batch < 0) return it_fail(err, INTACT_E_ARG, g->name, "a batch of %lld", (long long)batch);
    for (size_t i = 0; i < g->nodes.len; i++) {
        if ((size_t)g->nodes.items[i]->in_len > in_len) in_len = (size_t)g->nodes.items[i]->in_len;
        if ((size_t)g->nodes.items[i]->out_len > out_len) out_len = (size_t)g->nodes.items[i]->out_len;
    }
    it_arena_init(&a, g->alloc);
    it_arena_init(&s.scratch, g->alloc);
    s.in = it_arena_new(&a, in_len * sizeof *s.in);
    s.out = it_arena_new(&a, out_len * sizeof *s.out);
    s.out_ptr = it_arena_new(&a, out_len * sizeof *s.out_ptr);
    intact_status st = s.in && s.out && s.out_ptr ? infer_all(&s, batch, in_shapes, err)
                                                  : it_fail_nomem(err, g->name, in_len * sizeof *s.in);
    it_arena_release(&s.scratch);
    it_arena_release(&a);
    return st;
}
