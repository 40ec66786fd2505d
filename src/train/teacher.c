/* SPDX-License-Identifier: Apache-2.0 */
/* teacher.c: blocks of eight samples through float executors, one a thread: results of convolutions may depend on the size of a block, and must
** not on who computes it. */
#include "train/teacher.h"

#include <string.h>

#include "exec/exec.h"

enum { BLOCK = 8 };

typedef struct seat {
    it_teacher *t;
    it_exec *exec;
    float *to;               /* answers of the block at work */
    intact_status st;
    intact_error err;
} seat;

struct it_teacher {
    const it_graph *g;
    it_pool *pool;
    const it_value *answers; /* before a last Softmax */
    size_t per_sample, in_per_sample;
    seat *seats;
    uint32_t seats_len;
    const float *x;          /* the batch at work */
    size_t len;
    float *out;
};

/* The hook sees the value, whatever becomes of its memory later. */
static intact_status take(void *user, const it_value *v, const it_tensor *x, intact_error *err)
{
    seat *s = user;
    if (v != s->t->answers || !s->to) return INTACT_OK;
    const size_t len = (size_t)it_tensor_len(x), samples = len / s->t->per_sample;
    if (x->layout != IT_PLAIN && (x->rank != 4 || x->dim[2] * x->dim[3] != 1))
        return it_fail(err, INTACT_E_UNSUPPORTED, v->name, "the teacher's answers have places; one answer a class is needed");
    memcpy(s->to, x->data, samples * s->t->per_sample * sizeof *s->to);
    return INTACT_OK;
}

static void work(void *user, uint32_t begin, uint32_t end, uint32_t thread)
{
    it_teacher *t = user;
    seat *s = &t->seats[thread];
    for (uint32_t u = begin; u < end && s->st == INTACT_OK; u++) {
        const size_t first = (size_t)u * BLOCK, n = t->len - first < BLOCK ? t->len - first : BLOCK;
        it_tensor in = t->g->inputs.items[0]->t;
        in.dim[0] = (int64_t)n;
        in.layout = IT_PLAIN;
        in.data = (void *)(uintptr_t)(t->x + first * t->in_per_sample);
        s->to = t->out + first * t->per_sample;
        s->st = it_exec_run(s->exec, &in, 1, &s->err);
        s->to = NULL;
    }
}

intact_status it_teacher_answer(it_teacher *t, const float *x, size_t len, float *answers, intact_error *err)
{
    t->x = x;
    t->len = len;
    t->out = answers;
    it_pool_for(t->pool, (uint32_t)((len + BLOCK - 1) / BLOCK), 1, work, t);
    for (uint32_t i = 0; i < t->seats_len; i++)
        if (t->seats[i].st != INTACT_OK) {
            if (err) *err = t->seats[i].err;
            return t->seats[i].st;
        }
    return INTACT_OK;
}

static intact_status check(it_teacher *t, size_t answers, intact_error *err)
{
    const it_graph *g = t->g;
    if (g->inputs.len != 1 || g->outputs.len < 1 || g->inputs.items[0]->t.type != IT_F32 || g->inputs.items[0]->t.rank < 1)
        return it_fail(err, INTACT_E_UNSUPPORTED, g->name, "a teacher has one float input and an output; this network has %zu and %zu", g->inputs.len, g->outputs.len);
    t->answers = g->outputs.items[0];
    while (t->answers->producer && t->answers->producer->op->quant.role == IT_ROLE_SOFTMAX && t->answers->producer->in[0] && !t->answers->producer->in[0]->is_const)
        t->answers = t->answers->producer->in[0];
    t->per_sample = (size_t)it_tensor_len(&t->answers->t);
    t->in_per_sample = (size_t)it_tensor_len(&g->inputs.items[0]->t);
    if (t->answers->t.rank < 1 || t->per_sample != answers)
        return it_fail(err, INTACT_E_SHAPE, g->name, "the teacher gives %zu answers a sample, the network that learns %zu; both must be of the same classes", t->per_sample, answers);
    return INTACT_OK;
}

intact_status it_teacher_new(const it_graph *g, it_pool *pool, size_t answers, it_teacher **out, intact_error *err)
{
    *out = NULL;
    it_teacher *t = it_alloc_zero(g->alloc, sizeof *t);
    if (!t) return it_fail_nomem(err, g->name, sizeof *t);
    *t = (it_teacher){ .g = g, .pool = pool, .seats_len = it_pool_threads(pool) };
    intact_status st = check(t, answers, err);
    t->seats = it_alloc_zero(g->alloc, t->seats_len * sizeof *t->seats);
    if (st == INTACT_OK && !t->seats) st = it_fail_nomem(err, g->name, t->seats_len * sizeof *t->seats);
    for (uint32_t i = 0; i < t->seats_len && st == INTACT_OK; i++) {
        t->seats[i].t = t;
        st = it_exec_new(g, &(it_exec_options){ .hook = take, .hook_user = &t->seats[i] }, &t->seats[i].exec, err);
    }
    if (st == INTACT_OK)
        *out = t;
    else
        it_teacher_free(t);
    return st;
}

void it_teacher_free(it_teacher *t)
{
    if (!t) return;
    for (uint32_t i = 0; t->seats && i < t->seats_len; i++)
        if (t->seats[i].exec) it_exec_free(t->seats[i].exec);
    it_alloc_free(t->g->alloc, t->seats, t->seats_len * sizeof *t->seats);
    it_alloc_free(t->g->alloc, t, sizeof *t);
}
