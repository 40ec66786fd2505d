/* SPDX-License-Identifier: Apache-2.0 */
/* patches.h: the matrix product behind a layer, on calibration data: what the layer reads in the network as far as it is quantized, and
** what the float network answers there. Methods that fit a layer's weights or bias (AdaRound, GPTQ, bias correction) share it. */
#ifndef IT_PTQ_PATCHES_H
#define IT_PTQ_PATCHES_H

#include "ptq/ptq.h"

typedef struct it_patches {
    it_linear lin;
    int64_t k;      /* inputs of a window in a group: in_c * kh * kw, in the order of the weight without its channel axis */
    size_t rows;    /* positions, drawn evenly over samples and space by the recipe's seed */
    float *x;       /* [groups][rows][k]: simulated quantized network; padding is 0 */
    float *y;       /* [groups][rows][out_c]: float network, bias included, before the layer's clamp */
    float *bias;    /* [groups * out_c]: of the float network, in y; zeros where there is none */
    bool fits_bias; /* the operator takes one, and what it has is constant */
    float *x_mean, *x_float_mean; /* [groups][k]: over all positions of all samples, of the simulated and the float network; without rows alone */
    const intact_alloc *alloc;
    size_t bytes;
} it_patches;

/* n is the next layer to be quantized: values and weights that have v->q are simulated. rows: at most so many, no means; 0: means only. samples: of the
** calibration set, the first ones; 0: all. Results do not depend on the pool. Fails (E_UNSUPPORTED) where the operator is no matrix product. */
INTACT_MUST_USE intact_status it_patches_make(it_ptq *p, const it_node *n, size_t rows, size_t samples, it_patches *out, intact_error *err);
void it_patches_release(it_patches *t);

/* Weight (g, o, k) as the layer's weight value holds it is w[it_patches_weight(...)]. */
size_t it_patches_weight(const it_patches *t, const it_node *n, int64_t g, int64_t o, int64_t k);

#endif
