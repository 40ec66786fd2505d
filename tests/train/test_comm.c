/* SPDX-License-Identifier: Apache-2.0 */
/* test_comm.c: processes that share batches, here threads with sums in shared memory: with shared statistics they are as good as one process. */
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "train/helpers.h"
#include "train/loop.h"

enum { RANKS_MAX = 3, STEPS = 20, PENDING = 64 };

typedef struct world {
    pthread_barrier_t all;
    uint32_t size;
    double *f64[RANKS_MAX];
    float *f32[RANKS_MAX];
} world;

typedef struct member { world *w; uint32_t rank; struct { float *x; size_t len; } pending[PENDING]; int pending_len; } member;

static intact_status sum_f64(void *user, double *x, size_t len, intact_error *err)
{
    member *m = user;
    double *sum = calloc(len + 1, sizeof *sum);
    (void)err;
    m->w->f64[m->rank] = x;
    pthread_barrier_wait(&m->w->all);
    for (uint32_t r = 0; r < m->w->size; r++)
        for (size_t i = 0; i < len; i++) sum[i] += m->w->f64[r][i];
    pthread_barrier_wait(&m->w->all);
    memcpy(x, sum, len * sizeof *x);
    free(sum);
    return INTACT_OK;
}

static intact_status start_f32(void *user, float *x, size_t len, intact_error *err)
{
    member *m = user;
    if (m->pending_len == PENDING) return it_fail(err, INTACT_E_NOMEM, "test", "too many sums at once");
    m->pending[m->pending_len].x = x;
    m->pending[m->pending_len++].len = len;
    return INTACT_OK;
}

static intact_status wait_all(void *user, intact_error *err)
{
    member *m = user;
    (void)err;
    for (int k = 0; k < m->pending_len; k++) {
        const size_t len = m->pending[k].len;
        float *sum = calloc(len + 1, sizeof *sum);
        m->w->f32[m->rank] = m->pending[k].x;
        pthread_barrier_wait(&m->w->all);
        for (uint32_t r = 0; r < m->w->size; r++)
            for (size_t i = 0; i < len; i++) sum[i] += m->w->f32[r][i];
        pthread_barrier_wait(&m->w->all);
        memcpy(m->pending[k].x, sum, len * sizeof *sum);
        free(sum);
    }
    m->pending_len = 0;
    return INTACT_OK;
}

typedef struct run {
    rig r;
    member m;
    it_comm comm;
    it_train_options o;
    rig_spec s;
    size_t batch;
    double loss[STEPS];
    size_t right[STEPS];
    intact_status st;
    intact_error err;
    float *w, *running;
    size_t len;
} run;

static const rig_spec NET = { .arch = "resnet8", .input = { 3, 12, 12 }, .classes = 4, .batch = 13, .threads = 1, .seed = 3 };

static void *train(void *user)
{
    run *k = user;
    it_train_batch b = k->r.b;
    const uint32_t size = k->o.comm ? k->comm.size : 1, rank = k->o.comm ? k->comm.rank : 0;
    const size_t from = k->batch * rank / size, to = k->batch * (rank + 1) / size;
    const void *in[1] = { k->r.x + from * k->r.pixels };
    b.in = in;
    b.label += from;
    b.len = to - from;
    for (int i = 0; i < STEPS && k->st == INTACT_OK; i++) {
        it_train_result r;
        k->st = it_train_step(k->r.t, &b, 0.02, &r, &k->err);
        k->loss[i] = r.loss;
        k->right[i] = r.right;
    }
    if (k->st == INTACT_OK) k->st = it_train_share_statistics(k->r.t, &k->err);
    return NULL;
}

/* size 0: one process without any communication. */
static void start(run *all, world *w, uint32_t size, bool sync)
{
    pthread_t thread[RANKS_MAX];
    *w = (world){ .size = size };
    pthread_barrier_init(&w->all, NULL, size ? size : 1);
    for (uint32_t i = 0; i < (size ? size : 1); i++) {
        run *k = &all[i];
        *k = (run){ .m = { .w = w, .rank = i }, .batch = NET.batch, .s = NET };
        k->comm = (it_comm){ .user = &k->m, .rank = i, .size = size, .sum_f64 = sum_f64, .start_f32 = start_f32, .wait = wait_all };
        k->o = (it_train_options){ .comm = size ? &k->comm : NULL, .sync_statistics = sync, .block = 4 };
        k->s.o = &k->o;
        rig_open(&k->r, &k->s);
    }
    for (uint32_t i = 0; i < size; i++) assert_int_equal(pthread_create(&thread[i], NULL, train, &all[i]), 0);
    if (!size) train(&all[0]);
    for (uint32_t i = 0; i < size; i++) pthread_join(thread[i], NULL);
    for (uint32_t i = 0; i < (size ? size : 1); i++) must(all[i].st, &all[i].err);
}

static void stop(run *all, world *w)
{
    for (uint32_t i = 0; i < (w->size ? w->size : 1); i++) rig_close(&all[i].r);
    pthread_barrier_destroy(&w->all);
}

/* The largest difference of the flat array named, over its largest number. */
static double apart(run *a, run *b, size_t array)
{
    const it_train_state x = it_train_state_of(a->r.t), y = it_train_state_of(b->r.t);
    double most = 0, off = 0;
    assert_int_equal(x.array[array].len, y.array[array].len);
    for (size_t i = 0; i < x.array[array].len; i++) {
        most = fmax(most, fabs((double)x.array[array].data[i]));
        off = fmax(off, fabs((double)x.array[array].data[i] - (double)y.array[array].data[i]));
    }
    return off / most;
}

static void shared_statistics_are_one_process(void **state)
{
    static run one[1], all[RANKS_MAX];
    static world w1, w;
    (void)state;
    start(one, &w1, 0, false);
    for (uint32_t size = 2; size <= RANKS_MAX; size++) {
        start(all, &w, size, true);
        for (int i = 0; i < STEPS; i++) {
            const double off = fabs(all[0].loss[i] - one[0].loss[i]) / one[0].loss[i];
            if (off > 1e-4) fail_msg("step %d of %u processes: loss %.7f, one process %.7f", i, size, all[0].loss[i], one[0].loss[i]);
        }
        for (size_t a = 0; a < it_train_state_of(one[0].r.t).arrays; a++)
            if (it_train_state_of(one[0].r.t).array[a].data && apart(&one[0], &all[0], a) > 1e-3) fail_msg("%s: %g apart", it_train_state_of(one[0].r.t).array[a].name, apart(&one[0], &all[0], a));
        for (uint32_t r = 1; r < size; r++)
            for (size_t a = 0; a < it_train_state_of(one[0].r.t).arrays; a++)
                if (it_train_state_of(one[0].r.t).array[a].data) assert_true(apart(&all[0], &all[r], a) == 0);
        stop(all, &w);
    }
    stop(one, &w1);
}

/* Statistics of their own: another training, in which all the same everybody has the same weights, and after sharing the same statistics. */
static void own_statistics_stay_together(void **state)
{
    static run one[1], all[RANKS_MAX];
    static world w1, w;
    (void)state;
    start(one, &w1, 0, false);
    start(all, &w, 2, false);
    for (size_t a = 0; a < it_train_state_of(all[0].r.t).arrays; a++)
        if (it_train_state_of(all[0].r.t).array[a].data) assert_true(apart(&all[0], &all[1], a) == 0);
    assert_true(apart(&one[0], &all[0], 0) > 1e-3);
    assert_true(all[0].loss[STEPS - 1] < all[0].loss[0]);
    for (int i = 0; i < STEPS; i++) {
        assert_true(all[0].loss[i] == all[1].loss[i]);
        assert_int_equal(all[0].right[i], all[1].right[i]);
    }
    stop(all, &w);
    stop(one, &w1);
}

/* Shares of 2 samples for 3 processes: said before anybody waits for anybody. */
static void fewer_samples_than_processes(void **state)
{
    static run one[1];
    static world w;
    intact_error err = { .code = INTACT_OK };
    it_loop_state at;
    (void)state;
    start(one, &w, 0, false);
    const it_comm three = { .rank = 1, .size = 3 };
    const it_feed feed = { .len = 2 };
    const it_loop_spec s = { .train = one[0].r.t, .feed = &feed, .batch = 13, .epochs = 1, .comm = &three, .schedule = { .schedule = &it_schedule_constant, .rate = 0.1 } };
    assert_int_equal(it_loop_run(&s, &at, &err), INTACT_E_ARG);
    assert_non_null(strstr(err.message, "2 samples for 3 processes"));
    stop(one, &w);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(shared_statistics_are_one_process), cmocka_unit_test(own_statistics_stay_together),
                                         cmocka_unit_test(fewer_samples_than_processes) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
