/* SPDX-License-Identifier: Apache-2.0 */
/* method.h: what a post-training method supplies. Each is a file that ends in one descriptor, with a line in its list. */
#ifndef IT_PTQ_METHOD_H
#define IT_PTQ_METHOD_H

#include "ptq/ptq.h"

/* Changes the network so that it quantizes better: prepare before calibration (the float network computes the same afterwards), or layer
** after layer once its weights have codes. NULL: not there. */
struct it_ptq_method {
    const char *name, *summary; /* "equalize" */
    intact_status (*prepare)(it_ptq *p, intact_error *err);
    intact_status (*layer)(it_ptq *p, it_node *n, intact_error *err); /* in order; every layer before n is done */
};

/* From the values of weights that share a scale to the range that codes cover: lo <= 0 <= hi; symmetric ones get -m..m. */
struct it_weight_range {
    const char *name, *summary; /* "max", "mse" */
    it_range (*range)(const float *w, size_t n, int bits, bool affine);
};

/* From weights and scales to codes: q->scale and q->zero are set, codes (q->codes, in the value's order) are to be filled, within
** -top..top (affine: -2^(bits-1)..2^(bits-1)-1). */
struct it_rounding {
    const char *name, *summary; /* "nearest", "adaround", "gptq" */
    intact_status (*round)(it_ptq *p, const it_node *n, it_quant *q, int8_t *codes, intact_error *err);
};

/* From a histogram to the real values of at most 2^bits levels on the 8-bit grid of r, ascending. */
struct it_levels {
    const char *name, *summary; /* "lloyd", "entropy" */
    intact_status (*fit)(const it_hist *h, it_range r, int bits, uint8_t *codes /* [2^bits] of 0..255 */, intact_error *err);
};

extern const it_ptq_method *const it_ptq_method_all[]; /* NULL at the end, as the others */
extern const it_weight_range *const it_weight_range_all[];
extern const it_rounding *const it_rounding_all[];
extern const it_levels *const it_levels_all[];

#define PTQ_METHOD(name) extern const it_ptq_method it_ptq_method_##name;
#define WEIGHT_RANGE(name) extern const it_weight_range it_weight_range_##name;
#define ROUNDING(name) extern const it_rounding it_rounding_##name;
#define LEVELS(name) extern const it_levels it_levels_##name;
#include "ptq/method_list.h"
#undef PTQ_METHOD
#undef WEIGHT_RANGE
#undef ROUNDING
#undef LEVELS

/* Weights of one channel (or of all: c < 0) are the runs w[(i * dim + c) * inner + j], i < outer, j < inner. */
typedef struct it_weight_view { const float *w; int64_t dim, inner, outer; } it_weight_view;
it_weight_view it_weight_view_of(const it_tensor *t, int axis);

#endif
