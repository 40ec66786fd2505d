/* SPDX-License-Identifier: Apache-2.0 */
/* mobilenet_v1: Howard and others 2017, width 1. */
#include "arch/build.h"

static const struct { int out, stride; } BLOCKS[] = {
    {64, 1}, {128, 2}, {128, 1}, {256, 2}, {256, 1}, {512, 2}, {512, 1}, {512, 1}, {512, 1}, {512, 1}, {512, 1}, {1024, 2}, {1024, 1},
};

static it_value *make(it_build *b, it_value *x, const it_arch *a)
{
    (void)a;
    x = it_build_conv(b, x, (it_conv_spec){.out = 32, .k = 3, .stride = 2, .bn = true, .act = IT_ACT_RELU6});
    for (size_t i = 0; i < IT_LEN(BLOCKS); i++) {
        x = it_build_conv(b, x, (it_conv_spec){.depthwise = true, .k = 3, .stride = BLOCKS[i].stride, .bn = true, .act = IT_ACT_RELU6});
        x = it_build_conv(b, x, (it_conv_spec){.out = BLOCKS[i].out, .bn = true, .act = IT_ACT_RELU6});
    }
    return it_build_head(b, x);
}

const it_arch it_arch_mobilenet_v1 = {
    .name = "mobilenet_v1", .summary = "depthwise and pointwise convolutions",
    .input = {3, 224, 224}, .classes = 1000, .make = make,
};
