/* SPDX-License-Identifier: Apache-2.0 */
/* method.h: what a quantization-aware method supplies. Each src/qat/<name>.c ends in one it_qat_method, with a line in qat_list.h. */
#ifndef IT_QAT_METHOD_H
#define IT_QAT_METHOD_H

#include "calib/calib.h"
#include "qat/qat.h"

/* Learned parameters a quantizer brings along: name, length, first values. None: len 0. */
typedef struct it_qat_own { size_t len, index; float *init; bool decays; } it_qat_own;

/* What workers have seen of a value in the present step. Apart, so that no two write to one cache line. */
typedef struct it_qat_seen { float lo, hi; char apart[56]; } it_qat_seen;
/* Goes on from step to step: kept in checkpoints. */
typedef struct it_qat_average { float lo, hi; } it_qat_average;

/* The quantizer of values that share parameters: real = scale (code - zero), codes 0..top. */
typedef struct it_qat_act {
    const char *name;          /* of the first value */
    const it_quant *from;      /* as calibration left it */
    bool rounds;               /* codes of at most 8 bits; else its largest values are watched, no more */
    bool fixed;                /* range known beforehand: pixels, sigmoid */
    bool tracks;               /* the range follows moving averages of what is seen */
    int bits, top;
    int32_t zero;
    float scale;
    int64_t features;          /* of the first value of a sample */
    it_qat_own own;
    it_qat_seen *seen;         /* [worker] */
    it_qat_average *average;
} it_qat_act;

/* The quantizer of a weight before folding: real = step[c] * code, codes -top..top; odd: odd ones only. Weights of channel c are the runs
** w[(i * channels + c) * inner + j], i < outer, j < inner. */
typedef struct it_qat_weight {
    const it_value *v;
    int axis, bits, top;
    bool odd;
    int64_t channels, inner, outer;
    float *step, *sums;        /* [channels]; its gradient */
    float *room;               /* of a channel's weights, while steps are chosen */
    bool frozen;               /* step stays as it is */
    bool per_tensor;
    float *unfold;             /* [channels] per_tensor: sigma / |gamma|, by which the common step grows; 1 without normalization */
    const it_node *norm;       /* NULL: none */
    it_qat_own own;
} it_qat_weight;

struct it_qat_method {
    const char *name, *summary; /* "lsq" */
    const char *from;           /* the calibrator that it begins with by itself; with it_qat_options.from ranges are given */
    /* What kind of quantizer this is; own.init has room for one number, or one a channel. given: options name where ranges come from. */
    void (*act_begin)(it_qat_act *a, bool given);
    void (*weight_begin)(it_qat_weight *w, const float *x, bool given);
    /* scale (and zero) from own parameters or averages; step from own parameters or weights. own NULL: there are none. */
    void (*act_set)(it_qat_act *a, const float *own);
    void (*weight_set)(it_qat_weight *w, const float *x, const float *own);
    /* dy becomes the gradient with respect to x, len numbers; returns what the own parameter's gets. */
    double (*act_back)(const it_qat_act *a, const float *x, float *dy, int64_t len);
    /* grad, with respect to what the network used, becomes that with respect to x; own_grad (own.len, zeros) is filled. */
    void (*weight_back)(const it_qat_weight *w, const float *x, float *grad, float *own_grad);
};

#define QAT(name) extern const it_qat_method it_qat_##name;
#include "qat/qat_list.h"
#undef QAT

/* ---- pieces that methods share (fake.c, weights.c) ---- */

/* Arrays may not overlap. Rounding: floor(x / scale + zero + 1/2), as the runtime; not-a-number stays. */
void it_fake_round(const it_qat_act *a, const float *x, float *y, int64_t len);
/* Straight through where the range is, its end points included. */
void it_fake_pass(const it_qat_act *a, const float *x, float *dy, int64_t len);
/* The same, and the gradient of the scale: Esser et al. 2020, equation 3. */
double it_fake_pass_step(const it_qat_act *a, const float *x, float *dy, int64_t len);
/* Straight through below the upper end, and the gradient of that end: Choi et al. 2018, equation 3. */
double it_fake_pass_clip(const it_qat_act *a, const float *x, float *dy, int64_t len);
/* Widens lo..hi. */
void it_fake_range(const float *x, int64_t len, float *lo, float *hi);
/* scale and zero of codes 0..top for a range: it holds 0, and 0 is a code. */
void it_qat_set_range(it_qat_act *a, float lo, float hi);

/* The weight as the network uses it, and its codes; either may be NULL. */
void it_fake_weight(const it_qat_weight *w, const float *x, float *y, int8_t *codes);
/* Straight through within the grid; w->sums: the gradients of step. */
void it_fake_weight_pass(const it_qat_weight *w, const float *x, float *grad);
/* Largest magnitude, and mean of magnitudes and of squares of channel c. */
typedef struct it_weight_moments { float largest; double mean, square; } it_weight_moments;
it_weight_moments it_qat_moments(const it_qat_weight *w, const float *x, int64_t c);
/* largest[c] to step[c]: shared over channels where the weight is per tensor; channels of zeros get the largest step. */
void it_qat_spread(it_qat_weight *w, const float *alpha);
/* The largest code's value of channel c that costs least by rounding (ptq/range_mse.c). */
float it_qat_best_alpha(const it_qat_weight *w, const float *x, int64_t c);

#endif
