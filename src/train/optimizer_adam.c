/* SPDX-License-Identifier: Apache-2.0 */
/* optimizer_adam: Adam (adam.h); weight decay is part of the gradient. */
#include "train/adam.h"
#include "train/optimizer.h"

static void adam_apply(const it_update *u)
{
    const it_optimizer_spec *s = u->spec;
    it_adam a = { (float)u->rate, (float)s->beta1, (float)s->beta2, (float)s->epsilon, u->state->power1, u->state->power2 };
    const float decay = (float)u->decay;
    if (decay != 0)
        for (size_t i = 0; i < u->n; i++) u->g[i] += decay * u->w[i];
    it_adam_apply(&a, u->w, u->g, u->m[0], u->m[1], u->n);
}

const it_optimizer it_optimizer_adam = { .name = "adam", .what = "Adam; weight decay as part of the gradient", .rate = 1e-3, .moments = 2, .apply = adam_apply };
