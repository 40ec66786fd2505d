/* SPDX-License-Identifier: Apache-2.0 */
/* loss_mean_squared: the mean of squared differences from numbers, over a sample's answers and over samples. With a teacher, its answers are
** targets too, with the share alpha. */
#include "train/loss.h"

static intact_status mean_squared_run(it_loss_block *b, intact_error *err)
{
    const double share = b->teacher ? b->spec->alpha : 0;
    const int64_t k = b->per_sample;
    (void)err;
    b->loss = 0;
    b->right = 0;
    for (int64_t i = 0; i < b->len * k; i++) {
        double d = (double)b->y[i] - (double)b->target[i], e = b->teacher ? (double)b->y[i] - (double)b->teacher[i] : 0;
        b->loss += ((1 - share) * d * d + share * e * e) / (double)k;
        if (b->dy) b->dy[i] = (float)(b->weight * 2 * ((1 - share) * d + share * e) / (double)k);
    }
    return INTACT_OK;
}

const it_loss it_loss_mean_squared = { .name = "mean_squared", .what = "mean squared error", .run = mean_squared_run };
