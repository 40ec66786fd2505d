/* SPDX-License-Identifier: Apache-2.0 */
/* check_threshold_u8: thresholds of u8 codes against the reference. */
#include "check_threshold.h"

static void call(const it_kern *k, const uint8_t *x, uint8_t *y, size_t rows, size_t n, const it_steps *s)
{
    k->threshold_u8(x, y, rows, n, s);
}

int check_threshold_u8(const it_kern *ref, const it_kern *level, it_rng *r)
{
    return check_threshold_sweep(call, ref, level, 1, r);
}
