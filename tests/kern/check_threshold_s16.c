/* SPDX-License-Identifier: Apache-2.0 */
/* check_threshold_s16: thresholds of s16 codes against the reference. */
#include "check_threshold.h"

static void call(const it_kern *k, const uint8_t *x, uint8_t *y, size_t rows, size_t n, const it_steps *s)
{
    k->threshold_s16((const int16_t *)x, y, rows, n, s);
}

int check_threshold_s16(const it_kern *ref, const it_kern *level, it_rng *r)
{
    return check_threshold_sweep(call, ref, level, 2, r);
}
