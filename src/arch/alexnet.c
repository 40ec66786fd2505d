/* SPDX-License-Identifier: Apache-2.0 */
/* alexnet: Krizhevsky 2014, "one weird trick": the variant on one device. */
#include "arch/build.h"

static it_value *make(it_build *b, it_value *x, const it_arch *a)
{
    (void)a;
    x = it_build_conv(b, x, (it_conv_spec){.out = 64, .k = 11, .stride = 4, .pad_mode = IT_BUILD_PAD, .pad = 2, .act = IT_ACT_RELU});
    x = it_build_max_pool(b, x, 3, 2, 0, false);
    x = it_build_conv(b, x, (it_conv_spec){.out = 192, .k = 5, .act = IT_ACT_RELU});
    x = it_build_max_pool(b, x, 3, 2, 0, false);
    x = it_build_conv(b, x, (it_conv_spec){.out = 384, .k = 3, .act = IT_ACT_RELU});
    x = it_build_conv(b, x, (it_conv_spec){.out = 256, .k = 3, .act = IT_ACT_RELU});
    x = it_build_conv(b, x, (it_conv_spec){.out = 256, .k = 3, .act = IT_ACT_RELU});
    x = it_build_flatten(b, it_build_max_pool(b, x, 3, 2, 0, false));
    x = it_build_dense(b, x, 4096, IT_ACT_RELU);
    x = it_build_dense(b, x, 4096, IT_ACT_RELU);
    return it_build_dense(b, x, b->classes, IT_ACT_NONE);
}

const it_arch it_arch_alexnet = {
    .name = "alexnet", .summary = "five convolutions, three dense layers",
    .input = {3, 224, 224}, .classes = 1000, .make = make,
};
