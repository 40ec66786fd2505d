/* SPDX-License-Identifier: Apache-2.0 */
/* fit.h: what fits one output channel to the float network's answers, its activation included: a factor on its scale, a shift of its bias, and for
** windows of few inputs the codes themselves. */
#ifndef IT_PTQ_FIT_H
#define IT_PTQ_FIT_H

#include "ptq/ptq.h"

/* Rows of one channel: the answers wanted, lo and hi the activation's ends (the answers are cut there already). */
typedef struct it_fit_rows {
    const float *want;
    size_t rows;
    float lo, hi;
    bool scales, shifts; /* which of the two may change */
} it_fit_rows;

typedef struct it_fitted { float gain, shift; } it_fitted; /* answer = gain * z + shift, cut to lo..hi */

/* Sum of squared differences, in units of the answers. */
double it_fit_loss(const it_fit_rows *f, const float *z, it_fitted at);
/* From at on to less of it, or at itself: Gauss-Newton steps, each taken only where the loss falls. gain stays within 1/2 and 2 times at's. */
it_fitted it_fit_steps(const it_fit_rows *f, const float *z, it_fitted at, int steps);

/* The k weights of a channel: what they are (w), what they multiply (x[k][rows]), the scale of their codes to begin with, which codes there are
** (whole numbers, without zero point). z: room for rows floats; q: for k. */
typedef struct it_fit_codes { const float *w, *x; int k; float scale, low, top; float *z, *q; } it_fit_codes;
/* From codes on: one up or down, in sweeps over all of them, as long as the loss falls; at is fitted in between. Returns the loss. */
double it_fit_descend(const it_fit_rows *f, const it_fit_codes *c, float *codes, it_fitted *at, int sweeps);
/* The best of several descents, from the nearest codes at several scales. For windows of few inputs. */
double it_fit_search(const it_fit_rows *f, const it_fit_codes *c, float *codes, it_fitted *at);

#endif
