/* SPDX-License-Identifier: Apache-2.0 */
/* test_step.c: whole networks: gradients against differences of the loss, workers and blocks against one, hooks, statistics, memory that is out. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "op/batch_normalization.h"
#include "train/helpers.h"

static const rig_spec SMALL = { .arch = "resnet8", .input = { 3, 12, 12 }, .classes = 4, .batch = 10, .threads = 2, .seed = 3 };

/* ---- gradients ---- */

/* The loss along a direction in one parameter's numbers, half uphill and half random, by central differences of two widths that must agree
** with each other too: where they do not, clamps or maxima changed sides in between, and the direction says nothing. */
static bool differs(rig *r, it_train_param *p, it_rng *rng, int attempt, double *off)
{
    float *keep = malloc(p->len * sizeof *keep), *d = malloc(p->len * sizeof *d);
    double dot = 0, norm = 0, slope[2];
    memcpy(keep, p->w, p->len * sizeof *keep);
    rig_loss(r);
    for (size_t i = 0; i < p->len; i++) norm += (double)p->grad[i] * (double)p->grad[i];
    norm = sqrt(norm) + 1e-6;
    for (size_t i = 0; i < p->len; i++) {
        d[i] = (float)((double)p->grad[i] / norm + 0.5 * (it_rng_next(rng) & 1 ? 1 : -1) / sqrt((double)p->len));
        dot += (double)d[i] * (double)p->grad[i];
    }
    for (int k = 0; k < 2; k++) {
        const double width = (k ? 1e-3 : 2e-3) / norm, h = (width < 0.02 ? width : 0.02) / (1 + attempt); /* the loss moves by thousandths, its rounding by millionths */
        double loss[2];
        for (int side = 0; side < 2; side++) {
            for (size_t i = 0; i < p->len; i++) p->w[i] = keep[i] + (float)(side ? h : -h) * d[i];
            it_train_touch(r->t);
            loss[side] = rig_loss(r);
        }
        slope[k] = (loss[1] - loss[0]) / (2 * h);
    }
    memcpy(p->w, keep, p->len * sizeof *keep);
    it_train_touch(r->t);
    free(keep);
    free(d);
    const double scale = norm + 1e-3;
    *off = fabs(slope[1] - dot) / scale;
    return fabs(slope[0] - slope[1]) < 0.004 * scale;
}

/* A gradient that is wrong is wrong along every direction: the best of some. False: no direction said anything. */
static bool agrees(rig *r, it_train_param *p, it_rng *rng, double tolerance, double *off)
{
    *off = INFINITY;
    for (int attempt = 0; attempt < 6 && !(*off <= tolerance); attempt++) {
        double one;
        if (differs(r, p, rng, attempt, &one)) *off = fmin(*off, one);
    }
    return *off < INFINITY;
}

static void check_gradients(const rig_spec *s, double tolerance)
{
    rig r;
    it_rng rng;
    size_t len, tried = 0;
    rig_open(&r, s);
    it_rng_seed(&rng, 5);
    it_train_param *p = it_train_params(r.t, &len);
    assert_true(len > 0);
    for (size_t i = 0; i < len; i++) {
        double off = 0;
        if (len > 40 && i % (len / 12) != 0) continue; /* a share of them, spread over the network */
        if (!agrees(&r, &p[i], &rng, tolerance, &off)) continue;
        tried++;
        if (off > tolerance) fail_msg("%s: the gradient of %s is off by %.4f", s->arch, p[i].name, off);
    }
    assert_true(tried * 2 > (len > 40 ? 12 : len));
    rig_close(&r);
}

static void gradient_of_residual_network(void **state)
{
    (void)state;
    check_gradients(&(rig_spec){ .arch = "resnet8", .input = { 3, 12, 12 }, .classes = 4, .batch = 10, .threads = 2, .seed = 3, .o = &(it_train_options){ .block = 4 } }, 0.01);
}

static void gradient_without_normalization(void **state)
{
    (void)state;
    check_gradients(&(rig_spec){ .arch = "lenet5", .input = { 1, 28, 28 }, .classes = 5, .batch = 6, .threads = 2, .seed = 4 }, 0.01);
}

/* Deep ones without their fused clamps where normalizations keep numbers small: on small images hardly a step changes no side of a clamp, and
** differences say nothing. The looser bound is for biases before a further normalization, whose gradients are nearly 0. */
static void gradient_of_other_networks(void **state)
{
#ifdef __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
    skip(); /* thousands of steps: minutes; every operator in them has its own test */
#endif
#endif
    static const rig_spec SPECS[] = {
        { .arch = "mobilenet_v2", .input = { 3, 32, 32 }, .classes = 4, .batch = 12, .threads = 2, .seed = 5, .no_clamps = true },
        { .arch = "squeezenet1_1", .input = { 3, 48, 48 }, .classes = 4, .batch = 9, .threads = 2, .seed = 6 },
        { .arch = "mobilenet_v3_small", .input = { 3, 32, 32 }, .classes = 4, .batch = 12, .threads = 2, .seed = 7, .no_clamps = true },
        { .arch = "shufflenet_v2", .input = { 3, 32, 32 }, .classes = 4, .batch = 12, .threads = 2, .seed = 8, .no_clamps = true },
        { .arch = "dscnn", .input = { 1, 49, 10 }, .classes = 4, .batch = 12, .threads = 2, .seed = 9, .no_clamps = true },
        { .arch = "googlenet", .input = { 3, 64, 64 }, .classes = 4, .batch = 8, .threads = 2, .seed = 9 },
    };
    (void)state;
    for (size_t i = 0; i < IT_LEN(SPECS); i++) check_gradients(&SPECS[i], 0.03);
}

/* ---- workers, blocks, repetition ---- */

static void after_steps(const rig_spec *s, int steps, float **w, size_t *len, float **running, size_t *running_len)
{
    rig r;
    rig_open(&r, s);
    for (int i = 0; i < steps; i++) rig_step(&r, 0.05);
    const it_train_state st = it_train_state_of(r.t);
    *len = st.array[0].len;
    *running_len = st.array[1].len;
    *w = malloc(*len * sizeof **w);
    *running = malloc(*running_len * sizeof **running);
    memcpy(*w, st.array[0].data, *len * sizeof **w);
    memcpy(*running, st.array[1].data, *running_len * sizeof **running);
    rig_close(&r);
}

static double largest_difference(const float *a, const float *b, size_t len)
{
    double most = 0, size = 0;
    for (size_t i = 0; i < len; i++) {
        most = fmax(most, fabs((double)a[i] - (double)b[i]));
        size = fmax(size, fabs((double)a[i]));
    }
    return most / size;
}

static void workers_and_blocks_agree(void **state)
{
    float *w[4], *running[4];
    size_t len, running_len;
    (void)state;
    for (int i = 0; i < 4; i++) {
        rig_spec s = SMALL;
        const it_train_options o = { .block = i == 2 ? 4 : 8 };
        s.batch = 22;
        s.threads = i == 1 ? 1 : 2;
        s.o = &o;
        after_steps(&s, i < 4 ? 3 : 1, &w[i], &len, &running[i], &running_len);
    }
    assert_memory_equal(w[0], w[3], len * sizeof(float)); /* the same again: the same bits */
    assert_memory_equal(running[0], running[3], running_len * sizeof(float));
    assert_in_range((int)(1e7 * largest_difference(w[0], w[1], len)), 0, 100);
    assert_in_range((int)(1e7 * largest_difference(w[0], w[2], len)), 0, 100);
    for (int i = 0; i < 4; i++) {
        free(w[i]);
        free(running[i]);
    }
}

/* One step: the statistics do not come from summed gradients yet. */
static void statistics_do_not_see_threads(void **state)
{
    float *w[3], *running[3];
    size_t len, running_len;
    (void)state;
    for (int i = 0; i < 3; i++) {
        rig_spec s = SMALL;
        s.batch = 22;
        s.threads = 1 + (uint32_t)i;
        after_steps(&s, 1, &w[i], &len, &running[i], &running_len);
    }
    for (int i = 1; i < 3; i++) assert_memory_equal(running[0], running[i], running_len * sizeof(float));
    for (int i = 0; i < 3; i++) {
        free(w[i]);
        free(running[i]);
    }
}

static void batches_of_any_size(void **state)
{
    rig r;
    rig_spec s = SMALL;
    (void)state;
    s.batch = 40;
    rig_open(&r, &s);
    for (size_t len = 1; len <= 40; len += len < 20 ? 1 : 5) {
        r.b.len = len;
        if (len == 1) continue;
        rig_step(&r, 0.01);
    }
    r.b.len = 41;
    intact_error err;
    it_train_result got;
    assert_int_equal(it_train_step(r.t, &r.b, 0.01, &got, &err), INTACT_E_ARG);
    rig_close(&r);
}

/* ---- evaluation and statistics ---- */

/* With the batch's own statistics stored, evaluation is the training-mode forward pass. */
static void restat_gives_the_batch(void **state)
{
    rig r;
    intact_error err = { .code = INTACT_OK };
    it_train_result eval;
    (void)state;
    rig_open(&r, &SMALL);
    const double loss = rig_loss(&r);
    must(it_train_eval(r.t, &r.b, &eval, &err), &err);
    assert_true(fabs(eval.loss - loss) > 1e-3);
    it_train_restat_begin(r.t);
    must(it_train_restat_add(r.t, &r.b, &err), &err);
    it_train_restat_end(r.t);
    must(it_train_eval(r.t, &r.b, &eval, &err), &err);
    if (fabs(eval.loss - loss) > 1e-4 * loss) fail_msg("loss %.8f, after statistics were taken %.8f", loss, eval.loss);
    rig_close(&r);
}

/* A normalization with momentum 1 takes no statistics; the others do. */
static void restat_leaves_momentum_1(void **state)
{
    rig r;
    intact_error err = { .code = INTACT_OK };
    const it_node *n = NULL;
    (void)state;
    rig_open(&r, &SMALL);
    for (size_t i = 0; i < r.g.nodes.len && !n; i++)
        if (r.g.nodes.items[i]->op == &it_op_batch_normalization) n = r.g.nodes.items[i];
    assert_non_null(n);
    ((it_bn_args *)(uintptr_t)n->args)->momentum = 1;
    const it_train_state s = it_train_state_of(r.t);
    const size_t len = (size_t)it_tensor_len(&n->in[IT_BN_MEAN]->t), all = s.array[1].len;
    float *mean = (float *)(uintptr_t)it_train_stat_of(r.t, n->in[IT_BN_MEAN]), *var = (float *)(uintptr_t)it_train_stat_of(r.t, n->in[IT_BN_VAR]);
    for (size_t i = 0; i < all; i++) s.array[1].data[i] = -7;
    for (size_t i = 0; i < len; i++) mean[i] = 0.25f * (float)i, var[i] = 3;
    it_train_restat_begin(r.t);
    must(it_train_restat_add(r.t, &r.b, &err), &err);
    it_train_restat_end(r.t);
    for (size_t i = 0; i < len; i++) assert_true(mean[i] == 0.25f * (float)i && var[i] == 3);
    for (size_t i = 0; i < all; i++) assert_true(s.array[1].data[i] != -7);
    rig_close(&r);
}

static void stores_into_the_graph(void **state)
{
    rig r;
    intact_error err = { .code = INTACT_OK };
    it_train_result a, b;
    it_train *again;
    (void)state;
    rig_open(&r, &SMALL);
    for (int i = 0; i < 3; i++) rig_step(&r, 0.05);
    must(it_train_eval(r.t, &r.b, &a, &err), &err);
    must(it_train_store(r.t, &err), &err);
    must(it_train_new(&r.g, &(it_train_options){ .batch = 10, .pool = r.pool, .loss.loss = &it_loss_cross_entropy, .optimizer.optimizer = &it_optimizer_adam }, &again, &err), &err);
    must(it_train_eval(again, &r.b, &b, &err), &err);
    assert_true(a.loss == b.loss);
    it_train_free(again);
    rig_close(&r);
}

static void averages_weights(void **state)
{
    rig r;
    (void)state;
    rig_spec s = SMALL;
    s.o = &(it_train_options){ .average = 0.5 };
    rig_open(&r, &s);
    const it_train_state st = it_train_state_of(r.t);
    const float *w = st.array[0].data, *average = st.array[4].data, first = w[0];
    rig_step(&r, 0.5);
    const float early = 2.f / 11 * first + 9.f / 11 * w[0]; /* (1 + n) / (10 + n) is less than a half up to n = 8 */
    assert_float_equal(average[0], early, 1e-6);
    for (int i = 2; i < 9; i++) rig_step(&r, 0.5);
    const float before = average[0];
    rig_step(&r, 0.5);
    assert_float_equal(average[0], 0.5f * before + 0.5f * w[0], 1e-6);
    const float trained = w[0];
    it_train_swap_average(r.t);
    assert_true(average[0] == trained);
    it_train_swap_average(r.t);
    assert_true(w[0] == trained);
    rig_close(&r);
}

static void clips_gradients(void **state)
{
    rig r;
    (void)state;
    rig_spec s = SMALL;
    s.o = &(it_train_options){ .clip = 0.01 };
    rig_open(&r, &s);
    assert_true(rig_step(&r, 0).norm > 0.01);
    const it_train_state st = it_train_state_of(r.t);
    double sum = 0;
    for (size_t i = 0; i < st.array[2].len; i++) sum += (double)st.array[2].data[i] * (double)st.array[2].data[i]; /* the first moment is the gradient */
    assert_float_equal(sqrt(sum), 0.01, 1e-6);
    rig_close(&r);
}

/* ---- hooks ---- */

/* Every activation times s, every weight times 2: s is an own parameter, the weights' factor is undone in the gradient. */
typedef struct scaling { rig *r; size_t weights, stepped; } scaling;

static uint32_t scaling_wants(void *user, const it_value *v)
{
    (void)user;
    if (v->is_const) return v->t.rank == 4 ? IT_TRAIN_HOOKED : 0;
    return v->is_input || (v->producer && strcmp(v->producer->op->onnx, "Conv") != 0) ? IT_TRAIN_HOOKED | IT_TRAIN_LEARNS : 0;
}

static intact_status scaling_weights(void *user, it_train *t, intact_error *err)
{
    size_t len;
    it_train_param *p = it_train_params(t, &len);
    (void)err;
    ((scaling *)user)->weights++;
    for (size_t i = 0; i < len; i++)
        for (size_t k = 0; p[i].apart && k < p[i].len; k++) p[i].used[k] = 2 * p[i].w[k];
    return INTACT_OK;
}

static intact_status scaling_forward(void *user, const it_value *v, const it_train_block *b, const it_tensor *x, it_tensor *y, intact_error *err)
{
    const float s = it_train_own_param(((scaling *)user)->r->t, 0)->used[0], *from = x->data;
    float *to = y->data;
    (void)v, (void)b, (void)err;
    for (int64_t i = 0; i < it_tensor_len(x); i++) to[i] = s * from[i];
    return INTACT_OK;
}

static intact_status scaling_backward(void *user, const it_value *v, const it_train_block *b, const it_tensor *x, const it_tensor *y, it_tensor *dy, intact_error *err)
{
    it_train *t = ((scaling *)user)->r->t;
    const it_train_param *own = it_train_own_param(t, 0);
    const float s = own->used[0], *from = x->data;
    float *g = dy->data;
    double sum = 0;
    (void)v, (void)y, (void)err;
    for (int64_t i = 0; i < it_tensor_len(x); i++) {
        sum += (double)g[i] * (double)from[i];
        g[i] *= s;
    }
    it_train_worker_grad(t, b->worker, own)[0] += (float)sum;
    return INTACT_OK;
}

static intact_status scaling_gradients(void *user, it_train *t, intact_error *err)
{
    size_t len;
    it_train_param *p = it_train_params(t, &len);
    (void)user, (void)err;
    for (size_t i = 0; i < len; i++)
        for (size_t k = 0; p[i].apart && k < p[i].len; k++) p[i].grad[k] *= 2;
    return INTACT_OK;
}

static intact_status scaling_stepped(void *user, it_train *t, intact_error *err)
{
    (void)t, (void)err;
    ((scaling *)user)->stepped++;
    return INTACT_OK;
}

static void hooks_learn(void **state)
{
    static const float INIT = 0.9f;
    rig r;
    it_rng rng;
    scaling user = { .r = &r };
    const it_train_own own = { .name = "s", .len = 1, .init = &INIT, .rate = 1 };
    const it_train_hooks h = { .user = &user, .wants = scaling_wants, .weights = scaling_weights, .forward = scaling_forward, .backward = scaling_backward,
                               .gradients = scaling_gradients, .stepped = scaling_stepped, .own = &own, .own_len = 1 };
    const it_train_options o = { .hooks = &h, .block = 4 };
    rig_spec s = SMALL;
    size_t len;
    double off = 0;
    (void)state;
    s.o = &o;
    rig_open(&r, &s);
    it_train_param *p = it_train_params(r.t, &len);
    it_rng_seed(&rng, 1);
    assert_string_equal(p[len - 1].name, "s");
    for (size_t i = 0; i < len; i++)
        if (agrees(&r, &p[i], &rng, 0.01, &off) && off > 0.01) fail_msg("the gradient of %s is off by %.4f", p[i].name, off);
    assert_true(agrees(&r, &p[len - 1], &rng, 0.01, &off));
    const double first = rig_step(&r, 0.02).loss;
    for (int i = 0; i < 10; i++) rig_step(&r, 0.02);
    assert_true(rig_loss(&r) < first);
    assert_true(p[len - 1].w[0] != INIT);
    assert_true(user.weights > 10 && user.stepped > 10);
    rig_close(&r);
}

static intact_status put_seven(void *user, it_train *t, intact_error *err)
{
    (void)user, (void)err;
    it_train_own_param(t, 0)->w[0] = 7;
    return INTACT_OK;
}

/* What hooks make of their own parameters after a step is what is averaged. */
static void averages_what_hooks_leave(void **state)
{
    static const float INIT = 0.9f;
    rig r;
    scaling user = { .r = &r };
    const it_train_own own = { .name = "s", .len = 1, .init = &INIT, .rate = 1 };
    const it_train_hooks h = { .user = &user, .wants = scaling_wants, .weights = scaling_weights, .forward = scaling_forward, .backward = scaling_backward,
                               .gradients = scaling_gradients, .stepped = put_seven, .own = &own, .own_len = 1 };
    rig_spec s = SMALL;
    (void)state;
    s.o = &(it_train_options){ .hooks = &h, .average = 0.5 };
    rig_open(&r, &s);
    rig_step(&r, 0.02);
    it_train_swap_average(r.t);
    assert_float_equal(it_train_own_param(r.t, 0)->w[0], 2.f / 11 * INIT + 9.f / 11 * 7, 1e-5);
    rig_close(&r);
}

/* ---- what goes wrong ---- */

static void stops_on_what_is_not_finite(void **state)
{
    rig r;
    intact_error err = { .code = INTACT_OK };
    it_train_result got;
    (void)state;
    rig_open(&r, &SMALL);
    rig_step(&r, 0.1);
    const it_train_state st = it_train_state_of(r.t);
    float *before = malloc(st.array[0].len * sizeof *before);
    memcpy(before, st.array[0].data, st.array[0].len * sizeof *before);
    r.x[5] = NAN;
    assert_int_equal(it_train_step(r.t, &r.b, 0.1, &got, &err), INTACT_E_DATA);
    assert_memory_equal(before, st.array[0].data, st.array[0].len * sizeof *before);
    free(before);
    r.label[0] = 4;
    r.x[5] = 0;
    assert_int_equal(it_train_step(r.t, &r.b, 0.1, &got, &err), INTACT_E_DATA);
    rig_close(&r);
}

static void every_allocation_fails_once(void **state)
{
    counting c = { 0 };
    const intact_alloc alloc = { .grow = count_grow, .user = &c };
    it_pool *pool;
    intact_error err = { .code = INTACT_OK };
    rig_spec s = SMALL;
    static float x[10 * 3 * 12 * 12];
    static const int32_t label[10];
    const void *in[] = { x };
    const it_train_batch b = { .len = 10, .in = in, .label = label };
    (void)state;
    s.alloc = &alloc;
    must(it_pool_new(NULL, 1, &pool, &err), &err);
    for (long at = 0, done = 0; !done; at++) {
        it_graph g;
        it_train *t = NULL;
        it_train_result got;
        c = (counting){ 0 };
        must(rig_graph(&g, &s, &err), &err);
        const it_train_options o = { .batch = 10, .pool = pool, .loss.loss = &it_loss_cross_entropy, .optimizer.optimizer = &it_optimizer_adamw, .average = 0.9 };
        c.fail_at = c.calls + 1 + at;
        intact_status st = it_train_new(&g, &o, &t, &err);
        if (st == INTACT_OK) st = it_train_step(t, &b, 0.01, &got, &err);
        done = st == INTACT_OK && c.calls < c.fail_at;
        if (!done) assert_int_equal(st, INTACT_E_NOMEM);
        it_train_free(t);
        it_graph_release(&g);
        assert_int_equal(c.live, 0);
        at += at > 60 ? at / 8 : 0; /* what comes late is alike */
    }
    it_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradient_of_residual_network), cmocka_unit_test(gradient_without_normalization),
        cmocka_unit_test(workers_and_blocks_agree), cmocka_unit_test(statistics_do_not_see_threads), cmocka_unit_test(batches_of_any_size),
        cmocka_unit_test(restat_gives_the_batch), cmocka_unit_test(restat_leaves_momentum_1), cmocka_unit_test(stores_into_the_graph), cmocka_unit_test(averages_weights),
        cmocka_unit_test(clips_gradients), cmocka_unit_test(hooks_learn), cmocka_unit_test(averages_what_hooks_leave), cmocka_unit_test(stops_on_what_is_not_finite),
        cmocka_unit_test(every_allocation_fails_once), cmocka_unit_test(gradient_of_other_networks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
