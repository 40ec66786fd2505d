/* SPDX-License-Identifier: Apache-2.0 */
/* train_run.c: a training run as its user sees it: progress, a record and a line of metrics an epoch, and what a stopped run begins with. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "api/train_job.h"

/* ---- metrics ---- */

static json_t *real(double v) { return v == v && v - v == 0 ? json_real(v) : json_null(); }

static intact_status metrics_line(it_train_job *j, const intact_train_epoch *e, intact_error *err)
{
    if (!j->metrics)
        return INTACT_OK;
    json_t *o = json_pack("{s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:I}", "epoch", (int)e->epoch, "loss", real(e->loss), "train_top1", real(e->top1),
                          "val_top1", e->val_top1 >= 0 ? real(e->val_top1) : json_null(), "rate", real(e->rate), "gradient", real(e->norm), "seconds",
                          real(e->seconds), "images_per_second", real(e->images_per_second), "waited", real(e->waited), "images", (json_int_t)e->images,
                          "skipped", (json_int_t)e->skipped);
    char *text = o ? json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(o);
    if (!text)
        return it_fail_nomem(err, j->o->metrics, 256);
    bool good = fputs(text, j->metrics) >= 0 && fputc('\n', j->metrics) != EOF && fflush(j->metrics) == 0;
    free(text);
    return good ? INTACT_OK : it_fail(err, INTACT_E_IO, j->o->metrics, "cannot write: %s", strerror(errno));
}

/* From the beginning, with the epochs that are there already: those that a killed run wrote after its last checkpoint go. */
static intact_status metrics_open(it_train_job *j, intact_error *err)
{
    if (!j->o->metrics || !it_api_train_speaks(j))
        return INTACT_OK;
    j->metrics = fopen(j->o->metrics, "we");
    if (!j->metrics)
        return it_fail(err, INTACT_E_IO, j->o->metrics, "cannot create: %s", strerror(errno));
    for (uint32_t i = 0; i < j->done; i++)
        IT_TRY(metrics_line(j, &j->kept->epochs[i], err));
    return INTACT_OK;
}

/* ---- what the loop calls ---- */

static void epoch_begins(it_train_job *j, const it_loop_state *s)
{
    j->epoch_start = it_seconds();
    j->epoch_images = s->images;
    j->epoch_waited = s->waited;
    j->epoch_skipped = s->skipped;
}

static int on_step(void *user, const it_loop_state *s)
{
    it_train_job *j = user;
    if (j->o->freeze_after > 0)
        it_train_freeze(j->t, (double)s->step >= j->o->freeze_after * (double)s->epoch_steps);
    const uint64_t all = j->data.feed.len, here = s->epoch_step * j->batch;
    if (!j->c->opt.progress)
        return 0;
    return j->c->opt.progress(j->c->opt.user, "training", s->epoch * all + (here < all ? here : all), s->epochs * all);
}

static intact_status on_epoch(void *user, const it_loop_state *s, intact_error *err)
{
    it_train_job *j = user;
    intact_train_epoch *e = &j->kept->epochs[s->epoch];
    const double trained = it_seconds() - j->epoch_start, images = (double)(s->images - j->epoch_images);
    const bool last = s->epoch + 1 == s->epochs;
    if (j->o->val.path || last)
        IT_TRY(it_api_train_snapshot(j, err));
    if (j->o->val.path)
        IT_TRY(it_api_train_measure(j, err));
    *e = (intact_train_epoch){.epoch = (uint32_t)s->epoch + 1,
                              .epochs = (uint32_t)s->epochs,
                              .loss = s->loss,
                              .top1 = (double)s->right / (double)s->count,
                              .val_top1 = j->eval.n ? j->eval.top1 : -1,
                              .rate = s->rate,
                              .norm = s->norm,
                              .seconds = it_seconds() - j->epoch_start,
                              .images_per_second = images > 0 && trained > 0 ? images / trained : 0,
                              .waited = s->waited - j->epoch_waited,
                              .images = s->count,
                              .skipped = s->skipped - j->epoch_skipped};
    j->done = e->epoch;
    IT_TRY(metrics_line(j, e, err));
    IT_TRY(it_api_train_report(j, err));
    if (j->o->on_epoch && it_api_train_speaks(j))
        j->o->on_epoch(j->o->user, e);
    epoch_begins(j, s);
    return INTACT_OK;
}

/* kept holds what the checkpoint brought; what this run says of itself is made again. */
static intact_status on_resume(void *user, const it_loop_state *s, intact_error *err)
{
    it_train_job *j = user;
    const size_t head = offsetof(it_train_kept, epochs);
    it_train_kept *then = it_arena_copy(&j->arena, j->kept, head);
    if (!then)
        return it_fail_nomem(err, "training", head);
    memset(j->kept, 0, head);
    it_api_train_settings(j);
    IT_TRY(it_api_train_same_settings(j, then, j->o->resume, err));
    j->done = (uint32_t)s->epoch;
    if (j->o->freeze_after > 0)
        it_train_freeze(j->t, (double)s->step >= j->o->freeze_after * (double)s->epoch_steps);
    if (s->epoch_step == 0 && s->count > 0) /* the last one was trained and not yet measured */
        j->done--;
    for (uint32_t i = 0; i < j->o->epochs; i++)
        j->kept->epochs[i].epochs = j->o->epochs;
    j->out->resumed = j->done;
    IT_TRY(metrics_open(j, err));
    it_log(j->c, INTACT_LOG_INFO, "%s: goes on after step %llu of %llu, %u of %u epochs are done", j->o->resume, (unsigned long long)s->step,
           (unsigned long long)s->steps, j->done, j->o->epochs);
    return INTACT_OK;
}

static intact_status teach(void *user, const float *x, size_t len, float *answers, intact_error *err)
{
    return it_teacher_answer(((it_train_job *)user)->teacher, x, len, answers, err);
}

/* ---- the run ---- */

static intact_status keep_room(it_train_job *j, intact_error *err)
{
    j->kept_bytes = offsetof(it_train_kept, epochs) + (size_t)j->o->epochs * sizeof *j->kept->epochs;
    const size_t own = j->kept_bytes; /* a multiple of 8 */
    if (j->qat)
        j->kept_bytes += it_qat_state_bytes(j->qat);
    j->kept = it_alloc_zero(j->c->alloc, j->kept_bytes);
    if (!j->kept)
        return it_fail_nomem(err, "training", j->kept_bytes);
    if (j->qat)
        it_qat_state_at(j->qat, (char *)j->kept + own);
    it_api_train_settings(j);
    return INTACT_OK;
}

/* A run that ended early says where it can go on; of the two sentences the error's comes first. */
static intact_status explain(it_train_job *j, const it_loop_state *s, intact_status st, intact_error *err)
{
    intact_error e;
    if (!err || st == INTACT_OK || s->step == 0)
        return st;
    e = *err;
    if (st == INTACT_E_CANCELLED)
        snprintf(e.message, sizeof e.message, "stopped on request after step %llu of %llu", (unsigned long long)s->step, (unsigned long long)s->steps);
    return it_fail(err, st, e.where, "%s; %s holds the run up to step %llu, --resume goes on from there", e.message, j->checkpoint,
                   (unsigned long long)s->saved);
}

intact_status it_api_train_run(it_train_job *j, intact_error *err)
{
    it_loop_state at;
    IT_TRY(keep_room(j, err));
    if (!j->o->resume)
        IT_TRY(metrics_open(j, err));
    it_pipe_spec p = {.feed = &j->data.feed, .batch = j->batch, .parts = j->comm ? j->comm->size : 0};
    j->schedule.warmup = (uint64_t)(j->o->warmup * (double)it_pipe_steps(&p) + 0.5);
    const it_loop_spec s = {.train = j->t,
                            .feed = &j->data.feed,
                            .batch = j->batch,
                            .seed = j->o->seed,
                            .epochs = j->o->epochs,
                            .feeders = j->feeders,
                            .augment = j->augment,
                            .comm = j->comm,
                            .schedule = j->schedule,
                            .checkpoint = j->checkpoint,
                            .checkpoint_steps = j->o->checkpoint_steps,
                            .resume = j->o->resume != NULL,
                            .from = j->o->resume,
                            .on_resume = on_resume,
                            .extra = j->kept,
                            .extra_len = j->kept_bytes,
                            .user = j,
                            .teach = j->teacher ? teach : NULL,
                            .on_step = on_step,
                            .on_epoch = on_epoch};
    epoch_begins(j, &(it_loop_state){.step = 0});
    intact_status st = it_loop_run(&s, &at, err);
    j->saved = at.saved;
    return explain(j, &at, st, err);
}
