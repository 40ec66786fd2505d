/* SPDX-License-Identifier: Apache-2.0 */
/* report.c: fills the records of a report from a finished quantization. */
#include "api/report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ptq/method.h"
#include "report/report.h"

#define MEASURED_SAMPLES 32

typedef struct filling {
    const it_report_job *j;
    it_arena arena;
    it_report r;
    it_measure *measures; /* [values of the graph] */
} filling;

static double ratio_db(double signal, double noise) { return noise > 0 ? signal > 0 ? 10 * log10(signal / noise) : -INFINITY : signal > 0 ? INFINITY : NAN; }

static double value_db(const filling *f, const it_value *v)
{
    const it_measure *z = &f->measures[v->id];
    return ratio_db(z->signal, z->error);
}

/* ---- histograms ---- */

static void add_bar(it_report_hist *h, double v, uint64_t n)
{
    double at = h->to > h->from ? (v - h->from) / (h->to - h->from) * IT_REPORT_BARS : 0;
    int i = at < 0 ? 0 : at >= IT_REPORT_BARS ? IT_REPORT_BARS - 1 : (int)at;
    h->bar[i] += n;
    h->count += n;
}

static void acts_hist(it_report_hist *to, const it_hist *h)
{
    to->from = (double)h->min;
    to->to = (double)h->max;
    double width = h->count > h->zeros ? ldexp(1, h->k) : 0; /* k is not set while all values are zero */
    for (int i = 0; i < IT_HIST_BINS; i++) {
        if (h->pos[i])
            add_bar(to, (i + 0.5) * width, h->pos[i]);
        if (h->neg[i])
            add_bar(to, -(i + 0.5) * width, h->neg[i]);
    }
}

/* ---- weights ---- */

/* Scales run along q->axis; a code at the end of its range that is off by more than half a step was cut. */
static void weight_noise(it_report_layer *l, const it_value *w)
{
    const it_quant *q = w->q;
    int64_t len = it_tensor_len(&w->t), inner = 1, cut = 0;
    int least = -(1 << (q->bits - 1)), most = -least - 1;
    double signal = 0, noise = 0;
    for (int i = q->axis + 1; q->axis >= 0 && i < w->t.rank; i++)
        inner *= w->t.dim[i];
    for (int64_t i = 0; i < len; i++) {
        int64_t c = q->axis < 0 ? 0 : i / inner % q->len;
        double x = it_tensor_get(&w->t, i), scale = (double)q->scale[c], e = x - scale * (q->codes[i] - q->zero[c]);
        signal += x * x;
        noise += e * e;
        cut += (q->codes[i] <= least + (q->zero[c] == 0) || q->codes[i] >= most) && fabs(e) > 0.501 * scale;
        l->weights.from = i ? fmin(l->weights.from, x) : x;
        l->weights.to = i ? fmax(l->weights.to, x) : x;
    }
    for (int64_t i = 0; i < len; i++)
        add_bar(&l->weights, it_tensor_get(&w->t, i), 1);
    l->weight_db = ratio_db(signal, noise);
    l->weight_clipped = len ? (double)cut / (double)len : 0;
}

static intact_status fill_weights(filling *f, it_report_layer *l, const it_node *n, size_t i, size_t len, intact_error *err)
{
    const it_value *w = it_ptq_weight(n);
    if (!w->q || !w->q->codes || !w->t.data || w->q->len < 1)
        return INTACT_OK;
    it_weight_plan p = it_recipe_weights(f->j->recipe, n, i, len);
    const char *grain = w->q->axis < 0 ? "per tensor" : p.grain == IT_PER_GROUP && !w->q->given ? "per group" : "per channel";
    if (w->q->given)
        l->weight_how = it_arena_printf(&f->arena, "%s, as the network came", grain);
    else
        l->weight_how = it_arena_printf(&f->arena, "%s, %s, range %s, rounded %s", grain, p.affine ? "affine" : "symmetric", p.range->name, p.rounding->name);
    l->weight_bits = w->q->bits;
    weight_noise(l, w);
    return l->weight_how ? INTACT_OK : it_fail_nomem(err, "report", 64);
}

/* ---- values ---- */

static const char *acts_how(filling *f, const it_value *v, const it_group *gr)
{
    const char *kind = v->q->type == INTACT_S16 || (gr && gr->plan.symmetric) ? "symmetric" : "affine";
    char method[40];
    if (v->q->given)
        return "as the network came";
    if (!gr || gr->fixed)
        return kind;
    if (gr->plan.given)
        return it_arena_printf(&f->arena, "%s, range given%s%s", kind, v->q->levels ? ", levels " : "", v->q->levels ? gr->plan.levels->name : "");
    if (!gr->plan.calib)
        return kind;
    it_calib_print(gr->plan.calib, gr->plan.parameter, method);
    return it_arena_printf(&f->arena, "%s, %s%s%s", kind, v->q->type == INTACT_S16 ? "max" : method, v->q->levels ? ", levels " : "",
                           v->q->levels ? gr->plan.levels->name : "");
}

static intact_status fill_value(filling *f, it_report_layer *l, const it_value *v, intact_error *err)
{
    const it_groups *gs = &f->j->ptq->groups;
    int at = gs->of && (size_t)v->id < gs->of_len ? gs->of[v->id] : -1;
    const it_group *gr = at >= 0 ? &gs->g.items[at] : NULL;
    const it_quant *q = v->q;
    const it_measure *z = &f->measures[v->id];
    l->value = v->name;
    l->bits = q->type == INTACT_S16 ? 16 : q->bits;
    l->how = acts_how(f, v, gr);
    l->scale = (double)q->scale[0];
    l->zero_point = q->zero[0];
    l->lo = l->scale * ((q->type == INTACT_S16 ? -32767 : 0) - l->zero_point);
    l->hi = l->scale * ((q->type == INTACT_S16 ? 32767 : (1 << q->bits) - 1) - l->zero_point);
    l->min = l->max = l->clipped = NAN;
    l->known = !q->given && (!gr || gr->fixed);
    if (gr && gr->hist && gr->hist->count) {
        l->min = (double)gr->hist->min;
        l->max = (double)gr->hist->max;
        l->clipped = (double)gr->clipped / (double)gr->hist->count;
        acts_hist(&l->acts, gr->hist);
        l->acts.lo = l->lo;
        l->acts.hi = l->hi;
    }
    l->db = value_db(f, v);
    l->own_db = ratio_db(z->signal, z->own);
    l->own_clip = z->own > 0 ? z->clip / z->own : 0;
    return l->how ? INTACT_OK : it_fail_nomem(err, "report", 64);
}

static double worst_input(const filling *f, const it_node *n)
{
    double worst = NAN;
    for (int k = 0; k < n->in_len; k++)
        if (n->in[k] && !n->in[k]->is_const && n->in[k]->q)
            worst = fmin(worst, value_db(f, n->in[k])); /* fmin passes over NAN */
    return worst;
}

/* Layers that make new numbers; those that hand on their input's codes have nothing of their own to say. */
static bool is_layer(const it_node *n)
{
    return n->out_len > 0 && n->out[0] && n->out[0]->q && !n->out[0]->is_const && n->op->quant.out != IT_Q_SAME && !n->op->view;
}

static intact_status fill_layers(filling *f, intact_error *err)
{
    const it_graph *g = f->j->g;
    size_t len = 0, macs = 0, mac = 0;
    for (size_t i = 0; i < g->nodes.len; i++) {
        len += is_layer(g->nodes.items[i]);
        macs += it_ptq_is_mac(g->nodes.items[i]);
    }
    f->r.layers = it_arena_new(&f->arena, (len + g->inputs.len) * sizeof *f->r.layers);
    if (!f->r.layers)
        return it_fail_nomem(err, "report", (len + g->inputs.len) * sizeof *f->r.layers);
    for (size_t i = 0; i < g->inputs.len; i++) {
        it_report_layer *l = &f->r.layers[f->r.layers_len];
        if (!g->inputs.items[i]->q)
            continue;
        *l = (it_report_layer){.name = g->inputs.items[i]->name, .op = "input", .weight_db = NAN, .input_db = NAN};
        IT_TRY(fill_value(f, l, g->inputs.items[i], err));
        f->r.layers_len++;
    }
    for (size_t i = 0; i < g->nodes.len; i++) {
        const it_node *n = g->nodes.items[i];
        size_t at = mac;
        mac += it_ptq_is_mac(n);
        if (!is_layer(n))
            continue;
        it_report_layer *l = &f->r.layers[f->r.layers_len++];
        *l = (it_report_layer){.name = n->name, .op = n->op->onnx ? n->op->onnx : n->op->name, .weight_db = NAN, .input_db = worst_input(f, n)};
        if (it_ptq_is_mac(n))
            IT_TRY(fill_weights(f, l, n, at, macs, err));
        IT_TRY(fill_value(f, l, n->out[0], err));
    }
    if (g->outputs.len)
        f->r.output_db = value_db(f, g->outputs.items[0]);
    return INTACT_OK;
}

/* ---- what was done ---- */

static intact_status say(filling *f, const char *text, intact_error *err)
{
    if (!text)
        return it_fail_nomem(err, "report", 64);
    if (f->r.done_len < IT_LEN(f->r.done))
        f->r.done[f->r.done_len++] = text;
    return INTACT_OK;
}

static const char *weights_text(it_arena *a, const it_weight_plan *p)
{
    const char *grain = p->grain == IT_PER_CHANNEL  ? "one scale per output channel"
                        : p->grain == IT_PER_TENSOR ? "one scale per layer"
                                                    : it_arena_printf(a, "scales for groups of %d inputs", p->group_len);
    return grain ? it_arena_printf(a, "Weights: %d bits, %s, %s; range by %s, rounded by %s.", p->bits, grain, p->affine ? "affine" : "symmetric",
                                   p->range->name, p->rounding->name)
                 : NULL;
}

static const char *acts_text(it_arena *a, const it_act_plan *p)
{
    char method[64];
    if (p->calib)
        it_calib_print(p->calib, p->parameter, method);
    else
        snprintf(method, sizeof method, "measuring");
    return it_arena_printf(a, "Activations: %d bits, %s, %s; ranges by %s. The answer has 16 bits.", p->bits, p->symmetric ? "symmetric" : "affine",
                           p->levels ? it_arena_printf(a, "levels by %s", p->levels->name) : "levels evenly spaced", method);
}

static intact_status fill_done(filling *f, intact_error *err)
{
    const it_report_job *j = f->j;
    const it_recipe *r = j->recipe;
    it_arena *a = &f->arena;
    if (j->out->given)
        IT_TRY(say(f,
                   it_arena_printf(a, "The network came quantized: the parameters of %llu weights and values are its own.", (unsigned long long)j->out->given),
                   err));
    if (j->out->samples)
        IT_TRY(say(f,
                   it_arena_printf(a, "Calibrated on %llu samples of %s, seed %llu.", (unsigned long long)j->out->samples, j->o->calib.path,
                                   (unsigned long long)r->seed),
                   err));
    if (j->out->samples || !j->out->given) {
        for (size_t i = 0; r->methods[i]; i++)
            IT_TRY(say(f, it_arena_printf(a, "Method %s: %s.", r->methods[i]->name, r->methods[i]->summary), err));
        IT_TRY(say(f, weights_text(a, &r->plans.weights), err));
        IT_TRY(say(f, acts_text(a, &r->plans.acts), err));
    }
    if (r->rules.len)
        IT_TRY(say(f, it_arena_printf(a, "%zu rules for layers and values by name say otherwise for those: see the recipe.", r->rules.len), err));
    if (!j->feed->arrays) {
        char pre[256];
        it_preprocess_print(&j->feed->pre, pre, sizeof pre);
        f->r.preprocess = it_arena_text(a, pre);
        IT_TRY(say(f, it_arena_printf(a, "Images are prepared by %s; the program takes their pixels.", pre), err));
    }
    char *recipe = it_recipe_print(r);
    f->r.recipe = recipe ? it_arena_text(a, recipe) : NULL;
    free(recipe);
    return f->r.recipe ? INTACT_OK : it_fail_nomem(err, "report", 256);
}

static intact_status fill_notes(filling *f, intact_error *err)
{
    const it_groups *gs = &f->j->ptq->groups;
    const it_ptq *p = f->j->ptq;
    const it_lower *lw = f->j->lower;
    size_t len = gs->notes.len + p->notes.len + lw->notes.len;
    it_report_note *to = f->r.notes = it_arena_new(&f->arena, (len + 1) * sizeof *to);
    if (!to)
        return it_fail_nomem(err, "report", len * sizeof *to);
    f->r.notes_len = len;
    for (size_t i = 0; i < gs->notes.len; i++)
        *to++ = (it_report_note){gs->notes.items[i].layer, gs->notes.items[i].text};
    for (size_t i = 0; i < p->notes.len; i++)
        *to++ = (it_report_note){p->notes.items[i].layer, p->notes.items[i].text};
    for (size_t i = 0; i < lw->notes.len; i++)
        *to++ = (it_report_note){lw->notes.items[i].layer, lw->notes.items[i].text};
    return INTACT_OK;
}

/* ---- accuracy: the written program against the file it came from ---- */

static intact_status fill_eval(filling *f, intact_error *err)
{
    const it_report_job *j = f->j;
    intact_model *a = NULL, *b = NULL;
    intact_compare_result c = {0};
    if (!j->o->eval.path)
        return INTACT_OK;
    intact_status st = intact_model_open(j->c, j->model_path, INTACT_CPU_AUTO, &a, err);
    if (st == INTACT_OK)
        st = intact_model_open(j->c, j->o->output, INTACT_CPU_AUTO, &b, err);
    if (st == INTACT_OK)
        st = intact_compare(j->c, a, b, &j->o->eval, 0, &c, err);
    if (st == INTACT_OK) {
        f->r.eval = (it_report_eval){.measured = true,
                                     .data = j->o->eval.path,
                                     .n = c.n,
                                     .labelled = c.labelled,
                                     .only_float = c.only_a,
                                     .only_integer = c.only_b,
                                     .agreement = c.agreement,
                                     .top1_float = c.top1_a,
                                     .top1_integer = c.top1_b,
                                     .top5_float = c.top5_a,
                                     .top5_integer = c.top5_b,
                                     .loss = c.loss,
                                     .loss_error = c.loss_standard_error,
                                     .db = c.output_sqnr_db};
        intact_compare_result_release(j->c, &c);
    }
    intact_model_free(b);
    intact_model_free(a);
    return st;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static intact_status fill(filling *f, intact_error *err)
{
    const it_report_job *j = f->j;
    f->measures = it_arena_new(&f->arena, (j->g->values.len + 1) * sizeof *f->measures);
    if (!f->measures)
        return it_fail_nomem(err, "report", j->g->values.len * sizeof *f->measures);
    f->r = (it_report){.network = base_name(j->model_path),
                       .output = base_name(j->o->output),
                       .network_sha = j->model_sha,
                       .calib_sha = j->calib_sha,
                       .network_bytes = j->g->file_bytes,
                       .file_bytes = j->out->file_bytes,
                       .peak_bytes = j->out->peak_bytes,
                       .samples = j->out->samples,
                       .skipped = j->out->skipped,
                       .output_db = NAN};
    it_job job = it_api_job(j->c);
    if (j->feed->len)
        IT_TRY(it_api_measure(j->g, j->feed, &job, j->c->alloc, MEASURED_SAMPLES, f->measures, &f->r.measured_samples, err));
    IT_TRY(fill_layers(f, err));
    IT_TRY(fill_done(f, err));
    IT_TRY(fill_notes(f, err));
    IT_TRY(fill_eval(f, err));
    if (j->hooks && j->hooks->enrich)
        j->hooks->enrich(j->hooks->user, &f->r);
    return it_report_advise(&f->r, &f->arena, err);
}

intact_status it_api_report(const it_report_job *j, intact_error *err)
{
    filling f = {.j = j};
    it_arena_init(&f.arena, j->c->alloc);
    intact_status st = fill(&f, err);
    if (st == INTACT_OK && j->o->report)
        st = it_report_write_html(&f.r, j->o->report, j->c->alloc, err);
    if (st == INTACT_OK && j->o->report_json)
        st = it_report_write_json(&f.r, j->o->report_json, j->c->alloc, err);
    it_arena_release(&f.arena);
    return st;
}
