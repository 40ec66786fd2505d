/* SPDX-License-Identifier: Apache-2.0 */
/* check_dense_u8: the sizes of dense layers. */
#include "check.h"

int check_dense_u8(const it_kern *ref, const it_kern *level, it_rng *r)
{
    check_mac m = check_mac_of(ref->dense_u8, level->dense_u8, CHECK_DENSE, 1, r);
    check_dense(&m);
    return check_mac_end(&m);
}
