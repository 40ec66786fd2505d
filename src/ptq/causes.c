/* SPDX-License-Identifier: Apache-2.0 */
/* causes.c: why a part of a network is sensitive, read off its histogram and its weights, and what a recipe can do about it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ptq/method.h"
#include "ptq/sensitivity.h"

#define CLIPPED_MUCH 1e-3  /* of a value's numbers */
#define STRETCHED 8.0      /* range against where 99.9 % of the numbers are, and largest channel against the middle one */

static float peak(const it_weight_view *v, int64_t c, uint64_t *codes_sum, const int8_t *codes)
{
    float m = 0;
    *codes_sum = 0;
    for (int64_t i = 0; i < v->outer; i++)
        for (int64_t k = 0; k < v->inner; k++) {
            int64_t at = (i * v->dim + c) * v->inner + k;
            m = fmaxf(m, fabsf(v->w[at]));
            *codes_sum += (uint64_t)abs(codes[at]);
        }
    return m;
}

static int by_size(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return x < y ? -1 : x > y;
}

typedef struct weight_facts { int64_t channels, dead, outlier; double ratio, bias_share, headroom; } weight_facts;

/* headroom: bits of a 32-bit accumulator that the worst channel leaves free; bias_share: of the accumulator, by the largest bias. */
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
        uint64_t sum;
        peaks[c] = sorted[c] = peak(&view, c, &sum, q->codes);
        double unit = (x->q ? x->q->scale[0] : 1.0) * (double)q->scale[q->axis < 0 ? 0 : c];
        double top = x->q && x->q->type == INTACT_S16 ? 32768 : 255;
        double bias = b && b->is_const && x->q ? fabs(it_tensor_get(&b->t, it_tensor_len(&b->t) == 1 ? 0 : c)) / unit : 0;
        double free_bits = 31 - log2(top * (double)sum + bias + 1);
        f->dead += sum == 0;
        f->bias_share = fmax(f->bias_share, bias / 0x1p31);
        f->headroom = fmin(f->headroom, free_bits);
        if (peaks[c] > peaks[f->outlier])
            f->outlier = c;
    }
    qsort(sorted, (size_t)view.dim, sizeof *sorted, by_size);
    float middle = sorted[view.dim / 2];
    f->ratio = middle > 0 ? (double)peaks[f->outlier] / middle : 1;
    it_alloc_free(p->alloc, peaks, 2 * (size_t)view.dim * sizeof *peaks);
    return true;
}

static bool explain_weights(const it_ptq *p, it_sense_row *r)
{
    weight_facts f;
    if (!r->node || !look_at_weights(p, r->node, &f))
        return false;
    const char *general = "\"methods\": [\"equalize\", \"bias\"]";
    if (f.bias_share > 0.25) {
        snprintf(r->cause, sizeof r->cause, "the largest bias takes %.0f %% of the 32-bit accumulator: its channel's scale is too small", 100 * f.bias_share);
        snprintf(r->remedy, sizeof r->remedy, "%s", general);
    } else if (f.headroom < 1) {
        snprintf(r->cause, sizeof r->cause, "the accumulator's headroom is %.1f bits", f.headroom);
        snprintf(r->remedy, sizeof r->remedy, "{\"name\": \"%.100s\", \"weights\": {\"bits\": 7}}", r->name);
    } else if (f.ratio > STRETCHED && it_ptq_weight(r->node)->q->axis < 0) {
        snprintf(r->cause, sizeof r->cause, "channel %lld is an outlier: %.0f times the middle channel's largest weight, and all share a scale", (long long)f.outlier, f.ratio);
        snprintf(r->remedy, sizeof r->remedy, "{\"name\": \"%.100s\", \"weights\": {\"per\": \"channel\"}}", r->name);
    } else if (f.ratio > STRETCHED) {
        snprintf(r->cause, sizeof r->cause, "channel %lld is an outlier: %.0f times the middle channel's largest weight", (long long)f.outlier, f.ratio);
        snprintf(r->remedy, sizeof r->remedy, "%s", general);
    } else if (f.dead) {
        snprintf(r->cause, sizeof r->cause, "%lld of %lld channels are dead: all their codes are 0", (long long)f.dead, (long long)f.channels);
        snprintf(r->remedy, sizeof r->remedy, "%s", general);
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

static bool explain_value(const it_ptq *p, it_sense_row *r)
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
        snprintf(r->remedy, sizeof r->remedy, "{\"name\": \"%.100s\", \"activations\": {\"method\": \"max\"}}", r->value);
        return true;
    }
    if (range > STRETCHED * inner && inner > 0) {
        snprintf(r->cause, sizeof r->cause, "outliers stretch the range: 99.9 %% of the values use 1/%.0f of it", range / inner);
        if (r->takes_s16)
            snprintf(r->remedy, sizeof r->remedy, "{\"name\": \"%.100s\", \"activations\": {\"bits\": 16}}", r->value);
        else
            snprintf(r->remedy, sizeof r->remedy, "{\"name\": \"%.100s\", \"activations\": {\"method\": \"percentile:99.99\"}}", r->value);
        return true;
    }
    return false;
}

void it_sensitivity_explain(const it_ptq *p, it_sense_row *r)
{
    bool weights_first = r->has[IT_SENSE_WEIGHTS] && (!r->has[IT_SENSE_ACTS] || r->only[IT_SENSE_WEIGHTS].noise > r->only[IT_SENSE_ACTS].noise);
    if (weights_first ? explain_weights(p, r) || explain_value(p, r) : explain_value(p, r) || explain_weights(p, r))
        return;
    snprintf(r->cause, sizeof r->cause, "%s", weights_first ? "plain rounding of the weights" : "plain rounding of the values");
    if (weights_first)
        snprintf(r->remedy, sizeof r->remedy, "{\"name\": \"%.100s\", \"weights\": {\"round\": \"adaround\"}}", r->name);
    else if (r->takes_s16)
        snprintf(r->remedy, sizeof r->remedy, "{\"name\": \"%.100s\", \"activations\": {\"bits\": 16}}", r->value);
    else
        snprintf(r->remedy, sizeof r->remedy, "{\"name\": \"%.100s\", \"activations\": {\"method\": \"mse\"}}", r->value);
}
