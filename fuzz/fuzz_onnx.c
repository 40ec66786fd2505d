/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_onnx.c: any bytes as an ONNX model: read, then infer shapes. Memory is bounded, so running out of it is tried too. */
#include "format/format.h"

#define BYTES_MAX ((size_t)256 << 20)

static void *bounded_grow(void *user, void *p, size_t bytes_old, size_t bytes_new)
{
    size_t *left = user;
    if (bytes_new > bytes_old && bytes_new - bytes_old > *left) return NULL;
    void *q = it_alloc_libc.grow(NULL, p, bytes_old, bytes_new);
    if (q || !bytes_new) *left += bytes_old - bytes_new;
    return q;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    size_t left = BYTES_MAX;
    intact_alloc alloc = {.grow = bounded_grow, .user = &left};
    intact_error err;
    it_graph g;
    it_graph_init(&g, &alloc);
    if (it_onnx_read_memory(data, len, "fuzz.onnx", NULL, &g, &err) == INTACT_OK && it_graph_infer(&g, 1, NULL, &err) == INTACT_OK &&
        it_graph_verify(&g, &err) != INTACT_OK)
        __builtin_trap(); /* inference must leave a sound graph */
    it_graph_release(&g);
    if (left != BYTES_MAX) __builtin_trap(); /* a leak, or a free of another size */
    return 0;
}
