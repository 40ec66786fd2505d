/* SPDX-License-Identifier: Apache-2.0 */
/* absorb_const.c: weights and biases that came as codes. */
#include "pass/absorb.h"

#include <math.h>
#include <string.h>

intact_status it_absorb_check_scale(const it_node *n, intact_error *err)
{
    const it_value *scale = n->in[1], *zero = it_edit_in(n, 2);
    if (!scale->is_const || !it_type_is_float(scale->t.type) || (zero && !zero->is_const))
        return it_node_fail(n, err, INTACT_E_UNSUPPORTED,
                            "its %s is computed in the network; the integer form needs a constant (--calib finds one where DynamicQuantizeLinear computes it)",
                            scale->is_const ? "zero point" : "scale");
    int64_t len = it_tensor_len(&scale->t);
    if (len < 1) return it_node_fail(n, err, INTACT_E_SHAPE, "its scale \"%.60s\" has no elements", scale->name);
    for (int64_t i = 0; i < len; i++) {
        float s = (float)it_tensor_get(&scale->t, i);
        if (!(s > 0) || !isfinite(s))
            return it_node_fail(n, err, INTACT_E_DATA, "scale %lld, \"%.60s\", is %g; a positive finite number is needed", (long long)i, scale->name,
                                (double)s);
    }
    if (zero && it_tensor_len(&zero->t) != len)
        return it_node_fail(n, err, INTACT_E_SHAPE, "%lld zero points for %lld scales", (long long)it_tensor_len(&zero->t), (long long)len);
    return INTACT_OK;
}

/* ---- content ---- */

static intact_status run(it_absorb *a, const it_node *n, const it_tensor *const *in, it_tensor *out, intact_error *err)
{
    it_tensor *out_ptr[1] = {out};
    it_op_state *state = NULL;
    it_arena work;
    memset(out, 0, sizeof *out);
    IT_TRY(n->op->infer(n, in, out, err));
    IT_TRY(it_shape_check(out, n->name, err));
    out->data = it_arena_new(&a->g->arena, it_tensor_bytes(out) + 1);
    if (!out->data) return it_fail_nomem(err, n->name, it_tensor_bytes(out));
    it_arena_init(&work, a->alloc);
    it_run_ctx c = {.alloc = a->alloc, .state = &state, .scratch = &work};
    intact_status st = INTACT_OK;
    if (n->op->forward)
        st = n->op->forward(&c, n, in, out_ptr, err);
    else
        memcpy(out->data, in[0]->data, it_tensor_bytes(out));
    if (state) state->free(state);
    it_arena_release(&work);
    return st;
}

static intact_status run_node(it_absorb *a, const it_node *n, const it_tensor *first, it_tensor *out, intact_error *err)
{
    const it_tensor *in[8] = {first};
    if (n->in_len > 8) return it_node_fail(n, err, INTACT_E_UNSUPPORTED, "%d inputs", n->in_len);
    for (int k = 1; k < n->in_len; k++) in[k] = n->in[k] ? &n->in[k]->t : NULL;
    return run(a, n, in, out, err);
}

/* The output becomes a constant under its name; n goes. */
static void become_const(it_absorb *a, it_node *n, const it_tensor *t)
{
    it_value *v = n->out[0];
    v->t = *t;
    v->t.layout = IT_PLAIN;
    v->is_const = true;
    it_graph_remove(a->g, n);
}

intact_status it_absorb_const_codes(it_absorb *a, it_node *n, intact_error *err)
{
    it_tensor t;
    IT_TRY(it_absorb_check_scale(n, err));
    IT_TRY(run_node(a, n, &n->in[0]->t, &t, err));
    become_const(a, n, &t);
    return INTACT_OK;
}

/* ---- weights ---- */

/* Who reads v as weight, bias, or to turn it round. */
static bool reads_codes(const it_graph *g, const it_value *v, bool bias)
{
    for (size_t i = 0; i < g->nodes.len; i++) {
        const it_node *n = g->nodes.items[i];
        for (int k = 0; k < n->in_len; k++) {
            if (n->in[k] != v) continue;
            if (bias ? k == n->op->quant.bias_in && k > 0 : (k == n->op->quant.weight_in && k > 0) || (k == 0 && (n->op == &it_op_transpose ||
                                                                                                    n->op->view))) return true;
        }
    }
    return false;
}

typedef struct coded { const it_tensor *t; const it_value *zero; int64_t inner, len; int shift; } coded; /* len: of scales; shift: signed code = code - shift */

static int64_t channel_at(const coded *c, int64_t i) { return c->len == 1 ? 0 : i / c->inner % c->len; }
static int32_t zero_at(const coded *c, int64_t k) { return (int32_t)(c->zero ? it_tensor_get_int(&c->zero->t, c->zero->t.rank ? k : 0) : 0) - c->shift; }

/* Code minus zero point where that fits 8 bits for all, which is the same number with zero point 0. */
static bool fits_symmetric(const coded *c)
{
    int64_t len = it_tensor_len(c->t);
    for (int64_t i = 0; i < len; i++) {
        int64_t v = it_tensor_get_int(c->t, i) - c->shift - zero_at(c, channel_at(c, i));
        if (v < -128 || v > 127) return false;
    }
    return true;
}

static intact_status weight_quant(it_absorb *a, const it_node *n, it_value *v, intact_error *err)
{
    const it_tensor *t = &n->in[0]->t;
    int64_t len = it_tensor_len(t), scales = it_tensor_len(&n->in[1]->t);
    it_quant *q, like = {.type = INTACT_S8, .bits = it_type_is_4bit(t->type) ? 4 : 8, .axis = -1};
    coded c = {.t = t, .zero = it_edit_in(n, 2), .inner = 1, .len = scales, .shift = t->type == IT_U8 ? 128 : t->type == IT_U4 ? 8 : 0};
    if (scales > 1) {
        int64_t axis = it_edit_attr_int(n, "axis", 1);
        like.axis = (int)(axis < 0 ? axis + t->rank : axis);
        for (int k = like.axis + 1; k < t->rank; k++) c.inner *= t->dim[k];
    }
    int8_t *codes = it_arena_new(&a->g->arena, (size_t)len + 1);
    if (!codes) return it_fail_nomem(err, n->name, (size_t)len);
    IT_TRY(it_absorb_quant(a, &like, scales, &q, err));
    bool symmetric = fits_symmetric(&c);
    for (int64_t i = 0; i < len; i++) codes[i] = (int8_t)(it_tensor_get_int(t, i) - c.shift - (symmetric ? zero_at(&c, channel_at(&c, i)) : 0));
    for (int64_t k = 0; k < scales; k++) {
        q->scale[k] = (float)it_tensor_get(&n->in[1]->t, k);
        q->zero[k] = symmetric ? 0 : zero_at(&c, k);
    }
    q->codes = codes;
    v->q = q;
    a->weights++;
    return INTACT_OK;
}

/* A bias keeps its codes: 32 bits are more than a float holds. */
static intact_status bias_quant(it_absorb *a, const it_node *n, it_value *v, intact_error *err)
{
    int64_t scales = it_tensor_len(&n->in[1]->t);
    const it_value *zero = it_edit_in(n, 2);
    it_quant *q, like = {.type = INTACT_S32, .bits = 32, .axis = scales > 1 ? 0 : -1};
    for (int64_t k = 0; zero && k < scales; k++)
        if (it_tensor_get_int(&zero->t, k) != 0) return INTACT_OK; /* the real numbers will do */
    if (n->in[0]->t.rank != 1 || (scales > 1 && scales != n->in[0]->t.dim[0])) return INTACT_OK;
    IT_TRY(it_absorb_quant(a, &like, scales, &q, err));
    for (int64_t k = 0; k < scales; k++) q->scale[k] = (float)it_tensor_get(&n->in[1]->t, k);
    q->wide = n->in[0]->t.data;
    v->q = q;
    return INTACT_OK;
}

intact_status it_absorb_const_real(it_absorb *a, it_node *n, intact_error *err)
{
    it_value *v = n->out[0];
    it_type type = n->in[0]->t.type;
    it_tensor t;
    bool one_a_channel = it_edit_attr_int(n, "block_size", 0) == 0;
    IT_TRY(it_absorb_check_scale(n, err));
    IT_TRY(run_node(a, n, &n->in[0]->t, &t, err));
    if (v->is_output) return INTACT_OK; /* a constant answer stays a computation */
    if (it_tensor_len(&t) > 0 && type == IT_I32 && reads_codes(a->g, v, true))
        IT_TRY(bias_quant(a, n, v, err));
    else if (it_tensor_len(&t) > 0 && it_type_bytes(type) == 1 && reads_codes(a->g, v, false)) {
        if (!one_a_channel)
            return it_node_fail(n, err, INTACT_E_UNSUPPORTED,
                                "weights with a scale for each block of %lld; the integer form has one scale, or one per output channel",
                                (long long)it_edit_attr_int(n, "block_size", 0));
        IT_TRY(weight_quant(a, n, v, err));
    }
    become_const(a, n, &t);
    return INTACT_OK;
}

/* ---- weights turned round before they are used ---- */

static int moved_axis(const it_node *n, int axis)
{
    const it_attr *perm = it_edit_attr(n, "perm");
    int rank = n->in[0]->t.rank;
    for (int k = 0; axis >= 0 && k < rank; k++)
        if ((perm ? perm->ints[k] : rank - 1 - k) == axis) return k;
    return -1;
}

intact_status it_absorb_const_moved(it_absorb *a, it_node *n, bool *done, intact_error *err)
{
    it_value *v = n->in_len > 0 ? n->in[0] : NULL;
    it_tensor t, codes, from;
    bool turns = n->op == &it_op_transpose;
    *done = false;
    if (!v || !v->is_const || !v->q || !v->q->codes || n->out_len < 1 || !n->out[0] || n->out[0]->is_output || (!turns && !(n->op->view &&
                                                                                                    v->q->axis < 0))) return INTACT_OK;
    for (int k = 1; k < n->in_len; k++)
        if (n->in[k] && !n->in[k]->t.data) return INTACT_OK;
    IT_TRY(run_node(a, n, &v->t, &t, err));
    from = v->t;
    from.type = IT_I8;
    from.data = (void *)(uintptr_t)v->q->codes;
    IT_TRY(run_node(a, n, &from, &codes, err));
    it_quant *q = it_arena_copy(&a->g->arena, v->q, sizeof *q);
    if (!q) return it_fail_nomem(err, n->name, sizeof *q);
    q->axis = turns ? moved_axis(n, v->q->axis) : -1;
    q->codes = codes.data;
    n->out[0]->q = q;
    become_const(a, n, &t);
    *done = true;
    return INTACT_OK;
}
