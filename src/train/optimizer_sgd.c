/* SPDX-License-Identifier: Apache-2.0 */
/* optimizer_sgd: m = momentum * m + g, w -= rate * m; Nesterov: w -= rate * (g + momentum * m). g includes decay * w. Sutskever et al. 2013
** in the form that keeps the gradient at w itself. */
#include "train/optimizer.h"

static void sgd_apply(const it_update *u)
{
    const float rate = (float)u->rate, decay = (float)u->decay, momentum = (float)u->spec->momentum;
    float *restrict w = u->w, *restrict m = u->m[0];
    const float *restrict g = u->g;
    if (u->spec->nesterov)
        for (size_t i = 0; i < u->n; i++) {
            float d = g[i] + decay * w[i];
            m[i] = momentum * m[i] + d;
            w[i] -= rate * (d + momentum * m[i]);
        }
    else
        for (size_t i = 0; i < u->n; i++) {
            m[i] = momentum * m[i] + (g[i] + decay * w[i]);
            w[i] -= rate * m[i];
        }
}

const it_optimizer it_optimizer_sgd = { .name = "sgd", .what = "stochastic gradient descent with momentum", .rate = 0.1, .moments = 1, .apply = sgd_apply };
