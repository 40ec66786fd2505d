/* SPDX-License-Identifier: Apache-2.0 */
/* ctx.c: the context: allocator, workers, callbacks. */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "api/api.h"

void intact_ctx_options_default(intact_ctx_options *o) { *o = (intact_ctx_options){0}; }
void intact_data_options_default(intact_data_options *o) { *o = (intact_data_options){0}; }

intact_status intact_ctx_new(const intact_ctx_options *o, intact_ctx **out, intact_error *err)
{
    const intact_alloc *a = it_alloc_or_libc(o ? o->alloc : NULL);
    *out = NULL;
    intact_ctx *c = it_alloc_zero(a, sizeof *c);
    if (!c)
        return it_fail_nomem(err, "context", sizeof *c);
    if (o)
        c->opt = *o;
    c->alloc = a;
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    uint32_t threads = c->opt.threads ? c->opt.threads : cpus < 1 ? 1 : (uint32_t)cpus;
    if (threads > 1024)
        threads = 1024;
    if (pthread_mutex_init(&c->log_lock, NULL) != 0) {
        it_alloc_free(a, c, sizeof *c);
        return it_fail(err, INTACT_E_NOMEM, "context", "the system refused a mutex");
    }
    intact_status st = it_pool_new(a, threads, &c->pool, err);
    if (st != INTACT_OK) {
        pthread_mutex_destroy(&c->log_lock);
        it_alloc_free(a, c, sizeof *c);
        return st;
    }
    *out = c;
    return INTACT_OK;
}

void intact_ctx_free(intact_ctx *c)
{
    if (!c)
        return;
    it_pool_free(c->pool);
    pthread_mutex_destroy(&c->log_lock);
    it_alloc_free(c->alloc, c, sizeof *c);
}

void it_log(const intact_ctx *c, intact_log_level level, const char *fmt, ...)
{
    if (!c->opt.log)
        return;
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    pthread_mutex_lock((pthread_mutex_t *)(uintptr_t)&c->log_lock);
    c->opt.log(c->opt.user, level, text);
    pthread_mutex_unlock((pthread_mutex_t *)(uintptr_t)&c->log_lock);
}

it_job it_api_job(const intact_ctx *c) { return (it_job){.pool = c->pool, .progress = c->opt.progress, .user = c->opt.user}; }

double it_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
