/* SPDX-License-Identifier: Apache-2.0 */
/* probe.c: where an integer program of this network will round: the network is folded and calibrated as quantization does it, and its values are found
** again, by name, in the network that is trained. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lower/build.h"
#include "pass/pass.h"
#include "ptq/method.h"
#include "qat/state.h"

/* ---- the folded network ---- */

static bool wants_low(void *user, const it_node *n)
{
    const it_qat *q = user;
    for (size_t i = 0; it_ptq_is_mac(n) && i < q->low.len; i++)
        if (strcmp(q->low.items[i], n->name) == 0) return true;
    return false;
}

intact_status it_qat_fold(it_qat *q, const it_graph *g, it_graph *out, intact_error *err)
{
    size_t changes = 0;
    IT_TRY(it_pass_clone(g, out, err));
    intact_status st = it_pass_learning_run(out, err);
    if (st == INTACT_OK && it_lower_drop_softmax(out)) st = it_graph_infer(out, 1, NULL, err);
    if (st == INTACT_OK) st = it_pass_split_streams(out, wants_low, q, &changes, err);
    if (st == INTACT_OK && changes) st = it_graph_infer(out, 1, NULL, err);
    if (st != INTACT_OK) it_graph_release(out);
    return st;
}

/* ---- the recipe ---- */

static intact_status set_number(it_recipe *r, it_recipe_rule *rule, const char *field, int value, intact_error *err)
{
    char text[16];
    snprintf(text, sizeof text, "%d", value);
    return it_recipe_set(r, rule, field, text, err);
}

static intact_status keep_one(it_recipe *r, const char *name, intact_error *err)
{
    it_recipe_rule *rule = it_recipe_add(r, name, false);
    if (!rule) return it_fail_nomem(err, name, sizeof *rule);
    rule->where = "--keep";
    IT_TRY(set_number(r, rule, "weights.bits", 8, err));
    return set_number(r, rule, "activations.bits", 8, err);
}

static intact_status keep_layers(it_qat *q, intact_error *err)
{
    const char *p = q->o.keep ? q->o.keep : "first,last";
    if (strcmp(p, "none") == 0) return INTACT_OK;
    while (*p) {
        const size_t len = strcspn(p, ",");
        char *name = it_arena_printf(&q->arena, "%.*s", (int)len, p);
        if (!name) return it_fail_nomem(err, "--keep", len);
        if (len) IT_TRY(keep_one(&q->recipe, name, err));
        p += len + (p[len] == ',');
    }
    return INTACT_OK;
}

static intact_status make_recipe(it_qat *q, intact_error *err)
{
    const char *from = q->o.from ? q->o.from : q->method->from;
    IT_TRY(set_number(&q->recipe, NULL, "weights.bits", q->o.weight_bits, err));
    IT_TRY(it_recipe_set(&q->recipe, NULL, "activations.method", strcmp(from, "best-ptq") == 0 ? "auto" : from, err));
    if (q->o.weight_bits < 8) IT_TRY(it_recipe_set(&q->recipe, NULL, "weights.range", "mse", err));
    if (q->o.per_tensor) IT_TRY(it_recipe_set(&q->recipe, NULL, "weights.per", "tensor", err));
    return keep_layers(q, err);
}

/* Names are patterns in recipes. */
static const char *as_pattern(it_arena *a, const char *name)
{
    char *out = it_arena_new(a, 2 * strlen(name) + 1), *to = out;
    for (; out && *name; name++) {
        if (strchr("*?[\\", *name)) *to++ = '\\';
        *to++ = *name;
    }
    return out;
}

static intact_status lower_value(it_qat *q, const it_value *v, intact_error *err)
{
    const char *name = as_pattern(&q->recipe.arena, v->name);
    it_recipe_rule *rule = name ? it_recipe_add(&q->recipe, name, true) : NULL;
    return rule ? set_number(&q->recipe, rule, "activations.bits", q->o.act_bits, err) : it_fail_nomem(err, v->name, sizeof *rule);
}

/* Layers that are not kept, before streams are split. */
static intact_status find_low(it_qat *q, const it_graph *f, intact_error *err)
{
    size_t len = 0, at = 0;
    if (q->o.act_bits == 8) return INTACT_OK;
    for (size_t i = 0; i < f->nodes.len; i++) len += it_ptq_is_mac(f->nodes.items[i]);
    for (size_t i = 0; i < f->nodes.len; i++) {
        const it_node *n = f->nodes.items[i];
        if (!it_ptq_is_mac(n) || it_recipe_input_bits(&q->recipe, n, at++, len)) continue;
        const char *name = it_arena_text(&q->arena, n->name);
        if (!name || !IT_VEC_ROOM(q->alloc, q->low)) return it_fail_nomem(err, n->name, sizeof name);
        q->low.items[q->low.len++] = name;
    }
    return INTACT_OK;
}

/* ---- into the network that is trained ---- */

static it_node *node_named(const it_graph *g, const char *name)
{
    for (size_t i = 0; i < g->nodes.len; i++)
        if (strcmp(g->nodes.items[i]->name, name) == 0) return g->nodes.items[i];
    return NULL;
}

/* Streams are split where they are split in f: the readers of its Requantize are the layers of the same names. */
static bool reads_requantized(void *user, const it_node *n)
{
    const it_node *m = it_ptq_is_mac(n) ? node_named(user, n->name) : NULL;
    return m && m->in[0]->producer && m->in[0]->producer->op == &it_op_requantize;
}

static intact_status split_trained(it_qat *q, it_graph *f, intact_error *err)
{
    size_t changes = 0;
    if (!q->low.len) return INTACT_OK;
    IT_TRY(it_pass_split_streams(q->g, reads_requantized, f, &changes, err));
    return it_graph_infer(q->g, 1, NULL, err);
}

/* ---- quantizers ---- */

static intact_status add_act(it_qat *q, const it_group *gr, intact_error *err)
{
    const it_quant *from = gr->first->q;
    if (!IT_VEC_ROOM(q->alloc, q->acts)) return it_fail_nomem(err, gr->first->name, sizeof *q->acts.items);
    it_qat_act *a = &q->acts.items[q->acts.len++];
    *a = (it_qat_act){ .fixed = gr->fixed, .rounds = from->type == INTACT_U8, .bits = from->bits, .top = from->type == INTACT_U8 ? (1 << from->bits) - 1 : 32767,
                       .zero = from->zero[0], .scale = from->scale[0], .features = it_tensor_len(&gr->first->t) };
    a->name = it_arena_text(&q->arena, gr->first->name);
    it_quant *copy = it_arena_copy(&q->arena, from, sizeof *copy);
    if (!copy || !a->name) return it_fail_nomem(err, gr->first->name, sizeof *copy);
    copy->scale = it_arena_copy(&q->arena, from->scale, sizeof *from->scale);
    copy->zero = it_arena_copy(&q->arena, from->zero, sizeof *from->zero);
    a->from = copy;
    return copy->scale && copy->zero ? INTACT_OK : it_fail_nomem(err, a->name, sizeof *copy->scale);
}

/* Operators that hand codes on give numbers that are rounded already. */
static bool rounded_before(const it_groups *gs, const it_value *v)
{
    const it_node *n = v->producer;
    if (!n || (n->clamp_lo > -INFINITY || n->clamp_hi < INFINITY)) return false;
    if (n->op->quant.out != IT_Q_SAME && n->op->quant.out != IT_Q_SHARED) return false;
    for (int k = 0; k < (n->op->quant.out == IT_Q_SAME ? 1 : n->in_len); k++)
        if (n->in[k] && gs->of[n->in[k]->id] != gs->of[v->id]) return false;
    return true;
}

static intact_status match_values(it_qat *q, const it_ptq *p, intact_error *err)
{
    for (size_t i = 0; i < p->groups.g.len; i++) IT_TRY(add_act(q, &p->groups.g.items[i], err));
    for (size_t i = 0; i < p->g->values.len; i++) {
        const it_value *v = p->g->values.items[i];
        const int group = p->groups.of[i];
        if (group < 0 || !v->q) continue;
        char *name = it_arena_text(&q->arena, v->name);
        if (!name || !IT_VEC_ROOM(q->alloc, q->names)) return it_fail_nomem(err, v->name, sizeof *q->names.items);
        q->names.items[q->names.len++] = (struct it_qat_name){ name, (size_t)group };
        const it_value *own = it_graph_find(q->g, v->name);
        if (own && !own->is_const && !rounded_before(&p->groups, v)) q->act_of[own->id] = group;
    }
    return INTACT_OK;
}

/* The normalization that alone reads the layer's output. */
static const it_node *norm_of(const it_graph *g, const it_node *n)
{
    const it_node *only;
    if (it_graph_uses(g, n->out[0], &only) != 1 || !only || only->op != &it_op_batch_normalization || only->in[0] != n->out[0]) return NULL;
    return only->in[IT_BN_SCALE]->is_const && only->in[IT_BN_VAR]->is_const ? only : NULL;
}

static intact_status add_weight(it_qat *q, const it_node *n, int bits, intact_error *err)
{
    const it_value *v = it_ptq_weight(n);
    if (q->weight_of[v->id] >= 0) { /* of two layers: the wider one decides */
        it_qat_weight *w = &q->weights.items[q->weight_of[v->id]];
        w->bits = bits > w->bits ? bits : w->bits;
        w->top = (1 << (w->bits - 1)) - 1;
        w->norm = NULL;
        return INTACT_OK;
    }
    if (!IT_VEC_ROOM(q->alloc, q->weights)) return it_fail_nomem(err, v->name, sizeof *q->weights.items);
    const int axis = n->op->quant.weight_axis(n);
    const it_weight_view view = it_weight_view_of(&v->t, axis);
    q->weight_of[v->id] = (int)q->weights.len;
    q->weights.items[q->weights.len++] = (it_qat_weight){ .v = v, .axis = axis, .bits = bits, .top = (1 << (bits - 1)) - 1, .channels = view.dim, .inner = view.inner,
                                                          .outer = view.outer, .per_tensor = q->o.per_tensor, .norm = norm_of(q->g, n) };
    return INTACT_OK;
}

static intact_status match_weights(it_qat *q, const it_graph *f, intact_error *err)
{
    for (size_t i = 0; i < f->nodes.len; i++) {
        const it_node *n = f->nodes.items[i], *m = it_ptq_is_mac(n) ? node_named(q->g, n->name) : NULL;
        if (!it_ptq_is_mac(n) || !it_ptq_weight(n)->q) continue;
        if (!m || !it_ptq_is_mac(m))
            return it_fail(err, INTACT_E_UNSUPPORTED, n->name, "is a layer of the folded network only; it cannot be trained with rounded weights");
        IT_TRY(add_weight(q, m, it_ptq_weight(n)->q->bits, err));
    }
    return INTACT_OK;
}

static void know_ranges(void *user, it_groups *gs)
{
    const it_ptq *p = user;
    it_ptq_know_pixels(gs, p->g, p->feed);
}

static intact_status calibrate(it_qat *q, it_graph *f, intact_error *err)
{
    it_ptq p = { .alloc = q->alloc, .g = f, .recipe = &q->recipe, .feed = q->o.feed, .job = q->o.job, .know_ranges = know_ranges, .know_user = &p };
    for (size_t i = 0; i < f->nodes.len; i++)
        if (wants_low(q, f->nodes.items[i])) IT_TRY(lower_value(q, f->nodes.items[i]->in[0], err));
    intact_status st = it_ptq_run(&p, err);
    if (st == INTACT_OK) st = match_values(q, &p, err);
    if (st == INTACT_OK) st = match_weights(q, f, err);
    it_ptq_release(&p);
    return st;
}

intact_status it_qat_probe(it_qat *q, intact_error *err)
{
    it_graph f;
    IT_TRY(make_recipe(q, err));
    IT_TRY(it_qat_fold(q, q->g, &f, err)); /* no layer is low yet: nothing is split */
    intact_status st = it_recipe_check(&q->recipe, &f, err);
    if (st == INTACT_OK) st = find_low(q, &f, err);
    it_graph_release(&f);
    IT_TRY(st);
    IT_TRY(it_qat_fold(q, q->g, &f, err));
    st = split_trained(q, &f, err);
    const size_t len = q->g->values.len;
    q->act_of = it_arena_new(&q->arena, (len + 1) * sizeof *q->act_of);
    q->weight_of = it_arena_new(&q->arena, (len + 1) * sizeof *q->weight_of);
    if (st == INTACT_OK && (!q->act_of || !q->weight_of)) st = it_fail_nomem(err, "training", len * sizeof *q->act_of);
    for (size_t i = 0; st == INTACT_OK && i < len; i++) q->act_of[i] = q->weight_of[i] = -1;
    if (st == INTACT_OK) st = calibrate(q, &f, err);
    it_graph_release(&f);
    return st;
}
