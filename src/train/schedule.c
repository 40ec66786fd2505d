/* SPDX-License-Identifier: Apache-2.0 */
/* schedule.c: warm-up, common to all schedules. */
#include "train/schedule.h"

double it_schedule_rate(const it_schedule_spec *s, uint64_t step)
{
    const uint64_t rest = s->total > s->warmup ? s->total - s->warmup : 1;
    if (step < s->warmup) return s->rate * (double)(step + 1) / (double)s->warmup;
    uint64_t done = step - s->warmup;
    return s->rate * s->schedule->share(s, done < rest ? done : rest - 1, rest);
}
