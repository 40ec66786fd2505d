/* SPDX-License-Identifier: Apache-2.0 */
/* squeezenet1_1: Iandola and others 2016, version 1.1: fire modules. */
#include "arch/build.h"

static it_value *fire(it_build *b, it_value *x, int64_t squeeze, int64_t expand)
{
    it_value *s = it_build_conv(b, x, (it_conv_spec){.out = squeeze, .act = IT_ACT_RELU}), *parts[2];
    parts[0] = it_build_conv(b, s, (it_conv_spec){.out = expand, .act = IT_ACT_RELU});
    parts[1] = it_build_conv(b, s, (it_conv_spec){.out = expand, .k = 3, .act = IT_ACT_RELU});
    return it_build_concat(b, parts, 2);
}

static it_value *make(it_build *b, it_value *x, const it_arch *a)
{
    static const int widths[] = {16, 16, 32, 32, 48, 48, 64, 64};
    (void)a;
    x = it_build_conv(b, x, (it_conv_spec){.out = 64, .k = 3, .stride = 2, .pad_mode = IT_BUILD_NONE, .act = IT_ACT_RELU});
    for (size_t i = 0; i < IT_LEN(widths); i++) {
        if (i < 6 && i % 2 == 0) x = it_build_max_pool(b, x, 3, 2, 0, true);
        x = fire(b, x, widths[i], 4 * widths[i]);
    }
    x = it_build_conv(b, x, (it_conv_spec){.out = b->classes, .act = IT_ACT_RELU});
    return it_build_flatten(b, it_build_average(b, x));
}

const it_arch it_arch_squeezenet1_1 = {
    .name = "squeezenet1_1", .summary = "fire modules",
    .input = {3, 224, 224}, .classes = 1000, .make = make,
};
