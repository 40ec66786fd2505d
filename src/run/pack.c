/* SPDX-License-Identifier: Apache-2.0 */
/* pack.c: a checked it_prog becomes an intact_program: kernels chosen, weights packed, memory planned. */
#include <string.h>

#include "base/cpu.h"
#include "run/machine.h"

static intact_status choose_kernels(const it_pack_options *opt, const it_kern **out, intact_error *err)
{
    intact_cpu cpu = opt->cpu;
    if ((unsigned)cpu >= INTACT_CPU_COUNT)
        return it_fail(err, INTACT_E_ARG, "cpu", "level %d does not exist", (int)cpu);
    if (cpu == INTACT_CPU_AUTO) {
        for (cpu = it_cpu_best(); !it_kern_of(cpu);) /* a build without SIMD still has the scalar level */
            cpu = it_cpu_parent(cpu);
    } else if (!intact_cpu_has(cpu)) {
        return it_fail(err, INTACT_E_UNSUPPORTED, "cpu", "this machine cannot run level %s; its best is %s", intact_cpu_name(cpu),
                       intact_cpu_name(it_cpu_best()));
    } else if (!it_kern_of(cpu)) {
        return it_fail(err, INTACT_E_UNSUPPORTED, "cpu", "this build has no kernels for level %s", intact_cpu_name(cpu));
    }
    *out = it_kern_of(cpu);
    return INTACT_OK;
}

/* Elements of weights and biases. */
static uint64_t parameters(const it_prog *g, const it_pinstr *i)
{
    uint64_t n = 0;
    for (uint32_t k = 0; k < i->kind->fields_len; k++)
        if (i->kind->fields[k].flags & IT_F_PARAMETERS)
            n += it_const(g, it_field_const(i, &i->kind->fields[k]))->len;
    return n;
}

static intact_status prepare_all(intact_program *p, const it_kern *kern, it_pack_job **jobs, intact_error *err)
{
    const it_prog *g = &p->prog;
    struct it_mac *last_mac = NULL;
    p->steps = it_arena_new(&p->arena, g->instrs.len * sizeof *p->steps);
    if (!p->steps)
        return it_fail_nomem(err, "program", g->instrs.len * sizeof *p->steps);
    for (size_t k = 0; k < g->instrs.len; k++) {
        const it_pinstr *i = &g->instrs.items[k];
        it_prep prep = { .arena = &p->arena, .kern = kern, .places = p->places, .jobs = *jobs, .kernel = "c", .last_mac = last_mac };
        IT_TRY(i->kind->prepare(&prep, g, i, err));
        *jobs = prep.jobs;
        last_mac = prep.last_mac;
        p->steps[k] = (it_step){ .state = prep.state, .kernel = prep.kernel, .macs = i->kind->macs ? i->kind->macs(g, i) : 0,
                                  .weight_bits = prep.weight_bits };
        p->info.macs += p->steps[k].macs;
        p->info.packed_bytes += prep.packed_bytes;
        p->info.parameters += parameters(g, i);
        p->scratch_bytes = prep.scratch_bytes > p->scratch_bytes ? prep.scratch_bytes : p->scratch_bytes;
        p->ports_max = i->in_len > p->ports_max ? i->in_len : p->ports_max;
        p->ports_max = i->out_len > p->ports_max ? i->out_len : p->ports_max;
    }
    if (p->scratch_bytes > SIZE_MAX / 4096) /* times threads */
        return it_fail_nomem(err, "program", p->scratch_bytes);
    p->scratch_bytes = it_round_up(p->scratch_bytes, IT_ALIGN);
    return INTACT_OK;
}

typedef struct pack_work {
    it_pack_job **jobs;
    uint8_t *temp;     /* temp_bytes a thread */
    size_t temp_bytes; /* a multiple of 64 */
} pack_work;

static void run_jobs(void *user, uint32_t begin, uint32_t end, uint32_t thread)
{
    const pack_work *w = user;
    for (uint32_t k = begin; k < end; k++)
        w->jobs[k]->run(w->jobs[k], w->temp + thread * w->temp_bytes);
}

static intact_status pack_all(intact_program *p, it_pack_job *list, it_pool *pool, intact_error *err)
{
    uint32_t n = 0;
    size_t temp = 0, bytes;
    for (it_pack_job *j = list; j; j = j->next) {
        n++;
        temp = j->temp_bytes > temp ? j->temp_bytes : temp;
    }
    if (n == 0)
        return INTACT_OK;
    pack_work w = { .temp_bytes = it_round_up(temp, IT_ALIGN) };
    bytes = w.temp_bytes * it_pool_threads(pool); /* below 2^31 * 2^12 */
    w.jobs = it_alloc_new(p->alloc, n * sizeof *w.jobs);
    w.temp = it_alloc_new(p->alloc, bytes);
    intact_status st = w.jobs && w.temp ? INTACT_OK : it_fail_nomem(err, "program", n * sizeof *w.jobs + bytes);
    if (st == INTACT_OK) {
        n = 0;
        for (it_pack_job *j = list; j; j = j->next) /* the last layers, mostly the largest, come first */
            w.jobs[n++] = j;
        it_pool_for(pool, n, 1, run_jobs, &w);
    }
    it_alloc_free(p->alloc, w.jobs, n * sizeof *w.jobs);
    it_alloc_free(p->alloc, w.temp, bytes);
    return st;
}

/* What a weight becomes: one byte, or two at levels that multiply 16 bits. */
static uint32_t packed_weight_bytes(const it_kern *kern)
{
    enum { N = 256 };
    const it_conv_geom g = { .in_h = 1, .in_w = 1, .in_c = N, .out_h = 1, .out_w = 1, .out_c = N, .group = 1, .kh = 1, .kw = 1, .stride_h = 1,
                             .stride_w = 1, .dil_h = 1, .dil_w = 1 };
    return (uint32_t)(kern->dense_u8->packed_bytes(&g, &(it_epi){ .out = INTACT_U8 }) / (N * N)); /* constants are much less than N * N */
}

/* One block for all packed weights, on huge pages. The size is a guess, mostly a little too much: what is not used is not touched, and what
** does not fit gets blocks of its own. */
static void reserve_packed(intact_program *p, const it_kern *kern)
{
    enum { WORTH_BYTES = 2 << 20, PER_CHANNEL = 6 /* bias, mult and shift are such a constant each; some kernels keep 16 biases */ };
    const uint32_t weight_bytes = packed_weight_bytes(kern);
    uint64_t bytes = 0;
    for (size_t k = 0; k < p->prog.consts.len; k++) {
        const it_pconst *c = &p->prog.consts.items[k];
        bytes += c->type == INTACT_S8 ? (c->len + c->len / 32) * weight_bytes : c->type == INTACT_S32 ? c->len * 4 * PER_CHANNEL : 0;
    }
    if (bytes >= WORTH_BYTES && bytes <= SIZE_MAX / 4)
        (void)it_arena_reserve(&p->arena, (size_t)bytes);
}

/* Fusing and placing may change the list of instructions; the caller's own stays as it is until all has succeeded. */
static intact_status copy_instrs(intact_program *p, intact_error *err)
{
    const size_t bytes = p->prog.instrs.len * sizeof *p->prog.instrs.items;
    p->prog.instrs.items = it_arena_copy(&p->arena, p->prog.instrs.items, bytes);
    return p->prog.instrs.items ? INTACT_OK : it_fail_nomem(err, "program", bytes);
}

static intact_status pack_program(intact_program *p, const it_pack_options *opt, intact_error *err)
{
    const it_kern *kern = NULL;
    IT_TRY(it_prog_check(&p->prog, err));
    IT_TRY(choose_kernels(opt, &kern, err));
    IT_TRY(copy_instrs(p, err));
    if (!opt->separate)
        IT_TRY(it_program_fuse(p, kern, err));
    IT_TRY(it_program_place(p, kern, opt->separate, err));
    it_pool *pool;
    IT_TRY(it_pool_new(p->alloc, opt->threads, &pool, err));
    it_pack_job *jobs = NULL;
    reserve_packed(p, kern);
    intact_status st = prepare_all(p, kern, &jobs, err);
    if (st == INTACT_OK)
        st = pack_all(p, jobs, pool, err);
    it_pool_free(pool);
    IT_TRY(st);
    p->info.inputs_len = p->prog.inputs_len;
    p->info.outputs_len = p->prog.outputs_len;
    p->info.instructions_len = (uint32_t)p->prog.instrs.len;
    p->info.tensors_len = (uint32_t)p->prog.tensors.len;
    p->info.file_bytes = opt->file_bytes;
    p->info.cpu = kern->cpu;
    return INTACT_OK;
}

intact_status it_program_pack(it_prog *g, const it_pack_options *opt, intact_program **out, intact_error *err)
{
    *out = NULL;
    intact_program *p = it_alloc_zero(opt->alloc, sizeof *p);
    if (!p)
        return it_fail_nomem(err, "program", sizeof *p);
    p->alloc = it_alloc_or_libc(opt->alloc);
    p->prog = *g;
    it_arena_init(&p->arena, opt->alloc);
    intact_status st = pack_program(p, opt, err);
    if (st != INTACT_OK) { /* *g is still the caller's */
        it_arena_release(&p->arena);
        it_alloc_free(p->alloc, p, sizeof *p);
        return st;
    }
    if (p->prog.instrs.len) /* back into the block that it_prog_release() frees */
        memcpy(g->instrs.items, p->prog.instrs.items, p->prog.instrs.len * sizeof *g->instrs.items);
    p->prog.instrs.items = g->instrs.items;
    it_prog_init(g, g->arena.alloc);
    IT_VEC_FREE(p->prog.arena.alloc, p->prog.consts);
    memset(&p->prog.consts, 0, sizeof p->prog.consts);
    *out = p;
    return INTACT_OK;
}

void intact_program_free(intact_program *p)
{
    if (!p)
        return;
    it_arena_release(&p->arena);
    it_prog_release(&p->prog);
    it_alloc_free(p->alloc, p, sizeof *p);
}
