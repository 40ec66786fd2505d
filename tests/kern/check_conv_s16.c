/* SPDX-License-Identifier: Apache-2.0 */
/* check_conv_s16: every geometry of the sweep against the reference. */
#include "check.h"

int check_conv_s16(const it_kern *ref, const it_kern *level, it_rng *r)
{
    check_mac m = check_mac_of(ref->conv_s16, level->conv_s16, CHECK_CONV, 2, r);
    check_sweep(&m);
    return check_mac_end(&m);
}
