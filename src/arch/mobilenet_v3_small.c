/* SPDX-License-Identifier: Apache-2.0 */
/* mobilenet_v3_small: Howard and others 2019, table 2: squeeze-and-excite, hard swish. */
#include "arch/build.h"

static const struct { int k, expanded, out; bool excite, swish; int stride; } BLOCKS[] = {
    {3, 16, 16, true, false, 2},  {3, 72, 24, false, false, 2}, {3, 88, 24, false, false, 1}, {5, 96, 40, true, true, 2},
    {5, 240, 40, true, true, 1},  {5, 240, 40, true, true, 1},  {5, 120, 48, true, true, 1},  {5, 144, 48, true, true, 1},
    {5, 288, 96, true, true, 2},  {5, 576, 96, true, true, 1},  {5, 576, 96, true, true, 1},
};

/* The nearest multiple of 8, at least 8 and no more than a tenth less. */
static int64_t by_eight(int64_t n)
{
    int64_t r = (n + 4) / 8 * 8;
    r = r < 8 ? 8 : r;
    return 10 * r < 9 * n ? r + 8 : r;
}

static it_value *block(it_build *b, it_value *x, size_t i)
{
    it_value *y = x;
    it_act act = BLOCKS[i].swish ? IT_ACT_HARD_SWISH : IT_ACT_RELU;
    int64_t in = it_build_channels(x), expanded = BLOCKS[i].expanded;
    if (in != expanded) y = it_build_conv(b, y, (it_conv_spec){.out = expanded, .bn = true, .act = act});
    y = it_build_conv(b, y, (it_conv_spec){.depthwise = true, .k = BLOCKS[i].k, .stride = BLOCKS[i].stride, .bn = true, .act = act});
    if (BLOCKS[i].excite) y = it_build_squeeze_excite(b, y, by_eight(expanded / 4), IT_ACT_RELU, IT_ACT_HARD_SIGMOID);
    y = it_build_conv(b, y, (it_conv_spec){.out = BLOCKS[i].out, .bn = true});
    return BLOCKS[i].stride == 1 && in == BLOCKS[i].out ? it_build_add(b, x, y) : y;
}

static it_value *make(it_build *b, it_value *x, const it_arch *a)
{
    (void)a;
    x = it_build_conv(b, x, (it_conv_spec){.out = 16, .k = 3, .stride = 2, .bn = true, .act = IT_ACT_HARD_SWISH});
    for (size_t i = 0; i < IT_LEN(BLOCKS); i++) x = block(b, x, i);
    x = it_build_conv(b, x, (it_conv_spec){.out = 576, .bn = true, .act = IT_ACT_HARD_SWISH});
    x = it_build_dense(b, it_build_flatten(b, it_build_average(b, x)), 1024, IT_ACT_HARD_SWISH);
    return it_build_dense(b, x, b->classes, IT_ACT_NONE);
}

const it_arch it_arch_mobilenet_v3_small = {
    .name = "mobilenet_v3_small", .summary = "squeeze-and-excite, hard swish",
    .input = {3, 224, 224}, .classes = 1000, .make = make,
};
