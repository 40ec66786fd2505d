/* SPDX-License-Identifier: Apache-2.0 */
/* check_dense_s16: inputs and outputs around every multiple that a tile or vector could have. */
#include "check.h"

int check_dense_s16(const it_kern *ref, const it_kern *level, it_rng *r)
{
    static const uint32_t inputs[] = { 1, 2, 3, 4, 5, 8, 31, 32, 63, 64, 65, 127, 128, 130, 257, 512, 1000, 1280 };
    /* more than one block of 512 products, many of them, and up to what fits sums of bytes in 32 bits, and beyond */
    static const uint32_t longer[] = { 1025, 2048, 4097, 25088, 65792, 65793, 65794 };
    static const uint32_t outputs[] = { 1, 7, 10, 15, 16, 17, 33, 48, 64, 65, 80, 100, 128, 129 };
    int bad = 0;
    for (size_t i = 0; i < IT_LEN(inputs); i++)
        for (size_t o = 0; o < IT_LEN(outputs) && bad < 10; o++) {
            it_conv_geom g = { .in_h = 1, .in_w = 1, .in_c = inputs[i], .out_h = 1, .out_w = 1, .out_c = outputs[o], .group = 1, .kh = 1,
                               .kw = 1, .stride_h = 1, .stride_w = 1, .dil_h = 1, .dil_w = 1 };
            bad += check_layer(ref->dense_s16, level->dense_s16, CHECK_DENSE, &g, 2, 1, r);
            bad += check_layer(ref->dense_s16, level->dense_s16, CHECK_DENSE, &g, 2, check_pick(r, 2, 40), r);
        }
    for (size_t i = 0; i < IT_LEN(longer); i++)
        for (int k = 0; k < 12 && bad < 10; k++) {
            it_conv_geom g = { .in_h = 1, .in_w = 1, .in_c = longer[i], .out_h = 1, .out_w = 1, .out_c = check_pick(r, 1, 9), .group = 1,
                               .kh = 1, .kw = 1, .stride_h = 1, .stride_w = 1, .dil_h = 1, .dil_w = 1 };
            bad += check_layer(ref->dense_s16, level->dense_s16, CHECK_DENSE, &g, 2, check_pick(r, 1, 3), r);
        }
    return bad;
}
