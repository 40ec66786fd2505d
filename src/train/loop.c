/* SPDX-License-Identifier: Apache-2.0 */
/* loop.c: the run, step by step. Nothing that decides about it is kept anywhere but in the trainer, the step's number and the sums of the
** epoch, so a checkpoint between any two steps is enough to go on to the same end. */
#include "train/loop.h"

#include <math.h>
#include <time.h>

#include "train/checkpoint.h"

typedef struct loop {
    const it_loop_spec *s;
    it_schedule_spec schedule;
    it_pipe *pipe;
    it_loop_state at;
    double loss_sum;
    float *answers;      /* the teacher's */
    size_t answers_bytes;
    int64_t start_ns;
} loop;

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static it_checkpoint place_of(const loop *l)
{
    return (it_checkpoint){ .step = l->at.step, .seed = l->s->seed, .batch = l->s->batch, .samples = l->s->feed->len, .total = l->at.steps, .loss_sum = l->loss_sum,
                            .right = l->at.right, .count = l->at.count, .extra = l->s->extra, .extra_len = l->s->extra_len };
}

static intact_status save(loop *l, intact_error *err)
{
    const it_checkpoint c = place_of(l);
    if (!l->s->checkpoint) return INTACT_OK;
    IT_TRY(it_train_share_statistics(l->s->train, err));
    if (!l->s->comm || l->s->comm->rank == 0) IT_TRY(it_checkpoint_write(l->s->train, &c, l->s->checkpoint, err));
    l->at.saved = l->at.step;
    return INTACT_OK;
}

static intact_status resume(loop *l, intact_error *err)
{
    it_checkpoint c = place_of(l);
    const char *from = l->s->from ? l->s->from : l->s->checkpoint;
    if (!from) return it_fail(err, INTACT_E_ARG, "training", "a run can resume only from a checkpoint; none is named");
    IT_TRY(it_checkpoint_read(l->s->train, &c, from, err));
    l->at.step = l->at.saved = c.step;
    l->at.epoch = c.step / l->at.epoch_steps;
    l->at.epoch_step = c.step % l->at.epoch_steps;
    l->loss_sum = c.loss_sum;
    l->at.right = c.right;
    l->at.count = c.count;
    return l->s->on_resume ? l->s->on_resume(l->s->user, &l->at, err) : INTACT_OK;
}

static intact_status teach(loop *l, const it_pipe_batch *b, intact_error *err)
{
    if (!l->s->teach) return INTACT_OK;
    if (!l->answers) {
        size_t per_sample;
        (void)it_train_answers(l->s->train, &per_sample);
        l->answers_bytes = l->s->batch * per_sample * sizeof *l->answers;
        l->answers = it_alloc_new(l->s->feed->alloc, l->answers_bytes);
        if (!l->answers) return it_fail_nomem(err, "training", l->answers_bytes);
    }
    return l->s->teach(l->s->user, b->x, b->len, l->answers, err);
}

static intact_status step(loop *l, intact_error *err)
{
    it_pipe_batch b;
    it_train_result r;
    IT_TRY(it_pipe_next(l->pipe, &b, err));
    IT_TRY(teach(l, &b, err));
    const void *in[] = { b.x };
    const it_train_batch batch = { .len = b.len, .in = in, .label = b.label, .teacher = l->answers };
    l->at.rate = it_schedule_rate(&l->schedule, l->at.step);
    IT_TRY(it_train_step(l->s->train, &batch, l->at.rate, &r, err));
    l->at.epoch = l->at.step / l->at.epoch_steps;
    l->at.epoch_step = l->at.step % l->at.epoch_steps + 1;
    l->at.step++;
    l->loss_sum += r.loss * (double)r.count;
    l->at.right += r.right;
    l->at.count += r.count;
    l->at.loss = l->loss_sum / (double)l->at.count;
    if (!r.skipped) l->at.norm = r.norm;
    l->at.skipped += b.skipped;
    l->at.images += b.len;
    l->at.waited = 1e-9 * (double)it_pipe_waited_ns(l->pipe);
    l->at.seconds = 1e-9 * (double)(now_ns() - l->start_ns);
    return INTACT_OK;
}

static intact_status end_epoch(loop *l, intact_error *err)
{
    IT_TRY(it_train_share_statistics(l->s->train, err));
    if (l->s->on_epoch) IT_TRY(l->s->on_epoch(l->s->user, &l->at, err));
    l->loss_sum = 0;
    l->at.right = l->at.count = 0;
    return save(l, err);
}

/* The checkpoint was written between an epoch's last step and its evaluation: the sums of the epoch are still there. */
static intact_status finish_epoch(loop *l, intact_error *err)
{
    if (l->at.epoch_step != 0 || l->at.count == 0) return INTACT_OK;
    l->at.epoch = l->at.step / l->at.epoch_steps - 1;
    l->at.epoch_step = l->at.epoch_steps;
    l->at.loss = l->loss_sum / (double)l->at.count;
    l->at.rate = it_schedule_rate(&l->schedule, l->at.step - 1);
    return end_epoch(l, err);
}

static intact_status run(loop *l, intact_error *err)
{
    const it_loop_spec *s = l->s;
    IT_TRY(finish_epoch(l, err));
    while (l->at.step < l->at.steps) {
        IT_TRY(step(l, err));
        const bool ends = l->at.epoch_step == l->at.epoch_steps;
        const bool stop = s->on_step && s->on_step(s->user, &l->at);
        if (ends || stop || (s->checkpoint_steps && l->at.step % s->checkpoint_steps == 0)) IT_TRY(save(l, err));
        if (stop) return it_fail(err, INTACT_E_CANCELLED, "training", "stopped after step %llu of %llu", (unsigned long long)l->at.step, (unsigned long long)l->at.steps);
        if (ends) IT_TRY(end_epoch(l, err)); /* evaluation takes long, and may be stopped: the steps are safe by then */
    }
    return INTACT_OK;
}

intact_status it_loop_run(const it_loop_spec *s, it_loop_state *out, intact_error *err)
{
    loop l = { .s = s, .schedule = s->schedule, .start_ns = now_ns() };
    const it_comm *c = s->comm;
    it_pipe_spec p = { .feed = s->feed, .batch = s->batch, .seed = s->seed, .augment = s->augment, .threads = s->feeders, .part = c ? c->rank : 0, .parts = c ? c->size : 0 };
    *out = l.at;
    if (s->batch == 0 || s->epochs == 0 || s->feed->len == 0 || !s->schedule.schedule)
        return it_fail(err, INTACT_E_ARG, "training", "%u epochs of %zu samples in batches of %zu; all must be 1 or more, and a schedule is needed", s->epochs, s->feed->len, s->batch);
    l.at.epochs = s->epochs;
    l.at.epoch_steps = it_pipe_steps(&p);
    if (l.at.epoch_steps == 0)
        return it_fail(err, INTACT_E_ARG, "training", "%zu samples for %u processes; each process needs one at least: more samples or fewer processes", s->feed->len, p.parts);
    l.at.steps = l.schedule.total = l.at.epoch_steps * s->epochs;
    IT_TRY(s->resume ? resume(&l, err) : save(&l, err));
    p.first = l.at.step;
    p.end = l.at.steps;
    IT_TRY(it_pipe_open(s->feed->alloc, &p, &l.pipe, err));
    intact_status st = run(&l, err);
    it_pipe_close(l.pipe);
    it_alloc_free(s->feed->alloc, l.answers, l.answers_bytes);
    *out = l.at;
    return st;
}
