/* SPDX-License-Identifier: Apache-2.0 */
/* check.h: what the kernel checks share: fenced buffers, random and extreme data, one comparison of a convolution. */
#ifndef IT_TESTS_KERN_CHECK_H
#define IT_TESTS_KERN_CHECK_H

#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "run/kern/kern.h"

/* Every kernel has one: compares level's version with the reference; counts what differs. */
#define KERN(name, type) int check_##name(const it_kern *ref, const it_kern *level, it_rng *r);
#include "run/kern/kern_list.h"
#undef KERN

/* bytes at an address whose neighbourhood cannot be read: the last byte (or, at_end false, the first) lies at a page's border.
** align is kept in both cases. The other side, inside the page, is filled with a pattern that check_fence_ok looks at. */
typedef struct check_fence {
    uint8_t *map, *data;
    size_t map_bytes, bytes, inner;
} check_fence;
check_fence check_fence_new(size_t bytes, size_t align, bool at_end);
bool check_fence_ok(const check_fence *f);
void check_fence_free(check_fence *f);

static inline uint32_t check_pick(it_rng *r, uint32_t lo, uint32_t hi) { return lo + (uint32_t)it_rng_below(r, (uint64_t)hi - lo + 1); }
/* Random bytes, sometimes all the least, all the largest, or only those two. */
void check_fill_u8(it_rng *r, uint8_t *p, size_t n);

typedef enum check_kind { CHECK_CONV, CHECK_DWCONV, CHECK_DENSE } check_kind;
/* One layer at random epilogues, data, batches and cuts. 0: equal. elem: bytes of an input element. */
int check_layer(const it_kern_conv *ref, const it_kern_conv *got, check_kind kind, const it_conv_geom *g, uint32_t elem,
                uint32_t batch, it_rng *r);
/* The sweep that conv_* and dwconv_* share: listed layers and random ones. */
int check_sweep(const it_kern_conv *ref, const it_kern_conv *got, check_kind kind, uint32_t elem, it_rng *r);

#endif
