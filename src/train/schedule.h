/* SPDX-License-Identifier: Apache-2.0 */
/* schedule.h: the learning rate over time. Each src/train/schedule_<name>.c ends in one it_schedule, with a line in schedule_list.h. */
#ifndef IT_TRAIN_SCHEDULE_H
#define IT_TRAIN_SCHEDULE_H

#include "base/base.h"

#define IT_SCHEDULE_STEPS_MAX 8

typedef struct it_schedule_spec {
    const struct it_schedule *schedule;
    double rate;             /* the highest */
    double last;             /* cosine, linear: the share of rate that is left at the end; 0 */
    uint64_t warmup;         /* steps of a linear rise from rate / warmup; what follows begins behind them */
    uint64_t total;          /* steps in all, warm-up included */
    double factor;           /* step: what the rate is multiplied by at each milestone; 0: 0.1 */
    double at[IT_SCHEDULE_STEPS_MAX]; /* step: milestones as shares of total, ascending */
    int at_len;              /* 0: 0.5 and 0.75 */
} it_schedule_spec;

typedef struct it_schedule {
    const char *name, *what;
    /* The share of rate after warm-up: done of total steps are over, 0 <= done < total. */
    double (*share)(const it_schedule_spec *s, uint64_t done, uint64_t total);
} it_schedule;

/* The rate of a step; the first is 0. Steps past the end get the last one's. */
double it_schedule_rate(const it_schedule_spec *s, uint64_t step);

extern const it_schedule *const it_schedule_all[]; /* NULL at the end; from schedule_list.h */
const it_schedule *it_schedule_find(const char *name);

#define SCHEDULE(name) extern const it_schedule it_schedule_##name;
#include "train/schedule_list.h"
#undef SCHEDULE

#endif
