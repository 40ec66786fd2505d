/* SPDX-License-Identifier: Apache-2.0 */
/* buffers.h: the executor's memory: blocks that are given out, counted, and used again; and the change of layout. */
#ifndef IT_BUFFERS_H
#define IT_BUFFERS_H

#include "ir/ir.h"

typedef struct it_block {
    void *data;
    size_t bytes;
    int refs; /* 0: free */
} it_block;

#define IT_NO_BLOCK (-1)

typedef struct it_buffers {
    const intact_alloc *alloc;
    struct { it_block *items; size_t len, cap; } blocks;
    size_t bytes, peak; /* of all blocks */
} it_buffers;

/* A block of at least bytes with one reference. prefer: the block that the same request got in the last run (IT_NO_BLOCK: none); it is free
** again when everything happens in the same order, so a repeated run allocates nothing. IT_NO_BLOCK when out of memory. */
int it_buffers_take(it_buffers *b, size_t bytes, int prefer);
void it_buffers_drop(it_buffers *b, int block); /* one reference less; IT_NO_BLOCK is fine */
void it_buffers_release(it_buffers *b);

/* True when both layouts of t are the same bytes: not rank 4, one channel, or one position. */
bool it_layout_same(const it_tensor *t);
/* Copies a rank-4 tensor from its layout to the other one; same type and dims, any element size. */
void it_layout_convert(const it_tensor *from, const it_tensor *to);

#endif
