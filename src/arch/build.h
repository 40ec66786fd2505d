/* SPDX-License-Identifier: Apache-2.0 */
/* build.h: layers in one call each. A call appends nodes, infers their shapes and gives the last one's output; after the first failure,
** which b keeps, calls do nothing and give NULL, so that an architecture reads as a list of layers. */
#ifndef IT_ARCH_BUILD_H
#define IT_ARCH_BUILD_H

#include "arch/arch.h"
#include "op/op.h"

typedef struct it_build {
    it_graph *g;
    it_rng rng;
    int64_t classes;
    uint64_t bytes;    /* of constants so far */
    const it_arch_options *o;
    uint64_t drawn;    /* weights so far */
    intact_status st;
    intact_error *err;
} it_build;

typedef enum it_act {
    IT_ACT_NONE, IT_ACT_RELU, IT_ACT_RELU6, IT_ACT_SIGMOID, IT_ACT_HARD_SIGMOID, IT_ACT_SWISH, IT_ACT_HARD_SWISH
} it_act;

typedef enum it_build_pad {
    IT_BUILD_HALF,  /* k / 2 on every side: stride 1 keeps the size for odd k */
    IT_BUILD_NONE,
    IT_BUILD_SAME,  /* ceil(size / stride) come out; an odd rest goes to the end */
    IT_BUILD_PAD    /* the spec's pad on every side */
} it_build_pad;

typedef struct it_conv_spec {
    int64_t out;       /* channels; not read when depthwise */
    int64_t k, kw;     /* kernel height (0: 1) and width (0: k) */
    int64_t stride;    /* 0: 1 */
    it_build_pad pad_mode;
    int64_t pad;
    bool depthwise;    /* one filter a channel */
    bool bn;           /* BatchNormalization behind it, and then no bias */
    it_act act;
} it_conv_spec;

int64_t it_build_channels(const it_value *x); /* 0 for NULL */

it_value *it_build_conv(it_build *b, it_value *x, it_conv_spec s);
it_value *it_build_batchnorm(it_build *b, it_value *x);
it_value *it_build_act(it_build *b, it_value *x, it_act act);
it_value *it_build_add(it_build *b, it_value *x, it_value *y);
it_value *it_build_mul(it_build *b, it_value *x, it_value *y);
it_value *it_build_max_pool(it_build *b, it_value *x, int64_t k, int64_t stride, int64_t pad, bool ceil_mode);
it_value *it_build_average(it_build *b, it_value *x);              /* over all positions: (N,C,1,1) */
it_value *it_build_concat(it_build *b, it_value **parts, int len); /* along the channels */
void it_build_halves(it_build *b, it_value *x, it_value *half[2]); /* the channels, cut in the middle */
it_value *it_build_shuffle(it_build *b, it_value *x, int64_t groups);
/* Every step-th row and column. */
it_value *it_build_subsample(it_build *b, it_value *x, int64_t step);
/* Zero channels before and after. */
it_value *it_build_pad_channels(it_build *b, it_value *x, int64_t before, int64_t after);
/* Channels weighed by what their averages say: average, dense to squeeze, act, dense back, gate, product. */
it_value *it_build_squeeze_excite(it_build *b, it_value *x, int64_t squeeze, it_act act, it_act gate);
it_value *it_build_flatten(it_build *b, it_value *x);
it_value *it_build_dense(it_build *b, it_value *x, int64_t out, it_act act);
/* An image as a sequence of its rows: (N, H, C W). */
it_value *it_build_rows(it_build *b, it_value *x);
/* The last state (N, hidden) of a recurrent layer (LSTM: 4 gates, GRU: 3) over a sequence (N, steps, features). */
it_value *it_build_recurrent(it_build *b, it_value *x, const char *onnx, int gates, int64_t hidden);
/* Average, flatten, dense to the classes: how most of them end. */
it_value *it_build_head(it_build *b, it_value *x);

#endif
