/* SPDX-License-Identifier: Apache-2.0 */
/* lenet5: LeCun and others 1998, with rectifiers and maxima. */
#include "arch/build.h"

static it_value *make(it_build *b, it_value *x, const it_arch *a)
{
    (void)a;
    x = it_build_conv(b, x, (it_conv_spec){.out = 6, .k = 5, .act = IT_ACT_RELU});
    x = it_build_max_pool(b, x, 2, 2, 0, false);
    x = it_build_conv(b, x, (it_conv_spec){.out = 16, .k = 5, .pad_mode = IT_BUILD_NONE, .act = IT_ACT_RELU});
    x = it_build_flatten(b, it_build_max_pool(b, x, 2, 2, 0, false));
    x = it_build_dense(b, x, 120, IT_ACT_RELU);
    x = it_build_dense(b, x, 84, IT_ACT_RELU);
    return it_build_dense(b, x, b->classes, IT_ACT_NONE);
}

const it_arch it_arch_lenet5 = {
    .name = "lenet5", .summary = "two convolutions, three dense layers",
    .input = {1, 28, 28}, .classes = 10, .make = make,
};
