/* SPDX-License-Identifier: Apache-2.0 */
/* check_dwconv_s16: every geometry of the sweep against the reference, and kernels about as large as a
** version's sums may be. */
#include "check.h"

int check_dwconv_s16(const it_kern *ref, const it_kern *level, it_rng *r)
{
    static const uint32_t kernels[][2] = { { 16, 32 }, { 19, 27 }, { 32, 32 }, { 33, 32 } }; /* 512, 513, 1024 and 1056 taps */
    check_mac m = check_mac_of(ref->dwconv_s16, level->dwconv_s16, CHECK_DWCONV, 2, r);
    check_sweep(&m);
    for (uint32_t i = 0; i < IT_LEN(kernels) * 4 && m.bad < 10; i++) {
        const uint32_t kh = kernels[i % 4][0], kw = kernels[i % 4][1], c = check_pick(r, 1, 40), oh = check_pick(r, 1, 3);
        const it_conv_geom g = { .in_h = kh + oh - 3, .in_w = kw + 2, .in_c = c, .out_h = oh, .out_w = 5, .out_c = c, .group = c, .kh = kh,
                                 .kw = kw, .stride_h = 1, .stride_w = 1, .dil_h = 1, .dil_w = 1, .pad_t = 1, .pad_l = 1 };
        m.extreme = i / 4 % 2;
        check_layer(&m, &g, 1);
    }
    return check_mac_end(&m);
}
