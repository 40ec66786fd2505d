/* SPDX-License-Identifier: Apache-2.0 */
/* test_api.c: the public verbs on a small real network: results, refusals, cancelling, and every allocation failed in turn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/base.h"
#include "intact/intact.h"

#define FASHION "/usr/share/datasets/fashion-mnist/t10k-images-idx3-ubyte.gz"

static char model[1200], out_path[64];

/* ---- an allocator that fails once, at the n-th request ---- */

typedef struct failing { long left, live; int lock; } failing;

static void *grow_failing(void *user, void *p, size_t bytes_old, size_t bytes_new)
{
    failing *f = user;
    if (bytes_new == 0) {
        it_alloc_libc.grow(NULL, p, bytes_old, 0);
        __atomic_fetch_sub(&f->live, p != NULL, __ATOMIC_RELAXED);
        return NULL;
    }
    if (__atomic_fetch_sub(&f->left, 1, __ATOMIC_RELAXED) == 0)
        return NULL;
    void *q = it_alloc_libc.grow(NULL, p, bytes_old, bytes_new);
    __atomic_fetch_add(&f->live, q && !p, __ATOMIC_RELAXED);
    return q;
}

static intact_status whole_life(const intact_alloc *a, intact_error *err)
{
    intact_ctx_options co;
    intact_ctx_options_default(&co);
    co.alloc = a;
    co.threads = 1;
    intact_ctx *c;
    IT_TRY(intact_ctx_new(&co, &c, err));
    intact_quantize_options qo;
    intact_quantize_options_default(&qo);
    qo.output = out_path;
    qo.calib.path = FASHION;
    qo.samples = 3;
    intact_quantize_result q;
    intact_status st = intact_quantize(c, model, &qo, &q, err);
    if (st == INTACT_OK)
        intact_quantize_result_release(c, &q);
    intact_model *f = NULL, *i = NULL;
    if (st == INTACT_OK)
        st = intact_model_open(c, model, INTACT_CPU_AUTO, &f, err);
    if (st == INTACT_OK)
        st = intact_model_open(c, out_path, INTACT_CPU_AUTO, &i, err);
    intact_data_options d;
    intact_data_options_default(&d);
    d.path = FASHION;
    d.limit = 2;
    intact_compare_result r;
    if (st == INTACT_OK && (st = intact_compare(c, f, i, &d, 1, &r, err)) == INTACT_OK)
        intact_compare_result_release(c, &r);
    intact_eval_result e;
    if (st == INTACT_OK)
        st = intact_eval(c, i, &d, &e, err);
    intact_info info;
    if (st == INTACT_OK && (st = intact_model_info(c, f, &info, err)) == INTACT_OK)
        intact_info_release(c, &info);
    if (st == INTACT_OK && (st = intact_model_info(c, i, &info, err)) == INTACT_OK)
        intact_info_release(c, &info);
    intact_model_free(f);
    intact_model_free(i);
    intact_ctx_free(c);
    return st;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    intact_status st = INTACT_E_NOMEM;
    long tried = 0;
    for (long n = 0; st != INTACT_OK; n += 1 + n / 24) { /* all of the first ones, then a sample */
        failing f = {.left = n};
        intact_error err = {.code = INTACT_OK};
        st = whole_life(&(intact_alloc){grow_failing, &f}, &err);
        if (f.live != 0)
            fail_msg("failing allocation %ld leaks %ld blocks", n, f.live);
        if (st != INTACT_OK && st != INTACT_E_NOMEM)
            fail_msg("failing allocation %ld gives %s: %s: %s", n, intact_status_name(st), err.where, err.message);
        tried++;
        assert_true(n < 1000000);
    }
    assert_true(tried > 50);
}

/* ---- results ---- */

static void info_tells_the_network(void **state)
{
    intact_ctx *c = *state;
    intact_model *m;
    intact_info i;
    intact_error err;
    assert_int_equal(intact_model_open(c, model, INTACT_CPU_AUTO, &m, &err), INTACT_OK);
    assert_int_equal(intact_model_get_kind(m), INTACT_MODEL_FLOAT);
    assert_null(intact_model_program(m));
    assert_int_equal(intact_model_info(c, m, &i, &err), INTACT_OK);
    assert_int_equal(i.opset, 13);
    assert_int_equal(i.inputs[0].rank, 4);
    assert_int_equal(i.inputs[0].dims[0], -1);
    assert_int_equal(i.inputs[0].dims[2], 28);
    /* by hand: 28*28*16*9 + 2*28*28*16*16*9 + 14*14*32*(16*9 + 32*9 + 16) + 7*7*64*(32*9 + 64*9 + 32) + 640 */
    assert_int_equal(i.macs, 112896 + 2 * 1806336 + 2809856 + 2809856 + 640);
    intact_info_release(c, &i);
    intact_model_free(m);
}

static int stop_at_once(void *user, const char *what, uint64_t done, uint64_t total)
{
    (void)user, (void)what, (void)total;
    return done > 0;
}

static void progress_can_cancel(void **state)
{
    (void)state;
    intact_ctx_options co;
    intact_ctx_options_default(&co);
    co.progress = stop_at_once;
    intact_ctx *c;
    intact_error err;
    assert_int_equal(intact_ctx_new(&co, &c, &err), INTACT_OK);
    intact_quantize_options qo;
    intact_quantize_options_default(&qo);
    unlink(out_path);
    qo.output = out_path;
    qo.calib.path = FASHION;
    intact_quantize_result q;
    assert_int_equal(intact_quantize(c, model, &qo, &q, &err), INTACT_E_CANCELLED);
    assert_int_not_equal(access(out_path, F_OK), 0);
    intact_ctx_free(c);
}

static void refuse(intact_ctx *c, const char *path, const intact_quantize_options *qo, intact_status want, const char *text)
{
    intact_quantize_result q;
    intact_error err;
    assert_int_equal(intact_quantize(c, path, qo, &q, &err), want);
    if (!strstr(err.message, text) && !strstr(err.where, text))
        fail_msg("no '%s' in '%s: %s'", text, err.where, err.message);
}

static void bad_options_are_refused(void **state)
{
    intact_ctx *c = *state;
    intact_quantize_options qo;
    intact_quantize_options_default(&qo);
    refuse(c, model, &qo, INTACT_E_ARG, "output");
    qo.output = out_path;
    refuse(c, NULL, &qo, INTACT_E_ARG, "model");
    refuse(c, model, &qo, INTACT_E_ARG, "data");
    qo.calib.path = FASHION;
    refuse(c, "/nowhere/at.onnx", &qo, INTACT_E_IO, "/nowhere/at.onnx");
    qo.weight_bits = 1;
    refuse(c, model, &qo, INTACT_E_ARG, "2 to 8");
    qo.weight_bits = 4;
    qo.keep8 = "/layer1/conv1/Comv";
    refuse(c, model, &qo, INTACT_E_ARG, "/layer1/conv1/Conv");
    qo.keep8 = NULL;
    qo.method = "percentile:200";
    refuse(c, model, &qo, INTACT_E_ARG, "200");
    qo.method = NULL;
    qo.calib.preprocess = "crop=12";
    refuse(c, model, &qo, INTACT_E_SHAPE, "28x28");
}

static void lists_are_not_empty(void **state)
{
    (void)state;
    intact_op_count ops[512];
    uint32_t n = intact_list_operators(ops, 512), integer = 0;
    for (uint32_t i = 0; i < n; i++)
        integer += ops[i].has_integer != 0;
    assert_true(n > 100 && integer > 30);
    assert_string_equal(intact_list_methods()[0], "max");
    assert_string_equal(intact_nearest("entrpy", intact_list_methods(), 4), "entropy");
}

static int set_up(void **state)
{
    intact_error err;
    return intact_ctx_new(NULL, (intact_ctx **)state, &err);
}
static int tear_down(void **state)
{
    intact_ctx_free(*state);
    unlink(out_path);
    return 0;
}

int main(void)
{
    const char *source = getenv("INTACT_SOURCE");
    snprintf(model, sizeof model, "%s/models/fashion_resnet8.onnx", source ? source : ".");
    snprintf(out_path, sizeof out_path, "/tmp/intact-api-%d.itm", (int)getpid());
    if (access(FASHION, R_OK) != 0) {
        puts("skipped: Debian's package dataset-fashion-mnist is not installed");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(info_tells_the_network), cmocka_unit_test(progress_can_cancel), cmocka_unit_test(bad_options_are_refused),
        cmocka_unit_test(lists_are_not_empty),    cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
