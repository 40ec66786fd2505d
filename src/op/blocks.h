/* SPDX-License-Identifier: Apache-2.0 */
/* blocks.h: depth_to_space and space_to_depth are one move in two directions. */
#ifndef IT_BLOCKS_H
#define IT_BLOCKS_H

#include "op/move.h"

typedef struct it_blocks_args { int64_t size; bool crd; } it_blocks_args;

/* Attribute blocksize, at least 1; checks that in[0] is (N,C,H,W). */
INTACT_MUST_USE intact_status it_blocks_parse(it_parse *p);
INTACT_MUST_USE intact_status it_blocks_rank(const it_node *n, const it_tensor *x, intact_error *err);

/* Deep (N, C*b*b, H, W) and wide (N, C, H*b, W*b) as one index space n, h, i, w, j, c: position (h*b+i, w*b+j) of wide's channel c is
** position (h, w) of deep's channel (i*b + j)*C + c, or (c*b + i)*b + j in CRD. Strides of both from their own per-axis strides. */
void it_blocks_space(const it_blocks_args *a, const it_tensor *deep, const int64_t *deep_axis, const int64_t *wide_axis, int64_t dim[6],
                     int64_t deep_stride[6], int64_t wide_stride[6]);

#endif
