/* SPDX-License-Identifier: Apache-2.0 */
/* bench.c: latency of a network on random input: warm-up, then runs until the time is up. */
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "run/kern/kern.h"

#define RUNS_MAX 100000u

typedef struct bench_job {
    intact_ctx *c;
    intact_model *m;
    uint32_t batch, threads;
    bool levelled, profiled; /* asked for, which integer programs alone can do */
    intact_session *session;
    it_exec *exec;
    void *in[64], *out[64];
    size_t in_bytes[64], out_bytes[64];
    uint32_t ins, outs;
    it_tensor x;
    double *ms; /* [RUNS_MAX] */
    uint32_t runs;
    float *step_us; /* [step][profile run] */
    uint32_t steps, profile_at, profile_runs;
} bench_job;

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}
static int by_value_f(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void random_bytes(void *p, size_t n)
{
    it_rng r;
    it_rng_seed(&r, 1);
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)p)[i] = (uint8_t)it_rng_next(&r);
}

static intact_status open_integer(bench_job *j, const intact_session_options *so, intact_error *err)
{
    intact_program_info info;
    intact_program_get_info(j->m->program, &info);
    if (info.inputs_len > IT_LEN(j->in) || info.outputs_len > IT_LEN(j->out))
        return it_fail(err, INTACT_E_UNSUPPORTED, j->m->path, "the program has %u inputs and %u outputs; bench knows up to 64", info.inputs_len, info.outputs_len);
    intact_port p;
    for (; j->ins < info.inputs_len; j->ins++) {
        IT_TRY(intact_program_input(j->m->program, j->ins, &p));
        j->in_bytes[j->ins] = p.bytes * j->batch;
        j->in[j->ins] = it_alloc_new(j->c->alloc, p.bytes * j->batch);
        if (!j->in[j->ins])
            return it_fail_nomem(err, "bench", p.bytes * j->batch);
        random_bytes(j->in[j->ins], p.bytes * j->batch);
    }
    for (; j->outs < info.outputs_len; j->outs++) {
        IT_TRY(intact_program_output(j->m->program, j->outs, &p));
        j->out_bytes[j->outs] = p.bytes * j->batch;
        j->out[j->outs] = it_alloc_new(j->c->alloc, p.bytes * j->batch);
        if (!j->out[j->outs])
            return it_fail_nomem(err, "bench", p.bytes * j->batch);
    }
    return intact_session_new(j->m->program, so, &j->session, err);
}

static intact_status open_float(bench_job *j, intact_error *err)
{
    const it_value *v = j->m->g.inputs.items[0];
    if (j->levelled)
        return it_fail(err, INTACT_E_ARG, "--cpu", "levels are of integer programs; %s is a float network", j->m->path);
    if (j->profiled)
        return it_fail(err, INTACT_E_ARG, "--profile", "layers are timed in integer programs; %s is a float network", j->m->path);
    if (j->threads > 1)
        return it_fail(err, INTACT_E_ARG, "--threads", "float networks are measured on one thread; %u were asked for", j->threads);
    if (j->m->g.inputs.len != 1 || v->t.type != IT_F32)
        return it_fail(err, INTACT_E_UNSUPPORTED, j->m->path, "bench feeds float networks with one float32 input");
    j->x = v->t;
    if (v->declared_rank > 0 && v->declared[0] > 0 && v->declared[0] != j->batch)
        return it_fail(err, INTACT_E_ARG, "--batch", "the input's batch is fixed at %lld, %u was asked for", (long long)v->declared[0], j->batch);
    j->x.dim[0] = j->batch;
    j->ins = 1;
    j->in_bytes[0] = it_tensor_bytes(&j->x);
    j->in[0] = it_alloc_new(j->c->alloc, j->in_bytes[0]);
    if (!j->in[0])
        return it_fail_nomem(err, "bench", j->in_bytes[0]);
    it_rng r;
    it_rng_seed(&r, 1);
    for (int64_t i = 0; i < it_tensor_len(&j->x); i++)
        ((float *)j->in[0])[i] = (float)(it_rng_next(&r) >> 40) / (float)(1 << 24);
    j->x.data = j->in[0];
    return it_exec_new(&j->m->g, NULL, &j->exec, err);
}

static intact_status run_once(bench_job *j, intact_error *err)
{
    if (j->exec)
        return it_exec_run(j->exec, &j->x, 1, err);
    return intact_session_run(j->session, (const void *const *)j->in, j->ins, j->out, j->outs, err);
}

/* Best of several short probes: what the level's multiply-accumulate instruction gives while nobody disturbs. */
static void probe_peak(const bench_job *j, intact_bench_result *out)
{
    enum { PROBES = 8, TURNS = 1 << 14 };
    intact_program_info info;
    if (!j->m->program)
        return;
    intact_program_get_info(j->m->program, &info);
    for (int i = 0; i < PROBES; i++) {
        double t = it_seconds(), macs = (double)it_kern_of(info.cpu)->peak_u8(TURNS);
        t = it_seconds() - t;
        if (t > 0 && 1e-9 * macs / t > out->peak_gmacs)
            out->peak_gmacs = 1e-9 * macs / t;
    }
}

static intact_status measure(bench_job *j, const intact_bench_options *o, intact_bench_result *out, intact_error *err)
{
    double limit = o->seconds > 0 ? o->seconds : 2;
    uint32_t warmup = o->warmup ? o->warmup : 5;
    double t = it_seconds();
    IT_TRY(run_once(j, err));
    out->first_ms = 1e3 * (it_seconds() - t);
    for (uint32_t i = 1; i < warmup; i++)
        IT_TRY(run_once(j, err));
    probe_peak(j, out);
    double start = it_seconds();
    while (j->runs < RUNS_MAX && (j->runs < 5 || it_seconds() - start < limit)) {
        t = it_seconds();
        IT_TRY(run_once(j, err));
        j->ms[j->runs++] = 1e3 * (it_seconds() - t);
        if (j->c->opt.progress && j->runs % 16 == 0) {
            double part = (it_seconds() - start) / limit;
            if (j->c->opt.progress(j->c->opt.user, "measuring", part < 1 ? (uint64_t)(1000 * part) : 1000, 1000))
                return it_fail(err, INTACT_E_CANCELLED, "bench", "stopped on request after %u runs", j->runs);
        }
    }
    probe_peak(j, out);
    qsort(j->ms, j->runs, sizeof *j->ms, by_value);
    out->runs = j->runs;
    out->min_ms = j->ms[0];
    out->median_ms = j->ms[j->runs / 2];
    out->p90_ms = j->ms[(size_t)j->runs * 90 / 100];
    out->p99_ms = j->ms[(size_t)j->runs * 99 / 100];
    return INTACT_OK;
}

static void profile_probe(void *user, uint32_t step, const void *data, size_t bytes, uint64_t nanoseconds)
{
    bench_job *j = user;
    (void)data;
    (void)bytes;
    j->step_us[(size_t)step * j->profile_runs + j->profile_at] = (float)nanoseconds * 1e-3f;
}

static intact_status fill_layers(bench_job *j, intact_bench_result *out, intact_error *err)
{
    out->layers = it_alloc_zero(j->c->alloc, j->steps * sizeof *out->layers);
    if (!out->layers)
        return it_fail_nomem(err, "bench", j->steps * sizeof *out->layers);
    out->layers_len = j->steps;
    double total = 0;
    for (uint32_t s = 0; s < j->steps; s++) {
        intact_step st;
        IT_TRY(intact_program_step(j->m->program, s, &st));
        intact_bench_layer *l = &out->layers[s];
        memcpy(l->name, st.name, sizeof l->name);
        memcpy(l->kind, st.kind, sizeof l->kind);
        memcpy(l->kernel, st.kernel, sizeof l->kernel);
        l->macs = st.macs * j->batch;
        float *us = j->step_us + (size_t)s * j->profile_runs;
        qsort(us, j->profile_runs, sizeof *us, by_value_f);
        l->median_us = us[j->profile_runs / 2];
        total += l->median_us;
    }
    for (uint32_t s = 0; s < j->steps; s++)
        out->layers[s].share = total > 0 ? out->layers[s].median_us / total : 0;
    return INTACT_OK;
}

/* A session of its own, since a probe between instructions costs time that the latency must not contain. */
static intact_status profile(bench_job *j, intact_bench_result *out, intact_error *err)
{
    j->steps = intact_program_steps(j->m->program);
    j->profile_runs = j->runs < 10 ? j->runs : j->runs / 4 < 200 ? j->runs / 4 + 5 : 200;
    size_t bytes = (size_t)j->steps * j->profile_runs * sizeof *j->step_us;
    j->step_us = it_alloc_zero(j->c->alloc, bytes);
    if (!j->step_us)
        return it_fail_nomem(err, "bench", bytes);
    intact_session_free(j->session);
    j->session = NULL;
    intact_session_options so = {.batch = j->batch, .threads = j->threads, .probe = profile_probe, .probe_user = j};
    intact_status st = intact_session_new(j->m->program, &so, &j->session, err);
    for (j->profile_at = 0; st == INTACT_OK && j->profile_at < j->profile_runs; j->profile_at++)
        st = run_once(j, err);
    probe_peak(j, out);
    if (st == INTACT_OK)
        st = fill_layers(j, out, err);
    it_alloc_free(j->c->alloc, j->step_us, bytes);
    return st;
}

static void bench_close(bench_job *j)
{
    const intact_alloc *a = j->c->alloc;
    intact_session_free(j->session);
    it_exec_free(j->exec);
    for (uint32_t i = 0; i < j->ins; i++)
        it_alloc_free(a, j->in[i], j->in_bytes[i]);
    for (uint32_t i = 0; i < j->outs; i++)
        it_alloc_free(a, j->out[i], j->out_bytes[i]);
    it_alloc_free(a, j->ms, RUNS_MAX * sizeof *j->ms);
    intact_model_free(j->m);
}

intact_status intact_bench(intact_ctx *c, const char *model_path, intact_cpu cpu, const intact_bench_options *o, intact_bench_result *out, intact_error *err)
{
    *out = (intact_bench_result){.threads = o->threads ? o->threads : 1, .batch = o->batch ? o->batch : 1};
    if (out->batch > 65536 || out->threads > 1024)
        return it_fail(err, INTACT_E_ARG, "bench", "batch %u and %u threads were asked for; up to 65536 and 1024 are possible", out->batch, out->threads);
    bench_job j = {.c = c, .batch = out->batch, .threads = out->threads, .levelled = cpu != INTACT_CPU_AUTO, .profiled = o->profile != 0};
    double start = it_seconds();
    IT_TRY(intact_model_open(c, model_path, cpu, &j.m, err));
    out->load_ms = 1e3 * (it_seconds() - start);
    j.ms = it_alloc_new(c->alloc, RUNS_MAX * sizeof *j.ms);
    intact_session_options so = {.batch = j.batch, .threads = j.threads};
    intact_status st = !j.ms ? it_fail_nomem(err, "bench", RUNS_MAX * sizeof *j.ms) : j.m->program ? open_integer(&j, &so, err) : open_float(&j, err);
    if (st == INTACT_OK)
        st = measure(&j, o, out, err);
    intact_info info;
    if (st == INTACT_OK && (st = intact_model_info(c, j.m, &info, err)) == INTACT_OK) {
        out->macs = info.macs;
        intact_info_release(c, &info);
    }
    if (st == INTACT_OK && o->profile && j.m->program)
        st = profile(&j, out, err);
    bench_close(&j);
    if (st != INTACT_OK)
        intact_bench_result_release(c, out);
    return st;
}

void intact_bench_result_release(intact_ctx *c, intact_bench_result *r)
{
    it_alloc_free(c->alloc, r->layers, r->layers_len * sizeof *r->layers);
    r->layers = NULL;
    r->layers_len = 0;
}
