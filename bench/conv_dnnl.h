/* SPDX-License-Identifier: Apache-2.0 */
/* conv_dnnl.h: one u8 x s8 -> u8 layer of oneDNN, to be timed beside ours. */
#ifndef IT_BENCH_CONV_DNNL_H
#define IT_BENCH_CONV_DNNL_H

#include "run/kern/kern.h"

typedef struct conv_dnnl conv_dnnl;

/* NHWC activations, weights in the format that oneDNN likes best, scales per output channel, bias, no activation, no zero points (ours may
** have them; theirs would only be slower for it). dense: an inner product. add: the sum with what y holds, as ours adds another tensor.
** It runs on as many threads as were set for OpenMP when it is made. NULL: the library has no such layer. */
conv_dnnl *conv_dnnl_new(const it_conv_geom *g, bool dense, bool add);
void conv_dnnl_run(conv_dnnl *c);
void conv_dnnl_free(conv_dnnl *c);

#endif
