/* SPDX-License-Identifier: Apache-2.0 */
/* sensitivity.c: for every part two simulated runs, quantized alone and left out alone. What comes before the part is common to all: one
** executor walks through the network, and each measurement runs only what follows it. */
#include "ptq/sensitivity.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "exec/exec.h"
#include "ptq/method.h"

typedef struct tally { double signal, noise, kl; uint32_t n, same, labelled, right; } tally;

#define LOW IT_SENSE_PARTS /* the weights at few bits: one more part, in a pass of its own */

typedef enum sense_pass { PASS_LOW, PASS_ONLY, PASS_BUT } sense_pass; /* in this order; parts at few bits, alone, all but one */

/* One part of one row. */
typedef struct measure {
    size_t row;
    it_sense_part part;
    size_t start;  /* nothing before this node changes */
    bool input;    /* the network's input does: there is no prefix */
    size_t order;
} measure;

struct sense_job;
typedef struct sense_worker {
    const struct sense_job *job;
    it_exec *base, *cand;
    int group;     /* what the candidate rounds, or leaves alone; -1: nothing */
    uint8_t *pixels;
    float *floats;
} sense_worker;

typedef struct sense_job {
    it_ptq *p;
    const it_feed *feed;
    it_sensitivity *out;
    measure *m;
    size_t m_len;
    float **weights;      /* [row]: real values of the codes, at few bits in PASS_LOW: one copy of all weights, as large networks have much of them */
    sense_pass pass;
    bool but;             /* PASS_BUT: all but one part is quantized */
    sense_worker *workers;
    tally *sum;           /* [units][m_len + 2]: of measures, everything quantized, float; added up in order */
    float **ref;          /* [units]: the float network's answers */
    size_t answer;        /* values of a sample */
    uint32_t units;
} sense_job;

static const it_sense_row *row_of(const sense_job *j, const measure *m) { return &j->out->rows.items[m->row]; }

static bool base_simulates(void *user, const it_value *v)
{
    const sense_worker *w = user;
    return w->job->but && !v->is_const;
}

static bool cand_simulates(void *user, const it_value *v)
{
    const sense_worker *w = user;
    const it_groups *gs = &w->job->p->groups;
    bool ours = w->group >= 0 && v->id < (int)gs->of_len && gs->of[v->id] == w->group;
    return !v->is_const && ours != w->job->but;
}

/* ---- scores ---- */

static size_t largest(const float *x, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (x[i] > x[best])
            best = i;
    return best;
}

static double log_sum(const float *x, size_t n, float top)
{
    double s = 0;
    for (size_t i = 0; i < n; i++)
        s += exp((double)x[i] - top);
    return log(s) + top;
}

static double divergence(const float *r, const float *y, size_t n, size_t top_r, size_t top_y)
{
    double lr = log_sum(r, n, r[top_r]), ly = log_sum(y, n, y[top_y]), kl = 0;
    for (size_t i = 0; i < n; i++)
        kl += exp((double)r[i] - lr) * (((double)r[i] - lr) - ((double)y[i] - ly));
    return kl > 0 ? kl : 0;
}

static void score(tally *t, const float *r, const float *y, size_t n, int32_t label)
{
    size_t top_r = largest(r, n), top_y = largest(y, n);
    for (size_t i = 0; i < n; i++) {
        double d = (double)y[i] - r[i];
        t->signal += (double)r[i] * r[i];
        t->noise += d * d;
    }
    t->kl += divergence(r, y, n, top_r, top_y);
    t->n++;
    t->same += top_r == top_y;
    t->labelled += label >= 0;
    t->right += label >= 0 && (int32_t)top_y == label;
}

static intact_status score_chunk(const sense_job *j, uint32_t u, uint32_t at, uint32_t len, const it_exec *e, tally *t, const it_batch *b, intact_error *err)
{
    const it_tensor *y = it_exec_output(e, 0);
    if (y->type != IT_F32 || (size_t)it_tensor_len(y) != len * j->answer)
        return it_fail(err, INTACT_E_SHAPE, j->p->g->name, "the first output must be float, and of the same size for every sample");
    for (uint32_t i = 0; i < len; i++)
        score(t, j->ref[u] + (at + i) * j->answer, (const float *)y->data + i * j->answer, j->answer, b->label[at + i]);
    return INTACT_OK;
}

/* ---- runs ---- */

static bool changes_value(const measure *m) { return m->part == IT_SENSE_ACTS || m->part == IT_SENSE_BOTH; }

static void choose(sense_worker *w, const measure *m, bool on)
{
    const sense_job *j = w->job;
    const it_sense_row *r = row_of(j, m);
    w->group = on && changes_value(m) ? r->group : -1;
    if (m->part != IT_SENSE_ACTS)
        it_exec_replace(w->cand, it_ptq_weight(r->node), on != j->but ? j->weights[m->row] : NULL);
}

static intact_status reference(sense_worker *w, uint32_t u, uint32_t at, const it_tensor *in, const it_batch *b, intact_error *err)
{
    const sense_job *j = w->job;
    w->group = -1;
    IT_TRY(it_exec_run(w->cand, in, 1, err));
    const it_tensor *y = it_exec_output(w->cand, 0);
    if (y->type != IT_F32 || (size_t)it_tensor_len(y) != (size_t)in->dim[0] * j->answer)
        return it_fail(err, INTACT_E_SHAPE, j->p->g->name, "the first output must be float, and of the same size for every sample");
    memcpy(j->ref[u] + at * j->answer, y->data, it_tensor_bytes(y));
    return score_chunk(j, u, at, (uint32_t)in->dim[0], w->cand, &j->sum[u * (j->m_len + 2) + j->m_len + 1], b, err);
}

static intact_status run_chunk(sense_worker *w, uint32_t u, uint32_t at, const it_tensor *in, const it_batch *b, intact_error *err)
{
    const sense_job *j = w->job;
    tally *sum = &j->sum[u * (j->m_len + 2)];
    if (j->pass == PASS_LOW)
        IT_TRY(reference(w, u, at, in, b, err));
    IT_TRY(it_exec_begin(w->base, in, 1, err));
    for (size_t i = 0; i < j->m_len; i++) {
        const measure *m = &j->m[i];
        if ((m->part == LOW) != (j->pass == PASS_LOW))
            continue;
        choose(w, m, true);
        if (!m->input)
            IT_TRY(it_exec_advance(w->base, m->start, err));
        IT_TRY(m->input ? it_exec_run(w->cand, in, 1, err) : it_exec_resume(w->cand, w->base, err));
        choose(w, m, false);
        IT_TRY(score_chunk(j, u, at, (uint32_t)in->dim[0], w->cand, &sum[i], b, err));
    }
    if (!j->but)
        return INTACT_OK;
    IT_TRY(it_exec_advance(w->base, j->p->g->nodes.len, err));
    return score_chunk(j, u, at, (uint32_t)in->dim[0], w->base, &sum[j->m_len], b, err);
}

static intact_status sense_unit(void *arg, uint32_t u, uint32_t thread, uint64_t *steps, intact_error *err)
{
    sense_job *j = arg;
    sense_worker *w = &j->workers[thread];
    const it_value *x = j->p->g->inputs.items[0];
    uint32_t step = x->declared_rank > 0 && x->declared[0] > 0 && x->declared[0] < IT_FEED_BATCH ? (uint32_t)x->declared[0] : IT_FEED_BATCH;
    it_batch b;
    IT_TRY(it_feed_batch(j->feed, (size_t)u * IT_FEED_BATCH, w->pixels, w->floats, &b, err));
    *steps = b.len + b.skipped;
    size_t bytes = IT_FEED_BATCH * j->answer * sizeof(float);
    if (!j->ref[u] && !(j->ref[u] = it_alloc_new(j->p->alloc, bytes)))
        return it_fail_nomem(err, "sensitivity", bytes);
    for (uint32_t at = 0; at < b.len; at += step) {
        it_tensor in = x->t;
        in.dim[0] = b.len - at < step ? b.len - at : step;
        in.layout = IT_PLAIN;
        in.data = w->floats + at * j->feed->elements;
        IT_TRY(run_chunk(w, u, at, &in, &b, err));
    }
    return INTACT_OK;
}

static intact_status worker_open(sense_worker *w, const sense_job *j, intact_error *err)
{
    const size_t batch = IT_FEED_BATCH * j->feed->elements;
    w->job = j;
    w->group = -1;
    w->pixels = it_alloc_new(j->p->alloc, batch);
    w->floats = it_alloc_new(j->p->alloc, batch * sizeof(float));
    if (!w->pixels || !w->floats)
        return it_fail_nomem(err, "sensitivity", batch * 5);
    it_exec_options eo = { .simulates = base_simulates, .simulates_user = w };
    IT_TRY(it_exec_new(j->p->g, &eo, &w->base, err));
    eo.simulates = cand_simulates;
    IT_TRY(it_exec_new(j->p->g, &eo, &w->cand, err));
    for (size_t i = 0; j->but && i < j->out->rows.len; i++)
        if (j->weights[i]) {
            it_exec_replace(w->base, it_ptq_weight(j->out->rows.items[i].node), j->weights[i]);
            it_exec_replace(w->cand, it_ptq_weight(j->out->rows.items[i].node), j->weights[i]);
        }
    return INTACT_OK;
}

static void worker_close(sense_worker *w, const sense_job *j)
{
    const size_t batch = IT_FEED_BATCH * j->feed->elements;
    it_exec_free(w->base);
    it_exec_free(w->cand);
    it_alloc_free(j->p->alloc, w->pixels, batch);
    it_alloc_free(j->p->alloc, w->floats, batch * sizeof(float));
    *w = (sense_worker){0};
}

static intact_status run_pass(sense_job *j, sense_pass which, intact_error *err)
{
    static const char *const names[] = { "measuring few bits", "measuring each part alone", "measuring what each part spoils" };
    const uint32_t threads = it_pool_threads(j->p->job->pool);
    intact_status st = INTACT_OK;
    j->pass = which;
    j->but = which == PASS_BUT;
    memset(j->sum, 0, (size_t)j->units * (j->m_len + 2) * sizeof *j->sum);
    for (uint32_t t = 0; t < threads && st == INTACT_OK; t++)
        st = worker_open(&j->workers[t], j, err);
    if (st == INTACT_OK)
        st = it_job_run(j->p->job, names[which], j->units, j->feed->len, sense_unit, j, err);
    for (uint32_t t = 0; t < threads; t++)
        if (j->workers[t].job)
            worker_close(&j->workers[t], j);
    return st;
}

/* ---- results ---- */

static it_effect effect_of(const sense_job *j, size_t at, uint64_t *samples, uint64_t *labelled)
{
    double signal = 0, noise = 0, kl = 0;
    uint64_t n = 0, same = 0, labels = 0, right = 0;
    for (uint32_t u = 0; u < j->units; u++) {
        const tally *t = &j->sum[u * (j->m_len + 2) + at];
        signal += t->signal, noise += t->noise, kl += t->kl;
        n += t->n, same += t->same, labels += t->labelled, right += t->right;
    }
    if (samples)
        *samples = n, *labelled = labels;
    double of = n ? (double)n : 1;
    return (it_effect){ noise == 0 ? INFINITY : signal > 0 ? 10 * log10(signal / noise) : -INFINITY, noise / of, (double)same / of, kl / of,
                        labels ? (double)right / (double)labels : -1 };
}

static void keep_results(sense_job *j)
{
    for (size_t i = 0; i < j->m_len; i++) {
        it_sense_row *r = &j->out->rows.items[j->m[i].row];
        if ((j->m[i].part == LOW) != (j->pass == PASS_LOW))
            continue;
        if (j->pass == PASS_LOW)
            r->low_noise = effect_of(j, i, NULL, NULL).noise;
        else
            *(j->but ? &r->but[j->m[i].part] : &r->only[j->m[i].part]) = effect_of(j, i, NULL, NULL);
    }
    if (j->but)
        j->out->all = effect_of(j, j->m_len, NULL, NULL);
    else if (j->pass == PASS_LOW)
        j->out->float_top1 = effect_of(j, j->m_len + 1, &j->out->samples, &j->out->labelled).top1;
}

/* ---- rows ---- */

static intact_status add_row(it_sensitivity *s, it_sense_row row, intact_error *err)
{
    if (!IT_VEC_ROOM(s->alloc, s->rows))
        return it_fail_nomem(err, "sensitivity", sizeof row);
    row.has[IT_SENSE_WEIGHTS] = row.node != NULL;
    row.has[IT_SENSE_ACTS] = row.group >= 0;
    row.has[IT_SENSE_BOTH] = row.node && row.group >= 0;
    s->rows.items[s->rows.len++] = row;
    return INTACT_OK;
}

static intact_status make_rows(const it_ptq *p, it_sensitivity *s, bool *seen, intact_error *err)
{
    const it_graph *g = p->g;
    const it_groups *gs = &p->groups;
    for (size_t i = 0; i < g->nodes.len; i++) {
        it_node *n = g->nodes.items[i];
        if (!it_ptq_is_mac(n) || n->repeats || !it_ptq_weight(n)->q || !it_ptq_weight(n)->q->codes || it_ptq_weight(n)->t.type != IT_F32)
            continue;
        int k = n->out[0]->id < (int)gs->of_len ? gs->of[n->out[0]->id] : -1;
        IT_TRY(add_row(s, (it_sense_row){ .name = n->name, .value = k >= 0 ? n->out[0]->name : NULL, .node = n, .group = k, .weights = (uint64_t)it_tensor_len(&it_ptq_weight(n)->t) }, err));
        if (k >= 0)
            seen[k] = true;
    }
    for (size_t k = 0; k < gs->g.len; k++)
        if (!seen[k] && gs->g.items[k].first->q)
            IT_TRY(add_row(s, (it_sense_row){ .name = gs->g.items[k].first->name, .value = gs->g.items[k].first->name, .group = (int)k }, err));
    for (size_t i = 0; i < s->rows.len; i++)
        s->rows.items[i].takes_s16 = s->rows.items[i].group >= 0 && it_groups_can_s16(gs, g, s->rows.items[i].group);
    return s->rows.len ? INTACT_OK : it_fail(err, INTACT_E_UNSUPPORTED, g->name, "nothing in the network is quantized; there is nothing to measure");
}

static size_t index_of(const it_graph *g, const it_node *n)
{
    size_t i = 0;
    while (i < g->nodes.len && g->nodes.items[i] != n)
        i++;
    return i;
}

static void find_start(const it_ptq *p, const it_sense_row *r, measure *m)
{
    const it_graph *g = p->g;
    m->start = m->part == IT_SENSE_ACTS ? g->nodes.len : index_of(g, r->node);
    for (size_t i = 0; changes_value(m) && i < g->values.len; i++) {
        const it_value *v = g->values.items[i];
        if (v->is_const || v->id >= (int)p->groups.of_len || p->groups.of[v->id] != r->group)
            continue;
        size_t at = v->producer ? index_of(g, v->producer) : 0;
        m->input = m->input || v->is_input;
        m->start = at < m->start ? at : m->start;
    }
}

static int by_start(const void *a, const void *b)
{
    const measure *x = a, *y = b;
    if (x->input != y->input)
        return x->input ? -1 : 1;
    if (x->start != y->start)
        return x->start < y->start ? -1 : 1;
    return x->order < y->order ? -1 : 1;
}

static intact_status make_measures(sense_job *j, intact_error *err)
{
    const it_sensitivity *s = j->out;
    j->m = it_alloc_zero(j->p->alloc, s->rows.len * (LOW + 1) * sizeof *j->m);
    if (!j->m)
        return it_fail_nomem(err, "sensitivity", s->rows.len * (LOW + 1) * sizeof *j->m);
    for (size_t i = 0; i < s->rows.len; i++)
        for (int part = 0; part <= LOW; part++) {
            if (!s->rows.items[i].has[part == LOW ? IT_SENSE_WEIGHTS : part])
                continue;
            measure *m = &j->m[j->m_len];
            *m = (measure){ .row = i, .part = (it_sense_part)part, .order = j->m_len };
            find_start(j->p, &s->rows.items[i], m);
            j->m_len++;
        }
    qsort(j->m, j->m_len, sizeof *j->m, by_start);
    return INTACT_OK;
}

/* What the codes stand for, and their squared error. */
static double dequantize(const it_value *v, float *to)
{
    const it_quant *q = v->q;
    const float *x = v->t.data;
    int64_t inner = 1, len = it_tensor_len(&v->t);
    double error = 0;
    for (int i = q->axis + 1; q->axis >= 0 && i < v->t.rank; i++)
        inner *= v->t.dim[i];
    for (int64_t i = 0; i < len; i++) {
        int64_t c = q->axis < 0 ? 0 : i / inner % q->len;
        float w = q->scale[c] * (float)(q->codes[i] - q->zero[c]);
        error += ((double)w - x[i]) * ((double)w - x[i]);
        if (to)
            to[i] = w;
    }
    return error;
}

/* There are no groups of weights with zero points, or of 5 bits and more (weights.c): 8 bits have a scale per channel instead, and so have these. */
static void make_possible(it_weight_plan *p)
{
    if (p->grain == IT_PER_GROUP && (p->affine || p->bits > 4))
        p->grain = IT_PER_CHANNEL;
}

/* The layer's weights as their codes at that many bits have them, into to (NULL: nowhere). Scales and codes lie in an arena of their own meanwhile: the
** graph's would keep those of every layer at every choice of bits. */
static intact_status weights_at(it_ptq *p, it_node *n, size_t i, size_t len, int bits, float *to, double *error, intact_error *err)
{
    it_value *v = it_ptq_weight(n);
    it_quant *before = v->q;
    it_arena kept = p->g->arena;
    it_weight_plan plan = it_recipe_weights(p->recipe, n, i, len);
    plan.bits = bits;
    plan.rounding = &it_rounding_nearest;
    plan.range = bits < 8 ? &it_weight_range_mse : plan.range;
    make_possible(&plan);
    it_arena_init(&p->g->arena, p->alloc);
    v->q = NULL; /* not a second user of the weight: no copy is wanted */
    intact_status st = it_ptq_assign_weight(p, n, &plan, err);
    if (st == INTACT_OK)
        *error = dequantize(v, to);
    v->q = before;
    it_arena_release(&p->g->arena);
    p->g->arena = kept;
    return st;
}

intact_status it_sensitivity_weight_error(it_ptq *p, it_node *n, size_t i, size_t len, int bits, double *out, intact_error *err)
{
    return weights_at(p, n, i, len, bits, NULL, out, err);
}

static intact_status make_room(sense_job *j, intact_error *err)
{
    const it_sensitivity *s = j->out;
    j->weights = it_alloc_zero(j->p->alloc, s->rows.len * sizeof *j->weights);
    if (!j->weights)
        return it_fail_nomem(err, "sensitivity", s->rows.len * sizeof *j->weights);
    for (size_t i = 0; i < s->rows.len; i++)
        if (s->rows.items[i].node && !(j->weights[i] = it_alloc_new(j->p->alloc, s->rows.items[i].weights * sizeof(float))))
            return it_fail_nomem(err, s->rows.items[i].name, s->rows.items[i].weights * sizeof(float));
    return INTACT_OK;
}

static intact_status fill_low(sense_job *j, intact_error *err)
{
    it_sensitivity *s = j->out;
    size_t layers = 0, at = 0;
    for (size_t i = 0; i < s->rows.len; i++)
        layers += s->rows.items[i].node != NULL;
    for (size_t i = 0; i < s->rows.len; i++)
        if (s->rows.items[i].node)
            IT_TRY(weights_at(j->p, s->rows.items[i].node, at++, layers, IT_SENSE_LOW_BITS, j->weights[i], &s->rows.items[i].low_error, err));
    return INTACT_OK;
}

static void fill_weights(sense_job *j)
{
    it_sensitivity *s = j->out;
    for (size_t i = 0; i < s->rows.len; i++)
        if (s->rows.items[i].node)
            s->rows.items[i].weight_error = dequantize(it_ptq_weight(s->rows.items[i].node), j->weights[i]);
}

static intact_status measure_all(sense_job *j, intact_error *err)
{
    const intact_alloc *a = j->p->alloc;
    const uint32_t threads = it_pool_threads(j->p->job->pool);
    const it_tensor *y = &j->p->g->outputs.items[0]->t;
    IT_TRY(make_measures(j, err));
    IT_TRY(make_room(j, err));
    IT_TRY(fill_low(j, err));
    if (y->rank < 1 || y->dim[0] < 1 || it_tensor_len(y) % y->dim[0])
        return it_fail(err, INTACT_E_SHAPE, j->p->g->name, "output %s has no batch dimension", j->p->g->outputs.items[0]->name);
    j->answer = (size_t)(it_tensor_len(y) / y->dim[0]);
    j->units = (uint32_t)((j->feed->len + IT_FEED_BATCH - 1) / IT_FEED_BATCH);
    j->workers = it_alloc_zero(a, threads * sizeof *j->workers);
    j->sum = it_alloc_zero(a, (size_t)j->units * (j->m_len + 2) * sizeof *j->sum);
    j->ref = it_alloc_zero(a, j->units * sizeof *j->ref);
    if (!j->workers || !j->sum || !j->ref || j->answer == 0)
        return it_fail_nomem(err, "sensitivity", (size_t)j->units * (j->m_len + 2) * sizeof *j->sum);
    IT_TRY(run_pass(j, PASS_LOW, err));
    keep_results(j);
    if (j->out->samples == 0)
        return it_fail(err, INTACT_E_DATA, "sensitivity", "none of the %zu samples could be read", j->feed->len);
    fill_weights(j);
    for (int which = PASS_ONLY; which <= PASS_BUT; which++) {
        IT_TRY(run_pass(j, (sense_pass)which, err));
        keep_results(j);
    }
    return INTACT_OK;
}

intact_status it_sensitivity_run(it_ptq *p, const it_feed *feed, it_sensitivity *out, intact_error *err)
{
    const intact_alloc *a = p->alloc;
    *out = (it_sensitivity){ .alloc = a };
    it_arena_init(&out->arena, a);
    bool *seen = it_alloc_zero(a, p->groups.g.len + 1);
    intact_status st = seen ? make_rows(p, out, seen, err) : it_fail_nomem(err, "sensitivity", p->groups.g.len);
    it_alloc_free(a, seen, p->groups.g.len + 1);
    sense_job j = { .p = p, .feed = feed, .out = out };
    if (st == INTACT_OK)
        st = measure_all(&j, err);
    for (size_t i = 0; j.weights && i < out->rows.len; i++)
        it_alloc_free(a, j.weights[i], out->rows.items[i].weights * sizeof(float));
    for (uint32_t u = 0; j.ref && u < j.units; u++)
        it_alloc_free(a, j.ref[u], IT_FEED_BATCH * j.answer * sizeof(float));
    it_alloc_free(a, j.ref, j.units * sizeof *j.ref);
    it_alloc_free(a, j.sum, (size_t)j.units * (j.m_len + 2) * sizeof *j.sum);
    it_alloc_free(a, j.workers, it_pool_threads(p->job->pool) * sizeof *j.workers);
    it_alloc_free(a, j.weights, out->rows.len * sizeof *j.weights);
    it_alloc_free(a, j.m, out->rows.len * (LOW + 1) * sizeof *j.m);
    for (size_t i = 0; st == INTACT_OK && i < out->rows.len; i++)
        st = it_sensitivity_explain(p, &out->rows.items[i], &out->arena, err);
    return st;
}

void it_sensitivity_release(it_sensitivity *s)
{
    if (s->alloc) {
        IT_VEC_FREE(s->alloc, s->rows);
        it_arena_release(&s->arena);
    }
    *s = (it_sensitivity){0};
}
