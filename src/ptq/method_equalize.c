/* SPDX-License-Identifier: Apache-2.0 */
/* method_equalize.c: cross-layer equalization: channels between two layers are scaled so that both layers' weights there have the same range.
** Nagel et al. 2019 (DFQ), section 4.1, equation 11: s_i = sqrt(r1_i r2_i) / r2_i; W1_i / s_i, b1_i / s_i, W2_i * s_i. */
#include <math.h>

#include "ptq/method.h"
#include "ptq/survey.h"

enum { ROUNDS = 40 };
#define SETTLED 1e-3f /* the largest change of a scale that ends the rounds */

typedef struct pair { it_node *a, *b; it_linear la, lb; } pair;

static bool linear_of(const it_node *n, it_linear *l)
{
    const it_op_quant *q = &n->op->quant;
    return it_ptq_is_mac(n) && q->linear && q->linear(n, &n->in[0]->t, l) && it_ptq_weight(n)->t.type == IT_F32;
}

/* b alone reads a's output, channel by channel, behind nothing but a ReLU (with an upper end too: see open_ends). */
static bool is_pair(const it_graph *g, it_node *b, pair *p)
{
    it_node *a = b->in[0]->producer;
    const it_node *only;
    if (!a || !linear_of(a, &p->la) || !linear_of(b, &p->lb) || a->out[0] != b->in[0] || it_graph_uses(g, a->out[0], &only) != 1 || only != b)
        return false;
    if ((a->clamp_lo != 0 && a->clamp_lo != -INFINITY) || (a->clamp_lo != 0 && a->clamp_hi != INFINITY))
        return false;
    p->a = a;
    p->b = b;
    return p->la.groups * p->la.out_c == p->lb.groups * p->lb.in_c;
}

/* Weights of a's output channel c, of b's input channel c: (o, k) in the order of the value. */
typedef struct slice { float *w; int64_t len, step, runs, run_step; } slice;

static slice out_slice(const it_node *n, const it_linear *l, int64_t c)
{
    int64_t k = l->in_c * l->kh * l->kw, channels = l->groups * l->out_c;
    float *w = it_ptq_weight(n)->t.data;
    return n->op->quant.weight_axis(n) == 0 ? (slice){ w + c * k, k, 1, 1, 0 } : (slice){ w + c, k, channels, 1, 0 };
}

static slice in_slice(const it_node *n, const it_linear *l, int64_t c)
{
    int64_t taps = l->kh * l->kw, k = l->in_c * taps, channels = l->groups * l->out_c, group = c / l->in_c, i = c % l->in_c;
    float *w = it_ptq_weight(n)->t.data;
    return n->op->quant.weight_axis(n) == 0 ? (slice){ w + group * l->out_c * k + i * taps, taps, 1, l->out_c, k } : (slice){ w + c * channels, channels, 1, 1, 0 };
}

static float largest(slice s)
{
    float m = 0;
    for (int64_t r = 0; r < s.runs; r++)
        for (int64_t i = 0; i < s.len; i++)
            m = fmaxf(m, fabsf(s.w[r * s.run_step + i * s.step]));
    return m;
}

static void scale(slice s, float by)
{
    for (int64_t r = 0; r < s.runs; r++)
        for (int64_t i = 0; i < s.len; i++)
            s.w[r * s.run_step + i * s.step] *= by;
}

/* Returns the largest relative change. Dead channels stay. */
static float equalize_pair(const pair *p)
{
    float most = 0, *bias = it_ptq_bias(p->a) ? it_ptq_bias(p->a)->t.data : NULL;
    for (int64_t c = 0; c < p->la.groups * p->la.out_c; c++) {
        slice a = out_slice(p->a, &p->la, c), b = in_slice(p->b, &p->lb, c);
        float r1 = largest(a), r2 = largest(b), s = sqrtf(r1 * r2) / r2;
        if (!(r1 > 0) || !(r2 > 0) || !isfinite(s) || !(s > 0x1p-40f))
            continue;
        scale(a, 1 / s);
        scale(b, s);
        if (bias)
            bias[c] /= s;
        most = fmaxf(most, fabsf(s - 1));
    }
    return most;
}

static intact_status own(it_ptq *p, const pair *q, intact_error *err)
{
    it_value *bias;
    if (!it_ptq_own(p->g, q->a, q->a->op->quant.weight_in) || !it_ptq_own(p->g, q->b, q->b->op->quant.weight_in))
        return it_fail_nomem(err, q->a->name, 0);
    return it_ptq_bias(q->a) ? it_ptq_own_bias(p->g, q->a, &bias, err) : INTACT_OK;
}

/* A ReLU6 would cut each channel elsewhere. Where (almost) no number of the calibration samples reaches its upper end it becomes a ReLU, as in the paper;
** otherwise the pair is left as it is. Returns the pairs that stay, at the front. */
static intact_status open_ends(it_ptq *p, pair *pairs, size_t *len, size_t *skipped, intact_error *err)
{
    size_t bytes = *len * sizeof(it_survey_value), kept = 0, at = 0;
    it_survey s = { .of = it_alloc_zero(p->alloc, bytes), .alloc = p->alloc };
    if (!s.of)
        return it_fail_nomem(err, "equalization", bytes);
    for (size_t i = 0; i < *len; i++)
        if (pairs[i].a->clamp_hi != INFINITY)
            s.of[s.len++] = (it_survey_value){ .v = pairs[i].a->out[0], .top = pairs[i].a->clamp_hi };
    intact_status st = it_survey_run(p, &s, err);
    for (size_t i = 0; i < *len && st == INTACT_OK; i++) {
        it_node *a = pairs[i].a;
        if (a->clamp_hi != INFINITY) {
            const it_survey_value *v = &s.of[at++];
            if (!((double)v->at_top <= IT_SURVEY_RARE * (double)v->count)) {
                ++*skipped;
                continue;
            }
            a->clamp_hi = INFINITY;
        }
        pairs[kept++] = pairs[i];
    }
    *len = kept;
    it_survey_release(&s);
    it_alloc_free(p->alloc, s.of, bytes);
    return st;
}

static intact_status tell(it_ptq *p, size_t found, size_t kept, size_t opened, size_t skipped)
{
    if (found == 0)
        return it_ptq_say(p, "equalize", "no two layers follow each other so that they could be equalized");
    if (skipped)
        IT_TRY(it_ptq_say(p, "equalize", "%zu of %zu pairs of layers stay as they are: the upper end (ReLU6) between them cuts more than 1 in 10,000 of the values",
                          skipped, found));
    if (opened)
        return it_ptq_say(p, "equalize", "between %zu of %zu equalized pairs of layers the upper end (ReLU6) was taken away: calibration values (almost) never reach it",
                          opened, kept);
    return INTACT_OK;
}

static intact_status find_pairs(it_ptq *p, pair *pairs, size_t *len, size_t *opened, size_t *skipped, intact_error *err)
{
    it_graph *g = p->g;
    for (size_t i = 0; i < g->nodes.len; i++)
        if (g->nodes.items[i]->in_len && g->nodes.items[i]->in[0] && is_pair(g, g->nodes.items[i], &pairs[*len]))
            ++*len;
    if (*len == 0)
        return INTACT_OK;
    for (size_t i = 0; i < *len; i++)
        *opened += pairs[i].a->clamp_hi != INFINITY;
    IT_TRY(open_ends(p, pairs, len, skipped, err));
    *opened -= *skipped;
    IT_TRY(it_graph_infer(g, 1, NULL, err));
    for (size_t i = 0; i < *len; i++)
        IT_TRY(own(p, &pairs[i], err));
    return INTACT_OK;
}

static intact_status equalize_prepare(it_ptq *p, intact_error *err)
{
    size_t len = 0, opened = 0, skipped = 0, bytes = p->g->nodes.len * sizeof(pair);
    pair *pairs = it_alloc_new(p->alloc, bytes);
    intact_status st = pairs ? find_pairs(p, pairs, &len, &opened, &skipped, err) : it_fail_nomem(err, "equalization", bytes);
    for (int round = 0; round < ROUNDS && st == INTACT_OK; round++) {
        float most = 0;
        for (size_t i = 0; i < len; i++)
            most = fmaxf(most, equalize_pair(&pairs[i]));
        if (most < SETTLED)
            break;
    }
    it_alloc_free(p->alloc, pairs, bytes);
    if (st == INTACT_OK && tell(p, len + skipped, len, opened, skipped) != INTACT_OK)
        st = it_fail_nomem(err, "equalization", sizeof(it_ptq_note));
    return st;
}

const it_ptq_method it_ptq_method_equalize = { .name = "equalize", .data = true, .prepare = equalize_prepare,
                                               .summary = "weight ranges evened out across pairs of layers, except where a ReLU6 cuts between them" };
