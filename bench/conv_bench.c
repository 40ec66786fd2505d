/* SPDX-License-Identifier: Apache-2.0 */
/* conv_bench: every distinct convolution, depthwise convolution and dense layer of integer programs, alone and with warm caches: our kernel
** (the instruction as a session runs it) and oneDNN's, alternating. Writes Markdown.
** Usage: conv_bench [--threads 1,2] [--seconds S: of each layer and engine] [--cpu LEVEL] [--only TEXT] [--sums] [--no-dnnl] NET.itm ...
**
** GMAC/s count padded taps. Percentages are of the level's probe (multiply-accumulates on registers), the best of many, one thread's
** times the threads. oneDNN / Intact: its time by ours. Add and table of a layer that has them fused count in our time; an add also in
** oneDNN's, as its sum operation. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cpu.h"
#include "bench.h"
#include "conv_dnnl.h"
#include "run/mac.h"
#include "run/machine.h"

extern void omp_set_num_threads(int n);

enum { THREADS_MAX = 8, ROUNDS = 3, TURNS = 2 /* of both engines in a round */, KINDS = 3 };
#define NEVER 1e9 /* seconds */
static const char *const kinds[KINDS] = { "conv", "dwconv", "dense" };

typedef struct options {
    int threads[THREADS_MAX], threads_len;
    double seconds;
    intact_cpu cpu;
    const char *only;
    bool sums, no_dnnl;
} options;

typedef struct layer {
    const it_pinstr *instr;
    const it_step *step;
    const it_mac *mac;
    int kind, count;
    bool wide; /* s16 inputs: nothing to compare with */
    double ours[THREADS_MAX], theirs[THREADS_MAX];
} layer;

typedef struct net {
    const char *path;
    intact_program *program;
    layer *layers;
    size_t len;
} net;

typedef struct bench {
    options o;
    const it_kern *kern;
    double peak; /* GMAC/s of one thread */
} bench;

static void probe(bench *b)
{
    uint32_t turns = 1 << 13;
    for (int i = 0; i < 3; i++) {
        double t = now();
        uint64_t macs = b->kern->peak_u8(turns);
        double rate = (double)macs / (now() - t) * 1e-9;
        b->peak = rate > b->peak ? rate : b->peak;
    }
}

/* ---- our side: an instruction with buffers of its own ---- */

typedef struct ours_run {
    const layer *l;
    it_frame f;
    const void **in;
    void **out;
    void *bytes[3];
} ours_run;

static size_t map_bytes(uint32_t h, uint32_t w, size_t pitch) { return ((size_t)h * w * pitch + 64) * 2; }

static ours_run ours_open(const net *n, const layer *l, it_pool *pool)
{
    const it_conv_geom *g = &l->mac->g;
    size_t in = map_bytes(g->in_h, g->in_w, it_conv_in_pitch(g)), out = map_bytes(g->out_h, g->out_w, it_conv_out_pitch(g));
    size_t other = map_bytes(g->out_h, g->out_w, it_conv_other_pitch(g));
    ours_run r = { .l = l, .in = fresh((n->program->ports_max + 1) * sizeof *r.in), .out = fresh((n->program->ports_max + 1) * sizeof *r.out) };
    r.bytes[0] = fresh(in > other ? in : other);
    r.bytes[1] = fresh(out);
    r.bytes[2] = fresh(n->program->scratch_bytes * it_pool_threads(pool));
    for (uint32_t k = 0; k <= n->program->ports_max; k++)
        r.in[k] = r.bytes[0], r.out[k] = r.bytes[1];
    r.f = (it_frame){ .in = r.in, .out = r.out, .batch = 1, .pool = pool, .scratch = r.bytes[2], .scratch_stride = n->program->scratch_bytes };
    return r;
}

static void ours_close(ours_run *r)
{
    for (int i = 0; i < 3; i++)
        free(r->bytes[i]);
    free(r->in);
    free(r->out);
}

static void run_ours(void *user)
{
    const ours_run *r = user;
    r->l->instr->kind->run(r->l->step->state, &r->f);
}

static void run_theirs(void *user) { conv_dnnl_run(user); }

/* The least time of a call within so many seconds, and of four calls at least. */
static double least(void (*run)(void *), void *user, double seconds)
{
    double best = NEVER, end = now() + seconds;
    for (int i = 0; i < 4 || now() < end; i++) {
        double t = now();
        run(user);
        t = now() - t;
        best = t < best ? t : best;
    }
    return best;
}

/* One of ROUNDS, which lie far apart in time: on a shared machine the processor is slower for seconds. */
static void measure(bench *b, const net *n, layer *l, int at)
{
    int threads = b->o.threads[at];
    it_pool *pool;
    if (it_pool_new(NULL, (uint32_t)threads, &pool, NULL) != INTACT_OK)
        exit(1);
    ours_run r = ours_open(n, l, pool);
    omp_set_num_threads(threads);
    conv_dnnl *c = b->o.no_dnnl || l->wide ? NULL : conv_dnnl_new(&l->mac->g, l->kind == 2, l->instr->in_len > 1);
    double part = b->o.seconds / (ROUNDS * TURNS);
    for (int k = 0; k < TURNS; k++) {
        double t = least(run_ours, &r, part), u = c ? least(run_theirs, c, part) : NEVER;
        l->ours[at] = t < l->ours[at] ? t : l->ours[at];
        l->theirs[at] = u < l->theirs[at] ? u : l->theirs[at];
        probe(b);
    }
    conv_dnnl_free(c);
    ours_close(&r);
    it_pool_free(pool);
}

/* ---- the layers of a program ---- */

static bool same(const layer *a, const layer *b)
{
    const it_conv_geom *g = &a->mac->g, *h = &b->mac->g; /* but for the zero point */
    return a->kind == b->kind && a->wide == b->wide && a->instr->in_len == b->instr->in_len && g->in_h == h->in_h && g->in_w == h->in_w &&
           g->in_c == h->in_c && g->out_h == h->out_h && g->out_w == h->out_w && g->out_c == h->out_c && g->group == h->group &&
           g->kh == h->kh && g->kw == h->kw && g->stride_h == h->stride_h && g->stride_w == h->stride_w && g->dil_h == h->dil_h &&
           g->dil_w == h->dil_w && g->pad_t == h->pad_t && g->pad_l == h->pad_l && !a->mac->e.lut == !b->mac->e.lut &&
           strcmp(a->step->kernel, b->step->kernel) == 0;
}

static void add_layer(net *n, const layer *l)
{
    for (size_t k = 0; k < n->len; k++)
        if (same(&n->layers[k], l)) {
            n->layers[k].count++;
            return;
        }
    n->layers[n->len++] = *l;
}

static void shape_text(const layer *l, char *to, size_t size)
{
    const it_conv_geom *g = &l->mac->g;
    char groups[24] = "";
    if (l->kind == 0 && g->group > 1)
        snprintf(groups, sizeof groups, " g%u", g->group);
    if (l->kind == 2)
        snprintf(to, size, "dense %u->%u%s", g->in_c, g->out_c, l->wide ? " s16" : "");
    else
        snprintf(to, size, "%s%ux%u %u->%u @%ux%u%s%s%s%s%s", l->kind == 1 ? "dw " : "", g->kh, g->kw, g->in_c, g->out_c, g->in_h, g->in_w,
                 g->stride_h > 2 ? "/n" : g->stride_h == 2 ? "/2" : "", groups, l->instr->in_len > 1 ? " +add" : "",
                 l->mac->e.lut ? " +table" : "", l->wide ? " s16" : "");
}

static net net_open(const char *path, const bench *b)
{
    net n = { .path = path };
    intact_error err;
    if (intact_program_load(path, &(intact_load_options){ .cpu = b->o.cpu }, &n.program, &err) != INTACT_OK) {
        fprintf(stderr, "conv_bench: %s: %s\n", err.where, err.message);
        exit(1);
    }
    const it_prog *p = &n.program->prog;
    n.layers = fresh(p->instrs.len * sizeof *n.layers);
    for (size_t i = 0; i < p->instrs.len; i++) {
        layer l = { .instr = &p->instrs.items[i], .step = &n.program->steps[i], .count = 1 };
        for (int at = 0; at < THREADS_MAX; at++)
            l.ours[at] = l.theirs[at] = NEVER;
        for (l.kind = 0; l.kind < KINDS && strcmp(l.instr->kind->name, kinds[l.kind]); l.kind++)
            continue;
        if (l.kind == KINDS)
            continue;
        l.mac = l.step->state;
        l.wide = it_in(p, l.instr, 0)->type != INTACT_U8;
        char text[128];
        shape_text(&l, text, sizeof text);
        if (!b->o.only || strstr(text, b->o.only))
            add_layer(&n, &l);
    }
    return n;
}

/* ---- tables ---- */

typedef struct total {
    double ours, theirs, macs, with; /* seconds; ours of the layers that both have */
} total;

static void cells(const bench *b, int at, double macs, double ours, double theirs, double ours_both)
{
    double unit = macs * 1e-9, peak = b->peak * b->o.threads[at];
    printf(" %.1f | %.0f | %.0f %% |", ours * 1e6, unit / ours, 100 * unit / ours / peak);
    if (b->o.no_dnnl)
        printf("\n");
    else if (theirs > 0 && theirs < NEVER)
        printf(" %.1f | %.0f | %.0f %% | %.2f |\n", theirs * 1e6, unit / theirs, 100 * unit / theirs / peak, theirs / ours_both);
    else
        printf(" - | - | - | - |\n");
}

static void sum_line(const bench *b, int at, const char *name, const total *t)
{
    if (t->macs > 0) {
        printf("| **%s** | | |", name);
        cells(b, at, t->macs, t->ours, t->theirs, t->with);
    }
}

static void add_total(total *t, const layer *l, int at)
{
    t->ours += l->count * l->ours[at];
    t->macs += l->count * (double)l->mac->macs;
    if (l->theirs[at] < NEVER) {
        t->theirs += l->count * l->theirs[at];
        t->with += l->count * l->ours[at];
    }
}

static void print_net(const bench *b, const net *n, int at)
{
    total by_kind[KINDS] = { { 0 } }, all = { 0 };
    static const char *const names[KINDS] = { "convolutions", "depthwise", "dense" };
    const char *base = strrchr(n->path, '/');
    printf("\n**%s, %d thread%s**\n\n| layer | times | kernel | us | GMAC/s | of peak |%s\n|---|---|---|---|---|---|%s\n", base ? base + 1 : n->path,
           b->o.threads[at], b->o.threads[at] > 1 ? "s" : "", b->o.no_dnnl ? "" : " oneDNN us | GMAC/s | of peak | oneDNN / Intact |",
           b->o.no_dnnl ? "" : "---|---|---|---|");
    for (size_t k = 0; k < n->len; k++) {
        const layer *l = &n->layers[k];
        char text[128];
        shape_text(l, text, sizeof text);
        add_total(&by_kind[l->kind], l, at);
        add_total(&all, l, at);
        if (b->o.sums)
            continue;
        printf("| %s | %d | %s |", text, l->count, l->step->kernel);
        cells(b, at, (double)l->mac->macs, l->ours[at], l->theirs[at], l->ours[at]);
    }
    for (int k = 0; k < KINDS; k++)
        sum_line(b, at, names[k], &by_kind[k]);
    sum_line(b, at, "all", &all);
}

static void usage(void)
{
    fprintf(stderr, "usage: conv_bench [--threads 1,2] [--seconds S] [--cpu LEVEL] [--only TEXT] [--sums] [--no-dnnl] NET.itm ...\n");
    exit(2);
}

static int read_options(options *o, int argc, char **argv)
{
    int i = 1;
    for (; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--sums") == 0)
            o->sums = true;
        else if (strcmp(argv[i], "--no-dnnl") == 0)
            o->no_dnnl = true;
        else if (!value)
            usage();
        else if (strcmp(argv[i], "--seconds") == 0)
            o->seconds = atof(value), i++;
        else if (strcmp(argv[i], "--only") == 0)
            o->only = value, i++;
        else if (strcmp(argv[i], "--cpu") == 0)
            o->cpu = intact_cpu_parse(value), i++;
        else if (strcmp(argv[i], "--threads") == 0) {
            o->threads_len = 0;
            for (const char *t = value; t && o->threads_len < THREADS_MAX; t = strchr(t, ',') ? strchr(t, ',') + 1 : NULL)
                o->threads[o->threads_len++] = atoi(t) > 0 ? atoi(t) : 1;
            i++;
        } else
            usage();
    }
    return i;
}

int main(int argc, char **argv)
{
    /* OpenMP's threads wait busily for milliseconds and would take the processors from ours: they shall do so for less than one. The
    ** library reads this before main. */
    if (!getenv("GOMP_SPINCOUNT")) {
        setenv("GOMP_SPINCOUNT", "10000", 1);
        execv("/proc/self/exe", argv);
    }
    bench b = { .o = { .threads = { 1, 2 }, .threads_len = 2, .seconds = 0.06, .cpu = INTACT_CPU_AUTO } };
    int first = read_options(&b.o, argc, argv);
    if (first >= argc || b.o.cpu >= INTACT_CPU_COUNT || b.o.seconds <= 0)
        usage();
    size_t len = (size_t)(argc - first);
    net *nets = fresh(len * sizeof *nets);
    for (size_t i = 0; i < len; i++) {
        nets[i] = net_open(argv[first + (int)i], &b);
        b.kern = it_kern_of(nets[i].program->info.cpu);
    }
    for (int round = 0; round < ROUNDS; round++)
        for (size_t i = 0; i < len; i++)
            for (size_t k = 0; k < nets[i].len; k++)
                for (int at = 0; at < b.o.threads_len; at++)
                    measure(&b, &nets[i], &nets[i].layers[k], at);
    for (size_t i = 0; i < len; i++) {
        for (int at = 0; at < b.o.threads_len; at++)
            print_net(&b, &nets[i], at);
        free(nets[i].layers);
        intact_program_free(nets[i].program);
    }
    free(nets);
    printf("\nThe probe of level %s: %.1f GMAC/s on one thread; percentages are of that times the threads.\n", intact_cpu_name(b.kern->cpu), b.peak);
    return 0;
}
