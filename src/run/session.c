/* SPDX-License-Identifier: Apache-2.0 */
/* session.c: one workspace in which a program runs; running allocates nothing.
**
**   workspace   [ tensors of sample-major batches: batch * peak_bytes | scratch of thread 0 | scratch of thread 1 | ... ] */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "run/machine.h"

struct intact_session {
    const intact_program *program;
    const intact_alloc *alloc;
    uint32_t batch;
    it_pool *pool;
    uint8_t *work;
    size_t work_bytes;
    void **at;       /* [tensors]: where each one is */
    const void **in; /* [ports_max]: of the present instruction */
    void **out;
    size_t lists_bytes; /* at, in and out lie in one block that begins with at */
    void (*probe)(void *user, uint32_t step, const void *data, size_t bytes, uint64_t nanoseconds);
    void *probe_user;
};

/* Every instruction counts elements and rows of a whole batch in 32 bits. */
static intact_status check_batch(const intact_program *p, uint32_t batch, intact_error *err)
{
    for (size_t t = 0; t < p->prog.tensors.len; t++) {
        uint64_t n = it_ptensor_elements(&p->prog.tensors.items[t]) * batch;
        if (n > INT32_MAX)
            return it_fail(err, INTACT_E_ARG, p->prog.tensors.items[t].name,
                           "%u samples make %" PRIu64 " elements; fewer than 2^31 are possible", batch, n);
    }
    return INTACT_OK;
}

static intact_status session_allocate(intact_session *s, intact_error *err)
{
    const intact_program *p = s->program;
    const uint32_t threads = it_pool_threads(s->pool);
    size_t tensors;
    if (!it_mul_size(p->peak_bytes, s->batch, &tensors) || !it_add_size(tensors, threads * p->scratch_bytes, &s->work_bytes))
        return it_fail_nomem(err, "session", SIZE_MAX);
    s->work = it_alloc_new(s->alloc, s->work_bytes);
    if (!s->work)
        return it_fail_nomem(err, "session", s->work_bytes);
    s->lists_bytes = (p->prog.tensors.len + 2 * (size_t)p->ports_max) * sizeof(void *);
    s->at = it_alloc_zero(s->alloc, s->lists_bytes);
    if (!s->at)
        return it_fail_nomem(err, "session", s->lists_bytes);
    s->in = (const void **)(void *)(s->at + p->prog.tensors.len);
    s->out = s->at + p->prog.tensors.len + p->ports_max;
    for (size_t t = 0; t < p->prog.tensors.len; t++)
        if (p->places[t].kind == IT_PLACE_WORK)
            s->at[t] = s->work + p->places[t].offset * s->batch + p->places[t].inside;
    return INTACT_OK;
}

intact_status intact_session_new(const intact_program *p, const intact_session_options *opt, intact_session **out, intact_error *err)
{
    static const intact_session_options none = { .batch = 1 };
    if (!out || !p)
        return it_fail(err, INTACT_E_ARG, "session", "program and out must not be NULL");
    *out = NULL;
    opt = opt ? opt : &none;
    const uint32_t batch = opt->batch ? opt->batch : 1;
    IT_TRY(check_batch(p, batch, err));
    intact_session *s = it_alloc_zero(p->alloc, sizeof *s);
    if (!s)
        return it_fail_nomem(err, "session", sizeof *s);
    s->program = p;
    s->alloc = p->alloc;
    s->batch = batch;
    s->probe = opt->probe;
    s->probe_user = opt->probe_user;
    intact_status st = opt->pool ? it_pool_outside(p->alloc, opt->pool, &s->pool, err) : it_pool_new(p->alloc, opt->threads, &s->pool, err);
    if (st == INTACT_OK)
        st = session_allocate(s, err);
    if (st != INTACT_OK) {
        intact_session_free(s);
        return st;
    }
    *out = s;
    return INTACT_OK;
}

void intact_session_free(intact_session *s)
{
    if (!s)
        return;
    it_pool_free(s->pool);
    it_alloc_free(s->alloc, s->at, s->lists_bytes);
    it_alloc_free(s->alloc, s->work, s->work_bytes);
    it_alloc_free(s->alloc, s, sizeof *s);
}

size_t intact_session_bytes(const intact_session *s) { return s->work_bytes; }

static size_t batch_bytes(const intact_session *s, uint32_t tensor)
{
    return it_ptensor_bytes(&s->program->prog.tensors.items[tensor]) * s->batch;
}

static intact_status check_port(const intact_session *s, const char *what, uint32_t k, uint32_t tensor, const void *ptr, intact_error *err)
{
    size_t align = intact_type_bytes(s->program->prog.tensors.items[tensor].type);
    if (!ptr)
        return it_fail(err, INTACT_E_ARG, "session", "%s %u is NULL", what, k);
    if ((uintptr_t)ptr % align != 0)
        return it_fail(err, INTACT_E_ARG, "session", "%s %u is at %p; its type needs a multiple of %zu", what, k, ptr, align);
    return INTACT_OK;
}

static intact_status check_ports(const intact_session *s, const void *const *inputs, uint32_t inputs_len, void *const *outputs,
                                 uint32_t outputs_len, intact_error *err)
{
    const it_prog *g = &s->program->prog;
    if (inputs_len != g->inputs_len || outputs_len != g->outputs_len || !inputs || !outputs)
        return it_fail(err, INTACT_E_ARG, "session", "%u inputs and %u outputs given; the program has %u and %u", inputs ? inputs_len : 0,
                       outputs ? outputs_len : 0, g->inputs_len, g->outputs_len);
    for (uint32_t k = 0; k < inputs_len; k++)
        IT_TRY(check_port(s, "input", k, g->inputs[k], inputs[k], err));
    for (uint32_t k = 0; k < outputs_len; k++)
        IT_TRY(check_port(s, "output", k, g->outputs[k], outputs[k], err));
    return INTACT_OK;
}

/* -32768 is no code: everywhere else products with it are excluded from the proofs. */
static void copy_s16(int16_t *to, const int16_t *from, size_t n)
{
    for (size_t j = 0; j < n; j++)
        to[j] = from[j] < -INT16_MAX ? -INT16_MAX : from[j];
}

static void bind_ports(intact_session *s, const void *const *inputs, void *const *outputs)
{
    const intact_program *p = s->program;
    for (uint32_t k = 0; k < p->at_ports_len; k++) {
        const it_place *at = &p->places[p->at_ports[k]];
        uint8_t *buffer = at->kind == IT_PLACE_IN ? (uint8_t *)(uintptr_t)inputs[at->port] : outputs[at->port];
        s->at[p->at_ports[k]] = buffer + at->inside;
    }
    for (uint32_t k = 0; k < p->prog.inputs_len; k++) {
        const uint32_t t = p->prog.inputs[k];
        if (p->places[t].kind == IT_PLACE_WORK)
            copy_s16(s->at[t], inputs[k], batch_bytes(s, t) / sizeof(int16_t));
    }
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* The present instruction on sample n alone. */
static void bind_sample(intact_session *s, const it_pinstr *i, uint32_t n)
{
    const it_place *places = s->program->places;
    for (uint32_t j = 0; j < i->in_len; j++)
        s->in[j] = (const uint8_t *)s->at[i->in[j]] + n * places[i->in[j]].step;
    for (uint32_t j = 0; j < i->out_len; j++)
        s->out[j] = (uint8_t *)s->at[i->out[j]] + n * places[i->out[j]].step;
}

static void report_step(const intact_session *s, uint32_t k, uint64_t nanoseconds)
{
    const uint32_t t = s->program->prog.instrs.items[k].out[0];
    const it_place *at = &s->program->places[t];
    const bool block = at->pitch == 0 && (s->batch == 1 || at->step == it_ptensor_bytes(&s->program->prog.tensors.items[t]));
    s->probe(s->probe_user, k, block ? s->at[t] : NULL, block ? batch_bytes(s, t) : 0, nanoseconds);
}

static void run_step(intact_session *s, uint32_t k, const it_frame *f)
{
    const it_pinstr *i = &s->program->prog.instrs.items[k];
    const bool by_sample = s->batch > 1 && s->program->by_sample[k];
    const uint64_t start = s->probe ? now_ns() : 0;
    it_frame part = *f;
    part.batch = by_sample ? 1 : s->batch;
    for (uint32_t n = 0; n < s->batch; n += part.batch) {
        bind_sample(s, i, n);
        i->kind->run(s->program->steps[k].state, &part);
    }
    if (s->probe)
        report_step(s, k, now_ns() - start);
}

intact_status intact_session_run(intact_session *s, const void *const *inputs, uint32_t inputs_len, void *const *outputs,
                                 uint32_t outputs_len, intact_error *err)
{
    if (!s)
        return it_fail(err, INTACT_E_ARG, "session", "the session is NULL");
    IT_TRY(check_ports(s, inputs, inputs_len, outputs, outputs_len, err));
    bind_ports(s, inputs, outputs);
    const intact_program *p = s->program;
    const it_frame f = { .in = s->in, .out = s->out, .batch = s->batch, .pool = s->pool, .scratch = s->work + p->peak_bytes * s->batch,
                         .scratch_stride = p->scratch_bytes };
    for (uint32_t k = 0; k < p->info.instructions_len; k++)
        run_step(s, k, &f);
    for (uint32_t k = 0; k < outputs_len; k++)
        if (p->places[p->prog.outputs[k]].kind != IT_PLACE_OUT)
            memmove(outputs[k], s->at[p->prog.outputs[k]], batch_bytes(s, p->prog.outputs[k]));
    return INTACT_OK;
}
