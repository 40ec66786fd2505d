/* SPDX-License-Identifier: Apache-2.0 */
/* new.c: a well-known architecture as an ONNX file: built with seeded weights, its BatchNormalizations given the statistics that those
** weights cause, written. */
#include <string.h>

#include "api/api.h"
#include "arch/arch.h"
#include "format/format.h"

#define BATCH_MAX 64
#define BATCH_VALUES (1 << 21)    /* of input: larger images come in smaller batches, and have more positions to average over */
#define COARSE 5                  /* the smooth part of an image: a grid of 5x5 numbers, interpolated */
#define NOISE 0.5                 /* what is added to it */
#define VAR_LEAST 1e-3            /* of the layer's mean variance: a channel that hardly moves is not blown up */

typedef struct settling {
    intact_ctx *c;
    it_node **reader;     /* by value id: the BatchNormalization whose input it is; NULL: none */
    double *sum;          /* two numbers a channel */
    uint64_t done, total; /* BatchNormalizations */
} settling;

/* ---- images ---- */

/* A plane of the grid's numbers, linear between them. */
static void add_coarse(const float *grid, int64_t h, int64_t w, float *x)
{
    for (int64_t i = 0; i < h; i++) {
        double y = h > 1 ? (double)i * (COARSE - 1) / (double)(h - 1) : 0;
        int64_t top = y < COARSE - 2 ? (int64_t)y : COARSE - 2;
        for (int64_t j = 0; j < w; j++) {
            double z = w > 1 ? (double)j * (COARSE - 1) / (double)(w - 1) : 0;
            int64_t left = z < COARSE - 2 ? (int64_t)z : COARSE - 2;
            const float *a = grid + top * COARSE + left;
            double fy = y - (double)top, fz = z - (double)left;
            double upper = (1 - fz) * (double)a[0] + fz * (double)a[1], lower = (1 - fz) * (double)a[COARSE] + fz * (double)a[COARSE + 1];
            x[i * w + j] += (float)((1 - fy) * upper + fy * lower);
        }
    }
}

/* White noise and, every second sample, what resembles a photograph: networks meet both, and statistics of one kind alone let the
** activations of deep networks grow without bound on the other. */
static void fill_images(const it_tensor *t, uint64_t seed)
{
    it_rng r;
    float grid[COARSE * COARSE], *x = t->data;
    int64_t plane = t->dim[2] * t->dim[3];
    it_rng_seed(&r, seed ^ UINT64_C(0x1057ac7)); /* not the stream that the weights came from */
    for (int64_t n = 0; n < t->dim[0]; n++)
        for (int64_t c = 0; c < t->dim[1]; c++, x += plane) {
            it_arch_gauss(&r, x, (size_t)plane, n % 2 ? NOISE : 1);
            if (n % 2 == 0) continue;
            it_arch_gauss(&r, grid, IT_LEN(grid), 1);
            add_coarse(grid, t->dim[2], t->dim[3], x);
        }
}

/* ---- statistics ---- */

/* Adds f(x) of every element to its channel: x itself, or its squared distance from mean. */
static void add_up(const it_tensor *t, const double *mean, double *sum)
{
    const float *x = t->data;
    int64_t channels = t->dim[1], inner = 1;
    for (int i = 2; i < t->rank; i++) inner *= t->dim[i];
    bool last = t->layout == IT_NHWC;
    for (int64_t o = 0; o < t->dim[0] * (last ? inner : channels); o++)
        for (int64_t i = 0; i < (last ? channels : inner); i++, x++) {
            int64_t c = last ? i : o % channels;
            double d = mean ? (double)*x - mean[c] : (double)*x;
            sum[c] += mean ? d * d : d;
        }
}

/* Before the BatchNormalization runs: its mean and variance become those of what it is about to see. */
static intact_status settle(void *user, const it_value *v, const it_tensor *t, intact_error *err)
{
    settling *s = user;
    it_node *n = s->reader[v->id];
    if (!n) return INTACT_OK;
    float *mean_out = n->in[3]->t.data, *var_out = n->in[4]->t.data;
    int64_t channels = t->dim[1];
    double count = (double)it_tensor_len(t) / (double)channels, *mean = s->sum, *var = s->sum + channels, all = 0;
    memset(s->sum, 0, (size_t)channels * 2 * sizeof *s->sum);
    add_up(t, NULL, mean);
    for (int64_t c = 0; c < channels; c++) mean[c] /= count;
    add_up(t, mean, var);
    for (int64_t c = 0; c < channels; c++) all += var[c] /= count;
    all /= (double)channels;
    if (!(all > 0)) all = 1;
    for (int64_t c = 0; c < channels; c++) {
        mean_out[c] = (float)mean[c];
        var_out[c] = (float)(var[c] < VAR_LEAST * all ? all : var[c]);
    }
    s->done++;
    if (s->c->opt.progress && s->c->opt.progress(s->c->opt.user, "measuring activations", s->done, s->total))
        return it_fail(err, INTACT_E_CANCELLED, "new", "stopped on request after %llu of %llu layers", (unsigned long long)s->done,
                       (unsigned long long)s->total);
    return INTACT_OK;
}

static int64_t find_readers(const it_graph *g, settling *s)
{
    int64_t widest = 0;
    for (size_t i = 0; i < g->nodes.len; i++) {
        it_node *n = g->nodes.items[i];
        if (n->op != &it_op_batch_normalization) continue;
        s->reader[n->in[0]->id] = n;
        s->total++;
        if (n->in[0]->t.dim[1] > widest) widest = n->in[0]->t.dim[1];
    }
    return widest;
}

static intact_status run_once(const it_graph *g, settling *s, uint64_t seed, intact_error *err)
{
    it_exec *e = NULL;
    it_tensor x = g->inputs.items[0]->t;
    int64_t fit = BATCH_VALUES / it_tensor_len(&x);
    x.dim[0] = fit < 2 ? 2 : fit > BATCH_MAX ? BATCH_MAX : fit;
    size_t bytes = it_tensor_bytes(&x);
    x.data = it_alloc_new(g->alloc, bytes);
    if (!x.data) return it_fail_nomem(err, g->name, bytes);
    fill_images(&x, seed);
    intact_status st = it_exec_new(g, &(it_exec_options){.hook = settle, .hook_user = s}, &e, err);
    if (st == INTACT_OK) st = it_exec_run(e, &x, 1, err);
    it_exec_free(e);
    it_alloc_free(g->alloc, x.data, bytes);
    return st;
}

/* One run through the network: each layer's statistics are taken where those before it hold already. */
static intact_status settle_all(intact_ctx *c, const it_graph *g, uint64_t seed, intact_error *err)
{
    it_arena room;
    settling s = {.c = c};
    it_arena_init(&room, c->alloc);
    s.reader = it_arena_new(&room, g->values.len * sizeof(it_node *));
    int64_t widest = s.reader ? find_readers(g, &s) : 0;
    s.sum = it_arena_new(&room, (size_t)widest * 2 * sizeof *s.sum);
    intact_status st = !s.reader || !s.sum ? it_fail_nomem(err, g->name, g->values.len * sizeof(it_node *)) : INTACT_OK;
    if (st == INTACT_OK && s.total) st = run_once(g, &s, seed, err);
    it_arena_release(&room);
    return st;
}

/* ---- the verb ---- */

static intact_status unknown(const char *name, intact_error *err)
{
    const char *names[64];
    size_t len = 0;
    for (; it_arch_all[len] && len < IT_LEN(names); len++) names[len] = it_arch_all[len]->name;
    const char *near = it_nearest(name, names, len);
    if (near) return it_fail(err, INTACT_E_ARG, "architecture", "'%.60s' is not known; did you mean %s?", name, near);
    return it_fail(err, INTACT_E_ARG, "architecture", "'%.60s' is not known; 'intact new --list' shows which are", name);
}

static void fill_result(const it_graph *g, intact_new_result *out)
{
    const it_tensor *x = &g->inputs.items[0]->t;
    for (int i = 0; i < 3; i++) out->input[i] = x->dim[i + 1];
    out->classes = g->outputs.items[0]->t.dim[1];
    for (size_t i = 0; i < g->nodes.len; i++) {
        const it_node *n = g->nodes.items[i];
        bool bn = n->op == &it_op_batch_normalization; /* its means and variances are not trained */
        for (int k = 1; k < (bn ? 3 : n->in_len); k++) {
            const it_value *v = n->in[k];
            if (v && v->is_const && v->t.type == IT_F32 && it_tensor_len(&v->t) > 1) /* bounds of a clamp are none */
                out->parameters += (uint64_t)it_tensor_len(&v->t);
        }
    }
}

void intact_new_options_default(intact_new_options *o) { *o = (intact_new_options){0}; }

intact_status intact_new(intact_ctx *c, const intact_new_options *o, intact_new_result *out, intact_error *err)
{
    *out = (intact_new_result){0};
    if (!o->architecture || !o->output)
        return it_fail(err, INTACT_E_ARG, "new", "no %s was given", o->architecture ? "output path" : "architecture");
    const it_arch *a = it_arch_find(o->architecture);
    if (!a) return unknown(o->architecture, err);
    it_arch_options ao = {.classes = o->classes, .seed = o->seed, .progress = c->opt.progress, .user = c->opt.user};
    IT_TRY(it_api_files_apart(&(it_api_file){"the network", o->output}, 1, NULL, 0, err));
    memcpy(ao.input, o->input, sizeof ao.input);
    it_graph g;
    it_graph_init(&g, c->alloc);
    intact_status st = it_arch_make(a, &ao, &g, err);
    if (st == INTACT_OK) st = settle_all(c, &g, o->seed, err);
    if (st == INTACT_OK) st = it_onnx_write(&g, o->output, err);
    if (st == INTACT_OK) fill_result(&g, out);
    it_graph_release(&g);
    return st;
}

uint32_t intact_list_architectures(intact_architecture *out, uint32_t cap)
{
    uint32_t len = 0;
    for (; it_arch_all[len]; len++) {
        const it_arch *a = it_arch_all[len];
        if (!out || len >= cap) continue;
        out[len] = (intact_architecture){.name = a->name, .summary = a->summary, .classes = a->classes};
        memcpy(out[len].input, a->input, sizeof a->input);
    }
    return len;
}
