/* SPDX-License-Identifier: Apache-2.0 */
/* build.h: a quantized graph becomes an integer program. */
#ifndef IT_BUILD_H
#define IT_BUILD_H

#include "op/lower.h"

/* Raw pixels to codes of the network's input: the normalization and the order of channels folded into tables. */
typedef struct it_pixel_map {
    uint32_t channels;
    uint8_t (*table)[256]; /* [channels], network order */
    int32_t source[4];     /* pixel channel that feeds network channel c */
} it_pixel_map;

/* Every value of g that is stored has quantization parameters, every constant weight has codes. pixels: NULL when the program takes
** codes. prog is initialised and empty; meta stays the caller's to fill in. Notes land in lw (initialised here; release it afterwards). */
INTACT_MUST_USE intact_status it_lower_build(it_lower *lw, const it_graph *g, const it_pixel_map *pixels, it_prog *prog, const intact_alloc *a, intact_error *err);

/* Copies of copies become one; it_lower_build() calls it. */
INTACT_MUST_USE intact_status it_lower_merge_copies(it_prog *p, intact_error *err);

/* A Softmax or LogSoftmax whose result is a graph output is left out: the order of the answers is the same. Returns how many. */
size_t it_lower_drop_softmax(it_graph *g);

#endif
