/* SPDX-License-Identifier: Apache-2.0 */
/* causes.c: why a part of a network is sensitive, read off its histogram and its weights, and what a recipe can do about it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/pattern.h"
#include "ptq/method.h"
#include "ptq/sensitivity.h"

#define CLIPPED_MUCH 1e-3  /* of a value's numbers */
#define STRETCHED 8.0      /* range against where 99.9 % of the numbers are, and largest channel against the middle one */

/* The largest weight; sums are of the weights in steps of their scale: codes less their zero point, as the accumulator gets them. */
static float peak(const it_weight_view *v, const it_quant *q, int64_t c, int64_t *sum, uint64_t *magnitudes)
{
    const int zero = q->zero[q->axis < 0 ? 0 : c];
    float m = 0;
    *sum = 0;
    *magnitudes = 0;
    for (int64_t i = 0; i < v->outer; i++)
        for (int64_t k = 0; k < v->inner; k++) {
            int64_t at = (i * v->dim + c) * v->inner + k;
            m = fmaxf(m, fabsf(v->w[at]));
            *sum += q->codes[at] - zero;
            *magnitudes += (uint64_t)abs(q->codes[at] - zero);
        }
    return m;
}

static int by_size(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return x < y ? -1 : x > y;
}

typedef struct weight_facts { int64_t channels, lost, outlier; double ratio, bias_share, headroom; } weight_facts;

/* lost: channels with weights, but without a code other than 0. headroom: bits of a 32-bit accumulator that the worst channel leaves free;
** bias_share: of the accumulator, by the largest bias. */
static bool look_at_weights(const it_ptq *p, const it_node *n, weight_facts *f)
{
    const it_value *v = it_ptq_weight(n), *b = it_ptq_bias(n), *x = n->in[0];
    const it_quant *q = v->q;
    it_weight_view view = it_weight_view_of(&v->t, n->op->quant.weight_axis(n));
    float *peaks = it_alloc_new(p->alloc, 2 * (size_t)view.dim * sizeof *peaks), *sorted = peaks + view.dim;
    if (!peaks)
        return false;
    *f = (weight_facts){ .channels = view.dim, .headroom = 31 };
    for (int64_t c = 0; c < view.dim; c++) {
        int64_t sum;
        uint64_t magnitudes;
        peaks[c] = sorted[c] = peak(&view, q, c, &sum, &magnitudes);
        double unit = (x->q ? x->q->scale[0] : 1.0) * (double)q->scale[q->axis < 0 ? 0 : c];
        double top = x->q && x->q->type == INTACT_S16 ? 32768 : 255;
        double bias = b && b->is_const && x->q ? fabs(it_tensor_get(&b->t, it_tensor_len(&b->t) == 1 ? 0 : c)) / unit : 0;
        double moved = x->q ? fabs((double)x->q->zero[0] * (double)sum) : 0;
        double free_bits = 31 - log2(top * (double)magnitudes + bias + moved + 1);
        f->lost += magnitudes == 0 && peaks[c] > 0;
        f->bias_share = fmax(f->bias_share, bias / 0x1p31);
        f->headroom = fmin(f->headroom, free_bits);
        if (peaks[c] > peaks[f->outlier])
            f->outlier = c;
    }
    qsort(sorted, (size_t)view.dim, sizeof *sorted, by_size);
    float middle = sorted[view.dim / 2];
    if (q->axis >= 0)
        f->lost = 0; /* scales of their own: nothing beside the others that could show (see it_ptq_spread_scales) */
    f->ratio = middle > 0 ? (double)peaks[f->outlier] / middle : 1;
    it_alloc_free(p->alloc, peaks, 2 * (size_t)view.dim * sizeof *peaks);
    return true;
}

/* ---- remedies: what the recipe does not say already ---- */

static const char *of_layer(it_arena *a, const it_sense_row *r, const char *what)
{
    const char *name = it_arena_pattern(a, r->name);
    return name ? it_arena_printf(a, "{\"name\": %s, \"weights\": {%s}}", name, what) : NULL;
}

static const char *of_value(it_arena *a, const it_sense_row *r, const char *what)
{
    const char *name = it_arena_pattern(a, r->value);
    return name ? it_arena_printf(a, "{\"name\": %s, \"activations\": {%s}}", name, what) : NULL;
}

static const char *finer_weights(const it_sense_row *r, it_arena *a)
{
    const it_quant *q = it_ptq_weight(r->node)->q;
    if (q->given)
        return "";
    return of_layer(a, r, q->bits < 8 ? "\"round\": \"adaround\", \"range\": \"mse\"" : "\"round\": \"adaround\"");
}

static const char *all_layers(const it_ptq *p, const it_sense_row *r, it_arena *a)
{
    for (size_t i = 0; p->recipe->methods[i]; i++)
        if (strcmp(p->recipe->methods[i]->name, "equalize") == 0)
            return finer_weights(r, a);
    return "\"methods\": [\"equalize\", \"bias\"]";
}

/* Finer codes of a value; with 8 bits and the default calibrator nothing but 16 bits makes them finer. */
static const char *finer_value(const it_sense_row *r, const it_group *gr, it_arena *a)
{
    const it_quant *q = gr->first->q;
    if (!q || q->given || gr->type == INTACT_S16)
        return "";
    if (q->bits < 8)
        return of_value(a, r, "\"bits\": 8");
    if (r->takes_s16)
        return of_value(a, r, "\"bits\": 16");
    return gr->fixed || gr->plan.given || !gr->plan.calib || strcmp(gr->plan.calib->name, "mse") == 0 ? "" : of_value(a, r, "\"method\": \"mse\"");
}

/* A wider range: a given one stands above every calibrator. */
static const char *wider_range(const it_sense_row *r, const it_group *gr, it_arena *a)
{
    char text[80];
    if (gr->plan.given || !gr->plan.calib || strcmp(gr->plan.calib->name, "max") == 0)
        snprintf(text, sizeof text, "\"range\": [%.6g, %.6g]", fmin((double)gr->hist->min, 0), fmax((double)gr->hist->max, 0));
    else
        snprintf(text, sizeof text, "\"method\": \"max\"");
    return of_value(a, r, text);
}

/* A range that leaves out the outliers. */
static const char *narrower_range(const it_sense_row *r, const it_group *gr, it_arena *a)
{
    bool percentile = gr->plan.calib && strcmp(gr->plan.calib->name, "percentile") == 0;
    if (gr->plan.given || (percentile && gr->plan.parameter <= 99.9))
        return "";
    return of_value(a, r, percentile && gr->plan.parameter <= 99.99 ? "\"method\": \"percentile:99.9\"" : "\"method\": \"percentile:99.99\"");
}

/* ---- causes ---- */

static bool explain_weights(const it_ptq *p, it_sense_row *r, it_arena *a)
{
    weight_facts f;
    char bits[32];
    if (!r->node || !look_at_weights(p, r->node, &f))
        return false;
    const it_quant *q = it_ptq_weight(r->node)->q;
    if (f.bias_share > 0.25) {
        snprintf(r->cause, sizeof r->cause, "the largest bias takes %.0f %% of the 32-bit accumulator: its channel's scale is too small", 100 * f.bias_share);
        r->remedy = all_layers(p, r, a);
    } else if (f.headroom < 1 && q->bits > 2) {
        snprintf(r->cause, sizeof r->cause, "the accumulator's headroom is %.1f bits", f.headroom);
        snprintf(bits, sizeof bits, "\"bits\": %d", q->bits - 1);
        r->remedy = of_layer(a, r, bits);
    } else if (f.ratio > STRETCHED && q->axis < 0) {
        snprintf(r->cause, sizeof r->cause, "channel %lld is an outlier: %.0f times the middle channel's largest weight, and all share a scale", (long long)f.outlier, f.ratio);
        r->remedy = q->given ? "" : of_layer(a, r, "\"per\": \"channel\"");
    } else if (f.ratio > STRETCHED) {
        snprintf(r->cause, sizeof r->cause, "channel %lld is an outlier: %.0f times the middle channel's largest weight", (long long)f.outlier, f.ratio);
        r->remedy = all_layers(p, r, a);
    } else if (f.lost) {
        snprintf(r->cause, sizeof r->cause, "%lld of %lld channels are lost: all their codes are 0, since all channels share a scale", (long long)f.lost, (long long)f.channels);
        r->remedy = q->given ? "" : of_layer(a, r, "\"per\": \"channel\"");
    } else {
        return false;
    }
    return true;
}

/* The magnitude that 99.9 % of the numbers stay under. */
static double most_of(const it_hist *h)
{
    uint64_t sum = 0, want = h->count - h->count / 1000;
    for (int i = 0; i < IT_HIST_BINS; i++) {
        sum += h->pos[i] + h->neg[i];
        if (sum >= want)
            return ldexp(i + 1, h->k);
    }
    return ldexp(IT_HIST_BINS, h->k);
}

static bool explain_value(const it_ptq *p, it_sense_row *r, it_arena *a)
{
    if (r->group < 0)
        return false;
    const it_group *gr = &p->groups.g.items[r->group];
    const it_hist *h = gr->hist;
    if (!h || h->count == 0 || gr->fixed || h->max == h->min || gr->type == INTACT_S16)
        return false;
    double clipped = (double)gr->clipped / (double)h->count, range = fmax((double)gr->range.hi, -(double)gr->range.lo), inner = most_of(h);
    if (clipped > CLIPPED_MUCH) {
        snprintf(r->cause, sizeof r->cause, "%.2f %% of the values lie outside the range %.4g..%.4g and are clipped", 100 * clipped, (double)gr->range.lo, (double)gr->range.hi);
        r->remedy = wider_range(r, gr, a);
        return true;
    }
    if (range > STRETCHED * inner && inner > 0) {
        snprintf(r->cause, sizeof r->cause, "outliers stretch the range: 99.9 %% of the values use 1/%.0f of it", range / inner);
        r->remedy = r->takes_s16 ? finer_value(r, gr, a) : narrower_range(r, gr, a);
        return true;
    }
    return false;
}

static void explain_rounding(const it_ptq *p, it_sense_row *r, bool weights, it_arena *a)
{
    const it_group *gr = r->group < 0 ? NULL : &p->groups.g.items[r->group];
    if (weights) {
        snprintf(r->cause, sizeof r->cause, "plain rounding of the weights");
        r->remedy = finer_weights(r, a);
    } else {
        r->remedy = gr && r->value ? finer_value(r, gr, a) : "";
        snprintf(r->cause, sizeof r->cause, gr && gr->fixed ? "plain rounding of the values, whose range is known" : "plain rounding of the values");
    }
}

intact_status it_sensitivity_explain(const it_ptq *p, it_sense_row *r, it_arena *a, intact_error *err)
{
    bool weights_first = r->has[IT_SENSE_WEIGHTS] && (!r->has[IT_SENSE_ACTS] || r->only[IT_SENSE_WEIGHTS].noise > r->only[IT_SENSE_ACTS].noise);
    bool found = weights_first ? explain_weights(p, r, a) || explain_value(p, r, a) : explain_value(p, r, a) || explain_weights(p, r, a);
    if (!found)
        explain_rounding(p, r, weights_first, a);
    return r->remedy ? INTACT_OK : it_fail_nomem(err, r->name, 0);
}
