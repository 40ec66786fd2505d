/* SPDX-License-Identifier: Apache-2.0 */
/* method_bias.c: bias correction: what quantization shifts a channel's mean by is taken off its bias. Nagel et al. 2019 (DFQ), section 4.2,
** empirical form: E[y] - E[y'] with both means measured on calibration data, layer after layer. */
#include "ptq/method.h"
#include "ptq/patches.h"

/* E[y] - E[y'] of one channel; the float bias is in both. */
static double shift(const it_patches *t, const it_node *n, const it_quant *q, int64_t g, int64_t o)
{
    const float *w = it_ptq_weight(n)->t.data;
    int64_t channel = q->len == 1 ? 0 : g * t->lin.out_c + o;
    double sum = 0;
    for (int64_t k = 0; k < t->k; k++) {
        size_t at = it_patches_weight(t, n, g, o, k), m = (size_t)(g * t->k + k);
        double quantized = (double)q->scale[channel] * (q->codes[at] - q->zero[channel]);
        sum += (double)w[at] * (double)t->x_float_mean[m] - quantized * (double)t->x_mean[m];
    }
    return sum;
}

static intact_status correct(it_ptq *p, it_node *n, const it_patches *t, intact_error *err)
{
    it_value *b;
    IT_TRY(it_ptq_own_bias(p->g, n, &b, err));
    const float *before = b->t.data;
    float *after = it_arena_new(&p->g->arena, (size_t)it_tensor_len(&b->t) * sizeof *after);
    if (!after)
        return it_fail_nomem(err, n->name, (size_t)it_tensor_len(&b->t) * sizeof *after);
    for (int64_t g = 0; g < t->lin.groups; g++)
        for (int64_t o = 0; o < t->lin.out_c; o++) {
            int64_t c = g * t->lin.out_c + o;
            after[c] = before[c] + (float)shift(t, n, it_ptq_weight(n)->q, g, o);
        }
    b->tuned = after;
    return INTACT_OK;
}

static intact_status bias_layer(it_ptq *p, it_node *n, intact_error *err)
{
    it_patches t;
    it_linear l;
    if (!n->op->quant.linear || !n->op->quant.linear(n, &n->in[0]->t, &l) || n->op->quant.bias_in == 0)
        return INTACT_OK; /* products without a bias keep their shift */
    if (it_ptq_bias(n) && it_ptq_bias(n)->tuned)
        return INTACT_OK; /* AdaRound has fitted it, with the activation */
    IT_TRY(it_patches_make(p, n, 0, 0, &t, err));
    intact_status st = t.fits_bias ? correct(p, n, &t, err) : INTACT_OK;
    it_patches_release(&t);
    return st;
}

const it_ptq_method it_ptq_method_bias = { .name = "bias", .data = true, .summary = "biases corrected by what quantization shifts the means", .layer = bias_layer };
