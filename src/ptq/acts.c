/* SPDX-License-Identifier: Apache-2.0 */
/* acts.c: ranges become scales and zero points of activations. Nothing downstream asks who wrote them. */
#include <math.h>
#include <string.h>

#include "ptq/method.h"

/* Krishnamoorthi 2018, section 2: the range holds 0, and 0 is a code. levels = 2^bits - 1. */
static void affine_u8(it_range r, int bits, bool symmetric, float *scale, int32_t *zero)
{
    int levels = (1 << bits) - 1;
    double lo = r.lo < 0 ? r.lo : 0, hi = r.hi > 0 ? r.hi : 0;
    if (symmetric && lo < 0) {
        double alpha = -lo > hi ? -lo : hi;
        int half = (levels - 1) / 2; /* 127 of 8 bits */
        *scale = (float)(alpha / half);
        *zero = half + 1;
    } else {
        *scale = (float)((hi - lo) / levels);
        *zero = *scale > 0 ? (int32_t)floor(-lo / *scale + 0.5) : 0;
    }
    if (!(*scale > 0)) /* a value that never leaves zero, or so small that a float cannot hold its step */
        *scale = 1.0f / (float)levels, *zero = 0;
    if (*zero > levels)
        *zero = levels;
}

/* Values below lo or above hi, by whole bins: what the report calls clipped. */
static uint64_t count_clipped(const it_hist *h, it_range r)
{
    uint64_t n = 0;
    if (h->count == 0 || (h->min == 0 && h->max == 0))
        return 0;
    double width = ldexp(1.0, h->k);
    for (int i = 0; i < IT_HIST_BINS; i++) {
        if (i * width >= r.hi && r.hi < h->max)
            n += h->pos[i];
        if (-i * width <= r.lo && r.lo > h->min)
            n += h->neg[i];
    }
    return n;
}

/* Its levels are to be fitted: then its codes are those of 8 bits. */
static bool is_fitted(const it_group *gr)
{
    return gr->plan.levels && gr->type == INTACT_U8 && !gr->fixed && gr->plan.bits >= 2 && gr->plan.bits <= 4;
}

static int grid_bits(const it_group *gr) { return gr->type == INTACT_S16 ? 16 : is_fitted(gr) ? 8 : gr->plan.bits; }

static void fit_levels(it_group *gr)
{
    it_code_stats stats[256];
    float scale;
    int32_t zero;
    gr->levels_len = 0;
    if (!is_fitted(gr) || !gr->hist)
        return;
    affine_u8(gr->range, 8, gr->plan.symmetric, &scale, &zero);
    it_code_stats_of(gr->hist, scale, zero, 255, stats);
    gr->levels_len = gr->plan.levels->fit(stats, 1 << gr->plan.bits, gr->levels);
}

static intact_status group_range(it_group *gr, intact_error *err)
{
    const it_act_plan *o = &gr->plan;
    if (o->given) {
        gr->range = o->range;
        gr->clipped = gr->hist ? count_clipped(gr->hist, gr->range) : 0;
    } else if (!gr->fixed) {
        if (!gr->hist && o->bits == IT_FLOAT_BITS)
            return INTACT_OK; /* no data, and none needed */
        if (!gr->hist || gr->hist->count == 0)
            return it_fail(err, INTACT_E_DATA, gr->first->name, "calibration never reached this value");
        it_calib_args a = { .bits = grid_bits(gr), .symmetric = o->symmetric, .percentile = o->parameter };
        gr->range = gr->type == INTACT_S16 || o->bits == IT_FLOAT_BITS ? it_calib_max.range(gr->hist, &a) : o->calib->range(gr->hist, &a);
        gr->clipped = count_clipped(gr->hist, gr->range);
    }
    if (!isfinite(gr->range.lo) || !isfinite(gr->range.hi))
        return it_fail(err, INTACT_E_DATA, gr->first->name, "its range is %g..%g; finite numbers are needed", (double)gr->range.lo, (double)gr->range.hi);
    fit_levels(gr);
    return INTACT_OK;
}

/* ---- plans ---- */

/* What rules say of a group. */
typedef struct said {
    int bits, input_bits;     /* by name, and as the input of a layer; 0: nothing */
    const char *method, *levels; /* the rule that names it without a pattern and sets this; NULL: none */
} said;

/* Rules in their order; one may name any member of a group, so the last that names one wins. */
static intact_status plan_by_name(it_groups *gs, const it_graph *g, const it_recipe *r, said *by, intact_error *err)
{
    for (size_t i = 0; i < gs->g.len; i++)
        gs->g.items[i].plan = r->plans.acts;
    for (size_t k = 0; k < r->rules.len; k++) {
        const it_recipe_rule *rule = &r->rules.items[k];
        bool exact = strpbrk(rule->name, "*?[") == NULL, acts = !rule->of_value;
        for (size_t i = 0; rule->of_value && i < g->values.len; i++) {
            const it_value *v = g->values.items[i];
            if (v->id >= (int)gs->of_len || gs->of[v->id] < 0 || !it_recipe_names_value(rule, v->name))
                continue;
            it_group *gr = &gs->g.items[gs->of[v->id]];
            said *s = &by[gs->of[v->id]];
            it_recipe_apply_acts(rule, &gr->plan);
            s->bits = it_recipe_sets(rule, "activations.bits") ? gr->plan.bits : s->bits;
            s->method = exact && it_recipe_sets(rule, "activations.method") ? rule->name : s->method;
            s->levels = exact && it_recipe_sets(rule, "activations.levels") ? rule->name : s->levels;
            acts = true;
        }
        if (!acts && it_groups_note(gs, rule->name, "a rule names it, and nothing of that name has codes: the rule changes nothing") != INTACT_OK)
            return it_fail_nomem(err, rule->name, sizeof(it_ptq_note));
    }
    return INTACT_OK;
}

/* A value that several layers read has the most bits that one of them is to have, and no fewer than its name is given. */
static intact_status plan_by_layer(it_groups *gs, const it_graph *g, const it_recipe *r, said *by, intact_error *err)
{
    size_t len = 0, at = 0;
    for (size_t i = 0; i < g->nodes.len; i++)
        len += it_ptq_is_mac(g->nodes.items[i]);
    for (size_t i = 0; i < g->nodes.len; i++) {
        const it_node *n = g->nodes.items[i];
        if (!it_ptq_is_mac(n))
            continue;
        int bits = it_recipe_input_bits(r, n, at++, len), k = gs->of[n->in[0]->id];
        if (k >= 0 && bits > by[k].input_bits)
            by[k].input_bits = bits;
    }
    for (size_t k = 0; k < gs->g.len; k++) {
        it_group *gr = &gs->g.items[k];
        if (by[k].input_bits <= by[k].bits)
            continue;
        int has = by[k].input_bits;
        if (by[k].bits && it_groups_note(gs, gr->first->name, "%d bits were asked for, and %d for the input of a layer that reads it: it has %d", by[k].bits, has,
                                         has) != INTACT_OK)
            return it_fail_nomem(err, gr->first->name, sizeof(it_ptq_note));
        gr->plan.bits = has;
    }
    return INTACT_OK;
}

/* What the network reads and answers has 8 bits at least; a note where a rule says otherwise. */
static intact_status keep_borders(it_groups *gs, const it_graph *g, said *by, intact_error *err)
{
    for (size_t i = 0; i < g->inputs.len + g->outputs.len; i++) {
        const it_value *v = i < g->inputs.len ? g->inputs.items[i] : g->outputs.items[i - g->inputs.len];
        int k = gs->of[v->id];
        if (k < 0 || gs->g.items[k].plan.bits >= 8)
            continue;
        int bits = gs->g.items[k].plan.bits;
        if (by[k].bits && it_groups_note(gs, v->name, "%d bits were asked for; what a network reads and answers has 8 at least", bits) != INTACT_OK)
            return it_fail_nomem(err, v->name, sizeof(it_ptq_note));
        gs->g.items[k].plan.bits = 8;
    }
    return INTACT_OK;
}

/* 8 bits or 16: what a rule asks for, where the operators can. */
static bool choose_type(it_groups *gs, const it_graph *g, int k, const said *by)
{
    it_group *gr = &gs->g.items[k];
    if (gr->plan.bits == 16 && gr->type == INTACT_U8) {
        if (it_groups_can_s16(gs, g, k)) {
            gr->type = INTACT_S16;
            return true;
        }
        gr->plan.bits = 8;
        return it_groups_note(gs, gr->first->name, "16 bits were asked for; an operator that writes or reads it takes 8 only") == INTACT_OK;
    }
    if (gr->type == INTACT_S16 && by->bits && by->bits <= 8) {
        if (it_groups_can_u8(gs, g, k))
            gr->type = INTACT_U8;
        else
            return it_groups_note(gs, gr->first->name, "%d bits were asked for; an operator that writes or reads it takes 16 only", by->bits) == INTACT_OK;
    }
    return true;
}

/* Rules that name a value for which they have no meaning. */
static bool tell_unheard(it_groups *gs, const it_group *gr, const said *by)
{
    bool wide = gr->type == INTACT_S16, known = gr->fixed && !gr->plan.given;
    const char *why = gr->plan.given ? "a rule gives the range" : known ? "the range is known without data" : wide ? "16 bits hold all that calibration sees" : NULL;
    if (by->method && why && it_groups_note(gs, by->method, "activations.method changes nothing here: %s", why) != INTACT_OK)
        return false;
    return !by->levels || !gr->plan.levels || (!wide && !known && gr->plan.bits <= 4) ||
           it_groups_note(gs, by->levels, "activations.levels changes nothing here: %s", known ? "the range is known without data, and even levels serve it"
                                                                                                 : "with 8 bits and more a value has all codes") == INTACT_OK;
}

static intact_status plan_all(it_groups *gs, const it_graph *g, const it_recipe *r, said *by, intact_error *err)
{
    IT_TRY(plan_by_name(gs, g, r, by, err));
    IT_TRY(plan_by_layer(gs, g, r, by, err));
    IT_TRY(keep_borders(gs, g, by, err));
    for (size_t i = 0; i < gs->g.len; i++) {
        const it_group *gr = &gs->g.items[i];
        if (gr->plan.levels && gr->plan.bits > 4 && gr->plan.bits < 8)
            return it_fail(err, INTACT_E_ARG, gr->first->name, "activations.levels is %s with %d bits; fitted levels are 4, 8 or 16: 2, 3 or 4 bits",
                           gr->plan.levels->name, gr->plan.bits);
        if (!choose_type(gs, g, (int)i, &by[i]) || !tell_unheard(gs, gr, &by[i]))
            return it_fail_nomem(err, gr->first->name, sizeof(it_ptq_note));
    }
    return INTACT_OK;
}

intact_status it_ptq_plan_acts(it_groups *gs, const it_graph *g, const it_recipe *r, intact_error *err)
{
    size_t bytes = gs->g.len * sizeof(said);
    said *by = it_alloc_zero(gs->alloc, bytes);
    intact_status st = by ? plan_all(gs, g, r, by, err) : it_fail_nomem(err, "recipe", bytes);
    it_alloc_free(gs->alloc, by, bytes);
    return st;
}

/* Fitted levels need a histogram, ranges that nobody gives too. */
intact_status it_ptq_check_given(const it_groups *gs, intact_error *err)
{
    for (size_t i = 0; i < gs->g.len; i++) {
        const it_group *gr = &gs->g.items[i];
        if (gr->plan.bits == IT_FLOAT_BITS || (gr->first->q && gr->first->q->given))
            continue;
        if (!gr->fixed && !gr->plan.given)
            return it_fail(err, INTACT_E_ARG, gr->first->name, "is the first value without a range, and there are no calibration data; --calib DATA measures it, "
                           "or {\"name\": ..., \"activations\": {\"range\": [lo, hi]}} among the recipe's values says it");
        if (is_fitted(gr))
            return it_fail(err, INTACT_E_ARG, gr->first->name, "its levels (%s) are fitted to calibration data, and there are none; --calib DATA gives some",
                           gr->plan.levels->name);
    }
    return INTACT_OK;
}

/* ---- parameters ---- */

static it_quant *quant_new(it_graph *g, const it_group *gr)
{
    it_quant *q = it_arena_new(&g->arena, sizeof *q);
    if (!q)
        return NULL;
    *q = (it_quant){ .type = gr->type, .bits = grid_bits(gr), .axis = -1, .len = 1 };
    q->scale = it_arena_new(&g->arena, sizeof *q->scale);
    q->zero = it_arena_new(&g->arena, sizeof *q->zero);
    if (gr->levels_len) {
        q->levels = it_arena_copy(&g->arena, gr->levels, (size_t)gr->levels_len);
        q->levels_len = gr->levels_len;
    }
    return q->scale && q->zero && (q->levels || !gr->levels_len) ? q : NULL;
}

static intact_status assign_value(it_graph *g, const it_group *gr, it_value *v, intact_error *err)
{
    if (v->q && v->q->given)
        return INTACT_OK;
    if (gr->plan.bits == IT_FLOAT_BITS) {
        v->q = NULL;
        return INTACT_OK;
    }
    v->q = quant_new(g, gr);
    if (!v->q)
        return it_fail_nomem(err, v->name, sizeof *v->q);
    if (gr->type == INTACT_S16) {
        /* Answers beyond the calibration set's largest must not saturate; of 15 bits one can be spared. A known range needs no room. */
        double top = (gr->fixed || gr->plan.given ? 1 : 2) * fmax(-(double)gr->range.lo, (double)gr->range.hi); /* twice a float need not be one */
        float scale = (float)(top / 32767);
        v->q->scale[0] = scale > 0 ? scale : 1.0f / 32767; /* a value that never leaves zero */
    } else {
        affine_u8(gr->range, grid_bits(gr), gr->plan.symmetric, &v->q->scale[0], &v->q->zero[0]);
    }
    return INTACT_OK;
}

static intact_status assign(it_groups *gs, it_graph *g, int only, intact_error *err)
{
    for (size_t i = 0; i < gs->g.len; i++)
        if (only < 0 || only == (int)i)
            IT_TRY(group_range(&gs->g.items[i], err));
    for (size_t i = 0; i < g->values.len; i++) {
        it_value *v = g->values.items[i];
        int k = v->id < (int)gs->of_len ? gs->of[v->id] : -1;
        if (k >= 0 && (only < 0 || only == k))
            IT_TRY(assign_value(g, &gs->g.items[k], v, err));
    }
    return INTACT_OK;
}

intact_status it_ptq_assign_acts(it_groups *gs, it_graph *g, intact_error *err) { return assign(gs, g, -1, err); }

intact_status it_ptq_assign_group(it_groups *gs, it_graph *g, int group, intact_error *err) { return assign(gs, g, group, err); }
