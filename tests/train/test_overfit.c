/* SPDX-License-Identifier: Apache-2.0 */
/* test_overfit.c: 64 images of Fashion-MNIST learned by heart, with each optimizer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "data/feed.h"
#include "train/helpers.h"

static const char IMAGES[] = "/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz";

static void load(rig *r)
{
    static const int64_t DIMS[] = { 1, 1, 28, 28 };
    intact_error err = { .code = INTACT_OK };
    it_dataset *d;
    it_preprocess pre;
    it_feed f;
    must(it_dataset_open(NULL, IMAGES, NULL, 1, &d, &err), &err);
    must(it_preprocess_parse("scale=1/255,mean=0.286,std=0.353", &pre, &err), &err);
    must(it_feed_open(&f, NULL, d, &pre, NULL, 64, 0, 4, DIMS, &err), &err);
    for (size_t i = 0; i < 64; i += IT_FEED_BATCH) {
        uint8_t pixels[IT_FEED_BATCH * 28 * 28];
        it_batch b;
        must(it_feed_batch(&f, i, pixels, r->x + i * 28 * 28, &b, &err), &err);
        for (uint32_t k = 0; k < b.len; k++) r->label[i + k] = b.label[k];
    }
    it_feed_close(&f);
    it_dataset_close(d);
}

static void learns(const char *optimizer, double rate, int steps)
{
    rig r;
    intact_error err = { .code = INTACT_OK };
    it_train_result got;
    const it_train_options o = { .optimizer = { .optimizer = it_optimizer_find(optimizer), .momentum = 0.9, .nesterov = true }, .decay = 1e-4, .clip = 5 };
    rig_open(&r, &(rig_spec){ .arch = "resnet8", .input = { 1, 28, 28 }, .classes = 10, .batch = 64, .threads = 2, .seed = 1, .o = &o });
    load(&r);
    for (int i = 0; i < steps; i++) got = rig_step(&r, rate);
    if (got.right != 64) fail_msg("%s: %zu of 64 after %d steps, loss %.4f", optimizer, got.right, steps, got.loss);
    it_train_restat_begin(r.t);
    must(it_train_restat_add(r.t, &r.b, &err), &err);
    it_train_restat_end(r.t);
    must(it_train_eval(r.t, &r.b, &got, &err), &err);
    assert_int_equal(got.right, 64);
    rig_close(&r);
}

static void by_sgd(void **state)
{
    (void)state;
    learns("sgd", 0.1, 40);
}

static void by_adam(void **state)
{
    (void)state;
    learns("adam", 0.005, 40);
}

static void by_adamw(void **state)
{
    (void)state;
    learns("adamw", 0.005, 40);
}

int main(void)
{
    if (access(IMAGES, R_OK) != 0) {
        printf("skipped: %s is not there (Debian's package dataset-fashion-mnist)\n", IMAGES);
        return 77;
    }
    const struct CMUnitTest tests[] = { cmocka_unit_test(by_sgd), cmocka_unit_test(by_adam), cmocka_unit_test(by_adamw) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
