/* SPDX-License-Identifier: Apache-2.0 */
/* schedule_constant: one rate throughout. */
#include "train/schedule.h"

static double constant_share(const it_schedule_spec *s, uint64_t done, uint64_t total)
{
    (void)s;
    (void)done;
    (void)total;
    return 1;
}

const it_schedule it_schedule_constant = { .name = "constant", .what = "one rate throughout", .share = constant_share };
