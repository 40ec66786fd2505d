/* SPDX-License-Identifier: Apache-2.0 */
/* ste: quantization simulated by the largest values, gradients straight through. Jacob et al. 2018; Krishnamoorthi 2018, section 3. Weights: the largest
** magnitude at every step. Activations: moving averages of batches' smallest and largest values, zero points nudged; or, where a calibrator is named,
** its ranges for ever, and the weights' first ones (Wu et al. 2020, section 5.2). */
#include "qat/method.h"

static void act_begin(it_qat_act *a, bool given) { a->tracks = a->rounds && !a->fixed && !given; }

static void act_set(it_qat_act *a, const float *own)
{
    (void)own;
    if (a->tracks) it_qat_set_range(a, a->average->lo, a->average->hi);
}

static double act_back(const it_qat_act *a, const float *x, float *dy, int64_t len)
{
    it_fake_pass(a, x, dy, len);
    return 0;
}

static void by_largest(it_qat_weight *w, const float *x)
{
    for (int64_t c = 0; c < w->channels; c++) w->sums[c] = it_qat_moments(w, x, c).largest;
    it_qat_spread(w, w->sums);
}

static void weight_begin(it_qat_weight *w, const float *x, bool given)
{
    w->frozen = given;
    if (given && w->bits == 8) by_largest(w, x);
    for (int64_t c = 0; given && w->bits < 8 && c < w->channels; c++) w->sums[c] = it_qat_best_alpha(w, x, c);
    if (given && w->bits < 8) it_qat_spread(w, w->sums);
}

static void weight_set(it_qat_weight *w, const float *x, const float *own)
{
    (void)own;
    if (!w->frozen) by_largest(w, x);
}

static void weight_back(const it_qat_weight *w, const float *x, float *grad, float *own_grad)
{
    (void)own_grad;
    it_fake_weight_pass(w, x, grad);
}

const it_qat_method it_qat_ste = {
    .name = "ste", .summary = "ranges by moving averages or calibration, gradients straight through", .from = "max",
    .act_begin = act_begin, .act_set = act_set, .act_back = act_back, .weight_begin = weight_begin, .weight_set = weight_set, .weight_back = weight_back,
};
