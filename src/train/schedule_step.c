/* SPDX-License-Identifier: Apache-2.0 */
/* schedule_step: the rate drops by a factor at milestones. */
#include "train/schedule.h"

static double step_share(const it_schedule_spec *s, uint64_t done, uint64_t total)
{
    static const double USUAL[] = { 0.5, 0.75 };
    const double *at = s->at_len ? s->at : USUAL, factor = s->factor > 0 ? s->factor : 0.1;
    const int len = s->at_len ? s->at_len : (int)IT_LEN(USUAL);
    double share = 1;
    for (int i = 0; i < len; i++)
        if ((double)(done + s->warmup) >= at[i] * (double)(total + s->warmup)) share *= factor;
    return share;
}

const it_schedule it_schedule_step = { .name = "step", .what = "a factor less at each milestone", .share = step_share };
