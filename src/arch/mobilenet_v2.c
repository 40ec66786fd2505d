/* SPDX-License-Identifier: Apache-2.0 */
/* mobilenet_v2: Sandler and others 2018, width 1: inverted residuals with linear bottlenecks. */
#include "arch/build.h"

static const struct { int expand, out, blocks, stride; } STAGES[] = {
    {1, 16, 1, 1}, {6, 24, 2, 2}, {6, 32, 3, 2}, {6, 64, 4, 2}, {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1},
};

static it_value *block(it_build *b, it_value *x, int64_t expand, int64_t out, int64_t stride)
{
    it_value *y = x;
    int64_t in = it_build_channels(x);
    if (expand > 1) y = it_build_conv(b, y, (it_conv_spec){.out = in * expand, .bn = true, .act = IT_ACT_RELU6});
    y = it_build_conv(b, y, (it_conv_spec){.depthwise = true, .k = 3, .stride = stride, .bn = true, .act = IT_ACT_RELU6});
    y = it_build_conv(b, y, (it_conv_spec){.out = out, .bn = true});
    return stride == 1 && in == out ? it_build_add(b, x, y) : y;
}

static it_value *make(it_build *b, it_value *x, const it_arch *a)
{
    (void)a;
    x = it_build_conv(b, x, (it_conv_spec){.out = 32, .k = 3, .stride = 2, .bn = true, .act = IT_ACT_RELU6});
    for (size_t s = 0; s < IT_LEN(STAGES); s++)
        for (int i = 0; i < STAGES[s].blocks; i++) x = block(b, x, STAGES[s].expand, STAGES[s].out, i ? 1 : STAGES[s].stride);
    return it_build_head(b, it_build_conv(b, x, (it_conv_spec){.out = 1280, .bn = true, .act = IT_ACT_RELU6}));
}

const it_arch it_arch_mobilenet_v2 = {
    .name = "mobilenet_v2", .summary = "inverted residuals",
    .input = {3, 224, 224}, .classes = 1000, .make = make,
};
