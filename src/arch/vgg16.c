/* SPDX-License-Identifier: Apache-2.0 */
/* vgg16: Simonyan and Zisserman 2014, configuration D. */
#include "arch/build.h"

static it_value *make(it_build *b, it_value *x, const it_arch *a)
{
    static const int widths[] = {64, 128, 256, 512, 512}, layers[] = {2, 2, 3, 3, 3};
    (void)a;
    for (size_t s = 0; s < IT_LEN(widths); s++) {
        for (int i = 0; i < layers[s]; i++) x = it_build_conv(b, x, (it_conv_spec){.out = widths[s], .k = 3, .act = IT_ACT_RELU});
        x = it_build_max_pool(b, x, 2, 2, 0, false);
    }
    x = it_build_dense(b, it_build_flatten(b, x), 4096, IT_ACT_RELU);
    x = it_build_dense(b, x, 4096, IT_ACT_RELU);
    return it_build_dense(b, x, b->classes, IT_ACT_NONE);
}

const it_arch it_arch_vgg16 = {
    .name = "vgg16", .summary = "13 convolutions of 3x3, three dense layers",
    .input = {3, 224, 224}, .classes = 1000, .make = make,
};
