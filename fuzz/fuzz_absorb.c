/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_absorb.c: any bytes as a network that came quantized: read, absorbed, lowered, and the program checked as a loader does. */
#include "format/format.h"
#include "lower/build.h"
#include "pass/absorb.h"

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

static bool is_small(const it_graph *g)
{
    for (size_t i = 0; i < g->values.len; i++)
        if (g->values.items[i]->t.rank >= 0 && it_tensor_len(&g->values.items[i]->t) > LEN_MAX) return false;
    return true;
}

static void lower(const it_graph *g, const intact_alloc *alloc)
{
    it_lower lw;
    it_prog prog;
    intact_error err;
    it_prog_init(&prog, alloc);
    prog.meta = "{}";
    if (it_lower_build(&lw, g, NULL, &prog, alloc, &err) == INTACT_OK) (void)!it_prog_check(&prog, &err);
    it_lower_release(&lw);
    it_prog_release(&prog);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    size_t left = BYTES_MAX;
    intact_alloc alloc = {.grow = bounded_grow, .user = &left};
    intact_error err;
    it_graph g;
    it_graph_init(&g, &alloc);
    it_absorb a = {.g = &g, .alloc = &alloc, .calibrates = len % 2};
    if (it_onnx_read_memory(data, len, "fuzz.onnx", NULL, &g, &err) == INTACT_OK && it_graph_infer(&g, 1, NULL, &err) == INTACT_OK && is_small(&g) &&
        it_pass_all_run(&g, &err) == INTACT_OK && it_absorb_run(&a, &err) == INTACT_OK && !a.missing_len)
        lower(&g, &alloc);
    it_absorb_release(&a);
    it_graph_release(&g);
    if (left != BYTES_MAX) __builtin_trap(); /* a leak, or a free of another size */
    return 0;
}
