/* SPDX-License-Identifier: Apache-2.0 */
/* helpers.h: random values for the calibration tests. */
#ifndef IT_TEST_CALIB_HELPERS_H
#define IT_TEST_CALIB_HELPERS_H

#include "calib/calib.h"

double test_uniform(it_rng *r);                        /* [0, 1) */
double test_normal(it_rng *r);
void test_fill(it_rng *r, float *x, size_t n, int kind); /* kinds 0..TEST_KINDS - 1: shapes that activations have, and nasty ones */
#define TEST_KINDS 8

#endif
