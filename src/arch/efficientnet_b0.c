/* SPDX-License-Identifier: Apache-2.0 */
/* efficientnet_b0: Tan and Le 2019: inverted residuals with squeeze-and-excite and swish. */
#include "arch/build.h"

static const struct { int expand, k, out, blocks, stride; } STAGES[] = {
    {1, 3, 16, 1, 1}, {6, 3, 24, 2, 2}, {6, 5, 40, 2, 2}, {6, 3, 80, 3, 2}, {6, 5, 112, 3, 1}, {6, 5, 192, 4, 2}, {6, 3, 320, 1, 1},
};

static it_value *block(it_build *b, it_value *x, size_t s, int64_t stride)
{
    it_value *y = x;
    int64_t in = it_build_channels(x), out = STAGES[s].out;
    if (STAGES[s].expand > 1) y = it_build_conv(b, y, (it_conv_spec){.out = in * STAGES[s].expand, .bn = true, .act = IT_ACT_SWISH});
    y = it_build_conv(b, y, (it_conv_spec){.depthwise = true, .k = STAGES[s].k, .stride = stride, .bn = true, .act = IT_ACT_SWISH});
    y = it_build_squeeze_excite(b, y, in / 4, IT_ACT_SWISH, IT_ACT_SIGMOID);
    y = it_build_conv(b, y, (it_conv_spec){.out = out, .bn = true});
    return stride == 1 && in == out ? it_build_add(b, x, y) : y;
}

static it_value *make(it_build *b, it_value *x, const it_arch *a)
{
    (void)a;
    x = it_build_conv(b, x, (it_conv_spec){.out = 32, .k = 3, .stride = 2, .bn = true, .act = IT_ACT_SWISH});
    for (size_t s = 0; s < IT_LEN(STAGES); s++)
        for (int i = 0; i < STAGES[s].blocks; i++) x = block(b, x, s, i ? 1 : STAGES[s].stride);
    return it_build_head(b, it_build_conv(b, x, (it_conv_spec){.out = 1280, .bn = true, .act = IT_ACT_SWISH}));
}

const it_arch it_arch_efficientnet_b0 = {
    .name = "efficientnet_b0", .summary = "inverted residuals, squeeze-and-excite, swish",
    .input = {3, 224, 224}, .classes = 1000, .make = make,
};
