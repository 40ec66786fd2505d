/* SPDX-License-Identifier: Apache-2.0 */
/* choose.c: the calibrator "auto". Each of the others is tried for the whole network, then for the values that lose most, with ranges of four fifths
** of the samples; what counts is the signal-to-noise ratio of the network's output, simulated, the mean over samples of the held-aside fifth: single
** samples with large errors must not decide. The recipe gets what was found, so that it says the same without the search. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/pattern.h"
#include "exec/exec.h"
#include "ptq/method.h"

enum { ASIDE_MAX = 64 /* samples of a trial */, VALUES_MAX = 12, /* that may get a calibrator of their own */
       TRIED_MAX = 32 /* ranges of one value that are not tried again */ };
#define WORTH_DB 0.1  /* what another calibrator must gain, */
#define SURE 1.0      /* and so many standard errors of the samples' differences: for the whole network, */
#define SURE_VALUE 2.5 /* and for a value, where many are tried */
#define NOTHING_DB 200.0 /* of a sample on which nothing differs */

typedef struct choice { const it_calib *calib; double parameter; } choice;

typedef struct choose_worker { it_exec *exec; uint8_t *pixels; } choose_worker;

/* Samples of one batch: what the network reads, and answers in float. */
typedef struct choose_unit {
    float *in;       /* [IT_FEED_BATCH][elements] */
    uint32_t len;
    float *out;      /* answers of all samples, output after output */
    size_t out_len, out_cap;
    double signal[IT_FEED_BATCH], error[IT_FEED_BATCH]; /* of each sample in the present trial */
} choose_unit;

typedef struct chooser {
    it_ptq *p;
    it_feed aside;
    size_t *pick;
    uint32_t units_len, threads;
    choose_unit *units;
    choose_worker *workers;
    bool simulated;  /* the present runs are */
    choice best;     /* for the whole network */
    double best_db;
    double *now, *held; /* [units][IT_FEED_BATCH]: decibels of the present trial, and of the best so far; NAN: no sample */
    size_t own;      /* values with a calibrator of their own */
} chooser;

/* Asked for, and a matter of its histogram. */
static bool is_open(const it_group *gr)
{
    return gr->plan.calib->searches && !gr->fixed && !gr->plan.given && gr->type == INTACT_U8 && gr->plan.bits <= 8;
}

bool it_ptq_searches(const it_ptq *p)
{
    for (size_t i = 0; i < p->groups.g.len; i++)
        if (p->groups.g.items[i].plan.calib->searches)
            return true;
    return false;
}

/* ---- running ---- */

static bool simulates(void *user, const it_value *v)
{
    (void)v;
    return ((const chooser *)user)->simulated;
}

static intact_status keep_answer(choose_unit *u, const it_tensor *y, const intact_alloc *a, intact_error *err)
{
    size_t len = (size_t)it_tensor_len(y);
    if (u->out_len + len > u->out_cap) {
        size_t cap = 2 * (u->out_len + len);
        float *room = it_alloc_grow(a, u->out, u->out_cap * sizeof *room, cap * sizeof *room);
        if (!room)
            return it_fail_nomem(err, "calibration", cap * sizeof *room);
        u->out = room;
        u->out_cap = cap;
    }
    memcpy(u->out + u->out_len, y->data, len * sizeof(float));
    u->out_len += len;
    return INTACT_OK;
}

/* y is of samples from first on. */
static void compare_answer(choose_unit *u, const it_tensor *y, size_t first, size_t samples, size_t *at)
{
    const float *got = y->data;
    const size_t len = (size_t)it_tensor_len(y), per = len / samples ? len / samples : 1;
    for (size_t i = 0; i < len && *at < u->out_len; i++, ++*at) {
        double want = (double)u->out[*at], d = (double)got[i] - want;
        size_t s = first + (i / per < samples ? i / per : samples - 1);
        u->signal[s] += want * want;
        u->error[s] += d * d;
    }
}

static intact_status run_samples(const chooser *c, choose_worker *w, choose_unit *u, intact_error *err)
{
    const it_graph *g = c->p->g;
    const it_value *x = g->inputs.items[0];
    uint32_t step = x->declared_rank > 0 && x->declared[0] > 0 ? (uint32_t)x->declared[0] : IT_FEED_BATCH;
    size_t compared = 0;
    memset(u->signal, 0, sizeof u->signal);
    memset(u->error, 0, sizeof u->error);
    for (uint32_t at = 0; at < u->len; at += step) {
        it_tensor in = x->t;
        in.dim[0] = u->len - at < step ? u->len - at : step;
        in.layout = IT_PLAIN;
        in.data = u->in + at * c->aside.elements;
        IT_TRY(it_exec_run(w->exec, &in, 1, err));
        for (size_t k = 0; k < g->outputs.len; k++) {
            const it_tensor *y = it_exec_output(w->exec, k);
            if (y->type != IT_F32)
                continue;
            if (c->simulated)
                compare_answer(u, y, at, (size_t)in.dim[0], &compared);
            else
                IT_TRY(keep_answer(u, y, c->p->alloc, err));
        }
    }
    return INTACT_OK;
}

static intact_status choose_unit_run(void *user, uint32_t unit, uint32_t thread, uint64_t *steps, intact_error *err)
{
    chooser *c = user;
    choose_worker *w = &c->workers[thread];
    choose_unit *u = &c->units[unit];
    if (!c->simulated) {
        it_batch b;
        u->in = it_alloc_new(c->p->alloc, IT_FEED_BATCH * c->aside.elements * sizeof *u->in);
        if (!u->in)
            return it_fail_nomem(err, "calibration", IT_FEED_BATCH * c->aside.elements * sizeof *u->in);
        IT_TRY(it_feed_batch(&c->aside, (size_t)unit * IT_FEED_BATCH, w->pixels, u->in, &b, err));
        u->len = b.len;
    }
    *steps = u->len;
    return run_samples(c, w, u, err);
}

static double decibels(double signal, double error)
{
    if (!(error > 0))
        return isnan(error) ? -NOTHING_DB : NOTHING_DB;
    return fmin(fmax(10 * log10(signal / error), -NOTHING_DB), NOTHING_DB);
}

/* The output's signal-to-noise ratio with the present parameters, sample by sample into c->now; db: their mean. */
static intact_status trial(chooser *c, double *db, intact_error *err)
{
    double sum = 0, n = 0;
    IT_TRY(it_job_run(c->p->job, "trying calibrators", c->units_len, c->aside.len, choose_unit_run, c, err));
    for (uint32_t u = 0; u < c->units_len; u++)
        for (uint32_t s = 0; s < IT_FEED_BATCH; s++) {
            double here = s < c->units[u].len ? decibels(c->units[u].signal[s], c->units[u].error[s]) : NAN;
            c->now[u * IT_FEED_BATCH + s] = here;
            sum += isnan(here) ? 0 : here;
            n += !isnan(here);
        }
    *db = n > 0 ? sum / n : 0;
    return INTACT_OK;
}

/* The present trial is better than what is held, by more than chance. */
static bool is_better(const chooser *c, double sure)
{
    double n = 0, sum = 0, squares = 0;
    for (uint32_t i = 0; i < c->units_len * IT_FEED_BATCH; i++)
        if (!isnan(c->now[i])) {
            double d = c->now[i] - c->held[i];
            n++, sum += d, squares += d * d;
        }
    if (!(n > 0) || !(sum / n > WORTH_DB))
        return false;
    return n < 2 || sum / n > sure * sqrt(fmax(squares - sum * sum / n, 0) / (n * (n - 1)));
}

static void hold(chooser *c, double db)
{
    c->best_db = db;
    memcpy(c->held, c->now, c->units_len * IT_FEED_BATCH * sizeof *c->held);
}

/* ---- the whole network ---- */

static void set_choice(it_group *gr, const choice *k)
{
    gr->plan.calib = k->calib;
    gr->plan.parameter = k->parameter;
}

static intact_status set_network(chooser *c, const bool *open, const choice *now, intact_error *err)
{
    it_groups *gs = &c->p->groups;
    for (size_t i = 0; i < gs->g.len; i++)
        if (open[i])
            set_choice(&gs->g.items[i], now);
    return it_ptq_assign_acts(gs, c->p->g, err);
}

/* mse, the default, goes first: what another gains is counted from there. */
static intact_status try_network(chooser *c, const bool *open, intact_error *err)
{
    choice now;
    double db;
    c->best = (choice){ &it_calib_mse, 0 };
    IT_TRY(set_network(c, open, &c->best, err));
    IT_TRY(trial(c, &db, err));
    hold(c, db);
    for (size_t k = 0; it_calib_try(k, &now.calib, &now.parameter); k++) {
        if (now.calib == &it_calib_mse)
            continue;
        IT_TRY(set_network(c, open, &now, err));
        IT_TRY(trial(c, &db, err));
        if (is_better(c, SURE)) {
            hold(c, db);
            c->best = now;
        }
    }
    return set_network(c, open, &c->best, err);
}

/* ---- values one after another ---- */

/* Noise to signal of the group's codes on what calibration saw. */
static double own_noise(const it_group *gr, const it_quant *q)
{
    it_code_stats s[256];
    uint8_t level[256];
    double error = 0, signal = 0, z = q->zero[0];
    it_code_stats_of(gr->hist, q->scale[0], q->zero[0], (1 << q->bits) - 1, s);
    it_quant_nearest(q, level);
    for (int c = 0; c < 256; c++) {
        error += s[c].square - 2.0 * level[c] * s[c].sum + (double)(level[c] * level[c]) * s[c].mass;
        signal += s[c].square - 2 * z * s[c].sum + z * z * s[c].mass;
    }
    return signal > 0 ? error / signal : 0;
}

/* The groups that lose most into worst, in that order; returns how many. */
static size_t find_worst(const chooser *c, const bool *open, size_t worst[VALUES_MAX])
{
    const it_groups *gs = &c->p->groups;
    double noise[VALUES_MAX];
    size_t len = 0;
    for (size_t i = 0; i < gs->g.len; i++) {
        const it_group *gr = &gs->g.items[i];
        if (!open[i] || !gr->first->q || !gr->hist)
            continue;
        double mine = own_noise(gr, gr->first->q);
        size_t at = len < VALUES_MAX ? len++ : VALUES_MAX;
        for (; at > 0 && noise[at - 1] < mine; at--)
            if (at < VALUES_MAX) {
                noise[at] = noise[at - 1];
                worst[at] = worst[at - 1];
            }
        if (at < VALUES_MAX) {
            noise[at] = mine;
            worst[at] = i;
        }
    }
    return len;
}

static bool seen_range(const it_range *all, size_t len, it_range r)
{
    for (size_t i = 0; i < len; i++)
        if (all[i].lo == r.lo && all[i].hi == r.hi)
            return true;
    return false;
}

/* The last rule that names a value of the group wins: one for its first value, at the end. */
static intact_status write_rule(chooser *c, size_t group, const choice *k, intact_error *err)
{
    const char *value = c->p->groups.g.items[group].first->name;
    char text[40], *name = it_arena_plain_pattern(&c->p->recipe->arena, value);
    it_recipe_rule *rule = name ? it_recipe_add(c->p->recipe, name, true) : NULL;
    if (!rule)
        return it_fail_nomem(err, value, sizeof *rule);
    it_calib_print(k->calib, k->parameter, text);
    return it_recipe_set(c->p->recipe, rule, "activations.method", text, err);
}

static intact_status try_value(chooser *c, size_t group, intact_error *err)
{
    it_groups *gs = &c->p->groups;
    it_group *gr = &gs->g.items[group];
    it_range tried[TRIED_MAX] = { gr->range };
    size_t tried_len = 1;
    choice best = c->best, now;
    for (size_t k = 0; it_calib_try(k, &now.calib, &now.parameter); k++) {
        double db;
        set_choice(gr, &now);
        IT_TRY(it_ptq_assign_group(gs, c->p->g, (int)group, err));
        if (seen_range(tried, tried_len, gr->range))
            continue;
        if (tried_len < TRIED_MAX)
            tried[tried_len++] = gr->range;
        IT_TRY(trial(c, &db, err));
        if (is_better(c, SURE_VALUE)) {
            hold(c, db);
            best = now;
        }
    }
    set_choice(gr, &best);
    IT_TRY(it_ptq_assign_group(gs, c->p->g, (int)group, err));
    if (best.calib == c->best.calib && best.parameter == c->best.parameter)
        return INTACT_OK;
    c->own++;
    return write_rule(c, group, &best, err);
}

/* ---- life ---- */

static intact_status split(chooser *c, it_feed *most, intact_error *err)
{
    const it_feed *f = c->p->feed;
    size_t len = f->len - f->len / 5;
    len = it_round_up(len, IT_FEED_BATCH) < f->len ? it_round_up(len, IT_FEED_BATCH) : len / IT_FEED_BATCH * IT_FEED_BATCH; /* batches stay those of the whole */
    if (len == 0)
        len = f->len; /* too few to hold some aside: all serve twice */
    *most = c->aside = *f;
    most->len = len;
    c->pick = it_alloc_new(c->p->alloc, (f->len + 1) * sizeof *c->pick);
    if (!c->pick)
        return it_fail_nomem(err, "calibration", f->len * sizeof *c->pick);
    for (size_t i = 0; i < f->len; i++)
        c->pick[i] = f->pick ? f->pick[i] : i;
    if (len < f->len) {
        c->aside.pick = c->pick + len;
        c->aside.len = f->len - len;
    }
    return INTACT_OK;
}

static intact_status open_workers(chooser *c, intact_error *err)
{
    const intact_alloc *a = c->p->alloc;
    c->threads = it_pool_threads(c->p->job->pool);
    c->aside.len = c->aside.len > ASIDE_MAX ? ASIDE_MAX : c->aside.len;
    c->units_len = (uint32_t)((c->aside.len + IT_FEED_BATCH - 1) / IT_FEED_BATCH);
    c->units = it_alloc_zero(a, c->units_len * sizeof *c->units);
    c->workers = it_alloc_zero(a, c->threads * sizeof *c->workers);
    c->now = it_alloc_zero(a, c->units_len * 2 * IT_FEED_BATCH * sizeof *c->now);
    if (!c->units || !c->workers || !c->now)
        return it_fail_nomem(err, "calibration", c->units_len * sizeof *c->units + c->threads * sizeof *c->workers);
    c->held = c->now + c->units_len * IT_FEED_BATCH;
    it_exec_options eo = { .simulates = simulates, .simulates_user = c };
    for (uint32_t t = 0; t < c->threads; t++) {
        c->workers[t].pixels = it_alloc_new(a, IT_FEED_BATCH * c->aside.elements);
        if (!c->workers[t].pixels)
            return it_fail_nomem(err, "calibration", IT_FEED_BATCH * c->aside.elements);
        IT_TRY(it_exec_new(c->p->g, &eo, &c->workers[t].exec, err));
    }
    return INTACT_OK;
}

static void close_all(chooser *c, bool *open)
{
    const intact_alloc *a = c->p->alloc;
    for (uint32_t t = 0; c->workers && t < c->threads; t++) {
        it_exec_free(c->workers[t].exec);
        it_alloc_free(a, c->workers[t].pixels, IT_FEED_BATCH * c->aside.elements);
    }
    for (uint32_t u = 0; c->units && u < c->units_len; u++) {
        it_alloc_free(a, c->units[u].in, IT_FEED_BATCH * c->aside.elements * sizeof(float));
        it_alloc_free(a, c->units[u].out, c->units[u].out_cap * sizeof(float));
    }
    it_alloc_free(a, c->now, c->units_len * 2 * IT_FEED_BATCH * sizeof *c->now);
    it_alloc_free(a, c->units, c->units_len * sizeof *c->units);
    it_alloc_free(a, c->workers, c->threads * sizeof *c->workers);
    it_alloc_free(a, c->pick, (c->p->feed->len + 1) * sizeof *c->pick);
    it_alloc_free(a, open, c->p->groups.g.len);
}

static intact_status search(chooser *c, const bool *open, intact_error *err)
{
    size_t worst[VALUES_MAX];
    double unused;
    IT_TRY(open_workers(c, err));
    IT_TRY(trial(c, &unused, err)); /* in float: what the answers should be */
    c->simulated = true;
    IT_TRY(try_network(c, open, err));
    const double network_db = c->best_db;
    it_recipe *r = c->p->recipe;
    size_t rules = r->rules.len, len = find_worst(c, open, worst);
    for (size_t i = 0; i < len; i++)
        IT_TRY(try_value(c, worst[i], err));
    for (size_t i = 0; i < rules; i++) {
        it_act_plan *plan = &r->rules.items[i].plans.acts;
        if (plan->calib && plan->calib->searches)
            plan->calib = c->best.calib, plan->parameter = c->best.parameter;
    }
    if (r->plans.acts.calib->searches)
        r->plans.acts.calib = c->best.calib, r->plans.acts.parameter = c->best.parameter;
    char own[80] = "", text[40];
    it_calib_print(c->best.calib, c->best.parameter, text);
    if (c->own)
        snprintf(own, sizeof own, "; %zu values with one of their own: %.2f dB", c->own, c->best_db);
    snprintf(c->p->chosen, sizeof c->p->chosen, "auto chose %s: %.2f dB at the output on %zu held-aside samples%s", text, network_db, c->aside.len, own);
    return INTACT_OK;
}

intact_status it_ptq_choose(it_ptq *p, intact_error *err)
{
    chooser c = { .p = p };
    it_feed most, rest;
    bool *open = it_alloc_zero(p->alloc, p->groups.g.len);
    intact_status st = open ? split(&c, &most, err) : it_fail_nomem(err, "calibration", p->groups.g.len);
    rest = c.aside;
    for (size_t i = 0; open && i < p->groups.g.len; i++)
        open[i] = is_open(&p->groups.g.items[i]);
    p->collected = (it_collect_result){ 0 };
    if (st == INTACT_OK)
        st = it_ptq_collect_more(&p->groups, p->g, &most, p->job, &p->collected, err);
    if (st == INTACT_OK)
        st = search(&c, open, err);
    if (st == INTACT_OK && rest.len < p->feed->len) /* else the same samples again */
        st = it_ptq_collect_more(&p->groups, p->g, &rest, p->job, &p->collected, err);
    if (st == INTACT_OK)
        st = it_ptq_doubts(&p->groups, p->collected.samples, err);
    close_all(&c, open);
    return st;
}
