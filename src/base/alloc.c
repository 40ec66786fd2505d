/* SPDX-License-Identifier: Apache-2.0 */
/* alloc.c: the caller's allocator or the C library's, always aligned to 64 bytes. */
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

static void *libc_grow(void *user, void *ptr, size_t bytes_old, size_t bytes_new)
{
    (void)user;
    if (bytes_new == 0) {
        free(ptr);
        return NULL;
    }
    if (bytes_new > SIZE_MAX - IT_ALIGN)
        return NULL;
    void *p = aligned_alloc(IT_ALIGN, it_round_up(bytes_new, IT_ALIGN));
    if (p && ptr) {
        memcpy(p, ptr, bytes_old < bytes_new ? bytes_old : bytes_new);
        free(ptr);
    }
    return p;
}

const intact_alloc it_alloc_libc = {libc_grow, NULL};

/* The allocator contract reads 0 bytes as free: ask for one instead. */
static size_t at_least_one(size_t bytes) { return bytes ? bytes : 1; }

void *it_alloc_new(const intact_alloc *a, size_t bytes)
{
    a = it_alloc_or_libc(a);
    return a->grow(a->user, NULL, 0, at_least_one(bytes));
}

void *it_alloc_zero(const intact_alloc *a, size_t bytes)
{
    void *p = it_alloc_new(a, bytes);
    if (p)
        memset(p, 0, at_least_one(bytes));
    return p;
}

void *it_alloc_grow(const intact_alloc *a, void *p, size_t bytes_old, size_t bytes_new)
{
    a = it_alloc_or_libc(a);
    return a->grow(a->user, p, p ? at_least_one(bytes_old) : 0, at_least_one(bytes_new));
}

void it_alloc_free(const intact_alloc *a, void *p, size_t bytes)
{
    a = it_alloc_or_libc(a);
    if (p)
        a->grow(a->user, p, at_least_one(bytes), 0);
}

bool it_vec_room(const intact_alloc *a, void **items, size_t len, size_t *cap, size_t size)
{
    if (len < *cap)
        return true;
    size_t want = *cap ? *cap : 8, bytes;
    if (!it_mul_size(want, 2, &want) || !it_mul_size(want, size, &bytes))
        return false;
    void *p = it_alloc_grow(a, *items, *cap * size, bytes);
    if (!p)
        return false;
    *items = p;
    *cap = want;
    return true;
}
