/* SPDX-License-Identifier: Apache-2.0 */
/* helpers.c: a trainer on a small network with random images, for the trainer's tests. */
#include "train/helpers.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "arch/arch.h"
#include "pass/pass.h"

void must(intact_status st, const intact_error *err)
{
    if (st != INTACT_OK) fail_msg("%s: %s", err->where, err->message);
}

intact_status rig_graph(it_graph *g, const rig_spec *s, intact_error *err)
{
    static const it_pass *const PASSES[] = { &it_pass_free_batch, &it_pass_fold_constants, &it_pass_fold_moves, &it_pass_fuse_clamp, &it_pass_drop_dead };
    it_arch_options o = { .input = { s->input[0], s->input[1], s->input[2] }, .classes = s->classes, .seed = s->seed + 1 };
    it_rng rng;
    it_graph_init(g, s->alloc);
    IT_TRY(it_arch_make(it_arch_find(s->arch), &o, g, err));
    for (size_t i = 0; i < IT_LEN(PASSES); i++) {
        size_t changes = 0;
        IT_TRY(PASSES[i]->run(g, &changes, err));
        IT_TRY(it_graph_sort(g, err));
        IT_TRY(it_graph_infer(g, 1, NULL, err));
    }
    for (size_t i = 0; s->no_clamps && i < g->nodes.len; i++) {
        g->nodes.items[i]->clamp_lo = -INFINITY;
        g->nodes.items[i]->clamp_hi = INFINITY;
    }
    it_rng_seed(&rng, 99);
    for (size_t i = 0; i < g->nodes.len; i++) {
        const it_node *n = g->nodes.items[i];
        if (strcmp(n->op->onnx, "BatchNormalization") != 0) continue;
        float *scale = n->in[1]->t.data, *bias = n->in[2]->t.data;
        for (int64_t c = 0; c < it_tensor_len(&n->in[1]->t); c++) {
            scale[c] = 0.6f + (float)it_rng_below(&rng, 1000) / 1000;
            bias[c] = (float)it_rng_below(&rng, 1000) / 2000 - 0.25f;
        }
    }
    return INTACT_OK;
}

void rig_open(rig *r, const rig_spec *s)
{
    intact_error err = { .code = INTACT_OK };
    it_train_options o = { .batch = 0 };
    it_rng rng;
    *r = (rig){ .t = NULL };
    must(rig_graph(&r->g, s, &err), &err);
    must(it_pool_new(NULL, s->threads, &r->pool, &err), &err);
    if (s->o) o = *s->o;
    o.pool = r->pool;
    if (!o.batch) o.batch = s->batch;
    if (!o.loss.loss) o.loss.loss = &it_loss_cross_entropy;
    if (!o.optimizer.optimizer) o.optimizer = (it_optimizer_spec){ .optimizer = &it_optimizer_sgd, .momentum = 0.9 };
    r->pixels = (size_t)(s->input[0] * s->input[1] * s->input[2]);
    r->x = malloc(s->batch * r->pixels * sizeof *r->x);
    r->label = malloc(s->batch * sizeof *r->label);
    it_rng_seed(&rng, s->seed);
    it_arch_gauss(&rng, r->x, s->batch * r->pixels, 1);
    for (size_t i = 0; i < s->batch; i++) r->label[i] = (int32_t)it_rng_below(&rng, (uint64_t)s->classes);
    r->in[0] = r->x;
    r->b = (it_train_batch){ .len = s->batch, .in = r->in, .label = r->label };
    must(it_train_new(&r->g, &o, &r->t, &err), &err);
}

void rig_close(rig *r)
{
    it_train_free(r->t);
    it_pool_free(r->pool);
    it_graph_release(&r->g);
    free(r->x);
    free(r->label);
}

it_train_result rig_step(rig *r, double rate)
{
    intact_error err = { .code = INTACT_OK };
    it_train_result got;
    must(it_train_step(r->t, &r->b, rate, &got, &err), &err);
    return got;
}

double rig_loss(rig *r) { return rig_step(r, 0).loss; }

void *count_grow(void *user, void *p, size_t bytes_old, size_t bytes_new)
{
    counting *c = user;
    if (bytes_new && ++c->calls == c->fail_at) return NULL;
    if (!p && bytes_new) c->live++;
    if (p && !bytes_new) c->live--;
    return it_alloc_libc.grow(NULL, p, bytes_old, bytes_new);
}
