/* SPDX-License-Identifier: Apache-2.0 */
/* shufflenet_v2: Ma and others 2018, width 1. */
#include "arch/build.h"

static it_value *branch(it_build *b, it_value *x, int64_t out, int64_t stride)
{
    x = it_build_conv(b, x, (it_conv_spec){.out = out, .bn = true, .act = IT_ACT_RELU});
    x = it_build_conv(b, x, (it_conv_spec){.depthwise = true, .k = 3, .stride = stride, .bn = true});
    return it_build_conv(b, x, (it_conv_spec){.out = out, .bn = true, .act = IT_ACT_RELU});
}

static it_value *block(it_build *b, it_value *x, int64_t out, int64_t stride)
{
    it_value *parts[2];
    if (stride == 1) {
        it_build_halves(b, x, parts);
        parts[1] = branch(b, parts[1], out / 2, 1);
    } else {
        parts[0] = it_build_conv(b, x, (it_conv_spec){.depthwise = true, .k = 3, .stride = stride, .bn = true});
        parts[0] = it_build_conv(b, parts[0], (it_conv_spec){.out = out / 2, .bn = true, .act = IT_ACT_RELU});
        parts[1] = branch(b, x, out / 2, stride);
    }
    return it_build_shuffle(b, it_build_concat(b, parts, 2), 2);
}

static it_value *make(it_build *b, it_value *x, const it_arch *a)
{
    static const int widths[] = {116, 232, 464}, blocks[] = {4, 8, 4};
    (void)a;
    x = it_build_conv(b, x, (it_conv_spec){.out = 24, .k = 3, .stride = 2, .bn = true, .act = IT_ACT_RELU});
    x = it_build_max_pool(b, x, 3, 2, 1, false);
    for (size_t s = 0; s < IT_LEN(widths); s++)
        for (int i = 0; i < blocks[s]; i++) x = block(b, x, widths[s], i ? 1 : 2);
    return it_build_head(b, it_build_conv(b, x, (it_conv_spec){.out = 1024, .bn = true, .act = IT_ACT_RELU}));
}

const it_arch it_arch_shufflenet_v2 = {
    .name = "shufflenet_v2", .summary = "split, shuffled channels",
    .input = {3, 224, 224}, .classes = 1000, .make = make,
};
