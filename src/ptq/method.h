/* SPDX-License-Identifier: Apache-2.0 */
/* method.h: what a post-training method supplies. Each is a file that ends in one descriptor, with a line in its list. */
#ifndef IT_PTQ_METHOD_H
#define IT_PTQ_METHOD_H

#include "ptq/ptq.h"

/* Changes the network so that it quantizes better: prepare before calibration (the float network computes the same afterwards, but for
** numbers that hardly ever occur on the calibration samples), or layer
** after layer once its weights have codes. NULL: not there. */
struct it_ptq_method {
    const char *name, *summary; /* "equalize" */
    bool data;                  /* calibration samples are needed */
    intact_status (*prepare)(it_ptq *p, intact_error *err);
    intact_status (*layer)(it_ptq *p, it_node *n, intact_error *err); /* in order; every layer before n is done */
};

/* From the values of weights that share a scale to the range that codes cover: lo <= 0 <= hi; symmetric ones get -m..m. */
struct it_weight_range {
    const char *name, *summary; /* "max", "mse" */
    it_range (*range)(const float *w, size_t n, int bits, bool affine);
};

/* From weights and scales to codes: q->scale, q->zero and q->group are set, codes (q->codes, in the value's order) are to be filled, within
** -top..top (affine: -2^(bits-1)..2^(bits-1)-1), at the step it_weight_step(). */
struct it_rounding {
    const char *name, *summary; /* "nearest", "adaround", "gptq" */
    bool data;                  /* calibration samples are needed */
    intact_status (*round)(it_ptq *p, it_node *n, it_quant *q, int8_t *codes, intact_error *err);
};

/* Of the values that a code of the 8-bit grid stands for: how many, their sum and their squares' sum, in codes (value / scale + zero point). */
typedef struct it_code_stats { double mass, sum, square; } it_code_stats;
/* Values lie evenly within their bins; exact zeros are at zero. Codes are 0..top, top < 256. */
void it_code_stats_of(const it_hist *h, float scale, int32_t zero, int top, it_code_stats out[256]);

/* From what the 256 codes stand for to at most most levels (2 to 16), codes in ascending order; returns how many. */
struct it_levels {
    const char *name, *summary; /* "lloyd", "entropy" */
    int (*fit)(const it_code_stats of[256], int most, uint8_t *levels);
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

/* The step between codes of the k-th weight of channel c (0 where all channels share a scale). */
static inline double it_weight_step(const it_quant *q, int64_t c, int64_t k)
{
    return (double)q->scale[c] * (q->group ? q->group[c * q->groups + k / q->group_len] : 1);
}

/* Weights of one channel (or of all: c < 0) are the runs w[(i * dim + c) * inner + j], i < outer, j < inner. */
typedef struct it_weight_view { const float *w; int64_t dim, inner, outer; } it_weight_view;
it_weight_view it_weight_view_of(const it_tensor *t, int axis);


/* ---- pieces of it_ptq_assign_weight ---- */

/* From each channel's largest value, in q->scale, to the step of codes up to top. */
void it_ptq_spread_scales(it_quant *q, int top);
/* Scales of groups (ptq/group_scales.c): q->scale and q->group; then, of finished codes, the products with their groups' multipliers: 8-bit weights. */
INTACT_MUST_USE intact_status it_ptq_group_scales(it_ptq *p, const it_node *n, const it_weight_view *v, const it_weight_plan *plan, it_quant *q, intact_error *err);
void it_ptq_group_codes(const it_weight_view *v, it_quant *q, int8_t *codes);

#endif
