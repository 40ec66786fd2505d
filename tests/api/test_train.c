/* SPDX-License-Identifier: Apache-2.0 */
/* test_train.c: training through the public header: what it tells, stopping and going on, every allocation failed in turn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/base.h"
#include "intact/intact.h"

enum { SIDE = 12, SAMPLES = 60, CLASSES = 4 };

static char folder[] = "/tmp/intact-api-train-XXXXXX";
static char images[80], labels[80], start[80], out[80], other[80], point[80];

static void must(intact_status st, const intact_error *err)
{
    if (st != INTACT_OK) fail_msg("%s: %s", err->where, err->message);
}

static void put32(FILE *f, uint32_t v)
{
    for (int i = 24; i >= 0; i -= 8) putc((int)(v >> i & 255), f);
}

static int make_all(void **state)
{
    it_rng r;
    intact_ctx *c;
    intact_error err;
    intact_new_options n;
    intact_new_result res;
    (void)state;
    if (!mkdtemp(folder)) return 1;
    snprintf(images, sizeof images, "%s/t-images-idx3-ubyte", folder);
    snprintf(labels, sizeof labels, "%s/t-labels-idx1-ubyte", folder);
    snprintf(start, sizeof start, "%s/start.onnx", folder);
    snprintf(out, sizeof out, "%s/out.onnx", folder);
    snprintf(other, sizeof other, "%s/other.onnx", folder);
    snprintf(point, sizeof point, "%s/run.ckpt", folder);
    FILE *x = fopen(images, "wb"), *y = fopen(labels, "wb");
    if (!x || !y) return 1;
    it_rng_seed(&r, 3);
    put32(x, 0x803), put32(x, SAMPLES), put32(x, SIDE), put32(x, SIDE);
    put32(y, 0x801), put32(y, SAMPLES);
    for (int i = 0; i < SAMPLES; i++) {
        const int label = (int)it_rng_below(&r, CLASSES);
        putc(label, y);
        for (int k = 0; k < SIDE * SIDE; k++) putc((int)(it_rng_below(&r, 100) + (uint64_t)(k / (SIDE * SIDE / CLASSES) == label ? 120 : 0)), x);
    }
    if (fclose(x) || fclose(y) || intact_ctx_new(NULL, &c, &err) != INTACT_OK) return 1;
    intact_new_options_default(&n);
    n.architecture = "resnet8", n.output = start, n.classes = CLASSES;
    n.input[0] = 1, n.input[1] = n.input[2] = SIDE;
    const intact_status st = intact_new(c, &n, &res, &err);
    intact_ctx_free(c);
    return st != INTACT_OK;
}

static int remove_all(void **state)
{
    (void)state;
    unlink(images), unlink(labels), unlink(start), unlink(out), unlink(other), unlink(point);
    return rmdir(folder);
}

static intact_train_options usual(void)
{
    intact_train_options o;
    intact_train_options_default(&o);
    o.output = out;
    o.data.path = o.val.path = images;
    o.epochs = 3;
    o.batch = 16;
    o.rate = 0.05;
    o.nesterov = 1;
    o.seed = 5;
    return o;
}

typedef struct watch { uint32_t epochs; double last; uint64_t stop_at, most; } watch;

static void on_epoch(void *user, const intact_train_epoch *e)
{
    watch *w = user;
    assert_int_equal(e->epoch, ++w->epochs);
    assert_true(e->epochs == 3 && e->images == SAMPLES && e->val_top1 >= 0 && e->loss > 0);
    w->last = e->val_top1;
}

static int progress(void *user, const char *what, uint64_t done, uint64_t total)
{
    watch *w = user;
    if (strcmp(what, "training") != 0) return 0;
    assert_true(done >= w->most && total == 3 * SAMPLES);
    w->most = done;
    return w->stop_at && done >= w->stop_at;
}

static intact_ctx *context(watch *w, const intact_alloc *a)
{
    intact_ctx *c;
    intact_error err;
    intact_ctx_options o;
    intact_ctx_options_default(&o);
    o.threads = 2;
    o.alloc = a;
    o.progress = w ? progress : NULL;
    o.user = w;
    must(intact_ctx_new(&o, &c, &err), &err);
    return c;
}

static bool same_file(const char *a, const char *b)
{
    FILE *x = fopen(a, "rb"), *y = fopen(b, "rb");
    bool same = x && y;
    for (int p = 0, q = 0; same && p != EOF; same = p == q) p = getc(x), q = getc(y);
    if (x) fclose(x);
    if (y) fclose(y);
    return same;
}

static void tells_what_eval_finds(void **state)
{
    watch w = {0};
    intact_ctx *c = context(&w, NULL);
    intact_train_options o = usual();
    intact_train_result r;
    intact_model *m;
    intact_eval_result e;
    intact_error err;
    (void)state;
    o.on_epoch = on_epoch;
    o.user = &w;
    must(intact_train(c, start, &o, &r, &err), &err);
    assert_true(w.epochs == 3 && r.epochs_len == 3 && r.resumed == 0 && w.most == 3 * SAMPLES);
    assert_true(r.samples == SAMPLES && r.val_samples == SAMPLES && r.parameters > 70000 && r.memory_bytes > 100000);
    must(intact_model_open(c, out, INTACT_CPU_AUTO, &m, &err), &err);
    must(intact_eval(c, m, &o.val, &e, &err), &err);
    assert_true(e.top1 == r.val_top1 && e.top1 == w.last && e.top1 == r.epochs[2].val_top1 && e.top1_standard_error == r.val_standard_error);
    assert_true(e.top1 > 0.8);
    intact_model_free(m);
    intact_train_result_release(c, &r);
    assert_null(r.epochs);
    intact_ctx_free(c);
}

static void stops_on_request_and_goes_on(void **state)
{
    watch w = {.stop_at = 2 * SAMPLES - 20}, v = {0};
    intact_ctx *c = context(&w, NULL);
    intact_train_options o = usual();
    intact_train_result r;
    intact_error err;
    (void)state;
    o.output = other;
    o.checkpoint = point;
    assert_int_equal(intact_train(c, start, &o, &r, &err), INTACT_E_CANCELLED);
    assert_non_null(strstr(err.message, "run.ckpt holds the run up to step"));
    assert_true(r.epochs_len == 1 && access(other, F_OK) != 0);
    intact_train_result_release(c, &r);
    intact_ctx_free(c);
    c = context(&v, NULL);
    o.resume = point;
    must(intact_train(c, start, &o, &r, &err), &err);
    assert_true(r.resumed == 1 && r.epochs_len == 3 && r.epochs[0].epoch == 1);
    assert_true(same_file(out, other)); /* of the test before */
    intact_train_result_release(c, &r);
    intact_ctx_free(c);
}

/* Feeders allocate too, so the count is kept with atomics. */
typedef struct counting { long calls, fail_at, live; } counting;
static void *count_grow(void *user, void *p, size_t bytes_old, size_t bytes_new)
{
    counting *c = user;
    if (bytes_new && __atomic_add_fetch(&c->calls, 1, __ATOMIC_RELAXED) == c->fail_at) return NULL;
    if (!p && bytes_new) __atomic_add_fetch(&c->live, 1, __ATOMIC_RELAXED);
    if (p && !bytes_new) __atomic_sub_fetch(&c->live, 1, __ATOMIC_RELAXED);
    return it_alloc_libc.grow(NULL, p, bytes_old, bytes_new);
}

static void every_allocation_fails_once(void **state)
{
    intact_train_options o = usual();
    intact_error err;
    (void)state;
    o.output = other;
    o.epochs = 1;
    o.average = 0.9;
    o.restat = 16;
    o.teacher = start;
    for (long at = 1, done = 0; !done; at += 1 + at / 12) {
        counting n = {.fail_at = 0};
        const intact_alloc a = {.grow = count_grow, .user = &n};
        intact_train_result r;
        intact_ctx *c = context(NULL, &a);
        n.fail_at = n.calls + at;
        const intact_status st = intact_train(c, start, &o, &r, &err);
        done = st == INTACT_OK && n.calls < n.fail_at;
        if (st != INTACT_OK && st != INTACT_E_NOMEM) fail_msg("allocation %ld: %s: %s", at, err.where, err.message);
        intact_train_result_release(c, &r);
        intact_ctx_free(c);
        assert_int_equal(n.live, 0);
    }
    char left[100];
    snprintf(left, sizeof left, "%s.ckpt", other);
    unlink(left);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_what_eval_finds), cmocka_unit_test(stops_on_request_and_goes_on), cmocka_unit_test(every_allocation_fails_once),
    };
    return cmocka_run_group_tests(tests, make_all, remove_all);
}
