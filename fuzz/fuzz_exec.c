/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_exec.c: any bytes as an ONNX model, and what can be read is run: operators must stand whatever numbers reach them. */
#include <string.h>

#include "exec/exec.h"
#include "format/format.h"

#define BYTES_MAX ((size_t)128 << 20)
#define LEN_MAX 20000 /* elements of a value: larger networks only take time */

static void *bounded_grow(void *user, void *p, size_t bytes_old, size_t bytes_new)
{
    size_t *left = user;
    if (bytes_new > bytes_old && bytes_new - bytes_old > *left) return NULL;
    void *q = it_alloc_libc.grow(NULL, p, bytes_old, bytes_new);
    if (q || !bytes_new) *left += bytes_old - bytes_new;
    return q;
}

static intact_status small_only(void *user, const it_value *v, const it_tensor *t, intact_error *err)
{
    (void)user;
    return it_tensor_len(t) > LEN_MAX ? it_fail(err, INTACT_E_CANCELLED, v->name, "too large to be worth the time") : INTACT_OK;
}

/* Numbers of every kind, a function of the model's bytes: small, huge, negative, not finite. */
static void fill(const it_tensor *t, const uint8_t *data, size_t len)
{
    static const double EDGES[8] = {0, -1, 1e30, -1e30, 0.5, 3, -2, 1};
    for (int64_t i = 0; i < it_tensor_len(t); i++) {
        uint8_t b = data[(size_t)i * 7 % len];
        it_tensor_set(t, i, b < 8 ? EDGES[b] : b == 255 ? (double)__builtin_nanf("") : ((double)b - 100) / 16);
    }
}

static void run(it_graph *g, const uint8_t *data, size_t len)
{
    it_exec *e;
    intact_error err;
    it_tensor in[8];
    it_exec_options opt = {.hook = small_only};
    size_t inputs = g->inputs.len;
    for (size_t i = 0; i < g->values.len; i++)
        if (g->values.items[i]->t.rank >= 0 && it_tensor_len(&g->values.items[i]->t) > LEN_MAX) return;
    if (inputs > 8 || it_exec_new(g, &opt, &e, &err) != INTACT_OK) return;
    for (size_t i = 0; i < inputs; i++) {
        in[i] = g->inputs.items[i]->t;
        in[i].data = it_arena_new(&g->arena, it_tensor_bytes(&in[i]) + 1);
        if (in[i].data) fill(&in[i], data, len);
    }
    for (int k = 0; k < 2; k++)
        if (it_exec_run(e, in, inputs, &err) == INTACT_OK)
            for (size_t i = 0; i < g->outputs.len; i++)
                if (!it_exec_output(e, i)->data) __builtin_trap();
    it_exec_free(e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    size_t left = BYTES_MAX;
    intact_alloc alloc = {.grow = bounded_grow, .user = &left};
    intact_error err;
    it_graph g;
    it_graph_init(&g, &alloc);
    if (it_onnx_read_memory(data, len, "fuzz.onnx", NULL, &g, &err) == INTACT_OK && it_graph_infer(&g, 1, NULL, &err) == INTACT_OK)
        run(&g, data, len);
    it_graph_release(&g);
    if (left != BYTES_MAX) __builtin_trap(); /* a leak, or a free of another size */
    return 0;
}
