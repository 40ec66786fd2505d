/* SPDX-License-Identifier: Apache-2.0 */
/* check_dwconv_s16: every geometry of the sweep against the reference. */
#include "check.h"

int check_dwconv_s16(const it_kern *ref, const it_kern *level, it_rng *r)
{
    return check_sweep(ref->dwconv_s16, level->dwconv_s16, CHECK_DWCONV, 2, r);
}
