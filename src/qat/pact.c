/* SPDX-License-Identifier: Apache-2.0 */
/* pact: the upper end of each rectified activation is learned, and decays like a weight. Choi et al. 2018: y = clip(x, 0, alpha); what lies at alpha or
** beyond gives alpha its gradient. Values of both signs have ranges as in ste. Weights: the authors' later SAWB (Choi et al. 2019), whose end is
** c1 sqrt(E w^2) + c2 E |w|, found anew at every step, with 2^b levels around 0. It takes the place of DoReFa's tanh, which would change the weights of a
** network that was trained without it. SAWB has constants for 2 to 5 bits; more bits go up to the largest weight. */
#include <math.h>

#include "qat/method.h"

static void act_begin(it_qat_act *a, bool given)
{
    if (!a->rounds || a->fixed) return;
    a->tracks = a->zero != 0 && !given;
    if (a->zero != 0) return;
    a->own.len = 1;
    a->own.decays = true;
    a->own.init[0] = a->scale * (float)a->top;
}

static void act_set(it_qat_act *a, const float *own)
{
    if (own) a->scale = *own / (float)a->top;
    if (a->tracks) it_qat_set_range(a, a->average->lo, a->average->hi);
}

static double act_back(const it_qat_act *a, const float *x, float *dy, int64_t len)
{
    if (a->own.len) return it_fake_pass_clip(a, x, dy, len);
    it_fake_pass(a, x, dy, len);
    return 0;
}

static const struct { double square, mean; } SAWB[] = { [2] = { 3.12, -2.064 }, [3] = { 7.509, -6.892 }, [4] = { 12.68, -12.80 }, [5] = { 17.74, -18.64 } };

static void weight_begin(it_qat_weight *w, const float *x, bool given)
{
    (void)x;
    (void)given;
    if (w->bits < (int)IT_LEN(SAWB)) w->odd = true, w->top = (1 << w->bits) - 1;
}

/* Fitted on bell-shaped weights; of others the formula may leave 0..largest. */
static float alpha_of(const it_qat_weight *w, const it_weight_moments *m)
{
    if (w->bits >= (int)IT_LEN(SAWB)) return m->largest;
    const float a = (float)(SAWB[w->bits].square * sqrt(m->square) + SAWB[w->bits].mean * m->mean);
    return a < (float)m->mean ? (float)m->mean : a > m->largest ? m->largest : a;
}

static void weight_set(it_qat_weight *w, const float *x, const float *own)
{
    (void)own;
    for (int64_t c = 0; c < w->channels; c++) {
        const it_weight_moments m = it_qat_moments(w, x, c);
        w->sums[c] = alpha_of(w, &m);
    }
    it_qat_spread(w, w->sums);
}

/* SAWB lets all gradients through: the end moves with the weights. */
static void weight_back(const it_qat_weight *w, const float *x, float *grad, float *own_grad)
{
    (void)w;
    (void)x;
    (void)grad;
    (void)own_grad;
}

const it_qat_method it_qat_pact = {
    .name = "pact", .summary = "the upper ends of rectified activations are learned", .from = "mse",
    .act_begin = act_begin, .act_set = act_set, .act_back = act_back, .weight_begin = weight_begin, .weight_set = weight_set, .weight_back = weight_back,
};
