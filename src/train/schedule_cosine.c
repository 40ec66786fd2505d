/* SPDX-License-Identifier: Apache-2.0 */
/* schedule_cosine: half a cosine from the highest rate to the last one. Loshchilov and Hutter 2017, equation 5, without restarts. */
#include <math.h>

#include "train/schedule.h"

static double cosine_share(const it_schedule_spec *s, uint64_t done, uint64_t total)
{
    const double pi = 3.14159265358979323846;
    return s->last + (1 - s->last) * 0.5 * (1 + cos(pi * (double)done / (double)total));
}

const it_schedule it_schedule_cosine = { .name = "cosine", .what = "half a cosine down to the end", .share = cosine_share };
