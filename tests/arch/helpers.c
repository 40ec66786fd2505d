/* SPDX-License-Identifier: Apache-2.0 */
/* helpers.c: see helpers.h. */
#include "arch/helpers.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "exec/exec.h"
#include "format/format.h"

void test_make(const char *arch, const it_arch_options *o, it_graph *g)
{
    intact_error err = {0};
    const it_arch *a = it_arch_find(arch);
    assert_non_null(a);
    it_graph_init(g, NULL);
    if (it_arch_make(a, o, g, &err) != INTACT_OK) fail_msg("%s: %s: %s", arch, err.where, err.message);
}

void test_read(const char *path, it_graph *g)
{
    intact_error err = {0};
    it_graph_init(g, NULL);
    if (it_onnx_read(path, g, &err) != INTACT_OK || it_graph_infer(g, 1, NULL, &err) != INTACT_OK)
        fail_msg("%s: %s: %s", path, err.where, err.message);
}

static bool is(const it_node *n, const char *onnx) { return strcmp(n->op->onnx, onnx) == 0; }

uint64_t test_parameters(const it_graph *g)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < g->nodes.len; i++) {
        const it_node *n = g->nodes.items[i];
        int end = is(n, "BatchNormalization") ? 3 : is(n, "Conv") || is(n, "Gemm") || n->op->unrolled ? n->in_len : 0;
        for (int k = 1; k < end; k++) sum += (uint64_t)it_tensor_len(&n->in[k]->t);
    }
    return sum;
}

uint64_t test_macs(const it_graph *g)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < g->nodes.len; i++) {
        const it_node *n = g->nodes.items[i];
        if (is(n, "Conv") || is(n, "Gemm")) /* the weight is (out, ...) for both */
            sum += (uint64_t)it_tensor_len(&n->out[0]->t) * (uint64_t)(it_tensor_len(&n->in[1]->t) / n->in[1]->t.dim[0]);
        if (n->op->unrolled) /* both weights once a step */
            sum += (uint64_t)n->in[0]->t.dim[0] * (uint64_t)(it_tensor_len(&n->in[1]->t) + it_tensor_len(&n->in[2]->t));
    }
    return sum;
}

float *test_run(const it_graph *g, int64_t batch, size_t *len)
{
    intact_error err = {0};
    it_exec *e;
    it_rng r;
    it_tensor x = g->inputs.items[0]->t;
    x.dim[0] = batch;
    x.data = malloc(it_tensor_bytes(&x));
    assert_non_null(x.data);
    it_rng_seed(&r, 77);
    it_arch_gauss(&r, x.data, (size_t)it_tensor_len(&x), 1);
    if (it_exec_new(g, NULL, &e, &err) != INTACT_OK || it_exec_run(e, &x, 1, &err) != INTACT_OK) fail_msg("%s: %s", err.where, err.message);
    const it_tensor *y = it_exec_output(e, 0);
    float *out = malloc(it_tensor_bytes(y));
    assert_non_null(out);
    memcpy(out, y->data, it_tensor_bytes(y));
    *len = (size_t)it_tensor_len(y);
    it_exec_free(e);
    free(x.data);
    return out;
}

void test_folder(char path[64])
{
    snprintf(path, 64, "/tmp/intact-test-XXXXXX");
    assert_non_null(mkdtemp(path));
}

void test_remove(const char *path) { assert_int_equal(rmdir(path), 0); }

static void *counting_grow(void *user, void *ptr, size_t bytes_old, size_t bytes_new)
{
    counting *c = user;
    if (bytes_new && c->calls++ == c->fail_at) return NULL;
    c->live += (!ptr && bytes_new) - (ptr && !bytes_new);
    return it_alloc_libc.grow(it_alloc_libc.user, ptr, bytes_old, bytes_new);
}

intact_alloc counting_alloc(counting *c) { return (intact_alloc){.grow = counting_grow, .user = c}; }
