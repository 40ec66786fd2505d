/* SPDX-License-Identifier: Apache-2.0 */
/* test_teacher.c: a teacher's answers at any number of threads, what it refuses; batch statistics measured anew. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "exec/exec.h"
#include "op/op.h"
#include "train/helpers.h"
#include "train/restat.h"
#include "train/teacher.h"

enum { SIDE = 12, CLASSES = 4, LEN = 21 };

static void fill(float *x, size_t len)
{
    it_rng r;
    it_rng_seed(&r, 4);
    for (size_t i = 0; i < len; i++) x[i] = (float)it_rng_below(&r, 1000) / 500 - 1;
}

/* ---- the teacher ---- */

/* A Softmax behind the network's answers. */
static void add_softmax(it_graph *g)
{
    intact_error err = { .code = INTACT_OK };
    it_value *logits = g->outputs.items[0], *y = it_graph_value(g, "probabilities");
    it_node *n = it_graph_node(g, "softmax", it_op_find("Softmax", "", 13), 1, 1);
    assert_true(y && n);
    n->opset = 13;
    n->in[0] = logits;
    n->out[0] = y;
    y->producer = n;
    y->is_output = true;
    logits->is_output = false;
    g->outputs.items[0] = y;
    must(it_node_parse(g, n, &err), &err);
    must(it_graph_infer(g, 1, NULL, &err), &err);
}

static void one_by_one(const it_graph *g, const float *x, float *y)
{
    intact_error err = { .code = INTACT_OK };
    it_exec *e;
    must(it_exec_new(g, &(it_exec_options){ .hook = NULL }, &e, &err), &err);
    for (int i = 0; i < LEN; i++) {
        it_tensor in = g->inputs.items[0]->t;
        in.dim[0] = 1;
        in.data = (void *)(uintptr_t)(x + i * SIDE * SIDE);
        must(it_exec_run(e, &in, 1, &err), &err);
        memcpy(y + i * CLASSES, it_exec_output(e, 0)->data, CLASSES * sizeof *y);
    }
    it_exec_free(e);
}

static void answers_do_not_see_threads(void **state)
{
    intact_error err = { .code = INTACT_OK };
    static float x[LEN * SIDE * SIDE], plain[LEN * CLASSES], y[2][LEN * CLASSES];
    it_graph g;
    (void)state;
    fill(x, LEN * SIDE * SIDE);
    must(rig_graph(&g, &(rig_spec){ .arch = "resnet8", .input = { 1, SIDE, SIDE }, .classes = CLASSES, .seed = 1 }, &err), &err);
    one_by_one(&g, x, plain);
    add_softmax(&g);
    for (uint32_t k = 0; k < 2; k++) {
        it_pool *pool;
        it_teacher *t;
        must(it_pool_new(NULL, 1 + 2 * k, &pool, &err), &err);
        must(it_teacher_new(&g, pool, CLASSES, &t, &err), &err);
        must(it_teacher_answer(t, x, LEN, y[k], &err), &err);
        must(it_teacher_answer(t, x, LEN, y[k], &err), &err);
        it_teacher_free(t);
        it_pool_free(pool);
    }
    assert_memory_equal(y[0], y[1], sizeof y[0]);
    for (int i = 0; i < LEN * CLASSES; i++) assert_true(fabsf(y[0][i] - plain[i]) < 1e-4f * (1 + fabsf(plain[i]))); /* before the Softmax */
    it_graph_release(&g);
}

static void refuses_other_classes(void **state)
{
    intact_error err = { .code = INTACT_OK };
    it_graph g;
    it_pool *pool;
    it_teacher *t;
    (void)state;
    must(rig_graph(&g, &(rig_spec){ .arch = "resnet8", .input = { 1, SIDE, SIDE }, .classes = CLASSES, .seed = 1 }, &err), &err);
    must(it_pool_new(NULL, 1, &pool, &err), &err);
    assert_int_equal(it_teacher_new(&g, pool, 5, &t, &err), INTACT_E_SHAPE);
    assert_null(t);
    assert_non_null(strstr(err.message, "4 answers a sample, the network that learns 5"));
    it_pool_free(pool);
    it_graph_release(&g);
}

/* ---- every allocation of a teacher fails in turn ---- */

static void failures_leave_nothing(void **state)
{
    counting c = { 0 };
    const intact_alloc alloc = { .grow = count_grow, .user = &c };
    intact_error err = { .code = INTACT_OK };
    static float x[LEN * SIDE * SIDE], y[LEN * CLASSES];
    it_pool *pool;
    (void)state;
    must(it_pool_new(NULL, 1, &pool, &err), &err);
    for (long at = 0, done = 0; !done; at++) {
        it_graph g;
        it_teacher *t;
        c = (counting){ 0 };
        must(rig_graph(&g, &(rig_spec){ .arch = "resnet8", .input = { 1, SIDE, SIDE }, .classes = CLASSES, .seed = 1, .alloc = &alloc }, &err), &err);
        c.fail_at = c.calls + 1 + at;
        intact_status st = it_teacher_new(&g, pool, CLASSES, &t, &err);
        if (st == INTACT_OK) st = it_teacher_answer(t, x, 3, y, &err);
        done = st == INTACT_OK && c.calls < c.fail_at;
        if (!done) assert_int_equal(st, INTACT_E_NOMEM);
        it_teacher_free(t);
        it_graph_release(&g);
        assert_int_equal(c.live, 0);
        at += at > 60 ? at / 8 : 0;
    }
    it_pool_free(pool);
}

/* ---- statistics ---- */

static char path[] = "/tmp/intact-restat-XXXXXX";

static void write_rows(float *x, size_t rows)
{
    const uint64_t dim[4] = { rows, 1, SIDE, SIDE };
    intact_error err = { .code = INTACT_OK };
    char name[64];
    fill(x, rows * SIDE * SIDE);
    snprintf(name, sizeof name, "%s.npy", path);
    must(it_npy_write(name, 'f', 4, 4, dim, x, &err), &err);
}

static void statistics_are_of_all_samples(void **state)
{
    enum { ROWS = 40 };
    static float x[ROWS * SIDE * SIDE];
    static const int64_t DIMS[] = { 1, 1, SIDE, SIDE };
    intact_error err = { .code = INTACT_OK };
    char name[64];
    rig r;
    it_dataset *d;
    it_feed f;
    (void)state;
    assert_true(mkstemp(path) >= 0);
    write_rows(x, ROWS);
    snprintf(name, sizeof name, "%s.npy", path);
    rig_open(&r, &(rig_spec){ .arch = "resnet8", .input = { 1, SIDE, SIDE }, .classes = CLASSES, .batch = ROWS, .threads = 2, .seed = 2 });
    must(it_dataset_open(NULL, name, NULL, 1, &d, &err), &err);
    must(it_feed_open(&f, NULL, d, &(it_preprocess){ .scale = 1 }, NULL, ROWS, 0, 4, DIMS, &err), &err);
    const it_train_state s = it_train_state_of(r.t);
    const size_t bytes = s.array[1].len * sizeof(float);
    float *whole = malloc(bytes);
    const void *in[] = { x };
    it_train_restat_begin(r.t);
    must(it_train_restat_add(r.t, &(it_train_batch){ .len = ROWS, .in = in }, &err), &err);
    it_train_restat_end(r.t);
    memcpy(whole, s.array[1].data, bytes);
    must(it_restat_run(r.t, &f, ROWS, 1000, 7, 2, &err), &err); /* more than there are: all, in another order */
    for (size_t i = 0; i < s.array[1].len; i++) assert_true(fabsf(whole[i] - s.array[1].data[i]) <= 1e-4f * (1 + fabsf(whole[i])));
    memset(s.array[1].data, 0, bytes);
    must(it_restat_run(r.t, &f, 8, 16, 7, 1, &err), &err);
    float *part = malloc(bytes);
    memcpy(part, s.array[1].data, bytes);
    must(it_restat_run(r.t, &f, 8, 16, 7, 3, &err), &err);
    assert_memory_equal(part, s.array[1].data, bytes); /* whatever reads them */
    assert_memory_not_equal(part, whole, bytes);
    assert_int_equal(it_restat_run(r.t, &f, 8, 0, 7, 1, &err), INTACT_E_ARG);
    free(part);
    free(whole);
    it_feed_close(&f);
    it_dataset_close(d);
    rig_close(&r);
    unlink(name);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_do_not_see_threads), cmocka_unit_test(refuses_other_classes), cmocka_unit_test(failures_leave_nothing), cmocka_unit_test(statistics_are_of_all_samples),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
