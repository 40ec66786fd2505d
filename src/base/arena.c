/* SPDX-License-Identifier: Apache-2.0 */
/* arena.c: blocks of at least 16 KiB, filled from the front; big requests get a block of their own.
**
**   head -> [ header | item item item ...... free ] -> [ header | item ... ] -> NULL */
#include <stdio.h>
#include <string.h>

#include "base/base.h"

#define BLOCK_BYTES ((size_t)16 * 1024)

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

static it_arena_block *block_new(it_arena *a, size_t payload)
{
    size_t bytes;
    if (!it_add_size(payload, HEADER, &bytes))
        return NULL;
    it_arena_block *b = it_alloc_new(a->alloc, bytes);
    if (b)
        *b = (it_arena_block){.bytes = bytes, .used = HEADER};
    return b;
}

void *it_arena_new(it_arena *a, size_t bytes)
{
    size_t align = bytes >= 4096 ? IT_ALIGN : 16;
    if (bytes > SIZE_MAX / 2)
        return NULL;
    bytes = it_round_up(bytes ? bytes : 1, 16);
    it_arena_block *b = a->head;
    if (!b || it_round_up(b->used, align) + bytes > b->bytes) {
        bool own = bytes > BLOCK_BYTES / 4;
        b = block_new(a, own ? bytes : BLOCK_BYTES);
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
    size_t at = it_round_up(b->used, align);
    b->used = at + bytes;
    return memset((uint8_t *)b + at, 0, bytes);
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
