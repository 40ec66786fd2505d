/* SPDX-License-Identifier: Apache-2.0 */
/* test_loop.c: the input pipeline, augmentation, and runs that are stopped or killed and go on to the very same result. */
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "train/checkpoint.h"
#include "train/helpers.h"
#include "train/loop.h"

enum { SIDE = 12, SAMPLES = 70, BATCH = 16 };

static char folder[] = "/tmp/intact-train-XXXXXX";
static char images[64], labels[64], point[64];

static void put32(FILE *f, uint32_t v)
{
    const uint8_t b[4] = { (uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v };
    assert_int_equal(fwrite(b, 1, 4, f), 4);
}

/* Random images in four classes that differ in brightness. */
static int make_data(void **state)
{
    it_rng r;
    (void)state;
    if (!mkdtemp(folder)) return 1;
    snprintf(images, sizeof images, "%s/train-images-idx3-ubyte", folder);
    snprintf(labels, sizeof labels, "%s/train-labels-idx1-ubyte", folder);
    snprintf(point, sizeof point, "%s/run.ckpt", folder);
    FILE *x = fopen(images, "wb"), *y = fopen(labels, "wb");
    if (!x || !y) return 1;
    it_rng_seed(&r, 11);
    put32(x, 0x803), put32(x, SAMPLES), put32(x, SIDE), put32(x, SIDE);
    put32(y, 0x801), put32(y, SAMPLES);
    for (int i = 0; i < SAMPLES; i++) {
        const int label = (int)it_rng_below(&r, 4);
        putc(label, y);
        for (int k = 0; k < SIDE * SIDE; k++) putc((int)(it_rng_below(&r, 160) + (uint64_t)(label * 30)), x);
    }
    return fclose(x) || fclose(y);
}

static int remove_data(void **state)
{
    (void)state;
    unlink(images), unlink(labels), unlink(point);
    return rmdir(folder);
}

typedef struct source { it_dataset *d; it_preprocess pre; it_feed f; } source;

static void open_source(source *s)
{
    static const int64_t DIMS[] = { 1, 1, SIDE, SIDE };
    intact_error err = { .code = INTACT_OK };
    must(it_dataset_open(NULL, images, NULL, 1, &s->d, &err), &err);
    must(it_preprocess_parse("scale=1/255,mean=0.5,std=0.25", &s->pre, &err), &err);
    must(it_feed_open(&s->f, NULL, s->d, &s->pre, NULL, SAMPLES, 0, 4, DIMS, &err), &err);
}

static void close_source(source *s)
{
    it_feed_close(&s->f);
    it_dataset_close(s->d);
}

/* ---- the pipeline ---- */

static void drain(const source *s, uint32_t threads, uint64_t first, uint64_t end, float *x, size_t *sample, size_t *len)
{
    intact_error err = { .code = INTACT_OK };
    it_pipe *p;
    it_pipe_batch b;
    const it_pipe_spec spec = { .feed = &s->f, .batch = BATCH, .seed = 5, .augment = { .amount = { [IT_AUGMENT_crop] = 2, [IT_AUGMENT_flip] = 1, [IT_AUGMENT_cutout] = 3 } }, .threads = threads, .first = first, .end = end };
    must(it_pipe_open(NULL, &spec, &p, &err), &err);
    *len = 0;
    for (uint64_t i = first; i < end; i++) {
        must(it_pipe_next(p, &b, &err), &err);
        memcpy(x + *len * SIDE * SIDE, b.x, b.len * SIDE * SIDE * sizeof *x);
        memcpy(sample + *len, b.sample, b.len * sizeof *sample);
        *len += b.len;
    }
    assert_int_equal(it_pipe_next(p, &b, &err), INTACT_E_ARG);
    it_pipe_close(p);
}

static void batches_do_not_see_threads(void **state)
{
    enum { ALL = 3 * SAMPLES };
    source s;
    static float x[2][ALL * SIDE * SIDE];
    static size_t sample[2][ALL];
    size_t len;
    int seen[2][SAMPLES] = { { 0 } }, moved = 0;
    (void)state;
    open_source(&s);
    drain(&s, 1, 0, 15, x[0], sample[0], &len);
    assert_int_equal(len, ALL);
    drain(&s, 3, 0, 15, x[1], sample[1], &len);
    assert_memory_equal(x[0], x[1], sizeof x[0]);
    assert_memory_equal(sample[0], sample[1], sizeof sample[0]);
    for (int i = 0; i < 2 * SAMPLES; i++) seen[i / SAMPLES][sample[0][i]]++;
    for (int i = 0; i < 2 * SAMPLES; i++) assert_int_equal(seen[i / SAMPLES][i % SAMPLES], 1);
    for (int i = 0; i < SAMPLES; i++) moved += sample[0][i] != sample[0][SAMPLES + i];
    assert_true(moved > SAMPLES / 2);
    drain(&s, 2, 7, 15, x[1], sample[1], &len); /* epochs have 5 batches: 2 of the second one are left out */
    assert_memory_equal(x[0] + (SAMPLES + 2 * BATCH) * SIDE * SIDE, x[1], len * SIDE * SIDE * sizeof(float));
    close_source(&s);
}

static void augments(void **state)
{
    it_augment a;
    char text[64];
    intact_error err = { .code = INTACT_OK };
    it_rng r;
    uint8_t px[6 * 5 * 3], first[6 * 5 * 3], spare[6 * 5 * 3];
    int flipped = 0, same = 0, whole = 0;
    float x[3 * 6 * 5];
    (void)state;
    must(it_augment_parse("crop=4,flip,cutout=8", &a, &err), &err);
    assert_true(a.amount[IT_AUGMENT_crop] == 4 && a.amount[IT_AUGMENT_flip] == 1 && a.amount[IT_AUGMENT_cutout] == 8);
    it_augment_print(&a, text, sizeof text);
    assert_string_equal(text, "crop=4,flip,cutout=8");
    it_augment_print(&a, text, 8);
    assert_string_equal(text, "crop=4,");
    must(it_augment_parse("none", &a, &err), &err);
    assert_false(it_augment_any(&a));
    it_augment_print(&a, text, sizeof text);
    assert_string_equal(text, "none");
    assert_int_equal(it_augment_parse("flop", &a, &err), INTACT_E_ARG);
    assert_non_null(strstr(err.message, "flip"));
    assert_int_equal(it_augment_parse("crop=x", &a, &err), INTACT_E_ARG);
    assert_int_equal(it_augment_parse("crop", &a, &err), INTACT_E_ARG);
    assert_int_equal(it_augment_parse("flip=1", &a, &err), INTACT_E_ARG);
    it_rng_seed(&r, 1);
    for (int i = 0; i < 90; i++) first[i] = (uint8_t)(i + 1);
    for (int t = 0; t < 200; t++) { /* what is left is what was there, moved as one */
        memcpy(px, first, sizeof px);
        it_augment_pixels(&(it_augment){ .amount = { [IT_AUGMENT_flip] = 1 } }, &r, px, spare, 6, 5, 3);
        memcmp(px, first, sizeof px) == 0 ? same++ : (flipped += px[0] == 13 && px[14] == 3 && px[89] == 78);
        memcpy(px, first, sizeof px);
        it_augment_pixels(&(it_augment){ .amount = { [IT_AUGMENT_crop] = 2 } }, &r, px, spare, 6, 5, 3);
        int from = -1, at = -1;
        for (int i = 0; i < 90; i++)
            if (px[i]) {
                if (at < 0) at = i, from = px[i] - 1;
                assert_int_equal(px[i] - 1 - from, i - at);
            }
        assert_true(at >= 0);
        whole += at == from;
    }
    assert_true(flipped > 60 && same > 60 && flipped + same == 200 && whole > 1 && whole < 40);
    for (int t = 0; t < 50; t++) {
        int none = 0;
        for (int i = 0; i < 90; i++) x[i] = 1;
        it_augment_values(&(it_augment){ .amount = { [IT_AUGMENT_cutout] = 3 } }, &r, x, 6, 5, 3);
        for (int i = 0; i < 90; i++) none += x[i] == 0;
        assert_true(none >= 3 * 4 && none <= 3 * 9);
    }
}

/* ---- runs ---- */

typedef struct watch { uint64_t stop_at, kill_at, epochs, steps; double waited; } watch;

static int on_step(void *user, const it_loop_state *s)
{
    watch *w = user;
    w->steps++;
    w->waited = s->waited;
    if (s->step == w->kill_at) raise(SIGKILL);
    return s->step == w->stop_at;
}

static intact_status on_epoch(void *user, const it_loop_state *s, intact_error *err)
{
    (void)err;
    ((watch *)user)->epochs++;
    assert_true(s->count == SAMPLES && s->epoch_step == s->epoch_steps);
    return INTACT_OK;
}

/* A run of three epochs; weights and moments into *out. */
static intact_status run(watch *w, const char *checkpoint, bool resume, uint64_t every, double rate, float **out, size_t *len, intact_error *err)
{
    const it_train_options o = { .optimizer.optimizer = &it_optimizer_adamw, .decay = 0.01, .average = 0.9, .clip = 1 };
    rig r;
    source s;
    it_loop_state at;
    rig_open(&r, &(rig_spec){ .arch = "resnet8", .input = { 1, SIDE, SIDE }, .classes = 4, .batch = BATCH, .threads = 2, .seed = 2, .o = &o });
    open_source(&s);
    const it_loop_spec spec = { .train = r.t, .feed = &s.f, .batch = BATCH, .seed = 9, .epochs = 3, .feeders = 2, .augment = { .amount = { [IT_AUGMENT_crop] = 1, [IT_AUGMENT_flip] = 1 } },
                                .schedule = { .schedule = &it_schedule_cosine, .rate = rate, .warmup = 2 }, .checkpoint = checkpoint,
                                .checkpoint_steps = every, .resume = resume, .user = w, .on_step = on_step, .on_epoch = on_epoch };
    intact_status st = it_loop_run(&spec, &at, err);
    const it_train_state state = it_train_state_of(r.t);
    *len = 0;
    for (size_t i = 0; i < state.arrays; i++) *len += state.array[i].len;
    *out = malloc(*len * sizeof **out);
    for (size_t i = 0, to = 0; i < state.arrays; to += state.array[i++].len) memcpy(*out + to, state.array[i].data, state.array[i].len * sizeof **out);
    close_source(&s);
    rig_close(&r);
    return st;
}

static void stopped_runs_go_on(void **state)
{
    intact_error err = { .code = INTACT_OK };
    float *whole, *part;
    size_t len;
    watch w = { 0 };
    (void)state;
    must(run(&w, NULL, false, 0, 0.003, &whole, &len, &err), &err);
    assert_int_equal(w.epochs, 3);
    assert_int_equal(w.steps, 15);
    for (uint64_t at = 1; at < 15; at += 3) {
        w = (watch){ .stop_at = at };
        assert_int_equal(run(&w, point, false, 0, 0.003, &part, &len, &err), INTACT_E_CANCELLED);
        free(part);
        w = (watch){ 0 };
        must(run(&w, point, true, 0, 0.003, &part, &len, &err), &err);
        assert_int_equal(w.steps, 15 - at);
        assert_memory_equal(whole, part, len * sizeof *part);
        free(part);
    }
    free(whole);
}

static void killed_runs_go_on(void **state)
{
    intact_error err = { .code = INTACT_OK };
    float *whole, *part;
    size_t len;
    watch w = { 0 };
    (void)state;
    must(run(&w, NULL, false, 0, 0.003, &whole, &len, &err), &err);
    for (uint64_t at = 3; at < 15; at += 5) {
        int status;
        const pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            w = (watch){ .kill_at = at };
            (void)run(&w, point, false, 2, 0.003, &part, &len, &err);
            _exit(1);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        w = (watch){ 0 };
        must(run(&w, point, true, 2, 0.003, &part, &len, &err), &err);
        assert_memory_equal(whole, part, len * sizeof *part);
        free(part);
    }
    free(whole);
}

static void loss_that_is_not_finite_stops(void **state)
{
    intact_error err = { .code = INTACT_OK };
    float *part;
    size_t len;
    watch w = { 0 };
    (void)state;
    assert_int_equal(run(&w, point, false, 1, 1e30, &part, &len, &err), INTACT_E_DATA);
    assert_non_null(strstr(err.message, "not finite"));
    free(part);
    w = (watch){ .stop_at = 2 };
    assert_int_not_equal(run(&w, point, true, 0, 0.003, &part, &len, &err), INTACT_E_FORMAT); /* the file is whole */
    free(part);
}

static void refuses_other_checkpoints(void **state)
{
    intact_error err = { .code = INTACT_OK };
    rig r;
    (void)state;
    rig_open(&r, &(rig_spec){ .arch = "resnet8", .input = { 1, SIDE, SIDE }, .classes = 4, .batch = BATCH, .threads = 1, .seed = 2 });
    double method = 1.5;
    it_checkpoint c = { .step = 7, .seed = 1, .batch = 2, .samples = 3, .total = 4, .loss_sum = 0.5, .right = 6, .count = 8, .extra = &method, .extra_len = sizeof method };
    must(it_checkpoint_write(r.t, &c, point, &err), &err);
    const it_train_state st = it_train_state_of(r.t);
    const float first = st.array[0].data[0];
    st.array[0].data[0] = 100;
    c.seed = 2;
    assert_int_equal(it_checkpoint_read(r.t, &c, point, &err), INTACT_E_ARG);
    assert_non_null(strstr(err.message, "seed"));
    assert_true(st.array[0].data[0] == 100);
    c = (it_checkpoint){ .seed = 1, .batch = 2, .samples = 3, .total = 4 };
    assert_int_equal(it_checkpoint_read(r.t, &c, point, &err), INTACT_E_FORMAT); /* a part more than expected */
    method = 0;
    c.extra = &method, c.extra_len = sizeof method;
    must(it_checkpoint_read(r.t, &c, point, &err), &err);
    assert_true(st.array[0].data[0] == first && method == 1.5 && c.step == 7 && c.right == 6 && c.count == 8 && c.loss_sum == 0.5);
    FILE *f = fopen(point, "r+b");
    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    const long end = ftell(f);
    for (long at = 0; at < end; at = at * 3 / 2 + 5) { /* a byte changed anywhere, or the rest cut off */
        fseek(f, at, SEEK_SET);
        const int byte = getc(f);
        fseek(f, at, SEEK_SET);
        putc(byte ^ 16, f);
        fflush(f);
        assert_int_not_equal(it_checkpoint_read(r.t, &c, point, &err), INTACT_OK);
        fseek(f, at, SEEK_SET);
        putc(byte, f);
    }
    fclose(f);
    for (long at = end - 1; at > 0; at = at * 2 / 3) {
        assert_int_equal(truncate(point, at), 0);
        assert_int_equal(it_checkpoint_read(r.t, &c, point, &err), INTACT_E_FORMAT);
    }
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_do_not_see_threads), cmocka_unit_test(augments), cmocka_unit_test(stopped_runs_go_on), cmocka_unit_test(killed_runs_go_on),
        cmocka_unit_test(loss_that_is_not_finite_stops), cmocka_unit_test(refuses_other_checkpoints),
    };
    return cmocka_run_group_tests(tests, make_data, remove_data);
}
