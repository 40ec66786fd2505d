/* SPDX-License-Identifier: Apache-2.0 */
/* arena.c: blocks of at least 16 KiB, filled from the front; big requests get a block of their own.
**
**   head -> [ header | item item item ...... free ] -> [ header | item ... ] -> NULL
**
** Long blocks begin to be filled at a multiple of 2 MiB, from where the system is asked for huge pages: fewer faults while they are
** written, and fewer misses of address translation while weights are read from them. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/base.h"

#define BLOCK_BYTES ((size_t)16 * 1024)
#define HUGE_BYTES ((size_t)2 << 20)
enum {
    PAGE_BYTES = 4096,  /* the smallest pages that there are: advice is for whole ones */
    ALIGNED_FROM = 4096 /* items of so many bytes are aligned for SIMD */
};

struct it_arena_block {
    it_arena_block *next;
    size_t bytes; /* of the whole block */
    size_t used;
};

#define HEADER it_round_up(sizeof(it_arena_block), IT_ALIGN)

void it_arena_init(it_arena *a, const intact_alloc *alloc)
{
    a->alloc = it_alloc_or_libc(alloc);
    a->head = NULL;
}

void it_arena_release(it_arena *a)
{
    for (it_arena_block *b = a->head, *next; b; b = next) {
        next = b->next;
        it_alloc_free(a->alloc, b, b->bytes);
    }
    a->head = NULL;
}

/* A block with room for payload bytes that are aligned to 64. */
static it_arena_block *block_new(it_arena *a, size_t payload)
{
    size_t slack = HEADER + (payload >= HUGE_BYTES ? HUGE_BYTES : 0), bytes;
    if (!it_add_size(payload, slack, &bytes))
        return NULL;
    it_arena_block *b = it_alloc_new(a->alloc, bytes);
    if (!b)
        return NULL;
    *b = (it_arena_block){.bytes = bytes, .used = HEADER};
    if (payload >= HUGE_BYTES) {
        b->used = (size_t)(it_round_up((uintptr_t)b + HEADER, HUGE_BYTES) - (uintptr_t)b);
#ifdef MADV_HUGEPAGE
        (void)madvise((uint8_t *)b + b->used, (bytes - b->used) / PAGE_BYTES * PAGE_BYTES, MADV_HUGEPAGE); /* advice: no harm where it is refused */
#endif
    }
    return b;
}

static void *take(it_arena_block *b, size_t bytes, size_t align)
{
    size_t at = it_round_up(b->used, align);
    b->used = at + bytes;
    return (uint8_t *)b + at;
}

static bool fits(const it_arena_block *b, size_t bytes, size_t align)
{
    size_t at = it_round_up(b->used, align);
    return at <= b->bytes && bytes <= b->bytes - at;
}

/* bytes: below SIZE_MAX / 2. */
static void *arena_take(it_arena *a, size_t bytes, size_t align)
{
    it_arena_block *b = a->head;
    if (!b || !fits(b, bytes, align)) {
        bool own = bytes > BLOCK_BYTES / 4;
        b = block_new(a, own ? it_round_up(bytes, IT_ALIGN) : BLOCK_BYTES);
        if (!b)
            return NULL;
        if (own && a->head) { /* keep filling the present block */
            b->next = a->head->next;
            a->head->next = b;
        } else {
            b->next = a->head;
            a->head = b;
        }
    }
    return take(b, bytes, align);
}

void *it_arena_new(it_arena *a, size_t bytes)
{
    if (bytes > SIZE_MAX / 2)
        return NULL;
    bytes = it_round_up(bytes ? bytes : 1, 16);
    void *p = arena_take(a, bytes, bytes >= ALIGNED_FROM ? IT_ALIGN : 16);
    return p ? memset(p, 0, bytes) : NULL;
}

void *it_arena_raw(it_arena *a, size_t bytes)
{
    return bytes > SIZE_MAX / 2 ? NULL : arena_take(a, it_round_up(bytes ? bytes : 1, 16), IT_ALIGN);
}

bool it_arena_reserve(it_arena *a, size_t bytes)
{
    if (bytes > SIZE_MAX / 2)
        return false;
    it_arena_block *b = block_new(a, it_round_up(bytes, IT_ALIGN));
    if (!b)
        return false;
    b->next = a->head;
    a->head = b;
    return true;
}

void *it_arena_copy(it_arena *a, const void *src, size_t bytes)
{
    void *p = it_arena_new(a, bytes);
    if (p && bytes)
        memcpy(p, src, bytes);
    return p;
}

char *it_arena_text(it_arena *a, const char *s) { return it_arena_copy(a, s, strlen(s) + 1); }

char *it_arena_printf(it_arena *a, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *p = n < 0 ? NULL : it_arena_new(a, (size_t)n + 1);
    if (p) {
        va_start(ap, fmt);
        vsnprintf(p, (size_t)n + 1, fmt, ap);
        va_end(ap);
    }
    return p;
}
