/* SPDX-License-Identifier: Apache-2.0 */
/* optimizer_adamw: Adam with decoupled weight decay, w -= rate * decay * w beside the step. Loshchilov and Hutter 2019, algorithm 2. */
#include "train/adam.h"
#include "train/optimizer.h"

static void adamw_apply(const it_update *u)
{
    const it_optimizer_spec *s = u->spec;
    it_adam a = { (float)u->rate, (float)s->beta1, (float)s->beta2, (float)s->epsilon, u->state->power1, u->state->power2 };
    const float keep = (float)(1 - u->rate * u->decay);
    if (u->decay != 0)
        for (size_t i = 0; i < u->n; i++) u->w[i] *= keep;
    it_adam_apply(&a, u->w, u->g, u->m[0], u->m[1], u->n);
}

const it_optimizer it_optimizer_adamw = { .name = "adamw", .what = "Adam with decoupled weight decay", .rate = 1e-3, .moments = 2, .apply = adamw_apply };
