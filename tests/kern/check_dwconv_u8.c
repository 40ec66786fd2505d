/* SPDX-License-Identifier: Apache-2.0 */
/* check_dwconv_u8: every geometry of the sweep against the reference. */
#include "check.h"

int check_dwconv_u8(const it_kern *ref, const it_kern *level, it_rng *r)
{
    return check_sweep(ref->dwconv_u8, level->dwconv_u8, CHECK_DWCONV, 1, r);
}
