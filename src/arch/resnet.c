/* SPDX-License-Identifier: Apache-2.0 */
/* resnet: the residual networks of He and others 2015 for ImageNet; a bottleneck's stride is in its 3x3 convolution. */
#include "arch/build.h"

static const struct { int depth, blocks[4]; bool bottleneck; } SHAPES[] = {
    {18, {2, 2, 2, 2}, false}, {34, {3, 4, 6, 3}, false}, {50, {3, 4, 6, 3}, true},
};

static it_value *block(it_build *b, it_value *x, int64_t width, int64_t stride, bool bottleneck)
{
    it_value *y = x;
    int64_t out = bottleneck ? 4 * width : width;
    if (bottleneck) y = it_build_conv(b, y, (it_conv_spec){.out = width, .bn = true, .act = IT_ACT_RELU});
    y = it_build_conv(b, y, (it_conv_spec){.out = width, .k = 3, .stride = stride, .bn = true, .act = IT_ACT_RELU});
    y = it_build_conv(b, y, (it_conv_spec){.out = out, .k = bottleneck ? 1 : 3, .bn = true});
    if (stride > 1 || it_build_channels(x) != out) x = it_build_conv(b, x, (it_conv_spec){.out = out, .stride = stride, .bn = true});
    return it_build_act(b, it_build_add(b, y, x), IT_ACT_RELU);
}

static it_value *make(it_build *b, it_value *x, const it_arch *a)
{
    size_t s = 0;
    while (SHAPES[s].depth != a->depth) s++;
    x = it_build_conv(b, x, (it_conv_spec){.out = 64, .k = 7, .stride = 2, .bn = true, .act = IT_ACT_RELU});
    x = it_build_max_pool(b, x, 3, 2, 1, false);
    for (int stage = 0; stage < 4; stage++)
        for (int i = 0; i < SHAPES[s].blocks[stage]; i++) x = block(b, x, 64 << stage, stage && !i ? 2 : 1, SHAPES[s].bottleneck);
    return it_build_head(b, x);
}

#define RESNET(n)                                              \
    const it_arch it_arch_resnet##n = {                        \
        .name = "resnet" #n, .summary = #n " layers",          \
        .input = {3, 224, 224}, .classes = 1000,               \
        .depth = n, .make = make,                              \
    }
RESNET(18);
RESNET(34);
RESNET(50);
