/* SPDX-License-Identifier: Apache-2.0 */
/* dscnn: keyword spotting on 49 frames of 10 coefficients: Zhang and others 2017, the small depthwise-separable network. */
#include "arch/build.h"

static it_value *make(it_build *b, it_value *x, const it_arch *a)
{
    (void)a;
    it_conv_spec first = {.out = 64, .k = 10, .kw = 4, .stride = 2, .pad_mode = IT_BUILD_SAME, .bn = true, .act = IT_ACT_RELU};
    x = it_build_conv(b, x, first);
    for (int i = 0; i < 4; i++) {
        x = it_build_conv(b, x, (it_conv_spec){.depthwise = true, .k = 3, .bn = true, .act = IT_ACT_RELU});
        x = it_build_conv(b, x, (it_conv_spec){.out = 64, .bn = true, .act = IT_ACT_RELU});
    }
    return it_build_head(b, x);
}

const it_arch it_arch_dscnn = {
    .name = "dscnn", .summary = "keyword spotting on 49x10 coefficients",
    .input = {1, 49, 10}, .classes = 12, .make = make,
};
