/* SPDX-License-Identifier: Apache-2.0 */
/* resample.h: what Resize and Upsample share: where each output position reads, the float engine, the integer tables. */
#ifndef IT_RESAMPLE_H
#define IT_RESAMPLE_H

#include "op/move.h"

typedef enum it_resample_mode { IT_RESAMPLE_NEAREST, IT_RESAMPLE_LINEAR, IT_RESAMPLE_CUBIC } it_resample_mode;

typedef enum it_resample_coord {
    IT_COORD_HALF_PIXEL, IT_COORD_PYTORCH_HALF_PIXEL, IT_COORD_ALIGN_CORNERS, IT_COORD_ASYMMETRIC, IT_COORD_TF_CROP, /* since opset 11 */
    IT_COORD_TF_HALF_PIXEL_NN,     /* opset 11 and 12 */
    IT_COORD_HALF_PIXEL_SYMMETRIC  /* since 19 */
} it_resample_coord;

typedef enum it_resample_round {
    IT_ROUND_PREFER_FLOOR, IT_ROUND_PREFER_CEIL, IT_ROUND_FLOOR, IT_ROUND_CEIL,
    IT_ROUND_SIMPLE /* Resize of opset 10: up when shrinking, down when growing */
} it_resample_round;

typedef struct it_resample {
    it_resample_mode mode;
    it_resample_coord coord;
    it_resample_round round;
    float cubic_a, extrapolation;
    bool exclude_outside, antialias;
} it_resample;

/* One axis: scale is out / in as the network gives it, so in * scale need not be whole; roi counts for TF_CROP only. */
typedef struct it_resample_axis { int64_t in, out; double scale, roi_begin, roi_end; } it_resample_axis;

/* Output j is the sum over t < count of weight[j * count + t] * x[index[j * count + t]], or the extrapolation value where outside[j]. */
typedef struct it_taps { int64_t count; int64_t *index; double *weight; uint8_t *outside; bool any_outside; } it_taps;

/* Every j reads j. */
bool it_resample_identity(const it_resample *r, const it_resample_axis *ax);
/* False when out of memory. in > 0 unless out is 0. */
bool it_resample_taps(const it_resample *r, const it_resample_axis *ax, it_arena *arena, it_taps *t);
/* Output shape from ax[].out, with checks. */
INTACT_MUST_USE intact_status it_resample_shape(const it_node *n, const it_tensor *x, const it_resample_axis *ax, it_tensor *out,
                                                intact_error *err);
INTACT_MUST_USE intact_status it_resample_forward(it_run_ctx *c, const it_node *n, const it_resample *r, const it_resample_axis *ax,
                                                  const it_tensor *x, const it_tensor *y, intact_error *err);
INTACT_MUST_USE intact_status it_resample_lower(it_lower *lw, const it_node *n, const it_resample *r, const it_resample_axis *ax,
                                                intact_error *err);

#endif
