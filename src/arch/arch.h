/* SPDX-License-Identifier: Apache-2.0 */
/* arch.h: well-known architectures made from nothing, so that measuring needs no download. Each src/arch/<name>.c ends in one it_arch,
** with a line in arch_list.h; a family of depths shares a file. */
#ifndef IT_ARCH_H
#define IT_ARCH_H

#include "ir/ir.h"

struct it_build; /* arch/build.h */

typedef struct it_arch {
    const char *name;     /* as users write it: lower case, a-z 0-9 _ */
    const char *summary;  /* after "resnet18: ", a few words */
    int64_t input[3];     /* channels, height, width as published */
    int64_t classes;
    int depth;            /* which member of a family; read by make alone */
    /* Everything between input and answer. Failures stay in b: every builder call after one does nothing. */
    it_value *(*make)(struct it_build *b, it_value *x, const struct it_arch *a);
} it_arch;

extern const it_arch *const it_arch_all[]; /* NULL at the end; from arch_list.h */
const it_arch *it_arch_find(const char *name); /* NULL when there is none */

typedef struct it_arch_options {
    int64_t input[3]; /* 1..4096 each; all 0: the architecture's */
    int64_t classes;  /* 1..1000000; 0: the architecture's */
    uint64_t seed;
    int (*progress)(void *user, const char *what, uint64_t done, uint64_t total); /* as the context's, total 0: not known; NULL: none */
    void *user;
} it_arch_options;

/* The network into an initialised graph: opset 13, batch free, He-normal weights of the seed, biases 0, BatchNormalization as the identity
** (scale 1, bias 0, mean 0, variance 1). Sorted, shapes of batch 1 filled in. */
INTACT_MUST_USE intact_status it_arch_make(const it_arch *a, const it_arch_options *o, it_graph *g, intact_error *err);

/* len normally distributed numbers of standard deviation std: Box and Muller's transform in doubles. */
void it_arch_gauss(it_rng *r, float *out, size_t len, double std);

#define ARCH(name) extern const it_arch it_arch_##name;
#include "arch/arch_list.h"
#undef ARCH

#endif
