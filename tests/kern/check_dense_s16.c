/* SPDX-License-Identifier: Apache-2.0 */
/* check_dense_s16: the sizes of dense layers; many products. */
#include "check.h"

int check_dense_s16(const it_kern *ref, const it_kern *level, it_rng *r)
{
    /* more than one block of 512 products, many of them, and up to what fits sums of bytes in 32 bits, and beyond */
    static const uint32_t longer[] = { 1025, 2048, 4097, 25088, 65792, 65793, 65794 };
    check_mac m = check_mac_of(ref->dense_s16, level->dense_s16, CHECK_DENSE, 2, r);
    check_dense(&m);
    for (size_t i = 0; i < IT_LEN(longer); i++)
        for (int k = 0; k < 12 && m.bad < 10; k++) {
            it_conv_geom g = { .in_h = 1, .in_w = 1, .in_c = longer[i], .out_h = 1, .out_w = 1, .out_c = check_pick(r, 1, 9), .group = 1,
                               .kh = 1, .kw = 1, .stride_h = 1, .stride_w = 1, .dil_h = 1, .dil_w = 1 };
            check_layer(&m, &g, check_pick(r, 1, 3));
        }
    return check_mac_end(&m);
}
