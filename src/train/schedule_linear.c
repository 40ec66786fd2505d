/* SPDX-License-Identifier: Apache-2.0 */
/* schedule_linear: a straight line from the highest rate to the last one. */
#include "train/schedule.h"

static double linear_share(const it_schedule_spec *s, uint64_t done, uint64_t total)
{
    return 1 - (1 - s->last) * (double)done / (double)total;
}

const it_schedule it_schedule_linear = { .name = "linear", .what = "a straight line down to the end", .share = linear_share };
