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

/* A rule may name any member of a group; the last one that says something wins. */
static void plan_by_name(it_groups *gs, const it_graph *g, const it_recipe *r)
{
    for (size_t i = 0; i < gs->g.len; i++)
        gs->g.items[i].plan = r->plans.acts;
    for (size_t i = 0; i < g->values.len; i++) {
        const it_value *v = g->values.items[i];
        if (v->id >= (int)gs->of_len || gs->of[v->id] < 0)
            continue;
        it_act_plan p = it_recipe_acts(r, v->name);
        if (memcmp(&p, &r->plans.acts, sizeof p) != 0)
            gs->g.items[gs->of[v->id]].plan = p;
    }
}

/* Bits by layers come after those by name: a group read by a layer that is kept, or an input or output of the network, has them. */
static void plan_by_layer(it_groups *gs, const it_graph *g, const it_recipe *r)
{
    size_t len = 0, at = 0;
    for (size_t i = 0; i < g->nodes.len; i++)
        len += it_ptq_is_mac(g->nodes.items[i]);
    for (size_t i = 0; i < g->nodes.len; i++) {
        const it_node *n = g->nodes.items[i];
        if (!it_ptq_is_mac(n))
            continue;
        int bits = it_recipe_input_bits(r, n, at++, len), k = gs->of[n->in[0]->id];
        if (bits && k >= 0 && (bits > gs->g.items[k].plan.bits || gs->g.items[k].plan.bits == r->plans.acts.bits))
            gs->g.items[k].plan.bits = bits;
    }
    for (size_t i = 0; i < g->inputs.len + g->outputs.len; i++) {
        const it_value *v = i < g->inputs.len ? g->inputs.items[i] : g->outputs.items[i - g->inputs.len];
        if (gs->of[v->id] >= 0 && gs->g.items[gs->of[v->id]].plan.bits < 8)
            gs->g.items[gs->of[v->id]].plan.bits = 8;
    }
}

intact_status it_ptq_plan_acts(it_groups *gs, const it_graph *g, const it_recipe *r, intact_error *err)
{
    plan_by_name(gs, g, r);
    plan_by_layer(gs, g, r);
    for (size_t i = 0; i < gs->g.len; i++) {
        it_group *gr = &gs->g.items[i];
        if (gr->plan.levels && gr->plan.bits > 4 && gr->plan.bits < 8)
            return it_fail(err, INTACT_E_ARG, gr->first->name, "activations.levels is %s with %d bits; fitted levels are 4, 8 or 16: 2, 3 or 4 bits",
                           gr->plan.levels->name, gr->plan.bits);
        if (gr->plan.bits != 16)
            continue;
        if (!it_groups_can_s16(gs, g, (int)i)) {
            gr->plan.bits = 8;
            if (it_groups_note(gs, gr->first->name, "16 bits were asked for; an operator that writes or reads it takes 8 only") != INTACT_OK)
                return it_fail_nomem(err, gr->first->name, sizeof(it_ptq_note));
            continue;
        }
        gr->type = INTACT_S16;
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
        float top = (gr->fixed || gr->plan.given ? 1 : 2) * fmaxf(fabsf(gr->range.lo), fabsf(gr->range.hi));
        v->q->scale[0] = top / 32767 > 0 && isfinite(top) ? top / 32767 : 1.0f / 32767;
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
