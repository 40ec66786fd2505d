/* SPDX-License-Identifier: Apache-2.0 */
/* helpers.c: finding the cases that others made, running one set of inputs, comparing. */
#include "conformance/helpers.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

#define INPUTS_MAX 64

bool exists(const char *path) { return access(path, R_OK) == 0; }

bool find_folder(const char *env, const char *fallback, const char *below, char *out, size_t len)
{
    const char *direct = env ? getenv(env) : NULL, *data = getenv("INTACT_DATA"), *source = getenv("INTACT_SOURCE");
    if (direct) {
        snprintf(out, len, "%s/%s", direct, below);
        if (exists(out)) return true;
    }
    if (data) {
        snprintf(out, len, "%s/../%s/%s", data, fallback, below);
        if (exists(out)) return true;
    }
    snprintf(out, len, "%s/../shared/%s/%s", source ? source : ".", fallback, below);
    return exists(out);
}

static intact_status load(const char *path, it_arena *a, it_tensor *t, intact_error *err)
{
    it_map map;
    intact_status st = it_map_open(path, &map, err);
    if (st != INTACT_OK) return st;
    st = it_onnx_tensor(map.data, map.len, path, a, t, err);
    it_map_close(&map);
    return st;
}

static bool compare(const it_tensor *got, const it_tensor *want, tolerance tol, char *what, size_t len)
{
    char a[160], b[160];
    if (got->type != want->type || !it_tensor_same_shape(got, want)) {
        snprintf(what, len, "%s, expected %s", it_tensor_print(got, a, sizeof a), it_tensor_print(want, b, sizeof b));
        return false;
    }
    double max = 0;
    int64_t n = it_tensor_len(got), bad = 0, first = -1;
    for (int64_t i = 0; i < n; i++) {
        double v = fabs(it_tensor_get(want, i));
        if (isfinite(v) && v > max) max = v;
    }
    for (int64_t i = 0; i < n; i++) {
        bool ok;
        if (!it_type_is_float(got->type)) {
            ok = it_tensor_get_int(got, i) == it_tensor_get_int(want, i);
        } else {
            double x = it_tensor_get(got, i), y = it_tensor_get(want, i);
            ok = (isnan(x) && isnan(y)) || x == y || fabs(x - y) <= tol.abs + tol.rel * fabs(y) + tol.of_max * max;
        }
        if (!ok && !bad++) first = i;
    }
    if (bad)
        snprintf(what, len, "%lld of %lld elements differ; element %lld is %g, expected %g", (long long)bad, (long long)n, (long long)first,
                 it_tensor_get(got, first), it_tensor_get(want, first));
    return !bad;
}

static bool run_set(it_exec *e, const it_graph *g, const char *set, tolerance tol, it_arena *a, char *what, size_t len)
{
    it_tensor in[INPUTS_MAX], want;
    intact_error err = {0};
    char path[4300], why[400];
    if (g->inputs.len > INPUTS_MAX) {
        snprintf(what, len, "%zu inputs", g->inputs.len);
        return false;
    }
    for (size_t i = 0; i < g->inputs.len; i++) {
        snprintf(path, sizeof path, "%.4096s/input_%zu.pb", set, i);
        if (load(path, a, &in[i], &err) != INTACT_OK) goto failed;
    }
    if (it_exec_run(e, in, g->inputs.len, &err) != INTACT_OK) goto failed;
    for (size_t i = 0; i < g->outputs.len; i++) {
        snprintf(path, sizeof path, "%.4096s/output_%zu.pb", set, i);
        if (load(path, a, &want, &err) != INTACT_OK) goto failed;
        if (!compare(it_exec_output(e, i), &want, tol, why, sizeof why)) {
            snprintf(what, len, "output %zu: %s", i, why);
            return false;
        }
    }
    return true;
failed:
    snprintf(what, len, "%s: %s: %s", intact_status_name(err.code), err.where, err.message);
    return false;
}

bool run_case(const char *model, const char *folder, tolerance tol, char *what, size_t what_len)
{
    it_graph g;
    it_arena a;
    it_exec *e = NULL;
    intact_error err = {0};
    char set[4096];
    int sets = 0;
    bool ok = true;
    it_graph_init(&g, NULL);
    it_arena_init(&a, NULL);
    if (it_onnx_read(model, &g, &err) != INTACT_OK || it_exec_new(&g, NULL, &e, &err) != INTACT_OK) {
        snprintf(what, what_len, "%s: %s: %s", intact_status_name(err.code), err.where, err.message);
        ok = false;
    }
    for (; ok && snprintf(set, sizeof set, "%s/test_data_set_%d", folder, sets) > 0 && exists(set); sets++) {
        ok = run_set(e, &g, set, tol, &a, what, what_len);
        it_arena_release(&a);
    }
    if (ok && !sets) {
        snprintf(what, what_len, "no test_data_set_0");
        ok = false;
    }
    it_exec_free(e);
    it_arena_release(&a);
    it_graph_release(&g);
    return ok;
}
