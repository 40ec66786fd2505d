/* SPDX-License-Identifier: Apache-2.0 */
/* lsq: steps of weights and activations are learned. Esser et al. 2020: the derivative of round(v / s) s with respect to s is round(v / s) - v / s inside
** the grid and the last code outside, times 1 / sqrt(N Q) of N numbers and largest code Q. N of an activation counts one sample's numbers, as the
** paper's text has it, not the batch's. Steps begin where the rounding of the trained network costs least; zero points stay where calibration left
** them. Weights of 2 bits have the codes -3, -1, 1, 3 of half a step: four levels beside each other, none of them 0. */
#include <math.h>

#include "qat/method.h"

static void act_begin(it_qat_act *a, bool given)
{
    (void)given;
    if (!a->rounds || a->fixed) return;
    a->own.len = 1;
    a->own.init[0] = a->scale;
}

static void act_set(it_qat_act *a, const float *own)
{
    if (own) a->scale = *own;
}

static double act_back(const it_qat_act *a, const float *x, float *dy, int64_t len)
{
    if (!a->own.len) {
        it_fake_pass(a, x, dy, len);
        return 0;
    }
    const int q = a->top - a->zero > a->zero ? a->top - a->zero : a->zero;
    return it_fake_pass_step(a, x, dy, len) / sqrt((double)a->features * q);
}

static void weight_begin(it_qat_weight *w, const float *x, bool given)
{
    (void)given;
    if (w->bits == 2) w->odd = true, w->top = 3;
    for (int64_t c = 0; c < w->channels; c++) w->sums[c] = it_qat_best_alpha(w, x, c);
    it_qat_spread(w, w->sums);
    w->own.len = w->per_tensor ? 1 : (size_t)w->channels;
    for (size_t c = 0; c < w->own.len; c++) w->own.init[c] = w->step[c] / (w->unfold ? w->unfold[c] : 1);
}

static void weight_set(it_qat_weight *w, const float *x, const float *own)
{
    (void)x;
    for (int64_t c = 0; c < w->channels; c++) w->step[c] = w->per_tensor ? own[0] * (w->unfold ? w->unfold[c] : 1) : own[c];
}

static void weight_back(const it_qat_weight *w, const float *x, float *grad, float *own_grad)
{
    const double n = (double)(w->outer * w->inner) * (double)(w->per_tensor ? w->channels : 1), scale = 1 / sqrt(n * w->top);
    double all = 0;
    it_fake_weight_pass(w, x, grad);
    for (int64_t c = 0; c < w->channels; c++) {
        if (w->per_tensor)
            all += (double)w->sums[c] * (double)(w->unfold ? w->unfold[c] : 1);
        else
            own_grad[c] = (float)((double)w->sums[c] * scale);
    }
    if (w->per_tensor) own_grad[0] = (float)(all * scale);
}

const it_qat_method it_qat_lsq = {
    .name = "lsq", .summary = "steps of weights and activations are learned", .from = "mse",
    .act_begin = act_begin, .act_set = act_set, .act_back = act_back, .weight_begin = weight_begin, .weight_set = weight_set, .weight_back = weight_back,
};
