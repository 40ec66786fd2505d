/* SPDX-License-Identifier: Apache-2.0 */
/* job.h: a long loop over units of work on a pool, with progress, cancelling and one error: that of the lowest failing unit. */
#ifndef IT_JOB_H
#define IT_JOB_H

#include "base/pool.h"

typedef struct it_job {
    it_pool *pool;
    int (*progress)(void *user, const char *what, uint64_t done, uint64_t total); /* NULL: none; called by one thread at a time */
    void *user;
} it_job;

/* Calls fn once for each unit 0..units-1; unit u counts for weight(s) done += *steps as fn sets it (1 by default). total is what progress
** is told. Stops early after a failure or when progress returns non-zero (E_CANCELLED). */
typedef intact_status it_job_fn(void *arg, uint32_t unit, uint32_t thread, uint64_t *steps, intact_error *err);
INTACT_MUST_USE intact_status it_job_run(const it_job *job, const char *what, uint32_t units, uint64_t total, it_job_fn *fn, void *arg, intact_error *err);

#endif
