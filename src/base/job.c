/* SPDX-License-Identifier: Apache-2.0 */
/* job.c: units run in any order, but what comes out (the error, the results) depends on the units alone. */
#include <pthread.h>

#include "base/job.h"

typedef struct run_state {
    const it_job *job;
    const char *what;
    it_job_fn *fn;
    void *arg;
    pthread_mutex_t lock; /* guards everything below */
    uint64_t done, total;
    bool cancelled;
    uint32_t failed_unit; /* UINT32_MAX: none */
    intact_status status;
    intact_error err;
} run_state;

static bool should_run(run_state *s, uint32_t unit)
{
    pthread_mutex_lock(&s->lock);
    bool yes = !s->cancelled && unit < s->failed_unit;
    pthread_mutex_unlock(&s->lock);
    return yes;
}

static void record(run_state *s, uint32_t unit, intact_status st, const intact_error *err, uint64_t steps)
{
    pthread_mutex_lock(&s->lock);
    if (st != INTACT_OK && unit < s->failed_unit) {
        s->failed_unit = unit;
        s->status = st;
        s->err = *err;
    }
    s->done += steps;
    if (st == INTACT_OK && !s->cancelled && s->job->progress && s->job->progress(s->job->user, s->what, s->done, s->total))
        s->cancelled = true;
    pthread_mutex_unlock(&s->lock);
}

static void run_range(void *user, uint32_t begin, uint32_t end, uint32_t thread)
{
    run_state *s = user;
    for (uint32_t unit = begin; unit < end; unit++) {
        if (!should_run(s, unit))
            continue;
        intact_error err = {.code = INTACT_OK};
        uint64_t steps = 1;
        intact_status st = s->fn(s->arg, unit, thread, &steps, &err);
        record(s, unit, st, &err, steps);
    }
}

intact_status it_job_run(const it_job *job, const char *what, uint32_t units, uint64_t total, it_job_fn *fn, void *arg, intact_error *err)
{
    run_state s = {.job = job, .what = what, .fn = fn, .arg = arg, .total = total, .failed_unit = UINT32_MAX};
    if (pthread_mutex_init(&s.lock, NULL) != 0)
        return it_fail(err, INTACT_E_NOMEM, what, "the system refused a mutex");
    if (job->progress && job->progress(job->user, what, 0, total))
        s.cancelled = true;
    it_pool_for(job->pool, units, 1, run_range, &s);
    pthread_mutex_destroy(&s.lock);
    if (s.status != INTACT_OK) {
        if (err)
            *err = s.err;
        return s.status;
    }
    if (s.cancelled)
        return it_fail(err, INTACT_E_CANCELLED, what, "stopped on request after %llu of %llu", (unsigned long long)s.done, (unsigned long long)total);
    return INTACT_OK;
}
