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

/* A kernel of two inputs; k: its constants. */
typedef void check_pair_fn(const it_kern *kern, const uint8_t *a, const uint8_t *b, uint8_t *y, size_t n, const void *k);
/* n random codes, or all pairs of codes; in_place: 1: y is a, 2: y is b. False: level's outputs are not ref's. */
bool check_pairs(check_pair_fn *fn, const it_kern *ref, const it_kern *level, size_t n, bool all, const void *k, int in_place, it_rng *r);

typedef enum check_kind { CHECK_CONV, CHECK_DWCONV, CHECK_DENSE } check_kind;

/* What a layer may have, or how it may lie. A version takes all of them but those that check_mac.c says it refuses. */
typedef enum check_feature {
    CHECK_FIXES,
    CHECK_ADD,
    CHECK_TABLE,
    CHECK_LEVELS,
    CHECK_ACC64,
    CHECK_S16_OUT,
    CHECK_IN_PITCH,
    CHECK_OUT_PITCH,
    CHECK_OTHER_PITCH,
    CHECK_IN_PLACE,
    CHECK_FEATURES
} check_feature;

/* The check of one version: how often layers had a feature when drawn, and when they were compared. */
typedef struct check_mac {
    const it_kern_conv *ref, *got;
    check_kind kind;
    uint32_t elem; /* bytes of an input element */
    it_rng *r;
    uint32_t refused; /* bits: features */
    bool extreme;     /* weights and s16 inputs all at one end of their range */
    uint32_t layers, compared, drawn[CHECK_FEATURES], had[CHECK_FEATURES];
    int bad;
} check_mac;
check_mac check_mac_of(const it_kern_conv *ref, const it_kern_conv *got, check_kind kind, uint32_t elem, it_rng *r);
/* One layer at random epilogues, data and cuts. */
void check_layer(check_mac *m, const it_conv_geom *g, uint32_t batch);
/* The sweep that conv_* and dwconv_* share: listed layers and random ones. */
void check_sweep(check_mac *m);
/* Inputs and outputs of dense_* around every multiple that a tile or vector could have. */
void check_dense(check_mac *m);
/* What differed; and that no feature was left out: an ordinary layer with it is taken, and most of those drawn were compared. */
int check_mac_end(check_mac *m);

#endif
