/* SPDX-License-Identifier: Apache-2.0 */
/* resnet_cifar: the residual networks of 6n+2 layers of He and others 2015, section 4.2. Shortcuts have no parameters (option A): every
** second pixel, and zeros for the new channels. */
#include "arch/build.h"

static it_value *block(it_build *b, it_value *x, int64_t out, int64_t stride)
{
    it_value *y = it_build_conv(b, x, (it_conv_spec){.out = out, .k = 3, .stride = stride, .bn = true, .act = IT_ACT_RELU});
    int64_t more = out - it_build_channels(x);
    y = it_build_conv(b, y, (it_conv_spec){.out = out, .k = 3, .bn = true});
    if (stride > 1) x = it_build_subsample(b, x, stride);
    if (more) x = it_build_pad_channels(b, x, more / 2, more - more / 2);
    return it_build_act(b, it_build_add(b, y, x), IT_ACT_RELU);
}

static it_value *make(it_build *b, it_value *x, const it_arch *a)
{
    x = it_build_conv(b, x, (it_conv_spec){.out = 16, .k = 3, .bn = true, .act = IT_ACT_RELU});
    for (int stage = 0; stage < 3; stage++)
        for (int i = 0; i < (a->depth - 2) / 6; i++) x = block(b, x, 16 << stage, stage && !i ? 2 : 1);
    return it_build_head(b, x);
}

#define RESNET(n)                                              \
    const it_arch it_arch_resnet##n = {                        \
        .name = "resnet" #n, .summary = #n " layers, for CIFAR", \
        .input = {3, 32, 32}, .classes = 10,                   \
        .depth = n, .make = make,                              \
    }
RESNET(8);
RESNET(20);
RESNET(32);
RESNET(44);
RESNET(56);
