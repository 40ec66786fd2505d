/* SPDX-License-Identifier: Apache-2.0 */
/* buffers.c: blocks of memory that nodes take and give back. */
#include "exec/buffers.h"

static int lease(it_buffers *b, int i)
{
    b->blocks.items[i].refs = 1;
    return i;
}

/* The smallest free block that is large enough, or the largest free one. */
static int best(const it_buffers *b, size_t bytes)
{
    int best = IT_NO_BLOCK;
    for (int i = 0; i < (int)b->blocks.len; i++) {
        const it_block *k = &b->blocks.items[i], *old = best < 0 ? NULL : &b->blocks.items[best];
        if (k->refs) continue;
        if (!old || (old->bytes >= bytes ? k->bytes >= bytes && k->bytes < old->bytes : k->bytes > old->bytes)) best = i;
    }
    return best;
}

int it_buffers_take(it_buffers *b, size_t bytes, int prefer)
{
    if (prefer >= 0 && prefer < (int)b->blocks.len && !b->blocks.items[prefer].refs && b->blocks.items[prefer].bytes >= bytes)
        return lease(b, prefer);
    int i = best(b, bytes);
    if (i >= 0 && b->blocks.items[i].bytes >= bytes) return lease(b, i);
    if (i < 0) {
        if (!IT_VEC_ROOM(b->alloc, b->blocks)) return IT_NO_BLOCK;
        i = (int)b->blocks.len;
        b->blocks.items[b->blocks.len++] = (it_block){0};
    }
    /* A free block that is too small makes way for a larger one: there are only as many blocks as live at once. */
    it_block *k = &b->blocks.items[i];
    it_alloc_free(b->alloc, k->data, k->bytes);
    b->bytes -= k->bytes;
    *k = (it_block){.data = it_alloc_new(b->alloc, bytes), .bytes = bytes};
    if (!k->data) {
        k->bytes = 0;
        return IT_NO_BLOCK;
    }
    b->bytes += bytes;
    if (b->bytes > b->peak) b->peak = b->bytes;
    return lease(b, i);
}

void it_buffers_drop(it_buffers *b, int block)
{
    if (block >= 0) b->blocks.items[block].refs--;
}

void it_buffers_release(it_buffers *b)
{
    for (size_t i = 0; i < b->blocks.len; i++) it_alloc_free(b->alloc, b->blocks.items[i].data, b->blocks.items[i].bytes);
    IT_VEC_FREE(b->alloc, b->blocks);
    *b = (it_buffers){.alloc = b->alloc};
}
