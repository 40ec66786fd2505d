/* SPDX-License-Identifier: Apache-2.0 */
/* method_absorb.c: high biases are absorbed by the layer that follows: what a channel (almost) always exceeds is taken off its bias and added to the next
** layer's, so that the range between the two needs no room for it. Nagel et al. 2019 (DFQ), section 4.1.3: c = max(0, mean - 3 sd), b1 -= c,
** b2 += W2 c, exact where relu(x) > c. Their mean and deviation are of the batch normalization; it is folded here, so calibration samples give them. */
#include <math.h>

#include "ptq/method.h"
#include "ptq/patches.h"
#include "ptq/survey.h"

#define DEVIATIONS 3.0

typedef struct pair { it_node *a, *b; it_linear la, lb; } pair;

static bool linear_of(const it_node *n, it_linear *l)
{
    const it_op_quant *q = &n->op->quant;
    return it_ptq_is_mac(n) && q->linear && q->linear(n, &n->in[0]->t, l) && it_ptq_weight(n)->t.type == IT_F32 && q->bias_in > 0;
}

/* Every window lies inside: at a border of zeros the layer would miss what was taken off. */
static bool has_padding(const it_linear *l)
{
    return l->pad_t > 0 || l->pad_l > 0 || (l->out_h - 1) * l->stride_h + (l->kh - 1) * l->dil_h >= l->in_h || (l->out_w - 1) * l->stride_w + (l->kw - 1) * l->dil_w >= l->in_w;
}

/* Fixed biases of a channel each, or none. */
static bool plain_bias(const it_node *n)
{
    const it_value *b = it_ptq_bias(n);
    return !b || (b->is_const && b->t.type == IT_F32);
}

/* b alone reads a's output, channel by channel, behind a ReLU. */
static bool is_pair(const it_graph *g, it_node *b, pair *p)
{
    it_node *a = b->in[0]->producer;
    const it_node *only;
    if (!a || !linear_of(a, &p->la) || !linear_of(b, &p->lb) || a->out[0] != b->in[0] || it_graph_uses(g, a->out[0], &only) != 1 || only != b)
        return false;
    p->a = a;
    p->b = b;
    return a->clamp_lo == 0 && it_ptq_bias(a) && plain_bias(a) && plain_bias(b) && !has_padding(&p->lb) && p->la.groups * p->la.out_c == p->lb.groups * p->lb.in_c;
}

/* b2 += W2 c over all taps of each input channel. */
static void add_products(const pair *p, const double *c, float *bias)
{
    const it_linear *l = &p->lb;
    const int64_t taps = l->kh * l->kw;
    const it_patches t = { .lin = *l, .k = l->in_c * taps };
    const float *w = it_ptq_weight(p->b)->t.data;
    for (int64_t g = 0; g < l->groups; g++)
        for (int64_t o = 0; o < l->out_c; o++) {
            double sum = 0;
            for (int64_t k = 0; k < t.k; k++)
                sum += (double)w[it_patches_weight(&t, p->b, g, o, k)] * c[g * l->in_c + k / taps];
            bias[g * l->out_c + o] += (float)sum;
        }
}

/* Returns how many channels gave something; v's means become what each gave. */
static intact_status absorb_pair(it_ptq *p, const pair *q, it_survey_value *v, size_t *channels, intact_error *err)
{
    it_value *b1, *b2;
    size_t len = 0;
    for (int64_t c = 0; c < v->channels; c++) {
        v->mean[c] = fmax(v->mean[c] - DEVIATIONS * v->sd[c], 0);
        v->mean[c] = isfinite(v->mean[c]) ? (double)(float)v->mean[c] : 0;
        len += v->mean[c] > 0;
    }
    *channels += len;
    if (len == 0)
        return INTACT_OK;
    IT_TRY(it_ptq_own_bias(p->g, q->a, &b1, err));
    IT_TRY(it_ptq_own_bias(p->g, q->b, &b2, err));
    for (int64_t c = 0; c < v->channels; c++)
        ((float *)b1->t.data)[c] -= (float)v->mean[c];
    q->a->clamp_hi = INFINITY; /* hardly ever reached: see absorb_pairs */
    add_products(q, v->mean, b2->t.data);
    return INTACT_OK;
}

static intact_status absorb_pairs(it_ptq *p, pair *pairs, size_t *len, size_t *skipped, size_t *channels, intact_error *err)
{
    it_graph *g = p->g;
    for (size_t i = 0; i < g->nodes.len; i++)
        if (g->nodes.items[i]->in_len && g->nodes.items[i]->in[0] && is_pair(g, g->nodes.items[i], &pairs[*len]))
            ++*len;
    size_t bytes = (*len + 1) * sizeof(it_survey_value);
    it_survey s = { .of = it_alloc_zero(p->alloc, bytes), .len = *len, .alloc = p->alloc };
    if (!s.of)
        return it_fail_nomem(err, "bias absorption", bytes);
    for (size_t i = 0; i < *len; i++)
        s.of[i] = (it_survey_value){ .v = pairs[i].a->out[0], .top = pairs[i].a->clamp_hi };
    intact_status st = it_survey_run(p, &s, err);
    if (st == INTACT_OK)
        st = it_graph_infer(g, 1, NULL, err);
    for (size_t i = 0; i < *len && st == INTACT_OK; i++) {
        it_survey_value *v = &s.of[i];
        bool cut = pairs[i].a->clamp_hi != INFINITY && !((double)v->at_top <= IT_SURVEY_RARE * (double)v->count);
        *skipped += cut;
        if (!cut)
            st = absorb_pair(p, &pairs[i], v, channels, err);
    }
    it_survey_release(&s);
    it_alloc_free(p->alloc, s.of, bytes);
    return st;
}

static intact_status absorb_prepare(it_ptq *p, intact_error *err)
{
    size_t len = 0, skipped = 0, channels = 0, bytes = p->g->nodes.len * sizeof(pair);
    pair *pairs = it_alloc_new(p->alloc, bytes);
    intact_status st = pairs ? absorb_pairs(p, pairs, &len, &skipped, &channels, err) : it_fail_nomem(err, "bias absorption", bytes);
    it_alloc_free(p->alloc, pairs, bytes);
    if (st != INTACT_OK)
        return st;
    if (len == 0)
        st = it_ptq_say(p, "absorb", "no layer hands its values through a ReLU to one other layer without padding: no bias could be absorbed");
    else
        st = it_ptq_say(p, "absorb", "of %zu pairs of layers %zu channels gave a part of their bias to the next layer%s", len, channels,
                        skipped ? "; pairs with an upper end (ReLU6) that cuts more than 1 in 10,000 of the values stay as they are" : "");
    return st == INTACT_OK ? INTACT_OK : it_fail_nomem(err, "bias absorption", sizeof(it_ptq_note));
}

const it_ptq_method it_ptq_method_absorb = { .name = "absorb", .data = true, .summary = "what channels always exceed moved into the next layer's bias", .prepare = absorb_prepare };
