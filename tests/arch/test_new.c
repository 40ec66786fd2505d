/* SPDX-License-Identifier: Apache-2.0 */
/* test_new.c: intact_new: statistics that fit the activations, the same file for the same seed, failures that leave nothing. */
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

#include "arch/helpers.h"
#include "base/file.h"
#include "exec/exec.h"
#include "intact/intact.h"

static char folder[64], path[100], other[100];

static int make_folder(void **state)
{
    (void)state;
    test_folder(folder);
    snprintf(path, sizeof path, "%s/net.onnx", folder);
    snprintf(other, sizeof other, "%s/other.onnx", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    unlink(other);
    test_remove(folder);
    return 0;
}

static intact_new_result make(const char *arch, const char *to, uint64_t seed, const int64_t input[3])
{
    intact_error err = {0};
    intact_ctx *c;
    intact_new_options o;
    intact_new_result r;
    intact_new_options_default(&o);
    o.architecture = arch;
    o.output = to;
    o.seed = seed;
    if (input) memcpy(o.input, input, sizeof o.input);
    assert_int_equal(intact_ctx_new(NULL, &c, &err), INTACT_OK);
    if (intact_new(c, &o, &r, &err) != INTACT_OK) fail_msg("%s: %s: %s", arch, err.where, err.message);
    intact_ctx_free(c);
    return r;
}

/* ---- what comes out of a BatchNormalization has mean 0 and variance 1, nearly, whatever the depth ---- */

typedef struct spread { double worst_mean, worst_var; int seen; } spread;

static intact_status measure(void *user, const it_value *v, const it_tensor *t, intact_error *err)
{
    spread *s = user;
    (void)err;
    if (!v->producer || v->producer->op != &it_op_batch_normalization) return INTACT_OK;
    double sum = 0, square = 0, len = (double)it_tensor_len(t);
    for (int64_t i = 0; i < it_tensor_len(t); i++) {
        double x = (double)((const float *)t->data)[i];
        sum += x;
        square += x * x;
    }
    s->seen++;
    s->worst_mean = fmax(s->worst_mean, fabs(sum / len));
    s->worst_var = fmax(s->worst_var, fabs(log(square / len)));
    return INTACT_OK;
}

static void statistics(void **state)
{
    (void)state;
    static const struct { const char *name; int64_t input[3]; } nets[] = {
        {"resnet20", {3, 32, 32}}, {"mobilenet_v2", {3, 64, 64}}, {"efficientnet_b0", {3, 64, 64}}, {"dscnn", {1, 49, 10}}};
    for (size_t i = 0; i < IT_LEN(nets); i++) {
        intact_error err = {0};
        it_graph g;
        it_exec *e;
        it_rng r;
        spread s = {0};
        make(nets[i].name, path, 3, nets[i].input);
        test_read(path, &g);
        it_tensor x = g.inputs.items[0]->t;
        x.dim[0] = 8;
        x.data = malloc(it_tensor_bytes(&x));
        assert_non_null(x.data);
        it_rng_seed(&r, 12);
        it_arch_gauss(&r, x.data, (size_t)it_tensor_len(&x), 1);
        assert_int_equal(it_exec_new(&g, &(it_exec_options){.hook = measure, .hook_user = &s}, &e, &err), INTACT_OK);
        assert_int_equal(it_exec_run(e, &x, 1, &err), INTACT_OK);
        print_message("%s: mean within %.3f, variance within a factor of %.2f over %d layers\n", nets[i].name, s.worst_mean, exp(s.worst_var),
                      s.seen);
        assert_true(s.seen >= 9 && s.worst_mean < 1 && s.worst_var < log(5));
        it_exec_free(e);
        free(x.data);
        it_graph_release(&g);
    }
}

static void same_seed_same_file(void **state)
{
    (void)state;
    it_map a, b;
    intact_error err;
    intact_new_result r = make("resnet8", path, 9, NULL);
    assert_int_equal(r.parameters, 75290);
    assert_int_equal(r.classes, 10);
    assert_int_equal(r.input[2], 32);
    make("resnet8", other, 9, NULL);
    assert_int_equal(it_map_open(path, &a, &err), INTACT_OK);
    assert_int_equal(it_map_open(other, &b, &err), INTACT_OK);
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.data, b.data, a.len);
    it_map_close(&b);
    make("resnet8", other, 10, NULL);
    assert_int_equal(it_map_open(other, &b, &err), INTACT_OK);
    assert_int_equal(a.len, b.len);
    assert_memory_not_equal(a.data, b.data, a.len);
    it_map_close(&a);
    it_map_close(&b);
}

static int stop_at_third(void *user, const char *what, uint64_t done, uint64_t total)
{
    (void)user;
    (void)what;
    return done == 3 && total == 9;
}

static void refused(void **state)
{
    (void)state;
    intact_error err = {0};
    intact_ctx *c;
    intact_new_result r;
    unlink(path);
    assert_int_equal(intact_ctx_new(&(intact_ctx_options){.progress = stop_at_third}, &c, &err), INTACT_OK);
    assert_int_equal(intact_new(c, &(intact_new_options){.output = path}, &r, &err), INTACT_E_ARG);
    assert_int_equal(intact_new(c, &(intact_new_options){.architecture = "lenet5"}, &r, &err), INTACT_E_ARG);
    assert_int_equal(intact_new(c, &(intact_new_options){.architecture = "resnet19", .output = path}, &r, &err), INTACT_E_ARG);
    assert_non_null(strstr(err.message, "did you mean resnet"));
    assert_int_equal(intact_new(c, &(intact_new_options){.architecture = "dscnn", .output = path}, &r, &err), INTACT_E_CANCELLED);
    assert_int_not_equal(access(path, F_OK), 0);
    intact_ctx_free(c);
}

static void list(void **state)
{
    (void)state;
    intact_architecture rows[64];
    uint32_t len = intact_list_architectures(NULL, 0);
    assert_true(len >= 19 && len <= IT_LEN(rows));
    assert_int_equal(intact_list_architectures(rows, 1), len);
    assert_int_equal(intact_list_architectures(rows, (uint32_t)IT_LEN(rows)), len);
    for (uint32_t i = 0; i < len; i++) {
        assert_non_null(it_arch_find(rows[i].name));
        assert_true(rows[i].summary[0] && rows[i].input[0] >= 1 && rows[i].classes >= 1);
        for (uint32_t k = 0; k < i; k++) assert_string_not_equal(rows[i].name, rows[k].name);
    }
}

/* Every allocation fails once: the error says so, nothing is left behind, no file appears. */
static void allocation_failures(void **state)
{
    (void)state;
    unlink(path);
    for (long k = 0;; k++) {
        counting n = {.fail_at = -1};
        intact_alloc alloc = counting_alloc(&n);
        intact_error err = {0};
        intact_ctx *c;
        intact_new_result r;
        assert_int_equal(intact_ctx_new(&(intact_ctx_options){.alloc = &alloc, .threads = 1}, &c, &err), INTACT_OK);
        long live = n.live;
        n.calls = 0;
        n.fail_at = k;
        intact_status st = intact_new(c, &(intact_new_options){.architecture = "dscnn", .output = path}, &r, &err);
        if (n.live != live) fail_msg("%ld blocks left after failing allocation %ld", n.live - live, k);
        intact_ctx_free(c);
        if (st == INTACT_OK) break;
        if (st != INTACT_E_NOMEM || !err.message[0]) fail_msg("allocation %ld: status %d: %s", k, (int)st, err.message);
        assert_int_not_equal(access(path, F_OK), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statistics), cmocka_unit_test(same_seed_same_file), cmocka_unit_test(refused), cmocka_unit_test(list),
        cmocka_unit_test(allocation_failures),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
